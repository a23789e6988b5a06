// A painting in front of the visitor's camera: taken, cropped to the middle, and shown before it is used.
import { closeCamera, openBackCamera } from "./camera.js";
import { advised, ownCamera } from "./live.js";
import { element } from "./shared.js";

const NAME = "my_painting.jpg";
const dialog = element("photograph"), video = element("photograph-video"), canvas = element("photograph-image");
let opened = null; // a camera that is open for this alone
let session = null;
let use = () => {};

// onUse takes the photograph as a file.
export async function photograph(onUse) {
  const mine = session = {};
  use = onUse;
  dialog.showModal();
  show(true);
  notice("One moment…");
  element("photograph-take").disabled = true;
  try {
    const camera = ownCamera() ?? await openBackCamera();
    if (mine !== session) { if (camera !== ownCamera()) closeCamera(camera); return; }
    if (camera !== ownCamera()) opened = camera;
    video.srcObject = camera;
    await video.play();
    element("photograph-take").disabled = false;
    element("photograph-take").focus();
    notice("Have the painting fill the square.");
  } catch (error) {
    if (mine === session) notice(advised(error));
  }
}

// What the camera sees, or what was taken.
function show(aims) {
  for (const id of ["photograph-video", "photograph-take"]) element(id).hidden = !aims;
  for (const id of ["photograph-image", "photograph-use", "photograph-again"]) element(id).hidden = aims;
}

function take() {
  const side = Math.min(video.videoWidth, video.videoHeight);
  canvas.width = canvas.height = side;
  canvas.getContext("2d").drawImage(video, (video.videoWidth - side) / 2, (video.videoHeight - side) / 2, side, side, 0, 0, side, side);
  show(false);
  element("photograph-use").focus();
  notice("Is it sharp, and without a frame?");
}

function again() {
  show(true);
  element("photograph-take").focus();
  notice("Have the painting fill the square.");
}

function taken() {
  canvas.toBlob((blob) => use(new File([blob], NAME, { type: blob.type })), "image/jpeg", 0.92);
  dialog.close();
}

function done() {
  session = null;
  video.srcObject = null;
  closeCamera(opened);
  opened = null;
}

function notice(words) { element("photograph-notice").textContent = words; }

element("photograph-take").addEventListener("click", take);
element("photograph-again").addEventListener("click", again);
element("photograph-use").addEventListener("click", taken);
element("photograph-cancel").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", done);
addEventListener("pagehide", done);
