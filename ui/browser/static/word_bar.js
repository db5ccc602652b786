// The word that was last pointed at, and all that can be done with it, in one line under the words.

import { ask, clamp, decimal, element, fill, find, offer, on, set, state } from "./store.js";
import { HUES } from "./draw.js";
import { MOST } from "./chips.js";
import { keyOfWord, keys, labelOf, wordsOf } from "./maps.js";
import { replaceOnChip } from "./replace.js";

let box;
const before = new Map(); // word -> its weight before it was switched off

export function mountWordBar(root) {
  box = root;
  offer("off", switchOff);
  on("run current phrases tokens weights pins busy regions tab", show);
  show();
}

const chosen = () => keyOfWord(clamp(state.current, 0, state.run.words.length - 1));

// Switches a word off, its weight 0, or on again with the weight that it had.
function switchOff(key) {
  const words = wordsOf(key);
  if (!words.length) return;
  const off = words.every((word) => state.weights[word] === 0);
  if (!off) words.forEach((word) => before.set(word, state.weights[word]));
  ask("weigh", words, off ? before.get(words[0]) || 1 : 0, true);
  ask("say", `${labelOf(key)} is switched ${off ? "on" : "off"}`);
}

function tool(id, text, title, onclick, pressed = null) {
  return element("button", { type: "button", id, title, "aria-pressed": pressed, onclick }, text);
}

function show() {
  if (!state.run || state.tokens) {
    box.replaceChildren(element("span", { class: "hint" }, state.run?.rest ?? ""), tokenSwitch());
    return;
  }
  const focused = document.activeElement?.id;
  const key = chosen();
  const words = wordsOf(key);
  const weight = state.weights[words[0]];
  const hue = state.pins.get(key);
  const range = element("input", {
    type: "range", id: "word-weight", min: 0, max: Math.max(MOST, weight), step: 0.05, "aria-label": `Weight of ${labelOf(key)}`,
  });
  range.value = weight;
  range.addEventListener("input", () => {
    ask("weigh", words, Number(range.value), true);
    ask("quick");
  });
  const name = element("b", { style: hue === undefined ? null : `--c:${HUES[hue]}`, class: hue === undefined ? null : "pin" }, labelOf(key));
  const last = keys().indexOf(key) === keys().length - 1;
  const phrase = key[0] === "p";
  box.replaceChildren(
    name,
    range,
    element("output", {}, decimal(weight)),
    tool("word-off", weight === 0 ? "On" : "Off", "Switch the word off, or on again (O)", () => switchOff(key), weight === 0),
    tool("word-replace", "Replace", "Replace the word and keep the rest of the picture (F2, double-click)", () =>
      replaceOnChip(find(`.chip[data-key="${key}"]`))),
    tool("word-place", "Place", "Brush on the picture where the word may go", () => {
      set({ current: words[0] });
      ask("tab", "Regions");
    }),
    phrase
      ? tool("word-join", "Part", "Take the phrase apart (J joins more)", () => part(key))
      : element("button", { type: "button", id: "word-join", title: "Make a phrase of the word and the next one (J)", disabled: last, onclick: () => ask("join", key) }, "Join"),
    tokenSwitch(),
  );
  fill(range);
  if (focused && focused !== document.activeElement?.id) find(`#${focused}`, box)?.focus();
}

function part(key) {
  const [first] = wordsOf(key);
  set({ phrases: state.phrases.filter(([from]) => from !== first), current: first });
}

function tokenSwitch() {
  const made = element("button", {
    type: "button", role: "switch", id: "all-tokens", class: "tokens", "aria-checked": state.tokens, title: "Show every token, with its share of all attention",
    disabled: !state.run, onclick: () => ask("tokens", !state.tokens),
  }, "All tokens");
  return made;
}
