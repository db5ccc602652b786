// Regions: a mask is brushed on the picture for a word, and the word is held to it.

import { all, ask, element, fill, find, icon, on, percent, radios, set, state } from "./store.js";
import { isMinor } from "./chips.js";
import { HUES } from "./draw.js";
import { largest, mapOf } from "./maps.js";
import { windowAxis, windowRow } from "./windows.js";

const SIDE = 256; // of the canvas that is brushed on
const SENT = 32; // and of the mask that is sent
const UNDOS = 12;
const settings = { hold: 1, window: [0, 0.6] };
let box;
let part;
let tool = "brush";
let undo = [];
let last = null;

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
  find("#regions-draw", root).addEventListener("click", () => {
    if (state.busy) return;
    ask("start");
    part.trigger("submit");
  });
  mountBrush(find("#stage"));
  on("run", restore);
  on("run tab current regions busy", show);
  restore();
  show();
}

const during = () => windowRow("During", settings.window, state.run?.steps ?? 25, (shares) => {
  settings.window = shares;
  commit();
});

// A picture drawn with regions brings them along.
function restore() {
  const kept = state.run?.regions ?? [];
  if (kept.length) {
    settings.window = kept[0].window;
    settings.hold = kept[0].hold;
    find("#hold", box).value = settings.hold;
    fill(find("#hold", box));
    find("#hold-shown", box).textContent = settings.hold.toFixed(1);
    const regions = new Map();
    for (const { word, mask } of kept) {
      const index = state.run.words.findIndex(({ text }) => text === word);
      if (index >= 0) regions.set(index, fromRows(mask, freeHue(regions)));
    }
    set({ regions });
  }
  find("#region-window", box).replaceChildren(during(), windowAxis());
}

const freeHue = (regions) => {
  const used = [...state.pins.values(), ...[...regions.values()].map(({ hue }) => hue)];
  return Math.max(0, HUES.findIndex((_, hue) => !used.includes(hue)));
};

const blank = () => {
  const canvas = element("canvas", { width: SIDE, height: SIDE });
  return { canvas, context: canvas.getContext("2d", { willReadFrequently: true }) };
};

function fromRows(mask, hue) {
  const made = blank();
  made.context.fillStyle = HUES[hue];
  const cell = SIDE / mask.length;
  mask.forEach((row, y) => [...row].forEach((mark, x) => {
    if (mark === "#") made.context.fillRect(x * cell, y * cell, cell, cell);
  }));
  return { ...made, hue };
}

function regionOf(index) {
  if (!state.regions.has(index)) {
    const hue = state.pins.get(`w${index}`) ?? freeHue(state.regions);
    state.regions.set(index, { ...blank(), hue });
  }
  return state.regions.get(index);
}

function mountBrush(stage) {
  const ring = find("#brush-ring");
  const active = () => state.run && state.tab === "Regions" && !state.busy;
  const at = (event) => {
    const frame = stage.getBoundingClientRect();
    return [((event.clientX - frame.left) / frame.width) * SIDE, ((event.clientY - frame.top) / frame.height) * SIDE];
  };
  const follow = (event) => {
    const frame = stage.getBoundingClientRect();
    const size = find("#brush-size").value;
    ring.hidden = false;
    ring.style.cssText = `left:${event.clientX - frame.left}px;top:${event.clientY - frame.top}px;width:${size}px;height:${size}px`;
  };
  stage.addEventListener("pointerdown", (event) => {
    if (!active()) return;
    stage.setPointerCapture(event.pointerId);
    const { context } = regionOf(state.current);
    undo.push([state.current, context.getImageData(0, 0, SIDE, SIDE)]);
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

function stroke([x0, y0], [x1, y1], stage) {
  const { context, hue } = regionOf(state.current);
  context.globalCompositeOperation = tool === "erase" ? "destination-out" : "source-over";
  context.lineCap = "round";
  context.lineWidth = (find("#brush-size").value * SIDE) / stage.clientWidth;
  context.strokeStyle = HUES[hue];
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}

function drawRegions() {
  const layer = find("#regions-layer");
  Object.assign(layer, { width: SIDE, height: SIDE });
  if (state.tab !== "Regions" || state.busy) return;
  const context = layer.getContext("2d");
  for (const [index, { canvas }] of state.regions) {
    context.globalAlpha = index === state.current ? 0.6 : 0.35;
    context.drawImage(canvas, 0, 0);
  }
}

// Rows of "#" and "." of a region.
function rowsOf({ canvas }) {
  const small = element("canvas", { width: SENT, height: SENT });
  const context = small.getContext("2d");
  context.drawImage(canvas, 0, 0, SENT, SENT);
  const { data } = context.getImageData(0, 0, SENT, SENT);
  return Array.from({ length: SENT }, (_, y) =>
    Array.from({ length: SENT }, (_, x) => (data[(y * SENT + x) * 4 + 3] > 127 ? "#" : ".")).join(""));
}

const filled = () => [...state.regions]
  .map(([index, region]) => ({ index, region, mask: rowsOf(region) }))
  .filter(({ mask }) => mask.some((row) => row.includes("#")));

function commit() {
  const regions = filled().map(({ index, mask }) => ({ word: state.run.words[index].text, mask }));
  part.props.value = { regions, ...settings };
}

function takeBack() {
  const [index, image] = undo.pop();
  regionOf(index).context.putImageData(image, 0, 0);
  set({ regions: new Map(state.regions) });
}

function show() {
  find("#stage").classList.toggle("painting", state.tab === "Regions" && Boolean(state.run));
  drawRegions();
  if (!state.run) return;
  const { words } = state.run;
  find("#region-words", box).replaceChildren(...words.flatMap(({ text }, index) => {
    if (isMinor(text)) return [];
    const chosen = index === state.current;
    return element("button", {
      type: "button", role: "radio", "aria-checked": chosen, tabindex: chosen ? 0 : -1, "data-index": index,
    }, text);
  }));
  const regions = filled();
  const none = element("li", { class: "none" }, "No word is held yet.");
  find("#region-list", box).replaceChildren(...(regions.length ? regions.map(item) : [none]));
  find("#region-undo", box).disabled = !undo.length;
  find("#region-clear", box).disabled = !state.regions.size;
  find("#regions-draw", box).disabled = !regions.length;
  commit();
}

function item({ index, region, mask }) {
  const { text } = state.run.words[index];
  const area = mask.join("").replaceAll(".", "").length / SENT ** 2;
  const remove = () => {
    const regions = new Map(state.regions);
    regions.delete(index);
    set({ regions });
  };
  return element(
    "li", {},
    element("i", { class: "swatch", style: `--c:${HUES[region.hue]}` }),
    element("span", {}, text, element("em", {}, `${percent(area, 0)} of the picture`)),
    element("span", { class: "n" }, `${percent(insideOf(index, mask), 0)} inside now`),
    element("button", { type: "button", "aria-label": `Remove the region of ${text}`, onclick: remove }, icon("x")),
  );
}

// How much of the word's attention lies in its region in the picture as it is.
function insideOf(index, mask) {
  const [rows, columns] = state.run.grid;
  const map = mapOf(`w${index}`, [state.run.stack, 0]);
  let inside = 0;
  map.forEach((value, at) => {
    const y = Math.floor(((Math.floor(at / columns) + 0.5) / rows) * SENT);
    const x = Math.floor((((at % columns) + 0.5) / columns) * SENT);
    if (mask[y][x] === "#") inside += value;
  });
  return inside / (map.reduce((sum, value) => sum + value, 0) || largest(map));
}
