// A slider for each word, and what its weight did to its share of attention.

import { ask, decimal, element, fill, find, offer, on, percent, set, state } from "./store.js";
import { isMinor } from "./chips.js";
import { labelOf, numberOf, shares } from "./maps.js";

const MOST = 2;

export function mount(root, { props, trigger, watch }) {
  const explain = () => (find("#dialect-hint", root).textContent = props.meaning);
  watch("meaning", explain);
  explain();
  on("run", () => build(find("#weight-rows", root)));
  on("run weights view tokens stack", () => refresh(root));
  on("run", () => report(find("#report", root)));
  find("#weights-reset", root).addEventListener("click", () => {
    set({ weights: state.weights.map(() => 1) });
    ask("write");
  });
  // The picture on the stage anew, with the weights and regions as they are set now.
  offer("again", () => {
    if (state.busy) return;
    if (state.run.edit) return void ask("edit");
    ask("start");
    trigger("submit");
  });
  find("#weights-draw", root).addEventListener("click", () => ask("again"));
  if (state.run) build(find("#weight-rows", root));
  refresh(root);
  report(find("#report", root));
}

function build(box) {
  const head = ["word", "", "weight", "share"].map((text) => element("span", {}, text));
  const rows = state.run.words.map(row);
  box.replaceChildren(element("div", { class: "weight-row head", "aria-hidden": "true" }, ...head), ...rows);
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
    type: "range", min: 0, max: MOST, step: 0.05,
    "aria-label": `Weight of ${name}`,
    oninput: () => ask("weigh", index, Number(range.value), true),
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
  const words = state.run.words.map((_, index) => `w${index}`);
  const share = shares([state.run.stack, 0], words);
  const rows = find("#weight-rows", root).children;
  state.weights.forEach((weight, index) => {
    const made = rows[index + 1];
    if (!made) return;
    const range = find("input", made);
    range.value = weight;
    fill(range);
    find("output", made).textContent = decimal(weight);
    made.classList.toggle("on", weight !== 1);
    find(".n", made).textContent = percent(share[index]);
  });
  const undrawn = state.weights.filter((weight, index) => weight !== state.run.words[index].weight);
  find("#weights-reset", root).disabled = state.weights.every((weight) => weight === 1);
  find("#weights-draw", root).classList.toggle("strong", undrawn.length > 0);
}

// For each weighted word its share without and with the weight, and the difference.
function report(box) {
  const weighed = state.run?.report ?? [];
  if (!weighed.length) {
    const text = state.run ? "Every weight is 1: the picture is the plain one." : "Nothing is drawn yet.";
    box.replaceChildren(element("p", { class: "hint" }, text));
    return;
  }
  const top = Math.max(...weighed.flatMap(({ before, after }) => [before, after])) || 1;
  box.replaceChildren(...weighed.map(({ text, before, after }) => {
    const [low, high] = [Math.min(before, after) / top, Math.max(before, after) / top];
    const change = Number((100 * after).toFixed(1)) - Number((100 * before).toFixed(1));
    const bar = element(
      "span", { class: "track", "aria-hidden": "true" },
      element("i", { style: `width:${100 * low}%` }),
      element("u", {
        class: change < 0 ? "less" : "",
        style: `left:${100 * low}%;width:${100 * (high - low)}%`,
      }),
    );
    const none = Math.abs(change) < 0.05;
    const sign = change > 0 ? "+" : "−";
    const difference = none
      ? element("span", { class: "warn" }, "none")
      : `${sign}${Math.abs(change).toFixed(1)}`;
    return element(
      "div", { class: "report-row" },
      element("span", {}, text),
      bar,
      element("span", { class: "n" }, `${(100 * before).toFixed(1)} → ${percent(after)}`),
      element("span", { class: "n difference" }, difference),
    );
  }));
}
