// The page's end of the worker: photos go in, small pictures come back.

const POLICY = "snapshelf-worker"; // index.html's policy allows it, and this address alone

let worker = null;
let works = true; // until it turns out that it does not
let count = 0;
const open = new Map(); // by id: what to do with the worker's next message

/** No worker here, or one that cannot open this photo: the page may try itself. */
export class WorkerError extends Error {}

/** Starts the worker, so that it is there when the first photo comes. */
export function warm() {
  started();
}

/**
 * @param {Blob} file
 * @param {import("./fit.js").Form} form
 * @returns {Promise<{small: Blob, width: number, height: number, shown: Promise<object>}>}
 *   the picture to send, the photo's own sides, and what picture.js's `shown` makes of it, later
 * @throws {WorkerError}
 */
export function develop(file, form) {
  if (!started()) return Promise.reject(new WorkerError("no worker"));
  const id = ++count;
  return new Promise((resolve, reject) => {
    open.set(id, { resolve, reject, later: deferred() });
    worker.postMessage({ id, file, form });
  });
}

function deferred() {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  parts.promise.catch(() => {}); // no preview: nobody need know
  return parts;
}

function started() {
  if (worker || !works) return works;
  try {
    worker = new Worker(address(), { type: "module" });
  } catch {
    works = false;
    return false;
  }
  worker.addEventListener("message", ({ data }) => receive(data));
  worker.addEventListener("error", giveUp);
  return true;
}

/** With Trusted Types a worker's address must come out of a policy, as a script's. */
function address() {
  const url = new URL("worker.js", import.meta.url).href;
  if (!globalThis.trustedTypes) return url;
  return trustedTypes.createPolicy(POLICY, { createScriptURL: () => url }).createScriptURL("");
}

function receive({ id, small, shown, width, height, failed }) {
  const { resolve, reject, later } = open.get(id);
  if (small) {
    resolve({ small, width, height, shown: later.promise });
    return;
  }
  open.delete(id);
  if (shown) {
    later.resolve(shown);
    return;
  }
  reject(new WorkerError(failed)); // does nothing where only the preview is what failed
  later.reject(new WorkerError(failed));
}

/** It did not load, or died: too little memory, or too old a browser. */
function giveUp() {
  works = false;
  worker?.terminate();
  worker = null;
  const error = new WorkerError("the worker ended");
  for (const { reject, later } of open.values()) {
    reject(error);
    later.reject(error);
  }
  open.clear();
}
