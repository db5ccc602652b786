// The stage: the picture, what is drawn over it, and the line below that says what is seen.

import { all, ask, element, fill, find, offer, on, percent, radios, server, set, state, touched } from "./store.js";
import { isMinor, mountChips } from "./chips.js";
import { mountCompare } from "./compare.js";
import { mountPlace } from "./place.js";
import { mountWordBar } from "./word_bar.js";
import { HUES, paint, scaleColours } from "./draw.js";
import {
  coverOf, held, isWeak, keyOfWord, keys, labelOf, largest, mapOf, massOf, sharedTop, sketchOf, unpack, wordOf,
} from "./maps.js";

const LONGER_SIDE = 384;
// What the caption teaches on the first picture, one after the other.
const TEACHES = touched
  ? [
      "Touch a word below: its map shows where it went.",
      "Now press its + or −, then Generate: more of it, or less.",
      "Hold a word, type another, Enter: the rest stays.",
    ]
  : [
      "Point at a word below: its map shows where it went.",
      "Now pull its slider, then Generate: more of the word, or less.",
      "Double-click a word, type another, Enter: the rest of the picture stays.",
    ];
const POINT = touched ? "Touch" : "Point at";
const HOLD = touched ? "hold it" : "double-click it";
let taught = 0; // times that a word was pointed at

export function mount(root, { props, watch }) {
  offer("say", (text) => (find("#say").textContent = text));
  const take = () => props.value && open(props.value);
  offer("show", open);
  watch("value", take);
  mountChips(find("#chips", root));
  mountWordBar(find("#word-bar", root));
  mountPlace(find("#stage", root));
  mountCompare(find("#stage", root));
  mountView(root);
  on("run hover pins tokens phrases mode strength shared view comparing busy tab current stack", drawOverlay);
  on("run hover pins tokens phrases mode shared view comparing busy tab place current stack", caption);
  on("hover", () => state.run?.shipped && state.hover === null && (taught += 1));
  on("busy run glance view stack comparing", showProgress);
  on("run fields", () => set({ glance: null }));
  offer("quick", quick);
  caption();
  take();
}

// A new picture: everything that belonged to the one before is let go.
function open(run) {
  const again = state.run?.id === run.id;
  const fresh = Boolean(state.pressed);
  const stack = unpack(run.stack);
  const same = state.run?.words.map((word) => word.text).join() === run.words.map((w) => w.text).join();
  showPicture(run); // first, for a canvas that is given its size is empty
  set({
    run: { ...run, stack },
    weights: run.words.map((word) => word.weight),
    view: { step: 0, layer: "all", resolution: "all", head: null },
    pins: same ? state.pins : new Map(),
    phrases: same ? state.phrases : [],
    current: same ? state.current : foremost(run),
    hover: null,
    place: null,
    comparing: false,
    busy: null,
    pressed: "",
  });
  if (!again) ask("say", "Picture ready");
  if (fresh && run.edit) whenShown(() => state.run.id === run.id && ask("sweep"));
}

// Once the picture and the one before it are painted.
function whenShown(deed) {
  const there = () => find("#picture").dataset.shown && find("#before").dataset.shown;
  const off = on("shown", () => {
    if (!there()) return;
    off();
    deed();
  });
}

function showPicture(run) {
  const stage = find("#stage");
  stage.classList.remove("empty");
  stage.parentNode.style.setProperty("--ratio", run.width / run.height);
  const [height, width] = sizeWithin(run, 768);
  const large = sizeWithin(run, LONGER_SIDE);
  Object.assign(find("#overlay"), { height: large[0], width: large[1] });
  find("#changed").classList.remove("seen");
  find("#picture").setAttribute("aria-label", run.prompt);
  load(find("#picture"), run.picture.url, width, height);
  load(find("#before"), run.before?.picture.url, width, height);
}

// The word that panels follow first: that which covers most.
function foremost({ words }) {
  const named = words.filter((word) => !isMinor(word.text));
  const best = named.sort((a, b) => b.cover - a.cover)[0];
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
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.imageSmoothingQuality = "high";
    context.drawImage(image, 0, 0, width, height);
    canvas.dataset.shown = url;
    set({ shown: find("#picture").dataset.shown ?? "" });
  };
  image.src = url;
}

const pinned = () => [...state.pins].filter(([key]) => keys().includes(key));

// The one word or token whose map is seen: that pointed at, or that whose steps are looked into.
function looked() {
  if (keys().includes(state.hover)) return state.hover;
  if (state.tab !== "Time" || pinned().length || state.comparing) return null;
  return state.tokens
    ? keys().find((key) => wordOf(key) === state.current) ?? null
    : keyOfWord(state.current) ?? null;
}

function drawOverlay() {
  const stage = find("#stage");
  const hidden = !state.run || state.busy;
  const one = hidden ? null : looked();
  const pins = hidden || state.comparing || state.tab === "Regions" ? [] : pinned();
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
  const sketch = state.run && !busy && !state.comparing ? sketchOf() : null;
  find("#preview").hidden = !busy?.preview && !sketch;
  if (sketch) find("#preview").src = sketch;
  find("#invite").hidden = Boolean(busy?.preview || state.run);
  const { glance } = state;
  find("#tag-glance").hidden = !glance;
  if (glance && !busy) {
    find("#preview").hidden = false;
    find("#preview").src = glance.url;
    find("#tag-glance").textContent = glance.tag;
  }
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
  const tail = part() ? [element("span", { class: "hint part-of" }, part()), backButton()] : [];
  if (keys().includes(hover)) return [line(...wordText(hover)), ...tail.slice(0, 1), ramp(hover)];
  if (state.comparing) return [line(run.before.sentence)];
  if (state.tab === "Regions") return [line("Brushing where ", strong(labelOf(`w${state.current}`)), " may go")];
  if (state.place) {
    const kept = "Choose a word in the list to pin it.";
    return [line(state.place.kept ? kept : touched ? "Touch the place to keep this list." : "Click to keep this list open."), ...tail];
  }
  if (pinned().length) return [legend(), ...tail, ...legendButtons()];
  if (looked()) return [line(...wordText(looked())), ...tail, ramp(looked())];
  if (run.own) return [line(`${POINT} a word to see where it is in your picture, ${HOLD} to replace it.`)];
  if (run.shipped) return [line(TEACHES[Math.min(taught, TEACHES.length - 1)])];
  return [line(`${POINT} a word to see where it went, ${HOLD} to replace it.`), ...tail];
}

// A sketch in few steps of the weights as they are: one is under way, the newest waits.
let sketching = false;
let sketchAgain = false;
async function quick() {
  sketchAgain = true;
  if (sketching || state.busy || state.run.edit || !state.run.code?.Recipe) return;
  sketching = true;
  while (sketchAgain && !state.busy) {
    sketchAgain = false;
    const { run, weights } = state;
    const answer = await server.quick({ recipe: run.code.Recipe, weights });
    if (run !== state.run || state.busy || !answer.picture) break;
    set({ glance: { url: answer.picture, tag: `a sketch in ${answer.steps} steps: draw again for the picture` } });
  }
  sketching = false;
}

function progressText({ step, total, seconds, ahead, of, says }) {
  if (says) return [says];
  if (ahead) return ["Waiting for the model, ", strong(`${ahead} ahead`)];
  if (!total) return ["Starting…"];
  const left = step ? `, ${((seconds / step) * (total - step)).toFixed(1)} s left` : "";
  const which = of ? `Picture ${of[0]} of ${of[1]}, ` : "";
  return [which, strong(`${which ? "step" : "Step"} ${step} of ${total}`), left];
}

function wordText(key) {
  const weak = isWeak(key) ? ", weak: hardly anywhere more than its share" : "";
  if (key[0] === "t") {
    return [strong(labelOf(key)), ` ${percent(massOf(key))} of all attention`];
  }
  return [strong(labelOf(key)), ` covers ${percent(coverOf(key))} of the picture${weak}`];
}

// How the colours run; lines have none.
function ramp(key) {
  if (state.mode !== "heat") return "";
  const top = state.shared ? sharedTop() : largest(mapOf(key, held()));
  return element(
    "span", { class: "ramp" },
    element("span", {}, "0"),
    element("i", { style: `background:linear-gradient(90deg,${scaleColours()})` }),
    element("span", { class: "n" }, top.toFixed(2)),
  );
}

const backButton = () => element("button", {
  type: "button", onclick: () => set({ view: { step: 0, layer: "all", resolution: "all", head: null } }),
}, "All steps");

function legend() {
  const box = element("span", { class: "legend", tabindex: 0, role: "group", "aria-label": "Pinned words" });
  for (const [key, hue] of pinned()) {
    const swatch = element("i", { class: "swatch", style: `--c:${HUES[hue]}` });
    const share = key[0] === "t" ? massOf(key) : coverOf(key);
    box.append(element("span", {}, swatch, labelOf(key), element("em", {}, percent(share, 0))));
  }
  return box;
}

function legendButtons() {
  const scale = element("button", {
    type: "button", id: "scale",
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
    const key = index === null ? null : state.tokens
      ? keys().find((one) => wordOf(one) === index)
      : keyOfWord(index);
    set(index === null ? { hover: null } : { hover: key ?? null, current: index });
  });
}
