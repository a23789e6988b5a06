// What all parts of a page use: its elements, words to the visitor, and downloads.
const SAID_MS = 2500, MOST_NAMED = 3;
let saidTimer = 0;

export const element = (id) => document.getElementById(id);
export const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
// A style in words: "starry night", or "udnie + candy" for a blend in whatever shares.
export function plain(style) {
  const names = style.split("+").map((part) => part.replace(/:[^:]*$/, "").replaceAll("_", " "));
  return names.length > MOST_NAMED ? `a blend of ${names.length} styles` : names.join(" + ");
}

// A few words over the video for a moment, read out by screen readers.
export function say(words, ms = SAID_MS) {
  element("said").textContent = words;
  clearTimeout(saidTimer);
  saidTimer = setTimeout(() => { element("said").textContent = ""; }, ms);
}

// Words for screen readers only: what others see for themselves.
export function announce(words) { element("spoken").textContent = words; }

export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
