// The walk through the neck: light a step, say what it does, write the chosen preset's shapes. Chapter 08.
const data = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
const slider = root.querySelector("input[type=range]");
const steps = [...root.querySelectorAll("[data-step]")];

function written(shape, what) {
  const sides = shape.split(" × ");
  return { all: shape, sides: sides[0] + " × " + sides[1], channels: "× " + sides[2] }[what];
}

function show() {
  const now = Number(slider.value) + 1;
  const chosen = data[root.querySelector("input[type=radio]:checked").value];
  for (const step of steps) {
    const at = Number(step.dataset.step);
    step.setAttribute("class", at === now ? "now" : at > now ? "later" : "done");
  }
  for (const text of root.querySelectorAll("[data-shape]")) {
    text.textContent = written(chosen.shapes[text.dataset.shape], text.dataset.what);
  }
  const says = chosen.says[now - 1];
  root.querySelector(".play-says").textContent = says;
  root.querySelector("svg").setAttribute("aria-label", says);
  slider.setAttribute("aria-valuetext", data.texts[now - 1]);
  slider.nextElementSibling.textContent = data.texts[now - 1];
}

for (const step of steps) {
  step.addEventListener("click", () => {
    slider.value = Number(step.dataset.step) - 1;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  });
}
root.addEventListener("input", show);
show();
