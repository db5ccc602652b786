// The words as chips: pointed at, pinned, weighed, by hand or by key.

import { all, ask, clamp, decimal, element, find, offer, on, percent, set, state } from "./store.js";
import { HUES } from "./draw.js";
import { held, keys, labelOf, nameOf, numberOf, shares, sharesAt, wordOf } from "./maps.js";

const MINOR = new Set("a an the on in at of left right above below next to and front with under".split(" "));
let box;
let moved = false; // whether the click that follows ends a drag
let reached = null; // the key of the chip in the tab order

export function mountChips(root, switcher) {
  box = root;
  offer("pin", pin);
  offer("weigh", weigh);
  switcher.addEventListener("change", () => showTokens(switcher.checked));
  on("run tokens", build);
  on("run hover pins tokens weights view place regions stack", refresh);
  box.addEventListener("pointerover", (event) => {
    const chip = event.target.closest(".chip");
    if (chip && event.pointerType !== "touch") hover(chip.dataset.key);
  });
  box.addEventListener("pointerleave", () => {
    hover(find(".w:focus-visible", box)?.closest(".chip").dataset.key ?? null);
  });
  box.addEventListener("focusin", focused);
  box.addEventListener("focusout", () => box.matches(":hover") || hover(null));
  box.addEventListener("click", clicked);
  box.addEventListener("keydown", pressed);
  box.addEventListener("pointerdown", dragged);
}

export const isMinor = (text) => MINOR.has(text.toLowerCase());

function hover(key) {
  if (state.hover === key) return;
  const word = key === null ? -1 : wordOf(key);
  set(word < 0 ? { hover: key } : { hover: key, current: word });
}

function pin(key) {
  const pins = new Map(state.pins);
  if (!pins.delete(key)) pins.set(key, freeHue(key, pins));
  const word = wordOf(key);
  set(word < 0 ? { pins } : { pins, current: word });
  ask("say", `${labelOf(key)} ${pins.has(key) ? "pinned" : "unpinned"}`);
}

function freeHue(key, pins) {
  const region = state.regions.get(state.run.words[wordOf(key)]?.name);
  if (region) return region.hue;
  const used = [...pins.values(), ...[...state.regions.values()].map(({ hue }) => hue)];
  return Math.max(0, HUES.findIndex((_, hue) => !used.includes(hue)));
}

// Sets the weight of a word; the prompt follows.
function weigh(index, weight, quiet = false) {
  const rounded = clamp(Math.round(weight * 100) / 100, 0, 2);
  if (state.weights[index] === rounded) return;
  const weights = [...state.weights];
  weights[index] = rounded;
  set({ weights });
  ask("write");
  if (!quiet) ask("say", `${labelOf(`w${index}`)}, weight ${decimal(rounded)}`);
}

// Pins move with the words that they are on.
function showTokens(tokens) {
  const pins = new Map();
  for (const [key, hue] of state.pins) {
    const word = wordOf(key);
    if (word >= 0) pins.set(tokens ? `t${state.run.words[word].tokens[0]}` : `w${word}`, hue);
  }
  set({ tokens, pins, place: null, hover: null });
}

function build() {
  if (!state.run) return;
  const held = box.contains(document.activeElement);
  if (!keys().includes(reached)) {
    reached = keys().find((key) => wordOf(key) === state.current) ?? keys()[0];
  }
  box.replaceChildren(...grouped().map((group) => {
    if (group.length === 1) return chip(group[0]);
    const style = `--n:${group.length}`;
    return element("div", { class: "pair", style }, ...group.map(chip));
  }));
  refresh();
  if (held) find(`[data-key="${reached}"] .w`, box)?.focus();
}

// Tokens of one word stand together.
function grouped() {
  const groups = [];
  for (const key of keys()) {
    const last = groups.at(-1)?.[0];
    const joined = state.tokens && last && wordOf(key) >= 0 && wordOf(key) === wordOf(last);
    if (joined) groups.at(-1).push(key);
    else groups.push([key]);
  }
  return groups;
}

function chip(key) {
  const word = wordOf(key);
  const name = nameOf(key);
  const number = word >= 0 && !state.tokens ? numberOf(word) : "";
  const kind = word < 0 ? " special" : isMinor(name) ? " minor" : "";
  const label = element("button", { type: "button", class: "w", tabindex: key === reached ? 0 : -1 }, name);
  if (number) label.append(element("sup", {}, number));
  const step = (by, sign, what) =>
    element("button", { type: "button", tabindex: -1, "data-by": by, "aria-label": `${labelOf(key)}, ${what}` }, sign);
  const value = element("span", { "aria-hidden": "true" }, "–");
  const weight = element("div", { class: "k" });
  weight.append(...(word < 0 ? [value] : [step(-1, "−", "less"), value, step(1, "+", "more")]));
  return element(
    "div",
    { class: `chip${kind}`, "data-key": key, style: name.length > 9 ? "--n:2" : null },
    label, weight, element("i", { class: "share" }),
  );
}

// What shares are of.
export const whole = () => (state.tokens ? "all attention" : "the words’ attention");

function refresh() {
  if (!state.run) return;
  const list = keys();
  const share = shares(held());
  const shown = state.place ? sharesAt(state.place) : share;
  const top = Math.max(...shown) || 1;
  for (const [index, key] of list.entries()) {
    const made = find(`[data-key="${key}"]`, box);
    if (!made) continue;
    const word = wordOf(key);
    const hue = state.pins.get(key);
    const weight = word < 0 ? 1 : state.weights[word];
    made.classList.toggle("pin", hue !== undefined);
    made.classList.toggle("current", state.hover === key);
    made.classList.toggle("on", weight !== 1);
    made.style.setProperty("--p", `${((100 * shown[index]) / top).toFixed(1)}%`);
    if (hue === undefined) made.style.removeProperty("--c");
    else made.style.setProperty("--c", HUES[hue]);
    const label = find(".w", made);
    label.setAttribute("aria-pressed", hue !== undefined);
    const weighs = word < 0 ? "" : `, weight ${decimal(weight)}`;
    label.setAttribute("aria-label", `${labelOf(key)}${weighs}, ${percent(share[index])} of ${whole()}`);
    if (word >= 0) find(".k span", made).textContent = decimal(weight);
  }
  find("#share-of").textContent = state.place
    ? "bars: share at the place"
    : state.tokens ? `bars: share of all ${state.run.limit} tokens` : "bars: share among the words";
}

function focused(event) {
  const made = event.target.closest(".chip");
  if (!made) return;
  reached = made.dataset.key;
  for (const label of all(".w", box)) label.tabIndex = label.parentNode === made ? 0 : -1;
  if (event.target.matches(":focus-visible")) hover(reached);
}

function clicked(event) {
  const made = event.target.closest(".chip");
  if (!made) return;
  const word = wordOf(made.dataset.key);
  const by = Number(event.target.dataset.by);
  if (by) weigh(word, state.weights[word] + 0.1 * by);
  else if (moved) moved = false;
  else pin(made.dataset.key);
}

function pressed(event) {
  const key = event.target.closest(".chip")?.dataset.key;
  if (!key) return;
  const list = keys();
  const at = list.indexOf(key);
  const word = wordOf(key);
  const step = event.shiftKey ? 0.01 : 0.1;
  const go = (to) => find(`[data-key="${list[clamp(to, 0, list.length - 1)]}"] .w`, box).focus();
  const deed = {
    ArrowRight: () => go(at + 1),
    ArrowLeft: () => go(at - 1),
    Home: () => go(0),
    End: () => go(list.length - 1),
    ArrowUp: () => word >= 0 && weigh(word, state.weights[word] + step),
    ArrowDown: () => word >= 0 && weigh(word, state.weights[word] - step),
    0: () => word >= 0 && weigh(word, 1),
    Escape: () => set({ pins: new Map() }),
  }[event.key];
  if (!deed || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  deed();
}

// The number on a chip is dragged like a slider.
function dragged(event) {
  if (!event.target.matches(".k span") || event.button) return;
  const word = wordOf(event.target.closest(".chip").dataset.key);
  if (word < 0) return;
  event.preventDefault();
  const from = event.clientX;
  const weight = state.weights[word];
  const handle = event.target;
  handle.setPointerCapture(event.pointerId);
  moved = false;
  const move = ({ clientX }) => {
    moved ||= Math.abs(clientX - from) > 3;
    if (moved) weigh(word, weight + Math.round((clientX - from) / 6) * 0.05, true);
  };
  handle.addEventListener("pointermove", move);
  handle.addEventListener("pointerup", () => handle.removeEventListener("pointermove", move), { once: true });
}
