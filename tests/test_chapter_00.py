"""What the figures of chapter 00 say is what the model says; the README's picture is small and has words."""

import re

import notebooks

from yolox_edu import weights

CHAPTER = notebooks.BOOK / "00_detect_in_a_minute.ipynb"


def drawing(name):
    """The HTML of the chapter's committed output that carries this id."""
    found = [
        out.data["text/html"]
        for cell in notebooks.read(CHAPTER).cells
        for out in cell.get("outputs", [])
        if f'id="{name}"' in out.get("data", {}).get("text/html", "")
    ]
    assert len(found) == 1, f"{len(found)} outputs with the id {name}"
    return found[0]


def test_the_map_counts_every_parameter_once():
    model = weights.load("crossing")
    counts = [int(n.replace(",", "")) for n in re.findall(r">([\d,]+) par\.<", drawing("net00"))]
    assert sum(counts) == sum(p.numel() for p in model.parameters())
    assert len(counts) == sum(len(list(part.children())) for part in (model.backbone, model.neck)) + 3


def test_the_slider_starts_where_it_says():
    html = drawing("play00")
    marks = re.findall(r'<g data-s="([\d.]+)"( style="display:none")?>', html)
    start = float(re.search(r'type="range"[^>]*value="(\d+)"', html).group(1)) / 100
    shown = [float(score) for score, hidden in marks if not hidden]
    assert int(re.search(r": (\d+) boxes</output>", html).group(1)) == len(shown) > 0
    assert min(shown) >= start > max((float(s) for s, hidden in marks if hidden), default=0)
    assert "http" not in re.sub(r"base64,[^\"]*", "", html)


def test_the_first_picture_is_small_and_has_words(root):
    readme = (root / "README.md").read_text(encoding="utf-8")
    alt, file = re.search(r"!\[([^\]]*)\]\((book/_static/[^)]*)\)", readme).groups()
    assert len(alt.split()) > 8
    assert (root / file).stat().st_size <= 300_000
