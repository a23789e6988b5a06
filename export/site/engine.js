// The page's one stylizer: opened when it is first wanted, and asked by one at a time.
import { openStylizer } from "./stylizer.js";
import { readStyles, vectorOf } from "./styles.js";

const query = new URLSearchParams(location.search); // "?provider=wasm&threads=1" is for measuring
const asked = {
  provider: ["webgpu", "wasm"].find((name) => name === query.get("provider")) ?? "auto", threads: Math.max(0, parseInt(query.get("threads"), 10) || 0),
};
let opened = null;
let before = Promise.resolve(), onProgress = () => {};
let turn = Promise.resolve();

// What must be over before the stylizer is opened; and what takes the share of it that is loaded then, 0 to 1.
export function openAfter(promise, progress) { [before, onProgress] = [promise, progress]; }

// After an error the next call tries again.
export function openEngine() {
  if (!opened) {
    const mine = opened = before.then(() => openStylizer({ ...asked, onProgress }));
    mine.catch(() => { if (opened === mine) opened = null; });
  }
  return opened;
}

// Stylizes in a look, strength included. source() gives what to stylize as soon as its turn has come; use(image, tookMs) takes
// the stylized image, which is valid until it returns.
export function stylize(look, [width, height], source, use) {
  const mine = turn.then(async () => {
    const stylizer = await openEngine();
    const startedMs = performance.now();
    stylizer.setStyle(vectorOf(look, await readStyles()));
    try {
      const { image, computeMs } = await stylizer.stylize(source(), width, height);
      use(image, Math.max(computeMs, performance.now() - startedMs));
      image.close();
    } catch (error) {
      opened = null; // such as a GPU that was taken away
      stylizer.close();
      throw error;
    }
  });
  turn = mine.catch(() => {});
  return mine;
}
