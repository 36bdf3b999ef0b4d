"""What chapter 05 shows of Bottleneck and CSP is what the model does."""

import re

import notebooks
import pytest
from torch import nn

from yolox_edu import build
from yolox_edu.blocks import CBS, CSPLayer

CHAPTER = notebooks.BOOK / "05_csp.ipynb"


def html_with(words):
    """The one HTML output of the chapter that has these words in it."""
    found = [
        html
        for cell in notebooks.read(CHAPTER).cells
        for out in cell.get("outputs", [])
        if words in (html := out.get("data", {}).get("text/html", ""))
    ]
    assert len(found) == 1
    return found[0]


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_the_drawn_roads_are_those_of_the_real_dark3():
    csp = build("l").backbone.dark3[1]
    drawn = html_with("the long road")
    assert f"{len(csp.blocks)} bottlenecks" in drawn
    assert f"80 × 80 × {csp.main.conv.in_channels}" in drawn
    assert f"80 × 80 × {csp.skip.conv.out_channels}" in drawn


def test_the_bars_say_what_the_modules_have():
    play = html_with('id="play-05-csp"')
    said = set(re.findall(r"CSP: ([\d,]+) parameters, .*? plain: ([\d,]+) parameters", play))
    wanted = set()
    for n in (1, 2, 3, 6, 9, 12):
        for c in (32, 64, 128, 256):
            plain = nn.Sequential(*(nn.Sequential(CBS(c, c // 2, 1), CBS(c // 2, c, 3)) for _ in range(n)))
            wanted.add((f"{parameters(CSPLayer(c, c, n)):,}", f"{parameters(plain):,}"))
    assert said == wanted


@pytest.mark.parametrize("preset", ["nano", "s", "l"])
def test_shortcuts_are_where_the_chapter_says(preset):
    model = build(preset)
    for name in ("dark2", "dark3", "dark4"):
        assert all(block.shortcut for block in getattr(model.backbone, name)[1].blocks)
    without = [model.backbone.dark5[2], *(m for m in model.neck.modules() if isinstance(m, CSPLayer))]
    assert len(without) == 5
    assert not any(block.shortcut for csp in without for block in csp.blocks)
