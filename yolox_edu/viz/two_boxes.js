// Two boxes on squared paper. State: left, top, width, height of each, in squares; everything else follows.
const svg = root.querySelector("svg");
const at = (name) => root.querySelector(`[data-is="${name}"]`);
const inputs = [...root.querySelectorAll("input[data-box]")];
const [WIDE, HIGH, SIDE, STEP] = ["wide", "high", "side", "step"].map((key) => Number(svg.dataset[key]));
const boxes = { a: {}, b: {} };
for (const input of inputs) boxes[input.dataset.box][input.dataset.part] = Number(input.value);

const area = ({ width, height }) => width * height;
const snap = (value) => Math.round(value / STEP) * STEP;
const within = (value, low, high) => Math.min(Math.max(value, low), high);
const short = (value) => String(Math.round(value * 100) / 100).replace("-", "−");
const ratio = (value) => (Math.round(value * 1000) / 1000 || 0).toFixed(3).replace("-", "−");

function measure({ a, b }) {
  const edge = (box, start, size) => [box[start], box[start] + box[size]];
  const span = (start, size) => {
    const [a0, a1] = edge(a, start, size), [b0, b1] = edge(b, start, size);
    return { from: Math.max(a0, b0), to: Math.min(a1, b1), low: Math.min(a0, b0), high: Math.max(a1, b1) };
  };
  const x = span("left", "width"), y = span("top", "height");
  const across = Math.max(x.to - x.from, 0), down = Math.max(y.to - y.from, 0);
  const areaA = area(a), areaB = area(b), shared = across * down;
  const union = areaA + areaB - shared, hull = (x.high - x.low) * (y.high - y.low);
  const iou = shared / union;
  return { x, y, across, down, areaA, areaB, shared, union, hull, iou, giou: iou - (hull - union) / hull };
}

function place(rect, x, y, width, height) {
  const size = { x, y, width, height };
  for (const key in size) rect.setAttribute(key, size[key] * SIDE);
}

function drawBox(name) {
  const group = root.querySelector(`g[data-box="${name}"]`), { left, top, width, height } = boxes[name];
  place(group.querySelector("[data-part=body]"), left, top, width, height);
  root.querySelector(`g[data-corner="${name}"]`)
    .setAttribute("transform", `translate(${(left + width) * SIDE} ${(top + height) * SIDE})`);
  group.querySelector("text").setAttribute("x", left * SIDE + 12);
  group.querySelector("text").setAttribute("y", top * SIDE + 21);
}

function show() {
  const m = measure(boxes);
  ["a", "b"].forEach(drawBox);
  place(at("hull"), m.x.low, m.y.low, m.x.high - m.x.low, m.y.high - m.y.low);
  place(at("shared"), m.x.from, m.y.from, m.shared ? m.across : 0, m.shared ? m.down : 0);
  const { a, b } = boxes;
  const words = {
    "a-how": `${short(a.width)} × ${short(a.height)}`, a: short(m.areaA),
    "b-how": `${short(b.width)} × ${short(b.height)}`, b: short(m.areaB),
    "intersection-how": `${short(m.across)} × ${short(m.down)}`, intersection: short(m.shared),
    "union-how": `${short(m.areaA)} + ${short(m.areaB)} − ${short(m.shared)}`, union: short(m.union),
    "iou-how": `${short(m.shared)} / ${short(m.union)}`, iou: ratio(m.iou),
    "enclosing-how": `${short(m.x.high - m.x.low)} × ${short(m.y.high - m.y.low)}`, enclosing: short(m.hull),
    "giou-how": `${ratio(m.iou)} − (${short(m.hull)} − ${short(m.union)}) / ${short(m.hull)}`,
    giou: ratio(m.giou),
    says: `A and B share ${short(m.shared)} of the ${short(m.union)} squares that they cover together: `
      + `IoU ${ratio(m.iou)}, GIoU ${ratio(m.giou)}.`,
  };
  for (const key in words) at(key).textContent = words[key];
  for (const input of inputs) {
    const value = String(boxes[input.dataset.box][input.dataset.part]);
    if (document.activeElement !== input || Number(input.value) !== Number(value)) input.value = value;
  }
}

function set(name, change) {
  const box = { ...boxes[name], ...change };
  box.width = within(snap(box.width), 1, WIDE - ("width" in change ? box.left : 0));
  box.height = within(snap(box.height), 1, HIGH - ("height" in change ? box.top : 0));
  box.left = within(snap(box.left), 0, WIDE - box.width);
  box.top = within(snap(box.top), 0, HIGH - box.height);
  boxes[name] = box;
  show();
}

root.addEventListener("input", ({ target }) => {
  const { box, part } = target.dataset;
  // An emptied field or a lone minus sign is somebody in the middle of typing.
  if (box && target.value !== "" && !Number.isNaN(target.valueAsNumber)) set(box, { [part]: target.valueAsNumber });
});
root.addEventListener("change", show);
for (const button of root.querySelectorAll("button[data-boxes]")) {
  button.addEventListener("click", () => {
    const [a, b] = JSON.parse(button.dataset.boxes);
    [boxes.a, boxes.b] = [a, b].map(([left, top, width, height]) => ({ left, top, width, height }));
    show();
  });
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
for (const group of root.querySelectorAll("g[data-box]")) {
  const name = group.dataset.box;
  group.addEventListener("keydown", (event) => {
    const step = ARROWS[event.key];
    if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const [x, y] = step.map((value) => value * STEP), box = boxes[name];
    set(name, event.shiftKey ? { width: box.width + x, height: box.height + y }
      : { left: box.left + x, top: box.top + y });
  });
}

// Where boxes lie on each other a corner wins over an area, B over A, and a box inside the other over that one.
function under([x, y]) {
  const names = measure(boxes).shared === area(boxes.a) ? ["a", "b"] : ["b", "a"];
  const near = (value) => Math.abs(value) <= 14 / SIDE;
  const corner = names.find((name) => {
    const { left, top, width, height } = boxes[name];
    return near(x - left - width) && near(y - top - height);
  });
  const inside = names.find((name) => {
    const { left, top, width, height } = boxes[name];
    return x >= left && x <= left + width && y >= top && y <= top + height;
  });
  return { name: corner || inside, corner: Boolean(corner) };
}

svg.addEventListener("pointerdown", (event) => {
  const from = squares(event), { name, corner } = under(from), box = { ...boxes[name] };
  if (event.button || !name) return;
  svg.setPointerCapture(event.pointerId);
  const move = (next) => {
    const [x, y] = squares(next).map((value, i) => value - from[i]);
    set(name, corner ? { width: box.width + x, height: box.height + y } : { left: box.left + x, top: box.top + y });
  };
  const stop = () => {
    svg.removeEventListener("pointermove", move);
    root.dispatchEvent(new Event("change"));
  };
  svg.addEventListener("pointermove", move);
  for (const end of ["pointerup", "pointercancel"]) svg.addEventListener(end, stop, { once: true });
});

// A finger on a box does not scroll the page; Chromium heeds `touch-action` on a whole picture only.
svg.addEventListener("touchstart", (event) => {
  if (event.target.closest("g[data-box], g[data-corner]")) event.preventDefault();
}, { passive: false });

function squares(event) {
  const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  return [point.x / SIDE, point.y / SIDE];
}

const form = root.querySelector("form");
form.addEventListener("submit", (event) => event.preventDefault());
form.hidden = false;
