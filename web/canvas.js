// Canvases, on the page and in a worker alike.

const WHITE = "#fff"; // behind transparency, as training has it

/** @typedef {OffscreenCanvas | HTMLCanvasElement} Canvas */

/** @returns {boolean} whether a worker of this browser can draw */
export function offPage() {
  return typeof OffscreenCanvas === "function" && typeof Worker === "function";
}

/**
 * @param {number} width
 * @param {number} height
 * @returns {Canvas}
 */
export function blank(width, height) {
  if (typeof OffscreenCanvas === "function") return new OffscreenCanvas(width, height);
  return Object.assign(document.createElement("canvas"), { width, height });
}

/**
 * @param {Canvas} canvas
 * @returns {CanvasRenderingContext2D} opaque and white; its pixels lie where they are read fast
 */
export function paper(canvas) {
  const context = canvas.getContext("2d", { willReadFrequently: true, alpha: false });
  context.fillStyle = WHITE;
  context.fillRect(0, 0, canvas.width, canvas.height);
  return context;
}

/**
 * @param {Canvas} canvas
 * @param {string} type such as "image/jpeg"
 * @param {number} quality 0 to 1
 * @returns {Promise<Blob>} PNG where this browser cannot write that type
 */
export function encode(canvas, type, quality) {
  if (canvas.convertToBlob) return canvas.convertToBlob({ type, quality });
  return new Promise((resolve) => canvas.toBlob(resolve, type, quality));
}
