// Takes frames to the network and back on the processor: pixels to cells of 4x4 px, and what comes out to pixels.
const CELL_PX = 4, COLOURS = 3;

export class CpuFrames {
  #ort;
  #session;
  #style;
  #share = 1;
  #canvas = new OffscreenCanvas(1, 1);
  #context = this.#canvas.getContext("2d", { willReadFrequently: true });
  #cells = new Float32Array();

  constructor(ort, session) { [this.#ort, this.#session] = [ort, session]; }

  // vector: what the network takes, and last the share of the photograph that the style keeps.
  setStyle(vector) {
    this.#style = new this.#ort.Tensor("float32", vector, [vector.length]);
    this.#share = vector.at(-1);
  }

  // Gives an ImageBitmap.
  async stylize(frame, widthPx, heightPx) {
    const pixels = this.#pixelsOf(frame, widthPx, heightPx);
    const [columns, rows] = [widthPx, heightPx].map((side) => Math.max(2, Math.ceil(side / CELL_PX)));
    const size = CELL_PX ** 2 * COLOURS * rows * columns;
    if (this.#cells.length !== size) this.#cells = new Float32Array(size);
    fillCells(this.#cells, pixels, columns, rows);
    const cells = new this.#ort.Tensor("float32", this.#cells, [1, size / rows / columns, rows, columns]);
    const { stylized } = await this.#session.run({ cells, style: this.#style });
    addStylized(pixels, stylized.data, columns, rows, this.#share);
    this.#context.putImageData(pixels, 0, 0);
    return this.#canvas.transferToImageBitmap();
  }

  #pixelsOf(frame, widthPx, heightPx) {
    if (this.#canvas.width !== widthPx || this.#canvas.height !== heightPx) Object.assign(this.#canvas, { width: widthPx, height: heightPx });
    this.#context.imageSmoothingQuality = "medium";
    this.#context.drawImage(frame, 0, 0, widthPx, heightPx);
    return this.#context.getImageData(0, 0, widthPx, heightPx);
  }
}

// Pixels by their place in a cell: channel (row * 4 + column) * 3 + colour; the last row and column are repeated to whole cells.
function fillCells(cells, { data, width, height }, columns, rows) {
  const plane = rows * columns;
  for (let y = 0; y < rows * CELL_PX; y++) {
    const line = Math.min(y, height - 1) * width;
    for (let inside = 0; inside < CELL_PX; inside++) {
      let at = ((y % CELL_PX) * CELL_PX + inside) * COLOURS * plane + Math.floor(y / CELL_PX) * columns;
      for (let column = 0; column < columns; column++, at++) {
        const from = 4 * (line + Math.min(column * CELL_PX + inside, width - 1));
        cells[at] = data[from];
        cells[at + plane] = data[from + 1];
        cells[at + 2 * plane] = data[from + 2];
      }
    }
  }
}

// Adds what the network gave, in cells of 2x2 px, to the share of the photograph; ImageData rounds and cuts off.
export function addStylized({ data, width, height }, stylized, columns, rows, share) {
  const wide = 2 * columns, plane = 2 * rows * wide, grey = 127.5;
  for (let y = 0; y < height; y++) {
    const row = (y % 2) * 2 * COLOURS * plane + (y >> 1) * wide;
    for (let x = 0, to = 4 * y * width; x < width; x++, to += 4) {
      const from = row + (x % 2) * COLOURS * plane + (x >> 1);
      data[to] = stylized[from] + share * (data[to] - grey);
      data[to + 1] = stylized[from + plane] + share * (data[to + 1] - grey);
      data[to + 2] = stylized[from + 2 * plane] + share * (data[to + 2] - grey);
    }
  }
}
