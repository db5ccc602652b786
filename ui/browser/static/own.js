// A picture of one's own: the prompt is its caption, and its words are found in it.

import { ask, element, find, offer, on, server, state, type } from "./store.js";

const MOST = 1024; // pixels a side that are sent
const CAPTION = "The prompt is its caption: each of its words is looked for.";
const PROPOSED = "Its caption is proposed: mend the prompt where it is wrong, then look again.";
const WRITE = "Write in the prompt what is in your picture, then look for it.";
const AS_IT_IS = ["image/png", "image/jpeg", "image/webp"]; // files that the server reads too
let picture = null; // the data URL of the one that was brought last, as it is shown
let brought = null; // {url, name}: the same as it is edited, its very file where that can be sent
let waiting = false; // whether it is not on the stage yet
let count = 0;

export function mountOwn(root) {
  const file = find("#own-file", root);
  find("#own-open", root).addEventListener("click", () => file.click());
  file.addEventListener("change", () => {
    if (file.files[0]) bring(file.files[0]);
    file.value = "";
  });
  find("#own-look", root).addEventListener("click", look);
  offer("bring", bring);
  on("run", () => show(false));
}

// The picture stands under the prompt while it waits, or is on the stage.
function show(waits) {
  waiting = waits;
  find("#own").hidden = !waiting && !state.run?.own;
}

// The picture of one's own that an edit of what is on the stage starts from, as brought.py reads it.
export function broughtFor(run) {
  if (run?.own) return run.brought;
  return run?.ofOwn ? { of: run.id } : null;
}

// Whether a file may carry a recipe: PNGs with texts inside do.
export async function carriesText(file) {
  const bytes = new Uint8Array(await file.slice(0, 2 ** 20).arrayBuffer());
  const text = new TextDecoder("latin1").decode(bytes);
  return text.startsWith("\x89PNG") && /tEXt|iTXt|zTXt/.test(text);
}

async function bring(file) {
  const image = new Image();
  image.src = URL.createObjectURL(file);
  try {
    await image.decode();
  } catch {
    return void ask("warn", `${file.name} is no picture that the browser can show.`);
  }
  const scale = Math.min(1, MOST / Math.max(image.width, image.height));
  const canvas = element("canvas", { width: Math.round(image.width * scale), height: Math.round(image.height * scale) });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  const seen = canvas.toDataURL("image/png");
  const whole = scale === 1 && AS_IT_IS.includes(file.type);
  const smaller = `${file.name.replace(/\.[^.]*$/, "")}-${canvas.width}x${canvas.height}.png`;
  brought = whole ? { url: await contentOf(file), name: file.name } : { url: seen, name: smaller };
  picture = seen;
  find("#own-picture").src = picture;
  if (await captioned()) await look();
}

// Whether the prompt says what is in the picture. One that is still that of the picture on the stage,
// or an example, does not: another is proposed, or asked for.
async function captioned() {
  const box = find("#prompt textarea");
  const note = (text) => (find("#own-note").textContent = text);
  note(CAPTION);
  show(true);
  const others = ["", state.run?.fields?.[0], state.run?.prompt, ...ask("examples")];
  if (!others.includes(box.value.trim())) return true;
  const { caption, problem } = await server.caption({ picture, model: state.model });
  if (problem) ask("warn", problem);
  note(caption ? PROPOSED : WRITE);
  if (caption) type("#prompt textarea", caption);
  else box.select();
  return Boolean(caption);
}

function contentOf(file) {
  return new Promise((done) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.readAsDataURL(file);
  });
}

async function look() {
  if (state.busy) return;
  ask("start", "#own-look");
  const answer = await server.look({ picture, prompt: find("#prompt textarea").value, model: state.model });
  if (!state.busy) return; // cancelled
  ask("finished");
  if (answer.problem) return void ask("warn", answer.problem);
  ask("show", { ...answer, id: `own-${++count}`, picture: { url: picture }, brought, before: null, trace: null, cards: null, edit: null });
}
