// The image tab: a file in every style as small previews, and in one style in full size.
import { addStyleButton, ask, element } from "/shared.js";

const PREVIEW_PX = 320, AT_ONCE = 2;
let settings = () => ({});
let choose = () => {};
let file = null;
let round = 0; // counts images and settings: answers to an older one are not shown
let urls = { before: "", after: "" };

export function startImages(getSettings, chooseStyle) {
  [settings, choose] = [getSettings, chooseStyle];
  element("file").addEventListener("change", (event) => show(event.target.files[0]));
  const drop = element("drop");
  for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => { event.preventDefault(); show(event.dataTransfer.files[0]); });
  element("image-split").addEventListener("input", (event) => element("after").style.setProperty("--split", `${event.target.value}%`));
}

export function stylizeAgain(look) {
  if (!file) return;
  showChosen(look);
  stylizeFull(look);
}

async function show(chosen) {
  if (!chosen) return;
  file = chosen;
  element("result").hidden = true;
  element("previews").replaceChildren();
  const { look, styles } = settings();
  await stylizeFull(look);
  const small = await shrunk(chosen);
  const mine = round;
  const waiting = styles.map((style) => ({ style, image: addStyleButton(element("previews"), style, choose) }));
  showChosen(look);
  const work = async () => {
    for (let next = waiting.shift(); next && mine <= round && file === chosen; next = waiting.shift()) {
      try {
        next.image.src = URL.createObjectURL(await stylized(small, { ...look, style: next.style.name }, PREVIEW_PX));
      } catch (error) { next.image.alt = error.message; }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

function showChosen(look) {
  for (const button of element("previews").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.dataset.name === look.style));
  }
}

async function stylizeFull(look) {
  const mine = ++round;
  element("image-notice").textContent = `Stylizing ${file.name} in ${look.style}…`;
  try {
    const blob = await stylized(file, look, null);
    if (mine !== round) return;
    for (const url of Object.values(urls)) URL.revokeObjectURL(url);
    urls = { before: URL.createObjectURL(file), after: URL.createObjectURL(blob) };
    element("before").src = urls.before;
    element("after").src = urls.after;
    await element("after").decode();
    const { naturalWidth, naturalHeight } = element("after");
    element("download").href = urls.after;
    element("download").download = `${file.name.replace(/\.[^.]*$/, "")}-${look.style.replaceAll(/[:+]/g, "-")}.png`;
    element("download").textContent = `Download the PNG, ${naturalWidth} × ${naturalHeight} px`;
    element("result").hidden = false;
    element("image-notice").textContent = "";
  } catch (error) {
    if (mine === round) element("image-notice").textContent = `The image cannot be stylized: ${error.message}.`;
  }
}

async function stylized(content, look, maxSide) {
  const query = new URLSearchParams({ style: look.style, strength: String(look.strength), keep_colors: String(look.keep_colors) });
  if (maxSide) query.set("max_side", String(maxSide));
  const answer = await ask(`/api/image?${query}`, { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: content });
  return answer.blob();
}

// A small copy for the previews, so that a large file is not sent once for each style; a kind that the browser cannot read is sent as it is.
async function shrunk(original) {
  try {
    const bitmap = await createImageBitmap(original);
    const scale = Math.min(1, PREVIEW_PX / Math.max(bitmap.width, bitmap.height));
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [Math.max(1, Math.round(bitmap.width * scale)), Math.max(1, Math.round(bitmap.height * scale))];
    canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  } catch { return original; }
}
