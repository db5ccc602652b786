// A slider for each word, and what its weight did to its share of attention.

import { ask, decimal, element, fill, find, offer, on, percent, plural, set, state } from "./store.js";
import { isMinor, MOST } from "./chips.js";
import { coverOf, labelOf, numberOf } from "./maps.js";

export function mount(root, { props, trigger, watch }) {
  const explain = () => (find("#dialect-hint", root).textContent = props.meaning);
  watch("meaning", explain);
  explain();
  on("run", () => build(find("#weight-rows", root)));
  on("run weights", () => refresh(root));
  on("run shown", () => report(find("#report", root)));
  find("#weights-reset", root).addEventListener("click", () => {
    set({ weights: state.weights.map(() => 1) });
    ask("write");
  });
  // The picture on the stage anew, with the weights and regions as they are set now.
  offer("again", (pressed) => {
    if (state.run.edit) return void ask("edit", pressed);
    ask("start", pressed);
    trigger("submit");
  });
  find("#weights-draw", root).addEventListener("click", () => ask("again", "#weights-draw"));
  if (state.run) build(find("#weight-rows", root));
  refresh(root);
  report(find("#report", root));
}

// Small words are folded away, unless one of them has a weight.
function build(box) {
  const head = ["word", "", "weight", "covers"].map((text) => element("span", {}, text));
  const rows = state.run.words.map(row);
  const small = rows.filter((_, index) => isMinor(state.run.words[index].text));
  const names = element("summary", {}, plural(small.length, "small word"));
  const fold = element("details", { class: "more" }, names, ...small);
  fold.open = state.run.words.some((word) => isMinor(word.text) && word.weight !== 1);
  box.replaceChildren(
    element("div", { class: "weight-row head", "aria-hidden": "true" }, ...head),
    ...rows.filter((one) => !small.includes(one)),
    ...(small.length ? [fold] : []),
  );
}

function row(word, index) {
  const number = numberOf(index);
  const name = labelOf(`w${index}`);
  const step = (by, sign, what) => element("button", {
    type: "button",
    tabindex: -1,
    "aria-label": `${name}, ${what}`,
    onclick: () => ask("weigh", index, state.weights[index] + by),
  }, sign);
  const range = element("input", {
    type: "range", min: 0, max: Math.max(MOST, word.weight), step: 0.05,
    "aria-label": `Weight of ${name}`,
    oninput: () => {
      ask("weigh", index, Number(range.value), true);
      ask("quick");
    },
    onfocus: () => range.matches(":focus-visible") && ask("point", index),
    onblur: () => ask("point", null),
  });
  const label = element("span", {}, word.text);
  const pin = () => ask("pin", state.tokens ? `t${word.tokens[0]}` : `w${index}`);
  const button = element("button", { type: "button", class: "name", tabindex: -1, onclick: pin }, label);
  if (number) button.append(element("sup", {}, number));
  return element(
    "div",
    {
      class: `weight-row${isMinor(word.text) ? " minor" : ""}`,
      "data-word": index,
      onpointerenter: (event) => event.pointerType !== "touch" && ask("point", index),
      onpointerleave: () => ask("point", null),
    },
    button,
    range,
    element("div", { class: "steps" }, step(-0.1, "−", "less"), element("output"), step(0.1, "+", "more")),
    element("span", { class: "n" }),
  );
}

function refresh(root) {
  find("#weights-draw", root).disabled = !state.run;
  if (!state.run) return;
  state.weights.forEach((weight, index) => {
    const made = find(`[data-word="${index}"]`, root);
    if (!made) return;
    const range = find("input", made);
    range.value = weight;
    fill(range);
    find("output", made).textContent = decimal(weight);
    made.classList.toggle("on", weight !== 1);
    range.max = Math.max(MOST, weight);
    find(".n", made).textContent = percent(coverOf(`w${index}`, [state.run.stack, 0]));
  });
  const undrawn = state.weights.filter((weight, index) => weight !== state.run.words[index].weight);
  find("#weights-reset", root).disabled = state.weights.every((weight) => weight === 1);
  find("#weights-draw", root).classList.toggle("strong", undrawn.length > 0);
}

// For each weighted word how much it covers without and with the weight, and the difference; and
// how much of the picture that changed.
function report(box) {
  const weighed = state.run?.report ?? [];
  if (!weighed.length) {
    const text = state.run ? "Every weight is 1: the picture is the plain one." : "Nothing is drawn yet.";
    box.replaceChildren(element("p", { class: "hint" }, text));
    return;
  }
  const plain = weighed[0].before !== null;
  const top = Math.max(...weighed.flatMap(({ before, after }) => [before ?? 0, after])) || 1;
  const rows = weighed.map(({ text, before, after }) => element(
    "div", { class: "report-row" },
    element("span", {}, text),
    bar(before ?? after, after, top),
    element("span", { class: "n" }, plain ? `${(100 * before).toFixed(1)} → ${percent(after)}` : percent(after)),
    element("span", { class: "n difference" }, plain ? difference(before, after) : ""),
  ));
  const share = plain ? ask("share changed") : null;
  const sum = !plain
    ? "Draw it with every weight 1 as well, to see what the weights did."
    : share === null ? "" : `${percent(share, 0)} of the picture changed.`;
  box.replaceChildren(...rows, element("p", { class: "hint" }, sum));
}

function bar(before, after, top) {
  const [low, high] = [Math.min(before, after) / top, Math.max(before, after) / top];
  return element(
    "span", { class: "track", "aria-hidden": "true" },
    element("i", { style: `width:${100 * low}%` }),
    element("u", {
      class: after < before ? "less" : "",
      style: `left:${100 * low}%;width:${100 * (high - low)}%`,
    }),
  );
}

function difference(before, after) {
  const change = Number((100 * after).toFixed(1)) - Number((100 * before).toFixed(1));
  if (Math.abs(change) < 0.05) return "same";
  return `${change > 0 ? "+" : "−"}${Math.abs(change).toFixed(1)}`;
}
