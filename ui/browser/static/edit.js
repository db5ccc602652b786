// The edit: what it will keep and change is shown before it runs, what it did afterwards.

import { ask, element, find, offer, on, percent, server, state, type, whenThere } from "./store.js";
import { isMinor } from "./chips.js";
import { drawMask } from "./mask.js";
import { broughtFor } from "./own.js";
import { windowRow, windowAxis } from "./windows.js";

const SIGNS = { kept: "=", swapped: "⇄", added: "+", dropped: "−" };
const PAUSE = 150;
const ANYWHERE = "anywhere"; // in the list of words that may change: no mask at all
const DIFFERING = "the words that differ"; // and this: the plan names none
const plan = {}; // cross, share, blend (empty: the words that differ) and protect, as Python gives them
let box;
let part; // what Gradio gave: the plan goes to the server as its value
let usual = { cross: [0, 0], share: [0, 0] }; // the windows that the model takes where the plan has null
let rows = [];
let timer = 0;
let asked = 0;
const SAME = "The target is the prompt itself: change a word here, or double-click one under the picture.";
const BLANK = "Write what the picture becomes.";
let refused = ""; // why the prompts leave nothing to run
let unknownNote = "";
let planned = 0; // steps that the windows were drawn for
let nothing = false; // the plan lets nothing change
const NEXT = Symbol("those that are read next");
let following = false; // the target is being set to the prompt
let touchedFor = null; // the words of the prompt that the target was written for, or null

export function mount(root, given) {
  box = root;
  part = given;
  Object.assign(plan, part.props.value);
  document.addEventListener("input", (event) => {
    if (event.target.closest("#target") && !following) touch();
    if (event.target.closest("#target, #prompt")) later();
  });
  find("#edit-run", root).addEventListener("click", run);
  offer("edit", run);
  offer("target", write);
  on("run", opened);
  on("reading", followPrompt);
  on("run model fields", later);
  on("fields", () => stepsSet() !== planned && showWindows());
  on("shown", showWords);
  opened();
  whenThere("#target textarea", align);
}

const readWords = () => state.reading?.words?.map(({ text }) => text).join(" ");

// The target is somebody's own from now on, as long as the prompt has these words.
function touch() {
  touchedFor = state.reading?.of === textOf("#prompt") ? readWords() : NEXT;
}

function write(text) {
  touch();
  type("#target textarea", text);
}

// The target is the prompt until it is touched, and again when the prompt is of other words.
function followPrompt() {
  const words = readWords();
  if (touchedFor === NEXT) touchedFor = words;
  if (words === undefined || words === touchedFor) return;
  touchedFor = null;
  following = true;
  type("#target textarea", textOf("#prompt"));
  following = false;
}

const textOf = (selector) => find(`${selector} textarea`)?.value ?? "";
const stepsSet = () => Number(state.fields.steps) || 25;

function later() {
  clearTimeout(timer);
  timer = setTimeout(align, PAUSE);
}

async function align() {
  if (!state.model) return;
  const number = ++asked;
  const { model, fields: { dialect } } = state;
  const own = Boolean(broughtFor(state.run));
  const question = { prompt: textOf("#prompt"), target: textOf("#target"), model, dialect, own };
  const answer = question.target.trim() ? await server.align(question) : { problem: BLANK };
  if (number !== asked) return;
  if (textOf("#prompt") !== question.prompt || textOf("#target") !== question.target) {
    return void align(); // changed since
  }
  rows = answer.rows ?? [];
  usual = answer.windows ?? usual;
  showRows(answer);
  showWindows();
  showWords();
  showFacts();
}

// A picture that an edit made brings its plan along.
function opened() {
  if (state.run?.edit) {
    Object.assign(plan, state.run.edit.plan);
    touchedFor = state.run.source.join(" ");
  }
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
  unknownNote = word ? `${word} is new to ${state.modelName}.` : "";
  refused = problem ?? (same() ? SAME : "");
  offerRun();
}

// What keeps the edit from running, or from changing anything.
function offerRun() {
  const note = find("#align-note", box);
  find("#edit-run", box).disabled = Boolean(refused);
  const done = reported();
  const idle = done ? done.changed === 0 : nothing && !refused;
  const told = idle
    ? `${done ? "Nothing changed" : "Hardly anything may change"}: what is to stay covers all that may change.`
    : refused || unknownNote;
  note.textContent = told;
  note.classList.toggle("warn", Boolean(told) && told !== SAME);
}

// What the edit on the stage did, or null where another target or plan is set by now.
function reported() {
  const { edit, prompt } = state.run ?? {};
  if (!edit || textOf("#target") !== prompt) return null;
  const fields = ["cross", "share", "blend", "protect"];
  return fields.every((name) => String(edit.plan[name]) === String(plan[name])) ? edit : null;
}

const same = () => rows.every(([kind]) => kind === "kept");

const windowOf = (name) => plan[name] ?? usual[name];

function showWindows() {
  const steps = stepsSet();
  planned = steps;
  const row = (label, name) => windowRow(label, windowOf(name), steps, (shares) => {
    plan[name] = shares;
    commit();
    showFacts();
  });
  find("#windows", box).replaceChildren(row("Layout", "cross"), row("Texture", "share"), windowAxis());
}

// Words that the blend can be told of: those of both prompts that mean something by themselves.
const words = () => [...new Set(rows.flatMap(([, ...both]) => both.join(" ").split(" ")))]
  .filter((word) => word && !isMinor(word));

function showWords() {
  const free = words().filter((word) => !plan.protect.includes(word));
  const chosen = plan.blend ? (plan.blend.length ? plan.blend : [DIFFERING]) : [ANYWHERE];
  fillWords("#blend-words", [DIFFERING, ANYWHERE, ...free], chosen, blend);
  fillWords("#protect-words", words().filter((word) => !plan.blend?.includes(word)), plan.protect, protect);
  commit();
  const wordsOf = (some) => some.flatMap(([, source]) => source.split(" ")).filter(Boolean);
  const differing = wordsOf(rows.filter(([kind]) => kind !== "kept"));
  const seen = plan.blend?.length ? wordsOf(rows).filter((word) => plan.blend.includes(word)) : differing;
  const area = drawMask(find("#mask", box), find("#mask-caption", box), plan, seen, reported());
  nothing = area === 0;
  offerRun();
  showFacts();
}

function fillWords(selector, words, chosen, choose) {
  find(selector, box).replaceChildren(...words.map((word) => element("button", {
    type: "button",
    "aria-pressed": chosen.includes(word),
    onclick: () => choose(word),
  }, word)));
}

function blend(word) {
  if (word === ANYWHERE || word === DIFFERING) {
    plan.blend = word === ANYWHERE ? null : [];
    if (word === ANYWHERE) plan.protect = [];
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
  const span = (name) => Math.round((windowOf(name)[1] - windowOf(name)[0]) * steps);
  const done = reported();
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
        fact("Layout kept (cross-attention)", touched(["Replace", "Refine"])),
        fact("Texture kept (self-attention)", touched(["ShareSelfAttention"])),
        ...(done.mask
          ? pixels(shareOf(done.inside), shareOf(done.outside))
          : [fact("Pixels changed", percent(done.changed)), fact("Mask", "none")]),
      ]
    : [
        fact("Layout to keep", span("cross") ? stepsOf(span("cross")) : "none"),
        fact("Texture to keep", span("share") ? stepsOf(span("share")) : "none"),
      ]));
}

function run(pressed) {
  if (state.busy) return;
  ask("start", typeof pressed === "string" ? pressed : "#edit-run");
  part.props.value = { ...part.props.value, picture: broughtFor(state.run) };
  part.trigger("submit");
}
