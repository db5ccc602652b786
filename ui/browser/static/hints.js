// Under the prompt: how many words and tokens it has, what the model does not know, examples.

import "./fields.js";
import { mountOwn } from "./own.js";
import { mountPalette } from "./palette.js";
import { ask, element, find, offer, on, plural, server, set, state, type, whenThere } from "./store.js";

const PAUSE = 120; // ms without a key before the prompt is read
const EXAMPLES = {
  car: "a red car left of a blue balloon on green grass",
  boat: "a big boat on the sea",
  rocket: "a green rocket at night",
  snow: "a small cat in heavy snow",
};

const prompt = () => find("#prompt textarea");
// The weights of an edited picture are those of its target.
const weighed = () => (state.run?.edit ? "#target textarea" : "#prompt textarea");
let timer = 0;
let asked = 0; // number of the last question, so that late answers are let go
let writing = null; // a promise while weights are on their way into the prompt
let again = false; // whether newer ones wait
const seen = {}; // what was read last

export function mount(root) {
  mountPalette();
  mountOwn(root);
  const box = find(".try", root);
  for (const [name, text] of Object.entries(EXAMPLES)) {
    const choose = () => type("#prompt textarea", text);
    box.append(element("button", { type: "button", onclick: choose }, name));
  }
  document.addEventListener("input", (event) => {
    if (event.target !== prompt()) return;
    asked += 1; // what is still to come is of another text
    clearTimeout(timer);
    timer = setTimeout(read, PAUSE);
  });
  offer("write", () => {
    again = true;
    writing ??= write();
  });
  offer("written", () => writing);
  offer("examples", () => Object.values(EXAMPLES));
  on("reading", show);
  on("run model fields", read);
  whenThere("#prompt textarea", read);
}

// The words as typed; the weights of the same words follow.
async function read() {
  if (!server.read || !prompt() || !state.model) return;
  const text = prompt().value;
  if (text === seen.text && state.model === seen.model && state.run === seen.run
    && state.fields.dialect === seen.dialect) return;
  Object.assign(seen, { text, model: state.model, run: state.run, dialect: state.fields.dialect });
  const number = ++asked;
  const reading = text.trim() ? await server.read({ prompt: text, model: state.model, dialect: state.fields.dialect }) : null;
  if (number !== asked || writing) return;
  if (prompt().value !== text) return void read(); // changed by Gradio, which tells nobody
  const changes = { reading: reading && { ...reading, of: text } };
  if (sameWords(reading)) changes.weights = reading.words.map((word) => word.weight);
  set(changes);
}

export const sameWords = (reading) =>
  Boolean(state.run && reading?.words)
  && reading.words.length === state.run.words.length
  && reading.words.every((word, index) => word.text === state.run.words[index].text);

// Puts the weights into the prompt; while one answer is awaited only the newest waits behind it.
async function write() {
  let answer;
  do {
    again = false;
    const typed = !state.run.edit && sameWords(state.reading);
    const source = typed ? prompt().value : state.run.prompt;
    const { model, weights } = state;
    answer = await server.write({ prompt: source, model, weights, dialect: state.fields.dialect });
  } while (again);
  writing = null;
  seen.text = undefined;
  if (answer.prompt !== undefined) type(weighed(), answer.prompt);
  else ask("warn", answer.problem);
}

function show() {
  find("#prompt-hint").replaceChildren(...hint(state.reading));
}

// Near words that the model knows, to press in the place of one that it does not.
function instead(word, near) {
  if (!near.length) return [];
  const buttons = near.slice(0, 2).map((other) => element("button", {
    type: "button", onclick: () => type("#prompt textarea", prompt().value.replace(new RegExp(escaped(word), "i"), other)),
  }, other));
  return [" Did you mean ", ...buttons.flatMap((one, index) => (index ? [" or ", one] : [one])), "?"];
}

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

function hint(reading) {
  const warn = (...parts) => [element("span", { class: "warn" }, ...parts)];
  if (!reading) return warn("Write at least one word to draw.");
  if (reading.problem) return warn(reading.problem);
  const [word] = Object.keys(reading.unknown);
  if (word) {
    const near = reading.unknown[word];
    const more = Object.keys(reading.unknown).length - 1;
    const others = more ? ` (and ${plural(more, "other")})` : "";
    return warn(element("b", {}, word), ` is new to ${state.modelName}${others}.`, ...instead(word, near));
  }
  if (reading.notes.length) return warn(reading.notes[0]);
  return [`${plural(reading.words.length, "word")}, ${reading.tokens} of ${reading.limit} tokens`];
}
