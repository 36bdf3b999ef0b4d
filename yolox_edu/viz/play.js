// The frames of a figure are rows of shared pieces of SVG; a control's place in its list picks the row.
const form = root.querySelector("form");
const frame = root.querySelector(".play-frame");
const says = root.querySelector(".play-says");
const [plan, ...pieces] = root.querySelector('script[type="text/plain"]').textContent.trim().split("\n");
const { rows, order } = JSON.parse(plan);
// Pictures of the start frame are stored once, in that frame itself.
const pictures = [...new Set(frame.innerHTML.match(/data:[\w\/+.-]+;base64,[A-Za-z0-9+\/=]{200,}/g))];
const controls = [...form.querySelectorAll(".play-row, fieldset")].map((box) => {
  const range = box.querySelector('input[type="range"]');
  const radios = [...box.querySelectorAll('input[type="radio"]')];
  return {
    range,
    size: range ? Number(range.max) + 1 : radios.length,
    place: () => (range ? Number(range.value) : radios.findIndex((radio) => radio.checked)),
    output: box.querySelector("output"),
    texts: range && JSON.parse(range.dataset.texts),
  };
});

function show() {
  let number = 0;
  for (const { range, size, place, output, texts } of controls) {
    number = number * size + place();
    if (range) {
      output.textContent = texts[place()];
      range.setAttribute("aria-valuetext", texts[place()]);
    }
  }
  const html = rows[order[number]].map((i) => pieces[i]);
  says.innerHTML = html.pop();
  frame.innerHTML = html.join("").replace(/data:#(\d+)/g, (_, i) => pictures[i]);
  reach();
}

// What is wider than a phone scrolls; then the keyboard must reach it.
function reach() {
  if (frame.scrollWidth > frame.clientWidth) frame.tabIndex = 0;
  else frame.removeAttribute("tabindex");
}

form.addEventListener("input", show);
form.addEventListener("submit", (event) => event.preventDefault());
form.hidden = false;
new ResizeObserver(reach).observe(frame);
show(); // a browser may have brought back moved controls
