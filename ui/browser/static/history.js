// The strip of pictures: the browser remembers how each was made, so that they outlive the server.

import { ask, element, find, icon, offer, on, set, state } from "./store.js";
import { mountWork, saveHistory } from "./work.js";

const MOST = 200; // pictures that are remembered; named ones stay
const SIDE = 96;

export function mount(root, { props, trigger }) {
  const strip = find("#strip", root);
  offer("open", (asked) => {
    props.value = asked;
    trigger("select");
  });
  offer("note", note);
  on("run", () => state.run.cards && note(state.run.cards));
  on("shown", thumbs);
  on("history run busy", () => show(strip));
  mountWork();
  show(strip);
}

// New pictures go first; one that was made before (the same recipe) keeps its name and goes there.
function note(cards) {
  let history = state.history;
  for (const card of cards) {
    if (history.some(({ id }) => id === card.id)) continue;
    const made = { ...card, picture: card.picture.url };
    const old = history.find(({ recipe }) => recipe === card.recipe);
    history = [{ ...old, ...made }, ...history.filter((one) => one !== old)];
  }
  set({ history: history.filter((one, index) => index < MOST || one.name) });
  saveHistory();
}

// A small copy of what is on the stage, for the day when the server has forgotten it.
function thumbs() {
  const card = state.history.find((one) => one.id === state.run?.id);
  const picture = find("#picture");
  if (!card || card.thumb || picture.dataset.shown !== state.run.picture.url) return;
  const small = element("canvas", { width: SIDE, height: SIDE });
  const side = Math.min(picture.width, picture.height);
  const [x, y] = [(picture.width - side) / 2, (picture.height - side) / 2];
  small.getContext("2d").drawImage(picture, x, y, side, side, 0, 0, SIDE, SIDE);
  set({ history: state.history.map((one) => (one === card ? { ...card, thumb: small.toDataURL("image/webp", 0.8) } : one)) });
  saveHistory();
}

function bringBack({ recipe, id }) {
  if (state.busy || state.run?.id === id) return;
  ask("start");
  ask("open", { recipe, id });
  ask("say", "Bringing it back");
}

function show(strip) {
  strip.replaceChildren(...state.history.map(cardOf));
}

function cardOf(card) {
  const { id, title, name, prompt, seed, thumb, picture } = card;
  const here = state.run?.id === id;
  const image = element("img", { src: thumb ?? picture, alt: "", loading: "lazy" });
  image.addEventListener("error", () => (image.style.visibility = "hidden"), { once: true });
  const open = element(
    "button",
    { type: "button", title: prompt, "aria-current": here ? "true" : null, onclick: () => bringBack(card) },
    image, element("b", {}, name ?? title), element("span", {}, `seed ${seed}`),
  );
  return element("div", { class: "card", "data-id": id }, open, ...(here ? [] : [
    tool("split", `Compare with ${name ?? title}`, () => compareWith(card)),
  ]), tool("x", `Delete ${name ?? title}`, () => forget(card)));
}

const tool = (sign, label, onclick) =>
  element("button", { type: "button", class: "tool", "aria-label": label, title: label, onclick }, icon(sign));

// Any picture beside that on the stage, as long as the server has it.
function compareWith(card) {
  if (!state.run || state.busy) return;
  const before = {
    picture: { url: card.picture }, name: card.name ?? card.title, against: "This",
    sentence: `Left of the line: ${card.name ?? card.title}, seed ${card.seed}; right of it: this picture.`,
  };
  ask("beside", before);
}

function forget(card) {
  set({ history: state.history.filter((one) => one !== card) });
  saveHistory();
  ask("say", "Deleted");
}

offer("name", (name) => {
  set({ history: state.history.map((one) => (one.id === state.run?.id ? { ...one, name: name || undefined } : one)) });
  saveHistory();
});
offer("named", () => state.history.find((one) => one.id === state.run?.id)?.name ?? "");
