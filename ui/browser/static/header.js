// The top of the page: what is going on, light or dark, the keys, and the way to the server.

import { ask, clamp, find, offer, on, server, set, state } from "./store.js";
import { mountFocus } from "./focus.js";
import { mountRuns, underWay } from "./runs.js";

const NOTICED = 8000; // ms that a sentence stands

export function mount(root, { props, watch, server: functions }) {
  for (const [name, call] of Object.entries(functions)) server[name] = answered(call);
  const follow = () => {
    const { busy, model, name } = props.value;
    if (model !== state.model) set({ model, modelName: name });
    // A run is over when its picture is on the stage, not before.
    if (underWay() && busy) set({ busy });
  };
  watch("value", follow);
  drawMark(find(".mark", root));
  mountTheme(find("#theme", root));
  mountKeys(root);
  on("busy model", showStatus);
  mountRuns(props.largest);
  mountFocus();
  offer("warn", warn);
  offer("begin", () => props.begins && begin());
  offer("generate", () => find("#go").click());
  offer("step", (step) => set({ view: { ...state.view, step: clamp(step, 0, state.run.steps) } }));
  follow();
}

// Every answer is an object; what went wrong on the way is a problem like any other.
const answered = (call) => async (asked) => {
  const answer = await call(asked).catch(() => null); // where the server is gone, it is undefined
  return answer ?? { problem: "The page did not get an answer; is crossattn still running?" };
};

// The picture that ships, so that there are words to point at in the first second.
async function begin() {
  const answer = await fetch("crossattn/first.json");
  const first = await answer.json();
  if (!state.run && !state.busy) ask("show", first);
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
  const name = state.modelName;
  find("#status").textContent = busy?.total
    ? `${innerWidth < 820 ? "" : `${name}, `}step ${busy.step} of ${busy.total}`
    : busy ? (busy.says ?? `${name}, starting`) : `${name} ready`;
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
    for (const root of [document.documentElement, document.body]) root.classList.toggle("dark", dark);
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
    if (event.key === "Escape") return void escaped(event.target);
    const typing = event.target.matches("input:not([type=range]), textarea, select");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !state.run) return;
    const key = event.key.toLowerCase();
    if (key === "b") ask("compare", !state.comparing);
    if (key === ".") ask("step", state.view.step + 1);
    if (key === ",") ask("step", state.view.step - 1);
  });
}

// A run is cancelled; else what was opened where the focus is closes, or the comparison.
function escaped(where) {
  if (state.busy) return void ask("cancel");
  const opened = where.closest("details.more[open]");
  if (opened) {
    opened.open = false;
    find("summary", opened).focus();
  } else if (state.comparing) ask("compare", false);
}

function drawMark(svg) {
  const shades = [[0.15, 0.25, 0.2, 0.12], [0.3, 0.75, 0.55, 0.2], [0.25, 0.9, 1, 0.4], [0.12, 0.35, 0.5, 0.2]];
  svg.innerHTML = shades.flatMap((row, y) => row.map((shade, x) =>
    `<rect x="${x * 5 + 0.4}" y="${y * 5 + 0.4}" width="4.2" height="4.2" rx="1" opacity="${shade}"/>`)).join("");
}
