// Where an edit may change the picture: what the source's maps tell before it runs, and its own
// mask afterwards.

import { find, percent, state } from "./store.js";
import { enlarge } from "./draw.js";
import { largest, mapOf } from "./maps.js";

const THRESHOLD = 0.3; // LocalBlend's own

// `done` is what an edit of this very plan did, or null before it has run. Returns how much of the
// picture may change, 1 where that is not known yet.
export function drawMask(canvas, caption, plan, words, done) {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (!state.run || (done ? !done.mask : plan.blend === null)) {
    const all = `everything ${done ? "could" : "may"} change`;
    caption.textContent = state.run ? all : "after a picture";
    return 1;
  }
  const { width, height } = canvas;
  const seen = words.filter((word) => state.run.words.some(({ text }) => text === word));
  const mask = done ? spread(done.mask, height, width) : planned(plan, seen, height, width);
  const picture = find("#picture");
  context.drawImage(picture, 0, 0, width, height);
  const image = context.getImageData(0, 0, width, height);
  mask.forEach((inside, at) => {
    const pixel = image.data.subarray(at * 4, at * 4 + 3);
    const edge = inside && [-1, 1, -width, width].some((by) => mask[at + by] === false);
    const grey = 0.38 * (0.3 * pixel[0] + 0.59 * pixel[1] + 0.11 * pixel[2]);
    if (edge) pixel.fill(255);
    else if (!inside) pixel.fill(grey);
  });
  context.putImageData(image, 0, 0);
  const area = mask.filter(Boolean).length / mask.length;
  const plans = seen.length ? `about ${percent(area, 0)} may change` : "where the new words come up";
  caption.textContent = done ? `${percent(area, 0)} could change` : plans;
  return done || !seen.length ? 1 : area;
}

// Rows of "#" and "." as height x width truths.
function spread(rows, height, width) {
  return Array.from({ length: height * width }, (_, at) => {
    const row = rows[Math.floor((Math.floor(at / width) / height) * rows.length)];
    return row[Math.floor(((at % width) / width) * row.length)] === "#";
  });
}

function planned(plan, words, height, width) {
  const kept = union(plan.protect, height, width);
  return union(words, height, width).map((inside, at) => inside && !kept[at]);
}

// The places where any of the words is, over the threshold of its own largest.
function union(words, height, width) {
  const inside = new Array(height * width).fill(false);
  for (const word of words) {
    const index = state.run.words.findIndex(({ text }) => text === word);
    if (index < 0) continue;
    const field = enlarge(mapOf(`w${index}`, [state.run.stack, 0]), state.run.grid, height, width);
    const top = largest(field);
    field.forEach((value, at) => (inside[at] ||= value > THRESHOLD * top));
  }
  return inside;
}
