// Takes frames to the network and back on the graphics card: no pixel comes to the processor's memory.
const CELL_PX = 4, CHANNELS = 48, OUT_CHANNELS = 12, FLOAT_BYTES = 4, GROUP_PX = 8;

const SHADERS = /* wgsl */ `
struct Size { width: u32, height: u32, columns: u32, rows: u32, share: f32 }
@group(0) @binding(0) var<uniform> size: Size;
@group(0) @binding(1) var source: texture_2d<f32>;
@group(0) @binding(2) var between: sampler;
@group(0) @binding(3) var<storage, read_write> cells_out: array<f32>;
@group(0) @binding(4) var<storage, read> cells: array<f32>;
@group(0) @binding(5) var<storage, read> stylized: array<f32>;

// A pixel is the mean of the source under it; the last row and column are repeated to whole cells.
@compute @workgroup_size(${GROUP_PX}, ${GROUP_PX}) fn fill_cells(@builtin(global_invocation_id) at: vec3u) {
  if (at.x >= size.columns * 4 || at.y >= size.rows * 4) { return; }
  let sides = vec2u(size.width, size.height);
  let pixel = vec2f(min(at.xy, sides - 1));
  let steps = clamp(vec2u(ceil(vec2f(textureDimensions(source)) / vec2f(sides))), vec2u(1), vec2u(8));
  var sum = vec3f(0);
  for (var y = 0u; y < steps.y; y++) {
    for (var x = 0u; x < steps.x; x++) {
      let inside = (vec2f(vec2u(x, y)) + 0.5) / vec2f(steps);
      sum += textureSampleLevel(source, between, (pixel + inside) / vec2f(sides), 0).rgb;
    }
  }
  let colour = sum * 255 / f32(steps.x * steps.y);
  let plane = size.rows * size.columns;
  let to = place_in(at.xy, 4, plane, size.columns);
  cells_out[to] = colour.r;
  cells_out[to + plane] = colour.g;
  cells_out[to + 2 * plane] = colour.b;
}

@vertex fn whole_image(@builtin(vertex_index) corner: u32) -> @builtin(position) vec4f {
  return vec4f(f32(corner & 1) * 4 - 1, f32(corner >> 1) * 4 - 1, 0, 1);
}

// Where the red of a pixel lies among channels of cells with so many pixels a side; green and blue follow a plane later each.
fn place_in(at: vec2u, side: u32, plane: u32, columns: u32) -> u32 {
  return ((at.y % side) * side + at.x % side) * 3 * plane + (at.y / side) * columns + at.x / side;
}

// What the network gave, in cells of 2x2 px, and the share of the photograph.
@fragment fn show(@builtin(position) place: vec4f) -> @location(0) vec4f {
  let plane = size.rows * size.columns;
  let was = place_in(vec2u(place.xy), 4, plane, size.columns);
  let is = place_in(vec2u(place.xy), 2, 4 * plane, 2 * size.columns);
  let kept = vec3f(cells[was], cells[was + plane], cells[was + 2 * plane]) - 127.5;
  let painted = vec3f(stylized[is], stylized[is + 4 * plane], stylized[is + 8 * plane]);
  return vec4f((painted + size.share * kept) / 255, 1);
}
`;

export class GpuFrames {
  static OPTIONS = { preferredOutputLocation: "gpu-buffer" };
  #ort;
  #session;
  #device;
  #fill;
  #show;
  #between;
  #canvas = new OffscreenCanvas(1, 1);
  #context = this.#canvas.getContext("webgpu");
  #size;
  #style;
  #share = 1;
  #frame; // the texture that a frame is copied to
  #sized; // what belongs to one size of images

  constructor(ort, session, device) {
    [this.#ort, this.#session, this.#device] = [ort, session, device];
    const module = device.createShaderModule({ code: SHADERS }), format = navigator.gpu.getPreferredCanvasFormat();
    this.#context.configure({ device, format, alphaMode: "opaque" });
    this.#fill = device.createComputePipeline({ layout: "auto", compute: { module, entryPoint: "fill_cells" } });
    this.#show = device.createRenderPipeline({
      layout: "auto", vertex: { module, entryPoint: "whole_image" }, fragment: { module, entryPoint: "show", targets: [{ format }] },
    });
    this.#between = device.createSampler({ magFilter: "linear", minFilter: "linear" });
    this.#size = device.createBuffer({ size: 32, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
    device.lost.then(() => { this.#device = undefined; });
  }

  // vector: what the network takes, and last the share of the photograph that the style keeps.
  setStyle(vector) {
    this.#style ??= this.#tensor([vector.length]);
    this.#device?.queue.writeBuffer(this.#style.gpuBuffer, 0, vector);
    this.#share = vector.at(-1);
  }

  // Gives an ImageBitmap.
  async stylize(frame, widthPx, heightPx) {
    if (!this.#device) throw new Error("The graphics card was lost; reload the page.");
    const { cells, stylized, columns, rows } = this.#prepare(widthPx, heightPx);
    this.#device.queue.writeBuffer(this.#size, 0, Uint32Array.of(widthPx, heightPx, columns, rows));
    this.#device.queue.writeBuffer(this.#size, 16, Float32Array.of(this.#share));
    this.#toCells(frame);
    await this.#session.run({ cells, style: this.#style }, { stylized });
    this.#toCanvas();
    const image = this.#canvas.transferToImageBitmap();
    await this.#device.queue.onSubmittedWorkDone();
    return image;
  }

  #prepare(widthPx, heightPx) {
    const [columns, rows] = [widthPx, heightPx].map((side) => Math.max(2, Math.ceil(side / CELL_PX)));
    if (this.#canvas.width !== widthPx || this.#canvas.height !== heightPx) Object.assign(this.#canvas, { width: widthPx, height: heightPx });
    if (this.#sized?.columns !== columns || this.#sized.rows !== rows) {
      this.#sized?.cells.gpuBuffer.destroy();
      this.#sized?.stylized.gpuBuffer.destroy();
      const cells = this.#tensor([1, CHANNELS, rows, columns]), stylized = this.#tensor([1, OUT_CHANNELS, 2 * rows, 2 * columns]);
      const buffers = { 0: this.#size, 4: cells.gpuBuffer, 5: stylized.gpuBuffer };
      this.#sized = { columns, rows, cells, stylized, bound: this.#bind(this.#show, buffers) };
    }
    return this.#sized;
  }

  #toCells(frame) {
    const [width, height] = [frame.displayWidth ?? frame.width, frame.displayHeight ?? frame.height];
    if (this.#frame?.width !== width || this.#frame.height !== height) {
      this.#frame?.destroy();
      const usage = GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST | GPUTextureUsage.RENDER_ATTACHMENT;
      this.#frame = this.#device.createTexture({ size: [width, height], format: "rgba8unorm", usage });
      this.#sized.filling = undefined;
    }
    const { cells, columns, rows } = this.#sized;
    this.#sized.filling ??= this.#bind(this.#fill, { 0: this.#size, 1: this.#frame.createView(), 2: this.#between, 3: cells.gpuBuffer });
    this.#device.queue.copyExternalImageToTexture({ source: frame }, { texture: this.#frame }, [width, height]);
    this.#submit((commands) => {
      const pass = commands.beginComputePass();
      pass.setPipeline(this.#fill);
      pass.setBindGroup(0, this.#sized.filling);
      pass.dispatchWorkgroups(...[columns, rows].map((cellsOfSide) => Math.ceil(cellsOfSide * CELL_PX / GROUP_PX)));
      pass.end();
    });
  }

  #toCanvas() {
    const view = this.#context.getCurrentTexture().createView();
    this.#submit((commands) => {
      const pass = commands.beginRenderPass({ colorAttachments: [{ view, loadOp: "clear", storeOp: "store" }] });
      pass.setPipeline(this.#show);
      pass.setBindGroup(0, this.#sized.bound);
      pass.draw(3);
      pass.end();
    });
  }

  #submit(record) {
    const commands = this.#device.createCommandEncoder();
    record(commands);
    this.#device.queue.submit([commands.finish()]);
  }

  #tensor(dims) {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const bytes = FLOAT_BYTES * dims.reduce((product, side) => product * side);
    const buffer = this.#device.createBuffer({ size: Math.ceil(bytes / 16) * 16, usage });
    return this.#ort.Tensor.fromGpuBuffer(buffer, { dataType: "float32", dims });
  }

  // What the shaders of a pipeline work on, by the numbers of their bindings.
  #bind(pipeline, resources) {
    const entries = Object.entries(resources).map(([binding, resource]) => (
      { binding: Number(binding), resource: resource instanceof GPUBuffer ? { buffer: resource } : resource }));
    return this.#device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  }
}
