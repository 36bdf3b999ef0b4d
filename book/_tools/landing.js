(() => {
  const figure = document.getElementById("network");
  const says = figure.querySelector(".says"), button = figure.querySelector("button");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const run = (on) => {
    figure.classList.toggle("runs", on);
    button.textContent = on ? "Stop the light" : "Let the light run";
  };
  button.addEventListener("click", () => run(!figure.classList.contains("runs")));
  button.hidden = false;
  run(!still.matches);
  still.addEventListener("change", () => run(!still.matches));
  for (const part of figure.querySelectorAll(".part")) {
    for (const kind of ["pointerenter", "focus"]) {
      part.addEventListener(kind, () => { says.textContent = part.getAttribute("aria-label"); });
    }
  }
})();
