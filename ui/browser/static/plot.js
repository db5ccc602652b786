// A few curves with their names at the end, in an SVG of 352 x 96.

import { percent } from "./store.js";

const SVG = "http://www.w3.org/2000/svg";
const [LEFT, RIGHT, TOP, BOTTOM] = [4, 280, 8, 78];
const LINE = 13; // between two names

const draw = (name, attributes, text = "") => {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
};

// `curves` are {name, colour or null, values}, one value a step; `step` 0 marks none.
export function drawPlot(svg, curves, step) {
  const steps = curves[0].values.length;
  const top = Math.max(...curves.flatMap(({ values }) => values)) * 1.12 || 1;
  const x = (index) => LEFT + (index / Math.max(1, steps - 1)) * (RIGHT - LEFT);
  const y = (value) => BOTTOM - (value / top) * (BOTTOM - TOP);
  const rule = (height, stroke) => draw("line", { x1: LEFT, x2: RIGHT, y1: height, y2: height, stroke });
  const parts = [
    rule(BOTTOM, "var(--ctl)"),
    rule(TOP, "var(--line)"),
    draw("text", { x: LEFT, y: 93 }, "1"),
    draw("text", { x: (LEFT + RIGHT) / 2, y: 93, "text-anchor": "middle" }, "step"),
    draw("text", { x: RIGHT, y: 93, "text-anchor": "end" }, String(steps)),
    draw("text", { x: 286, y: 12 }, percent(top, 0)),
  ];
  if (step) {
    const at = x(step - 1);
    parts.push(draw("line", { x1: at, x2: at, y1: 4, y2: BOTTOM, stroke: "var(--ink)", "stroke-dasharray": "2 3" }));
  }
  for (const { colour, values } of curves) {
    const points = values.map((value, index) => `${x(index).toFixed(1)} ${y(value).toFixed(1)}`);
    const stroke = colour ? `color-mix(in oklab, ${colour}, var(--hue-mix))` : "var(--ink)";
    parts.push(draw("path", { d: `M${points.join("L")}`, fill: "none", stroke, "stroke-width": 2 }));
  }
  parts.push(...names(curves, y));
  svg.replaceChildren(...parts);
}

// Names stand at the ends of their curves, pushed apart where they would overlap.
function names(curves, y) {
  const ends = curves.map(({ name, values }) => ({ name, at: Math.max(TOP + LINE, y(values.at(-1))) }));
  ends.sort((a, b) => a.at - b.at);
  for (let index = 1; index < ends.length; index++) {
    ends[index].at = Math.max(ends[index].at, ends[index - 1].at + LINE);
  }
  return ends.map(({ name, at }) => draw("text", { x: 286, y: at + 4, class: "name" }, name));
}
