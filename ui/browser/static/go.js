// Generate, and how the picture stands to what is set now.

import { ask, find, on, plural, state, touched } from "./store.js";
import { changed } from "./fields.js";
import { sameWords } from "./hints.js";
import { mountNegative } from "./negative.js";

export function mount(root, { trigger }) {
  mountNegative(root);
  find("#go", root).addEventListener("click", () => {
    ask("start", "#go");
    trigger("submit");
  });
  const show = () => (find("#go-hint", root).textContent = agreement());
  on("fields reading run weights busy regions excite", show);
  show();
}

function agreement() {
  const { busy, reading, run, weights } = state;
  if (busy) return touched ? "Cancel stops within a step." : "Esc cancels within a step.";
  if (!run || !reading?.words) return "";
  const held = ask("held") ?? [];
  const regions = held.length ? ` ${held.join(", ")} ${held.length > 1 ? "are" : "is"} held to a region.` : "";
  const sure = ask("excited") ?? [];
  const unsure = ask("excite changed");
  const told = sure.length && !unsure ? `${regions} Made sure of: ${sure.join(", ")}.` : regions;
  const source = run.edit ? run.source : null;
  const same = source ? source.join() === reading.words.map(({ text }) => text).join() : sameWords(reading);
  if (!same && run.own) return "Another caption: find its words in your picture.";
  if (!same) return `New words: generate to see where they go.${told}`;
  if (run.own) return "Your own picture; the prompt is its caption.";
  const undrawn = weights.filter((weight, index) => weight !== run.words[index].weight).length;
  const open = changed();
  if (undrawn) open.unshift(plural(undrawn, "weight"));
  if (ask("regions changed")) open.push("regions");
  if (unsure) open.push(`words made sure of${sure.length ? ` (${sure.join(", ")})` : ""}`);
  if (open.length) return `Not drawn yet: ${open.join(", ")}.${told}`;
  return `${run.edit ? "The picture is an edit of this prompt." : "Picture and settings agree."}${told}`;
}
