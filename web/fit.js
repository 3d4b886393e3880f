// Makes a photo the square that the model sees: squashed, cropped or padded as in training.

import { hamming } from "./resample.js";

export const SIZE = 112; // pixels; where the service does not say; as contracts.py has it
export const FIT = "squash"; // likewise
export const FITS = ["squash", "crop", "pad"]; // as contracts.py has them
const [, CROP, PAD] = FITS;

const CANVAS_AREA = 4096 * 4096; // pixels: the largest canvas of every browser
const ENOUGH = 448; // pixels
const WHITE = "#fff"; // behind transparency, as training has it

/**
 * @param {HTMLImageElement} image loaded; its natural width and height are the upright photo's
 * @param {{size: number, fit: string}} form pixels a side, and one of FITS
 * @param {number} area the most pixels that a canvas on the way may have
 * @returns {ImageData} size x size, opaque
 */
export function fitted(image, { size, fit }, area = CANVAS_AREA) {
  const axes = placed([image.naturalWidth, image.naturalHeight], size, fit);
  return padded(hamming(...reduced(image, axes, area)), size);
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
  const canvas = document.createElement("canvas");
  canvas.width = columns.length;
  canvas.height = rows.length;
  const context = canvas.getContext("2d", { willReadFrequently: true, alpha: false });
  context.fillStyle = WHITE;
  context.fillRect(0, 0, canvas.width, canvas.height);
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
