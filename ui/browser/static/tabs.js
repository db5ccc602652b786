// The panels beside the stage: one is open.

import { find, set, state, tabs } from "./store.js";

const PANELS = { Weights: "weights", Edit: "edit", Regions: "regions", "Time and depth": "depth" };

export function mount(root) {
  const ids = Object.values(PANELS).map((name) => `panel-${name}`);
  tabs(find("#control-tabs", root), Object.keys(PANELS), ids, (tab) => {
    find("#controls").dataset.open = PANELS[tab];
    const comparing = state.comparing && tab !== "Regions"; // which brushes on the one picture
    set({ tab, place: null, comparing });
  });
}
