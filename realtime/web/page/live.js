// The live tab: the video by WebRTC, of the server's source or the visitor's camera, and the figures below it.
import { closeCamera, openCamera } from "/camera.js";
import { Connection } from "/connection.js";
import { element, say } from "/shared.js";

const video = element("video");
let now = null; // { connection, camera, source } of the video that is open
let shown = [];

// The page sets these: onState takes settings and figures; onOpen may tell the server what it needs to know.
export const live = { onState: () => {}, onOpen: () => {} };

export const source = () => now?.source;
export function tell(message) { now?.connection?.tell(message); }

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
    if (wanted === "send") mine.camera = await openCamera();
  } catch (error) {
    if (now === mine) stopLive(error.message);
    return;
  }
  if (now !== mine) { closeCamera(mine.camera); return; }
  mine.camera?.getVideoTracks()[0].addEventListener("ended", () => {
    if (now === mine) stopLive("The camera was disconnected. Choose another one.");
  });
  mine.connection = new Connection(mine.camera ?? null, {
    state: live.onState,
    open: live.onOpen,
    message: received,
    video: (stream) => {
      video.srcObject = stream;
      video.play().catch(() => notice("Click the video to start it."));
    },
    waiting: (words) => { noFigures(); notice(words); },
    failed: stopLive,
  });
}

function received(message) {
  if (message.error) say(message.error);
  if (!message.look) return;
  live.onState(message);
  const fps = shown.length > 1 ? (shown.length - 1) * 1000 / (shown[shown.length - 1] - shown[0]) : 0;
  element("figures").textContent =
    `${message.look.style} · ${fps.toFixed(0)} fps here, ${message.fps.toFixed(0)} at the server · latency ${message.latency_ms} ms`;
}

function frameShown(time) {
  if (element("notice").textContent) notice("");
  shown.push(time);
  if (shown.length > 30) shown.shift();
  video.requestVideoFrameCallback(frameShown);
}

addEventListener("pagehide", () => stopLive()); // else the server waits for its time limit
video.addEventListener("click", () => video.play());
if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(frameShown);
