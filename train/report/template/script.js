"use strict";
(() => {
const $ = id => document.getElementById(id);
const data = id => $(id) ? JSON.parse($(id).textContent) : null;
const percent = p => (100 * p).toFixed(1) + "\u00a0%";

// make returns an element with properties and children.
function make(tag, properties, ...children) {
  const e = Object.assign(document.createElement(tag), properties);
  e.append(...children);
  return e;
}

// --- corrections: what a person says of pictures, by path, until the page is closed

const corrections = new Map();

function correct(path, what) {
  if (what) corrections.set(path, what); else corrections.delete(path);
  $("corrections").hidden = corrections.size === 0;
  $("corrected").textContent = corrections.size;
  for (const p of document.querySelectorAll(".fixes")) showFixes(p);
  if (pictures) showTable();
}

const quoted = text => /[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;

function saveCorrections() {
  const rows = [...corrections].sort(([a], [b]) => a < b ? -1 : 1)
    .map(([path, what]) => (what === "drop" ? [path, "drop", ""] : [path, "label", what.slice("label=".length)]).map(quoted).join(","));
  const url = URL.createObjectURL(new Blob(["path,action,label\n" + rows.join("\n") + "\n"], { type: "text/csv" }));
  make("a", { href: url, download: "corrections.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

// showFixes offers what a suspected label asks for.
function showFixes(p) {
  const { path, suggested } = p.dataset, now = corrections.get(path);
  const button = (text, what) => {
    const b = make("button", { type: "button", textContent: text, onclick: () => correct(path, now === what ? "" : what) });
    b.setAttribute("aria-pressed", now === what);
    return b;
  };
  p.hidden = false;
  p.replaceChildren(button("Relabel " + suggested, "label=" + suggested), button("Drop", "drop"));
}

// --- a picture at its largest

const thumbnails = new Map(), files = new Map(); // by path
for (const img of document.querySelectorAll("img[data-path]")) if (!thumbnails.has(img.dataset.path)) thumbnails.set(img.dataset.path, img.src);

let opened = ""; // path of the picture in the dialog

function open(path, source, text) {
  opened = path;
  const file = files.get(path), row = pictures && pictures.byPath.get(path);
  const url = file ? URL.createObjectURL(file) : source || thumbnails.get(path) || "";
  $("large-name").textContent = path;
  $("large-picture").hidden = !url;
  if (url) $("large-picture").src = url;
  $("large-picture").alt = text || path;
  $("large-text").textContent = text || (row ? row.part + ": is " + row.label + " (" + percent(row.own) + "), answered " + row.answer + " (" + percent(row.sure) + ")" +
    (url ? "" : ". Its picture is not in this file: choose the folder of the pictures above the table to see it.") : "");
  $("large-fix").hidden = !row;
  const now = corrections.get(path) || "";
  $("fix").replaceChildren(...(pictures ? [["", "none"], ["drop", "drop the picture"], ...pictures.labels.map(l => ["label=" + l, "label it " + l])] : [])
    .map(([value, textContent]) => make("option", { value, textContent, selected: value === now })));
  $("large").showModal();
}

// opens makes an image a button that enlarges it.
function opens(img) {
  const path = img.dataset.path || img.alt, show = () => open(path, img.src, img.dataset.path ? "" : img.alt);
  img.classList.add("opens");
  img.tabIndex = 0;
  img.setAttribute("role", "button");
  img.setAttribute("aria-label", "Enlarge " + img.alt);
  img.addEventListener("click", show);
  img.addEventListener("keydown", e => { if (e.key === "Enter" || e.key === " ") { e.preventDefault(); show(); } });
}

// --- tables that sort by their headings

function sortable(table) {
  const body = table.tBodies[0];
  [...table.tHead.rows[0].cells].forEach((cell, column) => {
    heading(cell, down => {
      const value = row => { const c = row.cells[column]; return c.dataset.v ?? c.textContent.trim(); };
      const rows = [...body.rows].map(row => [row, value(row)]);
      const numeric = rows.every(([, v]) => v === "" || !Number.isNaN(parseFloat(v)));
      rows.sort(([, a], [, b]) => (down ? -1 : 1) * (numeric ? (parseFloat(a) || 0) - (parseFloat(b) || 0) : a.localeCompare(b, undefined, { numeric: true })));
      body.append(...rows.map(([row]) => row));
    });
  });
}

// heading makes a table's heading a button; sort is told whether to sort downwards.
function heading(cell, sort) {
  const button = make("button", { type: "button", textContent: cell.textContent });
  button.addEventListener("click", () => {
    const down = cell.getAttribute("aria-sort") !== "descending";
    for (const other of cell.parentElement.cells) other.removeAttribute("aria-sort");
    cell.setAttribute("aria-sort", down ? "descending" : "ascending");
    sort(down);
  });
  cell.replaceChildren(button);
}

// --- the table of every picture

const perPage = 50;
const flagNames = ["suspected label", "nearly a copy", "copy", "outlier"];
const pictures = readPictures();
let shown = [], first = 0, order = [r => r.own, false]; // the least probable labels first

function readPictures() {
  const raw = data("picture-data");
  if (!raw) return null;
  const rows = raw.rows.map(([path, part, label, answer, sure, own, flags]) =>
    ({ path, part: raw.texts[part], label: raw.texts[label], answer: raw.texts[answer], sure: sure / 1000, own: own / 1000, flags }));
  return { labels: raw.labels, rows, byPath: new Map(rows.map(r => [r.path, r])) };
}

const columns = [["picture", r => r.path], ["part", r => r.part], ["label", r => r.label], ["answer", r => r.answer], ["its probability", r => r.sure],
  ["of the label", r => r.own], ["remarks", r => remarks(r)]];

const remarks = r => [...flagNames.filter((_, i) => r.flags & 1 << i), corrections.get(r.path) || ""].filter(Boolean).join(", ");

function startTable() {
  $("no-table").hidden = true;
  $("table").hidden = false;
  columns.forEach(([name, of], i) => {
    const cell = make("th", { scope: "col", textContent: name, className: i === 4 || i === 5 ? "n" : "" });
    if (i === 5) cell.setAttribute("aria-sort", "ascending");
    heading(cell, down => { order = [of, down]; select(); });
    $("all").tHead.rows[0].append(cell);
  });
  const options = (id, list) => $(id).replaceChildren(...list.map(([value, textContent]) => make("option", { value, textContent })));
  options("filter", [["", "all"], ["wrong", "wrong answers"], ["unsure", "answers below 60 %"], ...flagNames.map((n, i) => [String(1 << i), n]), ["corrected", "corrected"]]);
  options("part", [["", "all"], ...[...new Set(pictures.rows.map(r => r.part))].map(p => [p, p])]);
  for (const id of ["search", "filter", "part"]) $(id).addEventListener("input", select);
  $("back").addEventListener("click", () => { first -= perPage; showTable(); });
  $("on").addEventListener("click", () => { first += perPage; showTable(); });
  $("folder").addEventListener("change", e => {
    for (const f of e.target.files) files.set(f.webkitRelativePath.split("/").slice(1).join("/"), f);
    showTable();
  });
  select();
}

function select() {
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean), filter = $("filter").value, part = $("part").value;
  const kept = { "": () => true, wrong: r => r.label !== r.answer, unsure: r => r.sure < 0.6, corrected: r => corrections.has(r.path) }[filter] || (r => r.flags & Number(filter));
  shown = pictures.rows.filter(r => kept(r) && (!part || r.part === part) && words.every(w => (r.path + " " + r.label + " " + r.answer).toLowerCase().includes(w)));
  const [of, down] = order;
  shown.sort((a, b) => (down ? -1 : 1) * (of(a) < of(b) ? -1 : of(a) > of(b) ? 1 : 0));
  first = 0;
  showTable();
}

function showTable() {
  const rows = shown.slice(first, first + perPage).map(r => {
    const name = make("button", { type: "button", textContent: r.path, onclick: () => open(r.path) });
    const file = files.get(r.path), source = file ? URL.createObjectURL(file) : thumbnails.get(r.path);
    const picture = source ? [make("img", { src: source, alt: "", loading: "lazy" })] : [];
    return make("tr", {}, make("td", {}, ...picture, name), make("td", { textContent: r.part }), make("td", { textContent: r.label }),
      make("td", { textContent: r.answer, className: r.label === r.answer ? "" : "wrong" }), make("td", { textContent: percent(r.sure), className: "n" }),
      make("td", { textContent: percent(r.own), className: "n" }), make("td", { textContent: remarks(r) }));
  });
  $("all").tBodies[0].replaceChildren(...rows);
  $("found").textContent = shown.length + (shown.length === 1 ? " picture" : " pictures");
  $("at").textContent = shown.length ? (first + 1) + " to " + Math.min(first + perPage, shown.length) : "none";
  $("back").disabled = first === 0;
  $("on").disabled = first + perPage >= shown.length;
}

// --- thresholds

const curves = data("curve-data");

function startThresholds() {
  $("thresholds").hidden = false;
  $("threshold-label").replaceChildren(...curves.map((c, i) => make("option", { value: i, textContent: c.label || "the answer, whatever label" })));
  for (const id of ["threshold-label", "threshold"]) $(id).addEventListener("input", showThreshold);
  showThreshold();
}

function showThreshold() {
  const c = curves[$("threshold-label").value], t = Number($("threshold").value);
  let at = { given: 0, right: 0 };
  for (const p of c.points) if (p.threshold >= t) at = p;
  const precision = at.given ? at.right / at.given : 1, recall = c.positives ? at.right / c.positives : 0;
  $("threshold-value").textContent = percent(t);
  const facts = c.label ? [["given the label", at.given], ["rightly", at.right], ["wrongly", at.given - at.right], ["missed", c.positives - at.right], ["precision", percent(precision)],
    ["recall", percent(recall)], ["F1", percent(2 * at.right / Math.max(1, at.given + c.positives))]]
    : [["answered", at.given + " of " + c.images], ["share answered", percent(at.given / c.images)], ["right of these", percent(precision)], ["left to a person", c.images - at.given]];
  const body = make("tbody", {}, ...facts.map(([name, value]) => make("tr", {}, make("th", { scope: "row", textContent: name }), make("td", { className: "n", textContent: value }))));
  $("threshold-facts").replaceChildren(make("table", {}, body));
  $("threshold-caption").textContent = c.label ? "Blue: precision, gold: recall, by threshold." : "Blue: right of the answered pictures, gold: share answered, by threshold.";
  $("threshold-chart").replaceChildren(thresholdChart(c, t));
}

// thresholdChart draws precision and recall (of the answer: accuracy and share answered) by threshold.
function thresholdChart(c, t) {
  const ns = "http://www.w3.org/2000/svg", left = 48, right = 396, top = 10, bottom = 198;
  const x = v => left + v * (right - left), y = v => bottom - v * (bottom - top);
  const element = (tag, attributes, text) => {
    const e = document.createElementNS(ns, tag);
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
    if (text) e.textContent = text;
    return e;
  };
  const svg = element("svg", { viewBox: "0 0 420 240", class: "chart", role: "img", "aria-label": "Precision and recall by threshold" });
  for (let i = 0; i <= 5; i++) {
    const v = i / 5;
    svg.append(element("line", { class: "grid", x1: left, x2: right, y1: y(v), y2: y(v) }), element("text", { x: left - 6, y: y(v) + 4, "text-anchor": "end" }, 20 * i + " %"),
      element("text", { x: x(v), y: bottom + 16, "text-anchor": "middle" }, 20 * i + " %"));
  }
  const whole = c.label ? c.positives : c.images;
  const path = of => c.points.map((p, i) => (i ? "L" : "M") + x(p.threshold).toFixed(1) + " " + y(of(p)).toFixed(1)).join("");
  svg.append(element("path", { class: "line a", d: path(p => p.given ? p.right / p.given : 1) }), element("path", { class: "line b", d: path(p => whole ? (c.label ? p.right : p.given) / whole : 0) }),
    element("line", { class: "ideal", x1: x(t), x2: x(t), y1: top, y2: bottom }), element("text", { x: (left + right) / 2, y: bottom + 34, "text-anchor": "middle" }, "threshold"));
  return svg;
}

// --- start

for (const img of document.querySelectorAll("img:not(#large-picture)")) opens(img);
for (const table of document.querySelectorAll("table.sort")) sortable(table);
if ($("large")) {
  $("large-close").addEventListener("click", () => $("large").close());
  $("large").addEventListener("click", e => { if (e.target === $("large")) $("large").close(); });
  $("fix").addEventListener("change", e => correct(opened, e.target.value));
  $("save-corrections").addEventListener("click", saveCorrections);
  $("clear-corrections").addEventListener("click", () => { corrections.clear(); correct("", ""); });
}
if (pictures) startTable();
for (const p of document.querySelectorAll(".fixes")) showFixes(p);
if (curves) startThresholds();
})();
