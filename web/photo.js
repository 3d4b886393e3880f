// Turns any photo that the browser can open into the small picture that the model sees.

import { hamming } from "./resample.js";

export const SIZE = 112; // pixels; as contracts.py has it
export const FIT = "squash"; // both sides scaled, nothing cut; as contracts.py has it
const QUALITY = 0.92; // of the JPEG: about 5 KB
const WHITE = "#fff"; // behind transparency, as training has it

/** A file that is no photo, or none that this browser can open. */
export class PhotoError extends Error {
  constructor(message, hint) {
    super(message);
    this.hint = hint;
  }
}

/**
 * @param {Blob} file what was chosen, dropped, pasted or taken
 * @returns {Promise<{dataUrl: string, bytes: number, width: number, height: number}>}
 *   the picture to send, its JPEG's size, and the photo's own width and height, upright
 * @throws {PhotoError} the file cannot be opened as a photo
 */
export async function prepare(file) {
  const address = URL.createObjectURL(file);
  try {
    const image = await open(address, file);
    const dataUrl = encode(squash(image));
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

/** Halving by canvas is fast and the same everywhere; the last step needs the right filter. */
function squash(image) {
  let [width, height] = [image.naturalWidth, image.naturalHeight];
  let canvas = null;
  do {
    width = halved(width);
    height = halved(height);
    canvas = draw(canvas ?? image, width, height);
  } while (halved(width) < width || halved(height) < height);
  return hamming(canvas.getContext("2d").getImageData(0, 0, width, height), SIZE);
}

function halved(length) {
  return length >= 4 * SIZE ? Math.ceil(length / 2) : length;
}

function draw(source, width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true, alpha: false });
  context.fillStyle = WHITE;
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "low"; // bilinear, which at one half is the mean of four pixels
  context.drawImage(source, 0, 0, width, height);
  return canvas;
}

function encode(pixels) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIZE;
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas.toDataURL("image/jpeg", QUALITY);
}
