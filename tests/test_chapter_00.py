"""What the figures of chapter 00 say is what the model says; the README's picture is small and has words."""

import re

import notebooks
import pytest
from tidying import text_outputs

from yolox_edu import weights
from yolox_edu.data.crossing import Crossing
from yolox_edu.detect import Detector

CHAPTER = notebooks.BOOK / "00_detect_in_a_minute.ipynb"


def cell(start):
    """The code cell that holds these characters."""
    found = [c for c in notebooks.read(CHAPTER).cells if c.cell_type == "code" and start in c.source]
    assert len(found) == 1, f"{len(found)} cells with {start!r}"
    return found[0]


def html(start):
    """The HTML that this cell shows."""
    return cell(start).outputs[0].data["text/html"]


def table():
    """{part: (numbers of its output's shape, parameters)} as the hooks printed it."""
    rows = re.findall(r"^(\S+) +\(1, ([\d, ]+)\) +\d+ +([\d,]+)$", text_outputs(cell("def hook(")), re.M)
    return {part: ([int(n) for n in shape.split(",")], int(p.replace(",", ""))) for part, shape, p in rows}


def drawn_map():
    """The same as the map shows it."""
    words = re.findall(r"<text[^>]*>([^<]+)</text>", html("preset="))
    boxes = [i for i, word in enumerate(words) if word in table()]
    return {
        words[i]: (sorted(int(n) for n in re.findall(r"\d+", words[i + 1].replace(",", ""))), words[i + 2])
        for i in boxes
    }


def test_the_table_counts_every_parameter_once():
    model = weights.load("crossing")
    assert sum(count for _, count in table().values()) == sum(p.numel() for p in model.parameters())
    assert len(table()) == sum(len(list(part.children())) for part in (model.backbone, model.neck)) + 3


def test_the_map_differs_from_the_table_in_the_heads_alone():
    seen = drawn_map()
    for part, (shape, parameters) in table().items():
        same = seen[part] == (sorted(shape), f"{parameters:,}")
        assert same != part.startswith("head."), part
    assert all(85 in seen[f"head.{i}"][0] for i in range(3))


@pytest.mark.parametrize("threshold", [0.25, 0.9])
def test_the_slider_says_what_the_detector_finds(threshold, one_thread):
    figure = html("viz.play(")
    busy = Crossing.split("val", 24, size=480)[10][0][135:470, :450]
    count = len(Detector("crossing", confidence=threshold, device="cpu")(busy))
    words = f"{count} boxes score {threshold:.2f} or more"
    assert words in figure
    if threshold == 0.25:  # where it starts: the one that paper shows
        assert words in re.search(r'class="play-says"[^>]*>([^<]*)<', figure).group(1)
        shown = re.search(r'<div class="play-frame">(.*?)</div>\s*<p', figure, re.S).group(1)
        assert len(re.findall(r"<text", shown)) == count
    assert "http" not in re.sub(r"base64,[^\"]*|http://www.w3.org/2000/svg", "", figure)


def test_the_first_picture_is_small_and_has_words(root):
    readme = (root / "README.md").read_text(encoding="utf-8")
    alt, file = re.search(r"!\[([^\]]*)\]\((book/_static/[^)]*)\)", readme).groups()
    assert len(alt.split()) > 8
    assert (root / file).stat().st_size <= 300_000
