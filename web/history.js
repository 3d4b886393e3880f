// What was answered before, on this device alone: small pictures, and what the model said of them.

const KEPT = 40; // answers: some 150 KB of the 5 MB that browsers give a site
const PLACE = `snapshelf-history ${location.pathname}`; // several pages may share a host

/**
 * @typedef {object} Past
 * @property {number} at when, in milliseconds since 1970
 * @property {string} name of the photo's file
 * @property {string} verdict as it was shown
 * @property {number} probability of the best category
 * @property {string} thumbnail a data URL
 */

/** @returns {Past[]} the newest first; none where the browser keeps nothing, or something else */
export function past() {
  try {
    const kept = JSON.parse(localStorage.getItem(PLACE));
    return Array.isArray(kept) ? kept.filter(isPast) : [];
  } catch {
    return [];
  }
}

/** @param {Past} answer */
export function remember(answer) {
  store([answer, ...past()].slice(0, KEPT));
}

/** Forgets all of it. */
export function forget() {
  try {
    localStorage.removeItem(PLACE);
  } catch {
    // Nothing was kept.
  }
}

function store(answers) {
  try {
    localStorage.setItem(PLACE, JSON.stringify(answers));
  } catch {
    if (answers.length > 1) store(answers.slice(0, answers.length >> 1)); // the device is full
  }
}

function isPast(answer) {
  return (
    Number.isFinite(answer?.at) &&
    Number.isFinite(answer.probability) &&
    [answer.name, answer.verdict].every((text) => typeof text === "string") &&
    /^data:image\/jpeg;base64,/.test(answer.thumbnail)
  );
}
