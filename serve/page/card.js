// The model card: what GET /v1/model says.

import { $, count, hasToken, make, percent, some } from "./tools.js";

let model = null;

// nameOf is what the model is called: by its server, or where that says nothing by its data.
function nameOf() {
  const { data, date } = model.training || {};
  const name = model.name === "model" ? data || "Rehead" : model.name;
  return [name, date];
}

export function showModel(card) {
  model = card;
  const [name, date] = nameOf();
  $("title").textContent = name;
  document.title = name === "Rehead" ? name : name + " – Rehead";
  $("subtitle").textContent = count(model.labels.length, "label", "labels") + ": " + some(model.labels, 20) + (date ? " · trained " + date : "");
  showAccuracy(model.metrics);
  showFacts();
  showClasses(model.metrics.per_class || []);
  $("curl").textContent = "curl --data-binary @picture.jpg -H 'Content-Type: image/jpeg' \\\n  " + (hasToken() ? "-H 'Authorization: Bearer …' \\\n  " : "") +
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
  if (model.training && model.training.data) facts.push(["Data", model.training.data]);
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

