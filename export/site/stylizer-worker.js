// The worker that holds ONNX Runtime Web and the network: opens them once, and stylizes the frames that it is sent.
import { CpuFrames } from "./cpu-frames.js";
import { GpuFrames } from "./gpu-frames.js";
import { loadModel, loadRuntime } from "./loading.js";

const MAX_THREADS = 4; // more gain little with images of this size
let frames; // what takes frames to the network and back
let work = Promise.resolve();

self.onmessage = ({ data }) => {
  work = work.then(() => answer(data)).catch((error) => self.postMessage({ error: error.message }));
};

async function answer({ open, style, frame, widthPx, heightPx }) {
  if (open) self.postMessage(await start(open));
  else if (style) frames.setStyle(style);
  else {
    const started = performance.now();
    const image = await frames.stylize(frame, widthPx, heightPx).finally(() => frame.close());
    self.postMessage({ image, computeMs: performance.now() - started }, [image]);
  }
}

async function start({ provider, threads, auto, ...model }) {
  const isGpu = provider === "webgpu";
  if (isGpu) await checkGpu(auto);
  const [used, why] = isGpu ? [1, ""] : threadsFor(threads);
  const bytes = await loadModel(model);
  const ort = await loadRuntime(provider, (progress) => self.postMessage({ progress }));
  ort.env.wasm.numThreads = used;
  ort.env.logLevel = "error";
  try {
    const session = await ort.InferenceSession.create(bytes, { executionProviders: [provider], ...(isGpu ? GpuFrames.OPTIONS : {}) });
    frames = isGpu ? new GpuFrames(ort, session, await ort.env.webgpu.device) : new CpuFrames(ort, session);
  } catch (error) {
    throw new Error(`The network does not start in this browser (${String(error.message ?? error).split("\n")[0]}).`);
  }
  return { threads: used, why };
}

async function checkGpu(auto) {
  if (!navigator.gpu) throw new Error("This browser has no WebGPU, so the processor computes.");
  const adapter = await navigator.gpu.requestAdapter();
  if (!adapter) throw new Error("WebGPU finds no graphics card here, so the processor computes.");
  if (auto && adapter.info?.isFallbackAdapter) throw new Error("WebGPU has no graphics card here but computes in software, so the processor computes.");
}

// How many threads, and why not more.
function threadsFor(wanted) {
  if (!self.crossOriginIsolated) return [1, wanted === 1 ? "" : "This page may use one thread only, as its server does not isolate it from others."];
  return [wanted || Math.min(MAX_THREADS, navigator.hardwareConcurrency || 1), ""];
}
