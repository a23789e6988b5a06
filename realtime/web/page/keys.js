// Keys: each does what a button or a control of the page does.
import * as controls from "./controls.js";
import { element } from "./shared.js";

const KEYS = {
  n: () => controls.step(1), ArrowRight: () => controls.step(1), p: () => controls.step(-1), ArrowLeft: () => controls.step(-1),
  "]": () => controls.strengthen(0.1), "[": () => controls.strengthen(-0.1),
  c: () => element("keep-colors").click(), l: () => element("find").focus(),
};
const LIVE_KEYS = { m: "mirror", " ": "freeze" };
const STAGE_KEYS = { s: "snapshot", r: "record", f: "full-screen" };
let isLive = () => true, mayCommand = () => true;

// live says whether the live tab is open, commands whether the look may be changed.
export function startKeys(live, commands = mayCommand) {
  [isLive, mayCommand] = [live, commands];
  document.addEventListener("keydown", pressed);
  leaveSelects();
}

// A list that was chosen from by mouse or touch would keep the keys, space among them, to itself.
function leaveSelects() {
  let pointed = false;
  document.addEventListener("pointerdown", () => { pointed = true; }, true);
  document.addEventListener("keydown", () => { pointed = false; }, true);
  document.addEventListener("change", (event) => { if (pointed && event.target.matches("select")) event.target.blur(); });
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.matches("input, select, button, a, summary") && (event.key === " " || event.key.startsWith("Arrow"))) return;
  if (event.target.matches("select, [type=search]")) return;
  if (isLive() && STAGE_KEYS[event.key]) element(STAGE_KEYS[event.key]).click();
  else if (!mayCommand()) return;
  else if (isLive() && LIVE_KEYS[event.key]) element(LIVE_KEYS[event.key]).click();
  else if (/^[1-9]$/.test(event.key)) controls.chooseNumber(Number(event.key));
  else if (Object.hasOwn(KEYS, event.key)) KEYS[event.key]();
  else return;
  event.preventDefault();
}
