// Bytes as text, for what takes no bytes: JSON, storage, a shell.

/**
 * @param {Blob} blob
 * @returns {Promise<string>} a data URL
 */
export function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(blob);
  });
}

/**
 * @param {Blob} blob
 * @returns {Promise<string>}
 */
export async function base64(blob) {
  const url = await dataUrl(blob);
  return url.slice(url.indexOf(",") + 1);
}
