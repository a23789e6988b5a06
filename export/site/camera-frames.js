// The camera's frames: the newest is stylized when the one before is done, in a size that holds the rate, and shown on the canvas.
import { closeCamera, openCamera } from "./camera.js";
import { look } from "./controls.js";
import { openEngine, stylize } from "./engine.js";
import { FrameSizes } from "./frame-sizes.js";
import { show } from "./postprocess.js";
import { element } from "./shared.js";

// What the camera is asked for, and the longest side to begin with: a processor cannot fill more.
const BEGIN = { webgpu: { cameraWh: [1280, 720], startPx: 640 }, wasm: { cameraWh: [640, 480], startPx: 320 } };
const SHOWN_FRAMES = 30;

const canvas = element("canvas"), context = canvas.getContext("2d", { alpha: false });
const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
const held = document.createElement("canvas"), heldContext = held.getContext("2d", { alpha: false }); // the frame in work, or frozen
let now = null; // { camera, fixedPx, sizes, isFrozen, isFresh, isWorking, hasShown, shownMs } of the camera that is open

// The page sets these: the share of the width that shows the original; what takes words to the visitor, "" where there is
// nothing to say any more; what takes whether a camera is open.
export const frames = { split: 0, onNotice: () => {}, onOpen: () => {} };

export const isOpen = () => Boolean(now);
export const sizeWh = () => (now?.hasShown ? [canvas.width, canvas.height] : [0, 0]);
export const stream = () => (now?.hasShown ? canvas.captureStream() : null);

export async function startCamera() {
  stopCamera("Loading…");
  const mine = now = { shownMs: [] };
  frames.onOpen(true);
  try {
    const { provider } = await openEngine();
    const fixedWh = element("size").value ? element("size").value.split("x").map(Number) : null;
    if (now === mine) frames.onNotice("Allow this page to use the camera.");
    mine.camera = await openCamera(fixedWh ?? BEGIN[provider].cameraWh, () => now === mine);
    if (now !== mine) return;
    video.srcObject = mine.camera;
    await video.play();
    mine.fixedPx = fixedWh ? [Math.max(...fixedWh)] : undefined;
    mine.sizes = new FrameSizes(cameraWh(), BEGIN[provider].startPx, mine.fixedPx);
  } catch (error) {
    if (now === mine) stopCamera(error.message);
    return;
  }
  mine.camera.getVideoTracks()[0].addEventListener("ended", () => {
    if (now === mine) stopCamera("The camera was disconnected. Choose another one.");
  });
  next(mine);
}

export function stopCamera(words = "") {
  closeCamera(now?.camera);
  now = null;
  video.srcObject = null;
  context.clearRect(0, 0, canvas.width, canvas.height);
  frames.onOpen(false);
  frames.onNotice(words);
}

// Holds the frame that is there, and goes on with looks; or goes on with frames.
export function freeze(isFrozen) {
  if (!now?.sizes) return;
  if (isFrozen) hold();
  [now.isFrozen, now.shownMs] = [isFrozen, []];
  again();
}

// Shows a frame that is frozen in the look of now.
export function again() {
  if (!now?.isFrozen) return;
  now.isFresh = true;
  work(now);
}

// How it goes: frames a second and their size in px, or null.
export function figures() {
  const shownMs = now?.shownMs ?? [];
  if (shownMs.length < 2) return null;
  return { fps: (shownMs.length - 1) * 1000 / (shownMs.at(-1) - shownMs[0]), sizeWh: now.sizes.sizeWh };
}

const cameraWh = () => [video.videoWidth, video.videoHeight];

function next(mine) {
  if (now !== mine) return;
  const came = () => {
    if (!mine.isFrozen) mine.isFresh = true;
    work(mine);
    next(mine);
  };
  if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(came);
  else requestAnimationFrame(came);
}

async function work(mine) {
  if (mine.isWorking) return;
  mine.isWorking = true;
  try {
    while (now === mine && mine.isFresh && !document.hidden) {
      mine.isFresh = false;
      await stylizeFrame(mine);
    }
  } catch (error) {
    if (now === mine) stopCamera(error.message);
  }
  mine.isWorking = false;
}

// The frame is held only where it is needed again: a video goes to the network without a copy.
function stylizeFrame(mine) {
  if (!mine.isFrozen && mine.sizes.cameraWh.join() !== cameraWh().join()) { // a phone was turned
    mine.sizes = new FrameSizes(cameraWh(), Math.max(...mine.sizes.sizeWh), mine.fixedPx);
  }
  const shown = { ...look }, split = frames.split, isHeld = mine.isFrozen || look.keep_colors || split > 0;
  const source = () => {
    if (!isHeld) return video;
    if (!mine.isFrozen) hold();
    return held;
  };
  return stylize(shown, mine.sizes.sizeWh, source, (image, tookMs) => {
    if (now !== mine) return;
    resize(canvas, mine.isFrozen ? [held.width, held.height] : cameraWh());
    show(context, image, held, shown, split);
    if (!mine.hasShown) frames.onNotice("");
    mine.hasShown = true;
    if (!mine.isFrozen) count(mine, tookMs);
  });
}

function count(mine, tookMs) {
  const nowMs = performance.now();
  mine.shownMs.push(nowMs);
  if (mine.shownMs.length > SHOWN_FRAMES) mine.shownMs.shift();
  mine.sizes.took(tookMs, nowMs);
}

function hold() {
  resize(held, cameraWh());
  heldContext.drawImage(video, 0, 0);
}

function resize(one, [width, height]) {
  if (one.width !== width) one.width = width;
  if (one.height !== height) one.height = height;
}

document.addEventListener("visibilitychange", () => { if (now) now.shownMs = []; }); // a pause is no slow frame
addEventListener("pagehide", () => stopCamera());
