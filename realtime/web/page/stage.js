// What is done with what is shown: snapshot, recording, full screen.
import { announce, download, element, say } from "./shared.js";

let shown = null;
let recorder = null;

// of: { element, a video or canvas; sizeWh(), [0, 0] while nothing is shown; stream(), a MediaStream of it or null;
// closeStream(stream), where it is made for each recording }.
export function startStage(of) {
  shown = of;
  element("snapshot").addEventListener("click", snapshot);
  element("record").addEventListener("click", record);
  element("full-screen").addEventListener("click", toggleFullScreen);
  element("leave").addEventListener("click", () => fill(false));
  element("stage").addEventListener("keydown", (event) => {
    if (event.key === "Escape" && element("stage").classList.contains("filled")) fill(false);
  });
}

const isRecording = () => recorder?.state === "recording";
export function stopRecording() { if (isRecording()) recorder.stop(); }

const stamp = () => new Date().toISOString().slice(0, 19).replaceAll(":", "-");

function snapshot() {
  const [width, height] = shown.sizeWh();
  if (!width) { say("there is no video yet"); return; }
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext("2d").drawImage(shown.element, 0, 0);
  canvas.toBlob((blob) => {
    download(blob, `stylized-${stamp()}.png`);
    say("snapshot saved");
  }, "image/png");
}

function record() {
  if (isRecording()) { stopRecording(); return; }
  const stream = shown.stream();
  if (!stream || !window.MediaRecorder) { say(stream ? "this browser cannot record" : "there is no video yet"); return; }
  const kind = ["video/mp4", "video/webm"].find((each) => MediaRecorder.isTypeSupported(each));
  const parts = [];
  recorder = new MediaRecorder(stream, { mimeType: kind, videoBitsPerSecond: 8e6 });
  recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
  recorder.addEventListener("stop", () => {
    showRecording(false);
    shown.closeStream?.(stream);
    download(new Blob(parts, { type: kind }), `stylized-${stamp()}.${kind.slice(6)}`);
    say("recording saved");
  });
  recorder.start(1000);
  showRecording(true);
}

function showRecording(on) {
  element("record").setAttribute("aria-pressed", String(on));
  announce(on ? "Recording" : "");
}

function toggleFullScreen() {
  const stage = element("stage");
  if (document.fullscreenElement) document.exitFullscreen();
  else if (stage.requestFullscreen) stage.requestFullscreen().catch(() => fill(true));
  else fill(!stage.classList.contains("filled"));
}

// Phones without full screen for anything but their own player: the video fills the page instead.
function fill(on) {
  element("stage").classList.toggle("filled", on);
  element("leave").hidden = !on;
  for (const other of document.querySelectorAll("header, footer, .settings, .bar, .choices")) other.inert = on;
  element(on ? "leave" : "full-screen").focus();
}
