// What an answer says: by the model's own threshold, or by one that was chosen on the page.

export const NONE = "none"; // the verdict where no category is named; as contracts.py has it
export const BELOW = "below threshold"; // why; likewise
export const UNFAMILIAR = "unfamiliar"; // likewise
const SURE = 0.9;

/**
 * @typedef {object} Verdict
 * @property {string} verdict a category, or NONE
 * @property {string | null} reason why it is NONE
 */

/**
 * @param {import("./api.js").Classification} reply
 * @param {number | null} threshold 0 to 1; null: the model's own
 * @returns {Verdict} a photo unlike any that the model knows stays so, whatever the threshold
 */
export function judged(reply, threshold) {
  if (threshold === null || reply.reason === UNFAMILIAR) {
    return { verdict: reply.verdict, reason: reply.reason ?? null };
  }
  const [best] = reply.categories;
  if (best.probability >= threshold) return { verdict: best.category, reason: null };
  return { verdict: NONE, reason: BELOW };
}

/**
 * @param {Verdict} judgement
 * @param {number} probability of the best category
 * @returns {string} the words before the verdict
 */
export function lead({ verdict, reason }, probability) {
  if (reason === UNFAMILIAR) return "This is unlike anything known here:";
  if (verdict === NONE) return "No match is sure enough:";
  return probability >= SURE ? "This is" : "This is probably";
}

/**
 * @param {Verdict} judgement
 * @param {import("./api.js").Ranked} best
 * @param {(category: string) => string} label
 * @returns {string} the answer as one sentence, for those who hear it
 */
export function spoken({ verdict, reason }, best, label) {
  if (reason === UNFAMILIAR) return "None of these; the photo is unlike anything known here.";
  const share = percent(best.probability);
  if (verdict === NONE) return `None of these; closest is ${label(best.category)}, ${share}.`;
  return `${label(verdict)}, ${share}.`;
}

/**
 * @param {number} probability
 * @returns {string} never 0 or 100 where it is neither
 */
export function percent(probability) {
  const value = 100 * probability;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  return `${(value > 99.9 && value < 100 ? 99.9 : value).toFixed(1)} %`;
}
