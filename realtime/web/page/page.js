// The page: joins the controls of the look with what shows images, live or one by one; tabs, keys, who may do what.
import * as controls from "./controls.js";
import { addPreview, notice as imageNotice, removePreview, startImages, stylizeAgain } from "./images.js";
import { live, source, startLive, stopLive, tell } from "./live.js";
import { addKeep, hasOwnStyles, renewStyles, startOwnStyles } from "./own-styles.js";
import * as kept from "./settings.js";
import { announce, ask, element, plain, say, visitor } from "./shared.js";
import "./stage.js";

const faults = [];
const fromAddress = kept.readAddress(location.search, faults);
const own = { ...kept.readStorage(), ...fromAddress }; // what was chosen here: by hand, at an earlier visit, or in the address
const inAddress = new Set(Object.keys(kept.pick(fromAddress, kept.LOOK))); // settings that were not chosen at an earlier visit
let forShow = fromAddress.tab === "image" ? {} : kept.pick(fromAddress, kept.LOOK); // what the show has yet to be told
let tab = "live";
let commands = true; // whether this visitor may command the show
let show = {}; // the look of the show
let listed = 0; // the version of the list of styles that is shown

const commandsNow = () => tab === "image" || source() === "send" || commands;

// What others cannot show is kept nowhere: after a reload it is gone.
function keep(atOnce = false) {
  kept.keep(controls.isShared(own.style ?? "") ? own : { ...own, style: undefined }, inAddress, atOnce);
}

function changed(change) {
  Object.assign(own, change);
  for (const name of Object.keys(change)) inAddress.add(name);
  keep();
  if (tab === "image") stylizeAgain(controls.look);
  else if (!tell({ look: change }) && source() === "view") Object.assign(forShow, change);
}

// Takes what the server says of itself before it shows anything.
function found(state) {
  commands = state.role === "operator" || state.open_stage;
  show = state.look;
  showRights();
}

// Takes the settings of what is shown: the show, or this visitor's own camera.
function stateCame(state) {
  if (state.styles !== listed) updateList(state.styles);
  if (state.sends !== (source() === "send")) return;
  if (!state.sends) show = state.look;
  if (controls.showLook(state.look) && commandsNow()) followed();
  showFrozen(state.frozen);
}

// Shows the styles that have come or changed since the page was opened.
async function updateList(version) {
  const before = listed;
  listed = version; // the next figures come soon
  try {
    const come = controls.updateStyles((await (await ask("/api/styles")).json()).styles);
    addKeep(come);
    for (const style of come) addPreview(style, false);
    if (come.length) announce(`New style ${come.map(({ name }) => plain(name)).join(", ")}`);
  } catch {
    listed = before; // to be tried again
  }
}

// The address goes on with what others choose for the same video, so that a reload changes nothing.
function followed() {
  if ([...inAddress].every((name) => own[name] === controls.look[name])) return;
  Object.assign(own, kept.pick(controls.look, [...inAddress]));
  keep();
}

// A style of the visitor's own: of the image tab, of their camera, and where they command it of the show.
function ownStyleCame(style) {
  tell({ visitor: visitor.handle });
  addPreview(style);
  if (commandsNow()) controls.choose(style.name);
  else own.style = style.name;
  return commandsNow();
}

function ownStyleWent(name) {
  removePreview(name);
  controls.removeOwn(name);
  if (own.style && !controls.isKnown(own.style)) delete own.style;
}

// Tells a new connection what was chosen before.
async function opened(restarted) {
  const look = source() === "send" ? kept.pick(own, kept.LOOK) : commands ? lookForShow(restarted) : {};
  if (hasOwnStyles()) {
    controls.expect(look);
    await renewStyles();
    tell({ visitor: visitor.handle });
  }
  if (look.style && !controls.isKnown(look.style)) delete look.style; // such as somebody else's own
  if (Object.keys(look).length) {
    controls.showLook(look, true);
    controls.expect(look);
    tell({ look });
  }
  tell({ split: element("split").value / 100 });
}

// The show of a server that started anew goes on as it was; another gets what the address asks for, and what was chosen
// while the page was not connected.
function lookForShow(restarted) {
  const look = restarted ? controls.look : forShow;
  forShow = {};
  return kept.pick(look, kept.LOOK);
}

function showFrozen(frozen) {
  const button = element("freeze");
  if ((button.getAttribute("aria-pressed") === "true") !== frozen) announce(frozen ? "Frozen" : "Moving");
  button.setAttribute("aria-pressed", String(frozen));
}

// A visitor who may not command the show sees why instead of its controls.
function showRights() {
  const may = commandsNow();
  element("rights").hidden = may;
  for (const each of document.querySelectorAll(".for-commands")) each.hidden = !may;
}

function openTab(name) {
  tab = name;
  own.tab = name === "live" ? undefined : name;
  keep();
  for (const each of ["live", "image"]) {
    element(each).hidden = each !== name;
    const button = element(`tab-${each}`);
    button.setAttribute("aria-selected", String(each === name));
    button.tabIndex = each === name ? 0 : -1;
  }
  for (const each of document.querySelectorAll(".live-only")) each.hidden = name !== "live";
  if (name === "live") openSource(element("source").value);
  else {
    stopLive();
    updateList(listed); // figures come beside the video only
    controls.showLook({ ...show, ...kept.pick(own, kept.LOOK) }, true);
    stylizeAgain(controls.look);
  }
  showRights();
}

function openSource(name) {
  for (const each of document.querySelectorAll(".for-camera")) each.hidden = name !== "send";
  kept.keepSource(name);
  startLive(name);
  controls.showLook(name === "send" ? { ...show, ...kept.pick(own, kept.LOOK) } : show, true);
  showRights();
}

function listen() {
  for (const name of ["live", "image"]) {
    element(`tab-${name}`).addEventListener("click", () => openTab(name));
    element(`tab-${name}`).addEventListener("keydown", (event) => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      event.stopPropagation();
      const other = name === "live" ? "image" : "live";
      openTab(other);
      element(`tab-${other}`).focus();
    });
  }
  element("split").addEventListener("input", (event) => {
    controls.showShare("split", event.target.value / 100);
    tell({ split: event.target.value / 100 });
  });
  element("freeze").addEventListener("click", () => tell({ command: "freeze" }));
  element("source").addEventListener("change", (event) => openSource(event.target.value));
  element("camera").addEventListener("change", () => startLive("send"));
  element("size").addEventListener("change", (event) => {
    own.size = event.target.value;
    keep();
    startLive("send");
  });
  document.addEventListener("keydown", pressed);
  leaveSelects();
  addEventListener("pagehide", () => keep(true));
  addEventListener("pageshow", (event) => { if (event.persisted) openTab(tab); });
}

// A list that was chosen from by mouse or touch would keep the keys, space among them, to itself.
function leaveSelects() {
  let pointed = false;
  document.addEventListener("pointerdown", () => { pointed = true; }, true);
  document.addEventListener("keydown", () => { pointed = false; }, true);
  document.addEventListener("change", (event) => { if (pointed && event.target.matches("select")) event.target.blur(); });
}

const KEYS = {
  n: () => controls.step(1), ArrowRight: () => controls.step(1), p: () => controls.step(-1), ArrowLeft: () => controls.step(-1),
  "]": () => controls.strengthen(0.1), "[": () => controls.strengthen(-0.1),
  c: () => element("keep-colors").click(), l: () => element("find").focus(),
};
const LIVE_KEYS = { m: "mirror", " ": "freeze" };
const STAGE_KEYS = { s: "snapshot", r: "record", f: "full-screen" };

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.matches("input, select, button, a, summary") && (event.key === " " || event.key.startsWith("Arrow"))) return;
  if (event.target.matches("select, [type=search]")) return;
  if (tab === "live" && STAGE_KEYS[event.key]) element(STAGE_KEYS[event.key]).click();
  else if (!commandsNow()) return;
  else if (tab === "live" && LIVE_KEYS[event.key]) element(LIVE_KEYS[event.key]).click();
  else if (/^[1-9]$/.test(event.key)) controls.chooseNumber(Number(event.key));
  else if (Object.hasOwn(KEYS, event.key)) KEYS[event.key]();
  else return;
  event.preventDefault();
}

async function start() {
  keep(true); // and the token, which is in a cookie by now, need not be seen
  listen();
  Object.assign(live, { onFound: found, onState: stateCame, onOpen: opened });
  const { styles, version, takes_images: takesImages } = await (await ask("/api/styles")).json();
  listed = version;
  const state = await (await ask("/api/state")).json();
  controls.startControls(styles, changed);
  for (const settings of [own, fromAddress]) {
    if (!settings.style || controls.isKnown(settings.style)) continue;
    faults.push(`there is no style ${settings.style}`);
    delete settings.style;
    delete forShow.style;
    inAddress.delete("style");
  }
  startImages();
  element("own").hidden = !takesImages;
  if (takesImages) startOwnStyles(ownStyleCame, ownStyleWent, state.role === "operator");
  addKeep(styles);
  element("source").options[0].textContent = `the server’s ${state.source}`;
  if ([...element("size").options].some((option) => option.value === own.size)) element("size").value = own.size;
  element("source").value = kept.readSource();
  controls.showShare("split", element("split").value / 100);
  found(state);
  controls.showLook(state.look, true);
  openTab(own.tab ?? "live");
  if (faults.length) (tab === "live" ? say : imageNotice)(faults[0]);
}

start().catch((error) => { element("notice").textContent = `The page cannot start: ${error.message}.`; });
