// In which size frames are stylized: as large as the frame rate allows.

const BUDGET_MS = 1000 / 24;
const SIDES_PX = [160, 208, 256, 320, 416, 512, 640, 800, 960, 1280]; // the longest side; by half more pixels from one to the next
const TOO_LONG = 1.1, TO_SPARE = 0.85; // shares of the budget: what costs more is too large, what would cost less may be larger
const FRAMES = 12, FRAMES_IN_NEED = 3; // so many tell the time of a size; so many where it is far too long
const FIRST = 2; // the first frames of a size take longer, and do not count
const WAIT_MS = 15_000; // before a size that was too large is tried again; twice as long each time
const GRID_PX = 4, SMALLEST_PX = 16;

// A size whose longest side is at most so long, in the shape of another; sides are whole cells of the network.
export function sizeWithin([width, height], longestPx) {
  const scale = Math.min(1, longestPx / Math.max(width, height));
  return [width, height].map((side) => Math.max(SMALLEST_PX, Math.round(side * scale / GRID_PX) * GRID_PX));
}

export class FrameSizes {
  #place = 0; // in the sides that this camera allows
  #tookMs = []; // of the last frames in this size
  #skip = FIRST;
  #barred = new Map(); // side -> { untilMs, waitMs }, of those that were too large

  // cameraWh: what frames have; startPx: the longest side to begin with; sidesPx: what may be chosen from.
  constructor(cameraWh, startPx, sidesPx = SIDES_PX) {
    this.cameraWh = cameraWh;
    const longest = Math.max(...cameraWh);
    this.sides = sidesPx.filter((side) => side <= longest);
    if (!this.sides.length) this.sides = [longest];
    this.#place = Math.max(0, this.sides.findLastIndex((side) => side <= startPx));
  }

  get sizeWh() { return sizeWithin(this.cameraWh, this.sides[this.#place]); }

  // Takes how long a frame took in this size, and changes the size where another holds the rate, or holds it, too, and is larger.
  took(ms, nowMs) {
    if (this.#skip > 0) { this.#skip -= 1; return; }
    this.#tookMs.push(ms);
    if (this.#tookMs.length > FRAMES) this.#tookMs.shift();
    const inNeed = this.#tookMs.length >= FRAMES_IN_NEED && Math.min(...this.#tookMs) > 2 * BUDGET_MS;
    if (this.#tookMs.length < FRAMES && !inNeed) return;
    const usual = this.#tookMs.toSorted((one, other) => one - other)[this.#tookMs.length >> 1];
    if (usual > TOO_LONG * BUDGET_MS) this.#smaller(usual, nowMs);
    else this.#larger(usual, nowMs);
  }

  #smaller(usual, nowMs) {
    if (this.#place === 0) return;
    const side = this.sides[this.#place], waitMs = 2 * (this.#barred.get(side)?.waitMs ?? WAIT_MS / 2);
    this.#barred.set(side, { untilMs: nowMs + waitMs, waitMs });
    const fits = this.sides.findLastIndex((other) => usual * (other / side) ** 2 < BUDGET_MS);
    this.#go(Math.min(this.#place - 1, Math.max(0, fits)));
  }

  #larger(usual, nowMs) {
    const side = this.sides[this.#place], next = this.sides[this.#place + 1];
    if (!next || usual * (next / side) ** 2 > TO_SPARE * BUDGET_MS || nowMs < (this.#barred.get(next)?.untilMs ?? 0)) return;
    this.#go(this.#place + 1);
  }

  #go(place) {
    this.#place = place;
    this.#tookMs = [];
    this.#skip = FIRST;
  }
}
