// Scales pixels by the very filter that training's photos went through: Pillow's HAMMING.
//
// A canvas scales as each browser sees fit; this gives the same picture in all of them.

const REACH = 1; // of the filter, in pixels of the smaller picture

/**
 * @param {ImageData} source of any size; its alpha is taken as opaque
 * @param {number} size width and height of the result, in pixels
 * @returns {ImageData} size x size, both sides scaled apart from each other
 */
export function hamming(source, size) {
  const rows = filterRows(source, taps(source.width, size), size);
  return filterColumns(rows, taps(source.height, size), size);
}

function filterRows({ data, width, height }, columns, size) {
  const rows = new Float32Array(size * height * 3);
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
        rows[at++] = clamped(sum); // Pillow, too, rounds to bytes between its two passes
      }
    }
  }
  return rows;
}

function filterColumns(rows, lines, size) {
  const result = new ImageData(size, size);
  result.data.fill(255);
  lines.forEach(({ first, weights }, y) => {
    for (let x = 0; x < size; x++) {
      for (let channel = 0; channel < 3; channel++) {
        let from = (first * size + x) * 3 + channel;
        let sum = 0;
        for (const weight of weights) {
          sum += weight * rows[from];
          from += size * 3;
        }
        result.data[(y * size + x) * 4 + channel] = clamped(sum);
      }
    }
  });
  return result;
}

/** Which of `length` pixels, and how much of each, make up each of `size` pixels. */
function taps(length, size) {
  const scale = length / size;
  const stretch = Math.max(scale, 1);
  return Array.from({ length: size }, (_, index) => {
    const centre = (index + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - REACH * stretch + 0.5));
    const end = Math.min(length, Math.floor(centre + REACH * stretch + 0.5));
    const weights = [];
    for (let pixel = first; pixel < end; pixel++) {
      weights.push(windowedSinc((pixel + 0.5 - centre) / stretch));
    }
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return { first, weights: weights.map((weight) => weight / total) };
  });
}

function windowedSinc(distance) {
  if (distance === 0) return 1;
  if (Math.abs(distance) >= REACH) return 0;
  const x = Math.PI * distance;
  return (Math.sin(x) / x) * (0.54 + 0.46 * Math.cos(x));
}

function clamped(value) {
  return Math.min(255, Math.max(0, Math.round(value)));
}
