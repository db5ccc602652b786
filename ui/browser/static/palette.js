// What the model knows: words to press, and to complete others with.

import { element, find, on, server, state, type } from "./store.js";

let shownFor = ""; // the model whose words are shown
let place = 0; // where in the prompt the next word goes

export function mountPalette() {
  document.addEventListener("selectionchange", () => {
    const box = find("#prompt textarea");
    if (document.activeElement === box) place = box.selectionEnd;
  });
  on("model", show);
  show();
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
  const all = kinds.flatMap(([, some]) => some);
  find("#known").replaceChildren(...all.map((word) => element("option", { value: word })));
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
