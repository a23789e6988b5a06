// The live tab: the video by WebRTC, of the server's source or the visitor's camera, and the figures below it.
import { CameraError, closeCamera, openCamera } from "./camera.js";
import { Connection } from "./connection.js";
import { element, plain, say } from "./shared.js";

const video = element("video");
// What a visitor can do here about a camera that cannot be had.
const ADVICE = {
  "": " Start the server with --tls-cert and --tls-key, and open its https address.",
  NotFoundError: " Or watch the server’s source.",
};
let now = null; // { connection, camera, source } of the video that is open
let shown = [];

// The page sets these: onFound takes what the server says before the video comes, onState settings and figures beside it;
// onOpen may tell the server what it needs to know.
export const live = { onFound: () => {}, onState: () => {}, onOpen: () => {} };

export const source = () => now?.source;
export const ownCamera = () => now?.camera;
export function tell(message) { return now?.connection?.tell(message) ?? false; }

function notice(words) { element("notice").textContent = words; }

export function stopLive(words = "") {
  const { connection, camera } = now ?? {};
  now = null;
  connection?.close();
  closeCamera(camera);
  video.srcObject = null;
  noFigures();
  notice(words);
}

function noFigures() {
  shown = [];
  element("figures").textContent = "–";
}

// Shows the server's source ("view") or the visitor's camera ("send").
export async function startLive(wanted) {
  stopLive("Connecting…");
  const mine = now = { source: wanted };
  try {
    if (wanted === "send") mine.camera = await openOwn(() => now === mine);
  } catch (error) {
    if (now === mine) stopLive(advised(error));
  }
  if (now !== mine) return;
  mine.camera?.getVideoTracks()[0].addEventListener("ended", () => {
    if (now === mine) stopLive("The camera was disconnected. Choose another one.");
  });
  mine.connection = new Connection(mine.camera ?? null, {
    found: live.onFound,
    open: (restarted) => { mine.stands = true; live.onOpen(restarted); },
    message: received,
    video: (stream) => {
      video.srcObject = stream;
      video.play().catch(() => notice("Click the video to start it."));
    },
    waiting: (words) => { mine.stands = false; noFigures(); notice(words); },
    failed: stopLive,
  });
}

// What a visitor is told of a camera that cannot be had.
export const advised = (error) => error.message + (error instanceof CameraError ? ADVICE[error.reason] ?? "" : "");

async function openOwn(isWanted) {
  const wanted = element("size").value.split("x").map(Number);
  const camera = await openCamera(wanted, isWanted);
  const { width, height } = camera?.getVideoTracks()[0].getSettings() ?? {};
  if (camera && Math.max(width, height) !== Math.max(...wanted)) say(`this camera gives ${width}x${height}`);
  return camera;
}

function received(message) {
  if (message.error) say(message.error);
  if (!message.look) return;
  live.onState(message);
  const fps = shown.length > 1 ? (shown.length - 1) * 1000 / (shown[shown.length - 1] - shown[0]) : 0;
  element("figures").textContent =
    `${plain(message.look.style)} · ${fps.toFixed(0)} fps here, ${message.fps.toFixed(0)} at the server · latency ${message.latency_ms} ms`;
}

function frameShown(time) {
  if (now?.stands && element("notice").textContent) notice(""); // frames of a connection that was lost may still be shown
  shown.push(time);
  if (shown.length > 30) shown.shift();
  video.requestVideoFrameCallback(frameShown);
}

addEventListener("pagehide", () => stopLive()); // else the server waits for its time limit
video.addEventListener("click", () => video.play());
if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(frameShown);
