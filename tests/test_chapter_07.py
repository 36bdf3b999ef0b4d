"""What chapter 07 shows of the backbone is what the model does."""

import re

import notebooks
import pytest
import torch
from torch import nn

from yolox_edu import build
from yolox_edu.backbone import CSPDarknet
from yolox_edu.blocks import Bottleneck
from yolox_edu.data.crossing import Crossing
from yolox_edu.model import PRESETS
from yolox_edu.viz.ch07 import STAGES, inside
from yolox_edu.weights import load

CHAPTER = notebooks.BOOK / "07_csp_darknet.ipynb"
OFFICIAL = ("nano", "tiny", "s", "m", "l", "x")
AT_640 = {  # h, w, c of YOLOX-L: the shapes that the whole book is built around
    "image": (640, 640, 3),
    "stem": (320, 320, 64),
    "dark2": (160, 160, 128),
    "C3": (80, 80, 256),
    "C4": (40, 40, 512),
    "C5": (20, 20, 1024),
}


def outputs():
    """Every output of the chapter: HTML where there is some, otherwise text."""
    for cell in notebooks.read(CHAPTER).cells:
        for out in cell.get("outputs", []):
            data = out.get("data", {})
            yield data.get("text/html") or data.get("text/plain") or out.get("text", "")


def output_with(words):
    """The one output of the chapter that has these words in it."""
    found = [out for out in outputs() if words in out]
    assert len(found) == 1
    return found[0]


def meta_maps(preset, size):
    """C3, C4 and C5 of a preset's backbone, and the backbone, without numbers."""
    p = PRESETS[preset]
    with torch.device("meta"), torch.no_grad():
        backbone = CSPDarknet(p.depth, p.width, p.depthwise)
        return backbone, backbone(torch.empty(1, 3, size, size))


def test_the_blocks_are_those_of_yolox_l():
    alt = re.search(r'aria-label="(image [^"]*)"', output_with("image 640 × 640 × 3")).group(1)
    said = {name: tuple(map(int, sides)) for name, *sides in re.findall(r"(\w+) (\d+) × (\d+) × (\d+)", alt)}
    assert said == AT_640


def test_every_frame_of_the_figure_says_what_the_model_does():
    play = output_with('id="play-07-shapes"')
    found = re.findall(r"(Nano|Tiny|S|M|L|X) at (\d+): (C3 [^;]*); ([\d,]+) parameters", play)
    said = {(name.lower(), int(size)): (maps, count) for name, size, maps, count in found}
    assert set(said) == {(p, s) for p in OFFICIAL for s in (320, 416, 640, 800)}
    for (preset, size), (maps, count) in said.items():
        backbone, real = meta_maps(preset, size)
        shapes = [tuple(map(int, s)) for s in re.findall(r"(\d+) × (\d+) × (\d+)", maps)]
        assert shapes == [(m.shape[2], m.shape[3], m.shape[1]) for m in real]
        assert int(count.replace(",", "")) == sum(p.numel() for p in backbone.parameters())


@pytest.mark.parametrize("preset", OFFICIAL)
def test_the_table_counts_the_bottlenecks_and_leaves_nothing_out(preset):
    layers, (backbone, _) = inside(preset, 320), meta_maps(preset, 320)
    assert [layer.name for layer in layers] == [part for stage in STAGES.values() for part in stage]
    assert sum(layer.parameters for layer in layers) == sum(p.numel() for p in backbone.parameters())
    said = sum(int(n) for layer in layers for n in re.findall(r"n = (\d+)", layer.kind))
    assert said == sum(isinstance(m, Bottleneck) for m in backbone.modules())


def test_nano_s_stem_takes_more_than_a_quarter_of_the_work():
    layers = inside("nano", 416)
    assert layers[0].macs > sum(layer.macs for layer in layers) / 4


# --- effective receptive fields: the numbers of the prose ---------------------------------------------------


@pytest.fixture(scope="module")
def streets():
    """The pictures of the chapter: n 3 h w."""
    pictures = [torch.from_numpy(s).permute(2, 0, 1) for s, _ in Crossing.split("val", 24)]
    return torch.stack(pictures).float() / 255


def footprint(net, level, x, signs=None):
    """Mean over pictures of how strongly each pixel moves the middle cell: h w."""
    x = x.clone().requires_grad_()
    cells = net(x)[level]
    middle = cells[..., cells.shape[2] // 2, cells.shape[3] // 2]  # n c
    (middle * (1 if signs is None else signs)).sum().backward()
    return x.grad.abs().sum(dim=1).mean(dim=0)


def half_side(glow, stride):
    """Squares grown ring by ring until one of them holds half."""
    size = len(glow)
    middle = stride * (size // stride // 2) + 1
    for reach in range(1, size):
        low, high = max(middle - reach, 0), min(middle + reach, size)
        if glow[low:high, low:high].sum() >= glow.sum() / 2:
            return 2 * reach
    raise AssertionError("there is no such square")


def numbers(pattern):
    """The whole numbers which this pattern finds in the chapter's prose."""
    prose = "\n".join(c.source for c in notebooks.read(CHAPTER).cells if c.cell_type == "markdown")
    return [int(n) for n in re.search(pattern, prose).groups()]


def test_the_printed_sides_hold_half_of_the_gradient(streets):
    net = load("crossing").eval().backbone
    printed = [int(n) for n in re.findall(r"real half +(\d+) px", output_with("real half"))]
    assert printed == [half_side(footprint(net, i, streets[:8]), 8 << i) for i in range(3)]


def test_signs_on_the_channels_change_little(streets):
    net, drawn = load("crossing").eval().backbone, torch.Generator().manual_seed(1)
    said = numbers(r"sides come out as (\d+), (\d+) and (\d+)")
    for level, side in enumerate(said):
        channels = net(streets[:1])[level].shape[1]
        signs = 2.0 * torch.randint(0, 2, (channels,), generator=drawn) - 1
        found = half_side(footprint(net, level, streets[:8], signs), 8 << level)
        assert found == pytest.approx(side, abs=2)


def test_the_field_of_c5_is_small_in_a_large_picture_too(streets):
    net = load("crossing").eval().backbone
    rows = [torch.cat([streets[(9 * k + j) % 24] for j in range(9)], dim=2) for k in range(2)]
    mosaics = [torch.cat(row.split(960, dim=2), dim=1) for row in rows]  # 3 960 960
    glow = sum(footprint(net, 2, m[None]) for m in mosaics)
    (side, even) = numbers(r"its half lies within (\d+) pixels instead of the (\d+)")
    assert half_side(glow, 32) == pytest.approx(side, abs=4)
    assert even == round(666 / 2**0.5)


def test_without_pools_a_fresh_network_sees_less(streets):
    (said,) = numbers(r"its square is only (\d+) pixels wide")
    torch.manual_seed(0)
    fresh = build("pico").eval().backbone
    fresh.dark5[1].pool = nn.Identity()
    assert half_side(footprint(fresh, 2, streets[:8]), 32) == pytest.approx(said, abs=10)
