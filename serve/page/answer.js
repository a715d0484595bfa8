// What the server answered for a picture: labels, verdict, similar training pictures.

import { $, count, make, percent } from "./tools.js";

const shownLabels = 5; // rows of the ranking

export { shownLabels };

export function blankRows(labels) {
  const legend = $("labels").firstElementChild;
  const rows = Array.from({ length: Math.min(shownLabels, labels) }, () => {
    const row = make("div", "row blank");
    row.append(make("span"), make("span", "name", "\u00a0"), make("span", "share"), make("span", "track"));
    return row;
  });
  $("labels").replaceChildren(legend, ...rows);
}

// showVerdict says what the ranking alone does not: that the picture is of none of the labels, or which of them it has.
export function showVerdict(answer) {
  const verdict = $("verdict"), given = answer && answer.labels, unknown = Boolean(answer && answer.unknown);
  let text = "";
  if (given) text = given.length ? count(given.length, "label", "labels") + ": " + given.join(", ") : "none of the labels";
  if (unknown) text = "Unknown: probably none of these";
  verdict.textContent = verdict.title = text;
  verdict.hidden = !text;
  verdict.classList.toggle("unknown", unknown);
  $("labels").classList.toggle("unsure", unknown);
  $("labels").classList.toggle("several", Boolean(given));
  const unlike = Boolean(answer && answer.unlike);
  $("caution").hidden = !unlike;
  $("caution").textContent = unlike ? "Caution: the training pictures that the model keeps are further from this one than nearly all of them are from each other. It may show none of the labels." : "";
}

// verdictOf is the answer in a few words.
export function verdictOf(answer) {
  if (answer.labels) return answer.labels.length ? answer.labels.join(", ") : "none of the labels";
  return answer.unknown ? "unknown" : answer.predictions[0].label;
}

export function showRanking(answer, draw) {
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

export function showNearest(answer, kept) {
  const tiles = (answer.nearest || []).map((n, i) => {
    const tile = make("li"), thumb = make("div", "thumb");
    if (n.thumbnail) {
      const img = make("img");
      img.alt = "";
      img.src = "data:image/jpeg;base64," + n.thumbnail;
      thumb.append(img);
    }
    const path = make("span", "", n.path);
    path.title = n.path;
    tile.append(thumb, make("b", "", n.label), make("span", "", rankText(n, i, kept)), path);
    return tile;
  });
  $("nearest").replaceChildren(...tiles);
}

// rankText puts a similarity in its place: a cosine alone says nothing to anybody.
function rankText(n, i, kept) {
  const place = "no. " + (i + 1) + " of " + kept.toLocaleString("en");
  if (typeof n.rank !== "number") return place;
  if (n.rank >= 0.995) return place + "; nearer than they are to each other";
  if (n.rank <= 0.005) return place + "; further than they are from each other";
  return place + "; " + percent(n.rank, 0) + " of them have no other as near";
}

// chosen is the label whose map is shown, by its place in the ranking.
export function chosen() {
  const radios = [...document.querySelectorAll("#labels input")];
  return Math.max(0, radios.findIndex(r => r.checked));
}

