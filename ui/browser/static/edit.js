// The edit: what it will keep and change is shown before it runs, what it did afterwards.

import { all, ask, element, find, offer, on, percent, server, set, state, whenThere } from "./store.js";
import { isMinor } from "./chips.js";
import { drawMask } from "./mask.js";
import { windowRow, windowAxis } from "./windows.js";

const SIGNS = { kept: "=", swapped: "⇄", added: "+", dropped: "−" };
const PAUSE = 150;
const ANYWHERE = "anywhere"; // in the list of words that may change: no mask at all
const plan = {}; // cross, share, blend (empty: the words that differ) and protect, as Python gives them
let box;
let part; // what Gradio gave: the plan goes to the server as its value
let rows = [];
let timer = 0;
let asked = 0;

export function mount(root, given) {
  box = root;
  part = given;
  Object.assign(plan, part.props.value);
  document.addEventListener("input", (event) => {
    if (event.target.closest("#target, #prompt")) later();
    if (event.target.closest("#steps")) showWindows();
  });
  find("#edit-run", root).addEventListener("click", () => {
    set({ afterwards: "compare" });
    run();
  });
  offer("edit", run);
  on("run", opened);
  on("run model", align);
  on("shown", showWords);
  opened();
  whenThere("#target textarea", align);
}

const textOf = (selector) => find(`${selector} textarea`)?.value ?? "";
const stepsSet = () => Number(find("#steps input[type=number]")?.value) || 25;

function later() {
  clearTimeout(timer);
  timer = setTimeout(align, PAUSE);
}

async function align() {
  if (!state.model) return;
  const number = ++asked;
  const question = { prompt: textOf("#prompt"), target: textOf("#target"), model: state.model };
  const answer = await server.align(question);
  if (number !== asked) return;
  if (textOf("#prompt") !== question.prompt || textOf("#target") !== question.target) {
    return void align(); // changed by Gradio, which tells nobody
  }
  rows = answer.rows ?? [];
  showRows(answer);
  showWords();
}

// A picture that an edit made brings its plan along.
function opened() {
  if (state.run?.edit) Object.assign(plan, state.run.edit.plan);
  commit();
  showWindows();
  showFacts();
  showWords();
}

// Words of the plan that neither prompt has any more wait for their return.
function commit() {
  const present = (chosen) => chosen && chosen.filter((word) => words().includes(word));
  part.props.value = { ...plan, blend: present(plan.blend), protect: present(plan.protect) };
}

function showRows({ problem, unknown }) {
  const joined = [];
  for (const [kind, source, target] of rows) {
    const last = joined.at(-1);
    if (kind === "kept" && last?.[0] === "kept") {
      last[1] += ` ${source}`;
      last[2] += ` ${target}`;
    } else joined.push([kind, source, target]);
  }
  find("#align", box).replaceChildren(...joined.map(([kind, source, target]) => {
    const sign = element("span", { "aria-hidden": "true" }, SIGNS[kind]);
    return element(
      "tr", { class: kind },
      element("td", {}, source), element("td", {}, sign, ` ${kind}`), element("td", {}, target),
    );
  }));
  const count = (kind) => rows.filter(([one]) => one === kind).length;
  const sums = Object.keys(SIGNS).map((kind) => `${count(kind)} ${kind}`);
  find("#align-sum", box).textContent = problem ? "" : sums.join(", ");
  const [word] = Object.keys(unknown ?? {});
  const note = problem ?? (word ? `${word} is new to emoji-sd.` : same() ? "The target equals the source: nothing to edit." : "");
  find("#align-note", box).textContent = note;
  find("#align-note", box).classList.toggle("warn", Boolean(problem || word));
  find("#edit-run", box).disabled = Boolean(problem) || same();
}

const same = () => rows.every(([kind]) => kind === "kept");

function showWindows() {
  const steps = stepsSet();
  const row = (label, name) => windowRow(label, plan[name], steps, (shares) => {
    plan[name] = shares;
    commit();
    showFacts();
  });
  find("#windows", box).replaceChildren(row("Cross", "cross"), row("Self", "share"), windowAxis());
}

// Words that the blend can be told of: those of both prompts that mean something by themselves.
const words = () => [...new Set(rows.flatMap(([, ...both]) => both.join(" ").split(" ")))]
  .filter((word) => word && !isMinor(word));

function showWords() {
  const free = words().filter((word) => !plan.protect.includes(word));
  fillWords("#blend-words", [ANYWHERE, ...free], plan.blend ?? [ANYWHERE], blend);
  fillWords("#protect-words", words().filter((word) => !plan.blend?.includes(word)), plan.protect, protect);
  commit();
  const wordsOf = (some) => some.flatMap(([, source]) => source.split(" ")).filter(Boolean);
  const differing = wordsOf(rows.filter(([kind]) => kind !== "kept"));
  const seen = plan.blend?.length ? wordsOf(rows).filter((word) => plan.blend.includes(word)) : differing;
  drawMask(find("#mask", box), find("#mask-caption", box), plan, seen);
}

function fillWords(selector, words, chosen, choose) {
  const held = find(selector, box).contains(document.activeElement) && document.activeElement.textContent;
  find(selector, box).replaceChildren(...words.map((word) => element("button", {
    type: "button",
    "aria-pressed": chosen.includes(word),
    onclick: () => choose(word),
  }, word)));
  if (held) all("button", find(selector, box)).find((one) => one.textContent === held)?.focus();
}

function blend(word) {
  if (word === ANYWHERE) {
    plan.blend = plan.blend ? null : [];
    plan.protect = [];
    return void showWords();
  }
  const words = new Set(plan.blend ?? []);
  if (!words.delete(word)) words.add(word);
  plan.blend = [...words];
  showWords();
}

function protect(word) {
  const words = new Set(plan.protect);
  if (!words.delete(word)) words.add(word);
  plan.protect = [...words];
  plan.blend ??= [];
  showWords();
}

function showFacts() {
  const fact = (name, value) => element("div", {}, element("dt", {}, name), element("dd", {}, value));
  const steps = stepsSet();
  const span = (name) => Math.round((plan[name][1] - plan[name][0]) * steps);
  const done = state.run?.edit;
  const stepsOf = (count) => `${count} step${count === 1 ? "" : "s"}`;
  const touched = (names) => {
    const found = names.map((name) => done.touched[name]).find(Boolean);
    return found ? `${found[0]} layers × ${stepsOf(found[1])}` : "none";
  };
  const shareOf = (share) => (share === null ? "there are none" : percent(share));
  const pixels = (inside, outside) =>
    [fact("Pixels changed inside the mask", inside), fact("Pixels changed outside", outside)];
  find("#edit-facts", box).replaceChildren(...(done
    ? [
        fact("Cross-attention edited", touched(["Replace", "Refine"])),
        fact("Self-attention shared", touched(["ShareSelfAttention"])),
        ...(done.mask
          ? pixels(shareOf(done.inside), shareOf(done.outside))
          : [fact("Pixels changed", percent(done.changed)), fact("Mask", "none")]),
      ]
    : [
        fact("Cross-attention to edit", span("cross") ? stepsOf(span("cross")) : "none"),
        fact("Self-attention to share", span("share") ? stepsOf(span("share")) : "none"),
        ...pixels("after the run", "after the run"),
      ]));
}

function run() {
  if (state.busy) return;
  ask("start");
  part.trigger("submit");
}
