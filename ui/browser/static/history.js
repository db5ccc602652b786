// The strip of pictures made in this session; a click brings one back with everything set.

import { ask, element, on, state } from "./store.js";

export function mount(root, { props, trigger, watch }) {
  const strip = root.querySelector("#strip");
  const show = () => strip.replaceChildren(...props.cards.map((card) => cardOf(card, choose)));
  const choose = (id) => {
    if (state.busy) return;
    props.value = id;
    trigger("select");
    ask("say", "Brought back");
  };
  watch("cards", show);
  on("run", show);
  show();
}

function cardOf({ id, title, prompt, seed, picture }, choose) {
  return element(
    "button",
    {
      type: "button",
      title: prompt,
      "aria-current": state.run?.id === id ? "true" : null,
      onclick: () => choose(id),
    },
    element("img", { src: picture.url, alt: "", loading: "lazy" }),
    element("b", {}, title),
    ` seed ${seed}`,
  );
}
