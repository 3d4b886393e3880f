// Shows an answer: the verdict in words, and a bar for each category.

const NONE = "none"; // the verdict where no category is named; as contracts.py has it
const UNFAMILIAR = "unfamiliar"; // why; likewise
const SURE = 0.9;

/** @returns {string} the answer as one sentence, for those who hear it */
export function spoken(reply) {
  const [best] = reply.categories;
  if (reply.verdict === NONE && reply.reason === UNFAMILIAR) return "None of these; the photo is unlike anything known here.";
  if (reply.verdict === NONE) return `None of these; closest is ${best.category}, ${percent(best.probability)}.`;
  return `${reply.verdict}, ${percent(best.probability)}.`;
}

/** Fills `panel` (its .verdict, .confidence, .bars and .times) from a reply and the time it took. */
export function show(panel, reply, elapsedMs) {
  const none = reply.verdict === NONE;
  const [best] = reply.categories;
  panel.toggleClass("none", none);
  panel.find(".lead").text(none ? doubt(reply.reason) : lead(best.probability));
  panel.find(".verdict").text(none ? "None of these" : reply.verdict);
  panel.find(".bars").empty().append(reply.categories.map(bar));
  panel.find(".times").empty().append(times(reply, elapsedMs).map((part) => $("<li>").text(part)));
  grow(panel);
}

function doubt(reason) {
  return reason === UNFAMILIAR ? "This is unlike anything known here:" : "No match is sure enough:";
}

function lead(probability) {
  return probability >= SURE ? "This is" : "This is probably";
}

function bar({ category, probability }, index) {
  const fill = $("<span class='fill'>").attr("data-share", probability);
  return $("<li>")
    .toggleClass("best", index === 0)
    .append($("<span class='category'>").text(category))
    .append($("<span class='percent'>").text(percent(probability)))
    .append($("<span class='track' aria-hidden='true'>").append(fill));
}

/** Bars start empty and grow: the width is set through the CSSOM, which the page's policy allows. */
function grow(panel) {
  requestAnimationFrame(() => {
    panel.find(".fill").each((_, fill) => {
      fill.style.width = `${100 * fill.dataset.share}%`;
    });
  });
}

function percent(probability) {
  const value = 100 * probability;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  return `${(value > 99.9 && value < 100 ? 99.9 : value).toFixed(1)} %`;
}

function times(reply, elapsedMs) {
  const parts = [`Answered in ${(elapsedMs / 1000).toFixed(2)} s`];
  const model = reply.times_ms?.model ?? reply.times_ms?.endpoint;
  if (model !== undefined) parts.push(`model ${Math.round(model)} ms`);
  if (reply.model_version) parts.push(`version ${reply.model_version}`);
  return parts;
}
