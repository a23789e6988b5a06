// The two tabs of a page, live and image: which one is open, by mouse and arrow keys.
import { element } from "./shared.js";

const NAMES = ["live", "image"];

// opened takes the name of the tab that was chosen.
export function startTabs(opened) {
  for (const name of NAMES) {
    element(`tab-${name}`).addEventListener("click", () => opened(name));
    element(`tab-${name}`).addEventListener("keydown", (event) => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      event.stopPropagation();
      const other = NAMES.find((each) => each !== name);
      opened(other);
      element(`tab-${other}`).focus();
    });
  }
}

export function showTab(name) {
  for (const each of NAMES) {
    element(each).hidden = each !== name;
    const button = element(`tab-${each}`);
    button.setAttribute("aria-selected", String(each === name));
    button.tabIndex = each === name ? 0 : -1;
  }
  for (const each of document.querySelectorAll(".live-only")) each.hidden = name !== "live";
}
