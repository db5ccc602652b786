"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const at = Object.fromEntries(data.fields.map((name, place) => [name, place]));
const $ = (id) => document.getElementById(id);
const CHUNK = 150, MOST_CHOICES = 40, TAP = 400; // pictures, choices, milliseconds

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}
const LABELS = { "edit.prompt": "edited into", "axis.edit.prompt": "edited into", "report.changed": "changed", "report.inside": "inside the mask", "report.outside": "outside it" };
const label = (name) => LABELS[name] ?? name.replace(/^axis\./, "").replace(/^edit\./, "").replace(/^weights\./, "weight of ");
const measured = (name) => name === "seconds" || name.startsWith("report.");
const value = (row, name) => (name in at ? row.of[at[name]] : data.shared[name]);
// Lists come as JSON: ["car","grass"] is told as car, grass.
const LISTS = ["edit.blend", "edit.protect", "edit.cross", "edit.share"];
const listed = (one, name) => (LISTS.includes(name) && typeof one === "string" ? JSON.parse(one).join(", ") || null : one);
const shown = (given, name = "", one = listed(given, name)) =>
  one === null || one === undefined ? "none"
    : name.startsWith("report.") ? `${+(100 * one).toPrecision(2)}\u00a0%`
    : typeof one === "number" ? String(+one.toPrecision(6)) : String(one);
const compare = (a, b) =>
  a === b ? 0 : a == null ? 1 : b == null ? -1
    : typeof a === "number" && typeof b === "number" ? a - b
    : String(a).localeCompare(String(b), undefined, { numeric: true });
// Numbers by size; texts as the plan has them.
const distinct = (name) => {
  const all = [...new Set(data.rows.map((row) => value(row, name)))];
  return all.every((one) => one == null || typeof one === "number") ? all.sort(compare) : all;
};
const differs = (name) => distinct(name).filter((one) => one != null).length > 1 || data.axes.includes(name);

// Whether what `read` gives is settled by the value along an axis.
function follows(read, axis) {
  const seen = new Map();
  return data.rows.every((row) => {
    const [one, key] = [read(row), value(row, axis)];
    if (!seen.has(key)) seen.set(key, one);
    return seen.get(key) === one;
  });
}
// The fields that a person chooses by: few values, several pictures each; not told by an axis.
const choices = data.fields.filter((name) => {
  if (data.axes.includes(name)) return distinct(name).length <= MOST_CHOICES;
  const count = distinct(name).length;
  return differs(name) && count <= MOST_CHOICES && count < data.rows.length && name !== "id" && !measured(name) &&
    !(`axis.${name}` in at) && !data.axes.some((axis) => follows((row) => value(row, name), axis));
});
const told = data.fields.filter((name) => differs(name) && !["id", "status", "seconds", "prompt", "edit.prompt", "axis.prompt", "axis.edit.prompt", "report.inside", "report.outside"].includes(name));
const target = (row) => value(row, "edit.prompt") ?? value(row, "prompt") ?? "";
const namesDiffer = ["prompt", "edit.prompt"].some((name) => name in at);

function fill(select, names, none) {
  if (none) select.append(make("option", { value: "", textContent: none }));
  for (const name of names) select.append(make("option", { value: name, textContent: label(name) }));
}
fill($("sort"), data.fields, "plan");
fill($("down"), choices, "none");
fill($("across"), choices, "none");
const axes = data.axes.filter((name) => choices.includes(name));
// Whether at least half of the cells that two axes span have a picture.
function fills(down, across) {
  const cells = new Set(data.rows.map((row) => JSON.stringify([value(row, down), value(row, across)])));
  return 2 * cells.size >= distinct(down).length * distinct(across).length;
}
if (axes.length > 1 && fills(axes[0], axes.at(-1))) [$("down").value, $("across").value] = [axes[0], axes.at(-1)];
for (const name of choices) {
  const select = make("select", { name });
  select.append(make("option", { value: "", textContent: "all" }));
  distinct(name).forEach((one, place) => select.append(make("option", { value: String(place + 1), textContent: shown(one, name).slice(0, 60) })));
  $("filters").append(make("label", {}, label(name), select));
}
for (const id of ["down", "across"]) $(id).parentElement.hidden = !choices.length;

document.title = `${data.title} · crossattn batch`;
document.querySelector("h1").textContent = data.title;
for (const [name, one] of Object.entries(data.shared)) {
  if (["status", "row", "version"].includes(name)) continue;
  $("shared").append(make("div", {}, make("dt", { textContent: label(name) }), make("dd", { textContent: shown(one, name) })));
}

// On a phone two columns and their heading fit side by side.
if (innerWidth < 600) $("size").value = 116;

// The two boxes for masks are one: what is chosen on the sheet holds when a picture is opened.
const masked = [...document.getElementsByName("masked")];
for (const box of masked) box.onchange = () => masked.forEach((other) => { other.checked = box.checked; });
const compared = data.rows.some((row) => row.source), blended = data.rows.some((row) => row.mask);
$("hint").hidden = !compared;
masked[0].parentElement.hidden = !blended;
$("views").hidden = !compared && !blended;

// A picture, with its source and its mask above it.
function face(row, loading) {
  const layers = [
    [row.picture, "after", target(row)],
    [row.source, "before", `source: ${value(row, "prompt")}`],
    [row.mask, "mask", "mask of the blend"],
  ].filter(([src]) => src).map(([src, className, alt]) => make("img", { loading, decoding: "async", className, alt, src }));
  const node = make("span", { className: "face" }, ...layers);
  node.style.setProperty("--shape", value(row, "width") / value(row, "height") || 1);
  return node;
}

// A finger held on an edit shows its source as long as it is there; only a tap opens the picture.
let pressed = 0;
for (const type of ["pointerdown", "pointerup", "pointercancel"]) {
  document.addEventListener(type, (event) => {
    document.querySelector(".held")?.classList.remove("held");
    if (type !== "pointerdown") return;
    pressed = event.timeStamp;
    event.target.closest(".tile")?.classList.add("held");
  });
}
const tapped = (event) => event.pointerType !== "touch" || event.timeStamp - pressed < TAP;

let order = [];
function tile(row, without = []) {
  const seen = row.picture
    ? face(row, "lazy")
    : make("span", { className: row.error ? "none" : "none wait", textContent: row.error ? row.error.slice(0, 160) : "not made yet" });
  const button = make("button", { type: "button", className: "tile", onclick: (event) => (!row.source || tapped(event)) && open(row) }, seen);
  if (namesDiffer && !without.includes("name")) button.append(make("span", { className: "name", textContent: target(row) }));
  const rest = told.filter((name) => !without.includes(name) && ![null, "[]"].includes(value(row, name)) && !(name === "sampler" && !axes.includes(name)));
  const text = rest.map((name) => `${label(name)} ${shown(value(row, name), name)}`).join(" · ");
  if (text) button.append(make("span", { className: "values", textContent: text }));
  return button;
}

let watcher = null;
function inChunks(parent, list, build) {
  watcher?.disconnect();
  let done = 0;
  const end = make("div");
  const more = () => {
    const part = document.createDocumentFragment();
    for (const one of list.slice(done, done + CHUNK)) part.append(build(one));
    done += CHUNK;
    parent.append(part);
    if (done >= list.length) { watcher.disconnect(); end.remove(); }
  };
  watcher = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && more(), { rootMargin: "1200px" });
  $("sheet").append(end);
  watcher.observe(end);
  more();
}

function draw() {
  const search = $("search").value.trim().toLowerCase();
  const filters = [...$("filters").querySelectorAll("select")].filter((one) => one.value)
    .map((one) => [one.name, distinct(one.name)[one.value - 1]]);
  order = data.rows.filter((row) =>
    filters.every(([name, one]) => value(row, name) === one) &&
    (!search || [...row.of, row.error, ...row.words.map((word) => word[0])].join("\n").toLowerCase().includes(search)));
  const by = $("sort").value;
  if (by) order.sort((a, b) => compare(value(a, by), value(b, by)));

  const made = data.rows.filter((row) => row.picture).length;
  const failed = data.rows.filter((row) => row.error).length;
  $("count").textContent = [
    order.length < data.rows.length ? `${order.length} of ${data.rows.length} shown` : "",
    `${made} ${made === 1 ? "picture" : "pictures"}`,
    failed ? `${failed} failed` : "",
    data.rows.length - made - failed ? `${data.rows.length - made - failed} not made yet` : "",
  ].filter(Boolean).join(" · ");

  const sheet = $("sheet");
  sheet.replaceChildren();
  document.documentElement.style.setProperty("--side", `${$("size").value}px`);
  const [down, across] = [$("down").value, $("across").value];
  if (!order.length) sheet.append(make("p", { className: "nothing", textContent: "No picture fits; show more above." }));
  else if (down || across) drawTable(sheet, down, across);
  else {
    const flow = make("div", { className: "flow" });
    sheet.append(flow);
    inChunks(flow, order, (row) => tile(row));
  }
}

function drawTable(sheet, down, across) {
  const values = (name) => (name ? distinct(name).filter((one) => order.some((row) => value(row, name) === one)) : [null]);
  const places = new Map();
  for (const row of order) {
    const key = JSON.stringify([down ? value(row, down) : null, across ? value(row, across) : null]);
    places.set(key, [...(places.get(key) ?? []), row]);
  }
  const head = make("tr", {}, make("th", {}, make("small", { textContent: down ? label(down) : "" })));
  const columns = values(across);
  // What a row's or a column's heading already says need not stand under each picture.
  const said = told.filter((name) => [down, across].some((axis) => axis && follows((row) => value(row, name), axis)));
  if ([down, across].some((axis) => axis && follows(target, axis))) said.push("name");
  for (const one of columns) head.append(make("th", { scope: "col" }, ...(across ? [make("small", { textContent: label(across) }), shown(one)] : [])));
  const body = make("tbody");
  sheet.append(make("div", { className: "scroll" }, make("table", {}, make("thead", {}, head), body)));
  inChunks(body, values(down), (one) => {
    const line = make("tr", {}, make("th", { scope: "row", textContent: down ? shown(one) : "" }));
    for (const other of columns) {
      const rows = places.get(JSON.stringify([one, other])) ?? [];
      const cell = make("div", { className: "cell" }, ...rows.map((row) => tile(row, said)));
      cell.style.setProperty("--many", Math.min(Math.max(rows.length, 1), 4));
      line.append(make("td", {}, cell));
    }
    return line;
  });
}

let current = null;
function open(row) {
  const box = $("closer");
  current = row;
  box.querySelector(".photo > div").replaceChildren(face(row, "eager"));
  const edited = value(row, "edit.prompt") != null;
  const [before, mask] = $("views").querySelectorAll("span");
  before.textContent = row.source ? "" : edited ? "not in this batch" : "no edit";
  mask.textContent = row.mask ? "dims what is kept" : "none";
  box.querySelector(".fault").textContent = row.error ?? (row.picture ? "" : "Not made yet.");
  $("what").textContent = target(row);
  box.querySelector(".source").textContent = edited ? `edited from: ${value(row, "prompt")}` : "";
  box.querySelector(".notes").textContent = row.notes ?? "";
  box.querySelector("dl").replaceChildren(...data.fields.filter((name) => !["prompt", "edit.prompt"].includes(name) && ![null, "[]", "{}"].includes(value(row, name))).flatMap((name) =>
    [make("dt", { textContent: label(name) }), make("dd", { textContent: shown(value(row, name), name) })]));
  const most = Math.max(...row.words.map((word) => word[1]), 1e-9);
  box.querySelector("h3").hidden = !row.words.length;
  box.querySelector(".words").replaceChildren(...row.words.map(([word, cover]) => {
    const bar = make("i");
    bar.style.setProperty("--share", `${(100 * cover) / most}%`);
    return make("li", {}, make("b", { textContent: word, title: word }), bar, make("span", { textContent: `${(100 * cover).toFixed(1)} %` }));
  }));
  box.querySelector(".again").textContent = row.picture ? `crossattn replay ${row.picture}` : "";
  if (!box.open) box.showModal();
}
function step(by) {
  const next = order[order.indexOf(current) + by];
  if (next) open(next);
}
$("closer").addEventListener("click", (event) => {
  if (event.target === $("closer")) $("closer").close();
  const button = event.target.closest("nav button");
  if (button) button.value === "0" ? $("closer").close() : step(Number(button.value));
  if (event.target.closest(".photo .face") && current.source) $("views").querySelector("[name=before]").click();
});
$("closer").addEventListener("keydown", (event) => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (by) { event.preventDefault(); step(by); }
});
$("tools").addEventListener("submit", (event) => event.preventDefault());
$("tools").addEventListener("input", (event) => event.target === masked[0] || draw());
draw();
