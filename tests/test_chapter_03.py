"""What chapter 03 says of Focus, against the model and real photographs."""

import re

import notebooks
import pytest
import torch

from yolox_edu import build, weights
from yolox_edu.data.coco import open_coco
from yolox_edu.evaluate import evaluate
from yolox_edu.exercises.ch03 import _large

CHAPTER = notebooks.BOOK / "03_focus.ipynb"


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


def test_the_blocks_have_the_sizes_of_the_real_stem():
    stem = build("l").backbone.stem
    with torch.inference_mode():
        _, c, h, w = stem(torch.zeros(1, 3, 640, 640)).shape
    blocks = html_with("cut in four")
    assert f"{h} × {w} × {c}" in blocks
    assert f"{h} × {w} × {stem.cbs.conv.in_channels}" in blocks


def test_every_channel_can_be_reached_in_the_figure():
    play = html_with('id="play-03-focus"')
    named = {int(n) for n in re.findall(r"become channel (\d+) of 12", play)}
    assert named == set(range(12))


@pytest.mark.parametrize("k", [1, 3, 5])
def test_the_large_kernel_of_the_exercise_is_the_same_convolution(k):
    x, weight = torch.randn(2, 3, 12, 20), torch.randn(5, 12, k, k)
    phases = torch.cat([x[..., r::2, s::2] for r, s in ((0, 0), (1, 0), (0, 1), (1, 1))], dim=1)
    two = torch.conv2d(phases, weight, padding=(k - 1) // 2)
    one = torch.conv2d(x, _large(weight), stride=2, padding=k - 1)
    assert torch.allclose(one, two, atol=1e-4)


@pytest.mark.slow
def test_the_wrong_order_costs_the_official_nano_what_the_chapter_says(shared):
    model = weights.load_official(shared / "weights" / "yolox_nano_0.1.1.pth")
    source = open_coco(shared / "coco-mini", "val2017")
    conv = model.backbone.stem.cbs.conv
    right = evaluate(model, source)
    conv.weight.data = conv.weight.unflatten(1, (4, 3))[:, [0, 2, 1, 3]].flatten(1, 2)
    wrong = evaluate(model, source)
    said = "".join(c.source for c in notebooks.read(CHAPTER).cells)
    ap = re.search(r"the swap costs ([\d.]+) → ([\d.]+) AP", said).groups()
    small = re.search(r"small objects falls from ([\d.]+) to ([\d.]+)", said).groups()
    for report, all_of_them, small_ones in zip((right, wrong), ap, small):
        assert abs(100 * report.AP - float(all_of_them)) < 0.3
        assert abs(100 * report.APs - float(small_ones)) < 0.5
