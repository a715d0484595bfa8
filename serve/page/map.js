// The picture with the map of a label over it.

import { $ } from "./tools.js";

const maxSide = 960; // pixels of the canvas's longer side

// draw shows a picture ({bitmap, width, height}, or null) with the map of the label that is chosen.
export function draw(picture, answer, chosen) {
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
  const map = answer && answer.maps[chosen];
  const overlay = map && picture && $("overlay").checked;
  if (overlay) blend(paint, answer.grid, map, strongest(answer.maps));
  $("where").textContent = overlay ? "Bright: speaks for “" + map.label + "”, on " + map.cells.length + " × " + map.cells[0].length + " cells" : "";
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

