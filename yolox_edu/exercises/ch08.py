"""The checks of chapter 08, PAFPN."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from yolox_edu.exercises.judge import Random, Wrong, exercise, same

JOINS = ("topdown4", "topdown3", "bottomup4", "bottomup5")
SWAPPED = {
    "topdown4": "in front of topdown4 C4 comes first; the doubled lateral5 should",
    "topdown3": "in front of topdown3 C3 comes first; the doubled lateral4 should",
    "bottomup4": "in front of bottomup4 lateral4 comes first; down3 should",
    "bottomup5": "in front of bottomup5 lateral5 comes first; down4 should",
}
SOURCES = {
    "lateral4": "lateral4 takes C4 itself; it should take what topdown4 made of it",
    "down4": "down4 takes the map of topdown4; it should take P4, which knows of P3",
    "copy4": "in front of bottomup4 down3 comes twice; lateral4 is the second",
    "copy5": "in front of bottomup5 down4 comes twice; lateral5 is the second",
}


def _wired(
    parts: Mapping[str, Callable], maps: tuple[Tensor, ...], fault: str = "", smooth: bool = False
) -> tuple[Tensor, ...]:
    """The neck, right or with one fault, written with as few of torch's own operators as can be."""
    c3, c4, c5 = maps

    def joined(name: str, a: Tensor, b: Tensor) -> Tensor:
        return torch.cat((b, a) if fault == name else (a, b), dim=1)

    def up(x: Tensor) -> Tensor:
        if smooth:
            return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)

    lateral5 = parts["lateral5"](c5)
    top4 = parts["topdown4"](joined("topdown4", up(lateral5), c4))
    lateral4 = parts["lateral4"](c4 if fault == "lateral4" else top4)
    p3 = parts["topdown3"](joined("topdown3", up(lateral4), c3))
    down3 = parts["down3"](p3)
    p4 = parts["bottomup4"](joined("bottomup4", down3, down3 if fault == "copy4" else lateral4))
    down4 = parts["down4"](top4 if fault == "down4" else p4)
    p5 = parts["bottomup5"](joined("bottomup5", down4, down4 if fault == "copy5" else lateral5))
    return p3, p4, p5


def _parts(random: Random, w: int) -> nn.ModuleDict:
    """Stand-ins of the real sizes, P3 of width w: 1 x 1 convolutions, and two 3 x 3 with stride 2."""
    sizes = {"lateral5": (4, 2), "topdown4": (4, 2), "lateral4": (2, 1), "topdown3": (2, 1), "down3": (1, 1)}
    sizes |= {"bottomup4": (2, 2), "down4": (2, 2), "bottomup5": (4, 4)}
    parts = nn.ModuleDict()
    for name, (a, b) in sizes.items():
        k, stride = (3, 2) if name.startswith("down") else (1, 1)
        parts[name] = nn.Conv2d(a * w, b * w, k, stride, k // 2, bias=False)
        parts[name].weight.data = random.tensor(b * w, a * w, k, k) / (a * w * k * k) ** 0.5
    return parts.requires_grad_(False)


def _maps(random: Random, w: int) -> tuple[Tensor, Tensor, Tensor]:
    """C3, C4 and C5 for P3 of width w; height and width differ."""
    n, h = random.integer(1, 3), random.integer(1, 3)
    sides = ((4 * h, 4 * h + 4), (2 * h, 2 * h + 2), (h, h + 1))
    return tuple(random.tensor(n, c * w, *side) for c, side in zip((1, 2, 4), sides))


@exercise("08.1")
def wire(answer: Callable, random: Random) -> None:
    """P3, P4 and P5 from parts of random weights and widths"""
    w = random.integer(2, 5)
    parts, maps = dict(_parts(random, w).items()), _maps(random, w)
    right = _wired(parts, maps)
    faults = {words: _wired(parts, maps, name) for name, words in (SWAPPED | SOURCES).items()}
    faults["the maps are doubled by bilinear interpolation; nearest was asked"] = _wired(
        parts, maps, smooth=True
    )
    faults["the order of the results is P5, P4, P3; the finest comes first"] = right[::-1]
    given = answer(parts, *maps)
    same(given, right, f"with C3 of shape {tuple(maps[0].shape)}", faults, atol=1e-4)


class _Neck(nn.Module):
    """A neck of stand-ins with one fault, or none."""

    def __init__(self, parts: nn.ModuleDict, fault: str):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.fault = fault

    def forward(self, c3: Tensor, c4: Tensor, c5: Tensor) -> tuple[Tensor, ...]:
        return _wired(dict(self.named_children()), (c3, c4, c5), self.fault)


def _named(fault: str) -> str:
    """Before which CSP a fault first shows."""
    return {"lateral4": "topdown3", "down4": "bottomup5", "copy4": "bottomup4", "copy5": "bottomup5"}.get(
        fault, fault
    )


@exercise("08.2", seeds=12)
def find(answer: Callable, random: Random) -> None:
    """the first wrong join, of necks with a fault drawn for each"""
    w = random.integer(2, 4)
    parts, maps = _parts(random, w), _maps(random, w)
    drawn = random.choice((*SWAPPED, *SOURCES))
    fault = {0: "topdown3", 1: "none"}.get(random.seed, drawn)
    said = answer(_Neck(parts, fault), _Neck(parts, ""), maps)
    if not isinstance(said, str) or said.strip() not in (*JOINS, "none"):
        raise Wrong(f'one of {", ".join(JOINS)} or "none" was asked; {said!r} came out')
    wanted, said = _named(fault), said.strip()
    if said == wanted:
        return
    if fault == "none":
        raise Wrong(f"for two equal necks: {said} was blamed, and nothing is wrong")
    truth = (SWAPPED | SOURCES)[fault].partition(";")[0]
    if said == "none":
        raise Wrong(f"for a neck in which {truth}: nothing was found")
    if JOINS.index(said) > JOINS.index(wanted):
        raise Wrong(f"for a neck in which {truth}: {said} is off only because {wanted}, before it, is")
    raise Wrong(f"for a neck in which {truth}: {said} was blamed, but what enters it is right")


@exercise("08.3")
def middle(answer: int, random: Random) -> None:
    """int(512 · 0.75) channels"""
    faults = {
        "this is L's width; M has 0.75 of it": 512,
        "this is what the heads' stems make of every level of L; the neck does not": 256,
        "this is P3's width, and what M's heads make of every level": 192,
        "this is P5's width": 768,
    }
    same(answer, 384, "P4 of YOLOX-M", faults)


@exercise("08.4")
def lateral5_parameters(answer: Callable, random: Random) -> None:
    """the numbers in a real convolution and batch norm, for random width multipliers"""
    width = random.integer(3, 40) / 32 + random.choice((0, 0.01))
    c5, c4 = int(1024 * width), int(512 * width)
    conv = nn.Conv2d(c5, c4, 1, bias=False)
    truth = sum(p.numel() for m in (conv, nn.BatchNorm2d(c4)) for p in m.parameters())
    faults = {
        "the convolution is right; its batch norm is missing": c5 * c4,
        "the convolution has no bias: batch norm would subtract it again": c5 * c4 + 3 * c4,
        "batch norm has a scale and a shift for each channel, two numbers, not one": c5 * c4 + c4,
        "batch norm counts twice too much: it learns scale and shift for each channel that comes out; "
        "running mean and variance are not learned": c5 * c4 + 4 * c4,
        "a 3 × 3 convolution was counted; lateral5 is 1 × 1": 9 * c5 * c4 + 2 * c4,
        "the width multiplier is missing": 1024 * 512 + 1024,
        "the numbers of channels are cut to whole numbers, int(width · 1024)": int(
            1024 * width * 512 * width + 2 * 512 * width
        ),
    }
    same(answer(width), truth, f"for width {width:.5g}", faults, atol=0)
