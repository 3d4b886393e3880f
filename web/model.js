// What the page knows of the service's model: its categories, and the picture that it expects.

import * as api from "./api.js";
import { FIT, FITS, SIZE } from "./fit.js";
import { ApiError } from "./trouble.js";

const LARGEST = 2048; // pixels; photo/preparation.py makes no larger pictures

/** @typedef {import("./fit.js").Form & {version: string | null}} Form of which model; null: not told */

/** @type {Promise<import("./api.js").Description> | null} */
let card = null; // the promised reply of GET /categories
/** @type {Form} */
let known = { size: SIZE, fit: FIT, version: null };

/**
 * @returns {Promise<import("./api.js").Description>} asked for once; after a failure anew
 * @throws {ApiError} there is none
 */
export function described() {
  card ??= api.categories().then(
    (reply) => {
      known = { ...stated(reply.photo), version: reply.model_version ?? "" };
      return reply;
    },
    (error) => {
      card = null;
      throw error;
    },
  );
  return card;
}

/** @returns {Promise<Form>} what was known last where there is no answer */
export async function form() {
  try {
    await described();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // Sending the photo tells soon enough what is wrong.
  }
  return known;
}

/**
 * @param {Form} made how the photo was made that was answered
 * @param {string} answering the version that the answer names
 * @returns {Promise<boolean>} whether another model answered, which wants another picture. It is
 *   described anew then, so that the next photo is made for it.
 */
export async function wantsAnother(made, answering) {
  if (made.version === null || made.version === (answering ?? "")) return false;
  if (known.version === made.version) {
    card = null;
    known = { ...known, version: null };
  }
  return !alike(made, await form());
}

/**
 * @param {Form} one
 * @param {Form} [other]
 * @returns {boolean} whether both make the same picture
 */
export function alike(one, other) {
  return one.size === other?.size && one.fit === other.fit;
}

function stated(photo) {
  const { size, fit } = photo ?? {};
  return {
    size: Number.isInteger(size) && size >= 1 && size <= LARGEST ? size : SIZE,
    fit: FITS.includes(fit) ? fit : FIT,
  };
}
