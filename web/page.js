// Wires the page: photos become entries of the list, and what concerns all of them is held here.

import * as api from "./api.js";
import { base64 } from "./blob.js";
import { copy } from "./copy.js";
import { correct } from "./correction.js";
import { command } from "./curl.js";
import { Entry } from "./entry.js";
import * as intake from "./intake.js";
import * as known from "./known.js";
import * as model from "./model.js";
import * as notice from "./notice.js";
import * as past from "./past.js";
import * as tools from "./tools.js";
import { label } from "./tree.js";
import { ApiError } from "./trouble.js";
import { View } from "./view.js";
import { judged, NONE, spoken } from "./verdict.js";

/** @type {Map<Entry, View>} their order is that of the list on the page */
const views = new Map();
/** @type {import("./api.js").Description} what is known of the model so far */
let description = { categories: [] };
let threshold = null; // that was chosen; null: the model's own

function context() {
  const { tree, feedback } = description;
  return { threshold, tree: tree ?? {}, takesFeedback: Boolean(feedback) };
}

/** The newest photos stand first, those of one lot in their own order. */
function add(photos) {
  const added = photos.map((photo) => new View(new Entry(photo, changed)));
  $("#entries").prepend(added.map((view) => view.element));
  for (const view of added) views.set(view.entry, view);
  for (const { entry } of added) entry.run();
  showAll();
}

function changed(entry) {
  const view = views.get(entry);
  if (!view) return; // removed meanwhile
  view.show(context());
  showTools();
  if (view.told === entry.state) return;
  view.told = entry.state;
  if (entry.state === "answer") takeAnswer(entry);
  else if (!entry.busy) takeTrouble(entry);
}

function takeAnswer(entry) {
  const { tree } = context();
  const named = (category) => label(category, tree);
  const judgement = judged(entry.reply, threshold);
  const name = views.size > 1 ? `${entry.name}: ` : "";
  $("#announcement").text(name + spoken(judgement, entry.reply.categories[0], named));
  past.remember(entry, judgement.verdict === NONE ? "None of these" : named(judgement.verdict));
  learn(); // another model may have answered
}

function takeTrouble({ state, name, trouble }) {
  if (state === "cancelled") $("#announcement").text(`${name}: cancelled.`);
  else if (state === "key") notice.tell(trouble);
  else $("#announcement").text(`${name}: ${trouble.message} ${trouble.hint}`);
}

function showAll() {
  for (const view of views.values()) view.show(context());
  showTools();
}

function showTools() {
  $("body").attr("data-state", views.size ? "photos" : "empty");
  tools.show(entries(), threshold, description.threshold);
}

/** @returns {Entry[]} as they stand on the page */
function entries() {
  return [...$("#entries").children()].map((element) => $(element).data("view").entry);
}

function remove(view) {
  const next = view.element.next().add(view.element.prev()).first();
  view.entry.cancel();
  views.delete(view.entry);
  view.close();
  showTools();
  const place = next.find("button:visible").first();
  (place.length ? place : $("#choose")).trigger("focus"); // the button pressed is gone
}

function clear() {
  for (const view of [...views.values()]) remove(view);
}

function retry(...states) {
  for (const entry of entries()) {
    if (states.includes(entry.state)) entry.run();
  }
}

async function copyCommand({ element, entry }) {
  const { url, asksForKey } = await api.settings();
  const { small } = entry.prepared;
  const text = command(url, await base64(small), small.type, asksForKey);
  if (!(await copy(text))) return;
  const button = element.find(".copy").text("Copied");
  $("#announcement").text("The command is copied.");
  setTimeout(() => button.text("Copy as curl"), 2000);
}

async function takeCorrection(view) {
  await correct(view, description);
  view.show(context());
  const { corrected } = view.entry;
  if (corrected) $("#announcement").text(`Thank you: it is kept as ${corrected}.`);
  refocus(view);
}

/** Where a button had the focus and is gone, the entry's first one has it now. */
function refocus({ element }) {
  element.find(".options button:visible").first().trigger("focus");
}

function wireEntries() {
  const on = (button, act) => {
    $("#entries").on("click", button, ({ target }) => act($(target).closest(".entry").data("view")));
  };
  on(".retry", (view) => {
    view.entry.run();
    refocus(view);
  });
  on(".options .cancel", (view) => {
    view.entry.cancel();
    refocus(view);
  });
  on(".remove", remove);
  on(".copy", copyCommand);
  on(".correct", takeCorrection);
}

/**
 * Asks what the model knows, when the page opens and after each answer; but the service only where
 * that is not known. The first time wakes it, and says how it wants the first photo.
 */
async function learn() {
  try {
    const told = await model.described();
    notice.hide();
    if (told === description) return;
    description = told;
    known.show(told);
    showAll();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    notice.tell(error);
  }
}

intake.wire(add);
past.wire();
wireEntries();
notice.wire({
  connect: () => {
    learn();
    retry("key", "offline");
  },
});
tools.wire({
  entries,
  choose: (chosen) => {
    threshold = chosen;
    showAll();
  },
  cancel: () => {
    entries().forEach((entry) => entry.cancel());
    $("#choose").trigger("focus"); // the button itself is gone
  },
  clear,
});
showTools();
learn();
