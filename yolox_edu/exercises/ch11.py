"""The checks of chapter 11: the centre cell, cells near a point, ambiguous cells. Chapter 11.

The truths are loops over cells in plain Python; nothing of `yolox_edu.simota` is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from yolox_edu.exercises.judge import Random, exercise, same


@exercise("11.1")
def centre_cell(answer: Any, random: Random) -> None:
    """the cell found by walking through the grid"""
    stride = random.choice((8, 16, 32))
    g = random.integer(3, 6)
    boxes = random.boxes(g, 320, 224)  # g 4
    boxes[0] = torch.tensor([5.0, 3.0, 6.0 * stride - 5, 2.0 * stride - 3])  # the centre on a corner of cells
    x1, y1, x2, y2 = boxes.unbind(1)

    def cell(x: Tensor, y: Tensor) -> Tensor:
        return torch.stack((_place(y, stride), _place(x, stride)), dim=1)

    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    right = cell(x, y)
    faults = {
        "you give column and row; row and column was asked": right.flip(1),
        "that is the cell of the top left corner, not of the centre": cell(x1, y1),
        "that is the cell of the bottom right corner, not of the centre": cell(x2, y2),
        "the boxes are xyxy: half the difference of the corners is not the centre": cell(
            (x2 - x1) / 2, (y2 - y1) / 2
        ),
        "you round to the nearest number; a cell begins at its number: floor": torch.stack(
            ((y / stride).round().long(), (x / stride).round().long()), dim=1
        ),
        "the middle of a cell is half a stride further; the cell itself begins at its number": torch.stack(
            ((y / stride - 0.5).floor().long(), (x / stride - 0.5).floor().long()), dim=1
        ),
        "a centre on the line between two cells belongs to the one that begins there": torch.stack(
            ((y / stride - 0.5).round().long(), (x / stride - 0.5).round().long()), dim=1
        ),
        "you take the mean of two cells; the cell of the mean was asked": (cell(x1, y1) + cell(x2, y2)) // 2,
        "that is the sum of the corners; the centre is half of it": cell(2 * x, 2 * y),
        "rows and columns count from 0; yours count from 1": right + 1,
        "that is the centre in pixels; a cell is a stride wide": torch.stack((y.long(), x.long()), dim=1),
        "that is the centre in strides, not yet a cell: floor and long are missing": torch.stack(
            (y / stride, x / stride), dim=1
        ),
    }
    faults |= {
        f"you divide by {s}, whatever the stride is": cell(x * stride / s, y * stride / s)
        for s in (8, 16, 32)
    }
    given = answer(boxes, stride)
    if isinstance(given, Tensor) and given.dtype == torch.int32:  # whole numbers too
        given = given.long()
    same(given, right, f"for {g} boxes and stride {stride}", faults)


def _place(at: Tensor, stride: int) -> Tensor:
    """For each coordinate the cell that begins at or before it and ends behind it."""
    return torch.tensor([next(i for i in range(999) if stride * (i + 1) > p) for p in at.tolist()])


@exercise("11.2", seeds=9)
def near(answer: Any, random: Random) -> None:
    """a loop over rows and columns, with points in cells, on lines, on corners and at the rim"""
    stride = random.choice((8, 16, 32))
    rows, columns = random.shape(2, 3, 9)
    kind = (random.seed + 2) % 3
    if kind == 0:  # on a corner of four cells: 2 x 2 are near
        x, y = float(stride * random.integer(1, columns - 1)), float(stride * random.integer(1, rows - 1))
    elif kind == 1:  # at the left rim: a row or column is missing
        x, y = 0.3 * stride, stride * (random.integer(1, rows - 2) + 0.3)
    else:
        x, y = stride * (random.integer(1, columns - 2) + 0.35), stride * (random.integer(1, rows - 2) + 0.8)

    def marked(test: Callable[[float, float], bool], at: float | int = 0.5) -> Bool[Tensor, "rows columns"]:
        """`test` of the distances in strides, from the point `at` of each cell."""
        return torch.tensor(
            [
                [test(abs(u + at - x / stride), abs(v + at - y / stride)) for u in range(columns)]
                for v in range(rows)
            ]
        )

    right = marked(lambda dx, dy: dx < 1.5 and dy < 1.5)
    home = int(y // stride), int(x // stride)
    nine = [(home[0] + i, home[1] + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    faults = {
        "just 1.5 strides is not near; less than 1.5 was asked": marked(
            lambda dx, dy: dx <= 1.5 and dy <= 1.5
        ),
        "near on one axis is not enough; both were asked": marked(lambda dx, dy: dx < 1.5 or dy < 1.5),
        "that is a circle; on each axis for itself was asked": marked(lambda dx, dy: dx**2 + dy**2 < 1.5**2),
        "that is a diamond; on each axis for itself was asked": marked(lambda dx, dy: dx + dy < 1.5),
        "that is 1.5 pixels; 1.5 strides was asked": marked(
            lambda dx, dy: dx * stride < 1.5 and dy * stride < 1.5
        ),
        "that is the centre cell alone": _cells(rows, columns, [home]),
        "all nine cells around the point's cell: too many when the point lies on a line or corner": _cells(
            rows, columns, nine
        ),
        "you measure from the cell's corner, not from its middle": marked(
            lambda dx, dy: dx < 1.5 and dy < 1.5, at=0
        ),
        "what lies beyond the rim is left out; it does not come in again on the other side": _cells(
            rows, columns, [(v % rows, u % columns) for v, u in nine]
        ),
        "a distance has no sign; the cells left and above are far away, too": torch.tensor(
            [
                [u + 0.5 - x / stride < 1.5 and v + 0.5 - y / stride < 1.5 for u in range(columns)]
                for v in range(rows)
            ]
        ),
        "that is 1 stride; 1.5 strides was asked": marked(lambda dx, dy: dx < 1 and dy < 1),
        "that is 2.5 strides, the rule of the first release; 1.5 was asked": marked(
            lambda dx, dy: dx < 2.5 and dy < 2.5
        ),
        "x goes with the columns and y with the rows; you have them the other way round": torch.tensor(
            [
                [abs(v + 0.5 - x / stride) < 1.5 and abs(u + 0.5 - y / stride) < 1.5 for u in range(columns)]
                for v in range(rows)
            ]
        ),
        "the mask is columns × rows; rows × columns was asked": right.T,
    }
    where = f"for the point ({x:g}, {y:g}), stride {stride}, {rows} rows and {columns} columns"
    same(answer(x, y, stride, rows, columns), right, where, faults)


def _cells(rows: int, columns: int, picked: list[tuple[int, int]]) -> Bool[Tensor, "rows columns"]:
    """True at the picked (row, column)s that exist."""
    return torch.tensor([[(v, u) in picked for u in range(columns)] for v in range(rows)])


@exercise("11.3")
def ambiguous(answer: Any, random: Random) -> None:
    """the cells counted one by one"""
    g, a = random.integer(3, 6), random.integer(30, 60)
    wants = random.uniform(g, a) < 0.4  # g a
    wants[:, 0] = True  # a cell that all want
    claims = [sum(cell) for cell in wants.T.tolist()]  # a
    faults = {
        "those are the cells that anybody wants": sum(n > 0 for n in claims),
        "those are the cells that exactly two want; three or more are a quarrel too": sum(
            n == 2 for n in claims
        ),
        "those are the cells that more than two want; two are enough": sum(n > 2 for n in claims),
        "those are all claims together; cells were asked": sum(claims),
        "those are the claims on ambiguous cells; each such cell counts once": sum(
            n for n in claims if n > 1
        ),
        "those are the claims that cannot be granted; each such cell counts once": sum(
            n - 1 for n in claims if n > 1
        ),
        "those are the pairs that quarrel; a cell that three want counts once": sum(
            n * (n - 1) // 2 for n in claims
        ),
        "that is a share; the number of cells was asked": sum(n > 1 for n in claims)
        / sum(n > 0 for n in claims),
        "you count objects that want two cells; cells that two objects want were asked": sum(
            sum(row) >= 2 for row in wants.tolist()
        ),
    }
    same(answer(wants), sum(n >= 2 for n in claims), f"for {g} objects and {a} cells", faults)
