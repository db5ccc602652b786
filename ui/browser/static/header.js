// The top of the page: what is going on, light or dark, the keys, and the way to the server.

import { all, ask, clamp, find, offer, on, server, set, state, whenThere } from "./store.js";

const RUNS = "#go, #weights-draw, #edit-run, #regions-draw"; // they wait for the prompt's weights
const NOTICED = 8000; // ms that a sentence stands
let largest = 0; // bytes that a dropped file may have
let running = false; // whether a run was asked for and not cancelled

export function mount(root, { props, watch, server: functions }) {
  for (const [name, call] of Object.entries(functions)) server[name] = answered(call);
  largest = props.largest;
  const follow = () => {
    const { busy, model, name } = props.value;
    if (model !== state.model) set({ model, modelName: name });
    // A run is over when its picture is on the stage, not before.
    if (running && busy) set({ busy });
  };
  watch("value", follow);
  drawMark(find(".mark", root));
  mountTheme(find("#theme", root));
  mountKeys(root);
  // Where there is one column the picture matters more than the settings.
  if (innerWidth < 820) whenThere("#settings > button.open", closeSettings);
  on("busy model", showStatus);
  document.addEventListener("click", clicked, true);
  for (const given of ["change", "drop"]) {
    document.addEventListener(given, (event) => event.target.closest("#drop") && dropped(event), true);
  }
  new MutationObserver(readMessages).observe(document.body, { childList: true, subtree: true });
  offer("warn", warn);
  offer("generate", () => find("#go").click());
  offer("start", start);
  offer("step", (step) => set({ view: { ...state.view, step: clamp(step, 0, state.run.steps) } }));
  follow();
}

// Every answer is an object; what went wrong on the way is a problem like any other.
const answered = (call) => async (asked) => {
  const answer = await call(asked).catch(() => null); // where the server is gone, it is undefined
  return answer ?? { problem: "The page did not get an answer; is crossattn still running?" };
};

// Again until it is done: the button is there before Gradio listens to it.
function closeSettings() {
  const open = find("#settings > button.open");
  if (!open) return;
  open.click();
  requestAnimationFrame(closeSettings);
}

// A run was asked for: say so at once, whatever the server does.
function start() {
  running = true;
  set({ busy: { step: 0, total: 0, seconds: 0 }, place: null, hover: null, comparing: false });
}

function clicked(event) {
  const run = event.target.closest(RUNS);
  const written = run && ask("written");
  if (written) {
    event.stopPropagation();
    written.then(() => run.click());
    return;
  }
  if (event.target.closest("#go")) start();
  if (event.target.closest("#stop")) {
    // Cancel stands where Generate stood: the second half of a double click is not meant for it.
    if (event.detail > 1) return void event.stopPropagation();
    rest();
  }
}

// A run has been cancelled, or came to nothing: what it still has to say is not heard.
function rest() {
  running = false;
  set({ busy: null });
}

// Gradio heads its messages with "Error", whatever they are called, and puts those of one moment
// under one head; each ends a run.
function readMessages() {
  for (const title of all(".toast-title.error:not([data-read])")) {
    title.dataset.read = "";
    title.textContent = "Not done";
  }
  for (const message of all(".toast-message-item.error:not([data-read])")) {
    message.dataset.read = "";
    rest();
  }
}

// A picture was dropped: its run is heard of once the file has arrived.
function dropped(event) {
  const [file] = event.target.files ?? event.dataTransfer.files;
  if (!file || file.size <= largest) {
    running = true;
    return;
  }
  event.preventDefault();
  event.stopPropagation();
  const [size, most] = [file.size, largest].map((bytes) => `${(bytes / 2 ** 20).toFixed(1)} MB`);
  warn(`${file.name} has ${size}, and the page takes ${most}; pictures made here are far smaller.`);
}

// What went wrong between pictures, where nothing of Gradio's tells of it.
let fading = 0;
function warn(sentence) {
  const notice = find("#notice");
  notice.textContent = sentence;
  notice.hidden = false;
  clearTimeout(fading);
  fading = setTimeout(() => (notice.hidden = true), NOTICED);
}

function showStatus() {
  const { busy } = state;
  document.body.classList.toggle("busy", Boolean(busy));
  const name = state.modelName;
  find("#status").textContent = busy?.total
    ? `${name}, step ${busy.step} of ${busy.total}`
    : busy ? `${name}, starting` : `${name} ready`;
}

function mountTheme(button) {
  const stored = () => {
    try {
      return localStorage.getItem("crossattn-theme");
    } catch {
      return null;
    }
  };
  const show = (dark) => {
    document.body.classList.toggle("dark", dark);
    find("span", button).textContent = dark ? "Light" : "Dark";
    find("use", button).setAttribute("href", dark ? "#i-sun" : "#i-moon");
    button.setAttribute("aria-label", dark ? "Light theme" : "Dark theme");
  };
  const system = matchMedia("(prefers-color-scheme: dark)").matches;
  show(stored() ? stored() === "dark" : system);
  button.addEventListener("click", () => {
    const dark = !document.body.classList.contains("dark");
    show(dark);
    try {
      localStorage.setItem("crossattn-theme", dark ? "dark" : "light");
    } catch {
      // Where storage is forbidden the choice lasts as long as the page.
    }
  });
}

function mountKeys(root) {
  const dialog = find("#keys", root);
  find("#keys-open", root).addEventListener("click", () => dialog.showModal());
  find("#keys-close", root).addEventListener("click", () => dialog.close());
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
      event.preventDefault();
      if (!state.busy) ask("generate");
      return;
    }
    if (event.key === "Escape" && state.busy) {
      find("#stop").click();
      return;
    }
    const typing = event.target.matches("input:not([type=range]), textarea, select");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !state.run) return;
    const key = event.key.toLowerCase();
    if (key === "b") ask("compare", !state.comparing);
    if (key === ".") ask("step", state.view.step + 1);
    if (key === ",") ask("step", state.view.step - 1);
  });
}

function drawMark(svg) {
  const shades = [[0.15, 0.25, 0.2, 0.12], [0.3, 0.75, 0.55, 0.2], [0.25, 0.9, 1, 0.4], [0.12, 0.35, 0.5, 0.2]];
  svg.innerHTML = shades.flatMap((row, y) => row.map((shade, x) =>
    `<rect x="${x * 5 + 0.4}" y="${y * 5 + 0.4}" width="4.2" height="4.2" rx="1" opacity="${shade}"/>`)).join("");
}
