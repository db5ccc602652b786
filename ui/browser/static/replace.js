// A word is replaced where it stands: type another, Enter, and the picture is edited.

import { ask, element, find, server, state, type } from "./store.js";
import { holds } from "./fields.js";
import { labelOf, nameOf, wordsOf } from "./maps.js";

// Turns a chip into a field; Enter edits, Escape and leaving let it be.
export function replaceOnChip(chip) {
  const key = chip?.dataset.key;
  if (!key || !wordsOf(key).length || state.busy || find("input", chip)) return;
  const words = wordsOf(key);
  const field = element("input", {
    type: "text", class: "swap", value: nameOf(key), maxlength: 80, spellcheck: "false", list: "known",
    autocomplete: "off", "aria-label": `Another word for ${labelOf(key)}; Enter edits the picture, Escape leaves it`,
  });
  let done = false;
  const close = (focus) => {
    if (done) return;
    done = true;
    field.remove();
    if (focus) find(".w", chip)?.focus();
  };
  field.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape") close(true);
    if (event.key !== "Enter") return;
    event.preventDefault();
    const text = field.value.trim();
    close(true);
    if (text !== nameOf(key)) replace(words, text);
  });
  field.addEventListener("blur", () => close(false));
  chip.append(field);
  field.focus();
  field.select();
}

// Edits the picture into that of its prompt with other words at those places; none removes them.
export async function replace(words, text) {
  const { run, model, weights } = state;
  ask("say", text ? `Replacing with ${text}` : "Taking the word out");
  const [first, last] = [words[0], words.at(-1)];
  const answer = await server.swap({
    prompt: run.prompt, model, weights, first, last, text, dialect: state.fields.dialect,
  });
  if (answer.problem) return void ask("warn", answer.problem);
  // The picture that is edited is that on the stage, or the one which it is an edit of.
  if (!run.edit) type("#prompt textarea", run.prompt);
  ask("target", answer.prompt);
  await holds("target", answer.prompt);
  if (!run.edit) await holds("prompt", run.prompt);
  ask("edit");
}
