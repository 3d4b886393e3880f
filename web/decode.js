// Opens a photo's file in a worker, with its pixels' values as they stand in the file.

import { blank } from "./canvas.js";
import { fitted, fittedPart } from "./fit.js";
import { readHeader } from "./jpeg.js";
import { turnedSides } from "./turn.js";

const JPEG = "image/jpeg";
const OVERSAMPLING = 2; // sides of what is decoded, at least, in those of the result
const REDUCTIONS = [8, 4, 2];
const RAW = { colorSpaceConversion: "none" }; // no colour profile is applied, as in training

/**
 * @typedef {object} Photo decoded
 * @property {number} width of the upright photo, in pixels
 * @property {number} height likewise
 * @property {ImageBitmap | OffscreenCanvas | HTMLImageElement} image maybe smaller
 * @property {number} orientation of `image`, as Exif has it
 * @property {() => ImageData} fitted the model's picture of it
 * @property {() => void} close lets go of its memory
 */

/**
 * @param {Blob} file
 * @param {import("./fit.js").Form} form
 * @returns {Promise<Photo>}
 * @throws {DOMException} this browser cannot open it here
 */
export async function decode(file, form) {
  return (await decodeReduced(file, form)) ?? decodeWhole(file, form);
}

/**
 * A JPEG holds its picture at 1/2, 1/4 and 1/8 too; reading one of these takes a quarter of the
 * time, a thirtieth of the memory, and is what photo/preparation.py does: the sizes are the same.
 *
 * @returns {Promise<Photo | null>} null: this browser, or this file, is for `decodeWhole`
 */
async function decodeReduced(file, form) {
  if (typeof ImageDecoder !== "function") return null; // also at an http address on the web
  const bytes = await file.arrayBuffer();
  const header = readHeader(bytes);
  const by = header && REDUCTIONS.find((each) => spare(header, form.size) >= each);
  if (!by) return null;
  const pixels = await readReduced(bytes, header, by).catch(() => null);
  if (!pixels) return null;
  const { orientation } = header;
  const [width, height] = turnedSides(orientation, header.width, header.height);
  const image = blank(pixels.width, pixels.height);
  image.getContext("2d").putImageData(pixels, 0, 0);
  // The last row and column may be partly empty: they count for what they hold.
  const part = { width: header.width / by, height: header.height / by, orientation };
  return { width, height, image, orientation, fitted: () => fittedPart(pixels, part, form), close() {} };
}

/** How much smaller the picture may be read, as Pillow reckons it. */
function spare({ width, height }, size) {
  return Math.min(...[width, height].map((side) => Math.floor(side / (size * OVERSAMPLING))));
}

/** The pixels as they lie in the file; null where the browser made something else of it. */
async function readReduced(data, { width, height }, by) {
  const [desiredWidth, desiredHeight] = [width, height].map((side) => Math.ceil(side / by));
  const decoder = new ImageDecoder({ data, type: JPEG, desiredWidth, desiredHeight, ...RAW });
  try {
    const { image: frame } = await decoder.decode();
    try {
      return await pixelsOf(frame, desiredWidth, desiredHeight);
    } finally {
      frame.close();
    }
  } finally {
    decoder.close();
  }
}

async function pixelsOf(frame, width, height) {
  // Colours at half the resolution (I420) would be spread by another filter than libjpeg's.
  if (!/^(BGR|RGB)/.test(frame.format)) return null;
  if (frame.codedWidth !== width || frame.codedHeight !== height) return null;
  const pixels = new ImageData(width, height);
  await frame.copyTo(pixels.data, { format: "RGBA" });
  return pixels;
}

async function decodeWhole(file, form) {
  const image = await createImageBitmap(file, { imageOrientation: "from-image", ...RAW });
  const { width, height } = image;
  return {
    ...{ width, height, image, orientation: 1 },
    fitted: () => fitted({ image, width, height }, form),
    close: () => image.close(),
  };
}
