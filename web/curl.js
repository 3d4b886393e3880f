// The page's own request as a command for a shell, photo and all.

const COLUMNS = 76;

/**
 * @param {string} url of the API
 * @param {string} photo in base64
 * @param {string} type of the photo
 * @param {boolean} asksForKey the command then takes the key from $SNAPSHELF_KEY: it holds none
 * @returns {string} for sh; it needs base64 and curl
 */
export function command(url, photo, type, asksForKey) {
  const key = asksForKey ? ` -H "x-api-key: $SNAPSHELF_KEY"` : "";
  const send = `curl -sS -H 'Content-Type: ${type}'${key} --data-binary @-`;
  return [
    `base64 -d <<'PHOTO' | ${send} ${quoted(`${url}/classify`)}`, // the document begins behind this line
    ...lines(photo),
    "PHOTO",
    "",
  ].join("\n");
}

function quoted(text) {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function lines(text) {
  return text.match(new RegExp(`.{1,${COLUMNS}}`, "g")) ?? [];
}
