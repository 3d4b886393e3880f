// Shows which categories the model knows: a list, or a tree where they have levels.

import { byTop, label } from "./tree.js";

/** @param {import("./api.js").Description} description */
export function show({ categories, tree }) {
  const groups = [...byTop(categories, tree ?? {})];
  const flat = groups.length === 1 && groups[0][0] === "";
  $("#known").empty().append(flat ? list(categories, {}) : groups.map((group) => branch(group, tree)));
  const count = categories.length;
  $("#knows .count").text(count === 1 ? "1 category" : `${count.toLocaleString("en")} categories`);
  $("#knows").prop({ hidden: false, open: flat && count <= 20 });
}

/** Its list is made when it is opened: a catalogue has thousands of categories. */
function branch([top, below], tree) {
  const details = $("<details>").append(
    $("<summary>").text(`${top || "Others"} (${below.length.toLocaleString("en")})`),
  );
  return details.one("toggle", () => details.append(list(below, tree)));
}

function list(categories, tree) {
  const items = categories.map((name) => {
    const middle = (tree[name] ?? []).slice(1, -1).join(" › ");
    const item = $("<li>").text(label(name, tree));
    return middle ? item.append($("<span>").addClass("quiet").text(` ${middle}`)) : item;
  });
  return $("<ul>").append(items);
}
