// Decoding by hand: choose a level and a cell, move the four raw numbers, watch the box. Chapter 10.
// The same five lines as boxes.decode_boxes; a test compares the two over random settings.
const view = root.querySelector("svg");
const strides = [8, 16, 32];
const side = Number(view.dataset.side); // of the picture, in pixels
const trained = view.dataset.raw.split(",").map(Number); // hundredths, four to a prediction
const scores = view.dataset.scores.split(",").map(Number); // per cent, one to a prediction
const input = (name) => root.querySelector(`[data-of=${name}]`);
const value = (name) => Number(input(name).value);
const raw = ["x", "y", "w", "h"];

function place(selector, attributes) {
  for (const [key, number] of Object.entries(attributes)) {
    root.querySelector(selector).setAttribute(key, number.toFixed(2));
  }
}

function write(name, text) {
  root.querySelector(`[data-out=${name}]`).textContent = text;
}

function number(value, digits) {
  return value.toFixed(digits).replace("-", "−");
}

function chosen() {
  const level = Number(root.querySelector("input[type=radio]:checked").value);
  const cells = strides.map((stride) => (side / stride) ** 2);
  const start = cells.slice(0, level).reduce((a, b) => a + b, 0);
  const columns = side / strides[level];
  const column = Math.min(value("column"), columns - 1);
  const row = Math.min(value("row"), columns - 1);
  return { level, stride: strides[level], columns, column, row, start, index: start + row * columns + column };
}

function where(x, y) {
  const places = ["in its own cell", "in the next cell", "beyond the neighbours"];
  const off = Math.max(Math.abs(Math.floor(x)), Math.abs(Math.floor(y)));
  return places[Math.min(off, 2)];
}

function grid(cell) {
  const lines = [];
  for (let at = 0; at <= side; at += cell.stride) lines.push(`M${at} 0V${side}M0 ${at}H${side}`);
  root.querySelector(".grid").setAttribute("d", lines.join(""));
  const sure = [];
  for (let i = 0; i < cell.columns ** 2; i++) {
    if (scores[cell.start + i] < 25) continue;
    const [x, y] = [i % cell.columns, Math.floor(i / cell.columns)];
    sure.push(`M${(x + 0.5) * cell.stride} ${(y + 0.5) * cell.stride}h0`);
  }
  root.querySelector(".sure").setAttribute("d", sure.join(""));
}

function draw() {
  const cell = chosen();
  const { stride, column, row } = cell;
  for (const name of ["column", "row"]) input(name).max = cell.columns - 1;
  for (const name of ["column", "row", ...raw]) {
    input(name).nextElementSibling.textContent = number(value(name), raw.includes(name) ? 2 : 0);
  }
  const [x, y, w, h] = raw.map(value);
  const box = { x: (x + column) * stride, y: (y + row) * stride, w: Math.exp(w) * stride, h: Math.exp(h) * stride };
  const [left, top] = [box.x - box.w / 2, box.y - box.h / 2];
  grid(cell);
  place(".cell", { x: column * stride, y: row * stride, width: stride, height: stride });
  place(".box", { x: left, y: top, width: box.w, height: box.h });
  place(".way", { x1: column * stride, y1: row * stride, x2: box.x, y2: box.y });
  place(".corner", { cx: column * stride, cy: row * stride });
  place(".middle", { cx: box.x, cy: box.y });
  write("cell", `Prediction ${cell.index.toLocaleString("en")}: P${cell.level + 3}, row ${row}, column ${column}`);
  write("x", `(${number(x, 2)} + ${column}) · ${stride} = ${number(box.x, 1)}`);
  write("y", `(${number(y, 2)} + ${row}) · ${stride} = ${number(box.y, 1)}`);
  write("w", `exp(${number(w, 2)}) · ${stride} = ${number(box.w, 1)}`);
  write("h", `exp(${number(h, 2)}) · ${stride} = ${number(box.h, 1)}`);
  const edges = [left, top, left + box.w, top + box.h].map((edge) => number(edge, 0)).join(", ");
  write("box", `Box: ${edges}. Its centre lies ${where(x, y)}.`);
  write("score", `The trained network's score here: 0.${String(scores[cell.index]).padStart(2, "0")}`);
}

// Where the four numbers come from: the reader, the trained network, or all zero.
function fill() {
  const source = input("source").value;
  const first = 4 * chosen().index;
  if (source !== "by hand") raw.forEach((name, i) => (input(name).value = source === "zero" ? 0 : trained[first + i] / 100));
}

root.addEventListener("input", (event) => {
  if (raw.includes(event.target.dataset.of)) input("source").value = "by hand";
  else fill();
  draw();
});

view.addEventListener("click", (event) => {
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(view.getScreenCTM().inverse());
  const { stride } = chosen();
  input("column").value = Math.max(0, Math.floor(at.x / stride));
  input("row").value = Math.max(0, Math.floor(at.y / stride));
  fill();
  draw();
});

draw();
