// Categories that have levels above them: how they are named, and how far up an answer is sure.

const JOINT = " › ";

/** @typedef {Record<string, string[]>} Tree a category's levels from the top down */

/**
 * @param {string} category
 * @param {Tree} tree
 * @returns {string} its lowest level, where the category itself is a number in a catalogue
 */
export function label(category, tree) {
  return tree[category]?.at(-1) || category;
}

/**
 * @param {string} category
 * @param {Tree} tree
 * @returns {string} all its levels; "" where there are none
 */
export function path(category, tree) {
  return (tree[category] ?? []).join(JOINT);
}

/**
 * How far down the tree an answer is sure although no category is: the categories below a level are
 * as probable together as they add up to.
 *
 * @param {import("./api.js").Ranked[]} ranked the best few: with the rest the sums would be higher
 * @param {Tree} tree
 * @param {number} threshold
 * @returns {{path: string, probability: number} | null} the lowest level that reaches the threshold
 */
export function sureLevel(ranked, tree, threshold) {
  const total = sum(ranked);
  if (total > 1.001) return null; // several labels a photo: they do not exclude each other
  const levels = tree[ranked[0].category] ?? [];
  for (let depth = levels.length - 1; depth > 0; depth--) {
    const above = levels.slice(0, depth).join(JOINT);
    const below = ranked.filter(({ category }) => isBelow(tree[category], above, depth));
    if (sum(below) >= threshold) return { path: above, probability: sum(below) };
  }
  return null;
}

/**
 * @param {string[]} categories
 * @param {Tree} tree
 * @returns {Map<string, string[]>} the categories by their topmost level; those without below ""
 */
export function byTop(categories, tree) {
  const groups = new Map();
  for (const category of categories) {
    const [top = ""] = tree[category] ?? [];
    if (!groups.has(top)) groups.set(top, []);
    groups.get(top).push(category);
  }
  return groups;
}

function isBelow(levels, above, depth) {
  return levels?.slice(0, depth).join(JOINT) === above;
}

function sum(ranked) {
  return ranked.reduce((total, { probability }) => total + probability, 0);
}
