// What a visitor chose, as it stands in the address.
const SOON_MS = 300;
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

// Writes settings into the address: the tab, and those of the look that are in names.
export function writeAddress(settings, names) {
  const query = asQuery(settings, IN_ADDRESS.filter((name) => name === "tab" || names.has(name))).replaceAll("%3A", ":");
  history.replaceState(history.state, "", query ? `?${query}` : location.pathname);
}

export const asQuery = (settings, names) => new URLSearchParams(pick(settings, names)).toString();

// Does something a moment later, and only the last of what was asked for: browsers allow few changes of the address in a second.
export function soon(action, atOnce = false) {
  clearTimeout(timer);
  if (atOnce) action();
  else timer = setTimeout(action, SOON_MS);
}

export const pick = (settings, names) => Object.fromEntries(
  names.filter((name) => settings[name] !== undefined).map((name) => [name, settings[name]]));
