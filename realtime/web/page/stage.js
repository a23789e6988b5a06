// What is done with the video in the browser itself: snapshot, recording, full screen.
import { announce, download, element, say } from "./shared.js";

const video = element("video");
let recorder = null;

const stamp = () => new Date().toISOString().slice(0, 19).replaceAll(":", "-");

function snapshot() {
  if (!video.videoWidth) { say("there is no video yet"); return; }
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob((blob) => {
    download(blob, `stylized-${stamp()}.png`);
    say("snapshot saved");
  }, "image/png");
}

function record() {
  if (recorder?.state === "recording") { recorder.stop(); return; }
  if (!video.srcObject || !window.MediaRecorder) { say(video.srcObject ? "this browser cannot record" : "there is no video yet"); return; }
  const kind = ["video/mp4", "video/webm"].find((each) => MediaRecorder.isTypeSupported(each));
  const parts = [];
  recorder = new MediaRecorder(video.srcObject, { mimeType: kind, videoBitsPerSecond: 8e6 });
  recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
  recorder.addEventListener("stop", () => {
    showRecording(false);
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
  for (const other of document.querySelectorAll("header, .settings, .bar, .choices")) other.inert = on;
  element(on ? "leave" : "full-screen").focus();
}

element("snapshot").addEventListener("click", snapshot);
element("record").addEventListener("click", record);
element("full-screen").addEventListener("click", toggleFullScreen);
element("leave").addEventListener("click", () => fill(false));
element("stage").addEventListener("keydown", (event) => {
  if (event.key === "Escape" && element("stage").classList.contains("filled")) fill(false);
});
