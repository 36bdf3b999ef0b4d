"""What chapter 06 shows of SPP is what the model does."""

import re

import notebooks
import torch
import torch.nn.functional as F

from yolox_edu import build
from yolox_edu.blocks import SPP

CHAPTER = notebooks.BOOK / "06_spp.ipynb"


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


def test_the_block_is_three_separate_pools():
    spp, x = SPP(12, 10).eval(), torch.randn(2, 12, 15, 9)
    with torch.inference_mode():
        half = spp.reduce(x)
        pools = [F.max_pool2d(half, k, stride=1, padding=k // 2) for k in (5, 9, 13)]
        assert torch.equal(spp(x), spp.fuse(torch.cat([half, *pools], dim=1)))


def test_the_drawn_block_has_the_sizes_of_the_real_one():
    spp = build("l").backbone.dark5[1]
    drawn = html_with("pools 5, 9, 13")
    reduce, fuse = spp.reduce.conv, spp.fuse.conv
    for c in (reduce.in_channels, reduce.out_channels, fuse.in_channels, fuse.out_channels):
        assert f"20 × 20 × {c:,}" in drawn or f"20 × 20 × {c}" in drawn, c


def test_the_windows_in_the_figure_cover_what_their_sentence_says():
    play = html_with('id="play-06-windows"')
    said = re.findall(r"Row (\d+), column (\d+): the windows cover (\d+), (\d+) and (\d+) cells", play)
    assert len(set(said)) == 49
    for row, column, *cells in (map(int, line) for line in said):
        one = torch.zeros(1, 1, 13, 13)
        one[..., row, column] = 1
        for k, count in zip((5, 9, 13), cells):
            assert F.max_pool2d(one, k, stride=1, padding=k // 2).sum() == count
