// Time and depth: which step, which layer, which head; of the word that is looked at.

import { clamp, element, fill, find, on, set, state, touched } from "./store.js";
import { HUES, thumbnail } from "./draw.js";
import { fetchHeads, fetchSketches, fetchSteps, frameOf, held, labelOf, mapOf, shares } from "./maps.js";
import { drawPlot } from "./plot.js";

const FILM = 6;
const PACE = 140; // ms a step
let playing = 0;
let box;

export function mount(root) {
  box = root;
  const step = find("#step", root);
  step.addEventListener("input", () => view({ step: Number(step.value) }));
  find("#resolution", root).addEventListener("change", (event) => {
    const size = event.target.value;
    view({ resolution: size === "all" ? size : Number(size), head: null, layer: "all" });
  });
  find("#layer", root).addEventListener("change", (event) => {
    view({ layer: event.target.value, head: null, resolution: "all" });
  });
  find("#play", root).addEventListener("click", play);
  on("run", choices);
  on("view run", load);
  on("run view stack current pins tab", refresh);
  choices();
  load();
  refresh();
}

const view = (changes) => set({ view: { ...state.view, ...changes } });

function choices() {
  if (!state.run) return;
  const { layers, resolutions, steps } = state.run;
  const option = ([value, text]) => element("option", { value }, text);
  find("#layer", box).replaceChildren(...[["all", "All layers"], ...layers].map(option));
  find("#resolution", box).replaceChildren(...[["all", "All"], ...resolutions].map(option));
  find("#step", box).max = steps;
}

// Maps of a part of the record are fetched when it is first looked at.
async function load() {
  const { run } = state;
  const { step, layer, resolution, head } = state.view;
  const whole = !step && layer === "all" && resolution === "all" && head === null;
  if (!run || (whole && state.tab !== "Time")) return;
  await Promise.all([fetchSteps(state.view), fetchSketches()]);
  if (run === state.run) set({ stack: {} });
}

on("tab", () => box && load());

function refresh() {
  find("#depth", box).hidden = !state.run;
  if (!state.run || state.tab !== "Time") return;
  const { run, view: seen, current } = state;
  const text = labelOf(`w${current}`);
  find("#depth-word", box).replaceChildren(element("b", {}, text), ` over the steps. ${touched ? "Touch" : "Point at"} another word to follow it.`);
  const range = find("#step", box);
  range.value = seen.step;
  fill(range);
  find("#step-shown", box).textContent = seen.step ? `${seen.step} of ${run.steps}` : "all steps";
  find("#layer", box).value = seen.layer;
  find("#resolution", box).value = seen.resolution;
  const [stack] = held({ ...seen, step: seen.step || 1 });
  if (stack.frames > 1) {
    film(stack, text);
    curves(stack);
  }
  heads();
}

// A few steps, evenly spread, to see and to choose.
function film(stack, text) {
  const { steps, grid } = state.run;
  const count = Math.min(FILM, steps);
  const chosen = Array.from({ length: count }, (_, index) =>
    count > 1 ? Math.round(1 + (index * (steps - 1)) / (count - 1)) : 1);
  find("#film", box).replaceChildren(...chosen.map((step) => {
    const canvas = element("canvas", { "aria-hidden": "true" });
    thumbnail(canvas, mapOf(`w${state.current}`, [stack, frameOf(step, stack)]), grid);
    return element("button", {
      type: "button",
      "aria-label": `${text} at step ${step}`,
      "aria-pressed": state.view.step === step,
      onclick: () => view({ step: state.view.step === step ? 0 : step }),
    }, canvas, String(step));
  }));
}

function curves(stack) {
  const { words, steps } = state.run;
  const keys = words.map((_, index) => `w${index}`);
  const pinned = [...state.pins].filter(([key]) => key[0] === "w");
  const shown = new Map(pinned.map(([key, hue]) => [Number(key.slice(1)), HUES[hue]]));
  if (!shown.has(state.current)) shown.set(state.current, null);
  const table = Array.from({ length: steps }, (_, step) =>
    shares([stack, frameOf(step + 1, stack)], keys));
  drawPlot(find("#plot", box), [...shown].map(([index, colour]) => ({
    name: labelOf(`w${index}`),
    colour,
    values: table.map((row) => row[index]),
  })), state.view.step);
}

async function heads() {
  const { run } = state;
  if (run.shipped || run.own) return;
  const grid = find("#heads", box);
  const hint = find("#head-hint", box);
  if (!run.heads) {
    hint.textContent = "not kept: the picture is too large";
    grid.replaceChildren();
    return;
  }
  const { view: seen } = state;
  const stack = await fetchHeads(seen);
  if (run !== state.run || seen !== state.view) return;
  const { head } = seen;
  hint.textContent = head === null ? `mean of all ${stack.frames}` : `head ${head + 1} alone`;
  const text = labelOf(`w${state.current}`);
  grid.replaceChildren(...Array.from({ length: stack.frames }, (_, index) => {
    const canvas = element("canvas", { "aria-hidden": "true" });
    thumbnail(canvas, mapOf(`w${state.current}`, [stack, index]), run.grid);
    return element("button", {
      type: "button",
      "aria-label": `Head ${index + 1}, ${text}`,
      "aria-pressed": head === index,
      onclick: () => view({ head: head === index ? null : index }),
    }, canvas, String(index + 1));
  }));
}

function play() {
  const button = find("#play", box);
  const show = (on) => {
    find("use", button).setAttribute("href", on ? "#i-pause" : "#i-play");
    button.setAttribute("aria-label", on ? "Pause" : "Play the steps");
  };
  if (playing || !state.run) {
    clearInterval(playing);
    playing = 0;
    show(false);
    return;
  }
  if (state.view.step >= state.run.steps) view({ step: 0 });
  show(true);
  playing = setInterval(() => {
    view({ step: clamp(state.view.step + 1, 0, state.run.steps) });
    if (state.view.step >= state.run.steps) play();
  }, PACE);
}
