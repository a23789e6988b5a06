// The output view: the video alone, for OBS and projectors; the address says how: ?style=mosaic&fit=cover&background=transparent
import { Connection } from "./connection.js";
import * as kept from "./settings.js";
import { element } from "./shared.js";

const FITS = ["contain", "cover", "fill"], BACKGROUNDS = ["black", "transparent"];
const FAULT_MS = 5000;
const video = element("video");
const faults = [];
const query = new URLSearchParams(location.search);
const wanted = kept.pick(kept.readAddress(location.search, faults), kept.LOOK);

function choice(name, allowed) {
  const value = query.get(name) ?? allowed[0];
  if (allowed.includes(value)) return value;
  faults.push(`${name}=${value} in the address is not allowed; allowed: ${allowed.join(", ")}`);
  return allowed[0];
}

// Words are shown while there is no video yet, and of a fault for a moment: nobody else could see why.
function notice(words) { element("notice").textContent = words; }

video.style.objectFit = choice("fit", FITS);
document.documentElement.classList.add(choice("background", BACKGROUNDS));
if (query.has("token")) { // it is in a cookie by now, and need not be seen
  query.delete("token");
  history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
}

let commands = true;
let lookIsGiven = false; // by the server's command line
let forShow = wanted; // when the page is loaded, and again when a server starts anew whose command line does not say how it looks
const connection = new Connection(null, {
  found: (state) => {
    commands = state.role === "operator" || state.open_stage;
    lookIsGiven = state.look_is_given;
  },
  open: (restarted) => {
    const look = restarted && !lookIsGiven ? wanted : forShow;
    forShow = {};
    if (Object.keys(look).length && commands) connection.tell({ look });
    else if (Object.keys(look).length) fault("only the operator's address may set the style");
    if (faults.length) fault(faults[0]);
  },
  message: (message) => { if (message.error) fault(message.error.split("; ")[0]); }, // what to do about it would hide the video
  video: (stream) => {
    video.srcObject = stream;
    video.play().catch(() => notice("Click to start the video."));
  },
  waiting: (words) => { if (!video.videoWidth) notice(words); },
  failed: notice,
});

function fault(words) {
  element("fault").textContent = words;
  setTimeout(() => { element("fault").textContent = ""; }, FAULT_MS);
}

video.addEventListener("playing", () => notice(""));
document.addEventListener("click", () => video.play());
addEventListener("pagehide", () => connection.close());
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
