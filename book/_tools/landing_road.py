"""The map of the chapters on the first page: parts, titles, questions, minutes, what is written.

Which chapters are written says _toc.yml; their titles, questions and minutes stand in the card at the head of
each chapter. Used by landing.py.
"""

import re
from html import escape
from pathlib import Path

import nbformat
from build_site import ROOT, toc_files

# Number, title and part of the package; a written chapter's title is read from the chapter itself.
PARTS = {
    "Start": {"00": "Detect something in a minute"},
    "Part I · From a picture to features": {
        "01": "Boxes, IoU and the answer a detector owes",
        "02": "Pictures into tensors: letterbox",
        "03": "Focus",
        "04": "CBS: convolution, batch norm, SiLU",
        "05": "Bottleneck and CSP",
        "06": "SPP",
        "07": "CSPDarknet: three maps from one picture",
    },
    "Part II · From features to predictions": {
        "08": "PAFPN",
        "09": "The decoupled head",
        "10": "Anchor-free: grids, strides, decoding, 8,400 predictions",
    },
    "Part III · How it learns": {
        "11": "Who is positive?",
        "12": "SimOTA step by step",
        "13": "The losses",
        "14": "Mosaic and MixUp",
        "15": "The training loop",
        "16": "Train it here, now",
    },
    "Part IV · Using it": {
        "17": "NMS",
        "18": "COCO AP from nothing",
        "19": "Train and evaluate on COCO",
        "20": "Official weights and parity",
        "21": "Your own data",
    },
    "Part V · Faster, and how it came about": {
        "22": "Making it fast, exactly",
        "23": "The paper's road, replayed",
    },
}


def written() -> dict[str, str]:
    """{number: name of the page} of the chapters in the table of contents."""
    names = (Path(f).name for f in toc_files())
    return {name[:2]: name for name in names if re.match(r"\d\d_", name)}


def card(name: str) -> tuple[str, str, int]:
    """Title, question and minutes of a chapter, from its head; what is not there is empty or 0."""
    cells = nbformat.read(ROOT / "book" / f"{name}.ipynb", as_version=4).cells
    head = "\n".join([c.source for c in cells if c.cell_type == "markdown"][:2])
    title = re.search(r"^# \d\d · (.+)$", head, re.M)
    question = re.search(r"^\|[ *]*The question[ *]*\| *(.+?) *\|$", head, re.M)
    minutes = re.search(r"^\|[ *]*You need[ *]*\|.*?(\d+) minutes", head, re.M)
    return title[1] if title else name, question[1] if question else "", int(minutes[1]) if minutes else 0


def words(text: str) -> str:
    """A line of Markdown as HTML: code and emphasis, nothing else."""
    code = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))
    return re.sub(r"\*([^*]+)\*", r"<em>\1</em>", code)


def road() -> str:
    """The map of the chapters, part by part."""
    pages, out, total = written(), [], 0
    for part, chapters in PARTS.items():
        items, done = [], sum(number in pages for number in chapters)
        for number, planned in chapters.items():
            if number not in pages:
                items.append(f'<li class="planned"><b>{number}</b><span>{words(planned)}</span></li>')
                continue
            title, question, minutes = card(pages[number])
            total += minutes
            time = f" <i>{minutes} min</i>" if minutes else ""
            items.append(
                f'<li class="written"><b>{number}</b><span><a href="{pages[number]}.html">{words(title)}</a>'
                f"{time}<br><small>{words(question)}</small></span></li>"
            )
        state = "written" if done == len(chapters) else f"{done} of {len(chapters)} written"
        bar = f'<progress max="{len(chapters)}" value="{done}" aria-hidden="true"></progress>'
        head = f"<h3>{words(part)}</h3>\n<p>{bar} {state}</p>"
        listed = "\n".join(items)
        out.append(f'<section class="part">\n{head}\n<ol>\n{listed}\n</ol>\n</section>')
    count = sum(len(chapters) for chapters in PARTS.values())
    time = f"{total / 60:.0f} hours" if total >= 120 else f"{total} minutes"
    lead = f"<p>{len(pages)} of {count} chapters are written; to read and play with those takes {time}.</p>"
    return f'{lead}\n<div class="road">\n' + "\n".join(out) + "\n</div>\n"
