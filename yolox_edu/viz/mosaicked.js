// A mosaic under a view, with its boxes. State: the sliders; pictures, outlines, boxes and words follow.
const whole = JSON.parse(root.querySelector(".mosaicked-panels").dataset.whole);
const SIDE = whole.side, COLOURS = ["#0072b2", "#e69f00", "#009e73", "#d55e00"];
const NAMES = ["blue", "orange", "green", "vermilion"];
const sliders = [...root.querySelectorAll("input[data-of]")];
const slider = (name) => sliders.find((each) => each.dataset.of === name);
const value = (name) => Number(slider(name).value);
const at = (name) => root.querySelector(`[data-is="${name}"]`);
const within = (x, low, high) => Math.min(Math.max(x, low), high);

// The matrix canvas -> frame, by columns as SVG wants it: shear · (scale · rotation), then the shift.
function view() {
  const rad = (name) => (value(name) * Math.PI) / 180, zoom = value("scale");
  const c = zoom * Math.cos(rad("rotation")), s = zoom * Math.sin(rad("rotation"));
  const p = Math.tan(rad("shear x")), q = Math.tan(rad("shear y"));
  return [c - q * s, p * c - s, s + q * c, p * s + c, value("shift x"), value("shift y")];
}

const through = ([a, b, c, d, e, f], [x, y]) => [a * x + c * y + e, b * x + d * y + f];
const corners = ([x1, y1, x2, y2]) => [[x1, y1], [x2, y1], [x2, y2], [x1, y2]];

function area(points) {
  let sum = 0;
  points.forEach(([x, y], i) => {
    const [u, v] = points[(i + 1) % points.length];
    sum += x * v - y * u;
  });
  return Math.abs(sum) / 2;
}

// What of a convex polygon lies in the frame: cut along one side after the other.
function clip(points) {
  for (const [axis, limit, sign] of [[0, 0, 1], [1, 0, 1], [0, SIDE, -1], [1, SIDE, -1]]) {
    const kept = [];
    points.forEach((a, i) => {
      const b = points[(i + 1) % points.length];
      const roomA = (a[axis] - limit) * sign, roomB = (b[axis] - limit) * sign;
      if (roomA >= 0) kept.push(a);
      if (roomA * roomB < 0) {
        const t = roomA / (roomA - roomB);
        kept.push([a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])]);
      }
    });
    points = kept;
  }
  return points;
}

// The upright box around points, and its shorter side.
function around(points) {
  const [xs, ys] = [0, 1].map((axis) => points.map((point) => point[axis]));
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}
const shorter = ([x1, y1, x2, y2]) => Math.min(x2 - x1, y2 - y1);

function compute(matrix) {
  const kept = [], dropped = [], ghosts = [], shares = [], tiles = [], full = 2 * SIDE;
  const scaled = Math.abs(matrix[0] * matrix[3] - matrix[1] * matrix[2]);
  whole.boxes.forEach((boxes, quarter) => {
    const left = value("centre x") - (quarter % 2 ? 0 : SIDE), top = value("centre y") - (quarter > 1 ? 0 : SIDE);
    const cut = ([x1, y1, x2, y2]) => [within(x1, 0, full), within(y1, 0, full), within(x2, 0, full), within(y2, 0, full)];
    const seen = (box) => clip(corners(cut(box)).map((point) => through(matrix, point)));
    tiles.push([left, top]);
    shares.push(area(seen([left, top, left + SIDE, top + SIDE])) / SIDE ** 2);
    for (const [x1, y1, x2, y2] of boxes) {
      const polygon = seen([x1 + left, y1 + top, x2 + left, y2 + top]);
      const share = area(polygon) / ((x2 - x1) * (y2 - y1) * scaled);
      if (!polygon.length || share <= 1e-9) {
        const ghost = around(corners(cut([x1 + left, y1 + top, x2 + left, y2 + top]))
          .map((point) => through(matrix, point).map((v) => within(v, 0, SIDE))));
        if (shorter(ghost) > 1) ghosts.push([quarter, ghost]);
        continue;
      }
      const box = around(polygon);
      const stays = share >= whole.least - 1e-9 && shorter(box) > 1;
      (stays ? kept : dropped).push([quarter, box]);
    }
  });
  return { kept, dropped, ghosts, shares, tiles };
}

function words({ kept, dropped, ghosts, shares }) {
  const percent = shares.map((share) => Math.floor(100 * share + 0.5));
  const parts = percent.map((p, i) => `${NAMES[i]} ${p}%`).join(", ");
  const grey = Math.max(0, 100 - percent.reduce((a, b) => a + b));
  const count = whole.boxes.flat().length;
  return `Of the frame the pictures fill: ${parts}; grey ${grey}%. ${kept.length} of ${count} boxes stay, `
    + `${dropped.length} in sight are dropped, ${count - kept.length - dropped.length} are out of sight. `
    + `Ghosts by the official rule: ${ghosts.length}.`;
}

function rectangle(kind, [quarter, [x1, y1, x2, y2]]) {
  const look = kind === "kept" ? `stroke="${COLOURS[quarter]}" stroke-width="2"`
    : kind === "ghost" ? whole.ghost : `stroke="#fff" stroke-width="1.5" stroke-dasharray="3 3"`;
  return `<rect data-box="${kind}" x="${x1.toFixed(2)}" y="${y1.toFixed(2)}" width="${(x2 - x1).toFixed(2)}" `
    + `height="${(y2 - y1).toFixed(2)}" fill="none" ${look}/>`;
}

// The frame as it lies on the canvas: its corners, taken back through the view.
function outline([a, b, c, d, e, f]) {
  const det = a * d - b * c;
  const points = corners([0, 0, SIDE, SIDE]).map(([x, y]) =>
    [(d * (x - e) - c * (y - f)) / det, (a * (y - f) - b * (x - e)) / det].map((v) => v.toFixed(1)).join());
  return `<polygon points="${points.join(" ")}" fill="none" stroke="#fff" stroke-width="7"/>`
    + `<polygon points="${points.join(" ")}" fill="none" stroke="#000" stroke-width="3"/>`;
}

function show() {
  const matrix = view(), now = compute(matrix);
  at("frame").setAttribute("transform", `matrix(${matrix.map((v) => v.toFixed(5)).join(" ")})`);
  for (const part of root.querySelectorAll("[data-quarter]")) {
    const [left, top] = now.tiles[part.dataset.quarter];
    part.setAttribute("transform", `translate(${left} ${top})`);
  }
  at("boxes").innerHTML = now.ghosts.map((each) => rectangle("ghost", each)).join("") + now.dropped.map((each) => rectangle("dropped", each)).join("")
    + now.kept.map((each) => rectangle("kept", each)).join("");
  at("outline").innerHTML = outline(matrix);
  root.querySelector(".play-says").textContent = words(now);
  for (const each of sliders) {
    const text = each.value + each.dataset.unit;
    root.querySelector(`output[for="${each.id}"]`).textContent = text;
    each.setAttribute("aria-valuetext", text);
  }
}

function put(values) {
  sliders.filter((each) => each.dataset.of !== "seed").forEach((each, i) => { each.value = values[i]; });
}

root.addEventListener("input", ({ target }) => {
  if (target.dataset.of === "seed" || target.type === "radio") {
    put(whole.draws[root.querySelector("input[type=radio]:checked").value][value("seed")]);
  }
  show();
});
root.querySelector("button").addEventListener("click", () => {
  put([value("centre x"), value("centre y"), 0.5, 0, 0, 0, 0, 0]);
  show();
});
root.querySelector("form").hidden = false;
show();
