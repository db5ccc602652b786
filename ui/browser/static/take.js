// What a person takes away: files, and the code that makes the same picture.

import { all, ask, element, find, icon, on, server, state, tabs } from "./store.js";

const KINDS = ["Python", "Command line", "JSONL", "Recipe"];
let kind = KINDS[0];

export function mount(root) {
  const text = (name, of) => () => save(name, URL.createObjectURL(new Blob([state.run.code[of]])));
  const files = [
    ["Picture, recipe inside", "PNG", () => save(state.run.picture.name, state.run.picture.url)],
    ["Overlays, one a word", "ZIP", () => made("overlays")],
    ["Contact sheet", "PNG", () => made("sheet")],
    ["Attention trace", "safetensors", () => save(state.run.trace.name, state.run.trace.url)],
    ["Recipe", "JSON", text("recipe.json", "Recipe")],
    ["Python script", "py", text("picture.py", "Python")],
    ["Batch line", "JSONL", text("batch.jsonl", "JSONL")],
  ];
  find("#files", root).append(...files.map(([name, format, get]) => element("li", {}, element(
    "button", { type: "button", disabled: true, onclick: get },
    icon("down"), element("span", {}, name), element("em", {}, format),
  ))));
  tabs(find("#code-tabs", root), KINDS, KINDS.map(() => "code"), (name) => {
    kind = name;
    show(root);
  });
  find("#copy", root).addEventListener("click", copy);
  on("run", () => show(root));
}

function show(root) {
  for (const button of all("#files button, #copy", root)) button.disabled = !state.run;
  const code = find("#code", root);
  code.textContent = state.run?.code[kind] ?? "The code that makes the picture will be here.";
  code.classList.toggle("wrap", kind === "JSONL" || !state.run);
}

function save(name, href) {
  const link = element("a", { href, download: name });
  document.body.append(link);
  link.click();
  link.remove();
}

// Files that the server makes when they are asked for.
async function made(name) {
  ask("say", "Drawing the file");
  const answer = await server[name]({ run: state.run.id });
  if (answer.problem) ask("warn", answer.problem);
  else save(answer.name, answer.url);
}

async function copy() {
  const code = find("#code");
  try {
    await navigator.clipboard.writeText(code.textContent);
  } catch {
    // Browsers give the clipboard to this machine's pages and to https alone.
    getSelection().selectAllChildren(code);
    ask("warn", "The browser keeps the clipboard to itself; the code is selected: press Ctrl+C.");
    return;
  }
  ask("say", "Copied");
  const label = find("#copy span");
  label.textContent = "Copied";
  setTimeout(() => (label.textContent = "Copy"), 1400);
}
