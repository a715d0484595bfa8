"use strict";

const $ = id => document.getElementById(id);
const shownLabels = 5; // rows of the ranking
const maxSide = 960; // pixels of the canvas's longer side

let token = "";
let model = null; // GET /v1/model
let asked = null; // the AbortController of the request under way
let picture = null; // {bitmap, width, height}: what is shown; bitmap is null where the browser cannot read the format
let answer = null; // POST /v1/explain

// make returns an element with a class and a text.
function make(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

const percent = (p, digits = 1) => (100 * p).toFixed(digits) + " %";
const count = (n, one, many) => n.toLocaleString("en") + " " + (n === 1 ? one : many);

const some = (list, n) => list.slice(0, n).join(", ") + (list.length > n ? " and " + (list.length - n).toLocaleString("en") + " more" : "");

// call asks the server, and throws the server's own sentence where it refuses.
async function call(path, options = {}) {
  const headers = { ...options.headers };
  if (token) headers.Authorization = "Bearer " + token;
  let response;
  try {
    response = await fetch(path, { ...options, headers, credentials: "omit", cache: "no-store" });
  } catch (e) {
    if (e.name === "AbortError") throw e;
    throw new Error("the server cannot be reached");
  }
  let body = null;
  try {
    body = await response.json();
  } catch (e) {
    if (e.name === "AbortError") throw e;
  }
  if (response.ok && body) return body;
  const error = new Error(body && body.error ? body.error : "the server answered with status " + response.status);
  error.status = response.status;
  throw error;
}

function showError(error) {
  $("error").textContent = error ? error.message.replace(/^(dataset|serve|inception): ([a-z]+: )?/, "") : ""; // which package says so is for programs
  $("error").hidden = !error;
  $("token-form").hidden = !(error && error.status === 401);
}

// --- the model card

async function loadModel() {
  try {
    model = await call("v1/model");
  } catch (error) {
    showError(error);
    if (error.status === 503) setTimeout(loadModel, 2000);
    return;
  }
  showError(null);
  showModel();
  blankRows();
}

function showModel() {
  $("title").textContent = model.name === "model" ? "Rehead" : model.name;
  document.title = model.name === "model" ? "Rehead" : model.name + " – Rehead";
  $("subtitle").textContent = count(model.labels.length, "label", "labels") + ": " + some(model.labels, 20);
  showAccuracy(model.metrics);
  showFacts();
  showClasses(model.metrics.per_class || []);
  $("curl").textContent = "curl --data-binary @picture.jpg -H 'Content-Type: image/jpeg' \\\n  " + (token ? "-H 'Authorization: Bearer …' \\\n  " : "") +
    new URL("invocations", location.href);
  $("nearest-section").hidden = !model.neighbours;
  document.body.classList.remove("loading");
}

function showAccuracy(metrics) {
  $("accuracy").replaceChildren();
  for (const [part, name] of [["test", "Accuracy on test pictures"], ["validation", "Accuracy on validation pictures"], ["train", "Accuracy on training pictures"]]) {
    const accuracy = metrics[part + "_accuracy"], interval = metrics[part + "_accuracy_interval"], images = metrics[part + "_images"];
    if (typeof accuracy !== "number" || !images) continue;
    const box = make("div", "part");
    box.append(make("span", "", name), make("b", "", percent(accuracy)));
    if (interval) {
      const range = make("div", "range"), bar = make("i"), mark = make("u");
      bar.style.left = 100 * interval[0] + "%";
      bar.style.width = 100 * (interval[1] - interval[0]) + "%";
      mark.style.left = 100 * accuracy + "%";
      range.append(bar, mark);
      box.append(range, make("span", "", "95 % interval " + percent(interval[0]) + " to " + percent(interval[1]) + ", " + count(images, "picture", "pictures")));
    }
    $("accuracy").append(box);
  }
}

function showFacts() {
  const r = model.recipe, n = model.network;
  const geometry = {
    squash: "the whole picture squashed", crop: "short side to " + r.resize + ", centre cut",
    central: "the central " + percent(r.fraction || 0) + " squashed",
  }[r.geometry];
  const facts = [
    ["Labels", some(model.labels, 60)],
    ["Trunk", "InceptionV3, " + model.flavor + ", width " + model.width + ", " + model.trunk.slice(0, 12)],
    ["Recipe", r.size + " × " + r.size + " pixels: " + geometry + ", " + r.filter + (r.orient ? ", turned upright" : "")],
  ];
  const m = model.metrics;
  if (m.images) facts.push(["Trained on", count(m.train_images || 0, "picture", "pictures") + " of " + m.images.toLocaleString("en")]);
  if (typeof m.ece === "number") facts.push(["Calibration error", percent(m.ece) + " (expected, 15 bins or fewer)"]);
  if (model.multi_label) facts.push(["Answers", "any number of labels for a picture, each from its own probability on"]);
  if (model.unknown) facts.push(["Unknown pictures", "told by a line that about " + percent(model.unknown.false_reject) + " of known pictures fall below"]);
  if (n) facts.push(["Runs on", n.device + ", " + n.kernel + " kernels, " + n.precision + ", " + count(n.threads, "thread", "threads")]);
  if (model.neighbours) facts.push(["Keeps", count(model.neighbours, "training picture", "training pictures") + " for comparison"]);
  facts.push(["Made by", "rehead " + (model.tool || "(unknown version)")]);
  $("facts").replaceChildren(...facts.flatMap(([name, value]) => [make("dt", "", name), make("dd", "", value)]));
}

function showClasses(classes) {
  $("classes-details").hidden = classes.length === 0;
  const line = (tag, cells) => {
    const tr = make("tr");
    cells.forEach((text, i) => {
      const cell = make(i === 0 ? "th" : tag, "", text);
      cell.scope = tag === "th" ? "col" : "row";
      tr.append(cell);
    });
    return tr;
  };
  const rows = classes.map(c => line("td", [c.label, c.train, c.measured, ...[c.precision, c.recall, c.f1].map(v => typeof v === "number" ? percent(v) : "–")]));
  $("classes").replaceChildren(line("th", ["Label", "Trained", "Measured", "Precision", "Recall", "F1"]), ...rows);
}

// --- a picture

function blankRows() {
  const legend = $("labels").firstElementChild;
  const rows = Array.from({ length: Math.min(shownLabels, model.labels.length) }, () => {
    const row = make("div", "row blank");
    row.append(make("span"), make("span", "name", "\u00a0"), make("span", "share"), make("span", "track"));
    return row;
  });
  $("labels").replaceChildren(legend, ...rows);
}

async function take(file) {
  if (!file) return;
  if (asked) asked.abort();
  const mine = asked = new AbortController();
  answer = null;
  showError(null);
  showVerdict();
  $("overlay").disabled = true;
  $("status").textContent = "Looking …";
  document.body.classList.add("stale"); // what is still shown is of the picture before
  const orientation = model && !model.recipe.orient ? "none" : "from-image";
  const decoded = createImageBitmap(file, { imageOrientation: orientation }).catch(() => null);
  const began = performance.now();
  try {
    const explained = call("v1/explain?top_k=" + shownLabels, {
      method: "POST", body: file, signal: mine.signal, headers: { "Content-Type": file.type.startsWith("image/") ? file.type : "application/octet-stream" },
    });
    explained.catch(() => {}); // it is awaited below
    const bitmap = await decoded;
    if (asked !== mine) return;
    picture = bitmap ? { bitmap, width: bitmap.width, height: bitmap.height } : null;
    $("drop").classList.add("full");
    $("drop").classList.toggle("blind", !bitmap);
    if (!bitmap) $("invite").replaceChildren(make("strong", "", file.name), make("span", "", "This browser cannot show the picture"));
    draw();
    const result = await explained;
    if (asked !== mine) return;
    answer = result;
    document.body.classList.remove("stale");
    $("overlay").disabled = false;
    $("status").textContent = "Answered in " + Math.round(performance.now() - began) + " ms. " + file.name;
    showVerdict();
    showRanking();
    showNearest();
    draw();
  } catch (error) {
    if (error.name === "AbortError" || asked !== mine) return;
    document.body.classList.remove("stale");
    $("status").textContent = "";
    if (model) blankRows();
    $("nearest").replaceChildren();
    draw();
    showError(error);
  }
}

// showVerdict says what the ranking alone does not: that the picture is of none of the labels, or which of them it has.
function showVerdict() {
  const verdict = $("verdict"), given = answer && answer.labels, unknown = Boolean(answer && answer.unknown);
  let text = "";
  if (given) text = given.length ? count(given.length, "label", "labels") + ": " + given.join(", ") : "none of the labels";
  if (unknown) text = "Unknown: probably none of these";
  verdict.textContent = verdict.title = text;
  verdict.hidden = !text;
  verdict.classList.toggle("unknown", unknown);
  $("labels").classList.toggle("unsure", unknown);
  $("labels").classList.toggle("several", Boolean(given));
}

function showRanking() {
  const legend = $("labels").firstElementChild;
  const rows = answer.predictions.slice(0, shownLabels).map((p, i) => {
    const has = Boolean(answer.labels && answer.labels.includes(p.label));
    const row = make("label", has ? "row given" : "row"), radio = make("input"), track = make("span", "track"), fill = make("span", "fill");
    radio.type = "radio";
    radio.name = "map";
    radio.checked = i === 0;
    radio.addEventListener("change", draw);
    fill.style.width = 100 * p.probability + "%";
    track.append(fill);
    const name = make("span", "name", p.label);
    name.title = p.label;
    row.append(radio, name, make("span", "share", percent(p.probability)), track);
    return row;
  });
  $("labels").replaceChildren(legend, ...rows);
}

function showNearest() {
  const tiles = (answer.nearest || []).map(n => {
    const tile = make("li"), thumb = make("div", "thumb");
    if (n.thumbnail) {
      const img = make("img");
      img.alt = "";
      img.src = "data:image/jpeg;base64," + n.thumbnail;
      thumb.append(img);
    }
    const path = make("span", "", n.path);
    path.title = n.path;
    tile.append(thumb, make("b", "", n.label), make("span", "", percent(n.similarity) + " alike"), path);
    return tile;
  });
  $("nearest").replaceChildren(...tiles);
}

// --- drawing

function chosen() {
  const radios = [...document.querySelectorAll("#labels input")];
  return Math.max(0, radios.findIndex(r => r.checked));
}

function draw() {
  const canvas = $("canvas");
  const width = picture ? picture.width : answer ? answer.grid.width : 4;
  const height = picture ? picture.height : answer ? answer.grid.height : 3;
  const scale = maxSide / Math.max(width, height);
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const paint = canvas.getContext("2d", { willReadFrequently: true });
  if (picture) {
    paint.imageSmoothingQuality = "high";
    paint.drawImage(picture.bitmap, 0, 0, canvas.width, canvas.height);
  }
  const map = answer && answer.maps[chosen()];
  const overlay = map && picture && $("overlay").checked;
  if (overlay) blend(paint, answer.grid, map, strongest(answer.maps));
  $("where").textContent = overlay ? "Bright: speaks for “" + map.label + "”" : "";
  let name = picture ? "The picture" : "No picture yet";
  if (overlay) name = "The picture; what speaks for " + map.label + " is bright: " + place(map);
  canvas.setAttribute("aria-label", name);
}

const strongest = maps => Math.max(0, ...maps.map(m => Math.max(...m.cells.flat())));

// place says in words where a map is strongest.
function place(map) {
  let best = [0, 0];
  map.cells.forEach((row, i) => row.forEach((v, j) => { if (v > map.cells[best[0]][best[1]]) best = [i, j]; }));
  const third = (i, n, names) => names[Math.min(2, Math.floor(3 * (i + 0.5) / n))];
  return "most of all " + third(best[0], map.cells.length, ["at the top", "in the middle", "at the bottom"]) + " " +
    third(best[1], map.cells[0].length, ["left", "centre", "right"]);
}

const heatStops = [[58, 12, 110], [150, 30, 130], [228, 80, 60], [252, 165, 30], [255, 245, 150]];

// blend lays a map over the canvas, which holds the whole picture: as the program's PNGs do, the picture fades to grey
// and what speaks for the label glows. Full strength is the strongest cell of all labels.
function blend(paint, grid, map, top) {
  const { width, height } = paint.canvas;
  const image = paint.getImageData(0, 0, width, height), data = image.data;
  const cells = map.cells, rows = cells.length, columns = cells[0].length;
  const sx = grid.width / width, sy = grid.height / height, [left, upper, right, lower] = grid.seen;
  const place = (p, first, step, n) => Math.min(Math.max((p - first) / step, 0), n - 1);
  for (let y = 0; y < height; y++) {
    const py = (y + 0.5) * sy, v = place(py, grid.y, grid.step_y, rows), i = Math.min(Math.floor(v), Math.max(rows - 2, 0)), below = Math.min(i + 1, rows - 1);
    for (let x = 0; x < width; x++) {
      const px = (x + 0.5) * sx, at = 4 * (y * width + x);
      let t = 0;
      if (top > 0 && px >= left && px <= right && py >= upper && py <= lower) {
        const u = place(px, grid.x, grid.step_x, columns), j = Math.min(Math.floor(u), Math.max(columns - 2, 0)), next = Math.min(j + 1, columns - 1);
        const a = cells[i][j] * (1 - u + j) + cells[i][next] * (u - j), b = cells[below][j] * (1 - u + j) + cells[below][next] * (u - j);
        t = Math.min(Math.max((a * (1 - v + i) + b * (v - i)) / top, 0), 1);
      }
      const grey = 0.2126 * data[at] + 0.7152 * data[at + 1] + 0.0722 * data[at + 2];
      const alpha = 0.75 * Math.min(1, 1.5 * t), h = t * (heatStops.length - 1), k = Math.min(Math.floor(h), heatStops.length - 2);
      for (let c = 0; c < 3; c++) {
        const glow = heatStops[k][c] * (1 - h + k) + heatStops[k + 1][c] * (h - k);
        data[at + c] = (0.4 * data[at + c] + 0.6 * grey) * (1 - alpha) + glow * alpha;
      }
    }
  }
  paint.putImageData(image, 0, 0);
}

// --- events

$("file").addEventListener("change", e => {
  take(e.target.files[0]);
  e.target.value = ""; // so that the same picture can be chosen again
});
$("overlay").addEventListener("change", draw);
for (const type of ["dragenter", "dragover"]) {
  document.addEventListener(type, e => {
    e.preventDefault();
    $("drop").classList.add("over");
  });
}
document.addEventListener("dragleave", e => {
  if (!e.relatedTarget) $("drop").classList.remove("over");
});
document.addEventListener("drop", e => {
  e.preventDefault();
  $("drop").classList.remove("over");
  take(e.dataTransfer.files[0]);
});
document.addEventListener("paste", e => {
  const file = [...e.clipboardData.files].find(f => f.type.startsWith("image/"));
  if (file) take(file);
});
$("token-form").addEventListener("submit", e => {
  e.preventDefault();
  token = $("token").value.trim();
  $("token").value = "";
  loadModel();
});
loadModel();
