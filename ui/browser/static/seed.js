// Beside the seed: keep it, or throw the dice.

import { find, type } from "./store.js";

export function mount(root, { props, watch }) {
  const lock = find("#seed-lock", root);
  const show = () => {
    lock.setAttribute("aria-pressed", Boolean(props.value));
    find("use", lock).setAttribute("href", props.value ? "#i-lock" : "#i-unlock");
  };
  watch("value", show);
  lock.addEventListener("click", () => {
    props.value = !props.value;
    show();
  });
  find("#seed-dice", root).addEventListener("click", () => {
    type("#seed input, #seed textarea", String(Math.floor(Math.random() * 1e6)));
  });
}
