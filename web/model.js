// What the page knows of the service's model: its categories, and the picture that it expects.

import * as api from "./api.js";
import { FIT, FITS, SIZE } from "./fit.js";

const LARGEST = 2048; // pixels; photo/preparation.py makes no larger pictures

let card = null; // the promised reply of GET /categories
let version = null; // of the model that it tells of
let known = { size: SIZE, fit: FIT };

/**
 * @returns {Promise<object>} the reply of GET /categories, asked for once; after a failure anew
 * @throws {api.ApiError} there is none
 */
export function described() {
  card ??= api.categories().promise.then(
    (reply) => {
      version = reply.model_version ?? "";
      known = stated(reply.photo);
      return reply;
    },
    (error) => {
      card = null;
      throw error;
    },
  );
  return card;
}

/** @returns {Promise<{size: number, fit: string}>} what was known last where there is no answer */
export async function form() {
  try {
    await described();
  } catch (error) {
    if (!(error instanceof api.ApiError)) throw error;
    // Sending the photo tells soon enough what is wrong.
  }
  return known;
}

/**
 * @param {string} answering the version that an answer names
 * @returns {boolean} whether the model was replaced since it was described. It is then described
 *   anew at the next question, because the new one may expect other pictures.
 */
export function replaced(answering) {
  if (version === null || version === (answering ?? "")) return false;
  card = version = null;
  return true;
}

function stated(photo) {
  const { size, fit } = photo ?? {};
  return {
    size: Number.isInteger(size) && size >= 1 && size <= LARGEST ? size : SIZE,
    fit: FITS.includes(fit) ? fit : FIT,
  };
}
