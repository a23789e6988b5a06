// What a visitor chose: read from the address and from the browser's storage, and kept in both.
const KEY = "neural-style", KEEP_MS = 300;
const SHARES = ["strength", "smoothing"], SWITCHES = ["keep_colors", "mirror"];
const ON_OFF = new Map([["1", true], ["true", true], ["0", false], ["false", false]]);
const WORDS = { style: /^.{1,400}$/, tab: /^(live|image)$/, size: /^\d+x\d+$/ };
const IN_ADDRESS = ["tab", "style", "strength", "keep_colors", "smoothing", "mirror"];
export const LOOK = ["style", "strength", "keep_colors", "smoothing", "mirror"];
let timer = 0;

// Settings in a query such as "?style=mosaic&strength=0.8"; what is not allowed goes to faults, in words.
export function readAddress(query, faults = []) {
  const settings = {};
  for (const [name, text] of new URLSearchParams(query)) {
    const value = valueOf(name, text);
    if (value !== undefined) settings[name] = value;
    else if (IN_ADDRESS.includes(name)) faults.push(`${name}=${text} in the address is not allowed`);
  }
  return settings;
}

function valueOf(name, text) {
  if (SHARES.includes(name)) return text.trim() && text >= 0 && text <= 1 ? Number(text) : undefined;
  if (SWITCHES.includes(name)) return ON_OFF.get(text);
  if (!Object.hasOwn(WORDS, name) || !WORDS[name].test(text)) return undefined;
  return text.replaceAll(/(:[\d.]+) /g, "$1+"); // a "+" that somebody typed between the parts of a blend reads as a space
}

// What was kept at an earlier visit.
export function readStorage() {
  try {
    return readAddress(localStorage.getItem(KEY) ?? "");
  } catch { return {}; } // a browser may forbid it
}

// Keeps settings, those in names in the address, too; a moment later, as browsers allow few changes of the address in a second.
export function keep(settings, names, atOnce = false) {
  clearTimeout(timer);
  if (!atOnce) { timer = setTimeout(() => keep(settings, names, true), KEEP_MS); return; }
  const text = (chosen) => new URLSearchParams(pick(settings, chosen)).toString();
  const query = text(IN_ADDRESS.filter((name) => name === "tab" || names.has(name))).replaceAll("%3A", ":");
  history.replaceState(null, "", query ? `?${query}` : location.pathname);
  try { localStorage.setItem(KEY, text([...LOOK, "size"])); } catch { /* forbidden or full: the address still has it */ }
}

// Whether this tab showed the visitor's own camera: kept for a reload, and never part of an address that others may open.
export function readSource() {
  try { return sessionStorage.getItem(KEY) === "send" ? "send" : "view"; } catch { return "view"; }
}

export function keepSource(source) {
  try { sessionStorage.setItem(KEY, source); } catch { /* as above */ }
}

export const pick = (settings, names) => Object.fromEntries(
  names.filter((name) => settings[name] !== undefined).map((name) => [name, settings[name]]));
