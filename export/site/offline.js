// The service worker, seen from the page: it brings the page without a network, and threads where the host sends no headers for them.
import { say } from "./shared.js";

const PATIENCE_MS = 20_000; // without progress: then the page starts as it is
const SOON_MS = 1500; // a first installation that is not done after so long says how far it is

// Resolves when the page may begin. A first visit may be loaded again for threads instead, if mayReload agrees.
export async function startOffline(onProgress, mayReload) {
  const workers = navigator.serviceWorker;
  if (!workers) return; // such as without HTTPS
  try {
    const earlier = (await workers.getRegistration())?.active;
    const registration = await workers.register("service-worker.js");
    watchForNews(registration, workers);
    if (self.crossOriginIsolated || earlier || !await activated(registration, onProgress)) return;
  } catch { return; } // a browser may forbid it
  if (!mayReload()) return;
  location.reload();
  await new Promise(() => {});
}

// Whether a first worker has come to work before patience ends.
function activated(registration, onProgress) {
  const worker = registration.installing ?? registration.waiting ?? registration.active;
  return new Promise((resolve) => {
    let timer = setTimeout(resolve, PATIENCE_MS, false);
    const sayFrom = performance.now() + SOON_MS;
    navigator.serviceWorker.addEventListener("message", ({ data }) => {
      clearTimeout(timer);
      timer = setTimeout(resolve, PATIENCE_MS, false);
      if (performance.now() > sayFrom) onProgress(data.share);
    });
    navigator.serviceWorker.startMessages();
    const changed = () => { if (["activated", "redundant"].includes(worker.state)) resolve(worker.state === "activated"); };
    worker.addEventListener("statechange", changed);
    changed();
  });
}

function watchForNews(registration, workers) {
  registration.addEventListener("updatefound", () => {
    const worker = registration.installing;
    worker.addEventListener("statechange", () => {
      if (worker.state === "installed" && workers.controller) say("A new version of this page is here: load it again.");
    });
  });
}
