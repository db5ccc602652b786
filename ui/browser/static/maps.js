// Maps as they come from the server, a byte per place and token, and what is read out of them.

import { ask, server, state } from "./store.js";

// A stack is {frames, bytes, top, mass}: for each frame and token a map of grid[0] x grid[1] bytes
// whose 255 stands for `top`, and `mass`, the token's share of all attention.
export function unpack(stack) {
  const raw = Uint8Array.from(atob(stack.bytes), (letter) => letter.charCodeAt(0));
  return { ...stack, raw };
}

const stacks = new Map(); // "run layer resolution head" -> stack, or the promise of one
const KEPT = 40;

function remember(key, value) {
  if (stacks.size >= KEPT) stacks.delete(stacks.keys().next().value);
  stacks.set(key, value);
}

const keyOf = (view) =>
  [state.run.id, view.layer, view.resolution, view.head ?? "mean"].join(" ");

// Every step of a view: frame 0 is all of them, frame s is step s.
export function fetchSteps({ layer, resolution, head }) {
  const key = keyOf({ layer, resolution, head });
  return fetched(key, () => server.steps({ run: state.run.id, layer, resolution, head }));
}

// Every head of a view at one step.
export function fetchHeads(view) {
  const { layer, resolution, step } = view;
  const key = `${keyOf(view)} heads ${step}`;
  return fetched(key, () => server.heads({ run: state.run.id, layer, resolution, step }));
}

async function fetched(key, get) {
  if (state.run.shipped || state.run.own) {
    ask("warn", `This picture ${state.run.own ? "was brought along" : "came with the page"}; generate one to look into its steps.`);
    return state.run.stack;
  }
  if (!stacks.has(key)) remember(key, get());
  const answer = await stacks.get(key);
  if (answer.problem) {
    stacks.delete(key);
    ask("warn", answer.problem);
    return state.run.stack;
  }
  if (!answer.raw) remember(key, unpack(answer));
  return stacks.get(key);
}

// What the picture looked like after each call of the model; none of one that came with the page.
export async function fetchSketches() {
  const { run } = state;
  if (run.sketches || run.shipped || run.own) return;
  const answer = await server.sketches({ run: run.id });
  run.sketches = answer.sketches ?? [];
}

// The sketch of the step that is looked at, or nothing.
export function sketchOf({ step } = state.view) {
  const { sketches = [], steps } = state.run;
  return step && sketches[Math.ceil((step * sketches.length) / steps) - 1];
}

// The stack and frame of a view, or those of the whole record until they have come.
export function held(view = state.view) {
  const stack = isWhole(view) ? null : stacks.get(keyOf(view));
  if (stack && !(stack instanceof Promise)) return [stack, frameOf(view.step, stack)];
  return [state.run.stack, 0];
}

// Steps that were recorded together share a frame.
export function frameOf(step, stack) {
  return step && Math.ceil((step * (stack.frames - 1)) / state.run.steps);
}

// Keys: "w3" is the fourth word, "p3-5" a phrase, "t5" the sixth token; the last token stands for
// the padding.
export function keys() {
  if (state.tokens) return state.run.tokens.map((_, index) => `t${index}`);
  const made = [];
  for (let index = 0; index < state.run.words.length; index++) {
    const phrase = state.phrases.find(([first]) => first === index);
    made.push(phrase ? `p${phrase.join("-")}` : `w${index}`);
    if (phrase) index = phrase[1];
  }
  return made;
}

// The words of a key, by their places in the prompt.
export function wordsOf(key) {
  const [first, last = first] = key.slice(1).split("-").map(Number);
  if (key[0] === "t") return [wordOf(key)].filter((word) => word >= 0);
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

export const tokensOf = (key) =>
  key[0] === "t" ? [Number(key.slice(1))] : wordsOf(key).flatMap((word) => state.run.words[word].tokens);

const wordAt = new WeakMap(); // run -> for each token its word, or -1
// The first word of a key, or -1.
export function wordOf(key) {
  const index = parseInt(key.slice(1), 10);
  if (key[0] !== "t") return index;
  if (!wordAt.has(state.run)) {
    const of = state.run.tokens.map(() => -1);
    state.run.words.forEach((word, at) => word.tokens.forEach((token) => (of[token] = at)));
    wordAt.set(state.run, of);
  }
  return wordAt.get(state.run)[index];
}

// The key that a word is under: its own, or that of its phrase.
export const keyOfWord = (index) => keys().find((key) => wordsOf(key).includes(index));

export const nameOf = (key) =>
  key[0] === "t"
    ? state.run.tokens[Number(key.slice(1))]
    : wordsOf(key).map((word) => state.run.words[word].text).join(" ");

// The same, but two of one word are told apart: "red 2".
export const labelOf = (key) =>
  key[0] === "w" ? state.run.words[wordOf(key)].name.replace("#", " ") : nameOf(key);

// "2" for the second of several, "" for a word that stands alone.
export const numberOf = (index) => state.run.words[index].name.split("#")[1] ?? "";

const maps = new WeakMap(); // stack -> "frame key" -> map

// The map of a word or token: the share of each place's attention, 0 to 1, row by row.
export function mapOf(key, [stack, frame] = held()) {
  if (!maps.has(stack)) maps.set(stack, new Map());
  const known = maps.get(stack);
  const name = `${frame} ${key}`;
  if (!known.has(name)) known.set(name, sum(stack, frame, tokensOf(key)));
  return known.get(name);
}

function sum(stack, frame, tokens) {
  const size = state.run.grid[0] * state.run.grid[1];
  const count = stack.top.length / stack.frames;
  const made = new Float32Array(size);
  for (const token of tokens) {
    const scale = stack.top[frame * count + token] / 255;
    const from = (frame * count + token) * size;
    for (let at = 0; at < size; at++) made[at] += stack.raw[from + at] * scale;
  }
  return made;
}

export const isWhole = (view = state.view) =>
  view.step === 0 && view.layer === "all" && view.resolution === "all" && view.head === null;

// How much of the picture a word or token covers, 0 to 1: the share that is told of it.
export function coverOf(key, from = held()) {
  const whole = from[0] === state.run.stack && from[1] === 0;
  if (whole && key[0] === "w") return state.run.words[wordOf(key)].cover;
  const map = mapOf(key, from);
  return map.reduce((count, value) => count + (value > state.run.covered), 0) / map.length;
}

// Its share of all attention at all places: what "All tokens" tells.
export function massOf(key, [stack, frame] = held()) {
  const count = stack.top.length / stack.frames;
  return tokensOf(key).reduce((total, token) => total + stack.mass[frame * count + token], 0);
}

// The share that is told of each key at this moment.
export const shares = (from = held(), of = keys()) =>
  of.map((key) => (key[0] === "t" ? massOf(key, from) : coverOf(key, from)));

export const isWeak = (key, from = held()) => largest(mapOf(key, from)) <= state.run.weak;

// What each key has of the attention of one place.
export const sharesAt = ({ x, y }) => keys().map((key) => mapOf(key)[y * state.run.grid[1] + x]);

export const largest = (map) => map.reduce((most, value) => Math.max(most, value), 0) || 1e-9;

export const sharedTop = () =>
  Math.max(...state.run.words.map((_, index) => largest(mapOf(`w${index}`))));
