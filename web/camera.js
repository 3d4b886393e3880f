// Takes a photo: with the phone's own camera app, or from a live picture in a dialog.

/** @returns {boolean} whether this device offers a camera in one of the two ways */
export function available() {
  return hasCameraApp() || Boolean(navigator.mediaDevices?.getUserMedia);
}

/**
 * @param {JQuery} input the file input whose `capture` opens a phone's camera app
 * @param {JQuery} dialog holds a video and the buttons .shoot and .cancel
 * @returns {Promise<Blob | null>} the photo; null where the app was opened instead, or nothing taken
 */
export async function take(input, dialog) {
  if (hasCameraApp() || !navigator.mediaDevices?.getUserMedia) {
    input.trigger("click");
    return null;
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch {
    input.trigger("click"); // no camera, or not allowed: a file will do
    return null;
  }
  try {
    return await shoot(stream, dialog);
  } finally {
    stream.getTracks().forEach((track) => track.stop());
  }
}

function hasCameraApp() {
  return matchMedia("(pointer: coarse)").matches;
}

async function shoot(stream, dialog) {
  const video = dialog.find("video")[0];
  const button = dialog.find(".shoot").prop("disabled", true);
  const shot = new Promise((resolve) => {
    button.off().on("click", () => resolve(frame(video)));
    dialog.find(".cancel").off().on("click", () => resolve(null));
    dialog.off().on("cancel", () => resolve(null));
  });
  video.srcObject = stream;
  dialog[0].showModal();
  video.play().then(
    () => button.prop("disabled", false).trigger("focus"), // now there is a frame to take
    () => {}, // left before the picture came
  );
  try {
    return await shot;
  } finally {
    dialog[0].close();
    video.srcObject = null;
  }
}

function frame(video) {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png")); // lossless: it is scaled yet
}
