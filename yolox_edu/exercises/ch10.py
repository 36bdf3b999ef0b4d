"""The checks of chapter 10: decode, encode, count the predictions, find the cell of a prediction. Chapter 10.

The truths are loops over levels, rows and columns in plain Python; nothing of `yolox_edu.boxes` is used.
Sizes are never square, so that height and width cannot be taken for each other unnoticed.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from yolox_edu.exercises.judge import Random, exercise, same

STRIDES = (8, 16, 32)
Cell = tuple[int, int, int, int]  # level, row, column, stride


def _size(random: Random, most: int = 4) -> tuple[int, int]:
    """A (height, width) in multiples of 32 that is never square."""
    height, width = (32 * n for n in random.shape(2, 1, most))
    return height, width


def _cells(size: tuple[int, int]) -> list[Cell]:
    """Every cell in the order of the head's rows."""
    return [
        (level, row, column, stride)
        for level, stride in enumerate(STRIDES)
        for row in range(size[0] // stride)
        for column in range(size[1] // stride)
    ]


def _columns_first(size: tuple[int, int]) -> list[Cell]:
    """The same cells, counted down the columns instead of along the rows."""
    return sorted(_cells(size), key=lambda cell: (cell[0], cell[2], cell[1]))


def _decoded(
    raw: Tensor, cells: list[Cell], shift: float = 0, exp: bool = True, multiply: bool = True
) -> list[list[float]]:
    """Boxes as centre and size, one row of `raw` after the other; the options are typical faults."""
    out = []
    for (x, y, w, h), (_, row, column, stride) in zip(raw.tolist(), cells):
        scale = stride if multiply else 1
        sides = [(math.exp(side) if exp else side) * scale for side in (w, h)]
        out.append([(x + column + shift) * scale, (y + row + shift) * scale, *sides])
    return out


def _corners(boxes: list[list[float]]) -> Tensor:
    """Centre and size to left, top, right, bottom."""
    return torch.tensor([[x - w / 2, y - h / 2, x + w / 2, y + h / 2] for x, y, w, h in boxes])


@exercise("10.1")
def decode(answer: Any, random: Random) -> None:
    """the boxes of a loop over levels, rows and columns"""
    size, n = _size(random), random.integer(1, 2)
    cells = _cells(size)
    raw = random.tensor(n, len(cells), 4 + random.integer(0, 6))  # n a d

    def all_pictures(cells: list[Cell], **fault: Any) -> Float[Tensor, "n a 4"]:
        return torch.stack([_corners(_decoded(one[:, :4], cells, **fault)) for one in raw])

    swapped = [(level, column, row, stride) for level, row, column, stride in cells]
    faults = {
        "you add 0.5: an offset counts from the cell's corner, not from its centre": all_pictures(
            cells, shift=0.5
        ),
        "width and height are logarithms: exp is missing": all_pictures(cells, exp=False),
        "the boxes count in cells: nothing is multiplied by the stride": all_pictures(cells, multiply=False),
        "x goes with the column and y with the row; you have them the other way round": all_pictures(swapped),
        "within a level the rows of the tensor run along a line of cells, not down a column": all_pictures(
            _columns_first(size)
        ),
        "the levels are in the wrong order: stride 8 comes first, 32 last": all_pictures(
            sorted(cells, key=lambda cell: -cell[3])
        ),
        "your boxes are centre and size; left, top, right, bottom was asked": torch.stack(
            [torch.tensor(_decoded(one[:, :4], cells)) for one in raw]
        ),
    }
    where = f"with raw numbers of shape {tuple(raw.shape)} for a size of {size}"
    same(answer(raw, size), all_pictures(cells), where, faults, atol=1e-3)


@exercise("10.2")
def encode(answer: Any, random: Random) -> None:
    """the raw numbers that a loop decodes to the given boxes"""
    cells = _cells(_size(random, most=3))
    raw = random.tensor(len(cells), 4)  # a 4
    boxes = torch.tensor(_decoded(raw, cells))
    x, y, w, h = boxes.unbind(1)
    column, row, stride = (torch.tensor([float(cell[i]) for cell in cells]) for i in (2, 1, 3))
    u, v = x / stride, y / stride

    def joined(*four: Tensor) -> Float[Tensor, "a 4"]:
        return torch.stack(four, dim=1)

    sides = (raw[:, 2], raw[:, 3])
    faults = {
        "you subtract the cell's centre; raw offsets count from its corner": joined(
            u - column - 0.5, v - row - 0.5, *sides
        ),
        "width and height are still in strides: the logarithm is missing": joined(
            u - column, v - row, w / stride, h / stride
        ),
        "the logarithm comes after the division by the stride: log(w / stride)": joined(
            u - column, v - row, w.log() / stride, h.log() / stride
        ),
        "width and height are logarithms of pixels; divide them by the stride first": joined(
            u - column, v - row, w.log(), h.log()
        ),
        "the offset is still in pixels: divide the centre by the stride, then subtract the cell": joined(
            x - column, y - row, *sides
        ),
        "the offset is in pixels: the cell's corner was subtracted, the division by the stride is missing": (
            joined(x - column * stride, y - row * stride, *sides)
        ),
        "the centre is in strides, but the cell is not subtracted": joined(u, v, *sides),
        "x goes with the column and y with the row; you have them the other way round": joined(
            u - row, v - column, *sides
        ),
    }
    given = answer(boxes, torch.stack((column, row), dim=1), stride[:, None])
    same(given, raw, f"for {len(cells)} boxes of shape {tuple(boxes.shape)}", faults, atol=1e-3)


@exercise("10.3")
def how_many(answer: Any, random: Random) -> None:
    """the number of cells, counted one by one"""
    height, width = _size(random, most=12)
    right = len(_cells((height, width)))
    faults = {
        "those are three predictions a cell; without anchors each cell makes one": 3 * right,
        "that is the finest grid alone; there are three": (height // 8) * (width // 8),
        "only squares have height² / stride² cells; the width counts too": len(_cells((height, height))),
        "only squares have width² / stride² cells; the height counts too": len(_cells((width, width))),
    }
    same(answer(height, width), right, f"for {height} × {width} (height × width)", faults)


@exercise("10.4")
def locate(answer: Any, random: Random) -> None:
    """where a walk through all cells finds the prediction"""
    height, width = _size(random, most=6)
    cells = _cells((height, width))
    ends = [(height // s) * (width // s) for s in STRIDES]
    starts = (0, ends[0], ends[0] + ends[1])
    picks = [start + random.integer(0, count - 1) for start, count in zip(starts, ends)]
    for i in [*picks, *starts, len(cells) - 1]:
        level, row, column, stride = cells[i]
        line, within = width // stride, i - starts[level]
        down = _columns_first((height, width))[i]
        faults = {
            "the order asked for is level, row, column": (level, column, row),
            "level is 0 for P3, 1 for P4, 2 for P5; you give the stride": (stride, row, column),
            "level is 0 for P3, 1 for P4, 2 for P5; you start at 3": (level + 3, row, column),
            "the levels are in the wrong order: P3 comes first": (2 - level, row, column),
            "you forgot to subtract the predictions of the finer levels": (level, i // line, i % line),
            "divide by the number of columns (from the width), not of rows": (
                level,
                *divmod(within, height // stride),
            ),
            "cells are counted along a row, not down a column": (level, down[1], down[2]),
        }
        where = f"for prediction {i:,} of a {height} × {width} input (height × width)"
        same(answer(i, height, width), (level, row, column), where, faults)
