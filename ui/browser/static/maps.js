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

const isWhole = (view) =>
  view.step === 0 && view.layer === "all" && view.resolution === "all" && view.head === null;

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

// Keys: "w3" is the fourth word, "t5" the sixth token; the last token stands for the padding.
export const keys = () =>
  state.tokens
    ? state.run.tokens.map((_, index) => `t${index}`)
    : state.run.words.map((_, index) => `w${index}`);

export const tokensOf = (key) => {
  const index = Number(key.slice(1));
  return key[0] === "t" ? [index] : state.run.words[index].tokens;
};

const wordAt = new WeakMap(); // run -> for each token its word, or -1
export function wordOf(key) {
  const index = Number(key.slice(1));
  if (key[0] === "w") return index;
  if (!wordAt.has(state.run)) {
    const of = state.run.tokens.map(() => -1);
    state.run.words.forEach((word, at) => word.tokens.forEach((token) => (of[token] = at)));
    wordAt.set(state.run, of);
  }
  return wordAt.get(state.run)[index];
}

export function nameOf(key) {
  const index = Number(key.slice(1));
  return key[0] === "w" ? state.run.words[index].text : state.run.tokens[index];
}

// The same, but two of one word are told apart: "red 2".
export const labelOf = (key) =>
  key[0] === "w" ? state.run.words[Number(key.slice(1))].name.replace("#", " ") : nameOf(key);

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

// The share of attention of each key: among the words, or of everything where tokens are shown.
export function shares([stack, frame] = held(), of = keys()) {
  const count = stack.top.length / stack.frames;
  const mass = of.map((key) =>
    tokensOf(key).reduce((total, token) => total + stack.mass[frame * count + token], 0),
  );
  return normalised(mass, of);
}

export function sharesAt(place) {
  const at = place.y * state.run.grid[1] + place.x;
  return normalised(keys().map((key) => mapOf(key)[at]), keys());
}

function normalised(parts, of) {
  const total = of[0]?.[0] === "t" ? 1 : parts.reduce((sum, part) => sum + part, 0);
  return parts.map((part) => part / (total || 1));
}

export const largest = (map) => map.reduce((most, value) => Math.max(most, value), 0) || 1e-9;

export const sharedTop = () =>
  Math.max(...state.run.words.map((_, index) => largest(mapOf(`w${index}`))));
