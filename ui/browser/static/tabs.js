// The panels beside the stage: one is open. Where there is no room the prompt is one of them.

import { find, offer, set, state, tabs } from "./store.js";

const PANELS = {
  Prompt: "make", Weights: "panel-weights", Edit: "panel-edit", Regions: "panel-regions", Time: "panel-depth", Save: "panel-take",
};

export function mount(root) {
  const box = find("#control-tabs", root);
  const turn = tabs(box, Object.keys(PANELS), Object.values(PANELS), (tab) => {
    document.body.dataset.tab = PANELS[tab];
    const comparing = state.comparing && tab !== "Regions"; // which brushes on the one picture
    set({ tab, place: null, comparing });
  });
  offer("tab", turn);
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
