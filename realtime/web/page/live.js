// The live video: one WebRTC connection, with a data channel for commands and figures beside the video.
import { element, ask } from "/shared.js";

const video = element("video");
const RETRY_MS = 2000, PING_MS = 5000, GATHER_MS = 1500, SAID_MS = 2500;

export const live = { onState: () => {} };
let now = null; // the current connection: { mode, peer, channel, camera, timers }
let recorder = null;
let saidTimer = 0;
let shown = [];

export function tell(message) {
  if (now?.channel?.readyState === "open") now.channel.send(JSON.stringify(message));
}

function notice(words) { element("notice").textContent = words; }

function say(words) {
  element("said").textContent = words;
  clearTimeout(saidTimer);
  saidTimer = setTimeout(() => { element("said").textContent = ""; }, SAID_MS);
}

export function stopLive(words = "") {
  if (now) {
    const { peer, camera, timers } = now;
    now = null;
    for (const timer of timers) clearInterval(timer);
    peer?.close();
    for (const track of camera?.getTracks() ?? []) track.stop();
  }
  if (recorder?.state === "recording") recorder.stop();
  video.srcObject = null;
  shown = [];
  element("figures").textContent = "–";
  notice(words);
}

export async function startLive(mode) {
  stopLive("Connecting…");
  const mine = now = { mode, peer: null, channel: null, camera: null, timers: [] };
  const gone = () => now !== mine;
  try {
    if (mode === "send") mine.camera = await openCamera();
    if (gone()) { for (const track of mine.camera?.getTracks() ?? []) track.stop(); return; }
    await connect(mine, gone);
  } catch (error) {
    if (!gone()) stopLive(error.message);
  }
}

async function connect(mine, gone) {
  const peer = mine.peer = new RTCPeerConnection();
  const channel = mine.channel = peer.createDataChannel("commands");
  channel.addEventListener("message", (event) => { if (!gone()) received(JSON.parse(event.data)); });
  channel.addEventListener("open", () => mine.timers.push(setInterval(() => tell({ ping: 1 }), PING_MS)));
  peer.addEventListener("track", (event) => {
    event.receiver.jitterBufferTarget = 0;
    video.srcObject = new MediaStream([event.track]);
    video.play().catch(() => notice("Click the video to start it."));
  });
  peer.addEventListener("connectionstatechange", () => {
    if (gone() || !["failed", "disconnected"].includes(peer.connectionState)) return;
    stopLive("The connection was lost. Trying again…");
    setTimeout(() => { if (!now && !element("live").hidden) startLive(mine.mode); }, RETRY_MS);
  });
  if (mine.camera) {
    const [track] = mine.camera.getVideoTracks();
    track.contentHint = "detail"; // where the network is slow, fewer frames rather than smaller ones
    track.addEventListener("ended", () => { if (!gone()) stopLive("The camera was disconnected. Choose another one."); });
    peer.addTransceiver(track, { direction: "sendrecv", sendEncodings: [{ maxBitrate: 6e6 }] });
  } else {
    peer.addTransceiver("video", { direction: "recvonly" });
  }
  await peer.setLocalDescription();
  await gathered(peer);
  const body = JSON.stringify({ sdp: peer.localDescription.sdp, mode: mine.mode });
  const answer = await ask("/api/offer", { method: "POST", headers: { "Content-Type": "application/json" }, body })
    .catch((error) => { throw new Error(`The video cannot be shown: ${error.message}.`); });
  const { sdp } = await answer.json();
  if (gone()) return;
  await peer.setRemoteDescription({ type: "answer", sdp: quickStart(sdp) });
}

// Chromium begins at a tenth of the bit rate that a camera needs and takes half a minute to raise it; these are its own parameters for more.
function quickStart(sdp) {
  const rates = "x-google-start-bitrate=3000;x-google-min-bitrate=1000";
  return sdp.replace(/^a=rtpmap:(\d+) VP8\/90000\r\n/gm, (line, type) => `${line}a=fmtp:${type} ${rates}\r\n`);
}

function gathered(peer) {
  return new Promise((resolve) => {
    const check = () => { if (peer.iceGatheringState === "complete") resolve(); };
    peer.addEventListener("icegatheringstatechange", check);
    setTimeout(resolve, GATHER_MS);
    check();
  });
}

async function openCamera() {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error("Browsers give the camera only to pages from this machine (localhost) or over HTTPS. " +
      "Start the server with --tls-cert and --tls-key, and open its https address.");
  }
  const [width, height] = element("size").value.split("x").map(Number);
  const deviceId = element("camera").value ? { exact: element("camera").value } : undefined;
  try {
    const camera = await navigator.mediaDevices.getUserMedia({ audio: false, video: { deviceId, width, height } });
    await listCameras(camera.getVideoTracks()[0].getSettings().deviceId);
    return camera;
  } catch (error) {
    throw new Error({
      NotAllowedError: "The camera was refused. Allow it in the browser’s address bar, then choose “my camera” again.",
      NotFoundError: "No camera was found. Plug one in, or watch the server’s source.",
      OverconstrainedError: "This camera has no such size. Choose another size or camera.",
      NotReadableError: "The camera is used by another program. Close that, then choose “my camera” again.",
    }[error.name] || `The camera cannot be opened: ${error.message || error.name}.`);
  }
}

async function listCameras(current) {
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter((device) => device.kind === "videoinput");
  element("camera").replaceChildren(...cameras.map((camera, index) =>
    new Option(camera.label || `camera ${index + 1}`, camera.deviceId, false, camera.deviceId === current)));
}

function received(message) {
  if (message.error) say(message.error);
  if (message.said) say(message.said);
  if (message.look) {
    live.onState(message);
    const fps = pageFps();
    element("figures").textContent =
      `${message.look.style} · ${fps.toFixed(0)} fps here, ${message.fps.toFixed(0)} at the server · latency ${message.latency_ms} ms`;
  }
}

function pageFps() {
  return shown.length > 1 ? (shown.length - 1) * 1000 / (shown[shown.length - 1] - shown[0]) : 0;
}

function frameShown(time) {
  if (element("notice").textContent) notice("");
  shown.push(time);
  if (shown.length > 30) shown.shift();
  video.requestVideoFrameCallback(frameShown);
}

function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function stamp() { return new Date().toISOString().slice(0, 19).replaceAll(":", "-"); }

element("snapshot").addEventListener("click", () => {
  if (!video.videoWidth) { say("there is no video yet"); return; }
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob((blob) => download(blob, `stylized-${stamp()}.png`), "image/png");
});

element("record").addEventListener("click", () => {
  if (recorder?.state === "recording") { recorder.stop(); return; }
  if (!video.srcObject || !window.MediaRecorder) { say(video.srcObject ? "this browser cannot record" : "there is no video yet"); return; }
  const kind = ["video/mp4", "video/webm"].find((each) => MediaRecorder.isTypeSupported(each));
  const parts = [];
  recorder = new MediaRecorder(video.srcObject, { mimeType: kind, videoBitsPerSecond: 8e6 });
  recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
  recorder.addEventListener("stop", () => {
    element("record").setAttribute("aria-pressed", "false");
    element("record").textContent = "Record";
    download(new Blob(parts, { type: kind }), `stylized-${stamp()}.${kind.slice(6)}`);
  });
  recorder.start(1000);
  element("record").setAttribute("aria-pressed", "true");
  element("record").textContent = "Stop recording";
});

element("freeze").addEventListener("click", () => tell({ command: "freeze" }));
element("full-screen").addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else element("stage").requestFullscreen?.();
});
element("source").addEventListener("change", (event) => {
  for (const each of document.querySelectorAll(".for-camera")) each.hidden = event.target.value !== "send";
  startLive(event.target.value);
});
for (const id of ["camera", "size"]) element(id).addEventListener("change", () => startLive("send"));
addEventListener("pagehide", () => stopLive()); // else the server waits for its time limit
video.addEventListener("click", () => video.play());
if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(frameShown);
