// Keeps one version of the page for use without a network, whole, and gives it the headers that threads need.
const VERSION = "", FILES = {}; // set at export: path -> [SHA-256 in hex, size in bytes]

const SITE = self.registration.scope;
const PREFIX = `neural-style ${SITE} `, CACHE = PREFIX + VERSION; // other sites of this host have caches, too
const PAGE = "index.html", HASH = "X-Content-SHA-256";
const AT_ONCE = 4, MOST_REFRESHES = 20;
let refreshes = 0;

const addressOf = (path) => new URL(path, SITE).href;

self.addEventListener("install", (event) => event.waitUntil(fill()));
self.addEventListener("activate", (event) => event.waitUntil(leaveOthers()));
self.addEventListener("message", (event) => { if (event.data === "take over") self.skipWaiting(); });
self.addEventListener("fetch", (event) => {
  const { method, mode, url } = event.request;
  if (method !== "GET" || !url.startsWith(SITE)) return;
  const path = decodeURIComponent(url.slice(SITE.length).replace(/[?#].*/, "")) || PAGE;
  if (!Object.hasOwn(FILES, path)) return;
  event.respondWith(mode === "navigate" ? page(event.request) : kept(path, event.request));
});

// Fetches all files of this version; one that is not of it, such as in the midst of an update, ends the installation.
async function fill() {
  const cache = await caches.open(CACHE), paths = Object.keys(FILES);
  const total = Object.values(FILES).reduce((sum, [, bytes]) => sum + bytes, 0);
  let loaded = 0;
  const came = (bytes) => { loaded += bytes; tell(loaded / total); };
  const work = async () => { while (paths.length) await keep(cache, paths.shift(), came); };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

async function tell(share) {
  for (const client of await self.clients.matchAll({ includeUncontrolled: true })) client.postMessage({ share });
}

async function keep(cache, path, came) {
  const [hash, bytes] = FILES[path], address = addressOf(path);
  const earlier = await caches.match(address);
  if (earlier?.headers.get(HASH) === hash) { // as most files in most updates
    await cache.put(address, earlier);
    came(bytes);
    return;
  }
  const answer = await fetch(address, { cache: "no-cache" });
  const body = await new Blob(await parts(answer, came)).arrayBuffer();
  const got = [...new Uint8Array(await crypto.subtle.digest("SHA-256", body))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (!answer.ok || got !== hash) throw new Error(`${path} is not of this version`);
  await cache.put(address, isolated(body, answer, { [HASH]: hash }));
}

async function parts(answer, came) {
  const got = [], reader = answer.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    got.push(part.value);
    came(part.value.length);
  }
  return got;
}

// An answer that lets the page have threads: cross-origin isolation.
function isolated(body, answer, more = {}) {
  const headers = new Headers({ "Content-Type": answer.headers.get("Content-Type") ?? "", ...more });
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  headers.set("Cross-Origin-Resource-Policy", "same-origin");
  return new Response(body, { status: answer.status, headers });
}

async function kept(path, request) {
  const found = await (await caches.open(CACHE)).match(addressOf(path));
  if (found) return found;
  const answer = await fetch(request);
  return answer.ok ? isolated(answer.body, answer) : answer;
}

// A version that waits takes over when the only page that is open is loaded again; never under a page that is in use.
async function page(request) {
  const { waiting } = self.registration;
  if (!waiting || refreshes >= MOST_REFRESHES || (await self.clients.matchAll({ type: "window" })).length > 1) return kept(PAGE, request);
  refreshes += 1;
  waiting.postMessage("take over");
  return new Response("", { headers: { Refresh: "0", "Content-Type": "text/html" } });
}

async function leaveOthers() {
  for (const name of await caches.keys()) if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name);
}
