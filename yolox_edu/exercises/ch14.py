"""The checks of chapter 14, mosaic and MixUp: boxes through a matrix, which stay, three broken mosaics."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import inf
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from yolox_edu.data.letterbox import PAD, fit
from yolox_edu.exercises.judge import Random, Wrong, exercise, same

Four = Sequence[tuple[np.ndarray, dict[str, Any]]]
Placed = tuple[np.ndarray, list[np.ndarray]]

# --- 14.1 -------------------------------------------------------------------------------------------------


def _point(view: list[list[float]], x: float, y: float) -> tuple[float, float]:
    (a, b, c), (d, e, f) = view
    return a * x + b * y + c, d * x + e * y + f


def _mapped(boxes: Tensor, view: Tensor, corners: Sequence[tuple[int, int]]) -> Tensor:
    """Box by box and corner by corner, in plain Python; `corners` as places in x1 y1 x2 y2."""
    out = []
    for box in boxes.tolist():
        points = [_point(view.tolist(), box[i], box[j]) for i, j in corners]
        xs, ys = zip(*points)
        out.append([min(xs), min(ys), max(xs), max(ys)])
    return torch.tensor(out)


ALL = ((0, 1), (2, 1), (2, 3), (0, 3))


@exercise("14.1", seeds=12)
def warp(answer: Callable, random: Random) -> None:
    """the same as corner by corner, for turned, sheared and mirrored views"""
    boxes = random.boxes(random.integer(2, 6), 300, 200)
    view = torch.cat([random.tensor(2, 2), 40 * random.tensor(2, 1)], dim=1)
    where = f"for {len(boxes)} boxes and a view with the shift ({view[0, 2]:.0f}, {view[1, 2]:.0f})"
    linear, shift = view[:, :2], view[:, 2]
    turned = torch.cat([linear.T, view[:, 2:]], dim=1)
    ends = torch.cat([boxes[:, :2] @ linear.T + shift, boxes[:, 2:] @ linear.T + shift], dim=1)
    first = torch.cat([linear @ torch.diag(torch.ones(2)), (linear @ shift)[:, None]], dim=1)
    right = _mapped(boxes, view, ALL)
    faults = {
        "the matrix is transposed; points are rows here, so it is points @ view[:, :2].T": _mapped(
            boxes, turned, ALL
        ),
        "only two corners were mapped and their order was kept; take the smallest and largest of all four": (
            ends
        ),
        "only two of the four corners were mapped; the other two can reach further": _mapped(
            boxes, view, ALL[::2]
        ),
        "only two of the four corners were mapped, upper right and lower left; take all four": _mapped(
            boxes, view, ALL[1::2]
        ),
        "one corner is missing; a box has four": _mapped(boxes, view, ALL[:3]),
        "the centre was moved, but the box kept its old size; a turned box needs more room": _carried(
            boxes, view
        ),
        "the shift is missing": _mapped(boxes, torch.cat([linear, torch.zeros(2, 1)], dim=1), ALL),
        "the shift was taken away; it is added": _mapped(boxes, torch.cat([linear, -view[:, 2:]], 1), ALL),
        "the shift was added before the matrix; it comes last": _mapped(boxes, first, ALL),
        "these are the boxes as they were": boxes,
        "these are the centre, width and height; xyxy was asked": _centred(right),
        "the order is x1 x2 y1 y2; xyxy was asked": right[:, [0, 2, 1, 3]],
        "x and y are swapped": right[:, [1, 0, 3, 2]],
        "the largest corner stands first, the smallest last": right[:, [2, 3, 0, 1]],
        "the boxes were cut off at 0; that comes later, in 14.2": right.clamp(min=0),
    }
    same(answer(boxes, view), right, where, faults, atol=1e-2)


def _centred(boxes: Tensor) -> Tensor:
    low, high = boxes[:, :2], boxes[:, 2:]
    return torch.cat([(low + high) / 2, high - low], dim=1)


def _carried(boxes: Tensor, view: Tensor) -> Tensor:
    """The centre through the matrix, the old width and height around it."""
    centred = _centred(boxes)
    middle = torch.tensor([_point(view.tolist(), x, y) for x, y in centred[:, :2].tolist()])
    return torch.cat([middle - centred[:, 2:] / 2, middle + centred[:, 2:] / 2], dim=1)


# --- 14.2 -------------------------------------------------------------------------------------------------


def _stay(
    boxes: Tensor, size: tuple[int, int], least: float, rule: str = "right", cut: str = "right"
) -> Tensor:
    """Box by box in plain Python, or with one fault."""
    height, width = size
    ends = {"swapped": (height, width), "square": (width, width), "last": (width - 1, height - 1)}
    right, bottom = (inf, inf) if cut in ("low", "nothing") else ends.get(cut, (width, height))
    start = -inf if cut in ("high", "nothing") else 0
    out = []
    for x1, y1, x2, y2 in boxes.tolist():
        u1, u2 = (min(max(x, start), right) for x in (x1, x2))
        v1, v2 = (min(max(y, start), bottom) for y in (y1, y2))
        seen, whole = (u2 - u1) * (v2 - v1), (x2 - x1) * (y2 - y1)
        enough, shorter = seen >= least * whole, min(u2 - u1, v2 - v1)
        stays = {
            "right": enough and shorter > 1,
            "official": shorter > 1,
            "share": enough and seen > 0,
            "strict": enough and max(u2 - u1, v2 - v1) > 1 and seen > 0,
            "either": enough or shorter > 1,
            "old sides": enough and min(x2 - x1, y2 - y1) > 1,
            "pixel": enough and shorter >= 1,
            "more": seen > least * whole and shorter > 1,
            "each side": u2 - u1 >= least * (x2 - x1) and v2 - v1 >= least * (y2 - y1) and shorter > 1,
            "tenth": seen >= 0.1 * whole and shorter > 1,
            "frame": seen >= least * height * width and shorter > 1,
            "hidden": whole - seen >= least * whole and shorter > 1,
            "all": True,
        }[rule]
        if stays:
            out.append([x1, y1, x2, y2] if cut == "after" else [u1, v1, u2, v2])
    return torch.tensor(out).reshape(-1, 4)


def _crossing(random: Random, height: int, width: int, least: float) -> Tensor:
    """Boxes inside, over every side, outside; slivers, and those that a rule just keeps or drops: g 4."""
    inside = random.boxes(2, width, height, 12)
    over = random.boxes(8, width, height, 30)
    low = over[:, :2] - random.uniform(8, 2) * torch.tensor([width, height]) * 0.6
    high = over[:, 2:] + random.uniform(8, 2) * torch.tensor([width, height]) * 0.6
    side = torch.arange(8)[:, None] % 4 // 2 == torch.arange(2)  # which axis is pushed
    ahead = (torch.arange(8) % 2 == 0)[:, None]
    over = torch.cat(
        [torch.where(side & ahead, low, over[:, :2]), torch.where(side & ~ahead, high, over[:, 2:])], dim=1
    )
    at_x, at_y = random.uniform(2, low=10, high=40).tolist()
    far = [[-30.0, 5, -4, 40], [5, height + 2.0, 30, height + 20]]
    thin = [[at_x, at_y, at_x + 0.8, at_y + 30], [width - 20.0, at_y, width + 400, at_y + 20]]
    tall = [[at_x, -300.0, at_x + 20, 15.0]]  # 5 % visible
    cut_thin = [[width - 0.7, at_y, width + 0.5, at_y + 30]]  # wide enough before, not after
    pixel = [[-1.0, 20, 1, 50]]  # one pixel is left, not more
    part = (least + least**0.5) / 2  # of each side: more than `least`, but less than that of the area
    corner = [[-(1 - part) * 60, -(1 - part) * 40, part * 60, part * 40]]
    exact = (
        [[-40 * (1 - least), 20.0, 40 * least, 52]] if least in (0.25, 0.5) else []
    )  # numbers without error
    boxes = torch.cat([inside, over, torch.tensor(far + thin + tall + cut_thin + pixel + corner + exact)])
    return boxes[torch.randperm(len(boxes), generator=random.generator)]


@exercise("14.2", seeds=12)
def crop(answer: Callable, random: Random) -> None:
    """the same as box by box, for boxes inside, across every side and outside of the frame"""
    height, width = random.integer(90, 130), random.integer(150, 220)
    least = random.choice([0.1, 0.25, 0.5])
    boxes, size = _crossing(random, height, width, least), (height, width)
    where = f"for a frame of {height} × {width} and least {least}"
    rules = {
        "the share is not asked for: more than one pixel is enough here": "official",
        "boxes of a pixel or less stayed; both sides must be longer than 1": "share",
        "a box stayed of which one side is at most a pixel; both must be longer": "strict",
        "boxes stayed that pass one of the two rules; both must hold": "either",
        "the sides before clipping were compared with one pixel; those after it count": "old sides",
        "a box stayed of which exactly one pixel is left; it must be more than one": "pixel",
        "a box of which exactly the share `least` is visible was dropped; at least means >=": "more",
        "each side was compared with `least`; the share is one of areas": "each side",
        "a tenth was asked, whatever `least` says": "tenth",
        "the share was taken of the frame's area; it is of the box's own": "frame",
        "the hidden share was compared; the visible one counts": "hidden",
        "all boxes are still there, clipped": "all",
    }
    cuts = {
        "the right ones stay, but they are not clipped to the frame": "after",
        "height and width are swapped: x ends at the width": "swapped",
        "y was clipped at the width, too; it ends at the height": "square",
        "clipped one pixel too early: x ends at the width, not at width - 1": "last",
        "only clipped on the left and at the top": "low",
        "only clipped on the right and at the bottom": "high",
        "nothing was clipped, so every box counted as wholly visible": "nothing",
    }
    faults = {words: _stay(boxes, size, least, rule) for words, rule in rules.items()}
    faults |= {words: _stay(boxes, size, least, cut=cut) for words, cut in cuts.items()}
    faults["these are the boxes as they were"] = boxes
    same(answer(boxes, size, least), _stay(boxes, size, least), where, faults, atol=1e-3)


# --- 14.3 -------------------------------------------------------------------------------------------------

_PUSHES = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


def _pushed(four: Four, centre: tuple[int, int], quarter: int, direction: str, boxes_only: bool) -> Placed:
    """The chapter's `place` for a frame of 320 × 320, with one quarter, or its boxes, pushed by a pixel."""
    canvas, moved = np.full((640, 640, 3), PAD, np.uint8), []
    for q, (picture, target) in enumerate(four):
        scale, h, w = fit(*picture.shape[:2], (320, 320))
        picture = cv2.resize(picture, (w, h))
        left = centre[0] - (0 if q % 2 else w)
        top = centre[1] - (0 if q >= 2 else h)
        x, y = _PUSHES[direction] if q == quarter else (0, 0)
        offset = [left + x, top + y] if boxes_only else [left, top]
        if not boxes_only:
            left, top = left + x, top + y
        rows, columns = slice(max(top, 0), min(top + h, 640)), slice(max(left, 0), min(left + w, 640))
        canvas[rows, columns] = picture[
            rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
        ]
        moved.append((target["boxes"] * scale + offset * 2).clip(0, 640))
    return canvas, moved


def broken_a(four: Four, centre: tuple[int, int]) -> Placed:
    """A mosaic with one slip."""
    return _pushed(four, centre, 3, "right", boxes_only=False)


def broken_b(four: Four, centre: tuple[int, int]) -> Placed:
    """A mosaic with one slip."""
    return _pushed(four, centre, 1, "down", boxes_only=False)


def broken_c(four: Four, centre: tuple[int, int]) -> Placed:
    """A mosaic with one slip."""
    return _pushed(four, centre, 2, "left", boxes_only=True)


FOUND = {"A": ("3", "right"), "B": ("1", "down"), "C": ("2", "left")}
OPPOSITE = {"left": "right", "right": "left", "up": "down", "down": "up"}


@exercise("14.3", seeds=1)
def off_by_one(answer: Any, random: Random) -> None:
    """all three slips are found"""
    if not isinstance(answer, str):
        raise Wrong('a sentence in quotes was asked, like "A 2 left, B 0 up, C 1 down"')
    part = r"\b([ABC])\W*(?:quarter\W+)?(\d)\W+(?:to the\W+)?(left|right|up|down)"
    said = re.findall(part, answer, re.I)
    given = {letter.upper(): (quarter, side.lower()) for letter, quarter, side in said}
    for letter, (quarter, side) in FOUND.items():
        if letter not in given:
            raise Wrong(f'{letter} has no part that can be read; write "{letter} 2 left", say')
        mine, direction = given[letter]
        if mine not in "0123":
            raise Wrong(f"{letter}: there is no quarter {mine}; they are counted from 0 to 3")
        if mine != quarter and direction == side:
            raise Wrong(f"{letter}: the direction is right, but it is not quarter {mine}")
        if mine != quarter:
            raise Wrong(f"{letter}: quarter {mine} is where it belongs")
        if direction == OPPOSITE[side]:
            raise Wrong(f"{letter}: the quarter is right; it went the other way")
        if direction != side:
            raise Wrong(f"{letter}: the quarter is right, the direction is not")
