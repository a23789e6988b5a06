// Requests to the server, and what it said no to.
const PATIENCE_MS = 10_000;
const NAMED = /^(?:image upload|style image): ((?:is|says) )?/; // what the server calls an image, whose own name the page has

// The handle of this page's own styles at the server; "" where it has none.
export const visitor = { handle: "" };

// Why a request came to nothing; the status is 0 where no server answered.
export class RequestError extends Error {
  constructor(words, status, retryAfterS = 0) {
    super(words);
    [this.status, this.retryAfterS] = [status, retryAfterS];
  }
}

export async function ask(path, { limitMs = PATIENCE_MS, signal, ...options } = {}) {
  const signals = [AbortSignal.timeout(limitMs), ...(signal ? [signal] : [])];
  const headers = { ...options.headers, ...(visitor.handle ? { Visitor: visitor.handle } : {}) };
  const answer = await fetch(path, { ...options, headers, signal: AbortSignal.any(signals) }).catch((error) => {
    if (signal?.aborted) throw error; // given up by the page itself
    throw new RequestError("the server cannot be reached", 0);
  });
  if (answer.ok) return answer;
  const { error } = await answer.json().catch(() => ({})); // not JSON: the status says it
  const words = error?.replace(NAMED, (_, verb) => (verb ? `it ${verb}` : ""));
  throw new RequestError(words || `the server answered ${answer.status}`, answer.status, Number(answer.headers.get("Retry-After")) || 0);
}

export const asJson = (message) => (
  { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(message) });
