// SimOTA on one level of a small picture: the arithmetic of the laboratory, step by step. Chapter 12.
// Nothing here knows of the page. A test holds each step against yolox_edu/simota.py on random scenes.
//
// A scene has `columns`, `rows` and `stride` (pixels), the rules `radius` (strides), `top` and `weight`, the
// `truths` [{box, label}, ...] and the `predictions` [{box, objectness, scores}, ...], one for each cell, line
// by line. A box is [centre x, centre y, width, height] in pixels; objectness and scores are probabilities.

const OUTSIDE = 1e6; // the cost of a cell outside the truth's own region
const log = (value) => Math.max(Math.log(value), -100); // cut as torch's binary_cross_entropy does
const sum = (values) => values.reduce((all, value) => all + value, 0);

// --- Step 1: candidates -----------------------------------------------------------------------------------

function centre(scene, cell) {
  return [(cell % scene.columns + 0.5) * scene.stride, (Math.floor(cell / scene.columns) + 0.5) * scene.stride];
}

// Less than `radius` strides from centre to centre, on both axes.
function inRegion(scene, truth, cell) {
  return centre(scene, cell).every((at, axis) => Math.abs(at - truth.box[axis]) < scene.radius * scene.stride);
}

function candidates(scene) {
  const cells = [...scene.predictions.keys()];
  return cells.filter((cell) => scene.truths.some((truth) => inRegion(scene, truth, cell)));
}

// --- Step 2: what each pair of truth and candidate costs --------------------------------------------------

function iou(a, b) {
  const shared = [0, 1].map((axis) => {
    const ends = [a, b].map((box) => [box[axis] - box[axis + 2] / 2, box[axis] + box[axis + 2] / 2]);
    return Math.max(Math.min(ends[0][1], ends[1][1]) - Math.max(ends[0][0], ends[1][0]), 0);
  });
  const both = shared[0] * shared[1];
  return both / (a[2] * a[3] + b[2] * b[3] - both + 1e-16);
}

// Binary cross-entropy between sqrt(class x objectness) and the truth's one-hot class, summed over classes.
function classCost(prediction, label) {
  return sum(prediction.scores.map((score, i) => {
    const p = Math.sqrt(score * prediction.objectness);
    return i === label ? -log(p) : -log(1 - p);
  }));
}

function price(scene, truth, cell) {
  const prediction = scene.predictions[cell];
  const overlap = iou(truth.box, prediction.box);
  const parts = {
    cls: classCost(prediction, truth.label),
    box: -scene.weight * Math.log(overlap + 1e-8),
    outside: inRegion(scene, truth, cell) ? 0 : OUTSIDE,
  };
  return { ...parts, overlap, cost: parts.cls + parts.box + parts.outside };
}

// --- Step 3: how many cells a truth may claim, and which --------------------------------------------------

// The `top` largest IoUs of a truth's row, added up and rounded down; at least 1.
function vote(row, top) {
  const best = row.map((pair) => pair.overlap).sort((a, b) => b - a).slice(0, top);
  return { best, sum: sum(best), k: Math.max(Math.floor(sum(best)), 1) };
}

// The places of the k cheapest in a row; of equals the first.
function cheapest(row, k) {
  const order = [...row.keys()].sort((a, b) => row[a].cost - row[b].cost || a - b);
  return order.slice(0, k);
}

// --- Step 4: each cell learns one truth at most -----------------------------------------------------------

// Claimed once: the claimant. Claimed more often: the cheapest of all truths, whether it claimed or not.
function settle(rows, place, claimants) {
  if (claimants.length < 2) return claimants.length ? claimants[0] : -1;
  const costs = rows.map((row) => row[place].cost);
  return costs.indexOf(Math.min(...costs));
}

// cells: the candidates; rows[truth][place]: the price of a pair; votes[truth]; claims[truth]: places;
// claimants[place]: truths; owners[place]: the truth that the candidate learns, or -1.
function assign(scene) {
  const cells = candidates(scene);
  const rows = scene.truths.map((truth) => cells.map((cell) => price(scene, truth, cell)));
  const votes = rows.map((row) => vote(row, scene.top));
  const claims = rows.map((row, i) => cheapest(row, votes[i].k));
  const claimants = cells.map((_, place) => [...claims.keys()].filter((i) => claims[i].includes(place)));
  const owners = claimants.map((list, place) => settle(rows, place, list));
  return { cells, rows, votes, claims, claimants, owners };
}
