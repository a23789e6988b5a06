// The page: joins the controls of the look with what shows images, live or one by one; tabs, keys, who may do what.
import * as controls from "./controls.js";
import { addPreview, notice as imageNotice, removePreview, startImages, stylizeAgain } from "./images.js";
import { startKeys } from "./keys.js";
import { live, source, startLive, stopLive, tell } from "./live.js";
import { addKeep, hasOwnStyles, renewStyles, startOwnStyles } from "./own-styles.js";
import { ask, visitor } from "./server.js";
import * as kept from "./settings.js";
import { announce, element, plain, say } from "./shared.js";
import { startStage } from "./stage.js";
import * as storage from "./storage.js";
import { showTab, startTabs } from "./tabs.js";
import { UploadedImage } from "./upload.js";

const FAULT_MS = 10_000; // who has just opened the page looks elsewhere first
const faults = [];
const fromAddress = kept.readAddress(location.search, faults);
const own = { ...storage.readStorage(), ...fromAddress }; // what was chosen here: by hand, at an earlier visit, or in the address
const inAddress = new Set(Object.keys(kept.pick(fromAddress, kept.LOOK))); // settings that were not chosen at an earlier visit
let forShow = fromAddress.tab === "image" ? {} : kept.pick(fromAddress, kept.LOOK); // what the show has yet to be told
let tab = "live";
let commands = true; // whether this visitor may command the show
let show = {}; // the look of the show
let lookIsGiven = false; // by the server's command line
let listed = 0; // the version of the list of styles that is shown

const commandsNow = () => tab === "image" || source() === "send" || commands;

// What others cannot show is kept nowhere: after a reload it is gone.
function keep(atOnce = false) {
  kept.soon(() => {
    const settings = controls.isShared(own.style ?? "") ? own : { ...own, style: undefined };
    kept.writeAddress(settings, inAddress);
    storage.store(settings);
  }, atOnce);
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
  lookIsGiven = state.look_is_given;
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

// A style of the visitor's own: of the image tab, of their camera, and where they command it of the show. It is shown as it
// is, whatever others were blended with; returns what it is now, in words.
function ownStyleCame(style) {
  tell({ visitor: visitor.handle });
  addPreview(style);
  if (!commandsNow()) {
    own.style = style.name;
    return "is yours: show “my camera”, or open the Image tab.";
  }
  controls.choose(style.name, true);
  return tab === "image" || source() === "send" ? "is a style now, for you alone."
    : "is shown to everybody now; only you can choose it.";
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

// The show of a server that started anew goes on as it was, unless its command line says how it looks; another gets what
// the address asks for. Both get what was chosen while the page was not connected.
function lookForShow(restarted) {
  const look = restarted && !lookIsGiven ? controls.look : forShow;
  forShow = {};
  return kept.pick(look, kept.LOOK);
}

function showFrozen(frozen) {
  const button = element("freeze");
  if ((button.getAttribute("aria-pressed") === "true") !== frozen) announce(frozen ? "Frozen" : "Moving");
  button.setAttribute("aria-pressed", String(frozen));
}

// The look of the visitor's own camera and images: what was chosen here, and else the show's.
function ownLook() {
  const look = { ...show, ...kept.pick(own, kept.LOOK) };
  return { ...look, style: controls.available(look.style) };
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
  showTab(name);
  if (name === "live") openSource(element("source").value);
  else {
    stopLive();
    updateList(listed); // figures come beside the video only
    controls.showLook(ownLook(), true);
    stylizeAgain(controls.look);
  }
  showRights();
}

function openSource(name) {
  for (const each of document.querySelectorAll(".for-camera")) each.hidden = name !== "send";
  storage.keepSource(name);
  startLive(name);
  controls.showLook(name === "send" ? ownLook() : show, true);
  showRights();
}

function listen() {
  startTabs(openTab);
  startKeys(() => tab === "live", commandsNow);
  const video = element("video");
  startStage({ element: video, sizeWh: () => [video.videoWidth, video.videoHeight], stream: () => video.srcObject });
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
  addEventListener("pagehide", () => keep(true));
  addEventListener("pageshow", (event) => { if (event.persisted) openTab(tab); });
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
    const words = `there is no style ${settings.style}: choose one of the list`;
    if (!faults.includes(words)) faults.push(words);
    delete settings.style;
    delete forShow.style;
    inAddress.delete("style");
  }
  startImages((file) => new UploadedImage(file));
  element("own").hidden = !takesImages;
  if (takesImages) startOwnStyles(ownStyleCame, ownStyleWent, state.role === "operator");
  addKeep(styles);
  element("source").options[0].textContent = `the server’s ${state.source}`;
  if ([...element("size").options].some((option) => option.value === own.size)) element("size").value = own.size;
  element("source").value = storage.readSource();
  controls.showShare("split", element("split").value / 100);
  found(state);
  controls.showLook(state.look, true);
  openTab(own.tab ?? "live");
  if (faults.length) (tab === "live" ? say : imageNotice)(faults.join("; "), FAULT_MS);
}

start().catch((error) => { element("notice").textContent = `The page cannot start: ${error.message}.`; });
