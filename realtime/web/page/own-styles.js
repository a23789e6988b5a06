// The visitor's own styles: an image that is dropped, chosen or photographed becomes one, for this page alone, until it is left.
import { addOwn, addSmallButton } from "./controls.js";
import { photograph } from "./photograph.js";
import { RequestError, ask, visitor } from "./server.js";
import { element, plain } from "./shared.js";

const LIMIT_MS = 60_000, SMALL_BYTES = 500_000, SIDE_PX = 1600; // of larger files no more is sent: the server looks at less
let kept = []; // { name, image } of each, the oldest first: a server that forgot them gets them again
let came = () => {}, went = () => {}, mayKeep = false;
let turn = Promise.resolve(); // images are sent one after the other

// Where the server takes images as styles. onCame takes a style, and says what it is now, as the end of a sentence; onWent
// takes the name of one that was removed; an operator may keep styles for good.
export function startOwnStyles(onCame, onWent, isOperator) {
  [came, went, mayKeep] = [onCame, onWent, isOperator];
  element("style-file").addEventListener("change", (event) => {
    add(event.target.files[0]);
    event.target.value = ""; // so that the same file can be chosen again
  });
  element("photograph-open").addEventListener("click", () => photograph(add));
  for (const name of ["dragenter", "dragover"]) document.addEventListener(name, dragged);
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) showHint(false); });
  document.addEventListener("drop", dropped);
  addEventListener("pagehide", forget);
}

// An operator may also keep those of the show that are of images, such as a refined one.
export function addKeep(styles) {
  for (const { name, of_image: isOfImage } of styles) if (mayKeep && isOfImage) addSmallButton(name, keepButton(name));
}

export const hasOwnStyles = () => kept.length > 0;

// Has the server know them again, where it was restarted or nothing was heard of this page for long.
export function renewStyles() {
  return inTurn(async () => {
    try {
      await ask("/api/styles");
    } catch (error) {
      if (error.status === 410) await sendAll();
    }
  }).catch((error) => notice(`Your own styles are lost: ${error.message}.`));
}

const isForImages = (event) => element("drop").contains(event.target);
const showHint = (on) => { element("drop-hint").hidden = !on; };

function dragged(event) {
  if (!event.dataTransfer.types.includes("Files")) return;
  showHint(!isForImages(event));
  if (!isForImages(event)) event.preventDefault();
}

function dropped(event) {
  showHint(false);
  if (isForImages(event) || !event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  add(event.dataTransfer.files[0]);
}

function inTurn(work) {
  const mine = turn.then(work);
  turn = mine.catch(() => {});
  return mine;
}

function add(file) {
  if (!file) return;
  notice(`Looking at ${file.name}…`);
  inTurn(async () => {
    const image = await small(file);
    const { name, thumbnail, own } = await send(image, file.name.replace(/\.[^.]*$/, ""));
    kept.push({ name, image });
    const style = { name, thumbnail, blends: true };
    addOwn(style, [
      { sign: "×", words: "Remove", clicked: () => remove(name) },
      ...(mayKeep ? [keepButton(name)] : []),
    ]);
    notice(`${plain(name)} ${came(style)}`);
    for (const each of kept.filter((one) => !own.includes(one.name))) drop(each.name); // the oldest went
  }).catch((error) => notice(`${file.name} cannot be a style: ${error.message}.`));
}

async function send(image, name) {
  const request = { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: image, limitMs: LIMIT_MS };
  const post = async () => (await ask(`/api/styles?name=${encodeURIComponent(name)}`, request)).json();
  const answer = await post().catch(async (error) => {
    if (!(error instanceof RequestError) || error.status !== 410) throw error;
    await sendAll();
    return post();
  });
  visitor.handle = answer.visitor;
  return answer;
}

async function sendAll() {
  visitor.handle = "";
  for (const { name, image } of kept) await send(image, name);
}

function remove(name) {
  drop(name);
  notice(`${plain(name)} is removed.`);
  ask(`/api/styles/${encodeURIComponent(name)}`, { method: "DELETE" }).catch(() => {}); // forgotten there already
}

const keepButton = (name) => ({ sign: "★", words: "Keep", clicked: () => keepForGood(name) });

function keepForGood(name) {
  ask(`/api/styles/${encodeURIComponent(name)}/kept`, { method: "POST" }).then((answer) => answer.json())
    .then((written) => notice(`Kept: after the next start it is the style ${written.name}.`))
    .catch((error) => notice(`${plain(name)} cannot be kept: ${error.message}.`));
}

function drop(name) {
  kept = kept.filter((one) => one.name !== name);
  went(name);
}

// The page is left; the request outlives it.
function forget() {
  if (!visitor.handle) return;
  fetch("/api/styles", { method: "DELETE", headers: { Visitor: visitor.handle }, keepalive: true }).catch(() => {});
}

// A large image as a smaller one, where the browser can read it.
async function small(file) {
  if (file.size < SMALL_BYTES) return file;
  const image = await createImageBitmap(file).catch(() => null);
  const scale = image ? SIDE_PX / Math.max(image.width, image.height) : 1;
  if (scale >= 1) return file;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height].map((side) => Math.max(1, Math.round(side * scale)));
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff"; // where the image is transparent
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  image.close();
  return new Promise((resolve) => canvas.toBlob((blob) => resolve(blob ?? file), "image/jpeg", 0.9));
}

function notice(words) { element("own-notice").textContent = words; }
