// An image of the visitor's: read by the browser, stylized on this device, and kept nowhere.
import { stylize } from "./engine.js";
import { sizeWithin } from "./frame-sizes.js";
import { show } from "./postprocess.js";

export const LONGEST_PX = 1600; // a larger image takes a phone's memory, and seconds

export class LocalImage {
  #pixels = null; // a promise of a canvas

  constructor(file) { this.file = file; }

  // A PNG of the image in a look; the longest side in px, or null for all that is kept of it.
  async stylized(look, maxSide, signal) {
    const original = await (this.#pixels ??= read(this.file));
    signal.throwIfAborted();
    const canvas = scaled(original, maxSide ?? LONGEST_PX), context = canvas.getContext("2d");
    const asked = { ...look, mirror: false };
    try {
      await stylize(look, sizeWithin([canvas.width, canvas.height], LONGEST_PX), () => original,
        (image) => show(context, image, original, asked));
    } catch (error) {
      throw new Error(error.message.replace(/\.$/, "")); // the page ends the sentence
    }
    signal.throwIfAborted();
    return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  }

  close() { this.#pixels = null; }
}

// Browsers turn an image upright as its EXIF says when an element shows it.
async function read(file) {
  const image = new Image();
  image.src = URL.createObjectURL(file);
  try {
    await image.decode();
    return scaled(image, LONGEST_PX);
  } catch {
    throw new Error(`this browser cannot read ${file.name}; give it a JPEG, PNG or WebP file`);
  } finally {
    URL.revokeObjectURL(image.src);
  }
}

function scaled(image, longestPx) {
  const width = image.naturalWidth || image.width, height = image.naturalHeight || image.height;
  const scale = Math.min(1, longestPx / Math.max(width, height));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height].map((side) => Math.max(1, Math.round(side * scale)));
  const context = canvas.getContext("2d", { alpha: false });
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff"; // where the image is transparent
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas;
}
