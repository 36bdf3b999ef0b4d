// Questions that the browser tests ask of a page. Added to it by Visit; no part of the book.
window.looks = {
  name(element) {
    const id = element.id ? `#${element.id}` : "";
    return `<${element.tagName.toLowerCase()}${id} class="${element.getAttribute("class") || ""}">`;
  },

  // Elements that stick out at the right, if the page scrolls sideways for it.
  sideways() {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width + 1) return [];
    return [...document.body.querySelectorAll("*")]
      .filter((e) => e.getBoundingClientRect().right > width + 1 && !looks.cutBy(e))
      .sort((a, b) => b.getBoundingClientRect().right - a.getBoundingClientRect().right)
      .slice(0, 5).map((e) => `${looks.name(e)} ends at ${Math.round(e.getBoundingClientRect().right)} of ${width}`)
      .concat("the page scrolls sideways");
  },

  // The nearest box around an element that hides or scrolls what does not fit into it, and cuts this element.
  cutBy(element) {
    const right = element.getBoundingClientRect().right;
    for (let box = element.parentElement; box && box !== document.body; box = box.parentElement) {
      const style = getComputedStyle(box);
      if (style.overflowX !== "visible" && right > box.getBoundingClientRect().right + 1) return box;
    }
    return null;
  },

  // Figures of which a part cannot be seen without scrolling: on paper nobody can scroll.
  clipped() {
    const width = document.documentElement.clientWidth;
    const parts = "figure, img, canvas, svg:not(svg svg), .drawing, .cell_output pre, table";
    const found = [];
    for (const part of document.querySelectorAll(`.bd-article :is(${parts})`)) {
      const box = part.getBoundingClientRect();
      if (!box.width || !box.height || getComputedStyle(part).visibility === "hidden") continue;
      if (part.closest("mjx-container, .copybtn, summary, .headerlink")) continue;
      const cut = looks.cutBy(part);
      if (cut) found.push(`${looks.name(part)} is cut by ${looks.name(cut)}`);
      else if (box.right > width + 1) found.push(`${looks.name(part)} ends at ${Math.round(box.right)} of ${width}`);
      else if (getComputedStyle(part).overflowX !== "visible" && part.scrollWidth > part.clientWidth + 1) {
        found.push(`${looks.name(part)} scrolls`);
      }
    }
    return found;
  },

  // Code without its colours, or with them again.
  plainCode(plain) {
    for (const code of document.querySelectorAll("div.highlight > pre")) {
      if (plain) { code.coloured ??= code.innerHTML; code.textContent = code.textContent; }
      else if (code.coloured) { code.innerHTML = code.coloured; delete code.coloured; }
    }
  },

  // All that a figure shows, apart from its controls and the words that repeat their values.
  shown(figure) {
    const parts = [];
    const walk = (node) => {
      if (node.nodeType === Node.TEXT_NODE) { parts.push(node.data.trim()); return; }
      if (node.nodeType !== Node.ELEMENT_NODE) return;
      if (node.matches("script, style, input, select, button, .play-words, .play-row, fieldset")) return;
      if (getComputedStyle(node).display === "none") return;
      if (node instanceof HTMLCanvasElement) parts.push(node.toDataURL());
      parts.push(node.tagName, ...[...node.attributes].map((a) => `${a.name}=${a.value}`));
      node.childNodes.forEach(walk);
    };
    walk(figure);
    return parts.filter(Boolean).join("|");
  },
};
