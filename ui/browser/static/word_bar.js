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
  on("run current phrases tokens weights pins", show);
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

function tool(id, text, title, onclick) {
  return element("button", { type: "button", id, title, onclick }, text);
}

let built = ""; // what the bar was built for

// It is built anew for another word alone: a slider that is held stays where it is.
function show() {
  if (!state.run || state.tokens) {
    built = "";
    box.replaceChildren(element("span", { class: "hint" }, state.run?.rest ?? ""), tokenSwitch());
    return;
  }
  const key = chosen();
  const last = keys().at(-1) === key;
  const wanted = JSON.stringify([key, labelOf(key), last]);
  if (wanted !== built) build(key, last);
  built = wanted;
  refresh(key);
}

function build(key, last) {
  const words = wordsOf(key);
  const range = element("input", { type: "range", id: "word-weight", min: 0, step: 0.05, "aria-label": `Weight of ${labelOf(key)}` });
  range.addEventListener("input", () => {
    ask("weigh", words, Number(range.value), true);
    ask("quick");
  });
  const joined = key[0] === "p"
    ? tool("word-join", "Part", "Take the phrase apart (J joins more)", () => part(key))
    : tool("word-join", "Join", "Make a phrase of the word and the next one (J)", () => ask("join", key));
  joined.disabled = key[0] !== "p" && last;
  box.replaceChildren(
    element("b", {}, labelOf(key)),
    range,
    element("output"),
    tool("word-off", "Off", "Switch the word off, or on again (O)", () => switchOff(key)),
    tool("word-replace", "Replace", "Replace the word and keep the rest of the picture (F2, double-click)", () =>
      replaceOnChip(find(`.chip[data-key="${key}"]`))),
    tool("word-place", "Place", "Brush on the picture where the word may go", () => {
      set({ current: words[0] });
      ask("tab", "Regions");
    }),
    joined,
    tokenSwitch(),
  );
}

function refresh(key) {
  const weight = state.weights[wordsOf(key)[0]];
  const hue = state.pins.get(key);
  const name = find("b", box);
  name.classList.toggle("pin", hue !== undefined);
  name.style.setProperty("--c", HUES[hue] ?? "");
  const range = find("#word-weight", box);
  range.max = Math.max(MOST, weight);
  range.value = weight;
  fill(range);
  find("output", box).textContent = decimal(weight);
  const off = find("#word-off", box);
  off.textContent = weight === 0 ? "On" : "Off";
  off.ariaPressed = String(weight === 0);
}

function part(key) {
  const [first] = wordsOf(key);
  set({ phrases: state.phrases.filter(([from]) => from !== first), current: first });
}

function tokenSwitch() {
  return element("button", {
    type: "button", role: "switch", id: "all-tokens", class: "tokens", "aria-checked": state.tokens, title: "Show every token, with its share of all attention",
    disabled: !state.run, onclick: () => ask("tokens", !state.tokens),
  }, "All tokens");
}
