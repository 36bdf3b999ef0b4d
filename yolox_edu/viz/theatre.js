// The shape theatre: the layers of the chosen preset at the chosen size. theatre.py writes the same; a test
// compares the two for every choice. Chapters 03 to 10.
const { heads, presets } = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
const stage = root.querySelector(".stage");
const button = root.querySelector("button");
const names = Object.keys(presets);
const count = (n) => n.toLocaleString("en-US");
const thousandths = (x) => x.toLocaleString("en-US", { minimumFractionDigits: 3, maximumFractionDigits: 3 });
const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);

function chosen(what) {
  const radios = [...root.querySelectorAll(`input[name$="-${what}"]`)];
  const at = radios.findIndex((radio) => radio.checked);
  return what === "size" ? Number(radios[at].parentElement.textContent) : names[at];
}

function draw() {
  const preset = chosen("preset"), size = chosen("size"), parts = presets[preset];
  const shape = ([c, stride]) => [size / stride, size / stride, c].join("\u00a0×\u00a0");
  const flops = ([, , , [, stride], , , macs]) => 2 * macs * (size / stride) ** 2;
  const all = (rows) => sum(rows.map(flops)), parameters = (rows) => sum(rows.map((row) => row[5]));
  const every = parts.flatMap(([, rows]) => rows), whole = all(every);

  function line(row) {
    const [name, kind, inputs, output, field, weights] = row;
    const numbers = [output[1], count(field), count(weights), thousandths(flops(row) / 1e6)];
    const cells = [kind, inputs.map(shape).join(", "), shape(output), ...numbers];
    return `<tr><th scope="row">${name.replaceAll(".", ".<wbr>")}</th>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;
  }

  function folded([name, rows]) {
    const [, , , output, field] = rows[rows.length - 1];
    const facts = [shape(output), `stride ${output[1]}`, `sees ${count(field)} px`,
      `${count(parameters(rows))} parameters`, `${thousandths(all(rows) / 1e9)} GFLOPs`];
    const share = ((100 * all(rows)) / whole).toFixed(1);
    return `<details data-part="${name}"><summary style="--share:${share}%"><b>${name}</b>` +
      `${facts.map((fact) => `<span>${fact}</span>`).join("")}</summary>` +
      `<div class="rows" tabindex="0" role="group" aria-label="Layers of ${name}"><table class="table">` +
      `<thead><tr>${heads.map((head) => `<th scope="col">${head}</th>`).join("")}</tr></thead>` +
      `<tbody>${rows.map(line).join("")}</tbody></table></div></details>`;
  }

  const open = new Set([...stage.querySelectorAll("details[open]")].map((part) => part.dataset.part));
  stage.innerHTML = parts.map(folded).join("");
  for (const part of stage.children) part.open = open.has(part.dataset.part);
  const title = "YOLOX-" + (preset.length === 1 ? preset.toUpperCase() : preset[0].toUpperCase() + preset.slice(1));
  const cells = sum([8, 16, 32].map((stride) => (size / stride) ** 2));
  root.querySelector(".play-says").textContent = `${title} at ${size}: ${count(parameters(every))} parameters, ` +
    `${thousandths(whole / 1e9)} GFLOPs, ${count(cells)} predictions of ${every[every.length - 1][3][0]} numbers.`;
}

function unfolded() {
  return [...stage.children].every((part) => part.open);
}

function unfold(open) {
  for (const part of stage.children) part.open = open;
}

// On paper nobody can unfold: everything is open while the page is printed.
let before = [];
window.addEventListener("beforeprint", () => {
  before = [...stage.children].map((part) => part.open);
  unfold(true);
});
window.addEventListener("afterprint", () => [...stage.children].forEach((part, i) => { part.open = before[i]; }));

button.addEventListener("click", () => unfold(!unfolded()));
stage.addEventListener("toggle", () => {
  button.textContent = unfolded() ? "fold all" : "unfold all";
}, true);
root.querySelector("form").addEventListener("input", draw);
draw(); // a browser may have brought back another choice
