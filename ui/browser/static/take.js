// What a person takes away: files, and the code that makes the same picture.

import { all, ask, element, find, icon, on, server, state, tabs } from "./store.js";

const KINDS = ["Python", "Command line", "JSONL", "Recipe"];
let kind = KINDS[0];

export function mount(root) {
  const text = (end, of) => () => save(`${stem()}${end}`, URL.createObjectURL(new Blob([state.run.code[of]])));
  const files = [
    ["Picture, recipe inside", "PNG", () => save(`${stem()}.png`, state.run.picture.url)],
    ["The stage as it is seen", "PNG", stage],
    ["Overlays, one a word", "ZIP", () => made("overlays", "-overlays.zip")],
    ["Contact sheet", "PNG", () => made("sheet", "-words.png")],
    ["Film over the steps", "WebP", () => made("film", "-steps.webp")],
    ["Attention trace", "safetensors", () => (state.run.shipped ? made() : save(`${stem()}-trace.safetensors`, state.run.trace.url))],
    ["Recipe", "JSON", text(".recipe.json", "Recipe")],
    ["Python script", "py", text(".py", "Python")],
    ["Batch line", "JSONL", text(".jsonl", "JSONL")],
    ["Link with the recipe", "URL", link],
    ["All recipes of the history", "JSONL", allRecipes],
  ];
  find("#files", root).append(...files.map(([name, format, get]) => element("li", {}, element(
    "button", { type: "button", disabled: true, onclick: get },
    icon("down"), element("span", {}, name), element("em", {}, format),
  ))));
  tabs(find("#code-tabs", root), KINDS, KINDS.map(() => "code"), (name) => {
    kind = name;
    show(root);
  });
  find("#copy", root).addEventListener("click", () => copy(find("#code").textContent, "#copy span"));
  const name = find("#picture-name", root);
  name.addEventListener("change", () => ask("name", name.value.trim()));
  on("run", () => show(root));
}

// What the files of this picture are called: by what it is of, and its name if it has one.
const stem = () => (ask("named") || state.run.stem).replace(/[^\w-]+/g, "-");

function show(root) {
  const own = Boolean(state.run?.own);
  for (const button of all("#files button, #copy", root)) {
    button.disabled = !state.run || (own && !/stage|history/.test(button.textContent));
  }
  const name = find("#picture-name", root);
  name.disabled = !state.run || own;
  name.value = ask("named") ?? "";
  const code = find("#code", root);
  const none = own ? "Your own picture was not made here; an edit of it has its code." : "The code that makes the picture will be here.";
  code.textContent = state.run?.code[kind] ?? none;
  code.classList.toggle("wrap", kind === "JSONL" || !state.run?.code[kind]);
}

function save(name, href) {
  const link = element("a", { href, download: name });
  document.body.append(link);
  link.click();
  link.remove();
}

// Files that the server makes when they are asked for.
async function made(name, end) {
  if (state.run.shipped) return void ask("warn", "This picture came with the page; generate it to take this away.");
  ask("say", "Drawing the file");
  const called = stem();
  const answer = await server[name]({ run: state.run.id });
  if (answer.problem) ask("warn", answer.problem);
  else save(`${called}${end}`, answer.url);
}

// The picture with what lies over it: pins, spotlight, contours.
function stage() {
  const picture = find("#picture");
  const canvas = element("canvas", { width: picture.width, height: picture.height });
  const context = canvas.getContext("2d");
  const seen = find("#stage").dataset.over !== "none";
  const shown = find("#preview").hidden ? picture : find("#preview");
  context.filter = getComputedStyle(picture).filter;
  context.imageSmoothingQuality = "high";
  context.drawImage(shown, 0, 0, canvas.width, canvas.height);
  context.filter = "none";
  if (seen) context.drawImage(find("#overlay"), 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => save(`${stem()}-stage.png`, URL.createObjectURL(blob)));
}

function allRecipes() {
  const lines = state.history.map(({ recipe }) => JSON.stringify(JSON.parse(recipe)));
  save("crossattn-history.jsonl", URL.createObjectURL(new Blob([`${lines.join("\n")}\n`])));
}

function link() {
  const recipe = JSON.stringify(JSON.parse(state.run.code.Recipe));
  copy(`${location.origin}${location.pathname}#recipe=${encodeURIComponent(recipe)}`, null);
}

async function copy(text, label) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Browsers give the clipboard to this machine's pages and to https alone.
    if (label) getSelection().selectAllChildren(find("#code"));
    ask("warn", label ? "The browser keeps the clipboard to itself; the code is selected: press Ctrl+C." : text);
    return;
  }
  ask("say", "Copied");
  if (!label) return void ask("warn", "The link is copied.");
  const shown = find(label);
  shown.textContent = "Copied";
  setTimeout(() => (shown.textContent = "Copy"), 1400);
}
