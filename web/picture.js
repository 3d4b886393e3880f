// Makes of a decoded photo what is sent, and what is shown of it. Runs in a worker or on the page.

import { blank, encode, paper } from "./canvas.js";
import { drawUpright, turnedSides } from "./turn.js";

// What is sent: some 5 KB at 112 pixels. WebP loses three tenths less than JPEG in as many bytes;
// Safari cannot write it, and sends half as many more. Measured in docs/architecture.md.
const SENT = { type: "image/webp", quality: 0.95 };
const ELSE_SENT = { type: "image/jpeg", quality: 0.97 };
const JPEG = "image/jpeg";
const PREVIEW = { longest: 480, quality: 0.85 };
const THUMBNAIL = { longest: 96, quality: 0.75 }; // for the history: about 2 KB

/** @typedef {import("./decode.js").Photo} Photo */

/**
 * @param {Photo} photo
 * @returns {Promise<Blob>} the picture to send
 */
export async function small(photo) {
  const pixels = photo.fitted();
  const canvas = blank(pixels.width, pixels.height);
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  const sent = await encode(canvas, SENT.type, SENT.quality);
  return sent.type === SENT.type ? sent : encode(canvas, ELSE_SENT.type, ELSE_SENT.quality);
}

/**
 * @param {Photo} photo
 * @returns {Promise<{preview: Blob, thumbnail: Blob}>} JPEGs in the photo's own proportions
 */
export async function shown({ image, width, height, orientation }) {
  const lying = turnedSides(orientation, width, height);
  const canvas = reduced(image, lying, orientation, PREVIEW.longest);
  const sides = [canvas.width, canvas.height];
  const smaller = reduced(canvas, sides, 1, THUMBNAIL.longest);
  const [preview, thumbnail] = await Promise.all([
    encode(canvas, JPEG, PREVIEW.quality),
    encode(smaller, JPEG, THUMBNAIL.quality),
  ]);
  return { preview, thumbnail };
}

function reduced(image, sides, orientation, longest) {
  const scale = Math.min(1, longest / Math.max(...sides));
  const [width, height] = sides.map((side) => Math.max(1, Math.round(side * scale)));
  const canvas = blank(...turnedSides(orientation, width, height));
  const context = paper(canvas);
  context.imageSmoothingQuality = "medium";
  drawUpright(context, orientation, width, height);
  context.drawImage(image, 0, 0, width, height);
  return canvas;
}
