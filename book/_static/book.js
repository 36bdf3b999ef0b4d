// Two things that the pages need at run time. No library, no request.
"use strict";

// 1. What can be scrolled sideways can be reached and scrolled by keyboard; what fits is no stop on the way.
const scrollable = [
  "pre", ".cell_output", "div.math", ".pst-scrollable-table-container", ".drawing", ".shapes", ".play-frame",
].map((part) => `.bd-article ${part}`).join(", ");
function markScrollable() {
  for (const part of document.querySelectorAll(scrollable)) {
    const wide = part.scrollWidth > part.clientWidth + 1;
    if (wide && !part.hasAttribute("tabindex")) {
      part.setAttribute("tabindex", "0");
      part.dataset.scrolls = "";
    } else if (!wide && "scrolls" in part.dataset) {
      part.removeAttribute("tabindex");
      delete part.dataset.scrolls;
    }
  }
}
const markSoon = () => requestAnimationFrame(markScrollable);
for (const event of ["load", "resize"]) window.addEventListener(event, markScrollable);
for (const event of ["toggle", "change"]) document.addEventListener(event, markSoon, true);
document.fonts.ready.then(markScrollable);

// 2. Opened from a disk, the search page may not read the other pages, so their texts came with it
// (book/_tools/finish_site.py). The lines under each result are made from them.
if (location.protocol === "file:" && location.pathname.endsWith("/search.html")) {
  window.fetch = async (address) => {
    const path = decodeURI(new URL(address, location.href).pathname);
    const texts = window.BOOK_TEXTS || {};
    const name = Object.keys(texts).find((page) => path.endsWith(`/${page}`));
    return new Response(texts[name] || '<main role="main"></main>');
  };
}
