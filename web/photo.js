// Turns any photo that the browser can open into the small picture that the model sees.

import { offPage } from "./canvas.js";
import { develop, warm, WorkerError } from "./darkroom.js";
import { fitted } from "./fit.js";
import { shown, small } from "./picture.js";

/** A file that is no photo, or none that this browser can open. */
export class PhotoError extends Error {
  constructor(message, hint) {
    super(message);
    this.hint = hint;
  }
}

if (offPage()) warm();

/**
 * @typedef {object} Prepared
 * @property {Blob} small the picture to send
 * @property {number} width the photo's own, upright, in pixels
 * @property {number} height likewise
 * @property {Promise<{preview: Blob, thumbnail: Blob}>} shown comes a little later
 */

/**
 * @param {Blob} file what was chosen, dropped, pasted or taken
 * @param {import("./fit.js").Form} form of the model's pictures
 * @returns {Promise<Prepared>}
 * @throws {PhotoError} the file cannot be opened as a photo
 */
export async function prepare(file, form) {
  if (offPage()) {
    try {
      return await develop(file, form);
    } catch (error) {
      if (!(error instanceof WorkerError)) throw error;
      // An <img> opens what a worker does not: drawings, and with Safari HEIC.
    }
  }
  return prepareHere(file, form);
}

async function prepareHere(file, form) {
  const address = URL.createObjectURL(file);
  try {
    const image = await open(address, file);
    const { naturalWidth: width, naturalHeight: height } = image;
    const photo = { image, width, height, orientation: 1 };
    const picture = await small({ fitted: () => fitted(photo, form) });
    return { small: picture, width, height, shown: Promise.resolve(await shown(photo)) };
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** An <img> is what every browser turns upright by EXIF, once, also when drawn on a canvas. */
async function open(address, file) {
  const image = new Image();
  image.src = address;
  try {
    await image.decode();
  } catch {
    throw await refusal(file);
  }
  if (!image.naturalWidth || !image.naturalHeight) throw await refusal(file);
  return image;
}

async function refusal(file) {
  const name = file.name ? `“${file.name}”` : "This file";
  if (await isHeic(file)) {
    return new PhotoError(
      `${name} is a HEIC photo, which this browser cannot open.`,
      "Export it as JPEG, or set the phone's camera to “most compatible”.",
    );
  }
  return new PhotoError(
    `${name} cannot be opened as a photo.`,
    "Choose a JPEG, PNG, WebP or another photo that this browser can show.",
  );
}

async function isHeic(file) {
  if (/hei[cf]/i.test(file.type) || /\.hei[cf]$/i.test(file.name || "")) return true;
  const head = new Uint8Array(await file.slice(4, 12).arrayBuffer().catch(() => new ArrayBuffer(0)));
  return /^ftyp(hei|hev|mif1|msf1)/.test(String.fromCharCode(...head));
}
