// What concerns all photos at once: the tally, the threshold, files of the results, the ends.

import { csv, download, json, rows } from "./export.js";

const MODELS = 0.5; // where the service does not say; as contracts.py has it

let chosen = null; // threshold; null: the model's own

/**
 * @param {object} wanted
 * @param {() => import("./entry.js").Entry[]} wanted.entries
 * @param {(threshold: number | null) => void} wanted.choose is told each threshold; null: the model's own
 * @param {() => void} wanted.cancel what is under way
 * @param {() => void} wanted.clear
 */
export function wire({ entries, choose, cancel, clear }) {
  const set = (threshold) => {
    chosen = threshold;
    choose(chosen);
  };
  $("#threshold").on("input", ({ target }) => set(Number(target.value)));
  $("#threshold-own").on("click", () => {
    set(null);
    $("#threshold").trigger("focus"); // the button itself is gone
  });
  $("#cancel").on("click", cancel);
  $("#clear").on("click", clear);
  $("#export-csv").on("click", () => {
    download("snapshelf.csv", "text/csv;charset=utf-8", csv(rows(entries(), chosen)));
  });
  $("#export-json").on("click", () => {
    download("snapshelf.json", "application/json", json(rows(entries(), chosen)));
  });
}

/**
 * @param {import("./entry.js").Entry[]} entries
 * @param {number | null} threshold that was chosen
 * @param {number | null} [models] threshold of categories without one of their own. A model may have
 *   another for each category: the slider begins at that of the newest photo's best.
 */
export function show(entries, threshold, models) {
  const answered = entries.filter(({ state }) => state === "answer").length;
  const busy = entries.some((entry) => entry.busy);
  const own = entries.find(({ reply }) => reply)?.reply.threshold ?? models ?? MODELS;
  $("#tools").prop("hidden", entries.length === 0);
  $("#progress").prop("hidden", entries.length < 2); // one photo tells by itself how far it is
  $("#tally").text(`${answered} of ${entries.length} answered`);
  $("#cancel").prop("hidden", !busy);
  $("#export-csv, #export-json").prop("disabled", answered === 0);
  $("#threshold").val(threshold ?? own);
  $("#threshold-value").text(threshold === null ? "by the model" : threshold.toFixed(2));
  $("#threshold-own").prop("hidden", threshold === null);
}
