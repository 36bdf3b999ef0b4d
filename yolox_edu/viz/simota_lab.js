// The SimOTA laboratory: what is drawn and what is moved; simota.js before it computes. Chapter 12.
// All that can change stands in `state`; `show` draws everything anew from it.
const known = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
const { name: NAME, columns: COLUMNS, rows: ROWS, stride: STRIDE, colours: COLOURS, classes: CLASSES } = known;
const LETTERS = "ABC", BOX = ["x", "y", "w", "h"], CHIP = known.chip, WIDE = COLUMNS * STRIDE, HIGH = ROWS * STRIDE;
const at = (name, from = root) => from.querySelector(`[data-is=${name}]`);
const layer = (name) => root.querySelector(`[data-layer=${name}]`);
const input = (name) => root.querySelector(`select[data-of=${name}], input[type=range][data-of=${name}]`);
const radio = (name, value) => root.querySelector(`input[data-of=${name}]${value === undefined ? ":checked" : `[value="${value}"]`}`);
const svg = root.querySelector(".lab-scene svg");
const state = {};

function load(title) {
  const { words, count, truths, predictions, pick } = known.scenes[title];
  Object.assign(state, {
    title, words, count, truth: pick[0], cell: pick[1], moved: String(pick[0]), ...known.rules,
    truths: truths.map((all) => ({ box: all.slice(0, 4), label: all[4] })),
    predictions: predictions.map((all) => ({
      box: all.slice(0, 4), objectness: all[4] / 100, scores: all.slice(5).map((score) => score / 100),
    })),
  });
}

// --- words ------------------------------------------------------------------------------------------------

const decimals = (value, digits) => value.toFixed(digits).replace(/^-/, "−").replace(/^−(0\.?0*)$/, "$1");
const far = (cost) => cost >= OUTSIDE / 2;
const brief = (cost) => (far(cost) ? "10⁶" : decimals(cost, 1));
const and = (words) => [words.slice(0, -1).join(", "), ...words.slice(-1)].filter(String).join(" and ");
const cellsOf = (list) => `${list.length > 1 ? "cells" : "cell"} ${and(list)}`;
const tag = (i, words = LETTERS[i]) => `<span class="lab-tag" style="box-shadow:inset 0 -3px ${COLOURS[i]}">${words}</span>`;

function outcome(result) {
  return state.truths.slice(0, state.count).map((_, i) => {
    const mine = result.cells.filter((_, place) => result.owners[place] === i);
    const got = mine.length ? `positive ${cellsOf(mine)}` : result.cells.length ? "ends with nothing" : "has no candidate";
    return `Truth ${LETTERS[i]}: k = ${result.votes[i].k}, ${got}.`;
  }).join(" ");
}

const EXPLAIN = {
  1(result, scene) {
    const near = scene.truths.map((truth, i) => `${result.cells.filter((cell) => inRegion(scene, truth, cell)).length} near ${LETTERS[i]}`);
    return `${result.cells.length} of ${COLUMNS * ROWS} cells are candidates: their centres lie less than ${scene.radius} strides from a truth's, on both axes (${near.join(", ")}).`;
  },
  2(result) {
    const best = result.rows.map((row, i) => {
      const [place] = cheapest(row, 1);
      return place === undefined ? "" : `for ${LETTERS[i]} it is cell ${result.cells[place]} at ${decimals(row[place].cost, 2)}`;
    });
    return `Every pair of truth and candidate has a cost. The cheapest: ${best.filter(String).join("; ")}. The picture shows the costs for ${LETTERS[state.truth]}.`;
  },
  3(result) {
    const wanted = result.claims.map((places, i) => `${LETTERS[i]} claims ${cellsOf(places.map((place) => result.cells[place]))}`);
    return `Each truth adds up its ${state.top} best IoUs, rounds down (at least 1), and claims so many of its cheapest cells: ${wanted.join("; ")}.`;
  },
  4(result) {
    const fights = result.cells.flatMap((cell, place) => (result.claimants[place].length < 2 ? []
      : `cell ${cell}, claimed by ${and(result.claimants[place].map((i) => LETTERS[i]))}, goes to ${LETTERS[result.owners[place]]}`));
    return fights.length ? `The cheapest of all truths gets what several claim: ${fights.join("; ")}.` : "No cell is claimed twice, so every claim stands.";
  },
};

// --- the picture ------------------------------------------------------------------------------------------

const corner = (cell) => [(cell % COLUMNS) * STRIDE, Math.floor(cell / COLUMNS) * STRIDE];
const square = (cell, rest) => `<rect x="${corner(cell)[0]}" y="${corner(cell)[1]}" width="${STRIDE}" height="${STRIDE}" ${rest}/>`;
const tint = (cell, i, opacity) => square(cell, `fill="${COLOURS[i]}" fill-opacity="${opacity.toFixed(3)}"`);
const hatch = (cell, i, opacity = 1) => square(cell, `fill="url(#${NAME}-hatch-${i})" opacity="${opacity}"`);
const frame = (cell) => square(cell, 'fill="none" stroke="currentColor" stroke-width="2.4"');

function write(cell, words, rest = "", down = 3.7) {
  const [x, y] = corner(cell).map((edge) => edge + STRIDE / 2);
  return `<text x="${x}" y="${y + down}" text-anchor="middle" ${rest}>${words}</text>`;
}

// What the cells show in each step: [under the objects, over them].
const PAINT = {
  1(result, scene) {
    const fill = result.cells.map((cell) => scene.truths.map((truth, i) => (inRegion(scene, truth, cell) ? tint(cell, i, 0.1) + hatch(cell, i, 0.7) : "")).join(""));
    const dots = scene.predictions.map((_, cell) => {
      const [x, y] = centre(scene, cell), is = result.cells.includes(cell);
      return `<circle cx="${x}" cy="${y}" r="${is ? 3.2 : 1.2}" opacity="${is ? 1 : 0.5}"/>`;
    });
    return [fill, dots];
  },
  2(result) {
    const row = result.rows[state.truth], least = Math.min(...row.map((pair) => pair.cost));
    return [
      result.cells.map((cell, place) => tint(cell, state.truth, 0.06 + 0.6 * Math.exp((least - row[place].cost) / 3))),
      result.cells.map((cell, place) => write(cell, brief(row[place].cost), far(row[place].cost) ? 'opacity=".75"' : "")),
    ];
  },
  3(result) {
    const fill = result.cells.map((cell, place) => result.claimants[place].map((i) => tint(cell, i, 0.2) + hatch(cell, i)).join(""));
    const words = result.cells.map((cell, place) => {
      const who = result.claimants[place].map((i) => LETTERS[i]).join(" ");
      return who ? write(cell, who, 'class="own"', 5) + (who.length > 1 ? frame(cell) : "") : "";
    });
    return [fill, words];
  },
  4(result) {
    const owned = [...result.cells.keys()].filter((place) => result.owners[place] >= 0);
    const fill = owned.map((place) => tint(result.cells[place], result.owners[place], 0.35) + hatch(result.cells[place], result.owners[place]));
    const words = owned.map((place) => {
      const [cell, owner] = [result.cells[place], result.owners[place]];
      const lost = result.claimants[place].filter((i) => i !== owner).map((i) => LETTERS[i]).join(" ");
      return write(cell, LETTERS[owner], 'class="own"', 4) + (lost ? write(cell, lost, 'class="lost"', 13) : "");
    });
    return [fill, words];
  },
};

function place(element, [x, y, w, h]) {
  const size = { x: x - w / 2, y: y - h / 2, width: w, height: h };
  for (const key in size) element.setAttribute(key, size[key]);
}

function lay(element, x, y, rest = "") {
  element.setAttribute("transform", `translate(${x} ${y})${rest}`);
}

function drawTruths(scene) {
  state.truths.forEach(({ box, label }, i) => {
    const group = root.querySelector(`[data-truth="${i}"]`), chip = root.querySelector(`[data-chip="${i}"]`);
    const [x, y, w, h] = box, reach = 2 * scene.radius * STRIDE;
    for (const each of [group, chip]) each.setAttribute("visibility", i < state.count ? "visible" : "hidden");
    place(at("body", group), box);
    at("body", group).setAttribute("stroke-width", state.moved === String(i) ? 3.4 : 2);
    place(at("region", group), [x, y, reach, reach]);
    at("region", group).setAttribute("stroke-opacity", state.step === 1 ? 1 : 0.45);
    at("shape", group).setAttribute("d", known.shapes[label]);
    lay(at("shape", group), x - w / 2, y - h / 2, ` scale(${w / 100} ${h / 100})`);
    lay(chip, i === 1 ? x + w / 2 - CHIP : x - w / 2, i === 2 ? y + h / 2 - CHIP : y - h / 2);
  });
}

function drawPrediction(scene) {
  const { box } = scene.predictions[state.cell], [x, y, w, h] = box, from = centre(scene, state.cell);
  place(at("cell"), [...from, STRIDE, STRIDE]);
  place(at("predicted"), box);
  at("predicted").setAttribute("stroke-width", state.moved === "p" ? 2.6 : 1.5);
  at("way").setAttribute("d", `M${from}L${[x, y]}`);
  at("chip").textContent = state.cell;
  lay(root.querySelector("[data-chip=p]"), x - w / 2, y + h / 2 - CHIP);
  const chosen = moving().box;
  lay(root.querySelector("[data-grip=corner]"), chosen[0] + chosen[2] / 2, chosen[1] + chosen[3] / 2);
}

// --- the numbers beside and below it ----------------------------------------------------------------------

function votes(result) {
  return result.votes.map(({ best, sum, k }, i) => {
    let from = 0;
    const parts = best.map((value, n) => {
      const x = 6 + 28 * from, wide = 28 * value;
      from += value;
      return value < 0.004 ? "" : `<rect x="${x}" y="3" width="${wide}" height="15" fill="${COLOURS[i]}" fill-opacity="${n % 2 ? 0.3 : 0.6}" stroke="currentColor" stroke-width=".7"/>`;
    });
    const ticks = [...Array(11).keys()].map((n) => `<path d="M${6 + 28 * n} 18v4" stroke="currentColor"/><text x="${6 + 28 * n}" y="33" text-anchor="middle"${n === k ? ' font-weight="700" font-size="14"' : ""}>${n}</text>`);
    const mark = `<path d="M${6 + 28 * k} 0V22" stroke="currentColor" stroke-width="2.5"/>`;
    const words = `The ten best IoUs of ${LETTERS[i]} laid end to end reach ${decimals(sum, 2)}`.replace("ten", best.length);
    return `<div class="lab-vote">${tag(i)} IoUs add up to ${decimals(sum, 2)}: k = <b>${k}</b>`
      + `<svg viewBox="0 0 294 36" width="294" role="img" aria-label="${words}" font-size="11" fill="currentColor"><path d="M6 18H286" stroke="currentColor"/>${parts.join("")}${ticks.join("")}${mark}</svg>`
      + `<small>${best.map((value) => decimals(value, 2).replace(/^0/, "")).join(" ")}</small></div>`;
  }).join("");
}

function pair(result, scene) {
  const { truth: i, cell } = state, truth = scene.truths[i], { objectness, scores } = scene.predictions[cell];
  const { cls, box, outside, overlap, cost } = price(scene, truth, cell);
  const p = Math.sqrt(scores[truth.label] * objectness);
  const row = (words, value, total = "") => `<tr${total}><td>${words}</td><td class="end">${value}</td></tr>`;
  return `<b>Cost of ${tag(i)} × cell ${cell}</b>${result.cells.includes(cell) ? "" : ", were it a candidate"}<table><tbody>`
    + row(`class ${CLASSES[truth.label]}: √(${decimals(scores[truth.label], 2)} · ${decimals(objectness, 2)}) = ${decimals(p, 2)}`, decimals(cls, 2))
    + row(`IoU ${decimals(overlap, 2)}: ${scene.weight} · −log IoU`, decimals(box, 2))
    + row(outside ? `outside ${LETTERS[i]}'s region` : `inside ${LETTERS[i]}'s region`, outside ? "1,000,000" : "0")
    + row("cost", cost.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 }), ' class="total"') + "</tbody></table>";
}

function matrix(result) {
  if (!result.cells.length) return "No cell is a candidate.";
  const line = (title, cells, rest = "") => `<tr${rest}><th scope="row">${title}</th>${cells.join("")}</tr>`;
  const mark = (n) => (state.step === n ? ' class="lit"' : "");
  const heads = result.cells.map((cell) => `<th scope="col"${cell === state.cell ? ' class="pick"' : ""}>${cell}</th>`);
  const costs = result.rows.map((row, i) => line(`${tag(i)} ${CLASSES[state.truths[i].label]}`, row.map(({ cost }, place) => {
    const kind = [result.claims[i].includes(place) && "claim", i === state.truth && result.cells[place] === state.cell && "pick"];
    const least = Math.min(...row.map((each) => each.cost)), strong = 0.5 * Math.exp((least - cost) / 3);
    const colour = COLOURS[i] + Math.round(255 * strong).toString(16).padStart(2, "0");
    return `<td class="${kind.filter(Boolean).join(" ")}" data-pair="${i} ${result.cells[place]}" style="background:${colour}">${brief(cost)}</td>`;
  }), mark(2)));
  const claimed = result.claimants.map((list) => `<td>${list.map((i) => LETTERS[i]).join(" ") || "·"}</td>`);
  const owned = result.owners.map((i) => `<td>${i < 0 ? "·" : tag(i)}</td>`);
  return `<table><thead>${line("cell", heads, mark(1))}</thead><tbody>${costs.join("")}</tbody>`
    + `<tfoot>${line("claimed by", claimed, mark(3))}${line("learns", owned, mark(4))}</tfoot></table>`;
}

// --- everything from the state ----------------------------------------------------------------------------

const moving = () => (state.moved === "p" ? state.predictions[state.cell] : state.truths[state.moved]);

function show() {
  state.step = Number(radio("step").value);
  const truths = state.truths.slice(0, state.count);
  const scene = { ...state, truths, columns: COLUMNS, rows: ROWS, stride: STRIDE };
  const result = assign(scene);
  const [under, over] = PAINT[state.step](result, scene);
  layer("cells").innerHTML = under.join("");
  layer("words").innerHTML = over.join("");
  drawTruths(scene);
  drawPrediction(scene);
  at("votes").innerHTML = votes(result);
  at("pair").innerHTML = pair(result, scene);
  at("matrix").innerHTML = matrix(result);
  at("words").textContent = state.words;
  at("says").textContent = outcome(result);
  at("step").textContent = `Step ${state.step}. ${EXPLAIN[state.step](result, scene)}`;
  root.querySelector(".lab").dataset.step = state.step;
  for (const part of root.querySelectorAll("[data-lit]")) part.classList.toggle("lit", Number(part.dataset.lit) === state.step);
  fill();
}

// The inputs say what the state is, however it came about.
function fill() {
  const { box } = moving(), { objectness, scores } = state.predictions[state.cell];
  const values = { ...Object.fromEntries(BOX.map((key, i) => [key, Math.round(box[i])])) };
  [objectness, ...scores].forEach((score, i) => (values[`score${i}`] = Math.round(100 * score)));
  for (const key of ["radius", "top", "weight", "cell"]) values[key] = state[key];
  values.moved = state.moved === "p" ? "cell" : LETTERS[state.moved];
  values.label = CLASSES[state.truths[state.truth].label];
  for (const key in values) {
    const field = input(key);
    field.value = values[key];
    if (field.nextElementSibling) field.nextElementSibling.textContent = key.startsWith("score") ? `${values[key]} %` : values[key];
  }
  radio("count", state.count).checked = true;
  input("label").labels[0].textContent = `class of ${LETTERS[state.truth]}`;
  [...input("moved").options].forEach((option, i) => (option.hidden = option.disabled = i < 3 && i >= state.count));
  input("moved").options[3].textContent = `cell ${state.cell}'s prediction`;
  for (const button of root.querySelectorAll("[data-scene]")) button.setAttribute("aria-pressed", button.dataset.scene === state.title);
}

// --- input ------------------------------------------------------------------------------------------------

const within = (value, low, high) => Math.min(Math.max(Math.round(value), low), high);

function setBox([x, y, w, h]) {
  moving().box = [within(x, 0, WIDE), within(y, 0, HIGH), within(w, 8, WIDE), within(h, 8, HIGH)];
  state.title = "";
}

function choose(grip) {
  state.moved = grip;
  if (grip !== "p") state.truth = Number(grip);
}

const SET = {
  step() {},
  moved(value) { choose(value === "cell" ? "p" : String(LETTERS.indexOf(value))); },
  cell(value) { state.cell = Number(value); },
  label(value) { state.truths[state.truth].label = CLASSES.indexOf(value); },
  count(value) {
    state.count = Number(value);
    if (state.truth >= state.count) state.truth = 0;
    if (state.moved !== "p" && Number(state.moved) >= state.count) choose("0");
  },
};

root.addEventListener("input", ({ target }) => {
  const { of } = target.dataset, value = Number(target.value), side = BOX.indexOf(of);
  if (!of) return;
  if (SET[of]) SET[of](target.value);
  else if (side >= 0) setBox(moving().box.map((old, i) => (i === side ? value : old)));
  else if (of === "score0") state.predictions[state.cell].objectness = value / 100;
  else if (of.startsWith("score")) state.predictions[state.cell].scores[of.slice(5) - 1] = value / 100;
  else state[of] = value;
  if (!["step", "moved", "cell"].includes(of)) state.title = "";
  show();
});

root.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-scene]"), cost = target.closest("[data-pair]");
  if (button) load(button.dataset.scene);
  else if (cost) [state.truth, state.cell] = cost.dataset.pair.split(" ").map(Number);
  else return;
  if (cost && state.moved !== "p") state.moved = String(state.truth);
  show();
});

const ARROWS = { ArrowLeft: [-4, 0], ArrowRight: [4, 0], ArrowUp: [0, -4], ArrowDown: [0, 4] };
for (const chip of root.querySelectorAll("[data-chip]")) {
  chip.addEventListener("focus", () => { choose(chip.dataset.chip); show(); });
  chip.addEventListener("keydown", (event) => {
    const step = ARROWS[event.key];
    if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const [x, y, w, h] = moving().box, [across, down] = step;
    setBox(event.shiftKey ? [x, y, w + across, h + down] : [x + across, y + down, w, h]);
    show();
  });
}

function pixels(event) {
  const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  return [point.x, point.y];
}

// A drag moves what lies under the pointer; a tap chooses the cell there.
svg.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  const from = pixels(event), held = event.target.closest("[data-grip]"), grip = held && held.dataset.grip;
  let old = null;
  const begin = () => {
    if (grip !== "corner") choose(grip);
    old = [...moving().box];
  };
  const move = (next) => {
    const [across, down] = pixels(next).map((value, i) => value - from[i]);
    if (!old && (!grip || Math.hypot(across, down) < 3)) return;
    if (!old) begin();
    const [x, y, w, h] = old;
    const [wide, high] = [Math.max(w + across, 8), Math.max(h + down, 8)];
    setBox(grip === "corner" ? [x + (wide - w) / 2, y + (high - h) / 2, wide, high] : [x + across, y + down, w, h]);
    show();
  };
  const stop = (last) => {
    svg.removeEventListener("pointermove", move);
    if (!old && last.type === "pointerup") tap(from, held);
    root.dispatchEvent(new Event("change"));
  };
  svg.setPointerCapture(event.pointerId);
  svg.addEventListener("pointermove", move);
  for (const end of ["pointerup", "pointercancel"]) svg.addEventListener(end, stop, { once: true });
});

// A finger that holds something does not scroll the page; Chromium heeds `touch-action` on a whole picture only.
svg.addEventListener("touchstart", (event) => {
  if (event.target.closest("[data-grip]")) event.preventDefault();
}, { passive: false });

function tap([x, y], held) {
  const [column, row] = [x, y].map((value) => Math.floor(value / STRIDE));
  if (held && held.dataset.chip) choose(held.dataset.chip);
  else if (column >= 0 && column < COLUMNS && row >= 0 && row < ROWS) state.cell = row * COLUMNS + column;
  show();
}

for (const form of root.querySelectorAll("form")) {
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
}
at("matrix").hidden = false;
load(known.start);
show();
