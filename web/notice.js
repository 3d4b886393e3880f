// Tells what stands between the page and its service: a key, the network, a model.

import * as api from "./api.js";

/**
 * @param {object} wanted
 * @param {() => void} wanted.connect asks the service anew, and for what waited
 */
export function wire({ connect }) {
  $("#key-form").on("submit", (event) => {
    event.preventDefault();
    api.useKey($("#key").val());
    connect();
  });
  $("#reconnect").on("click", connect);
  $(window).on("online", connect);
}

/** @param {import("./trouble.js").ApiError} trouble of the service as a whole */
export function tell(trouble) {
  const wantsKey = trouble.kind === "key";
  const panel = $("#notice");
  panel.find(".message").text(trouble.message);
  panel.find(".hint").text(trouble.kind === "offline" ? "Photos are sent once you are back." : trouble.hint);
  $("#key-form").prop("hidden", !wantsKey);
  $("#reconnect").prop("hidden", wantsKey || trouble.kind === "offline");
  panel.prop("hidden", false);
  $("#announcement").text(`${trouble.message} ${trouble.hint}`);
}

/** The service answers again. */
export function hide() {
  const inside = $("#notice")[0].contains(document.activeElement);
  $("#notice").prop("hidden", true);
  if (inside) $("#choose").trigger("focus"); // what had the focus is gone
}
