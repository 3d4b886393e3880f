// One photo's way from the moment it is chosen to its answer, or to what went wrong.

import * as api from "./api.js";
import { alike, form as wantedForm, wantsAnother } from "./model.js";
import { PhotoError, prepare } from "./photo.js";
import { Queue } from "./queue.js";
import { ApiError } from "./trouble.js";

const AT_ONCE = 4; // requests: more would be throttled sooner, and hardly be answered earlier
const SLOW_MS = 5000; // then the page says that it still waits
const TRIES = 4; // of a service that says to come back soon
const LONGEST_PAUSE_S = 30;

const making = new Queue(1);
const asking = new Queue(AT_ONCE);

/**
 * @typedef {"queued" | "resizing" | "waiting" | "slow" | "paused" | "answer" | "refusal" |
 *   "failure" | "key" | "offline" | "cancelled"} State
 */

export class Entry {
  /** @type {State} */
  state = "queued";
  /** @type {import("./photo.js").Prepared | null} */
  prepared = null;
  /** @type {import("./model.js").Form | null} how `prepared` was made */
  form = null;
  /** @type {import("./api.js").Classification | null} */
  reply = null;
  /** @type {PhotoError | ApiError | null} */
  trouble = null;
  elapsedMs = 0;
  pauseSeconds = 0;
  corrected = ""; // the category that a person gave it
  #work = new AbortController();
  #changed;

  /**
   * @param {File | Blob} file
   * @param {(entry: Entry) => void} changed is called after each change
   */
  constructor(file, changed) {
    this.file = file;
    this.name = file.name || "Your photo";
    this.#changed = changed;
  }

  /** @returns {boolean} whether it is under way */
  get busy() {
    return ["queued", "resizing", "waiting", "slow", "paused"].includes(this.state);
  }

  /** @returns {Promise<void>} when there is an answer or a trouble; a second call begins anew */
  async run() {
    this.#work.abort();
    this.#work = new AbortController();
    const { signal } = this.#work;
    this.#become("queued");
    try {
      await this.#answer(signal);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof PhotoError || error instanceof ApiError)) throw error;
      this.trouble = error;
      this.#become(stateOf(error));
    }
  }

  /** Leaves off; nothing more is sent. */
  cancel() {
    if (!this.busy) return;
    this.#work.abort();
    this.#become("cancelled");
  }

  async #answer(signal) {
    let reply;
    let again = false; // once: two models that answer in turns would go on for ever
    do {
      await making.run(() => this.#makeSmall(signal), signal);
      reply = await asking.run(() => this.#askPatiently(signal), signal);
      again = !again && (await wantsAnother(this.form, reply.model_version));
      signal.throwIfAborted();
    } while (again);
    this.reply = reply;
    this.#become("answer");
  }

  async #makeSmall(signal) {
    this.#become("resizing");
    const form = await wantedForm();
    signal.throwIfAborted();
    if (!alike(form, this.form)) {
      const prepared = await prepare(this.file, form);
      signal.throwIfAborted();
      this.prepared = prepared;
      prepared.shown.then(() => this.#changed(this), () => {}); // without a preview, too, all is well
    }
    this.form = form;
  }

  async #askPatiently(signal) {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#ask(signal);
      } catch (error) {
        if (error.kind !== "busy" || attempt === TRIES) throw error;
        await this.#pause(Math.min(error.waitSeconds || 2 ** attempt, LONGEST_PAUSE_S), signal);
      }
    }
  }

  async #ask(signal) {
    this.#become("waiting");
    const slow = setTimeout(() => this.#become("slow"), SLOW_MS);
    const started = performance.now();
    try {
      return await api.classify(this.prepared.small, signal);
    } finally {
      clearTimeout(slow);
      this.elapsedMs = performance.now() - started;
    }
  }

  async #pause(seconds, signal) {
    this.pauseSeconds = seconds;
    this.#become("paused");
    await new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, seconds * 1000);
      signal.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(signal.reason);
      });
    });
  }

  #become(state) {
    this.state = state;
    this.#changed(this);
  }
}

function stateOf(error) {
  if (error instanceof PhotoError) return "refusal";
  return error.kind === "busy" ? "failure" : error.kind;
}
