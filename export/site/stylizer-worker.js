// The worker that holds ONNX Runtime Web and the network: opens them once, and stylizes the frames that it is sent.
import { CpuFrames } from "./cpu-frames.js";
import { GpuFrames } from "./gpu-frames.js";
import { loadModel, loadRuntime } from "./loading.js";

const MAX_THREADS = 4; // more gain little with images of this size
const TRIAL_PX = 64, TRIAL_COLOUR = [200, 100, 50];
const GPU_LIMIT_MS = 20_000;
let frames; // what takes frames to the network and back
let limitMs = Infinity; // how long a graphics card may take that nobody asked for
let work = Promise.resolve();

self.onmessage = ({ data }) => {
  work = work.then(() => answer(data)).catch((error) => self.postMessage({ error: error.message }));
};

async function answer({ open, style, frame, widthPx, heightPx }) {
  if (open) self.postMessage(await start(open));
  else if (style) frames.setStyle(style);
  else {
    const started = performance.now();
    const image = await inTime(frames.stylize(frame, widthPx, heightPx)).finally(() => frame.close());
    self.postMessage({ image, computeMs: performance.now() - started }, [image]);
  }
}

async function start({ provider, threads, auto, identity, ...model }) {
  const isGpu = provider === "webgpu";
  if (isGpu) await checkGpu(auto);
  if (isGpu && auto) limitMs = GPU_LIMIT_MS;
  const [used, why] = isGpu ? [1, ""] : threadsFor(threads);
  const bytes = await loadModel(model);
  const ort = await loadRuntime(provider, (progress) => self.postMessage({ progress }));
  ort.env.wasm.numThreads = used;
  ort.env.logLevel = "error";
  try {
    const options = { executionProviders: [provider], ...(isGpu ? GpuFrames.OPTIONS : {}) };
    const session = await inTime(ort.InferenceSession.create(bytes, options));
    frames = isGpu ? new GpuFrames(ort, session, await ort.env.webgpu.device) : new CpuFrames(ort, session);
  } catch (error) {
    throw new Error(`The network does not start in this browser (${String(error.message ?? error).split("\n")[0]}).`);
  }
  if (isGpu) await checkImage(identity);
  return { threads: used, why };
}

async function checkGpu(auto) {
  if (!navigator.gpu) throw new Error("This browser has no WebGPU.");
  const adapter = await navigator.gpu.requestAdapter();
  if (!adapter) throw new Error("WebGPU finds no graphics card here.");
  if (auto && adapter.info?.isFallbackAdapter) throw new Error("WebGPU finds no graphics card here, and without one it is slower.");
}

// Some drivers take work and give nothing back, or lose the card over it: the style that keeps all must give back the image.
async function checkImage(identity) {
  const trial = new OffscreenCanvas(TRIAL_PX, TRIAL_PX), context = trial.getContext("2d", { willReadFrequently: true });
  context.fillStyle = `rgb(${TRIAL_COLOUR})`;
  context.fillRect(0, 0, TRIAL_PX, TRIAL_PX);
  frames.setStyle(Float32Array.from(identity));
  const image = await inTime(frames.stylize(trial, TRIAL_PX, TRIAL_PX)).catch((error) => {
    throw new Error(`WebGPU does not work with this graphics card (${error.message.split("\n")[0]}).`);
  });
  context.clearRect(0, 0, TRIAL_PX, TRIAL_PX);
  context.drawImage(image, 0, 0);
  image.close();
  const got = context.getImageData(TRIAL_PX / 2, TRIAL_PX / 2, 1, 1).data;
  if (TRIAL_COLOUR.some((value, colour) => Math.abs(value - got[colour]) > 3)) {
    throw new Error("WebGPU gives wrong images with this graphics card.");
  }
}

// What a promise gives, or an error where that takes too long.
async function inTime(work) {
  if (limitMs === Infinity) return work;
  let timer = 0;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error("The graphics card does not answer.")), limitMs); });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

// How many threads, and why not more.
function threadsFor(wanted) {
  if (!self.crossOriginIsolated) return [1, wanted === 1 ? "" : "This page may use one thread only, as its server does not isolate it from others."];
  return [wanted || Math.min(MAX_THREADS, navigator.hardwareConcurrency || 1), ""];
}
