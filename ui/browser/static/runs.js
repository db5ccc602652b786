// Runs: each button that starts one turns into Cancel while it is under way, and keeps the focus.

import { carriesText } from "./own.js";
import { all, ask, find, offer, on, set, state } from "./store.js";

const RUNS = ["#go", "#weights-draw", "#edit-run", "#regions-draw", "#sweep-word", "#sweep-seeds", "#own-look", "#model-load"];
let running = false; // whether a run was asked for and not cancelled
let largest = 0; // bytes that a dropped file may have

export function mountRuns(bytes) {
  largest = bytes;
  document.addEventListener("click", clicked, true);
  for (const given of ["change", "drop"]) {
    document.addEventListener(given, (event) => event.target.closest?.("#drop") && dropped(event), true);
  }
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => event.target.closest?.("#drop") || droppedElsewhere(event));
  new MutationObserver(readMessages).observe(document.body, { childList: true, subtree: true });
  offer("start", start);
  offer("cancel", cancel);
  offer("finished", rest);
  on("busy", show);
}

export const underWay = () => running;

// A run was asked for: say so at once, whatever the server does.
function start(pressed = "") {
  running = true;
  set({ pressed, busy: { step: 0, total: 0, seconds: 0 }, place: null, hover: null, comparing: false, glance: null });
}

function clicked(event) {
  const run = event.target.closest(RUNS.join());
  if (!run) return;
  if (state.busy) {
    event.stopPropagation();
    // The second half of a double click is not meant for Cancel.
    if (run.matches(state.pressed || ".none") && event.detail < 2) cancel();
    return;
  }
  const written = ask("written"); // the prompt's weights are on their way
  if (!written) return;
  event.stopPropagation();
  written.then(() => run.click());
}

function cancel() {
  if (!state.busy) return;
  find("#stop").click();
  rest();
  ask("say", "Cancelled");
}

// A run has been cancelled, or came to nothing: what it still has to say is not heard.
function rest() {
  running = false;
  set({ busy: null, pressed: "" });
}

function show() {
  document.body.classList.toggle("busy", Boolean(state.busy));
  for (const selector of RUNS) {
    const button = find(selector);
    if (!button) continue;
    const mine = Boolean(state.busy) && selector === state.pressed;
    if (mine && button.textContent !== "Cancel") button.dataset.name = button.textContent;
    if (mine) button.textContent = "Cancel";
    else if (button.textContent === "Cancel") button.textContent = button.dataset.name;
    button.classList.toggle("running", mine);
    button.setAttribute("aria-disabled", Boolean(state.busy) && !mine);
  }
}

// Gradio heads its messages with "Error", whatever they are called, and puts those of one moment
// under one head; each ends a run.
function readMessages() {
  for (const title of all(".toast-title.error:not([data-read])")) {
    title.dataset.read = "";
    title.textContent = "Not done";
    // A head that is a button, around the one that closes: it does nothing here (see gradio.css).
    for (const name of ["role", "tabindex"]) title.closest(".toast-header")?.removeAttribute(name);
  }
  for (const message of all(".toast-message-item.error:not([data-read])")) {
    message.dataset.read = "";
    rest();
  }
}

// A file may be dropped anywhere: one that carries a recipe is opened, any other picture is looked
// into, and the browser does not leave the page.
async function droppedElsewhere(event) {
  event.preventDefault();
  const [file] = event.dataTransfer.files;
  const input = find("#drop input[type=file]");
  if (!file || !input || state.busy) return;
  if (file.type.startsWith("image/") && !(await carriesText(file))) return void ask("bring", file);
  const list = new DataTransfer();
  list.items.add(file);
  input.files = list.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

// A picture was dropped: its run is heard of once the file has arrived.
function dropped(event) {
  const [file] = event.target.files ?? event.dataTransfer.files;
  if (!file || file.size <= largest) {
    running = true;
    return;
  }
  event.preventDefault();
  event.stopPropagation();
  const [size, most] = [file.size, largest].map((bytes) => `${(bytes / 2 ** 20).toFixed(1)} MB`);
  ask("warn", `${file.name} has ${size}, and the page takes ${most}; pictures made here are far smaller.`);
}
