// The visitor's own camera: opened in the size chosen, and listed by name.
import { element } from "./shared.js";

let turn = Promise.resolve(); // cameras are opened one after the other: who opens one that is open gets the size it has

// Why there is no camera, in a sentence; reason is the name of what the browser said, or "" where it gives none to this page.
export class CameraError extends Error {
  constructor(words, reason) {
    super(words);
    this.reason = reason;
  }
}

// Opens the camera that is chosen, in a size that it need not have; null when it is not wanted any more.
export function openCamera([width, height], isWanted) {
  const mine = turn.then(async () => {
    const camera = isWanted() ? await open(width, height) : null;
    if (isWanted()) return camera;
    closeCamera(camera);
    return null;
  });
  turn = mine.catch(() => {});
  return mine;
}

async function open(width, height) {
  const deviceId = element("camera").value ? { exact: element("camera").value } : undefined;
  const camera = await given({ deviceId, width, height });
  await listCameras(camera.getVideoTracks()[0].getSettings().deviceId);
  return camera;
}

// A camera for what is in front of the visitor: of a phone that at its back.
export const openBackCamera = () => given({ facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 960 } });

async function given(video) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new CameraError("Browsers give the camera only to pages from this machine (localhost) or over HTTPS.", "");
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: false, video });
  } catch (error) {
    throw new CameraError({
      NotAllowedError: "The camera was refused. Allow it in the browser’s address bar, then try again.",
      NotFoundError: "No camera was found. Plug one in, then try again.",
      OverconstrainedError: "This camera has no such size. Choose another size or camera.",
      NotReadableError: "The camera is used by another program. Close that, then try again.",
    }[error.name] || `The camera cannot be opened: ${error.message || error.name}.`, error.name);
  }
}

export function closeCamera(camera) {
  for (const track of camera?.getTracks() ?? []) track.stop();
}

async function listCameras(current) {
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter((device) => device.kind === "videoinput");
  element("camera").replaceChildren(...cameras.map((camera, index) =>
    new Option(camera.label || `camera ${index + 1}`, camera.deviceId, false, camera.deviceId === current)));
}
