"""A box on its way to its target: every loss and what it pulls at. Explained in chapter 13.

The losses are the chapter's own functions; this module only puts a box somewhere, asks autograd, and draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from yolox_edu.viz.svg import PALETTE, Drawing, canvas, number, rect, row, text

Losses = Mapping[str, Callable[[Tensor], Tensor]]  # raw m 4 -> m

STRIDE = 16
GOAL = (72.0, 72.0, 64.0, 48.0)  # cxcywh, pixels
SIZES = {"half as large": 0.5, "equal": 1.0, "1.5 times as large": 1.5}
WIDE, HIGH = 264, 144
LINE, START, MOST = 34, 44, 72  # a row of the table, its first line, the longest bar


def raw_at(away: float | int, scale: float | int) -> Float[Tensor, "1 4"]:
    """The raw numbers of a box `away` pixels to the right and `scale` times as large; its cell is (0, 0)."""
    x, y, w, h = GOAL
    logs = (math.log(scale * side / STRIDE) for side in (w, h))
    return torch.tensor([[(x + away) / STRIDE, y / STRIDE, *logs]])


def pulls(losses: Losses, raw: Float[Tensor, "m 4"]) -> dict[str, tuple[Tensor, Tensor]]:
    """For each loss its value, m, and its gradient in the raw numbers, m 4."""
    found = {}
    for name, loss in losses.items():
        leaf = raw.clone().requires_grad_()
        value = loss(leaf)
        (gradient,) = torch.autograd.grad(value.sum(), leaf)
        found[name] = value.detach(), gradient
    return found


def sliding_box(losses: Losses, away: float | int, size: str) -> Drawing:
    """One state: the picture with target and box, and beside it what each loss says there."""
    found = pulls(losses, raw_at(away, SIZES[size]))
    parts = [
        f"{name} is {_signed(value.item())} and pulls {_signed(-g[0, 0].item())} at x, "
        f"{_signed(-g[0, 2].item())} at log w"
        for name, (value, g) in found.items()
    ]
    alt = f"{away} pixels away, {size}: {'; '.join(parts)}."
    return row(_scene(away, SIZES[size]), _table(found), gap=20, alt=alt)


def _scene(away: float | int, scale: float) -> Drawing:
    x, y, w, h = GOAL
    body = []
    for at, times, colour, dash in (
        (x, 1.0, "blue", ""),
        (x + away, scale, "orange", ' stroke-dasharray="6 4"'),
    ):
        body.append(rect(at - times * w / 2, y - times * h / 2, times * w, times * h, colour, dash, width=2))
    body.append(f'<circle cx="{number(x)}" cy="{number(y)}" r="3"/>')
    body.append(
        f'<circle cx="{number(x + away)}" cy="{number(y)}" r="4" fill="none" stroke="currentColor" '
        'stroke-width="1.5"/>'
    )
    body.append(text(2, 10, "target: solid; box: dashed", "start"))
    return canvas(body, WIDE, HIGH, "The target and the box.")


def _table(found: dict[str, tuple[Tensor, Tensor]]) -> Drawing:
    """Name, value, and a bar each for the pull at x and at log w: to the left is less, to the right more."""
    columns = {"pull at x": 210, "pull at log w": 370}
    body = [text(0, 10, "loss", "start", bold=True), text(128, 10, "value", "end", bold=True)]
    body += [text(middle, 10, name, bold=True) for name, middle in columns.items()]
    for i, (name, (value, gradient)) in enumerate(found.items()):
        y = START + LINE * i
        body += [text(0, y, name, "start"), text(128, y, _signed(value.item()), "end")]
        for which, middle in zip((0, 2), columns.values()):
            body += _bar(-gradient[0, which].item(), middle, y, "green" if which else "vermilion")
    return canvas(body, 446, START + LINE * len(found) - 12, "What each loss says.")


def _bar(pull: float, middle: int, y: int, colour: str) -> list[str]:
    """A bar from the middle towards where the pull goes; its number stands on the other side."""
    long = min(abs(pull), 1.0) * MOST
    left, side = (middle - long, 6) if pull < 0 else (middle, -6)
    return [
        f'<rect x="{number(left)}" y="{number(y - 11)}" width="{number(long)}" height="22" '
        f'fill="{PALETTE[colour]}" fill-opacity="0.45"/>',
        f'<path d="M{middle} {number(y - 13)}v26" stroke="currentColor" opacity="0.5"/>',
        text(middle + side, y, _signed(pull), "start" if pull < 0 else "end"),
    ]


def _signed(value: float) -> str:
    """Two decimals with a true minus, and no minus before nothing."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")
