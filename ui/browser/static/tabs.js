// The panels beside the stage: one is open. Where there is no room the prompt is one of them.

import { find, offer, on, set, state, tabs } from "./store.js";

const PANELS = {
  Prompt: "make", Weights: "panel-weights", Edit: "panel-edit", Regions: "panel-regions", Time: "panel-depth", Save: "panel-take",
};

// What the "?" says of each; `covers` is what a share means, in the words of the server.
const WHY = {
  Prompt: () => "Write what is to be seen. The seed decides all that the words leave open: the same seed draws the same picture.",
  Weights: (covers) => `Above 1 there is more of a word, below 1 less, 0 takes it out. ${covers} So small words cover nothing, though attention rests on them.`,
  Edit: () => "The target is drawn with the picture’s own attention: what both prompts name stays where it is and as it looks.",
  Regions: () => "A word that is held gets more attention inside its region and less outside. What was reached stands beside each region: where it is little, hold more, or for longer.",
  Time: () => "Where a word went at each step, in each layer and head. At a step the picture is what could be seen of it then.",
  Save: () => "Everything that makes this picture again, and what can be shown of it. A picture that was made here can be dropped anywhere to go on with it.",
};

export function mount(root, { props }) {
  const box = find("#control-tabs", root);
  const turn = tabs(box, Object.keys(PANELS), Object.values(PANELS), (tab) => {
    document.body.dataset.tab = PANELS[tab];
    const comparing = state.comparing && tab !== "Regions"; // which brushes on the one picture
    set({ tab, place: null, comparing });
  });
  offer("tab", turn);
  mountWhy(root, props.covers);
  // The prompt stands beside the picture where there is room for it.
  const wide = matchMedia("(min-width: 1200px)");
  const fit = () => {
    box.firstChild.hidden = wide.matches;
    if (wide.matches && state.tab === "Prompt") turn("Weights");
  };
  wide.addEventListener("change", fit);
  turn(wide.matches ? "Weights" : "Prompt");
  fit();
}

// One "?" a panel: what it is for, told when it is asked.
function mountWhy(root, covers) {
  const button = find("#why", root);
  const text = find("#why-text", root);
  const show = () => {
    text.hidden = button.ariaExpanded !== "true";
    text.textContent = text.hidden ? "" : WHY[state.tab](covers);
    button.setAttribute("aria-label", `What is ${state.tab} for?`);
  };
  button.addEventListener("click", () => {
    button.ariaExpanded = button.ariaExpanded !== "true";
    show();
  });
  button.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape") return;
    button.ariaExpanded = "false";
    show();
  });
  on("tab", show);
  show();
}
