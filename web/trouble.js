// Words what can go wrong between the page and the API, each with what to do.

const RETRY_STATUSES = [408, 425, 429]; // among 4xx: not the photo's fault, may pass
const THROTTLED = 429;
const TOO_LARGE = 413;
const TIMED_OUT = 504;

/**
 * @typedef {"refusal" | "failure" | "busy" | "key" | "offline"} Kind another photo is needed; the
 *   same one may do later; it may very soon; the service wants a key first; there is no network
 */

/** Why there is no answer. */
export class ApiError extends Error {
  /**
   * @param {Kind} kind
   * @param {string} message
   * @param {{hint?: string, requestId?: string, code?: string, waitSeconds?: number}} [more]
   *   `waitSeconds`: how long the service asks to wait; 0 where it does not say
   */
  constructor(kind, message, { hint = "", requestId = "", code = "", waitSeconds = 0 } = {}) {
    super(message);
    Object.assign(this, { kind, hint, requestId, code, waitSeconds });
  }
}

/**
 * @param {JQuery.jqXHR} xhr that failed
 * @returns {ApiError}
 */
export function explained(xhr) {
  if (xhr.statusText === "timeout") return late();
  if (xhr.status === 0) return navigator.onLine ? unreachable() : offline();
  if (xhr.status < 400) return strange(); // its body is not JSON
  const { message, hint, code, request_id: requestId } = xhr.responseJSON ?? {};
  const told = { hint: sentence(hint), requestId, code };
  const waitSeconds = Number.parseInt(xhr.getResponseHeader("Retry-After"), 10) || 0;
  if (xhr.status === THROTTLED) return busy({ ...told, waitSeconds });
  if (xhr.status === TIMED_OUT) return late(requestId);
  if (code === "endpoint_unavailable") return modelless(sentence(message), { ...told, waitSeconds });
  if (xhr.status < 500 && !RETRY_STATUSES.includes(xhr.status)) return refused(xhr, message, told);
  const reason = sentence(message) || `It answered ${xhr.status}.`;
  return new ApiError("failure", "The service has trouble answering.", {
    ...told,
    hint: `${reason} ${told.hint}`.trim(),
  });
}

export function keyless(message) {
  return new ApiError("key", message, { hint: "Whoever runs the service can give you one." });
}

export function offline() {
  return new ApiError("offline", "You are offline.", { hint: "The photo is sent once you are back." });
}

export function unconnected() {
  return new ApiError("failure", "This page does not know its service.", {
    hint: "Its config.json is missing or names no apiUrl: deploy the page again.",
  });
}

export function strange() {
  return new ApiError("failure", "The service answered with something unexpected.", {
    hint: "Try again in a moment.",
  });
}

function refused({ status }, message, told) {
  if (status === TOO_LARGE) {
    const hint = told.hint || "Choose another one.";
    return new ApiError("refusal", "The photo is too large for the service.", { ...told, hint });
  }
  return new ApiError("refusal", sentence(message) || `The service refuses it (${status}).`, told);
}

function busy(told) {
  return new ApiError("busy", "Too many are asking at once.", {
    ...told,
    hint: "Try again in a moment.",
  });
}

function modelless(reason, told) {
  return new ApiError(told.waitSeconds ? "busy" : "failure", "No model answers just now.", {
    ...told,
    hint: `${reason} ${told.hint}`.trim(),
  });
}

function late(requestId) {
  return new ApiError("failure", "The answer took too long.", {
    hint: "Try again: a service that was asleep is awake by now.",
    requestId,
  });
}

function unreachable() {
  return new ApiError("failure", "The service cannot be reached.", { hint: "Try again in a moment." });
}

function sentence(text) {
  if (typeof text !== "string" || !text) return "";
  const start = text[0].toUpperCase() + text.slice(1);
  return /[.!?]$/.test(start) ? start : `${start}.`;
}
