// The focus is never lost: where what had it is drawn anew, disabled or taken away, the same thing
// has it again, or else what is in its place.

import { all, find } from "./store.js";

const REACHED = "a[href], button, input, select, textarea, summary, [tabindex]";
let last = null; // what had the focus last, unless somebody left it
let around = []; // all that could be reached then
let boxes = []; // what it stood in, the nearest first: [an ancestor with an id, its place among what is reached there]

export function mountFocus() {
  document.addEventListener("focusin", ({ target }) => remember(target));
  document.addEventListener("focusout", ({ target }) => queueMicrotask(() => {
    if (target === last && there(target) && document.activeElement === document.body) last = null;
  }));
  const options = { childList: true, subtree: true, attributes: true, attributeFilter: ["disabled", "hidden"] };
  new MutationObserver(keep).observe(document.body, options);
}

const there = (one) => one.isConnected && !one.disabled && one.checkVisibility();
const reached = (root) => all(REACHED, root).filter((one) => one.tabIndex >= 0 && there(one));
const nameOf = (one) => one.id || one.dataset.key || one.dataset.name || one.ariaLabel || one.textContent;

function remember(target) {
  last = target;
  around = reached(document);
  boxes = [];
  for (let box = target.parentElement?.closest("[id]"); box; box = box.parentElement?.closest("[id]")) {
    boxes.push([box, around.filter((one) => box.contains(one)).indexOf(target)]);
  }
}

function keep() {
  if (!last || there(last) || ![document.body, last].includes(document.activeElement)) return;
  const next = (!last.isConnected && again()) || nearest() || find("#stage");
  last = null;
  next.focus({ preventScroll: true });
}

// The same thing in what was drawn anew, or what is in its place there.
function again() {
  const [box, place] = boxes.find(([one]) => one.isConnected) ?? [];
  const list = box ? reached(box) : [];
  const same = [list[place], ...list].find((one) => one && nameOf(one) === nameOf(last));
  return same ?? list[Math.min(place, list.length - 1)];
}

// What came after it, or before.
function nearest() {
  const at = around.indexOf(last);
  return around.slice(at + 1).find(there) ?? around.slice(0, Math.max(0, at)).findLast(there);
}
