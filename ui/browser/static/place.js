// The other way round: a place in the picture, and its words ranked.

import { ask, clamp, element, find, icon, on, percent, set, state } from "./store.js";
import { HUES } from "./draw.js";
import { isMinor } from "./chips.js";
import { keys, labelOf, nameOf, sharesAt } from "./maps.js";

const LISTED = 5;
const MARGIN = 8;

export function mountPlace(stage) {
  const idle = () => state.run && !state.busy && !state.comparing && state.tab !== "Regions";
  stage.addEventListener("pointermove", (event) => {
    if (!idle() || event.pointerType === "touch" || state.place?.kept) return;
    const place = at(stage, event);
    if (place.x !== state.place?.x || place.y !== state.place?.y) set({ place });
  });
  const letGo = () => state.place && !state.place.kept && set({ place: null });
  stage.addEventListener("pointerleave", letGo);
  stage.addEventListener("blur", letGo);
  stage.addEventListener("click", (event) => {
    if (!idle()) return;
    const place = { ...at(stage, event), kept: true };
    const same = state.place?.kept && state.place.x === place.x && state.place.y === place.y;
    set({ place: same ? null : place });
  });
  stage.addEventListener("keydown", (event) => idle() && pressed(event));
  on("place pins view run tokens comparing busy stack", show);
}

function at(stage, event) {
  const box = stage.getBoundingClientRect();
  const [rows, columns] = state.run.grid;
  const index = (share, count) => clamp(Math.floor(share * count), 0, count - 1);
  return {
    x: index((event.clientX - box.left) / box.width, columns),
    y: index((event.clientY - box.top) / box.height, rows),
    kept: false,
  };
}

function pressed(event) {
  const [rows, columns] = state.run.grid;
  const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (by) {
    event.preventDefault();
    const from = state.place;
    const middle = { x: (columns - 1) >> 1, y: (rows - 1) >> 1, kept: false };
    const moved = from && {
      x: clamp(from.x + by[0], 0, columns - 1),
      y: clamp(from.y + by[1], 0, rows - 1),
      kept: from.kept,
    };
    set({ place: moved ?? middle });
    const words = ranked().slice(0, 3).map(([key, share]) => `${labelOf(key)} ${percent(share, 0)}`);
    ask("say", `row ${state.place.y + 1}, column ${state.place.x + 1}: ${words.join(", ")}`);
  }
  if (event.key === "Enter" && state.place) set({ place: { ...state.place, kept: !state.place.kept } });
  if (event.key === "Escape" && state.place) set({ place: null });
}

const ranked = () => {
  const share = sharesAt(state.place);
  const words = keys().map((key, index) => [key, share[index]]);
  // Small words are no answer to what is there.
  const named = words.filter(([key]) => key[0] !== "w" || !isMinor(nameOf(key)));
  return (named.length ? named : words).sort((a, b) => b[1] - a[1]);
};

function show() {
  const { place, run } = state;
  const seen = Boolean(place && run && !state.comparing && !state.busy);
  find("#cell").hidden = find("#pop").hidden = !seen;
  if (!seen) return;
  const [rows, columns] = run.grid;
  const cell = find("#cell");
  cell.style.cssText = `left:${(100 * place.x) / columns}%;top:${(100 * place.y) / rows}%;`
    + `width:${100 / columns}%;height:${100 / rows}%`;
  fillPop(find("#pop"), place);
  putPop(find("#pop"), find("#stage"), place);
}

function fillPop(pop, place) {
  pop.classList.toggle("kept", place.kept);
  const close = element(
    "button",
    {
      type: "button", "aria-label": "Let the place go",
      onclick: () => {
        set({ place: null });
        find("#stage").focus();
      },
    },
    icon("x"),
  );
  const list = element("ul");
  const rows = ranked().slice(0, LISTED);
  for (const [key, share] of rows) {
    const hue = state.pins.get(key);
    const colour = hue === undefined ? "" : `--c:${HUES[hue]}`;
    const bar = element("i", { style: `width:${(100 * share) / (rows[0][1] || 1)}%;${colour}` });
    const row = element(
      place.kept ? "button" : "span",
      { "data-key": key, onclick: () => place.kept && ask("pin", key) },
      element("span", {}, labelOf(key)),
      element("span", { class: "b" }, bar),
      element("span", { class: "n" }, percent(share, 0)),
    );
    list.append(element("li", {}, row));
  }
  const title = element("p", {}, `Row ${place.y + 1}, column ${place.x + 1}`, close);
  pop.replaceChildren(title, list);
}

// Beside the place where there is room, else above or below it.
function putPop(pop, stage, place) {
  const [rows, columns] = state.run.grid;
  const cell = { width: stage.clientWidth / columns, height: stage.clientHeight / rows };
  const x = stage.offsetLeft + (place.x + 0.5) * cell.width;
  const y = stage.offsetTop + (place.y + 0.5) * cell.height;
  const narrow = stage.clientWidth < 420;
  const left = narrow
    ? x - pop.offsetWidth / 2
    : place.x < columns / 2 ? x + cell.width : x - cell.width - pop.offsetWidth;
  const below = place.y < rows / 2 ? y + cell.height : y - cell.height - pop.offsetHeight;
  const top = narrow ? below : y - pop.offsetHeight / 2;
  const within = (value, start, room, size) =>
    clamp(value, start + MARGIN, Math.max(start + MARGIN, start + room - size - MARGIN));
  pop.style.left = `${within(left, stage.offsetLeft, stage.clientWidth, pop.offsetWidth)}px`;
  pop.style.top = `${within(top, stage.offsetTop, stage.clientHeight, pop.offsetHeight)}px`;
}
