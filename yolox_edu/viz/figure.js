// Finds the figure and hands it to its own script. Notebooks insert an output in their own order, may show it
// twice, and run a cell again: so every element with the name is started once, as soon as it is there.
(function (name, start) {
  // The chosen values in words, for paper: "phase: 1 · order: rows".
  function words(root) {
    const said = [];
    for (const input of root.querySelectorAll("input, select")) {
      const label = input.labels && input.labels[0];
      const group = input.type === "radio" && input.closest("fieldset");
      if (!label || (input.type === "radio" && !input.checked)) continue;
      const title = (group ? group.querySelector("legend") : label).textContent.trim();
      const value = group ? label.textContent : input.type === "checkbox" ? (input.checked ? "yes" : "no")
        : input.getAttribute("aria-valuetext") || input.value;
      said.push(title + ": " + value.trim());
    }
    root.querySelector(":scope > .play-words").textContent = said.join(" · ");
  }

  function begin(root) {
    root.playing = true;
    root.querySelector(":scope > .play-words").hidden = true;
    start(root);
    words(root);
    // JupyterLab would take arrows and letters for itself; this mark leaves them to what has the focus.
    for (const part of root.querySelectorAll("input, select, button, .play-frame")) {
      part.setAttribute("data-lm-suppress-shortcuts", "true");
    }
    for (const kind of ["input", "change", "click"]) {
      root.addEventListener(kind, () => setTimeout(() => words(root)));
    }
  }

  function find(tries) {
    const all = [...document.querySelectorAll('[id="' + name + '"]')].filter((root) => !root.playing);
    all.forEach(begin);
    if (!all.length && tries) setTimeout(() => find(tries - 1), 50);
  }

  find(40);
})
