// The masks of regions: canvases that are brushed on, and the rows of marks that are sent.

import { element, state } from "./store.js";
import { HUES } from "./draw.js";
import { largest, mapOf } from "./maps.js";

export const SIDE = 256; // of the canvas that is brushed on
export const SENT = 64; // and of the mask that is sent

export const blank = () => {
  const canvas = element("canvas", { width: SIDE, height: SIDE });
  return { canvas, context: canvas.getContext("2d", { willReadFrequently: true }) };
};

export function fromRows(mask, hue) {
  const made = blank();
  made.context.fillStyle = HUES[hue];
  const [high, wide] = [SIDE / mask.length, SIDE / mask[0].length];
  mask.forEach((row, y) => [...row].forEach((mark, x) => {
    if (mark === "#") made.context.fillRect(x * wide, y * high, wide, high);
  }));
  return { ...made, hue };
}

// A line around what is brushed.
export function edge(canvas) {
  const made = element("canvas", { width: SIDE, height: SIDE });
  const context = made.getContext("2d");
  for (let part = 0; part < 12; part++) {
    const angle = (part / 12) * 2 * Math.PI;
    context.drawImage(canvas, 1.1 * Math.cos(angle), 1.1 * Math.sin(angle));
  }
  context.globalCompositeOperation = "destination-out";
  context.drawImage(canvas, 0, 0);
  return made;
}

// Rows of "#" and "." of a region.
export function rowsOf({ canvas }) {
  const small = element("canvas", { width: SENT, height: SENT });
  const context = small.getContext("2d");
  context.drawImage(canvas, 0, 0, SENT, SENT);
  const { data } = context.getImageData(0, 0, SENT, SENT);
  return Array.from({ length: SENT }, (_, y) =>
    Array.from({ length: SENT }, (_, x) => (data[(y * SENT + x) * 4 + 3] > 127 ? "#" : ".")).join(""));
}

// How much of the word's attention lies in its region in the picture as it is.
export function insideOf(index, mask) {
  const [rows, columns] = state.run.grid;
  const map = mapOf(`w${index}`, [state.run.stack, 0]);
  let inside = 0;
  map.forEach((value, at) => {
    const y = Math.floor(((Math.floor(at / columns) + 0.5) / rows) * SENT);
    const x = Math.floor((((at % columns) + 0.5) / columns) * SENT);
    if (mask[y][x] === "#") inside += value;
  });
  return inside / (map.reduce((sum, value) => sum + value, 0) || largest(map));
}
