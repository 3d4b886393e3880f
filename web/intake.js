// The ways by which photos come in: files, drop, paste, camera, and the drawings to try.

import * as camera from "./camera.js";

/** @param {(photos: (File | Blob)[]) => void} take is handed each lot of photos, never none */
export function wire(take) {
  const some = (files) => {
    const photos = [...(files ?? [])];
    if (photos.length) take(photos);
    return photos.length > 0;
  };
  wireFiles(some);
  wireDrop(some);
  wireCamera(some);
  wireExamples(some);
}

function wireFiles(some) {
  $("#choose").on("click", () => $("#file").trigger("click"));
  $("#file, #camera-file").on("change", (event) => {
    some(event.target.files);
    event.target.value = ""; // so that the same file can be chosen again
  });
  $(document).on("paste", (event) => {
    if (some(event.originalEvent.clipboardData?.files)) event.preventDefault();
  });
}

function wireDrop(some) {
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
      some(event.originalEvent.dataTransfer?.files);
    });
}

function wireCamera(some) {
  $("#camera")
    .prop("hidden", !camera.available())
    .on("click", async () => {
      const shot = await camera.take($("#camera-file"), $("#camera-dialog"));
      if (shot) some([shot]);
    });
}

function wireExamples(some) {
  $("#examples").on("click", "button", async ({ currentTarget }) => {
    const address = currentTarget.dataset.example;
    const reply = await fetch(address).catch(() => null);
    if (!reply?.ok) return; // a drawing that is not there has no picture on its button either
    const type = "image/svg+xml"; // some hosts say something else
    some([new File([await reply.blob()], address.split("/").at(-1), { type })]);
  });
}
