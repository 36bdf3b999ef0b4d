"""Checks of the exercises of chapter 00."""

from __future__ import annotations

import math
from typing import Any

import torch

from yolox_edu.exercises.judge import Random, exercise, same

STRIDES = (8, 16, 32)


@exercise("00.1")
def count(answer: Any, random: Random) -> None:
    """as many as there are when the cells are counted one by one"""
    height, width = 32 * random.integer(1, 8), 32 * random.integer(9, 14)
    cells = {s: sum(1 for _ in range(0, height, s) for _ in range(0, width, s)) for s in STRIDES}
    faults: dict[str, Any] = {
        f"that is the grid of stride {s} alone; add up all three": n for s, n in cells.items()
    }
    faults["those are the cells along one side of each grid; a grid has rows times columns"] = sum(
        (height + width) // s for s in STRIDES
    )
    faults["the width is not used: the picture need not be square"] = sum((height // s) ** 2 for s in STRIDES)
    faults["the height is not used: the picture need not be square"] = sum((width // s) ** 2 for s in STRIDES)
    same(answer(height, width), sum(cells.values()), f"for {height} x {width}", faults)


@exercise("00.2")
def corners(answer: Any, random: Random) -> None:
    """the same four sides as plain arithmetic gives"""
    row, stride = random.tensor(5 + random.integer(1, 9)), random.choice(STRIDES)
    u, v = random.integer(0, 9), random.integer(10, 19)
    x, y, log_w, log_h = row[:4].tolist()
    w, h = math.exp(log_w), math.exp(log_h)

    def sides(x: float, y: float, w: float, h: float, s: int = stride) -> list[float]:
        return [(x - w / 2) * s, (y - h / 2) * s, (x + w / 2) * s, (y + h / 2) * s]

    faults = {
        "the box is in cells; times the stride gives pixels": sides(x + u, y + v, w, h, 1),
        "the logarithms of width and height are still in it; exp undoes them": sides(
            x + u, y + v, log_w, log_h
        ),
        "column and row are swapped: u goes with x, v with y": sides(x + v, y + u, w, h),
        "the cell's column and row are left out": sides(x, y, w, h),
        "0.5 is added to the centre; x and y count from the cell's corner": sides(
            x + u + 0.5, y + v + 0.5, w, h
        ),
        "left and top are the centre itself; go half a width and half a height from it": [
            (x + u) * stride,
            (y + v) * stride,
            (x + u + w) * stride,
            (y + v + h) * stride,
        ],
        "your box is centre, width, height; left, top, right, bottom was asked": [
            (x + u) * stride,
            (y + v) * stride,
            w * stride,
            h * stride,
        ],
    }
    given = answer(row, u, v, stride)
    given = list(given) if isinstance(given, torch.Tensor) and given.shape == (4,) else given
    where = f"for column {u}, row {v}, stride {stride}"
    same(given, sides(x + u, y + v, w, h), where, faults, atol=1e-3)


@exercise("00.3")
def surest(answer: Any, random: Random) -> None:
    """the same score and class as plain arithmetic gives"""
    row = 2 * random.tensor(5 + random.integer(2, 9))
    row[4] = 2 * random.uniform(1).item() + 1
    odds = [1 / (1 + math.exp(-value)) for value in row.tolist()]
    seen, classes = odds[4], odds[5:]
    label = classes.index(max(classes))
    flat = (row[5:].softmax(0) * seen).max().item()
    faults = {
        "the score leaves out that something is there; multiply with the object's sigmoid": (
            classes[label],
            label,
        ),
        "the class counts the five numbers before it; class 0 stands in column 5": (
            seen * classes[label],
            label + 5,
        ),
        "the classes went through softmax; each has a sigmoid of its own": (flat, label),
        "one sigmoid of the two logits' sum is not the product of two sigmoids": (
            1 / (1 + math.exp(-(row[4] + row[5 + label]).item())),
            label,
        ),
        "the logits themselves are multiplied; take the sigmoid of each first": (
            (row[4] * row[5 + label]).item(),
            label,
        ),
        "class and score are swapped; the score comes first": (label, seen * classes[label]),
    }
    where = f"for a row of {len(row)} numbers"
    same(answer(row), (seen * classes[label], label), where, faults)
