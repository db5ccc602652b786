// The words as chips: pointed at, pinned, weighed, replaced and joined, by hand or by key.

import { all, ask, clamp, decimal, element, find, offer, on, percent, set, state } from "./store.js";
import { HUES } from "./draw.js";
import { held, isWeak, keys, labelOf, nameOf, numberOf, shares, sharesAt, wordOf, wordsOf } from "./maps.js";
import { replaceOnChip } from "./replace.js";

const MINOR = new Set("a an the on in at of left right above below next to and front with under over is there".split(" "));
export const MOST = 3; // the weight at which chips and sliders end; the prompt takes more
const LONG = 550; // ms of a long press
let box;
let moved = false; // whether the click that follows ends a drag or a long press
let reached = null; // the key of the chip in the tab order
let building = false; // the focus moves to a new chip of its own accord
let pointer = ""; // where the mouse was last: chips that come up under it are not pointed at

export function mountChips(root) {
  box = root;
  offer("pin", pin);
  offer("weigh", weigh);
  offer("tokens", showTokens);
  offer("join", join);
  on("run tokens phrases", build);
  on("run hover pins tokens phrases weights view place regions stack", refresh);
  box.addEventListener("pointerover", (event) => {
    const chip = event.target.closest(".chip");
    const still = event.isTrusted && pointer === `${event.clientX} ${event.clientY}`;
    if (chip && !still && event.pointerType !== "touch") hover(chip.dataset.key);
  });
  box.addEventListener("pointermove", (event) => {
    const chip = event.target.closest(".chip");
    if (chip && event.pointerType !== "touch" && !event.buttons) hover(chip.dataset.key);
  });
  addEventListener("pointermove", (event) => (pointer = `${event.clientX} ${event.clientY}`), true);
  box.addEventListener("pointerleave", () => {
    hover(find(".w:focus-visible", box)?.closest(".chip").dataset.key ?? null);
  });
  box.addEventListener("focusin", focused);
  box.addEventListener("focusout", () => box.matches(":hover") || hover(null));
  box.addEventListener("click", clicked);
  box.addEventListener("dblclick", (event) => replaceOnChip(event.target.closest(".chip")));
  box.addEventListener("keydown", pressed);
  box.addEventListener("pointerdown", dragged);
  box.addEventListener("pointerdown", heldDown);
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

// A colour that is not taken, or else the one that is taken least.
function freeHue(key, pins) {
  const region = state.regions.get(state.run.words[wordOf(key)]?.name);
  if (region) return region.hue;
  const used = [...pins.values(), ...[...state.regions.values()].map(({ hue }) => hue)];
  const times = HUES.map((_, hue) => used.filter((one) => one === hue).length);
  return times.indexOf(Math.min(...times));
}

// Sets the weight of a word, or of several; the prompt follows.
function weigh(index, weight, quiet = false) {
  const most = Math.max(MOST, ...[index].flat().map((one) => state.run.words[one].weight));
  const rounded = clamp(Math.round(weight * 100) / 100, 0, most);
  const list = [index].flat();
  if (list.every((one) => state.weights[one] === rounded)) return;
  const weights = [...state.weights];
  for (const one of list) weights[one] = rounded;
  set({ weights });
  ask("write");
  if (!quiet) ask("say", `${labelOf(`w${list[0]}`)}, weight ${decimal(rounded)}`);
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

// Joins a word, or phrase, with the next one; a phrase that is asked again falls apart.
function join(key) {
  const [first, last] = [wordsOf(key)[0], wordsOf(key).at(-1)];
  const phrases = state.phrases.filter(([from]) => from !== first);
  const next = keys()[keys().indexOf(key) + 1];
  const apart = key[0] === "p" && !next;
  if (!apart && next) {
    const end = wordsOf(next).at(-1);
    set({ phrases: [...phrases.filter(([from]) => from !== last + 1), [first, end]], hover: null });
  } else set({ phrases, hover: null });
}

function build() {
  if (!state.run) return;
  const focus = box.contains(document.activeElement);
  if (!keys().includes(reached)) {
    reached = keys().find((key) => wordsOf(key).includes(state.current)) ?? keys()[0];
  }
  box.replaceChildren(...grouped().map((group) =>
    group.length === 1 ? chip(group[0]) : element("div", { class: "pair" }, ...group.map(chip))));
  refresh();
  building = true;
  if (focus) find(`[data-key="${reached}"] .w`, box)?.focus();
  building = false;
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
  const number = key[0] === "w" ? numberOf(word) : "";
  const kind = word < 0 ? " special" : key[0] !== "p" && isMinor(name) ? " minor" : "";
  const label = element("button", { type: "button", class: "w", title: name, tabindex: key === reached ? 0 : -1 },
    element("span", {}, name));
  if (number) label.append(element("sup", {}, number));
  const step = (by, sign, what) =>
    element("button", { type: "button", tabindex: -1, "data-by": by, "aria-label": `${labelOf(key)}, ${what}` }, sign);
  const value = element("span", { "aria-hidden": "true" }, "–");
  const weight = element("div", { class: "k" });
  weight.append(...(word < 0 ? [value] : [step(-1, "−", "less"), value, step(1, "+", "more")]));
  return element("div", { class: `chip${kind}`, "data-key": key }, label, weight, element("i", { class: "share" }));
}

// What a chip's bar stands for.
const whole = (key) => (key[0] === "t" ? "of all attention" : "of the picture covered");

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
    const weights = wordsOf(key).map((one) => state.weights[one]);
    const weight = weights[0] ?? 1;
    const mixed = weights.some((one) => one !== weight);
    const region = state.regions.get(state.run.words[word]?.name);
    made.classList.toggle("pin", hue !== undefined);
    made.classList.toggle("current", state.hover === key);
    made.classList.toggle("on", weight !== 1 || mixed);
    made.classList.toggle("off", weight === 0 && !mixed);
    made.classList.toggle("weak", isWeak(key));
    made.classList.toggle("held", Boolean(region));
    made.style.setProperty("--p", `${((100 * shown[index]) / top).toFixed(1)}%`);
    if (region) made.style.setProperty("--r", HUES[region.hue]);
    if (hue === undefined) made.style.removeProperty("--c");
    else made.style.setProperty("--c", HUES[hue]);
    const label = find(".w", made);
    label.setAttribute("aria-pressed", hue !== undefined);
    const weighs = word < 0 ? "" : `, weight ${mixed ? "mixed" : decimal(weight)}`;
    const placed = region ? ", held to a region" : "";
    label.setAttribute("aria-label", `${labelOf(key)}${weighs}${placed}, ${percent(share[index])} ${whole(key)}`);
    if (word >= 0) find(".k span", made).textContent = mixed ? "mixed" : decimal(weight);
  }
}

function focused(event) {
  const made = event.target.closest(".chip");
  if (!made) return;
  reached = made.dataset.key;
  for (const label of all(".w", box)) label.tabIndex = label.parentNode === made ? 0 : -1;
  if (!building && event.target.matches(":focus-visible")) hover(reached);
}

function clicked(event) {
  const made = event.target.closest(".chip");
  if (!made || event.target.matches("input")) return;
  const key = made.dataset.key;
  const by = Number(event.target.dataset.by);
  if (by) weigh(wordsOf(key), state.weights[wordOf(key)] + 0.1 * by);
  else if (moved) moved = false;
  else pin(key);
}

function pressed(event) {
  const made = event.target.closest(".chip");
  if (!made || event.target.matches("input")) return;
  const { key } = made.dataset;
  const list = keys();
  const at = list.indexOf(key);
  const words = wordsOf(key);
  const step = event.shiftKey ? 0.01 : 0.1;
  const go = (to) => find(`[data-key="${list[clamp(to, 0, list.length - 1)]}"] .w`, box).focus();
  const by = (change) => words.length && weigh(words, state.weights[words[0]] + change);
  const deed = {
    ArrowRight: () => go(at + 1),
    ArrowLeft: () => go(at - 1),
    Home: () => go(0),
    End: () => go(list.length - 1),
    ArrowUp: () => by(step),
    ArrowDown: () => by(-step),
    0: () => words.length && weigh(words, 1),
    o: () => ask("off", key),
    j: () => words.length && join(key),
    F2: () => replaceOnChip(made),
    Escape: () => set({ pins: new Map() }),
  }[event.key];
  if (!deed || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  deed();
}

// A finger that stays on a chip replaces the word, as a double click does.
function heldDown(event) {
  const made = event.target.closest(".chip");
  if (!made || event.pointerType !== "touch" || event.target.closest(".k")) return;
  const timer = setTimeout(() => {
    moved = true;
    replaceOnChip(made);
  }, LONG);
  const drop = () => clearTimeout(timer);
  for (const kind of ["pointerup", "pointercancel", "pointermove"]) {
    made.addEventListener(kind, drop, { once: true });
  }
}

// The number on a chip is dragged like a slider.
function dragged(event) {
  if (!event.target.matches(".k span") || event.button) return;
  const { key } = event.target.closest(".chip").dataset;
  const word = wordOf(key);
  if (word < 0) return;
  event.preventDefault();
  const from = event.clientX;
  const weight = state.weights[word];
  const handle = event.target;
  handle.setPointerCapture(event.pointerId);
  moved = false;
  const move = ({ clientX }) => {
    moved ||= Math.abs(clientX - from) > 3;
    if (moved) weigh(wordsOf(key), weight + Math.round((clientX - from) / 6) * 0.05, true);
  };
  handle.addEventListener("pointermove", move);
  handle.addEventListener("pointerup", () => handle.removeEventListener("pointermove", move), { once: true });
}
