// The stage: the picture, what is drawn over it, and the line below that says what is seen.

import { all, ask, element, fill, find, offer, on, percent, radios, set, state } from "./store.js";
import { isMinor, mountChips, whole } from "./chips.js";
import { mountCompare } from "./compare.js";
import { mountPlace } from "./place.js";
import { HUES, paint, scaleColours } from "./draw.js";
import { held, keys, labelOf, largest, mapOf, shares, sharedTop, tokensOf, unpack, wordOf } from "./maps.js";

const LONGER_SIDE = 384;

export function mount(root, { props, watch, trigger }) {
  offer("say", (text) => (find("#say").textContent = text));
  const take = () => props.value && open(props.value);
  watch("value", take);
  mountChips(find("#chips", root), find("#all-tokens", root));
  mountPlace(find("#stage", root));
  mountCompare(find("#stage", root), trigger);
  mountView(root);
  on("run hover pins tokens mode strength shared view comparing busy tab current stack", drawOverlay);
  on("run hover pins tokens shared view comparing busy tab place current stack", caption);
  on("busy run", showProgress);
  caption();
  take();
}

// A new picture: everything that belonged to the one before is let go.
function open(run) {
  const again = state.run?.id === run.id;
  const stack = unpack(run.stack);
  const same = state.run?.words.map((word) => word.text).join() === run.words.map((w) => w.text).join();
  set({
    run: { ...run, stack },
    weights: run.words.map((word) => word.weight),
    view: { step: 0, layer: "all", resolution: "all", head: null },
    pins: same ? state.pins : new Map(),
    current: same ? state.current : weightiest(run),
    hover: null,
    place: null,
    comparing: false,
    busy: null,
  });
  showPicture(run);
  if (!again) ask("say", "Picture ready");
  if (state.afterwards === "compare" && run.edit) ask("compare", true);
  set({ afterwards: null });
}

function showPicture(run) {
  const stage = find("#stage");
  stage.classList.remove("empty");
  stage.style.aspectRatio = `${run.width} / ${run.height}`;
  const [height, width] = sizeWithin(run, 768);
  const large = sizeWithin(run, LONGER_SIDE);
  Object.assign(find("#overlay"), { height: large[0], width: large[1] });
  find("#picture").setAttribute("aria-label", run.prompt);
  load(find("#picture"), run.picture.url, width, height);
  load(find("#before"), run.before?.picture.url, width, height);
}

// The word that panels follow first.
function weightiest({ words, stack }) {
  const mass = (word) => word.tokens.reduce((sum, token) => sum + stack.mass[token], 0);
  const named = words.filter((word) => !isMinor(word.text));
  const best = named.sort((a, b) => mass(b) - mass(a))[0];
  return Math.max(0, words.indexOf(best));
}

const sizeWithin = ({ height, width }, longer) => {
  const scale = longer / Math.max(height, width);
  return [Math.round(height * scale), Math.round(width * scale)];
};

// Small pictures are enlarged smoothly; the file keeps its own pixels.
function load(canvas, url, width, height) {
  Object.assign(canvas, { width, height });
  delete canvas.dataset.shown;
  canvas.dataset.wanted = url ?? "";
  if (!url) return;
  const image = new Image();
  image.onload = () => {
    if (canvas.dataset.wanted !== url) return;
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(image, 0, 0, width, height);
    canvas.dataset.shown = url;
    if (canvas.id === "picture") set({ shown: url });
  };
  image.src = url;
}

const pinned = () => [...state.pins].filter(([key]) => keys().includes(key));

// The one word or token whose map is seen: that pointed at, or that whose steps are looked into.
function looked() {
  if (keys().includes(state.hover)) return state.hover;
  if (state.tab !== "Time and depth" || pinned().length) return null;
  return keys().find((key) => wordOf(key) === state.current) ?? null;
}

function drawOverlay() {
  const stage = find("#stage");
  const hidden = !state.run || state.comparing || state.busy;
  const one = hidden ? null : looked();
  const pins = hidden || state.tab === "Regions" ? [] : pinned();
  if (!one && !pins.length) {
    stage.dataset.over = "none";
    return;
  }
  const layers = one
    ? [{ map: mapOf(one), hue: null }]
    : pins.map(([key, hue]) => ({ map: mapOf(key), hue: HUES[hue] }));
  stage.dataset.over = state.mode === "heat" && !one ? "pins" : state.mode;
  paint(find("#overlay"), layers, state.run.grid, {
    mode: state.mode,
    strength: state.strength,
    top: state.shared ? sharedTop() : 0,
  });
}

function showProgress() {
  const { busy } = state;
  find("#progress").hidden = !busy;
  find("#preview").hidden = !busy?.preview;
  find("#invite").hidden = Boolean(busy?.preview || state.run);
  if (!busy) return;
  find("#progress i").style.width = `${(100 * busy.step) / (busy.total || 1)}%`;
  if (busy.preview) find("#preview").src = busy.preview;
}

// "step 3 of 25, down.1, head 2": what of the record is seen, or nothing if it is all of it.
function part() {
  const { step, layer, resolution, head } = state.view;
  return [
    step && `step ${step} of ${state.run.steps}`,
    layer !== "all" && layer,
    resolution !== "all" && `${resolution} × ${resolution}`,
    head !== null && `head ${head + 1}`,
  ].filter(Boolean).join(", ");
}

const line = (...children) => element("span", { class: "grow" }, ...children);
const strong = (text) => element("b", {}, text);

function caption() {
  find("#caption").replaceChildren(...captionParts());
}

function captionParts() {
  const { run, busy, hover } = state;
  if (busy) return [line(...progressText(busy))];
  if (!run) return [line("The picture’s words will be here.")];
  const tail = part() ? [element("span", { class: "hint" }, part())] : [];
  if (state.comparing) return [line(run.before.sentence)];
  if (keys().includes(hover)) return [line(...wordText(hover)), ramp(hover)];
  if (state.tab === "Regions") return [line("Brushing where ", strong(labelOf(`w${state.current}`)), " may go")];
  if (state.place) {
    const kept = "Choose a word in the list to pin it.";
    return [line(state.place.kept ? kept : "Click to keep this list open."), ...tail];
  }
  if (pinned().length) return [legend(), ...tail, ...legendButtons()];
  if (looked()) return [line(...wordText(looked())), ramp(looked())];
  return [line("Point at a word to see where it went, or at the picture to see its words."), ...tail];
}

function progressText({ step, total, seconds, ahead }) {
  if (ahead) return ["Waiting for the model, ", strong(`${ahead} ahead`)];
  if (!total) return ["Starting…"];
  const left = step ? `, ${((seconds / step) * (total - step)).toFixed(1)} s left` : "";
  return [strong(`Step ${step} of ${total}`), left];
}

function wordText(key) {
  const share = shares()[keys().indexOf(key)];
  const tokens = tokensOf(key);
  const places = tokens.length > 1 ? `tokens ${tokens[0]}–${tokens.at(-1)}` : `token ${tokens[0]}`;
  const known = state.tokens || !tokens.length ? "" : `, ${places}`;
  return [strong(labelOf(key)), ` ${percent(share)} of ${whole()}${known}${part() && `, ${part()}`}`];
}

function ramp(key) {
  const top = state.shared ? sharedTop() : largest(mapOf(key, held()));
  return element(
    "span", { class: "ramp" },
    element("span", {}, "0"),
    element("i", { style: `background:linear-gradient(90deg,${scaleColours()})` }),
    element("span", { class: "n" }, top.toFixed(2)),
  );
}

function legend() {
  const share = shares();
  const box = element("span", { class: "legend" });
  for (const [key, hue] of state.pins) {
    const at = keys().indexOf(key);
    if (at < 0) continue;
    const swatch = element("i", { class: "swatch", style: `--c:${HUES[hue]}` });
    box.append(element("span", {}, swatch, labelOf(key), element("em", {}, percent(share[at]))));
  }
  return box;
}

function legendButtons() {
  const scale = element("button", {
    type: "button",
    title: "Each word by its own peak, or all on one scale",
    onclick: () => set({ shared: !state.shared }),
  }, `Scale: ${state.shared ? "shared" : "each word"}`);
  const clear = () => set({ pins: new Map() });
  return [scale, element("button", { type: "button", onclick: clear }, "Clear")];
}

function mountView(root) {
  radios(find("#modes", root), (button) => set({ mode: button.dataset.mode }));
  const strength = find("#strength", root);
  strength.addEventListener("input", () => set({ strength: strength.value / 100 }));
  for (const range of all("input[type=range]", root)) fill(range);
  offer("point", (index) => {
    const key = index === null ? null : keys().find((one) => wordOf(one) === index);
    set(index === null ? { hover: null } : { hover: key ?? null, current: index });
  });
}
