// "Make sure every word is there": all things that the prompt names, or the words that are chosen.

import { ask, element, find, offer, on, set, state } from "./store.js";
import { isMinor } from "./chips.js";

let slow = ""; // what it costs, as excite.html has it
const ONE = "Only for one prompt that stays the same during the run.";
const NOTHING = "The prompt names no thing; choose its words.";
const OWN = "Your own picture stays as it is: this is for what is drawn here.";
let part; // its value goes to the server, {words: as in a recipe}

export function mount(root, given) {
  part = given;
  slow = find("#excite-hint", root).textContent;
  const box = find("#excite", root);
  box.addEventListener("change", () => set({ excite: box.checked ? [] : null }));
  on("run", () => set({ excite: state.run.excite ?? null }));
  on("excite reading run", () => show(root));
  offer("excited", () => (state.run?.own || refused() ? [] : chosen().map((name) => name.replace("#", " "))));
  offer("excite changed", () => Boolean(state.run) && String(meant()) !== String(state.run.excite ?? null));
  show(root);
}

const words = () => state.reading?.words ?? [];
const things = () => state.reading?.things ?? [];
const refused = () => Boolean(state.reading?.problem);

// The names of the words that must be there, of those that the prompt has now.
function chosen() {
  if (state.excite === null) return [];
  const names = words().map(({ name }) => name);
  return state.excite.length ? state.excite.filter((name) => names.includes(name)) : things();
}

// The same as a recipe says it: null for none of them, [] for every thing.
function meant() {
  if (state.excite === null || refused()) return null;
  if (!state.excite.length || !words().length) return state.excite;
  return chosen().length ? chosen() : null;
}

function choose(name) {
  const names = new Set(chosen());
  if (!names.delete(name)) names.add(name);
  const ordered = words().map((word) => word.name).filter((one) => names.has(one));
  set({ excite: String(ordered) === String(things()) ? [] : ordered.length ? ordered : null });
}

function show(root) {
  part.props.value = { words: meant() };
  const on = state.excite !== null && !refused() && !state.run?.own;
  const box = find("#excite", root);
  box.checked = on;
  box.disabled = refused() || Boolean(state.run?.own);
  const list = find("#excite-words", root);
  const named = words().filter(({ text, name }) => !isMinor(text) || chosen().includes(name));
  list.hidden = !on;
  list.replaceChildren(...named.map(({ name }) => element("button", {
    type: "button", "data-name": name, "aria-pressed": chosen().includes(name), onclick: () => choose(name),
  }, name.replace("#", " "))));
  const nothing = on && !chosen().length && words().length;
  find("#excite-hint", root).textContent = state.run?.own ? OWN : refused() ? ONE : nothing ? NOTHING : slow;
}
