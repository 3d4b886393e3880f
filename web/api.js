// Talks to the API, whose address stands in config.json, and words what can go wrong.

const CONFIG_TIMEOUT_MS = 10_000;
const ANSWER_TIMEOUT_MS = 30_000; // API Gateway itself gives up after 29 s
const RETRY_STATUSES = [408, 425, 429]; // among 4xx: not the photo's fault, may pass

/**
 * Why there is no answer. `kind` is "refusal" (another photo is needed), "failure" (the same photo
 * may do later), "key" (the service wants one first) or "offline".
 */
export class ApiError extends Error {
  constructor(kind, message, { hint = "", requestId = "" } = {}) {
    super(message);
    this.kind = kind;
    this.hint = hint;
    this.requestId = requestId;
  }
}

const KEY = "snapshelf-key"; // kept until the window is closed, in this window alone

let config = null;
let key = sessionStorage.getItem(KEY) ?? "";

/** Sends this key from now on. */
export function useKey(text) {
  key = text.trim();
  sessionStorage.setItem(KEY, key);
}

/** @returns {{promise: Promise<object>, abort: () => void}} the reply of POST /classify */
export function classify(dataUrl) {
  return request("POST", "classify", JSON.stringify({ image: dataUrl }));
}

/** @returns {{promise: Promise<object>, abort: () => void}} the reply of GET /categories */
export function categories() {
  return request("GET", "categories");
}

function request(method, path, data) {
  let running = null;
  let aborted = false;
  const promise = settings().then(({ url, asksForKey }) => {
    if (aborted) throw new ApiError("failure", "The request was given up.");
    if (asksForKey && !key) throw keyless("This service asks for a key.");
    running = $.ajax({
      url: `${url}/${path}`,
      method,
      data,
      headers: asksForKey ? { "x-api-key": key } : {},
      contentType: data === undefined ? false : "application/json",
      dataType: "json",
      timeout: ANSWER_TIMEOUT_MS,
    });
    return running.then(checked, (xhr, status) => {
      if (asksForKey && xhr.status === 403) throw keyless("The service does not take this key.");
      throw explained(xhr, status);
    });
  });
  const abort = () => {
    aborted = true;
    running?.abort();
  };
  return { promise, abort };
}

function settings() {
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

function checked(reply) {
  if (Array.isArray(reply?.categories)) return reply;
  throw strange();
}

function explained(xhr, status) {
  const { message, hint, request_id: requestId } = xhr.responseJSON ?? {};
  if (status === "timeout") {
    return new ApiError("failure", "The answer took too long.", { hint: "Try again in a moment." });
  }
  if (xhr.status === 0) return navigator.onLine ? unreachable() : offline();
  if (status === "parsererror") return strange();
  const clientsFault =
    xhr.status >= 400 && xhr.status < 500 && !RETRY_STATUSES.includes(xhr.status);
  if (clientsFault && message) {
    return new ApiError("refusal", sentence(message), { hint: sentence(hint), requestId });
  }
  const reason = sentence(message) || `It answered ${xhr.status}.`;
  return new ApiError("failure", "The service has trouble answering.", {
    hint: `${reason} ${sentence(hint)}`.trim(),
    requestId,
  });
}

function sentence(text) {
  if (typeof text !== "string" || !text) return "";
  const start = text[0].toUpperCase() + text.slice(1);
  return /[.!?]$/.test(start) ? start : `${start}.`;
}

function keyless(message) {
  return new ApiError("key", message, { hint: "Whoever runs the service can give you one." });
}

function offline() {
  return new ApiError("offline", "You are offline.", { hint: "The photo is sent once you are back." });
}

function unreachable() {
  return new ApiError("failure", "The service cannot be reached.", { hint: "Try again in a moment." });
}

function unconnected() {
  return new ApiError("failure", "This page does not know its service.", {
    hint: "Its config.json is missing or names no apiUrl: deploy the page again.",
  });
}

function strange() {
  return new ApiError("failure", "The service answered with something unexpected.", {
    hint: "Try again in a moment.",
  });
}
