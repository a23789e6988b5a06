// The image tab: a file in one style in full size, and in every style as small previews; one after the other.
import { addStyleButton, allStyles, choose, showChosen } from "./controls.js";
import { announce, element, plain } from "./shared.js";

const PREVIEW_PX = 320, LONG_MS = 1000; // what takes longer is given up when a newer look waits
let openImage = null;
let image = null; // the image that is shown
let current = null; // the look that was asked for last
let wanted = null; // the look to stylize next in full size; a newer one replaces it
let previews = []; // { style, picture } that are still to be made
let running = null; // the AbortController of what is under way
let working = false;
let urls = [];

// opening(file) gives { file, stylized(look, maxSide, signal, waiting), close() }: stylized resolves to a PNG of the image in a
// look, with the longest side in px or null for full size, and says what it waits for.
export function startImages(opening) {
  openImage = opening;
  element("file").addEventListener("change", (event) => {
    open(event.target.files[0]);
    event.target.value = ""; // so that the same file can be chosen again
  });
  const drop = element("drop");
  for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => { event.preventDefault(); open(event.dataTransfer.files[0]); });
  element("image-split").addEventListener("input", showSplit);
  addEventListener("pagehide", () => image?.close());
}

// Stylizes the image in another look, the newest of those that are asked for.
export function stylizeAgain(look) {
  if (image && !element("result").hidden && JSON.stringify(look) === JSON.stringify(current)) return;
  current = wanted = { ...look };
  showChosen(element("previews"), look.style);
  if (!image) return;
  const late = running;
  setTimeout(() => { if (wanted && late === running) late?.abort(); }, LONG_MS);
  work();
}

// A style that has come, or gone, since the image was opened; the visitor's own come first.
export function addPreview(style, isOwn = true) {
  if (!image) return;
  const picture = addStyleButton(element("previews"), style, choose);
  if (isOwn) element("previews").prepend(picture.closest("li"));
  previews[isOwn ? "unshift" : "push"]({ style, picture });
  if (!isOwn) work();
}

export function removePreview(name) {
  previews = previews.filter(({ style }) => style.name !== name);
  element("previews").querySelector(`[data-name="${CSS.escape(name)}"]`)?.parentElement.remove();
}

export function open(file) {
  if (!file) return;
  running?.abort();
  image?.close();
  image = openImage(file);
  element("result").hidden = true;
  element("previews").replaceChildren();
  element("drop").classList.add("small");
  previews = allStyles().map((style) => ({ style, picture: addStyleButton(element("previews"), style, choose) }));
  if (current) stylizeAgain(current); // else when the tab is opened
}

// Carries out what is asked for, one after the other; the image in full size goes before previews.
async function work() {
  if (working) return;
  working = true;
  while (wanted || previews.length) {
    running = new AbortController();
    if (wanted) await full();
    else await preview(previews.shift());
  }
  running = null;
  working = false;
}

async function full() {
  const [look, mine] = [wanted, image];
  wanted = null;
  notice(`Stylizing ${mine.file.name} in ${plain(look.style)}…`);
  try {
    const blob = await mine.stylized(look, null, running.signal, notice);
    if (mine === image) await showResult(look, blob);
    if (!wanted) notice("");
  } catch (error) {
    if (running.signal.aborted) return;
    notice(`The image cannot be stylized: ${error.message}.`);
    if (!element("result").hidden) element("result").hidden = true; // it is of another look
    else {
      previews = [];
      element("previews").replaceChildren();
      element("drop").classList.remove("small"); // it says what is taken
    }
  }
}

async function preview({ style, picture }) {
  try {
    const blob = await image.stylized({ ...current, style: style.name }, PREVIEW_PX, running.signal, notice);
    picture.src = URL.createObjectURL(blob);
    picture.addEventListener("load", () => URL.revokeObjectURL(picture.src), { once: true });
    notice("");
  } catch (error) {
    if (!running.signal.aborted) picture.alt = error.message;
    else if (picture.isConnected) previews.unshift({ style, picture }); // it had to make way
  }
}

async function showResult(look, blob) {
  for (const url of urls) URL.revokeObjectURL(url);
  urls = [URL.createObjectURL(image.file), URL.createObjectURL(blob)];
  [element("before").src, element("after").src] = urls;
  await element("after").decode();
  const comparable = await element("before").decode().then(() => true, () => false); // browsers do not show TIFF or HEIC
  if (!comparable) element("before").src = urls[1];
  element("image-split-label").hidden = !comparable;
  const { naturalWidth, naturalHeight } = element("after");
  element("download").href = urls[1];
  element("download").download = `${image.file.name.replace(/\.[^.]*$/, "")}-${look.style.replaceAll(/[:+]/g, "-")}.png`;
  element("download").textContent = `Download the PNG, ${naturalWidth} × ${naturalHeight} px`;
  element("result").hidden = false;
  announce(`Stylized in ${plain(look.style)}`);
}

function showSplit() {
  const share = element("image-split").value;
  element("image-split").setAttribute("aria-valuetext", `${share} % original`);
  element("after").style.setProperty("--split", `${share}%`);
}

export function notice(words) { element("image-notice").textContent = words; }
