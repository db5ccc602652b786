// A model of one's own: named, loaded by the server, and chosen once it is there.

import { ask, find } from "./store.js";

export function mount(root, { props, trigger, watch }) {
  root.hidden = !props.allowed;
  const button = find("#model-own", root);
  const form = find("#model-form", root);
  const name = find("#model-name", root);
  const open = (on) => {
    form.hidden = !on;
    button.ariaExpanded = String(on);
    (on ? name : button).focus();
  };
  button.addEventListener("click", () => open(form.hidden));
  form.addEventListener("keydown", ({ key }) => key === "Escape" && open(false));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!name.value.trim()) return void name.focus();
    props.value = { model: name.value };
    ask("start", "#model-load");
    trigger("submit");
  });
  watch("value", () => {
    if (!props.value.done) return;
    ask("finished");
    ask("say", "The model is loaded");
    open(false);
  });
}
