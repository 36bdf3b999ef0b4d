"""Activations that one can move along, and what a CBS does to a street: the figures of chapter 04."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
from jaxtyping import Float, UInt8
from matplotlib.patches import Rectangle
from numpy import ndarray
from torch import Tensor

from yolox_edu.viz.svg import PALETTE, Drawing, canvas, number, row, text

LOW, HIGH = -5, 4  # of x
UNIT = 30  # pixels
TOP, BOTTOM = 4.2, -1.2  # of the values
COLOURS = {"SiLU": "blue", "ReLU": "vermilion"}
DASHES = {"SiLU": "", "ReLU": ' stroke-dasharray="7 4"'}

Curve = Callable[[float], float]


def silu(x: float | int) -> float:
    """x times sigmoid(x). Chapter 04."""
    return x / (1 + math.exp(-x))


def silu_slope(x: float | int) -> float:
    """The derivative of SiLU. Chapter 04."""
    s = 1 / (1 + math.exp(-x))
    return s * (1 + x * (1 - s))


VALUES: dict[str, Curve] = {"SiLU": silu, "ReLU": lambda x: max(x, 0.0)}
SLOPES: dict[str, Curve] = {"SiLU": silu_slope, "ReLU": lambda x: float(x > 0)}


def activation(x: float | int) -> Drawing:
    """SiLU and ReLU at x: their values on the left, their slopes on the right. Chapter 04."""
    said = (
        f"{name} is {_two(VALUES[name](x))} with slope {_two(SLOPES[name](x))}" for name in ("SiLU", "ReLU")
    )
    return row(
        _panel("value", VALUES, x, 1.0),
        _panel("slope", SLOPES, x, 2.5),
        gap=20,
        alt=f"At x = {_two(x)} {' and '.join(said)}.",
    )


def _panel(title: str, curves: dict[str, Curve], x: float | int, stretch: float) -> Drawing:
    """Two curves over the same axis, a line at x and a dot on each curve; `stretch`: pixels a unit high."""
    up, left = UNIT * stretch, 14
    high = (TOP - BOTTOM) * UNIT
    zero = 30 + high * (TOP / (TOP - BOTTOM)) if stretch == 1 else 30 + 1.4 * up

    def at(a: float | int, b: float | int) -> tuple[str, str]:
        return number(left + (a - LOW) * UNIT), number(zero - b * up)

    wide = left + (HIGH - LOW) * UNIT
    body = [text(left, 9, title, "start", bold=True)]
    for i, name in enumerate(curves):
        line = f'stroke="{PALETTE[COLOURS[name]]}" stroke-width="2.5" fill="none"{DASHES[name]}'
        key = left + 70 + 85 * i
        body.append(f'<path d="M{key} 9h24" {line}/>' + text(key + 30, 9, name, "start"))
    body += _axes(at, stretch)
    for name, curve in curves.items():
        line = f'stroke="{PALETTE[COLOURS[name]]}" stroke-width="2.5" fill="none"{DASHES[name]}'
        steps = [LOW + i / 10 for i in range(10 * (HIGH - LOW) + 1)]
        body.append(f'<polyline points="{" ".join(",".join(at(a, curve(a))) for a in steps)}" {line}/>')
    body.append(f'<path d="M{at(x, 0)[0]} 26V{number(30 + high)}" stroke="currentColor" opacity="0.6"/>')
    for name, curve in curves.items():
        cx, cy = at(x, curve(x))
        dot = f'fill="{PALETTE[COLOURS[name]]}" stroke="currentColor" stroke-width="1.5"'
        body.append(f'<circle cx="{cx}" cy="{cy}" r="5.5" {dot}/>')
    return canvas(body, wide + 12, 30 + high + 6, f"The {title} of SiLU and ReLU")


def _axes(at: Callable[..., tuple[str, str]], stretch: float) -> list[str]:
    """The two axes with a few numbers."""
    (x0, y0), (x1, _) = at(LOW, 0), at(HIGH, 0)
    (xz, top), (_, bottom) = at(0, TOP if stretch == 1 else 1.3), at(0, BOTTOM if stretch == 1 else -0.4)
    body = [f'<path d="M{x0} {y0}H{x1}M{xz} {bottom}V{top}" stroke="currentColor" opacity="0.5"/>']
    for x in (-4, -2, 2, 4):
        body.append(text(float(at(x, 0)[0]), 30 + (TOP - BOTTOM) * UNIT - 6, str(x).replace("-", "−")))
    for y in (1, 2, 3, 4) if stretch == 1 else (0.5, 1):
        body.append(text(float(xz) - 6, float(at(0, y)[1]), f"{y:g}", "end"))
    return body


def _two(value: float | int) -> str:
    """Two decimals, without a sign before zero."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def found(
    streets: Sequence[UInt8[ndarray, "h w 3"]], boxes: Sequence[Sequence[float]], titles: Sequence[str]
) -> None:
    """Pictures in a row, each under its title and with its boxes (b 4, xyxy). Chapter 04."""
    _, axes = plt.subplots(1, len(streets), figsize=(7.6, 2.3))
    for ax, street, all_boxes, title in zip(axes, streets, boxes, titles):
        ax.imshow(street)
        for box in all_boxes:
            # A network without its notes finds boxes of infinite size: they are drawn at the rim.
            left, top, right, bottom = (min(max(side, 2), street.shape[1] - 3) for side in box)
            size = right - left, bottom - top
            ax.add_patch(Rectangle((left, top), *size, fc="none", ec=PALETTE["vermilion"], lw=1.5))
        ax.set(title=title, xticks=[], yticks=[], xlim=(0, street.shape[1]), ylim=(street.shape[0], 0))


def stages(maps: dict[str, Float[Tensor, "c h w"]], channels: Sequence[int], most: float | int = 4) -> None:
    """A row for each channel, a column for each stage: red below zero, white zero, blue above. Chapter 04."""
    size = (7.4, 2.35 * len(channels))
    _, axes = plt.subplots(len(channels), len(maps), figsize=size, squeeze=False)
    for line, channel in zip(axes, channels):
        for ax, (name, values) in zip(line, maps.items()):
            drawn = ax.imshow(values[channel], cmap="RdBu", vmin=-most, vmax=most)
            mean, spread = values[channel].mean().item(), values[channel].std().item()
            ax.set(title=f"channel {channel}, {name}", xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
            ax.set_xlabel(f"mean {_two(mean)}, deviation {_two(spread)}")
    axes[0, 0].figure.colorbar(drawn, ax=axes, shrink=0.6, aspect=30)
