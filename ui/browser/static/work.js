// Work is kept: the history for every tab of this browser, the picture and the fields for each tab.

import { ask, on, set, state, whenThere } from "./store.js";
import { holds, NAMES } from "./fields.js";

const HISTORY = "crossattn-history";
const WORK = "crossattn-work";

function read(store, key) {
  try {
    return JSON.parse(store.getItem(key));
  } catch {
    return null; // storage may be forbidden, or hold something else
  }
}

function write(store, key, value) {
  try {
    store.setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

// Where there is no room for all of them, the oldest go.
export function saveHistory() {
  let kept = state.history;
  while (!write(localStorage, HISTORY, kept) && kept.length) kept = kept.slice(0, -Math.ceil(kept.length / 4));
}

function saveWork() {
  if (!ready) return;
  const { fields, history, pins, phrases, run, tab } = state;
  const card = history.find((one) => one.id === run?.id);
  const asked = card && { recipe: card.recipe, id: card.id };
  const work = { asked, fields: NAMES.map((name) => fields[name]), pins: [...pins], phrases, tab };
  write(sessionStorage, WORK, work);
  write(localStorage, WORK, work);
}

let ready = false; // nothing is saved before what was saved has come back

export function mountWork() {
  set({ history: read(localStorage, HISTORY) ?? [] });
  addEventListener("storage", (event) => {
    if (event.key === HISTORY) set({ history: read(localStorage, HISTORY) ?? [] });
  });
  on("run pins phrases fields tab", saveWork);
  const linked = new URLSearchParams(location.hash.slice(1)).get("recipe");
  const work = linked ? { asked: { recipe: linked, id: "" } } : read(sessionStorage, WORK) ?? read(localStorage, WORK);
  whenThere("#prompt textarea", () => restore(work));
}

async function restore(work) {
  await fieldsThere();
  if (!work) {
    ready = true;
    ask("begin");
    return;
  }
  // At once: whoever goes on before the picture is back turns to tabs too.
  whenThere("#control-tabs [role=tab]", () => work.tab && ask("tab", work.tab));
  if (work.asked) ask("start");
  // The server fills the fields in: what is put into them here may come before what Gradio puts.
  if (work.asked || work.fields) ask("open", { ...work.asked, fields: work.fields });
  if (work.asked) await opened();
  if (state.run) set({ pins: new Map(work.pins ?? []), phrases: work.phrases ?? [] });
  if (!state.run && !work.asked) ask("begin");
  await Promise.all(NAMES.map((name, index) => work.fields && holds(name, work.fields[index])));
  ready = true;
}

// Once Gradio has told what the fields hold: then it listens, too.
const fieldsThere = () => until("fields", () => state.fields.prompt !== undefined);

// Once the picture is there, or it is known that it does not come.
const opened = () => until("run busy", () => !state.busy);

function until(names, there) {
  return new Promise((resolve) => {
    if (there()) return void resolve();
    const off = on(names, () => {
      if (!there()) return;
      off();
      resolve();
    });
  });
}
