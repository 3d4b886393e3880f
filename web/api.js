// Talks to the API, whose address stands in config.json.

import { explained, keyless, offline, strange, unconnected } from "./trouble.js";

const CONFIG_TIMEOUT_MS = 10_000;
const ANSWER_TIMEOUT_MS = 30_000; // API Gateway itself gives up after 29 s
const KEY = "snapshelf-key"; // kept until the window is closed, in this window alone

/** @typedef {{category: string, probability: number}} Ranked */

/**
 * @typedef {object} Classification the reply of POST /classify
 * @property {Ranked[]} categories best first
 * @property {string} verdict the best category, or "none"
 * @property {string | null} reason why it is none
 * @property {number} threshold what the best category must reach
 * @property {string} model_version
 * @property {string} request_id
 * @property {Record<string, number>} times_ms
 */

/**
 * @typedef {object} Description the reply of GET /categories
 * @property {string[]} categories in class order
 * @property {Record<string, string[]>} [tree] each category's levels, from the top down
 * @property {boolean} [feedback] whether POST /feedback keeps photos here
 * @property {number | null} [threshold]
 * @property {string | null} [model_version]
 * @property {{size?: number, fit?: string} | null} [photo]
 */

let config = null;
let key = sessionStorage.getItem(KEY) ?? "";

/** Sends this key from now on. */
export function useKey(text) {
  key = text.trim();
  sessionStorage.setItem(KEY, key);
}

/**
 * A form is a request that browsers send to another host without asking it first, which JSON and
 * an image are not: that spares one way there and back, half a second on a slow line.
 *
 * @param {Blob} photo small, as JPEG or WebP
 * @param {AbortSignal} signal
 * @returns {Promise<Classification>}
 */
export async function classify(photo, signal) {
  const form = new FormData();
  form.append("file", photo, "photo");
  return checked(await request("POST", "classify", { data: form, contentType: false, signal }));
}

/** @returns {Promise<Description>} */
export async function categories() {
  return checked(await request("GET", "categories"));
}

/**
 * @param {{image: string, category: string, consent: true, predicted?: string,
 *   model_version?: string}} said the photo as a data URL, and what it shows
 * @returns {Promise<object>} the reply of POST /feedback
 */
export function give(said) {
  const data = JSON.stringify(said);
  return request("POST", "feedback", { data, contentType: "application/json" });
}

/** @returns {Promise<{url: string, asksForKey: boolean}>} where the API is */
export function settings() {
  config ??= Promise.resolve(
    $.ajax({ url: "config.json", dataType: "json", timeout: CONFIG_TIMEOUT_MS }),
  ).then(
    (document) => {
      if (!document?.apiUrl) throw unconnected();
      return {
        url: document.apiUrl.replace(/\/+$/, ""),
        asksForKey: document.apiKey === "ask",
      };
    },
    () => {
      throw navigator.onLine ? unconnected() : offline();
    },
  );
  config.catch(() => {
    config = null; // the next try asks again
  });
  return config;
}

async function request(method, path, { signal, ...options } = {}) {
  const { url, asksForKey } = await settings();
  if (asksForKey && !key) throw keyless("This service asks for a key.");
  signal?.throwIfAborted();
  const running = $.ajax({
    url: `${url}/${path}`,
    method,
    headers: asksForKey ? { "x-api-key": key } : {},
    dataType: "json",
    processData: false,
    timeout: ANSWER_TIMEOUT_MS,
    ...options,
  });
  const abort = () => running.abort();
  signal?.addEventListener("abort", abort);
  try {
    return await running;
  } catch (xhr) {
    signal?.throwIfAborted();
    if (asksForKey && xhr.status === 403) throw keyless("The service does not take this key.");
    throw explained(xhr);
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

function checked(reply) {
  if (Array.isArray(reply?.categories)) return reply;
  throw strange();
}
