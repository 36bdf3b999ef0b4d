"""The checks of chapter 14, mosaic and MixUp: boxes through a matrix, which stay, three broken mosaics."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
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
        "the shift is missing": _mapped(boxes, torch.cat([linear, torch.zeros(2, 1)], dim=1), ALL),
        "the shift was added before the matrix; it comes last": _mapped(boxes, first, ALL),
        "these are the boxes as they were": boxes,
        "these are the centre, width and height; xyxy was asked": _centred(_mapped(boxes, view, ALL)),
    }
    same(answer(boxes, view), _mapped(boxes, view, ALL), where, faults, atol=1e-2)


def _centred(boxes: Tensor) -> Tensor:
    low, high = boxes[:, :2], boxes[:, 2:]
    return torch.cat([(low + high) / 2, high - low], dim=1)


# --- 14.2 -------------------------------------------------------------------------------------------------


def _stay(
    boxes: Tensor, size: tuple[int, int], least: float, rule: str = "right", cut: str = "right"
) -> Tensor:
    """Box by box in plain Python, or with one fault."""
    height, width = size[::-1] if cut == "swapped" else size
    out = []
    for x1, y1, x2, y2 in boxes.tolist():
        u1, v1, u2, v2 = (
            min(max(x1, 0), width),
            min(max(y1, 0), height),
            min(max(x2, 0), width),
            min(max(y2, 0), height),
        )
        seen, whole = (u2 - u1) * (v2 - v1), (x2 - x1) * (y2 - y1)
        wide = min(u2 - u1, v2 - v1) > 1
        stays = {
            "right": seen >= least * whole and wide,
            "official": wide,
            "share": seen >= least * whole and seen > 0,
            "frame": seen >= least * height * width and wide,
            "strict": seen >= least * whole and max(u2 - u1, v2 - v1) > 1 and seen > 0,
            "hidden": whole - seen >= least * whole and wide,
            "all": True,
        }[rule]
        if stays:
            out.append([x1, y1, x2, y2] if cut == "none" else [u1, v1, u2, v2])
    return torch.tensor(out).reshape(-1, 4)


def _crossing(random: Random, height: int, width: int) -> Tensor:
    """Boxes inside, over every side, outside, and thin slivers of a large share: g 4."""
    inside = random.boxes(2, width, height, 12)
    over = random.boxes(8, width, height, 30)
    low = over[:, :2] - random.uniform(8, 2) * torch.tensor([width, height]) * 0.6
    high = over[:, 2:] + random.uniform(8, 2) * torch.tensor([width, height]) * 0.6
    side = torch.arange(8)[:, None] % 4 // 2 == torch.arange(2)  # which axis is pushed
    ahead = (torch.arange(8) % 2 == 0)[:, None]
    over = torch.cat(
        [torch.where(side & ahead, low, over[:, :2]), torch.where(side & ~ahead, high, over[:, 2:])], dim=1
    )
    far = torch.tensor([[-30.0, 5, -4, 40], [5, height + 2.0, 30, height + 20]])
    at_x, at_y = random.uniform(2, low=10, high=40).tolist()
    thin = torch.tensor([[at_x, at_y, at_x + 0.8, at_y + 30], [width - 20.0, at_y, width + 400, at_y + 20]])
    tall = torch.tensor([[at_x, -300.0, at_x + 20, 15.0]])  # 5 % visible
    boxes = torch.cat([inside, over, far, thin, tall])
    return boxes[torch.randperm(len(boxes), generator=random.generator)]


@exercise("14.2", seeds=12)
def crop(answer: Callable, random: Random) -> None:
    """the same as box by box, for boxes inside, across every side and outside of the frame"""
    height, width = random.integer(90, 130), random.integer(150, 220)
    least = random.choice([0.1, 0.25, 0.5])
    boxes, size = _crossing(random, height, width), (height, width)
    where = f"for a frame of {height} × {width} and least {least}"
    faults = {
        "the share is not asked for: this is the official rule, more than one pixel": _stay(
            boxes, size, least, "official"
        ),
        "boxes of a pixel or less stayed; both sides must be longer than 1": _stay(
            boxes, size, least, "share"
        ),
        "a box stayed of which one side is at most a pixel; both must be longer": _stay(
            boxes, size, least, "strict"
        ),
        "the share was taken of the frame's area; it is of the box's own": _stay(boxes, size, least, "frame"),
        "the hidden share was compared; the visible one counts": _stay(boxes, size, least, "hidden"),
        "the right ones stay, but they are not clipped to the frame": _stay(boxes, size, least, cut="none"),
        "height and width are swapped: x ends at the width": _stay(boxes, size, least, cut="swapped"),
        "all boxes are still there, clipped": _stay(boxes, size, least, "all"),
    }
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
    said = re.findall(r"\b([ABC])\W*([0-3])\W+(left|right|up|down)\b", answer, re.I)
    given = {letter.upper(): (quarter, side.lower()) for letter, quarter, side in said}
    for letter, (quarter, side) in FOUND.items():
        if letter not in given:
            raise Wrong(f'{letter} has no part that can be read; write "{letter} 2 left", say')
        mine, direction = given[letter]
        if mine != quarter and direction == side:
            raise Wrong(f"{letter}: the direction is right, but it is not quarter {mine}")
        if mine != quarter:
            raise Wrong(f"{letter}: quarter {mine} is where it belongs")
        if direction == OPPOSITE[side]:
            raise Wrong(f"{letter}: the quarter is right; it went the other way")
        if direction != side:
            raise Wrong(f"{letter}: the quarter is right, the direction is not")
