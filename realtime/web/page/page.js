// The settings, the list of styles, the tabs and the keys; a change goes to the tab that is open.
import { startImages, stylizeAgain } from "/images.js";
import { startLive, stopLive, tell, live } from "/live.js";
import { addStyleButton, ask, element } from "/shared.js";

const look = { style: "", strength: 1, keep_colors: false };
let styles = [];
let tab = "live";

function selected() {
  const blend = element("blend").value;
  if (!blend || blend === look.style) return look.style;
  const share = element("blend-share").value / 100;
  if (share <= 0) return look.style;
  return share >= 1 ? blend : `${look.style}:${(1 - share).toFixed(2)}+${blend}:${share.toFixed(2)}`;
}

function changed(change) {
  if (tab === "live") tell({ look: change });
  else stylizeAgain({ ...look, style: selected() });
}

function choose(name) {
  look.style = name;
  showStyle();
  changed({ style: selected() });
}

function showStyle() {
  const list = element("styles");
  for (const button of list.querySelectorAll("button")) {
    const chosen = button.dataset.name === look.style;
    if (chosen && button.getAttribute("aria-pressed") !== "true") scrollTo(list, button);
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
  const plain = (text) => text.toLowerCase().replace(/[_-]/g, " ").trim();
  const typed = plain(element("find").value);
  const items = [...element("styles").children];
  for (const item of items) item.hidden = !plain(item.firstChild.dataset.name).includes(typed);
  return items.find((item) => !item.hidden);
}

function addStyles() {
  for (const style of styles) {
    const image = addStyleButton(element("styles"), style, choose);
    image.loading = "lazy";
    image.src = `/api/styles/${style.number}.jpg`;
    if (style.blends) element("blend").append(new Option(style.name.replaceAll("_", " "), style.name));
  }
}

function slider(id, name) {
  const input = element(id);
  input.addEventListener("input", () => {
    look[name] = input.value / 100;
    showValues();
    changed({ [name]: look[name] });
  });
}

function showValues() {
  element("strength-value").textContent = `${element("strength").value} %`;
  element("smoothing-value").textContent = `${element("smoothing").value} %`;
}

// Shows the settings that the server has; a control that is being moved is left alone.
export function showState(state) {
  if (!state.look) return;
  const first = state.look.style.split("+")[0].split(":")[0];
  if (styles.some((style) => style.name === first)) look.style = first;
  if (!state.look.style.includes("+") && element("blend").value && document.activeElement !== element("blend-share")) {
    element("blend").value = "";
    element("blend-share").disabled = true;
  }
  for (const name of ["strength", "smoothing"]) {
    const input = element(name);
    if (document.activeElement !== input || !input.matches(":active")) input.value = Math.round(state.look[name] * 100);
  }
  look.strength = state.look.strength;
  look.keep_colors = element("keep-colors").checked = state.look.keep_colors;
  element("mirror").checked = state.look.mirror;
  element("freeze").setAttribute("aria-pressed", String(Boolean(state.frozen)));
  showStyle();
  showValues();
}

function openTab(name) {
  tab = name;
  for (const each of ["live", "image"]) {
    element(each).hidden = each !== name;
    const button = element(`tab-${each}`);
    button.setAttribute("aria-selected", String(each === name));
    button.tabIndex = each === name ? 0 : -1;
  }
  for (const each of document.querySelectorAll(".live-only")) each.hidden = name !== "live";
  if (name === "live") startLive(element("source").value);
  else stopLive();
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
  slider("strength", "strength");
  element("smoothing").addEventListener("input", (event) => { showValues(); tell({ look: { smoothing: event.target.value / 100 } }); });
  element("split").addEventListener("input", (event) => tell({ split: event.target.value / 100 }));
  element("blend").addEventListener("change", (event) => {
    element("blend-share").disabled = !event.target.value;
    changed({ style: selected() });
  });
  element("blend-share").addEventListener("input", () => changed({ style: selected() }));
  element("keep-colors").addEventListener("change", (event) => { look.keep_colors = event.target.checked; changed({ keep_colors: look.keep_colors }); });
  element("mirror").addEventListener("change", (event) => tell({ look: { mirror: event.target.checked } }));
  element("find").addEventListener("input", find);
  element("find").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    const first = find();
    if (event.key === "Enter" && first && element("find").value) choose(first.firstChild.dataset.name);
    element("find").value = "";
    find();
    element("find").blur();
  });
  document.addEventListener("keydown", pressed);
}

function pressed(event) {
  if (tab !== "live" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select, button, a, summary") && (event.key === " " || event.key.startsWith("Arrow"))) return;
  if (event.target.matches("select, [type=search]")) return;
  const commands = {
    n: "next_style", ArrowRight: "next_style", p: "previous_style", ArrowLeft: "previous_style",
    "]": "strength_up", "[": "strength_down", c: "keep_colors", m: "mirror", " ": "freeze",
  };
  const buttons = { s: "snapshot", r: "record", f: "full-screen" };
  if (/^[1-9]$/.test(event.key)) tell({ select: Number(event.key) });
  else if (commands[event.key]) tell({ command: commands[event.key] });
  else if (buttons[event.key]) element(buttons[event.key]).click();
  else if (event.key === "l") element("find").focus();
  else return;
  event.preventDefault();
}

async function start() {
  if (location.search) history.replaceState(null, "", "/"); // the token is in a cookie by now, and need not be seen
  listen();
  startImages(() => ({ look: { ...look, style: selected() }, styles }), choose);
  live.onState = showState;
  try {
    styles = (await (await ask("/api/styles")).json()).styles;
    const state = await (await ask("/api/state")).json();
    addStyles();
    element("source").options[0].textContent = `the server’s ${state.source}`;
    showState(state);
  } catch (error) {
    element("notice").textContent = `The page cannot start: ${error.message}.`;
    return;
  }
  openTab(tab);
}

start();
