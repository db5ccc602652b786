// From maps to pixels: smooth enlargement, and the three ways of drawing attention over a picture.

import { clamp, state } from "./store.js";
import { largest } from "./maps.js";

// The colours of words, in the order in which they are pinned.
export const HUES = [
  "#f08c2e", "#4aa3ea", "#dd74b4", "#2fb68d", "#e4c02c", "#9c80ee", "#e2583f", "#93a339",
];

// Nine points of the inferno scale (Matplotlib's, CC0), read evenly from 0 to 1.
const INFERNO = [
  [0, 0, 4], [31, 12, 72], [85, 15, 109], [136, 34, 106], [186, 54, 85],
  [227, 89, 51], [249, 140, 10], [249, 201, 50], [252, 255, 164],
];
const RAMP = new Uint8Array(256 * 3);
for (let level = 0; level < 256; level++) {
  const at = (level / 255) * 8;
  const low = Math.min(7, Math.floor(at));
  for (let channel = 0; channel < 3; channel++) {
    const [a, b] = [INFERNO[low][channel], INFERNO[low + 1][channel]];
    RAMP[level * 3 + channel] = a + (b - a) * (at - low);
  }
}

const rgb = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
const smooth = (low, high, value) => {
  const t = clamp((value - low) / (high - low), 0, 1);
  return t * t * (3 - 2 * t);
};

// Mitchell and Netravali's cubic (1988): no ringing worth seeing, and no diamonds.
function cubic(distance) {
  const x = Math.abs(distance);
  if (x < 1) return (7 * x ** 3 - 12 * x * x + 16 / 3) / 6;
  return x < 2 ? ((-7 / 3) * x ** 3 + 12 * x * x - 20 * x + 32 / 3) / 6 : 0;
}

const taps = new Map();
function tapsOf(to, from) {
  const name = `${to} ${from}`;
  if (!taps.has(name)) {
    taps.set(name, Array.from({ length: to }, (_, index) => {
      const at = ((index + 0.5) / to) * from - 0.5;
      const base = Math.floor(at);
      return [-1, 0, 1, 2].map((step) => [
        clamp(base + step, 0, from - 1),
        cubic(at - base - step),
      ]);
    }));
  }
  return taps.get(name);
}

// A map of grid [rows, columns] as height x width values, none below 0.
export function enlarge(map, [rows, columns], height, width) {
  const across = tapsOf(width, columns);
  const down = tapsOf(height, rows);
  const wide = new Float32Array(rows * width);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < width; x++) {
      let value = 0;
      for (const [at, share] of across[x]) value += share * map[y * columns + at];
      wide[y * width + x] = value;
    }
  }
  const made = new Float32Array(height * width);
  for (let y = 0; y < height; y++) {
    const [[a, p], [b, q], [c, r], [d, s]] = down[y];
    for (let x = 0; x < width; x++) {
      const value = p * wide[a * width + x] + q * wide[b * width + x]
        + r * wide[c * width + x] + s * wide[d * width + x];
      made[y * width + x] = value > 0 ? value : 0;
    }
  }
  return made;
}

// How much of a line of that half width lies on a pixel of the contour at `level`.
function onLine(field, width, height, x, y, level, half) {
  const at = y * width + x;
  const dx = (field[at + (x < width - 1 ? 1 : 0)] - field[at - (x > 0 ? 1 : 0)]) / 2;
  const dy = (field[at + (y < height - 1 ? width : 0)] - field[at - (y > 0 ? width : 0)]) / 2;
  const slope = Math.hypot(dx, dy) + 1e-9;
  return clamp(half + 0.5 - Math.abs(field[at] - level) / slope, 0, 1);
}

// A pixel being painted: later colours cover earlier ones.
const pixel = { r: 0, g: 0, b: 0, a: 0 };
function cover([r, g, b], share) {
  pixel.r += (r - pixel.r) * share;
  pixel.g += (g - pixel.g) * share;
  pixel.b += (b - pixel.b) * share;
  pixel.a = Math.max(pixel.a, share);
}

const WHITE = [255, 255, 255];
// What each way of drawing fills a pixel with.
const fillers = {
  heat(layers, at, strength) {
    if (!layers[0].hue) {
      const value = clamp(layers[0].field[at], 0, 1);
      const level = ((value * 255) | 0) * 3;
      [pixel.r, pixel.g, pixel.b] = [RAMP[level], RAMP[level + 1], RAMP[level + 2]];
      pixel.a = strength * (0.12 + 0.88 * smooth(0, 0.48, value));
      return;
    }
    let total = 0;
    let left = 1;
    for (const { field, hue } of layers) {
      const value = smooth(0.06, 0.85, field[at]);
      total += value;
      left *= 1 - value;
      pixel.r += value * hue[0];
      pixel.g += value * hue[1];
      pixel.b += value * hue[2];
    }
    if (total > 0) for (const channel of "rgb") pixel[channel] /= total;
    pixel.a = strength * (1 - left) * 0.9;
  },
  spotlight(layers, at, strength) {
    const most = layers.reduce((best, { field }) => Math.max(best, field[at]), 0);
    pixel.a = strength * (1 - smooth(0.04, 0.62, most)) * 0.94;
  },
  contours() {},
};

// And the lines over it: [level, half width].
const linesOf = (mode, hued) =>
  mode === "contours" ? [[0.25, 0.7], [0.5, 1.25], [0.75, 0.7]] : hued ? [[0.42, 1.1]] : [];

// What counts as full in a map; a weak one stays faint (coverage.py has the rule).
function fullOf(field) {
  const most = largest(field);
  return most >= state.run.weak ? most : state.run.weak ** 2 / most;
}

// Draws maps over the picture. `layers` are {map, hue}, the hue null for a single map in inferno;
// `top` is the value that counts as full, or 0 to let each map have its own; a weak one stays faint.
export function paint(canvas, layers, grid, { mode, strength, top }) {
  const { width, height } = canvas;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const fields = layers.map(({ map, hue }) => {
    const field = enlarge(map, grid, height, width);
    const full = top || fullOf(field);
    for (let at = 0; at < field.length; at++) field[at] /= full;
    return { field, hue: hue && rgb(hue) };
  });
  const fill = fillers[mode];
  const lines = linesOf(mode, fields[0].hue !== null);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      pixel.r = pixel.g = pixel.b = pixel.a = 0;
      fill(fields, at, strength);
      for (const [level, half] of lines) {
        for (const { field, hue } of fields) {
          const line = onLine(field, width, height, x, y, level, half);
          if (line > 0) cover(hue ?? WHITE, line);
        }
      }
      image.data[at * 4] = pixel.r;
      image.data[at * 4 + 1] = pixel.g;
      image.data[at * 4 + 2] = pixel.b;
      image.data[at * 4 + 3] = pixel.a * 255;
    }
  }
  context.putImageData(image, 0, 0);
}

// A small map in inferno.
export function thumbnail(canvas, map, grid, top = 0) {
  const side = 64;
  canvas.width = side;
  canvas.height = side;
  const field = enlarge(map, grid, side, side);
  const full = top || fullOf(field);
  const context = canvas.getContext("2d");
  const image = context.createImageData(side, side);
  for (let at = 0; at < field.length; at++) {
    const level = ((clamp(field[at] / full, 0, 1) * 255) | 0) * 3;
    image.data.set([RAMP[level], RAMP[level + 1], RAMP[level + 2], 255], at * 4);
  }
  context.putImageData(image, 0, 0);
}

export const scaleColours = () => INFERNO.map((colour) => `rgb(${colour})`).join();
