// The controls of the look: styles, a blend of two, strength, colours. They tell what was changed, and know nothing of how images come.
import { announce, element, plain, say } from "./shared.js";

const HOLD_MS = 2000; // so long after a change older settings may still arrive from elsewhere
const SEVERAL = "several";
const blend = { first: "", second: "", share: 0.5 };
let styles = [];
const images = new Map(); // on the buttons of everybody's styles, by name
let own = []; // the visitor's own styles, the newest first
let shared = "", shownHere = ""; // the last style shown that is everybody's, and the last style or blend that this page has
let changed = () => {};
let asked = {}; // what was changed and has not come back yet
let askedAt = -Infinity;

// Settings as they are shown; style is a name or a blend such as "candy:0.60+mosaic:0.40".
export const look = { style: "", strength: 1, keep_colors: false, smoothing: 0.5, mirror: false };

const shares = () => ["strength", "smoothing"].filter((name) => element(name)); // not every page has both

// allStyles: { name, blends, thumbnail } each; onChange takes the settings that were changed.
export function startControls(allStyles, onChange) {
  changed = onChange;
  updateStyles(allStyles);
  for (const name of shares()) {
    element(name).addEventListener("input", (event) => change({ [name]: event.target.value / 100 }));
  }
  for (const [id, name] of [["keep-colors", "keep_colors"], ["mirror", "mirror"]]) {
    element(id).addEventListener("change", (event) => change({ [name]: event.target.checked }));
  }
  element("blend").addEventListener("change", (event) => { blend.second = event.target.value; changeStyle(); });
  element("blend-share").addEventListener("input", (event) => { blend.share = event.target.value / 100; changeStyle(); });
  element("find").addEventListener("input", find);
  element("find").addEventListener("keydown", found);
}

// Shows everybody's styles that have come or changed meanwhile, and returns those that have come; none goes.
export function updateStyles(allStyles) {
  styles = allStyles;
  const come = styles.filter((style) => !images.has(style.name));
  for (const style of come) {
    images.set(style.name, addStyleButton(element("styles"), style, choose));
    if (style.blends) element("blend").append(new Option(plain(style.name), style.name));
  }
  for (const { name, thumbnail } of styles) {
    const image = images.get(name);
    image.loading = "lazy";
    if (image.getAttribute("src") !== thumbnail) image.src = thumbnail;
  }
  find();
  return come;
}

// Adds a button for a style to a list, and returns its image, which is still empty.
export function addStyleButton(list, style, chosen) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.name = style.name;
  const image = document.createElement("img");
  image.alt = "";
  button.append(image, plain(style.name));
  button.addEventListener("click", () => chosen(style.name));
  const item = document.createElement("li");
  item.append(button);
  list.append(item);
  return image;
}

// Puts a style of the visitor's own before all others, and on it buttons: { sign, words, clicked } each.
export function addOwn(style, buttons) {
  own.unshift(style);
  const image = addStyleButton(element("styles"), style, choose);
  image.src = style.thumbnail;
  for (const button of buttons) addSmallButton(style.name, button, image);
  element("styles").prepend(image.closest("li"));
  element("blend").insertBefore(new Option(plain(style.name), style.name), element("blend").options[2] ?? null);
}

// Puts a small button on that of a style; of one of everybody's by its name.
export function addSmallButton(name, { sign, words, clicked }, image = images.get(name)) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: words.toLowerCase(), textContent: sign, title: words });
  button.ariaLabel = `${words} ${plain(name)}`;
  button.addEventListener("click", clicked);
  image.closest("li").append(button);
}

// Takes it away again; where it is shown, the style before it comes back.
export function removeOwn(name) {
  own = own.filter((style) => style.name !== name);
  const item = element("styles").querySelector(`[data-name="${CSS.escape(name)}"]`).parentElement;
  if (item.contains(document.activeElement)) item.nextElementSibling.firstChild.focus();
  item.remove();
  [...element("blend").options].find((option) => option.value === name).remove();
  if (blend.second === name) blend.second = "";
  if (!isKnown(look.style)) choose(blend.first === name || blend.second === SEVERAL ? shared : blend.first);
}

export const allStyles = () => [...own, ...styles];

// Keeps what it is blended with, unless it is to be seen alone.
export function choose(name, alone = false) {
  blend.first = name;
  if (alone) blend.second = "";
  changeStyle();
  announce(`Style ${plain(name)}`);
}

// The style that comes so many places after the one shown.
export function step(places) {
  const all = allStyles(), at = all.findIndex((style) => style.name === blend.first);
  choose(all[(at + places + all.length) % all.length].name);
}

export function chooseNumber(number) {
  if (number <= styles.length) choose(styles[number - 1].name);
  else say(`there are ${styles.length} styles`);
}

export function strengthen(by) {
  change({ strength: Math.min(1, Math.max(0, Math.round((look.strength + by) * 100) / 100)) });
}

// Whether a style can be shown: a name that is known, or a blend of such.
export const isKnown = (text) => consistsOf(allStyles(), text);

// The same where this page has it, else the last that it had: somebody else's own style is seen in the show alone.
export const available = (text) => [text, shownHere, shared, styles[0].name].find(isKnown);

// Whether everybody can show it; as long as nothing is known of styles, yes.
export const isShared = (text) => !styles.length || consistsOf(styles, text);
const consistsOf = (some, text) => terms(text).every(([name]) => some.some((style) => style.name === name));

function change(values) {
  expect(values);
  Object.assign(look, values);
  show();
  changed(values);
}

// Where settings are applied elsewhere: until these come back, others that come are older ones.
export function expect(values) {
  Object.assign(asked, values);
  askedAt = performance.now();
}

const cameBack = (made) => Object.entries(asked).every(([name, value]) => (
  name === "style" ? sameStyle(made.style, value) : Math.abs(made[name] - value) < 0.005));

function changeStyle() { change({ style: styleText() }); }

function styleText() {
  const { first, second, share } = blend;
  if (!second || second === SEVERAL || second === first || share <= 0) return first;
  return share >= 1 ? second : `${first}:${(1 - share).toFixed(2)}+${second}:${share.toFixed(2)}`;
}

// Shows settings that were made elsewhere; or returns false, as they are older than what was changed here a moment ago.
export function showLook(made, atOnce = false) {
  if (!atOnce && performance.now() - askedAt < HOLD_MS && !cameBack(made)) return false;
  asked = {};
  const before = look.style;
  Object.assign(look, made);
  if (!sameStyle(look.style, styleText())) readStyle(look.style);
  show();
  if (before && !sameStyle(before, look.style)) announce(`Style ${plain(look.style)}`);
  return true;
}

const terms = (text) => text.split("+").map((term) => {
  const [, name, weight] = /^(.*?)(?::([^:]*))?$/.exec(term);
  return [name, weight === undefined ? 1 : Number(weight)];
});
const sameStyle = (one, other) => JSON.stringify(terms(one)) === JSON.stringify(terms(other));

function readStyle(text) {
  const [first, ...others] = terms(text);
  blend.first = first[0];
  blend.second = others.length > 1 ? SEVERAL : others[0]?.[0] ?? "";
  if (others.length === 1) blend.share = others[0][1] / (first[1] + others[0][1]);
}

function show() {
  for (const name of shares()) showShare(name, look[name]);
  showShare("blend-share", blend.share);
  element("blend").value = blend.second;
  element("blend-share").disabled = !blend.second || blend.second === SEVERAL;
  element("keep-colors").checked = look.keep_colors;
  element("mirror").checked = look.mirror;
  showChosen(element("styles"), blend.first);
  if (isShared(blend.first)) shared = blend.first;
  if (isKnown(look.style)) shownHere = look.style;
}

// A slider and its value in words; one that is being moved is left alone.
export function showShare(id, share) {
  const [input, words] = [element(id), `${Math.round(share * 100)} %`];
  if (!input.matches(":active")) input.value = Math.round(share * 100);
  input.setAttribute("aria-valuetext", words);
  element(`${id}-value`).textContent = words;
}

// Marks a style in a list of buttons.
export function showChosen(list, name) {
  for (const button of list.querySelectorAll("button[data-name]")) {
    const chosen = button.dataset.name === name;
    if (chosen && button.getAttribute("aria-pressed") !== "true") scrollTo(list, button.parentElement);
    button.setAttribute("aria-pressed", String(chosen));
  }
}

// Scrolls a list, but not the page, until something in it is seen whole.
function scrollTo(list, inside) {
  const below = inside.offsetTop + inside.offsetHeight - list.clientHeight;
  list.scrollTop = Math.max(below, Math.min(list.scrollTop, inside.offsetTop));
}

// Hides the styles whose names do not contain what was typed; returns the first of the others.
function find() {
  const easy = (text) => text.toLowerCase().replace(/[_-]/g, " ").trim();
  const typed = easy(element("find").value);
  const items = [...element("styles").children];
  for (const item of items) item.hidden = !easy(item.firstChild.dataset.name).includes(typed);
  const first = items.find((item) => !item.hidden);
  element("none-found").textContent = first || !typed ? "" : "No style of that name.";
  return first;
}

function found(event) {
  if (event.key !== "Enter" && event.key !== "Escape") return;
  const first = find();
  if (event.key === "Enter" && first && element("find").value) choose(first.firstChild.dataset.name);
  element("find").value = "";
  find();
  element("find").blur();
}
