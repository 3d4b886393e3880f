// Results as files: CSV for spreadsheets, JSON for programs.

import { judged } from "./verdict.js";

const COLUMNS = ["file", "verdict", "category", "probability", "threshold", "corrected", "model_version"];

/**
 * @param {import("./entry.js").Entry[]} entries those with an answer are taken
 * @param {number | null} threshold that was chosen; null: the model's own
 * @returns {object[]} one object a photo, with the API's own names
 */
export function rows(entries, threshold) {
  return entries
    .filter(({ reply }) => reply)
    .map(({ name, reply, corrected }) => ({
      file: name,
      ...judged(reply, threshold),
      threshold: threshold ?? reply.threshold,
      corrected: corrected || null,
      model_version: reply.model_version,
      categories: reply.categories,
    }));
}

/** @returns {string} as RFC 4180 has it, with a first line of names */
export function csv(table) {
  const flat = table.map((row) => ({ ...row, ...row.categories[0] }));
  const body = flat.map((row) => COLUMNS.map((name) => cell(row[name])).join(","));
  return [COLUMNS.join(","), ...body, ""].join("\r\n");
}

/** @returns {string} */
export function json(table) {
  return `${JSON.stringify(table, null, 1)}\n`;
}

/** Hands a file to the visitor. */
export function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  $("<a>").attr({ href: url, download: name })[0].click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // once it is surely read
}

/** A name such as "=1+1.jpg" must not become a formula in a spreadsheet: hence the apostrophe. */
function cell(value) {
  if (value === null || value === undefined) return "";
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
