// Loads what computes: ONNX Runtime Web, whose binary is stored compressed, and the network.
const BUILDS = { wasm: ["ort.wasm.min.js", "ort-wasm-simd-threaded"], webgpu: ["ort.webgpu.min.js", "ort-wasm-simd-threaded.asyncify"] };
const SIMD_PROGRAM = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];

// The model file's bytes, when they are the very ones that the site was written with.
export async function loadModel({ model, bytes, sha256 }) {
  const content = await (await load(model)).arrayBuffer().catch(() => new ArrayBuffer());
  if (content.byteLength !== bytes) throw new Error(`The network's file is damaged: ${content.byteLength} of ${bytes} bytes came.`);
  if (crypto.subtle) { // browsers have it where they have cameras
    const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
    const hex = [...sum].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    if (hex !== sha256) throw new Error("The network's file is damaged: its check sum is wrong.");
  }
  return new Uint8Array(content);
}

// ONNX Runtime Web for a provider, ready to make sessions; onProgress takes 0..1.
export async function loadRuntime(provider, onProgress) {
  if (typeof WebAssembly !== "object" || !WebAssembly.validate(Uint8Array.from(SIMD_PROGRAM))) {
    throw new Error("This browser cannot compute styles: it has no WebAssembly with SIMD.");
  }
  const [script, build] = BUILDS[provider];
  const at = (name) => new URL(`runtime/${name}`, import.meta.url).href;
  const ort = await import(at(script)).catch(() => { throw new Error(`ONNX Runtime Web could not be loaded: runtime/${script} does not come.`); });
  ort.env.wasm.wasmPaths = { mjs: at(`${build}.js`) };
  ort.env.wasm.wasmBinary = await unpacked(await load(at(`${build}.wasm.gzip`)), onProgress).catch(() => {
    throw new Error(`ONNX Runtime Web could not be loaded: runtime/${build}.wasm.gzip is damaged.`);
  });
  return ort;
}

async function load(address) {
  const name = address.slice(new URL(".", import.meta.url).href.length);
  const answer = await fetch(address).catch(() => { throw new Error(`The server cannot be reached, so ${name} does not come.`); });
  if (!answer.ok) throw new Error(`A part of this site is missing: for ${name} the server answered ${answer.status}.`);
  return answer;
}

// The content of a file that is stored compressed.
async function unpacked(answer, onProgress) {
  const total = Number(answer.headers.get("Content-Length"));
  let got = 0;
  const counter = new TransformStream({
    transform(part, next) {
      got += part.length;
      if (total) onProgress(Math.min(1, got / total));
      next.enqueue(part);
    },
  });
  return new Response(answer.body.pipeThrough(counter).pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}
