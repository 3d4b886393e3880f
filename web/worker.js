// The worker that makes photos small, so that the page stays quick while one of 48 megapixels is read.

import { decode } from "./decode.js";
import { shown, small } from "./picture.js";

let last = Promise.resolve(); // one photo at a time: a large one may take 200 MB while it is open

self.addEventListener("message", ({ data }) => {
  last = last.then(() => work(data));
});

/** Tells `{id, small, width, height}`, then `{id, shown}`; or `{id, failed}`, and why. */
async function work({ id, file, form }) {
  let photo = null;
  try {
    photo = await decode(file, form);
    const { width, height } = photo;
    self.postMessage({ id, small: await small(photo), width, height });
    self.postMessage({ id, shown: await shown(photo) });
  } catch (error) {
    self.postMessage({ id, failed: String(error) });
  } finally {
    photo?.close();
  }
}
