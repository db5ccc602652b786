// What every part of the page looks at, and how they hear of a change.

export const state = {
  run: null, // the picture on the stage, as payload.py describes it
  shown: "", // the address of the picture that is painted by now
  view: { step: 0, layer: "all", resolution: "all", head: null }, // step 0 is all of them
  fields: {}, // what the fields hold now (see fields.js)
  reading: null, // the prompt as typed: words, weights, unknown words (see queries.py)
  weights: [], // of the words of the run, as set on chips and sliders
  excite: null, // names of words that must be there, [] for every thing, null for none (see excite.js)
  phrases: [], // [first, last] of words that are one chip
  current: 0, // the word that panels follow
  hover: null, // the key of a word or token pointed at
  pins: new Map(), // key -> number of its colour
  tokens: false, // whether chips are tokens rather than words
  mode: "heat",
  strength: 0.8,
  shared: false, // one scale for all words
  place: null, // {x, y, kept}
  comparing: false,
  model: "", // its name in recipes
  modelName: "", // and for people
  glance: null, // {url, tag}: a picture that is seen on the stage for a moment
  pressed: "", // the button that the run under way came from
  busy: null, // {step, total, seconds, preview} while a picture is made, {says} while a model is loaded
  tab: "Weights",
  history: [], // newest first: {id, title, prompt, seed, recipe, thumb} (see history.js)
  regions: new Map(), // name of a word -> {canvas, context, hue}
};

let listeners = [];

// Calls `listener` whenever one of the named parts of the state is set; returns how to stop that.
export function on(names, listener) {
  const entry = [names.split(" "), listener];
  listeners.push(entry);
  return () => (listeners = listeners.filter((one) => one !== entry));
}

export function set(changes) {
  Object.assign(state, changes);
  const changed = Object.keys(changes);
  for (const [names, listener] of listeners) {
    if (names.some((name) => changed.includes(name))) listener();
  }
}

// Whether people touch what they see, rather than point at it.
export const touched = matchMedia("(hover: none)").matches;

// The functions of the server, once the header has brought them.
export const server = {};

// What the parts ask of each other: "generate", "weigh", "say", ...
const deeds = {};
export const offer = (name, deed) => void (deeds[name] = deed);
export const ask = (name, ...given) => deeds[name]?.(...given);

// Small helpers for markup.
export const find = (selector, root = document) => root.querySelector(selector);
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];
export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
export const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;
export const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
export const decimal = (weight) => {
  const text = String(Math.round(weight * 100) / 100);
  return text.includes(".") ? text : `${text}.0`;
};

// element("button", {class: "x", onclick: f}, "text", child)
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && (value !== false || name.startsWith("aria-"))) {
      made.setAttribute(name, value);
    }
  }
  made.append(...children);
  return made;
}

export function icon(name) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  made.setAttribute("class", "i");
  made.setAttribute("aria-hidden", "true");
  made.append(document.createElementNS("http://www.w3.org/2000/svg", "use"));
  made.firstChild.setAttribute("href", `#i-${name}`);
  return made;
}

// Does something once an element is there: Gradio fetches the code of its controls one by one.
export function whenThere(selector, deed) {
  if (find(selector)) {
    deed();
    return;
  }
  const watcher = new MutationObserver(() => {
    if (!find(selector)) return;
    watcher.disconnect();
    deed();
  });
  watcher.observe(document.body, { childList: true, subtree: true });
}

// Puts a text into one of Gradio's text boxes as if it had been typed.
export function type(selector, text) {
  const box = find(selector);
  if (!box || box.value === text) return;
  const prototype = box.tagName === "TEXTAREA" ? HTMLTextAreaElement : HTMLInputElement;
  Object.getOwnPropertyDescriptor(prototype.prototype, "value").set.call(box, text);
  box.dispatchEvent(new Event("input", { bubbles: true }));
}

// Arrow keys among radio buttons, one of which is in the tab order.
export function radios(box, choose) {
  const pick = (button) => {
    for (const one of all("[role=radio]", box)) {
      one.setAttribute("aria-checked", one === button);
      one.tabIndex = one === button ? 0 : -1;
    }
    choose(button);
  };
  box.addEventListener("click", (event) => {
    const button = event.target.closest("[role=radio]");
    if (button) pick(button);
  });
  box.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const list = all("[role=radio]", box);
    const next = list[(list.indexOf(document.activeElement) + by + list.length) % list.length];
    pick(next);
    (all("[role=radio]", box).find((one) => one.ariaChecked === "true") ?? next).focus();
  });
}

// A row of tabs, one of which is chosen; arrow keys go along it. Returns how to turn to one.
export function tabs(box, names, panels, choose) {
  const turn = (name) => {
    for (const one of box.children) {
      const chosen = one.textContent === name;
      one.setAttribute("aria-selected", chosen);
      one.tabIndex = chosen ? 0 : -1;
    }
    choose(name);
  };
  box.append(...names.map((name, index) => element("button", {
    type: "button", role: "tab", "aria-controls": panels[index], "data-label": name, onclick: () => turn(name),
  }, name)));
  box.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const open = [...box.children].filter((one) => !one.hidden).map((one) => one.textContent);
    turn(open[(open.indexOf(event.target.textContent) + by + open.length) % open.length]);
    find("[aria-selected=true]", box).focus();
  });
  turn(names[0]);
  return turn;
}

// Fills a range's track up to its thumb.
export function fill(range) {
  const share = (range.value - range.min) / (range.max - range.min || 1);
  range.style.setProperty("--v", `calc(8px + (100% - 16px) * ${share})`);
}
document.addEventListener("input", (event) => {
  if (event.target.type === "range" && event.target.closest(".part")) fill(event.target);
});
