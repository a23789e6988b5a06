// The service worker, seen from the page: it brings the page without a network, and threads where the host sends no headers for them.
import { element } from "./shared.js";

const PATIENCE_MS = 20_000;
const NEWS = "A new version of this page is here: close the page, wherever it is open, and open it again.";

// Resolves when the page may load the rest. A first visit may be loaded again for threads instead, if mayReload agrees.
export async function startOffline(mayReload) {
  const workers = navigator.serviceWorker;
  if (!workers) return; // such as without HTTPS
  try {
    const earlier = (await workers.getRegistration())?.active;
    const registration = await workers.register("service-worker.js");
    watchForNews(registration, workers);
    if (earlier) registration.update().catch(() => {}); // browsers look by themselves, but some time later
    if (earlier || !await activated(registration) || self.crossOriginIsolated || !mayReload()) return;
  } catch { return; } // a browser may forbid it
  location.reload();
  await new Promise(() => {});
}

// Whether a first worker has come to work before patience ends.
function activated(registration) {
  const worker = registration.installing ?? registration.waiting ?? registration.active;
  return new Promise((resolve) => {
    const changed = () => { if (["activated", "redundant"].includes(worker.state)) resolve(worker.state === "activated"); };
    worker.addEventListener("statechange", changed);
    changed();
    setTimeout(resolve, PATIENCE_MS, false);
  });
}

// Says when a version waits that is newer than this page.
function watchForNews(registration, workers) {
  const tell = () => {
    if (registration.waiting && workers.controller) element("news").textContent = NEWS;
  };
  const watch = () => registration.installing?.addEventListener("statechange", tell);
  registration.addEventListener("updatefound", watch);
  watch(); // it may have been found while this page was loaded
  tell();
}
