// Before and after: one picture uncovers the other along a divider.

import { clamp, find, offer, on, set, state } from "./store.js";

const PARTS = ["before", "cut", "tag-left", "tag-right", "cut-range"];

export function mountCompare(stage) {
  const range = find("#cut-range");
  const follow = (event) => {
    const box = stage.getBoundingClientRect();
    put(clamp(((event.clientX - box.left) / box.width) * 100, 0, 100));
  };
  offer("compare", compare);
  find("#compare").addEventListener("click", () => compare(!state.comparing));
  range.addEventListener("input", () => put(Number(range.value)));
  stage.addEventListener("pointerdown", (event) => {
    if (!state.comparing) return;
    stage.setPointerCapture(event.pointerId);
    follow(event);
  });
  stage.addEventListener("pointermove", (event) => state.comparing && event.buttons && follow(event));
  on("run comparing busy", show);
}

function compare(comparing) {
  if (!state.run?.before || state.busy) return;
  set({ comparing, place: null });
}

function put(share) {
  find("#cut-range").value = share;
  find("#cut").style.left = `${share}%`;
  find("#before").style.clipPath = `inset(0 ${100 - share}% 0 0)`;
}

function show() {
  const on = state.comparing && !state.busy;
  const button = find("#compare");
  button.disabled = !state.run?.before || Boolean(state.busy);
  button.setAttribute("aria-pressed", on);
  for (const name of PARTS) find(`#${name}`).hidden = !on;
  find("#stage").classList.toggle("comparing", on);
  if (!on) return;
  find("#tag-left").textContent = state.run.before.name;
  find("#tag-right").textContent = state.run.before.against;
  put(Number(find("#cut-range").value));
}
