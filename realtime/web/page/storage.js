// What was chosen at an earlier visit, in the browser's storage.
import { LOOK, asQuery, readAddress } from "./settings.js";

const KEY = "neural-style";

export function readStorage() {
  try {
    return readAddress(localStorage.getItem(KEY) ?? "");
  } catch { return {}; } // a browser may forbid it
}

export function store(settings) {
  try { localStorage.setItem(KEY, asQuery(settings, [...LOOK, "size"])); } catch { /* forbidden or full: the address still has it */ }
}

// Whether this tab showed the visitor's own camera: kept for a reload, and never part of an address that others may open.
export function readSource() {
  try { return sessionStorage.getItem(KEY) === "send" ? "send" : "view"; } catch { return "view"; }
}

export function keepSource(source) {
  try { sessionStorage.setItem(KEY, source); } catch { /* as above */ }
}
