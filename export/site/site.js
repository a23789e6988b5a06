// The page that needs no server: joins the controls of the look with the visitor's camera and images, all on this device.
import { closeCamera } from "./camera.js";
import * as controls from "./controls.js";
import { openAfter, openEngine } from "./engine.js";
import * as camera from "./camera-frames.js";
import { notice as imageNotice, open as openImage, startImages, stylizeAgain } from "./images.js";
import { startKeys } from "./keys.js";
import { LONGEST_PX, LocalImage } from "./local-image.js";
import { startOffline } from "./offline.js";
import * as kept from "./settings.js";
import { announce, element, plain, say } from "./shared.js";
import { startStage, stopRecording } from "./stage.js";
import { readStyles } from "./styles.js";
import { showTab, startTabs } from "./tabs.js";

const FIGURES_MS = 500;
const PROVIDERS = { webgpu: "WebGPU", wasm: "WebAssembly" };
const faults = [];
const own = kept.readAddress(location.search, faults); // what was chosen; it stands in the address and nowhere else
const inAddress = new Set(Object.keys(own));
let tab = "live";
let stylizer = null;
let fault = ""; // why there is none
let hasImage = false;

function keep(atOnce = false) { kept.soon(() => kept.writeAddress(own, inAddress), atOnce); }

function notice(words) { element("notice").textContent = words; }

function loading(share) {
  const words = `Loading… ${Math.round(share * 100)} %`;
  if (element("notice").textContent.startsWith("Loading")) notice(words);
}

function changed(change) {
  Object.assign(own, change);
  for (const name of Object.keys(change)) inAddress.add(name);
  keep();
  if (tab === "image") stylizeAgain(controls.look);
  else camera.again();
}

function openTab(name) {
  tab = name;
  own.tab = name === "live" ? undefined : name;
  keep();
  showTab(name);
  if (name === "live") notice(element("notice").textContent || welcome());
  else {
    camera.stopCamera();
    stylizeAgain(controls.look);
  }
}

function welcome() {
  return fault || (stylizer ? "Start the camera, or open the Image tab. Nothing leaves this device: all is computed here." : "Loading…");
}

function showOpen(isOpen) {
  element("camera-on").setAttribute("aria-pressed", String(isOpen));
  element("camera-on").textContent = isOpen ? "Stop the camera" : "Start the camera";
  if (!isOpen) stopRecording();
  freeze(false);
}

function freeze(isFrozen) {
  const button = element("freeze");
  if ((button.getAttribute("aria-pressed") === "true") === isFrozen) return;
  camera.freeze(isFrozen);
  button.setAttribute("aria-pressed", String(isFrozen));
  announce(isFrozen ? "Frozen" : "Moving");
}

function showFigures() {
  const figures = camera.figures();
  element("figures").textContent = [
    plain(controls.look.style),
    ...(figures ? [`${figures.fps.toFixed(0)} fps at ${figures.sizeWh.join("x")}`] : []),
    ...(stylizer ? [stylizer.threads > 1 ? `${PROVIDERS[stylizer.provider]}, ${stylizer.threads} threads` : PROVIDERS[stylizer.provider]] : []),
  ].join(" · ");
}

function start() {
  Object.assign(camera.frames, { onNotice: notice, onOpen: showOpen });
  startTabs(openTab);
  startKeys(() => tab === "live");
  startStage({ element: element("canvas"), sizeWh: camera.sizeWh, stream: camera.stream, closeStream: closeCamera });
  startImages((file) => { hasImage = true; return new LocalImage(file); });
  element("image-limit").textContent = LONGEST_PX;
  element("camera-on").addEventListener("click", () => {
    if (camera.isOpen()) camera.stopCamera(welcome());
    else {
      camera.startCamera();
      load();
    }
  });
  for (const id of ["camera", "size"]) element(id).addEventListener("change", () => { if (camera.isOpen()) camera.startCamera(); });
  element("freeze").addEventListener("click", () => {
    if (camera.sizeWh()[0]) freeze(element("freeze").getAttribute("aria-pressed") !== "true");
    else say("there is no video yet");
  });
  element("split").addEventListener("input", (event) => {
    camera.frames.split = event.target.value / 100;
    controls.showShare("split", camera.frames.split);
    camera.again();
  });
  controls.showShare("split", 0);
  for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault()); // it would leave the page
  document.addEventListener("drop", (event) => {
    if (element("drop").contains(event.target) || !event.dataTransfer.files.length) return;
    if (tab !== "image") openTab("image");
    openImage(event.dataTransfer.files[0]);
  });
  addEventListener("pagehide", () => keep(true));
  setInterval(showFigures, FIGURES_MS);
}

async function startLook() {
  const { styles, credits } = await readStyles();
  element("credits").replaceChildren(...credits.map(({ name, source, licence }) =>
    Object.assign(document.createElement("li"), { textContent: `${plain(name)}: ${source} (${licence})` })));
  controls.startControls(styles.map((style) => ({ ...style, blends: true })), changed);
  if (own.style && !controls.isKnown(own.style)) {
    faults.push(`there is no style ${own.style}`);
    delete own.style;
    inAddress.delete("style");
  }
  controls.showLook({ style: styles[0].name, ...kept.pick(own, kept.LOOK) }, true);
  openTab(own.tab ?? "live");
  if (faults.length) (tab === "live" ? say : imageNotice)(faults[0]);
}

// An image would be lost; a camera is opened again.
function mayReload() {
  if (!hasImage) history.replaceState({ camera: camera.isOpen() }, "");
  return !hasImage;
}

async function openAll() {
  const wasOpen = history.state?.camera;
  history.replaceState(null, "");
  start();
  openAfter(startOffline(mayReload), loading);
  await startLook();
  if (wasOpen) camera.startCamera();
  await load();
  if (fault) imageNotice(fault);
}

// Opens what stylizes, and says what it is, or why there is none.
async function load() {
  try {
    [stylizer, fault] = [await openEngine(), ""];
    element("why").textContent = stylizer.why;
    showFigures();
  } catch (error) { fault = error.message; }
  if (fault || (!camera.isOpen() && element("notice").textContent.startsWith("Loading"))) notice(welcome());
}

if (!document.documentElement.classList.contains("cannot-start")) openAll().catch((error) => notice(error.message));
