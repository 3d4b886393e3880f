// Wires the page: a photo comes in by any way, and one state at a time is shown.

import * as answer from "./answer.js";
import * as api from "./api.js";
import * as camera from "./camera.js";
import * as model from "./model.js";
import { PhotoError, prepare } from "./photo.js";

const file = $("#file");
const cameraFile = $("#camera-file");
let turn = 0; // grows with each photo, so that an older one's answer is not shown
let request = null;
let current = null; // the photo, and once it is prepared what is sent of it, for another try

/** Shows the panel of one state, and says to those who hear the page what happened. */
function show(state, words = "") {
  $("body").attr("data-state", state);
  $("[data-panel]").each((_, panel) => {
    panel.hidden = !panel.dataset.panel.split(" ").includes(state);
  });
  $("#workspace").attr("aria-busy", String(state === "resizing" || state === "waiting"));
  $("#announcement").text(words);
}

function start(photo) {
  const mine = begin();
  current = { photo };
  showPhoto(photo);
  show("resizing", "Making the photo small.");
  return advance(mine);
}

async function advance(mine) {
  try {
    const form = await model.form();
    if (mine !== turn) return;
    if (!alike(form, current.form)) {
      const prepared = await prepare(current.photo, form);
      if (mine !== turn) return;
      current = { photo: current.photo, form, ...prepared };
      showSent(current);
    }
  } catch (error) {
    if (mine !== turn) return;
    if (!(error instanceof PhotoError)) throw error;
    current = null;
    hidePhoto();
    explain("refusal", error);
    return;
  }
  await ask(mine);
}

function alike(one, other) {
  return one.size === other?.size && one.fit === other.fit;
}

async function ask(mine) {
  show("waiting", "Waiting for the answer.");
  const started = performance.now();
  request = api.classify(current.dataUrl);
  try {
    const reply = await request.promise;
    if (mine !== turn) return;
    if (model.replaced(reply.model_version) && !alike(await model.form(), current.form)) {
      if (mine === turn) advance(mine);
      return;
    }
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
  if (!current) return;
  const mine = begin();
  show("waiting", "Waiting for the answer.");
  advance(mine);
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

function showSent({ form: { size }, dataUrl, bytes, width, height }) {
  $("#sent img").attr("src", dataUrl);
  $("#sent .facts").text(`${size} × ${size} of ${width} × ${height}`);
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

function wireKey() {
  $("#key-form").on("submit", (event) => {
    event.preventDefault();
    api.useKey($("#key").val());
    if (!current) show("empty");
    listCategories();
    retry();
  });
}

function wireConnection() {
  $("#retry").on("click", retry);
  $(window).on("online", () => {
    if ($("body").attr("data-state") === "offline") retry();
  });
}

/** Asked for when the page opens: it wakes the service, and says how it wants the first photo. */
async function listCategories() {
  try {
    const { categories } = await model.described();
    $("#known").append(categories.map((name) => $("<li>").text(name)));
    $("#knows").prop("hidden", false);
  } catch (error) {
    if (!(error instanceof api.ApiError)) throw error;
    if (error.kind === "key" && !current) explain("key", error);
    // Else the list is an extra: a photo tells soon enough what is wrong.
  }
}

wireFiles();
wireDrop();
wireCamera();
wireConnection();
wireKey();
show("empty");
listCategories();
