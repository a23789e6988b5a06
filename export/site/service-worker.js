// Keeps one version of the page for use without a network, and gives it the headers that threads need.
const VERSION = "", FILES = {}; // set at export: path -> SHA-256 in hex

const SITE = self.registration.scope;
const PREFIX = `neural-style ${SITE} `, CACHE = PREFIX + VERSION; // other sites of this host have caches, too
const PAGE = "index.html", HASH = "X-Content-SHA-256";
const ON_USE = /^runtime\//; // large, and each browser needs but one half
const AT_ONCE = 4;

const addressOf = (path) => new URL(path, SITE).href;

self.addEventListener("install", (event) => event.waitUntil(fill()));
self.addEventListener("activate", (event) => event.waitUntil(begin()));
self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method !== "GET" || !url.startsWith(SITE)) return;
  const path = decodeURIComponent(url.slice(SITE.length).replace(/[?#].*/, "")) || PAGE;
  if (Object.hasOwn(FILES, path)) event.respondWith(kept(path, event));
});

// Fetches the files of this version; one that is not of it, such as in the midst of an update, ends the installation.
async function fill() {
  const cache = await caches.open(CACHE), paths = Object.keys(FILES);
  const work = async () => { while (paths.length) await fetchOne(cache, paths.shift()); };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

async function fetchOne(cache, path) {
  const address = addressOf(path), earlier = await earlierOf(address);
  if (earlier?.headers.get(HASH) === FILES[path]) await cache.put(address, earlier); // as most files in most updates
  else if (earlier || !ON_USE.test(path)) {
    const answer = await fetch(address, { cache: "no-cache" });
    if (!await keep(cache, path, answer)) throw new Error(`${path} is not of this version`);
  }
}

// What another version of this page kept of a file.
async function earlierOf(address) {
  for (const name of await caches.keys()) {
    const found = name.startsWith(PREFIX) && await (await caches.open(name)).match(address);
    if (found) return found;
  }
  return undefined;
}

// Keeps an answer if it is of this version; says whether it is.
async function keep(cache, path, answer) {
  const body = await answer.arrayBuffer();
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
  const isOurs = answer.ok && [...sum].map((byte) => byte.toString(16).padStart(2, "0")).join("") === FILES[path];
  if (isOurs) await cache.put(addressOf(path), isolated(body, answer, { [HASH]: FILES[path], "Content-Length": body.byteLength }));
  return isOurs;
}

// An answer that lets the page have threads: cross-origin isolation.
function isolated(body, answer, more = {}) {
  const headers = new Headers(more);
  if (answer.headers.has("Content-Type")) headers.set("Content-Type", answer.headers.get("Content-Type"));
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  headers.set("Cross-Origin-Resource-Policy", "same-origin");
  return new Response(body, { status: answer.status, headers });
}

async function kept(path, event) {
  const cache = await caches.open(CACHE), found = await cache.match(addressOf(path));
  if (found) return found;
  const answer = await fetch(addressOf(path), { cache: "no-cache" });
  if (!answer.ok) return answer;
  event.waitUntil(keep(cache, path, answer.clone()));
  const length = answer.headers.has("Content-Encoding") ? null : answer.headers.get("Content-Length");
  return isolated(answer.body, answer, length ? { "Content-Length": length } : {});
}

// The first version takes the page that brought it. A later one begins when the page is open nowhere: never under one in use.
async function begin() {
  const others = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  for (const name of others) await caches.delete(name);
  if (!others.length) await self.clients.claim();
}
