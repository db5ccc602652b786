// The negative prompt's words as chips: weighed and taken out, the text stays in step.

import { ask, decimal, element, find, on, server, state, type } from "./store.js";

const BOX = "#negative textarea";
const MOST = 3;
let shown = null; // the text whose words are shown
let asked = 0;

export function mountNegative(root) {
  const box = find("#negative-words", root);
  on("fields model", () => read(box));
  read(box);
}

async function read(box) {
  const text = state.fields.negative ?? "";
  if (!server.read || !state.model || text === shown) return;
  shown = text;
  const number = ++asked;
  const answer = text.trim() ? await server.read({ prompt: text, model: state.model }) : { words: [] };
  if (number !== asked) return;
  box.replaceChildren(...(answer.words ?? []).map((word, index) => chip(word, index, answer.words)));
}

function chip(word, index, words) {
  const weigh = (by) => write(words.map(({ weight }, at) => (at === index ? Math.min(MOST, Math.max(0, weight + by)) : weight)));
  const button = (text, label, onclick) =>
    element("button", { type: "button", "aria-label": `${word.text}, ${label}`, onclick }, text);
  return element(
    "span", { class: word.weight === 1 ? "negative" : "negative on" }, word.text,
    button("−", "less of it kept out", () => weigh(-0.1)),
    element("output", {}, decimal(word.weight)),
    button("+", "more of it kept out", () => weigh(0.1)),
    button("×", "no longer kept out", () => remove(words, index)),
  );
}

async function write(weights) {
  put(await server.write({ prompt: state.fields.negative, model: state.model, weights }));
}

async function remove(words, index) {
  if (words.length === 1) return void put({ prompt: "" });
  const weights = words.map(({ weight }) => weight);
  const { prompt, problem } = await server.swap({
    prompt: state.fields.negative, model: state.model, weights, first: index, last: index, text: "",
  });
  // Nor is the comma kept that set it apart.
  put({ problem, prompt: prompt?.replace(/^[\s,]+|[\s,]+$/g, "").replace(/,\s*,/g, ",") });
}

function put({ prompt, problem }) {
  if (problem) ask("warn", problem);
  else type(BOX, prompt);
}
