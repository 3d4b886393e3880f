// Reads a JPEG's header: its sides, and how its picture lies.

const START = 0xffd8;
const APP1 = 0xffe1;
const SCAN = 0xffda;
const NO_FRAMES = [0xffc4, 0xffc8, 0xffcc]; // tables and extensions among the frames' numbers
const EXIF = 0x45786966; // "Exif"
const LITTLE_ENDIAN = 0x4949; // "II"
const ORIENTATION = 0x0112; // Exif 2.32, tag 274
const ENTRY_BYTES = 12; // of a directory in Exif

/**
 * @typedef {object} Header
 * @property {number} width as the pixels lie in the file
 * @property {number} height likewise
 * @property {number} orientation 1 to 8, as Exif has it; 1 where it says nothing
 */

/**
 * @param {ArrayBuffer} bytes of a file
 * @returns {Header | null} null: no JPEG, or one that ends before its picture
 */
export function readHeader(bytes) {
  const view = new DataView(bytes);
  try {
    return view.getUint16(0) === START ? walk(view) : null;
  } catch (error) {
    if (error instanceof RangeError) return null; // the file ends too soon
    throw error;
  }
}

function walk(view) {
  let orientation = null;
  for (let at = 2; ; ) {
    const marker = view.getUint16(at);
    if (marker === 0xffff) {
      at += 1; // a fill byte
      continue;
    }
    if (marker < 0xff00 || marker === SCAN) return null;
    if (isFrame(marker)) {
      const [height, width] = [view.getUint16(at + 5), view.getUint16(at + 7)];
      return { width, height, orientation: orientation ?? 1 };
    }
    if (marker === APP1 && view.getUint32(at + 4) === EXIF) orientation ??= exif(view, at + 10);
    at += 2 + view.getUint16(at + 2);
  }
}

function isFrame(marker) {
  return marker >= 0xffc0 && marker <= 0xffcf && !NO_FRAMES.includes(marker);
}

/** The orientation in the first directory; damaged Exif says nothing. */
function exif(view, start) {
  try {
    const little = view.getUint16(start) === LITTLE_ENDIAN;
    const directory = start + view.getUint32(start + 4, little);
    const entries = view.getUint16(directory, little);
    for (let index = 0; index < entries; index++) {
      const at = directory + 2 + index * ENTRY_BYTES;
      if (view.getUint16(at, little) !== ORIENTATION) continue;
      const value = view.getUint16(at + 8, little);
      return value >= 1 && value <= 8 ? value : null;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return null;
}
