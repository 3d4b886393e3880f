// Turns any photo that the browser can open into the small picture that the model sees.

import { fitted } from "./fit.js";

const QUALITY = 0.92; // of the JPEG: about 5 KB at 112 pixels

/** A file that is no photo, or none that this browser can open. */
export class PhotoError extends Error {
  constructor(message, hint) {
    super(message);
    this.hint = hint;
  }
}

/**
 * @param {Blob} file what was chosen, dropped, pasted or taken
 * @param {{size: number, fit: string}} form of the model's pictures: pixels a side, and how a photo
 *   becomes square
 * @returns {Promise<{dataUrl: string, bytes: number, width: number, height: number}>}
 *   the picture to send, its JPEG's size, and the photo's own width and height, upright
 * @throws {PhotoError} the file cannot be opened as a photo
 */
export async function prepare(file, form) {
  const address = URL.createObjectURL(file);
  try {
    const image = await open(address, file);
    const dataUrl = encode(fitted(image, form));
    return {
      dataUrl,
      bytes: Math.floor(((dataUrl.length - dataUrl.indexOf(",") - 1) * 3) / 4),
      width: image.naturalWidth,
      height: image.naturalHeight,
    };
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

function encode(pixels) {
  const canvas = document.createElement("canvas");
  canvas.width = pixels.width;
  canvas.height = pixels.height;
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas.toDataURL("image/jpeg", QUALITY);
}
