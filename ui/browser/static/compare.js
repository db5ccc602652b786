// Before and after: one picture uncovers the other along a divider; and what an edit changed.

import { ask, clamp, find, offer, on, set, state } from "./store.js";

const PARTS = ["before", "cut", "tag-left", "tag-right", "cut-range"];
const SWEEP = 900; // ms that a new edit takes to cover its source
const SHOWN = 4000; // ms that the outline of what changed stays
const CHANGED = 24; // of 255, by which a channel must differ
let sweeping = 0;
let fading = 0;

export function mountCompare(stage) {
  const range = find("#cut-range");
  const follow = (event) => {
    const box = stage.getBoundingClientRect();
    put(clamp(((event.clientX - box.left) / box.width) * 100, 0, 100));
  };
  offer("compare", compare);
  offer("sweep", sweep);
  offer("beside", beside);
  offer("share changed", () => {
    const found = difference();
    return found && found.mask.reduce((sum, one) => sum + one, 0) / found.mask.length;
  });
  find("#compare").addEventListener("click", () => compare(!state.comparing));
  range.addEventListener("input", () => put(Number(range.value)));
  stage.addEventListener("pointerdown", (event) => {
    if (!state.comparing) return;
    stage.setPointerCapture(event.pointerId);
    follow(event);
  });
  stage.addEventListener("pointermove", (event) => state.comparing && event.buttons && follow(event));
  on("run comparing busy hover", show);
  on("tab view", clearOutline);
}

function compare(comparing) {
  if (!state.run?.before || state.busy) return;
  if (comparing && !state.comparing) put(besideChange());
  set({ comparing, place: null });
}

// Another picture in the place of that before.
async function beside(before) {
  const image = new Image();
  image.src = before.picture.url;
  try {
    await image.decode();
  } catch {
    return void ask("warn", "That picture is no longer kept here: click it to draw it again, then compare.");
  }
  const canvas = find("#before");
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.dataset.shown = before.picture.url;
  set({ run: { ...state.run, before, cards: null } });
  put(50);
  set({ comparing: true, place: null });
}

function put(share) {
  find("#cut-range").value = share;
  find("#cut").style.left = `${share}%`;
  find("#before").style.clipPath = `inset(0 ${100 - share}% 0 0)`;
}

function show() {
  const on = state.comparing && !state.busy;
  const seen = on && state.hover === null; // a word that is pointed at is seen on the new picture
  const button = find("#compare");
  button.disabled = !state.run?.before || Boolean(state.busy);
  button.setAttribute("aria-pressed", on);
  for (const name of PARTS) find(`#${name}`).hidden = !seen;
  find("#cut-range").hidden = !on;
  find("#stage").classList.toggle("comparing", on);
  if (!on) return;
  find("#tag-left").textContent = state.run.before.name;
  find("#tag-right").textContent = state.run.before.against;
}

// An edit's picture comes whole: it covers its source once, and what changed is outlined.
function sweep() {
  cancelAnimationFrame(sweeping);
  clearTimeout(fading);
  outline();
  fading = setTimeout(clearOutline, SHOWN);
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const before = find("#before");
  const started = performance.now();
  before.hidden = false;
  const step = (now) => {
    const share = clamp((now - started) / SWEEP, 0, 1);
    before.style.clipPath = `inset(0 0 0 ${100 * share}%)`;
    if (share < 1 && !state.comparing && !state.busy) sweeping = requestAnimationFrame(step);
    else show();
  };
  sweeping = requestAnimationFrame(step);
}

// Which pixels differ between the two pictures, or null before both are there.
function difference() {
  const [after, before] = [find("#picture"), find("#before")];
  if (!after.dataset.shown || !before.dataset.shown) return null;
  const { width, height } = after;
  const [a, b] = [after, before].map((canvas) =>
    canvas.getContext("2d").getImageData(0, 0, width, height).data);
  const mask = new Uint8Array(width * height);
  for (let at = 0; at < mask.length; at++) {
    const most = Math.max(...[0, 1, 2].map((channel) => Math.abs(a[4 * at + channel] - b[4 * at + channel])));
    mask[at] = most > CHANGED ? 1 : 0;
  }
  return { mask, width, height };
}

// Where the divider shows the change best: left of it the source, so behind most of it.
function besideChange() {
  const found = difference();
  const columns = [];
  found?.mask.forEach((one, at) => one && columns.push(at % found.width));
  if (!columns.length) return 50;
  columns.sort((x, y) => x - y);
  return clamp((100 * columns[columns.length >> 1]) / found.width, 10, 90);
}

function outline() {
  const found = difference();
  const canvas = find("#changed");
  if (!found) return;
  const { mask, width, height } = found;
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const calm = closed(mask, width, height);
  for (let at = 0; at < calm.length; at++) {
    const edge = calm[at] && [-2, 2, -2 * width, 2 * width].some((by) => !calm[at + by]);
    if (edge) image.data.set([255, 255, 255, 235], 4 * at);
  }
  context.putImageData(image, 0, 0);
  canvas.classList.add("seen");
}

const clearOutline = () => find("#changed").classList.remove("seen");

// The mask without specks and with its small gaps filled: by how much of a window is changed.
function closed(mask, width, height) {
  const radius = Math.max(4, Math.round(width / 64));
  const sums = new Float64Array((width + 1) * (height + 1));
  for (let y = 0; y < height; y++) {
    let row = 0;
    for (let x = 0; x < width; x++) {
      row += mask[y * width + x];
      sums[(y + 1) * (width + 1) + x + 1] = sums[y * (width + 1) + x + 1] + row;
    }
  }
  const made = new Uint8Array(mask.length);
  for (let y = 0; y < height; y++) {
    const [top, bottom] = [Math.max(0, y - radius), Math.min(height, y + radius + 1)];
    for (let x = 0; x < width; x++) {
      const [left, right] = [Math.max(0, x - radius), Math.min(width, x + radius + 1)];
      const at = (yy, xx) => sums[yy * (width + 1) + xx];
      const count = at(bottom, right) - at(top, right) - at(bottom, left) + at(top, left);
      made[y * width + x] = count > 0.4 * (bottom - top) * (right - left) ? 1 : 0;
    }
  }
  return made;
}
