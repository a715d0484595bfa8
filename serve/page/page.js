// The page: pictures come in, wait in a queue, and are shown with their answers.

import { blankRows, chosen, shownLabels, showNearest, showRanking, showVerdict, verdictOf } from "./answer.js";
import { showModel } from "./card.js";
import { draw } from "./map.js";
import { $, call, count, make, percent, plain, useToken } from "./tools.js";

let model = null; // GET /v1/model
let queue = []; // of {file, state: waiting, asked, done or failed, answer, error, row}
let shown = null; // of the queue
let staged = null; // of the queue: whose picture the stage holds; shown, once that is decoded
let picture = null; // {bitmap, width, height} of it; null where the browser cannot read the format
let asked = null; // the AbortController of the request under way

function showError(error) {
  $("error").textContent = error ? plain(error) : "";
  $("error").hidden = !error;
  $("token-form").hidden = !(error && error.status === 401);
}

async function loadModel() {
  try {
    model = await call("v1/model");
  } catch (error) {
    showError(error);
    if (error.status === 503) setTimeout(loadModel, 2000);
    return;
  }
  showError(null);
  showModel(model);
  blankRows(model.labels.length);
}

// --- the queue

// add takes pictures in; the first of them is shown at once.
function add(files) {
  const items = [...files].map(file => ({ file, state: "waiting", answer: null, error: null, row: null }));
  if (items.length === 0) return;
  queue.push(...items);
  for (const item of items) addRow(item);
  show(items[0]);
  run();
}

async function run() {
  if (asked) return;
  asked = new AbortController();
  const mine = asked;
  for (let item; asked === mine && (item = queue.find(i => i.state === "waiting"));) {
    item.state = "asked";
    showRow(item);
    showProgress();
    try {
      item.answer = await ask(item.file, mine.signal);
      item.state = "done";
    } catch (error) {
      if (error.name === "AbortError" || asked !== mine) return;
      item.error = error;
      item.state = "failed";
    }
    showRow(item);
    if (item === shown) showAnswer();
  }
  if (asked === mine) asked = null;
  showProgress();
}

// ask sends a picture; a server that is busy is asked again when it says.
async function ask(file, signal) {
  for (let tries = 0; ; tries++) {
    try {
      const began = performance.now();
      const answer = await call("v1/explain?top_k=" + shownLabels, {
        method: "POST", body: file, signal, headers: { "Content-Type": file.type.startsWith("image/") ? file.type : "application/octet-stream" },
      });
      return { ...answer, ms: Math.round(performance.now() - began) };
    } catch (error) {
      if (error.status !== 503 || tries === 4) throw error;
      await new Promise(resolve => setTimeout(resolve, 1000 * (error.retry || 1)));
      if (signal.aborted) throw new DOMException("stopped", "AbortError");
    }
  }
}

function addRow(item) {
  const row = make("li"), button = make("button", "item"), canvas = make("canvas");
  button.type = "button";
  canvas.setAttribute("aria-hidden", "true");
  canvas.width = 64;
  canvas.height = 48;
  button.append(canvas, make("b", "", item.file.name), make("span"));
  button.addEventListener("click", () => show(item));
  row.append(button);
  item.row = button;
  $("queue").append(row);
  showRow(item);
}

function showRow(item) {
  const text = item.row.lastElementChild, a = item.answer;
  text.textContent = { waiting: "waits", asked: "looking …", failed: item.error ? plain(item.error) : "" }[item.state] ??
    verdictOf(a) + " · " + percent(a.predictions[0].probability, 0) + (a.unlike ? " · unlike the training pictures" : "");
  text.className = item.state === "failed" || a && (a.unknown || a.unlike) ? "bad" : "";
  item.row.setAttribute("aria-current", item === shown);
  if (item.state === "done" && !item.drawn) {
    item.drawn = true;
    small(item);
  }
}

// small draws a picture's thumbnail in its row.
async function small(item) {
  const bitmap = await decode(item.file);
  const canvas = item.row.firstElementChild;
  if (!bitmap) return;
  const scale = Math.min(canvas.width / bitmap.width, canvas.height / bitmap.height), w = bitmap.width * scale, h = bitmap.height * scale;
  canvas.getContext("2d").drawImage(bitmap, (canvas.width - w) / 2, (canvas.height - h) / 2, w, h);
  bitmap.close();
}

// showProgress says how far the queue is.
function showProgress() {
  const done = queue.filter(i => i.state === "done" || i.state === "failed").length, failed = queue.filter(i => i.state === "failed").length;
  const running = queue.some(i => i.state === "asked" || i.state === "waiting");
  $("queue-section").hidden = queue.length < 2;
  $("progress").max = Math.max(1, queue.length);
  $("progress").value = done;
  $("progress").hidden = !running;
  $("queue-status").textContent = done + " of " + count(queue.length, "picture", "pictures") + (failed ? ", " + failed + " could not be read" : "");
  $("stop").hidden = !running;
  $("save").hidden = done === 0;
}

function stop() {
  if (asked) asked.abort();
  asked = null;
  for (const item of queue.filter(i => i.state === "asked" || i.state === "waiting")) {
    item.state = "failed";
    item.error = new Error("stopped");
    showRow(item);
  }
  if (shown && shown.state === "failed") showAnswer();
  showProgress();
}

function clear() {
  stop();
  queue = [];
  shown = staged = picture = null;
  $("queue").replaceChildren();
  $("nearest").replaceChildren();
  $("drop").classList.remove("full", "blind");
  $("invite").replaceChildren(make("strong", "", "Drop pictures here"), make("span", "", "or choose or paste them"));
  $("status").textContent = "";
  $("overlay").disabled = true;
  document.body.classList.remove("stale");
  showError(null);
  showVerdict(null);
  if (model) blankRows(model.labels.length);
  redraw();
  showProgress();
}

// --- a picture

const decode = file => createImageBitmap(file, { imageOrientation: model && !model.recipe.orient ? "none" : "from-image" }).catch(() => null);
const redraw = () => draw(picture, staged && staged.answer, chosen());

// show puts a picture of the queue on the stage.
async function show(item) {
  const before = shown;
  shown = item;
  if (before) showRow(before);
  showRow(item);
  showProgress();
  const bitmap = await decode(item.file);
  if (shown !== item) return;
  staged = item;
  if (picture) picture.bitmap.close();
  picture = bitmap ? { bitmap, width: bitmap.width, height: bitmap.height } : null;
  $("drop").classList.add("full");
  $("drop").classList.toggle("blind", !bitmap);
  if (!bitmap) $("invite").replaceChildren(make("strong", "", item.file.name), make("span", "", "This browser cannot show the picture"));
  showAnswer();
}

// showAnswer shows what is known of the picture on the stage. An answer that comes before its picture is decoded waits
// for it: the map would lie over the picture before.
function showAnswer() {
  if (staged !== shown) return;
  const { file, state, answer, error } = shown, waits = state === "waiting" || state === "asked";
  document.body.classList.toggle("stale", waits); // what is still shown is of the picture before
  showError(error);
  showVerdict(answer);
  $("overlay").disabled = !answer;
  $("status").textContent = waits ? "Looking …" : answer ? "Answered in " + answer.ms + " ms. " + file.name : "";
  if (answer) {
    showRanking(answer, redraw);
    showNearest(answer, model.neighbours);
  } else if (!waits) {
    if (model) blankRows(model.labels.length);
    $("nearest").replaceChildren();
  }
  redraw();
}

// --- results as a file

const quoted = value => /[",\r\n]/.test(value) ? '"' + String(value).replaceAll('"', '""') + '"' : value;

function save() {
  const ranks = Math.min(shownLabels, model.labels.length);
  const head = ["file", "answer", ...Array.from({ length: ranks }, (_, i) => ["label_" + (i + 1), "probability_" + (i + 1)]).flat(), "unknown", "unlike_training", "error"];
  const rows = queue.filter(i => i.state === "done" || i.state === "failed").map(({ file, answer: a, error }) =>
    a ? [file.name, verdictOf(a), ...a.predictions.slice(0, ranks).flatMap(p => [p.label, p.probability]), a.unknown ?? "", Boolean(a.unlike), ""]
      : [file.name, "", ...Array(2 * ranks).fill(""), "", "", plain(error)]);
  const url = URL.createObjectURL(new Blob([[head, ...rows].map(r => r.map(quoted).join(",")).join("\n") + "\n"], { type: "text/csv" }));
  const link = make("a");
  link.href = url;
  link.download = "results.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

// --- events

for (const id of ["file", "camera"]) {
  $(id).addEventListener("change", e => {
    add(e.target.files);
    e.target.value = ""; // so that the same picture can be chosen again
  });
}
$("overlay").addEventListener("change", redraw);
$("stop").addEventListener("click", stop);
$("clear").addEventListener("click", clear);
$("save").addEventListener("click", save);
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
  add(e.dataTransfer.files);
});
document.addEventListener("paste", e => {
  add([...e.clipboardData.files].filter(f => f.type.startsWith("image/")));
});
$("paste").addEventListener("click", async () => {
  try {
    const files = [];
    for (const item of await navigator.clipboard.read()) {
      const type = item.types.find(t => t.startsWith("image/"));
      if (type) files.push(new File([await item.getType(type)], "pasted." + type.slice(6), { type }));
    }
    if (files.length === 0) throw new Error("there is no picture in the clipboard");
    add(files);
  } catch (error) {
    showError(error);
  }
});
$("paste").hidden = !(navigator.clipboard && navigator.clipboard.read); // there over https and on this machine alone
$("camera-label").hidden = !matchMedia("(pointer: coarse)").matches;
$("token-form").addEventListener("submit", e => {
  e.preventDefault();
  useToken($("token").value.trim());
  $("token").value = "";
  loadModel();
});
loadModel();
