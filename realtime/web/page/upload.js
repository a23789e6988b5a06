// An image at the server: uploaded once, kept there under a handle, and stylized on request until it is closed.
import { renewStyles } from "./own-styles.js";
import { RequestError, asJson, ask } from "./server.js";
import { wait } from "./shared.js";

const FIRST_WAIT_MS = 500, LONGEST_WAIT_MS = 8000, LIMIT_MS = 180_000;

export class UploadedImage {
  #handle = "";

  constructor(file) { this.file = file; }

  // A PNG of the image in a look; the longest side in px, or null for full size. Tries again while the server is busy or gone.
  async stylized(look, maxSide, signal, waiting) {
    const asked = { style: look.style, strength: look.strength, keep_colors: look.keep_colors };
    if (maxSide) asked.max_side = maxSide;
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
      try {
        if (!this.#handle) await this.#upload(signal);
        const answer = await ask(`/api/images/${this.#handle}/stylized`, { ...asJson(asked), signal, limitMs: LIMIT_MS });
        return await answer.blob();
      } catch (error) {
        if (!(error instanceof RequestError) || signal.aborted) throw error;
        if (error.status === 404 && this.#handle) this.#handle = ""; // forgotten, as after a restart: it is uploaded again
        else if (error.status === 410) await renewStyles();
        else if (![0, 409, 429, 503].includes(error.status)) throw error;
        waiting(error.status ? "The server is busy. Trying again…" : "The server cannot be reached. Trying again…");
        await wait(Math.max(waitMs, 1000 * error.retryAfterS));
        signal.throwIfAborted();
      }
    }
  }

  async #upload(signal) {
    const request = { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: this.file };
    this.#handle = (await (await ask("/api/images", { ...request, signal, limitMs: LIMIT_MS })).json()).handle;
  }

  // The server forgets it; the request outlives the page.
  close() {
    if (this.#handle) fetch(`/api/images/${this.#handle}`, { method: "DELETE", keepalive: true }).catch(() => {});
    this.#handle = "";
  }
}
