// Makes a photo the square that the model sees: squashed, cropped or padded as in training.

import { blank, paper } from "./canvas.js";
import { hamming } from "./resample.js";
import { upright } from "./turn.js";

export const SIZE = 112; // pixels; where the service does not say; as contracts.py has it
export const FIT = "squash"; // likewise
export const FITS = ["squash", "crop", "pad"]; // as contracts.py has them
const [, CROP, PAD] = FITS;

const CANVAS_AREA = 4096 * 4096; // pixels: the largest canvas of every browser
const ENOUGH = 448; // pixels

/**
 * @typedef {object} Form how a model's pictures are made
 * @property {number} size pixels a side
 * @property {string} fit one of FITS
 */

/**
 * @param {object} photo upright
 * @param {CanvasImageSource} photo.image
 * @param {number} photo.width of `image`, in pixels
 * @param {number} photo.height likewise
 * @param {Form} form
 * @param {number} area the most pixels that a canvas on the way may have
 * @returns {ImageData} size x size, opaque
 */
export function fitted({ image, width, height }, { size, fit }, area = CANVAS_AREA) {
  return padded(hamming(...reduced(image, placed([width, height], size, fit), area)), size);
}

/**
 * @param {ImageData} pixels that need no halving, as they lie in the file
 * @param {{width: number, height: number, orientation: number}} part what of them is the photo, in
 *   pixels and parts of one, and how it lies
 * @param {Form} form
 * @returns {ImageData} size x size, opaque, upright
 */
export function fittedPart(pixels, { width, height, orientation }, { size, fit }) {
  const picture = hamming(pixels, ...placed([width, height], size, fit));
  return padded(upright(picture, orientation), size); // turned when it is small: that is quicker
}

/**
 * Along each axis: of the photo's `length` pixels those between `from` and `to`, which may lie
 * within pixels, become `side` pixels. The sums are photo/preparation.py's, step by step, so that
 * both round alike.
 */
function placed(lengths, size, fit) {
  const [shorter, longer] = [Math.min(...lengths), Math.max(...lengths)];
  return lengths.map((length) => {
    if (fit === CROP) {
      const from = (length - shorter) / 2;
      return { length, from, to: from + shorter, side: size };
    }
    const side = fit === PAD ? Math.max(1, Math.floor(size * (length / longer) + 0.5)) : size;
    return { length, from: 0, to: length, side };
  });
}

/** Halving by canvas is fast and the same everywhere; the last step needs the right filter. */
function reduced(image, axes, area) {
  let canvas = null;
  do {
    const steps = shrunk(axes, area);
    canvas = draw(canvas ?? image, steps);
    axes = steps.map(({ length, from, to, side }) => ({ length, from, to, side }));
  } while (axes.some((axis) => divisor(axis) > 1));
  const [{ length: width }, { length: height }] = axes;
  return [canvas.getContext("2d").getImageData(0, 0, width, height), ...axes];
}

/** What remains for the filter is at least twice the side; half of ENOUGH costs no time. */
function divisor({ from, to, side }) {
  return to - from >= Math.max(4 * side, ENOUGH) ? 2 : 1;
}

function shrunk(axes, area) {
  const divisors = axes.map(divisor);
  for (;;) {
    const steps = axes.map((axis, index) => divided(axis, divisors[index]));
    const [columns, rows] = steps;
    if (columns.length * rows.length <= area) return steps;
    divisors[spare(columns) >= spare(rows) ? 0 : 1] *= 2;
  }
}

function spare({ from, to, side }) {
  return (to - from) / side;
}

/** The next, smaller picture along one axis: of all its pixels, those that the filter reaches. */
function divided({ length, from, to, side }, by) {
  const all = Math.ceil(length / by);
  const [start, stop] = [(from * all) / length, (to * all) / length];
  const reach = Math.ceil(Math.max(1, (stop - start) / side)) + 1;
  const first = Math.max(0, Math.floor(start) - reach);
  const end = Math.min(all, Math.ceil(stop) + reach);
  return { all, by, first, length: end - first, from: start - first, to: stop - first, side };
}

function draw(source, [columns, rows]) {
  const canvas = blank(columns.length, rows.length);
  const context = paper(canvas);
  // "low" is bilinear, which at one half is the mean of four pixels, and below leaves pixels out.
  context.imageSmoothingQuality = Math.max(columns.by, rows.by) > 2 ? "high" : "low";
  context.drawImage(source, -columns.first, -rows.first, columns.all, rows.all);
  return canvas;
}

/** In the middle of a white square; the odd pixel is to the right, and below. */
function padded(picture, size) {
  const { width, height, data } = picture;
  if (width === size && height === size) return picture;
  const square = new ImageData(size, size);
  square.data.fill(255);
  const left = Math.floor((size - width) / 2);
  const top = Math.floor((size - height) / 2);
  for (let y = 0; y < height; y++) {
    const row = data.subarray(y * width * 4, (y + 1) * width * 4);
    square.data.set(row, ((top + y) * size + left) * 4);
  }
  return square;
}
