// A kernel slides over a picture: choose stride, padding and a place in the output. Chapter 04.
// The arithmetic of kernel.py once more; a test compares the two at every position.
const frame = root.querySelector(".play-frame");
const { picture, kernel, ring, cell } = JSON.parse(frame.dataset.whole);
const [side, k] = [picture.length, kernel.length];
const form = root.querySelector("form");
const at = (name) => root.querySelector(`[data-is=${name}]`);
const top0 = Number(frame.dataset.top); // where the titles end
const slider = (name) => form.querySelector(`input[type=range][data-of=${name}]`);
const choice = (name) => Number(form.querySelector(`input[type=radio][data-of=${name}]:checked`).value);

const minus = (value) => String(value).replace("-", "−");
const signed = (value) => (value < 0 ? `(${minus(value)})` : String(value));
const pixel = (r, c) => (picture[r] && picture[r][c]) || 0;

function products(top, left) {
  return kernel.map((weights, i) => weights.map((weight, j) => [pixel(top + i, left + j), weight]));
}

function sum(pairs) {
  return pairs.reduce((all, [a, b]) => all + a * b, 0);
}

function output(size, stride, padding, row, column) {
  at("title").textContent = `output ${size} × ${size}`;
  for (const group of at("out").children) {
    const [r, c] = group.dataset.at.split(" ").map(Number);
    const there = r < size && c < size;
    group.setAttribute("visibility", there ? "visible" : "hidden");
    if (!there) continue;
    const value = sum(products(r * stride - padding, c * stride - padding).flat());
    group.querySelector("text").textContent = minus(value);
    const colour = value > 0 ? "#0072B2" : value < 0 ? "#D55E00" : "none";
    group.querySelector("rect").setAttribute("fill", colour);
  }
  at("chosen").setAttribute("x", 3 + column * cell);
  at("chosen").setAttribute("y", top0 + 1 + row * cell);
}

function draw() {
  const [stride, padding] = [choice("stride"), choice("padding")];
  const room = side + 2 * padding - k;
  const size = Math.floor(room / stride) + 1;
  const [row, column] = ["row", "column"].map((name) => {
    const input = slider(name);
    input.max = size - 1; // the browser moves a slider that would lie beyond it
    input.nextElementSibling.textContent = input.value;
    return Number(input.value);
  });
  const [top, left] = [row * stride - padding, column * stride - padding];
  at("ring").setAttribute("visibility", padding ? "visible" : "hidden");
  at("window").setAttribute("x", 2 + (left + ring) * cell);
  at("window").setAttribute("y", top0 + (top + ring) * cell);
  output(size, stride, padding, row, column);

  const rows = products(top, left);
  const sums = rows.map(sum);
  rows.forEach((pairs, i) => {
    const words = pairs.map(([a, b]) => `${a}·${signed(b)}`).join(" + ");
    at(`row${i}`).textContent = `${words} = ${minus(sums[i])}`;
  });
  const total = sums.reduce((a, b) => a + b, 0);
  at("total").textContent = `together ${sums.map(signed).join(" + ")} = ${minus(total)}`;
  const rest = room % stride;
  const last = rest === 1 ? "the last row and column drawn" : `the last ${rest} rows and columns drawn`;
  const over = rest ? `, and ${last} lie in no window` : "";
  root.querySelector(".play-says").textContent =
    `The window covers rows ${minus(top)} to ${top + k - 1} and columns ${minus(left)} to ${left + k - 1}; `
    + `the sum is ${minus(total)}. Windows along a side: `
    + `⌊(${side} + 2·${padding} − ${k}) / ${stride}⌋ + 1 = ${size}${over}.`;
}

at("out").addEventListener("click", (event) => {
  const group = event.target.closest("[data-at]");
  if (!group) return;
  [slider("row").value, slider("column").value] = group.dataset.at.split(" ");
  draw();
});
form.addEventListener("input", draw);
form.addEventListener("submit", (event) => event.preventDefault());
form.hidden = false;
draw();
