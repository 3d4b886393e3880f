// Puts text on the clipboard, or, where the browser does not let the page, shows it to be copied.

/**
 * @param {string} text
 * @returns {Promise<boolean>} whether it lies on the clipboard; else it stands in a dialog, selected
 */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text); // there is none at an http address
    return true;
  } catch {
    show(text);
    return false;
  }
}

function show(text) {
  const dialog = $("#copy-dialog");
  dialog.find("textarea").val(text);
  dialog[0].showModal();
  dialog.find("textarea").trigger("focus").trigger("select");
}
