// Lets a visitor say what a photo really shows, and sends that with the small picture.

import * as api from "./api.js";
import { dataUrl } from "./blob.js";
import { byTop, label } from "./tree.js";
import { ApiError } from "./trouble.js";

const OTHER = "other"; // none of the model's categories; as lambda_fn's feedback.py has it

/**
 * @param {import("./view.js").View} view
 * @param {import("./api.js").Description} description
 * @returns {Promise<void>} when the form is closed; the entry then knows what it was corrected to
 */
export async function correct({ element, entry }, description) {
  const form = element.find(".correction");
  const chooser = form.find("select").empty().append(choices(description));
  chooser.val(entry.reply.categories[1]?.category ?? OTHER); // the likeliest of what it may be instead
  form.prop("hidden", false).find(".failed").prop("hidden", true);
  chooser.trigger("focus");
  const category = await sent(form, () => give(entry, chooser.val()));
  if (category) entry.corrected = category;
  form.prop("hidden", true);
}

/** The category once it is kept; "" where the visitor left. */
function sent(form, send) {
  return new Promise((resolve) => {
    form.find(".leave").off().on("click", () => resolve(""));
    form.off("submit keydown").on("keydown", (event) => {
      if (event.key === "Escape") resolve("");
    });
    let sending = false; // a disabled button would lose the focus
    form.on("submit", async (event) => {
      event.preventDefault();
      if (sending) return;
      sending = true;
      try {
        resolve(await send());
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        form.find(".failed").text(`${error.message} ${error.hint}`).prop("hidden", false);
      } finally {
        sending = false;
      }
    });
  });
}

async function give(entry, category) {
  const { verdict, model_version: version } = entry.reply;
  await api.give({
    image: await dataUrl(entry.prepared.small),
    category,
    consent: true,
    predicted: verdict,
    ...(version ? { model_version: version } : {}),
  });
  return category;
}

function choices({ categories, tree }) {
  const groups = [...byTop(categories, tree ?? {})].map(([top, below]) => {
    const options = below.map((name) => option(name, label(name, tree ?? {})));
    return top ? $("<optgroup>").attr("label", top).append(options) : options;
  });
  return [...groups.flat(), option(OTHER, "Something else")];
}

function option(value, text) {
  return $("<option>").val(value).text(text);
}
