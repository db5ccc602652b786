// A row of pictures: a word from weak to strong, or other seeds; a slider goes along it.

import { ask, element, fill, find, on, set, state } from "./store.js";
import { labelOf } from "./maps.js";

const WEIGHTS = [0, 0.5, 1, 1.5, 2.5];
const SEEDS = 4;
let noted = 0; // pictures of the row that the history has

export function mount(root, { props, trigger, watch }) {
  const run = (asked, pressed) => {
    props.value = asked;
    noted = 0;
    ask("start", pressed);
    trigger("submit");
  };
  find("#sweep-word", root).addEventListener("click", () =>
    run({ word: state.current, weights: WEIGHTS }, "#sweep-word"));
  find("#sweep-seeds", root).addEventListener("click", () => run({ seeds: SEEDS }, "#sweep-seeds"));
  const at = find("#sweep-at", root);
  at.addEventListener("input", () => look(props.value.shown[at.value]));
  at.addEventListener("change", () => look(null));
  watch("value", () => show(root, props.value));
  on("run current busy", () => {
    const ready = state.run && !state.run.edit && !state.run.own && state.run.words.length;
    const button = find("#sweep-word", root);
    if (ready && !state.busy) button.textContent = `${labelOf(`w${state.current}`)} from 0 to 2.5`;
    for (const one of [button, find("#sweep-seeds", root)]) one.disabled = !ready;
  });
}

function show(root, { shown = [], done }) {
  find("#sweep-row", root).replaceChildren(...shown.map((card) => element(
    "button",
    {
      type: "button", title: `Open ${card.label}`,
      onclick: () => open(card),
      onpointerenter: () => look(card), onpointerleave: () => look(null),
      onfocus: () => look(card), onblur: () => look(null),
    },
    element("img", { src: card.picture.url, alt: `${card.title}, ${card.label}` }),
    element("span", {}, card.label),
  )));
  const at = find("#sweep-at", root);
  at.hidden = shown.length < 2;
  at.max = Math.max(0, shown.length - 1);
  fill(at);
  ask("note", shown.slice(noted));
  noted = shown.length;
  if (!done) return;
  ask("finished");
  ask("say", `${shown.length} pictures are ready`);
}

function open(card) {
  if (state.busy) return;
  look(null);
  ask("start");
  ask("open", { recipe: card.recipe, id: card.id });
}

// Shows a picture of the row on the stage for as long as it is looked at.
function look(card) {
  set({ glance: card && !state.busy ? { url: card.picture.url, tag: card.label } : null });
}
