// What the model knows: words to press, and to complete others with.

import { all, element, find, on, server, state, type } from "./store.js";

let shownFor = ""; // the model whose words are shown
let place = 0; // where in the prompt the next word goes

export function mountPalette() {
  document.addEventListener("selectionchange", () => {
    const box = find("#prompt textarea");
    if (document.activeElement === box) place = box.selectionEnd;
  });
  find("#palette-words").addEventListener("keydown", along);
  on("model", show);
  show();
}

// Arrow keys go from word to word; one of them is in the tab order.
function along(event) {
  const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!by) return;
  event.preventDefault();
  const words = all("button", find("#palette-words"));
  const next = words[(words.indexOf(event.target) + by + words.length) % words.length];
  for (const one of words) one.tabIndex = one === next ? 0 : -1;
  next.focus();
}

async function show() {
  const { model } = state;
  if (!server.known || !model || model === shownFor) return;
  shownFor = model;
  const { words = {}, signs = {} } = await server.known({ model });
  const kinds = Object.entries(words);
  if (model !== state.model) return;
  find("#palette").classList.remove("later");
  find("#palette").hidden = !kinds.length;
  find("#palette summary").textContent = `Words that ${state.modelName} knows`;
  find("#palette-words").replaceChildren(...kinds.map(([kind, some]) => element(
    "div", { class: "try", role: "group", "aria-label": kind }, element("span", {}, kind),
    ...some.map((word) => element("button", { type: "button", onclick: () => insert(word) }, signs[word] ? `${signs[word]} ${word}` : word)),
  )));
  all("#palette-words button").forEach((one, index) => (one.tabIndex = index ? -1 : 0));
  const every = kinds.flatMap(([, some]) => some);
  find("#known").replaceChildren(...every.map((word) => element("option", { value: word })));
}

// Puts a word where the caret was, with the spaces that it needs.
function insert(word) {
  const box = find("#prompt textarea");
  const text = box.value;
  const at = place && place <= text.length ? place : text.length;
  const before = text.slice(0, at).trimEnd();
  const after = text.slice(at).trimStart();
  type("#prompt textarea", [before, word, after].filter(Boolean).join(" "));
  place = before.length + word.length + (before ? 1 : 0);
}
