// Scales pixels by the very filter that training's photos went through: Pillow's HAMMING.
//
// A canvas scales as each browser sees fit; this gives the same picture in all of them.

const REACH = 1; // of the filter, in pixels of the smaller picture
const ONE = 2 ** 22; // Pillow's weights are whole numbers of this part

/**
 * Along each axis what lies between `from` and `to`, in pixels and parts of one, becomes `side`
 * pixels; beside them the filter reaches as far as the source goes, as Pillow's does with a box.
 *
 * @param {ImageData} source of any size; its alpha is taken as opaque
 * @param {{from: number, to: number, side: number}} columns
 * @param {{from: number, to: number, side: number}} rows
 * @returns {ImageData} opaque, `columns.side` x `rows.side`
 */
export function hamming(source, columns, rows) {
  const narrow = filterRows(source, taps(source.width, columns));
  return filterColumns(narrow, columns.side, taps(source.height, rows));
}

function filterRows({ data, width, height }, columns) {
  const narrow = new Float32Array(columns.length * height * 3);
  let at = 0;
  for (let y = 0; y < height; y++) {
    for (const { first, weights } of columns) {
      for (let channel = 0; channel < 3; channel++) {
        let from = (y * width + first) * 4 + channel;
        let sum = 0;
        for (const weight of weights) {
          sum += weight * data[from];
          from += 4;
        }
        narrow[at++] = clamped(sum); // Pillow, too, rounds to bytes between its two passes
      }
    }
  }
  return narrow;
}

function filterColumns(narrow, width, rows) {
  const result = new ImageData(width, rows.length);
  result.data.fill(255);
  rows.forEach(({ first, weights }, y) => {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < 3; channel++) {
        let from = (first * width + x) * 3 + channel;
        let sum = 0;
        for (const weight of weights) {
          sum += weight * narrow[from];
          from += width * 3;
        }
        result.data[(y * width + x) * 4 + channel] = clamped(sum);
      }
    }
  });
  return result;
}

/** Which of `length` pixels, and how much of each, make up each of `side` pixels. */
function taps(length, { from, to, side }) {
  const scale = (to - from) / side;
  const stretch = Math.max(scale, 1);
  return Array.from({ length: side }, (_, index) => {
    const centre = from + (index + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - REACH * stretch + 0.5));
    const end = Math.min(length, Math.floor(centre + REACH * stretch + 0.5));
    const weights = [];
    for (let pixel = first; pixel < end; pixel++) {
      weights.push(windowedSinc((pixel + 0.5 - centre) / stretch));
    }
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return { first, weights: weights.map((weight) => Math.round((weight / total) * ONE)) };
  });
}

function windowedSinc(distance) {
  if (distance === 0) return 1;
  if (Math.abs(distance) >= REACH) return 0;
  const x = Math.PI * distance;
  return (Math.sin(x) / x) * (0.54 + 0.46 * Math.cos(x));
}

function clamped(sum) {
  return Math.min(255, Math.round(sum / ONE));
}
