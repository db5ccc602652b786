// A window of steps: two thumbs on one track.

import { all, element, find } from "./store.js";

// `shares` are those of the schedule at which the window begins and ends.
export function windowRow(label, shares, steps, changed) {
  let [from, to] = shares.map((share) => Math.round(share * steps));
  const range = (value, what) => element("input", {
    type: "range", min: 0, max: steps, value, "aria-label": `${label}, ${what} step`,
  });
  const track = element("div", { class: "dual" }, element("i"), range(from, "from"), range(to, "to"));
  const row = element("div", { class: "window" }, element("span", {}, label), track, element("output"));
  const [first, last] = all("input", row);
  const show = () => {
    const place = (step) => `calc(8px + (100% - 16px) * ${step / steps})`;
    track.style.setProperty("--from", place(from));
    track.style.setProperty("--to", place(to));
    find("output", row).textContent = from === to ? "off" : `${from + 1} – ${to}`;
  };
  const moved = () => {
    show();
    changed([from / steps, to / steps]);
  };
  first.addEventListener("input", () => {
    from = Math.min(Number(first.value), to);
    first.value = from;
    moved();
  });
  last.addEventListener("input", () => {
    to = Math.max(Number(last.value), from);
    last.value = to;
    moved();
  });
  show();
  return row;
}

export const windowAxis = () => element(
  "div", { class: "window-axis", "aria-hidden": "true" },
  element("span"),
  element("div", {}, element("span", {}, "first step"), element("span", {}, "last")),
  element("span"),
);
