// What a visitor chose: read from the address and from the browser's storage, and kept in both.
const KEY = "neural-style";
const SHARES = ["strength", "smoothing", "split"], SWITCHES = ["keep_colors", "mirror"];
const WORDS = { style: /^.{1,400}$/, tab: /^(live|image)$/, size: /^\d+x\d+$/ };
const IN_ADDRESS = ["tab", "style", "strength", "keep_colors", "smoothing", "mirror"];
export const LOOK = ["style", "strength", "keep_colors", "smoothing", "mirror"];

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
  if (SWITCHES.includes(name)) return { 0: false, false: false, 1: true, true: true }[text];
  if (!Object.hasOwn(WORDS, name) || !WORDS[name].test(text)) return undefined;
  return text.replaceAll(/(:[\d.]+) /g, "$1+"); // a "+" that somebody typed between the parts of a blend reads as a space
}

// What was kept at an earlier visit.
export function readStorage() {
  try {
    return readAddress(localStorage.getItem(KEY) ?? "");
  } catch { return {}; } // a browser may forbid it
}

export function keep(settings) {
  const text = (names) => new URLSearchParams(
    names.filter((name) => settings[name] !== undefined).map((name) => [name, String(settings[name])])).toString();
  const query = text(IN_ADDRESS).replaceAll("%3A", ":");
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
