// Shows the earlier answers, and adds to them.

import { dataUrl } from "./blob.js";
import * as history from "./history.js";
import { percent } from "./verdict.js";

/** Keeps an entry's answer, once its thumbnail is there. */
export async function remember({ name, prepared, reply }, verdict) {
  const { thumbnail } = await prepared.shown.catch(() => ({ thumbnail: prepared.small }));
  const [{ probability }] = reply.categories;
  const picture = await dataUrl(thumbnail);
  history.remember({ at: Date.now(), name, verdict, probability, thumbnail: picture });
  show();
}

/** Fills the list, which is hidden where there is none. */
export function show() {
  const answers = history.past();
  $("#history").prop("hidden", answers.length === 0);
  $("#history .count").text(`(${answers.length})`);
  $("#past").empty().append(answers.map(item));
}

/** Makes the button work that forgets. */
export function wire() {
  $("#forget").on("click", () => {
    history.forget();
    show();
    $("#announcement").text("The earlier answers are forgotten.");
    $("#choose").trigger("focus"); // the button itself is gone
  });
  show();
}

function item({ at, name, verdict, probability, thumbnail }) {
  const when = new Date(at);
  const time = $("<time>").attr("datetime", when.toISOString()).text(when.toLocaleString());
  return $("<li>").append(
    $("<img>").attr({ src: thumbnail, alt: name }),
    $("<span>").append($("<strong>").text(verdict), ` ${percent(probability)}`),
    time.addClass("quiet"),
  );
}
