// Turns pictures upright by their Exif orientation, 1 to 8.

/** For each orientation: whether the sides swap, and then whether columns and rows run backwards. */
const TURNS = {
  1: [false, false, false],
  2: [false, true, false],
  3: [false, true, true],
  4: [false, false, true],
  5: [true, false, false],
  6: [true, true, false],
  7: [true, true, true],
  8: [true, false, true],
};

/**
 * @param {number} orientation
 * @param {number} width of the picture as it lies
 * @param {number} height likewise
 * @returns {[number, number]} of the upright one
 */
export function turnedSides(orientation, width, height) {
  return TURNS[orientation][0] ? [height, width] : [width, height];
}

/**
 * @param {ImageData} picture as it lies
 * @param {number} orientation
 * @returns {ImageData} upright
 */
export function upright(picture, orientation) {
  if (orientation === 1) return picture;
  const [swaps, mirrorsX, mirrorsY] = TURNS[orientation];
  const [width, height] = turnedSides(orientation, picture.width, picture.height);
  const turned = new ImageData(width, height);
  const from = new Uint32Array(picture.data.buffer); // a pixel each
  const to = new Uint32Array(turned.data.buffer);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [across, down] = [mirrorsX ? width - 1 - x : x, mirrorsY ? height - 1 - y : y];
      to[y * width + x] = from[swaps ? across * picture.width + down : down * picture.width + across];
    }
  }
  return turned;
}

/**
 * Lets what is drawn as it lies, at 0, 0 and `width` x `height`, appear upright.
 *
 * @param {CanvasRenderingContext2D} context of a canvas with the upright sides
 * @param {number} orientation
 * @param {number} width of the drawing as it lies
 * @param {number} height likewise
 */
export function drawUpright(context, orientation, width, height) {
  const [swaps, mirrorsX, mirrorsY] = TURNS[orientation];
  const [across, down] = turnedSides(orientation, width, height);
  context.translate(mirrorsX ? across : 0, mirrorsY ? down : 0);
  context.scale(mirrorsX ? -1 : 1, mirrorsY ? -1 : 1);
  if (swaps) context.transform(0, 1, 1, 0, 0, 0);
}
