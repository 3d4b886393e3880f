// Shows one entry: its photo, how far it is, its answer, or what went wrong and what to do.

import { label, path, sureLevel } from "./tree.js";
import { judged, lead, NONE, percent } from "./verdict.js";

const DOING = {
  queued: ["In line…", ""],
  resizing: ["Making it small…", "The photo stays here; only a small picture of it is sent."],
  waiting: ["Looking closely…", "The model is at work."],
  slow: ["Still looking…", "This takes longer than usual: the service may have been asleep."],
  paused: ["Too many are asking at once.", ""],
};
const CANCELLED = { message: "Cancelled.", hint: "Nothing more of it is sent." };

/**
 * @typedef {object} Context what all entries are shown by
 * @property {number | null} threshold that was chosen; null: the model's own
 * @property {import("./tree.js").Tree} tree
 * @property {boolean} takesFeedback
 */

/** An entry's place on the page. */
export class View {
  /** @type {Blob[]} whose addresses stand in the pictures, in the order of those */
  #addressed = [];

  /** @type {string} the state that those who hear the page know of */
  told = "";

  /** @param {import("./entry.js").Entry} entry */
  constructor(entry) {
    this.entry = entry;
    this.element = $(document.importNode($("#entry")[0].content, true)).children();
    this.element.data("view", this); // so that a click finds it
    this.element.find(".name").text(entry.name);
    this.element.find(".remove").attr("aria-label", `Remove ${entry.name}`);
  }

  /** @param {Context} context */
  show(context) {
    const { state, reply } = this.entry;
    this.element.attr({ "data-state": state, "aria-busy": String(this.entry.busy) });
    this.element.find("[data-panel]").each((_, panel) => {
      panel.hidden = !panel.dataset.panel.split(" ").includes(state);
    });
    this.#showProgress();
    this.#showTrouble();
    if (state === "answer") this.#showAnswer(reply, context);
    this.#showPictures();
    const correctable = state === "answer" && context.takesFeedback && !this.entry.corrected;
    this.element.find(".correct").prop("hidden", !correctable);
  }

  /** Lets go of the pictures' memory. */
  close() {
    this.element.find("img").each((_, image) => URL.revokeObjectURL(image.src));
    this.element.remove();
  }

  #showProgress() {
    const { state, pauseSeconds } = this.entry;
    const [doing, meanwhile] = DOING[state] ?? ["", ""];
    this.element.find(".doing").text(doing);
    const wait = `It is asked again in ${pauseSeconds} s.`;
    this.element.find(".while").text(state === "paused" ? wait : meanwhile);
  }

  #showTrouble() {
    const { state, trouble } = this.entry;
    const { message, hint, requestId } = (state === "cancelled" ? CANCELLED : trouble) ?? {};
    const panel = this.element.find(".trouble");
    panel.find(".message").text(message ?? "");
    panel.find(".hint").text(hint ?? "");
    panel.find(".request-id").text(requestId ? `Request ${requestId}` : "");
  }

  #showAnswer(reply, { threshold, tree }) {
    const [best] = reply.categories;
    const judgement = judged(reply, threshold);
    const none = judgement.verdict === NONE;
    const level = none ? sureLevel(reply.categories, tree, threshold ?? reply.threshold) : null;
    this.element.toggleClass("none", none);
    this.element.find(".lead").text(lead(judgement, best.probability));
    this.element.find(".verdict").text(none ? "None of these" : label(judgement.verdict, tree));
    this.element.find(".path").text(none ? "" : path(judgement.verdict, tree));
    const sure = level ? `But surely ${level.path}: ${percent(level.probability)}.` : "";
    this.element.find(".sure").text(sure);
    showBars(this.element.find(".bars"), reply, { threshold, tree });
    this.element.find(".facts").empty().append(facts(this.entry).map((fact) => $("<li>").text(fact)));
    const { corrected } = this.entry;
    const thanks = `Thank you: it is kept as ${label(corrected, tree)}.`;
    this.element.find(".corrected").prop("hidden", !corrected).text(thanks);
  }

  async #showPictures() {
    const { prepared, name } = this.entry;
    if (!prepared) return;
    this.#picture(".seen img", prepared.small);
    const { preview } = await prepared.shown.catch(() => ({ preview: prepared.small }));
    if (this.entry.prepared !== prepared) return;
    this.#picture(".preview", preview);
    this.element.find(".preview").attr("alt", name).prop("hidden", false);
  }

  #picture(selector, blob) {
    if (this.#addressed.includes(blob)) return;
    this.#addressed.push(blob);
    const image = this.element.find(selector);
    URL.revokeObjectURL(image.attr("src") ?? "");
    image.attr("src", URL.createObjectURL(blob));
  }
}

/** The bars are kept from one showing to the next, so that they grow but once. */
function showBars(list, { categories, threshold: own }, { threshold, tree }) {
  const names = categories.map(({ category }) => category).join("\n");
  if (list.attr("data-names") !== names) {
    list.attr("data-names", names).empty().append(categories.map((ranked) => bar(ranked, tree)));
    requestAnimationFrame(() => list.find(".fill").each((_, fill) => {
      fill.style.width = `${100 * fill.dataset.share}%`; // by the CSSOM, which the policy allows
    }));
  }
  list.find(".mark").each((_, mark) => {
    mark.style.left = `${100 * (threshold ?? own ?? 0)}%`;
  });
}

function bar({ category, probability }, tree) {
  const fill = $("<span>").addClass("fill").attr("data-share", probability);
  const track = $("<span>").addClass("track").attr("aria-hidden", "true");
  return $("<li>").append(
    $("<span>").addClass("category").text(label(category, tree)).attr("title", path(category, tree)),
    $("<span>").addClass("percent").text(percent(probability)),
    track.append(fill, $("<span>").addClass("mark")),
  );
}

function facts({ reply, elapsedMs, prepared, form }) {
  const { small, width, height } = prepared;
  const model = reply.times_ms?.model ?? reply.times_ms?.endpoint;
  return [
    `${form.size} × ${form.size} of ${width} × ${height}, ${(small.size / 1024).toFixed(1)} KB`,
    `answered in ${(elapsedMs / 1000).toFixed(2)} s`,
    ...(model === undefined ? [] : [`model ${Math.round(model)} ms`]),
    ...(reply.model_version ? [`version ${reply.model_version}`] : []),
  ];
}
