// Stylizes frames in a worker: on the graphics card by WebGPU where the browser has it, else on the processor by WebAssembly.
import { readStyles } from "./styles.js";

// Opens what stylizes. provider: "auto", "webgpu" or "wasm"; threads: of WebAssembly, 0 takes what helps; onProgress takes
// 0..1, how much of the runtime has come. Rejects with an Error whose message is one sentence for visitors.
export async function openStylizer({ provider = "auto", threads = 0, onProgress = () => {} } = {}) {
  const { model, bytes, sha256, identity } = await readStyles();
  const wanted = { threads, model: new URL(model, import.meta.url).href, bytes, sha256, identity, auto: provider === "auto" };
  if (provider !== "auto") return open(provider, wanted, onProgress);
  try {
    return await open("webgpu", wanted, onProgress);
  } catch (error) {
    return open("wasm", wanted, onProgress, [error.message]);
  }
}

async function open(provider, wanted, onProgress, reasons = []) {
  const line = new Line(new Worker(new URL("stylizer-worker.js", import.meta.url), { type: "module" }), onProgress);
  try {
    const opened = await line.ask({ open: { ...wanted, provider } });
    return new Stylizer(line, provider, opened.threads, [...reasons, opened.why].join(" ").trim(), wanted.identity);
  } catch (error) {
    line.close();
    throw error;
  }
}

// What stylizes: provider "webgpu" or "wasm"; how many threads; and in a sentence why nothing better is used, or "".
class Stylizer {
  #line;

  constructor(line, provider, threads, why, identity) {
    Object.assign(this, { provider, threads, why });
    this.#line = line;
    this.setStyle(Float32Array.from(identity));
  }

  // The style from the next frame on: Float32Array (vector_size).
  setStyle(vector) { this.#line.tell({ style: vector }); }

  // Stylizes a video element's frame, an image or a canvas at a size in pixels; one call at a time.
  // Gives { image, computeMs }; image is an ImageBitmap of that size, which its owner closes.
  async stylize(source, widthPx, heightPx) {
    const frame = await frameOf(source);
    return this.#line.ask({ frame, widthPx, heightPx }, [frame]);
  }

  close() { this.#line.close(); }
}

// The frame that a video shows stays where it is, on the graphics card if it was decoded there.
function frameOf(source) {
  const isVideo = source instanceof HTMLVideoElement;
  return isVideo && typeof VideoFrame === "function" ? new VideoFrame(source) : createImageBitmap(source);
}

// Questions to a worker, one at a time, and its answers.
class Line {
  #worker;
  #waiting;

  constructor(worker, onProgress) {
    this.#worker = worker;
    worker.onmessage = ({ data }) => {
      if (data.progress !== undefined) onProgress(data.progress);
      else if (data.error) this.#settle("reject", new Error(data.error));
      else this.#settle("resolve", data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#settle("reject", new Error(`The part of this page that stylizes does not run (${event.message || "it could not be loaded"}).`));
    };
  }

  ask(message, moved = []) {
    if (!this.#worker || this.#waiting) return Promise.reject(new Error(this.#worker ? "A frame is still stylized." : "The stylizer is closed."));
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#worker.postMessage(message, moved);
    });
  }

  tell(message) { this.#worker?.postMessage(message); }

  close() {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#settle("reject", new Error("The stylizer is closed."));
  }

  #settle(how, value) {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.[how](value);
  }
}
