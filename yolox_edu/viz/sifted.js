// Two thresholds over the boxes of a real network: greedy NMS at every move. Chapter 17.
// The same as sifted.sift, which asks torchvision; a test compares the two over many settings.
const data = JSON.parse(root.querySelector("[data-is=boxes]").textContent);
const fours = (list) => Array.from({ length: list.length / 4 }, (_, i) => list.slice(4 * i, 4 * i + 4).map((n) => n / 10));
const boxes = fours(data.boxes), truths = fours(data.truths);
const scores = data.scores.map((n) => n / 10000);
const order = [...boxes.keys()].sort((i, j) => scores[j] - scores[i]); // stable: of equal scores the first comes first
const MATCH = 0.5;

const area = ([x0, y0, x1, y1]) => (x1 - x0) * (y1 - y0);
function iou(a, b) {
  const wide = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0]));
  const high = Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
  const both = wide * high;
  return both / (area(a) + area(b) - both);
}

function nms(confidence, limit, together) {
  const alive = order.filter((i) => scores[i] >= confidence), kept = [], gone = [];
  for (const i of alive) {
    const rival = kept.some((j) => (together || data.labels[i] === data.labels[j]) && iou(boxes[j], boxes[i]) > limit);
    (rival ? gone : kept).push(i);
  }
  return { kept, gone };
}

function sift(confidence, limit, together) {
  const { kept, gone } = nms(confidence, limit, together);
  const free = new Set(truths.keys()), found = { right: [], again: [], wrong: [], missed: [], gone };
  for (const i of kept) {
    const near = [...truths.keys()].filter((j) => data.classes[j] === data.labels[i] && iou(boxes[i], truths[j]) >= MATCH)
      .sort((a, b) => iou(boxes[i], truths[b]) - iou(boxes[i], truths[a]));
    const mine = near.find((j) => free.has(j));
    found[mine !== undefined ? "right" : near.length ? "again" : "wrong"].push(i);
    free.delete(mine);
  }
  found.missed = [...free];
  return found;
}

const input = (name) => root.querySelector(`[data-of=${name}]`);
const outline = (list) => list.map((box) => {
  const [x0, y0, x1, y1] = box.map((n) => n.toFixed(1));
  return `M${x0} ${y0}H${x1}V${y1}H${x0}Z`;
}).join("");

function show() {
  const confidence = Number(input("confidence").value), limit = Number(input("iou").value);
  const together = root.querySelector("input[type=radio]:checked").value === "all";
  const found = sift(confidence, limit, together);
  for (const kind in found) {
    root.querySelector(`[data-count=${kind}]`).textContent = found[kind].length;
    const hidden = kind === "gone" && !input("gone").checked;
    const way = hidden ? "" : outline(found[kind].map((i) => (kind === "missed" ? truths : boxes)[i]));
    for (const path of root.querySelectorAll(`path[data-kind=${kind}]`)) path.setAttribute("d", way);
  }
  for (const name of ["confidence", "iou"]) {
    input(name).nextElementSibling.textContent = Number(input(name).value).toFixed(2);
  }
  const stay = found.right.length + found.again.length + found.wrong.length;
  root.querySelector(".play-says").textContent = `Of ${data.all.toLocaleString("en")} boxes ${stay + found.gone.length} `
    + `have a score of ${confidence.toFixed(2)} or more; NMS at IoU ${limit.toFixed(2)} leaves ${stay}. `
    + `${found.right.length} of ${data.classes.length} objects are found.`;
  root.sifted = found;
}

const form = root.querySelector("form");
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", show);
form.hidden = false;
show();
