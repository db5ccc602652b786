// Regions: a mask is brushed on the picture for a word, and the word is held to it.

import { all, ask, element, fill, find, icon, offer, on, percent, radios, set, state } from "./store.js";
import { isMinor } from "./chips.js";
import { HUES } from "./draw.js";
import { numberOf } from "./maps.js";
import { blank, edge, fromRows, insideOf, rowsOf, SENT, SIDE } from "./region_masks.js";
import { windowAxis, windowRow } from "./windows.js";

const UNDOS = 12;
const settings = { hold: 1, window: [0, 0.6] };
let box;
let part;
let tool = "brush";
let undo = []; // [name of the word, pixels of its region before a stroke]
let last = null;
let planned = 0; // steps that the window was drawn for

export function mount(root, given) {
  box = root;
  part = given;
  radios(find("#region-words", root), (button) => set({ current: Number(button.dataset.index) }));
  radios(find("#region-tool", root), (button) => (tool = button.dataset.tool));
  const size = find("#brush-size", root);
  size.addEventListener("input", () => (find("#brush-size-shown").textContent = `${size.value} px`));
  const hold = find("#hold", root);
  hold.addEventListener("input", () => {
    settings.hold = Number(hold.value);
    find("#hold-shown").textContent = settings.hold.toFixed(1);
    commit();
  });
  for (const range of all("input[type=range]", root)) fill(range);
  find("#region-undo", root).addEventListener("click", takeBack);
  find("#region-clear", root).addEventListener("click", () => {
    undo = [];
    set({ regions: new Map() });
  });
  find("#regions-draw", root).addEventListener("click", () => ask("again", "#regions-draw"));
  offer("held", () => (state.run ? filled().filter(({ name }) => typed(name)).map(({ name }) => name.replace("#", " ")) : []));
  offer("regions changed", () => Boolean(state.run) && !drawnAlready(filled()));
  const stage = find("#stage");
  mountBrush(stage);
  on("tab current", () => (showing = true));
  on("run", restore); // behind that: a new picture is seen bare, though a word of it is chosen
  on("fields", () => Number(state.fields.steps) !== planned && showWindow());
  stage.addEventListener("pointerenter", () => {
    showing = true;
    drawRegions();
  });
  on("run tab current regions busy comparing reading", show);
  restore();
  show();
}

const during = () => windowRow("During", settings.window, Number(state.fields.steps) || 25, (shares) => {
  settings.window = shares;
  commit();
});

// A picture brings its regions along; those that are here already keep their strokes.
function restore() {
  const kept = state.run?.regions ?? [];
  showing = !kept.length;
  if (kept.length) {
    settings.window = kept[0].window;
    settings.hold = kept[0].hold;
    find("#hold", box).value = settings.hold;
    fill(find("#hold", box));
    find("#hold-shown", box).textContent = settings.hold.toFixed(1);
  }
  const regions = new Map();
  for (const { word, mask } of kept) {
    const here = state.regions.get(word);
    const same = here && rowsOf(here).join() === mask.join();
    regions.set(word, same ? here : fromRows(mask, freeHue(regions)));
  }
  undo = undo.filter(([name]) => regions.has(name) && regions.get(name) === state.regions.get(name));
  set({ regions });
  showWindow();
}

function showWindow() {
  planned = Number(state.fields.steps);
  find("#region-window", box).replaceChildren(during(), windowAxis());
}

const freeHue = (regions) => {
  const used = [...state.pins.values(), ...[...regions.values()].map(({ hue }) => hue)];
  const times = HUES.map((_, hue) => used.filter((one) => one === hue).length);
  return times.indexOf(Math.min(...times));
};

const brushing = () => Boolean(state.run) && state.tab === "Regions" && !state.comparing;
let showing = true; // whether the regions lie over the picture; a new picture is seen bare first
const brushed = () => state.run.words[state.current].name;

function regionOf(name) {
  if (!state.regions.has(name)) {
    const index = state.run.words.findIndex((word) => word.name === name);
    const hue = state.pins.get(`w${index}`) ?? freeHue(state.regions);
    state.regions.set(name, { ...blank(), hue });
  }
  return state.regions.get(name);
}

function mountBrush(stage) {
  const ring = find("#brush-ring");
  const active = () => brushing() && !state.busy;
  const at = (event) => {
    const frame = stage.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  };
  const follow = (event) => {
    const frame = stage.getBoundingClientRect();
    const size = find("#brush-size").value;
    ring.hidden = false;
    ring.style.cssText = `left:${event.clientX - frame.left}px;top:${event.clientY - frame.top}px;width:${size}px;height:${size}px`;
  };
  stage.addEventListener("pointerdown", (event) => {
    if (!active()) return;
    showing = true;
    stage.setPointerCapture(event.pointerId);
    const { context } = regionOf(brushed());
    undo.push([brushed(), context.getImageData(0, 0, SIDE, SIDE)]);
    undo = undo.slice(-UNDOS);
    last = at(event);
    stroke(last, [last[0] + 0.01, last[1]], stage);
    follow(event);
    drawRegions();
  });
  stage.addEventListener("pointermove", (event) => {
    if (!active()) return;
    follow(event);
    if (!last || !event.buttons) return;
    const to = at(event);
    stroke(last, to, stage);
    last = to;
    drawRegions();
  });
  stage.addEventListener("pointerup", () => {
    if (!last) return;
    last = null;
    set({ regions: new Map(state.regions) });
  });
  stage.addEventListener("pointerleave", () => (ring.hidden = true));
}

// From and to pixels of the stage: the brush is round there, whatever the picture's shape.
function stroke([x0, y0], [x1, y1], stage) {
  const { context, hue } = regionOf(brushed());
  context.setTransform(SIDE / stage.clientWidth, 0, 0, SIDE / stage.clientHeight, 0, 0);
  context.globalCompositeOperation = tool === "erase" ? "destination-out" : "source-over";
  context.lineCap = "round";
  context.lineWidth = find("#brush-size").value;
  context.strokeStyle = HUES[hue];
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}

function drawRegions() {
  const layer = find("#regions-layer");
  Object.assign(layer, { width: SIDE, height: SIDE });
  find("#stage").classList.toggle("painting", brushing() && showing);
  if (!brushing() || state.busy || !showing) return;
  const context = layer.getContext("2d");
  for (const [name, { canvas }] of state.regions) {
    const chosen = name === brushed();
    context.globalAlpha = chosen ? 0.5 : 0.3;
    context.drawImage(canvas, 0, 0);
    context.globalAlpha = chosen ? 1 : 0.6;
    context.drawImage(edge(canvas), 0, 0);
  }
}

const filled = () => [...state.regions]
  .map(([name, region]) => ({ name, region, mask: rowsOf(region) }))
  .filter(({ mask }) => mask.some((row) => row.includes("#")));

function commit(regions = filled()) {
  const sent = regions.map(({ name, mask }) => ({ word: name, mask }));
  part.props.value = { regions: sent, ...settings };
}

function takeBack() {
  const [name, image] = undo.pop();
  regionOf(name).context.putImageData(image, 0, 0);
  set({ regions: new Map(state.regions) });
}

function show() {
  drawRegions();
  if (!state.run) return;
  const { edit, words } = state.run;
  const edited = edit ? " Words of an edit follow the source while its layout is kept." : "";
  find("#regions-lead", box).textContent = `Choose a word, then brush on the picture where it may go.${edited}`;
  find("#region-words", box).replaceChildren(...words.flatMap(({ text }, index) => {
    if (isMinor(text)) return [];
    const chosen = index === state.current;
    const number = numberOf(index);
    return element("button", {
      type: "button", role: "radio", "aria-checked": chosen, tabindex: chosen ? 0 : -1, "data-index": index,
    }, text, ...(number ? [element("sup", {}, number)] : []));
  }));
  const regions = filled();
  const none = element("li", { class: "none" }, "No word is held yet.");
  find("#region-list", box).replaceChildren(...(regions.length ? regions.map(item) : [none]));
  find("#region-undo", box).disabled = !undo.length;
  find("#region-clear", box).disabled = !state.regions.size;
  find("#regions-draw", box).disabled = !regions.length && drawnAlready(regions);
  commit(regions);
}

// Whether there is a word of that name among words: "red" or, of several, "red#2".
function has(words, name) {
  const [text, number = 1] = name.toLowerCase().split("#");
  return words.filter((word) => word.text.toLowerCase() === text).length >= number;
}

const typed = (name) => {
  const { edit, words } = state.run;
  return has(state.reading?.words ?? words, name) || Boolean(edit && has(words, name));
};

// Whether the picture was drawn with just these regions.
function drawnAlready(regions) {
  const told = (list, hold, window) => JSON.stringify(list.map(({ word, mask }) => [word, mask]).concat([[hold, window]]));
  const now = regions.filter(({ name }) => typed(name)).map(({ name, mask }) => ({ word: name, mask }));
  const kept = state.run.regions;
  if (!now.length && !kept.length) return true;
  const { hold, window } = kept[0] ?? settings;
  return told(now, settings.hold, settings.window) === told(kept, hold, window);
}

const FEW = 0.5; // of a word's map inside its region: less is a warning

// How much of the word lies inside: what was reached, where the picture was drawn with the region;
// and what to do where that is little.
function statusOf(name, mask) {
  const { words } = state.run;
  const told = (text) => [element("span", { class: "n" }, text)];
  if (!typed(name)) return told("not in the prompt");
  const index = words.findIndex((word) => word.name === name);
  if (index < 0) return told("not in this picture");
  const inside = insideOf(index, mask);
  const kept = state.run.regions.some((one) => one.word === name && one.mask.join() === mask.join());
  const little = kept && inside < FEW;
  const text = `${percent(inside, 0)} inside${kept ? "" : " now"}`;
  const more = element("p", { class: "warn" }, "Little of it: hold it more, or during more steps.");
  return [element("span", { class: "n" }, text), ...(little ? [more] : [])];
}

function item({ name, region, mask }) {
  const text = name.replace("#", " ");
  const [status, ...advice] = statusOf(name, mask);
  const area = mask.join("").replaceAll(".", "").length / SENT ** 2;
  const remove = () => {
    const regions = new Map(state.regions);
    regions.delete(name);
    set({ regions });
  };
  return element(
    "li", {},
    element("i", { class: "swatch", style: `--c:${HUES[region.hue]}` }),
    element("span", {}, text, element("em", {}, `${percent(area, 0)} of the picture`)),
    status,
    element("button", { type: "button", "aria-label": `Remove the region of ${text}`, onclick: remove }, icon("x")),
    ...advice,
  );
}
