// What the fields hold, as Gradio tells it (see page.py), and what of it is not in the picture yet.

import { find, set, state } from "./store.js";

// In the order of `fields.fields_of`.
export const NAMES = [
  "prompt", "negative", "model", "seed", "steps", "guidance", "size", "scheduler", "dialect", "target",
];
const OF_PICTURES = ["size", "scheduler", "guidance"]; // not the fields', where a picture of one's own is edited
const SPOKEN = { negative: "negative prompt", dialect: "what a weight means" };

const take = (values) =>
  set({ fields: Object.fromEntries(NAMES.map((name, index) => [name, values[index]])) });
document.addEventListener("fields", ({ detail }) => {
  take(detail);
  mark();
});
if (window.crossattnFields) take(window.crossattnFields);

// What cannot be drawn is marked in its field before it is asked for.
const MEANT = { seed: /^\s*\d+\s*$/, size: /^\s*\d+\s*[x×]\s*\d+\s*$/ };
function mark() {
  for (const [name, meant] of Object.entries(MEANT)) {
    find(`#${name} input`)?.setAttribute("aria-invalid", !meant.test(state.fields[name]));
  }
}

const plain = (name, value) => {
  const text = String(value ?? "").trim();
  if (name === "dialect" && text === state.run?.ownDialect) return ""; // the model's own by name
  return name === "size" ? text.replace(/x/i, "×").replace(/\s/g, "") : text;
};

// The names, as people say them, of the settings that are no longer those of the picture.
export function changed() {
  const { fields, run } = state;
  if (!run?.fields || fields.prompt === undefined) return [];
  return NAMES.filter((name, index) => {
    if (name === "prompt" || (name === "target" && !run.edit)) return false;
    if (run.ofOwn && OF_PICTURES.includes(name)) return false;
    return plain(name, fields[name]) !== plain(name, run.fields[index]);
  }).map((name) => SPOKEN[name] ?? name);
}

// Waits until a field holds a value: Gradio takes up what is typed a moment later.
export function holds(name, value) {
  return new Promise((resolve) => {
    const end = Date.now() + 5000;
    const look = () => {
      if (state.fields[name] === value || Date.now() > end) resolve();
      else setTimeout(look, 10);
    };
    look();
  });
}
