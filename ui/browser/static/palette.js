// What the model knows: words to press, and to complete others with.

import { all, element, find, on, server, state, type } from "./store.js";

let shownFor = ""; // the model, and the dialect, whose words are shown
let place = 0; // where in the prompt the next word goes

export function mountPalette() {
  document.addEventListener("selectionchange", () => {
    const box = find("#prompt textarea");
    if (document.activeElement === box) place = box.selectionEnd;
  });
  find("#palette-words").addEventListener("keydown", along);
  on("model fields", show);
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
  const { model, fields: { dialect } } = state;
  const asked = `${model} ${dialect}`;
  if (!server.known || !model || asked === shownFor) return;
  shownFor = asked;
  const { words = {}, signs = {}, files = {} } = await server.known({ model, dialect });
  const kinds = Object.entries(words);
  if (asked !== shownFor) return;
  // What stands on the button, and what is put into the prompt.
  const groups = [
    ...Object.entries(files).map(([kind, names]) => [kind, Object.entries(names)]),
    ...kinds.map(([kind, some]) => [kind, some.map((word) => [signs[word] ? `${signs[word]} ${word}` : word, word])]),
  ];
  find("#palette").classList.remove("later");
  find("#palette").hidden = !groups.length;
  find("#palette summary").textContent = [
    ...(kinds.length ? [`Words that ${state.modelName} knows`] : []), ...Object.keys(files),
  ].join(", ");
  find("#palette-words").replaceChildren(...groups.map(([kind, some]) => element(
    "div", { class: "try", role: "group", "aria-label": kind }, element("span", {}, kind),
    ...some.map(([shown, text]) => element("button", { type: "button", onclick: () => insert(text) }, shown)),
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
