// What all parts of a page use: its elements, words to the visitor, and downloads.
const SAID_MS = 2500;
let saidTimer = 0;

export const element = (id) => document.getElementById(id);
export const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const plain = (name) => name.replaceAll("_", " ");

// A few words over the video for a moment, read out by screen readers.
export function say(words) {
  element("said").textContent = words;
  clearTimeout(saidTimer);
  saidTimer = setTimeout(() => { element("said").textContent = ""; }, SAID_MS);
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
