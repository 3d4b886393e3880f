// Wires the page: a photo comes in by any way, and one state at a time is shown.

import * as answer from "./answer.js";
import * as api from "./api.js";
import * as camera from "./camera.js";
import { FIT, SIZE } from "./fit.js";
import { PhotoError, prepare } from "./photo.js";

const file = $("#file");
const cameraFile = $("#camera-file");
let turn = 0; // grows with each photo, so that an older one's answer is not shown
let request = null;
let current = null; // the prepared photo, for another try

/** Shows the panel of one state, and says to those who hear the page what happened. */
function show(state, words = "") {
  $("body").attr("data-state", state);
  $("[data-panel]").each((_, panel) => {
    panel.hidden = !panel.dataset.panel.split(" ").includes(state);
  });
  $("#workspace").attr("aria-busy", String(state === "resizing" || state === "waiting"));
  $("#announcement").text(words);
}

async function start(photo) {
  const mine = begin();
  current = null;
  showPhoto(photo);
  show("resizing", "Making the photo small.");
  try {
    const prepared = await prepare(photo, { size: SIZE, fit: FIT });
    if (mine !== turn) return;
    current = prepared;
    showSent(prepared);
    await ask(mine);
  } catch (error) {
    if (mine !== turn) return;
    if (!(error instanceof PhotoError)) throw error;
    hidePhoto();
    explain("refusal", error);
  }
}

async function ask(mine) {
  show("waiting", "Waiting for the answer.");
  const started = performance.now();
  request = api.classify(current.dataUrl);
  try {
    const reply = await request.promise;
    if (mine !== turn) return;
    answer.show($("#answer"), reply, performance.now() - started);
    show("answer", answer.spoken(reply));
  } catch (error) {
    if (mine !== turn) return;
    if (!(error instanceof api.ApiError)) throw error;
    explain(error.kind, error);
  }
}

function begin() {
  request?.abort();
  request = null;
  return ++turn;
}

function retry() {
  if (current) ask(begin());
}

function explain(state, { message, hint, requestId }) {
  const panel = $("#trouble");
  panel.find(".message").text(message);
  panel.find(".hint").text(hint);
  panel.find(".request-id").text(requestId ? `Request ${requestId}` : "");
  show(state, `${message} ${hint}`);
}

function showPhoto(photo) {
  const preview = $("#preview");
  URL.revokeObjectURL(preview.attr("src") ?? "");
  preview.attr({ src: URL.createObjectURL(photo), alt: photo.name || "Your photo" });
  $("#photo").prop("hidden", false);
  $("#sent").prop("hidden", true);
}

function hidePhoto() {
  $("#photo").prop("hidden", true);
}

function showSent({ dataUrl, bytes, width, height }) {
  $("#sent img").attr("src", dataUrl);
  $("#sent .facts").text(`${SIZE} × ${SIZE} of ${width} × ${height}`);
  $("#sent .weight").text(`${(bytes / 1024).toFixed(1)} KB as JPEG`);
  $("#sent").prop("hidden", false);
}

function firstFile(files) {
  const [first] = files ?? [];
  if (first) start(first);
  return Boolean(first);
}

function wireFiles() {
  $("#choose").on("click", () => file.trigger("click"));
  file.add(cameraFile).on("change", (event) => {
    firstFile(event.target.files);
    event.target.value = ""; // so that the same file can be chosen again
  });
  $(document).on("paste", (event) => {
    if (firstFile(event.originalEvent.clipboardData?.files)) event.preventDefault();
  });
}

function wireDrop() {
  let depth = 0; // enter and leave fire for every element on the way
  const hovering = (on) => $("body").toggleClass("dropping", on);
  $(document)
    .on("dragenter", () => hovering(++depth > 0))
    .on("dragleave", () => hovering(--depth > 0))
    .on("dragover", (event) => event.preventDefault())
    .on("drop", (event) => {
      event.preventDefault();
      depth = 0;
      hovering(false);
      firstFile(event.originalEvent.dataTransfer?.files);
    });
}

function wireCamera() {
  $("#camera")
    .prop("hidden", !camera.available())
    .on("click", async () => {
      const shot = await camera.take(cameraFile, $("#camera-dialog"));
      if (shot) start(shot);
    });
}

function wireConnection() {
  $("#retry").on("click", retry);
  $(window).on("online", () => {
    if ($("body").attr("data-state") === "offline") retry();
  });
}

/** Asked for when the page opens, which also wakes the service before the first photo comes. */
async function listCategories() {
  try {
    const { categories } = await api.categories().promise;
    $("#known").append(categories.map((name) => $("<li>").text(name)));
    $("#knows").prop("hidden", false);
  } catch (error) {
    if (!(error instanceof api.ApiError)) throw error;
    // The list is an extra: a photo tells soon enough what is wrong.
  }
}

wireFiles();
wireDrop();
wireCamera();
wireConnection();
show("empty");
listCategories();
