"""Boxes over pictures, a table of overlaps, a field of arrows: the figures of chapter 01."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from yolox_edu.viz.svg import PALETTE

TRUTH, GUESS = PALETTE["green"], PALETTE["vermilion"]
Picture = UInt8[np.ndarray, "h w 3"]


def show(ax: Axes, picture: Picture, title: str, around: Float[Tensor, " 4"] | None = None) -> None:
    """A picture with its title; with `around`, only what lies in and near that xyxy box. Chapter 01."""
    ax.imshow(picture)
    ax.set_title(title, size=13)  # readable where a telephone shrinks the picture
    if around is None:
        ax.set(xlabel="x in pixels", ylabel="y in pixels")
        return
    h, w = picture.shape[:2]
    left, top, right, bottom = around.clamp(min=0).tolist()
    ax.set(xlim=(left, min(right, w)), ylim=(min(bottom, h), top), xticks=[], yticks=[])


def frame(ax: Axes, box: Float[Tensor, " 4"], guess: bool = False) -> None:
    """An xyxy box: the truth solid and green, a guess dashed and red. Chapter 01."""
    left, top, right, bottom = box.tolist()
    colour, line = (GUESS, "--") if guess else (TRUTH, "-")
    ax.add_patch(Rectangle((left, top), right - left, bottom - top, fc="none", ec=colour, ls=line, lw=2))


def near(box: Float[Tensor, " 4"], share: float) -> Float[Tensor, " 4"]:
    """The box with a margin: a share of its longer side on each of its sides. Chapter 01."""
    margin = share * float((box[2:] - box[:2]).max())
    return box + torch.tensor([-margin, -margin, margin, margin])


def customs(picture: Picture, box: Float[Tensor, " 4"]) -> None:
    """One xyxy box three times: what xyxy, xywh and cxcywh name of it. Chapter 01."""
    left, top, right, bottom = box.tolist()
    middle = (left + right) / 2, (top + bottom) / 2
    dots = {"xyxy": [(left, top), (right, bottom)], "xywh": [(left, top)], "cxcywh": [middle]}
    gap = 0.08 * (right - left)
    paper = {"fc": "white", "ec": "none", "pad": 1.5}
    _, axes = plt.subplots(1, 3, figsize=(6.6, 2.5))
    for ax, (name, points) in zip(axes, dots.items()):
        show(ax, picture, name, near(box, 0.25))
        frame(ax, box)
        ax.plot(*zip(*points), "o", color="white", mec=GUESS, mew=3, ms=9)
        if name == "xyxy":
            continue
        wide = (left, bottom + gap), (right, bottom + gap), (middle[0], bottom + gap)
        high = (right + gap, top), (right + gap, bottom), (right + gap, middle[1])
        for letter, (start, end, half) in {"w": wide, "h": high}.items():
            ax.annotate("", start, end, arrowprops={"arrowstyle": "<->", "color": GUESS, "lw": 2})
            ax.text(*half, letter, ha="center", va="center", size=13, bbox=paper)


def table(values: Float[Tensor, "n m"], rows: Sequence[str], columns: Sequence[str]) -> None:
    """Numbers between 0 and 1 as a table whose cells are the darker the larger they are. Chapter 01."""
    _, ax = plt.subplots(figsize=(7, 0.4 * len(rows) + 0.9))
    ax.imshow(values, cmap="Blues", vmin=0, vmax=1.4, aspect="auto")
    for (i, j), value in np.ndenumerate(values.numpy()):
        ax.text(j, i, f"{value:.2f}" if value else "·", ha="center", va="center")
    ax.set_xticks(range(len(columns)), columns, rotation=30)
    ax.set_yticks(range(len(rows)), rows)


def arrows(ax: Axes, at: Float[Tensor, "p 2"], to: Float[Tensor, "p 2"]) -> None:
    """An arrow of fixed length at each point that has a direction, a grey dot at the others. Chapter 01."""
    length = to.norm(dim=-1, keepdim=True)  # p 1
    moves = length[:, 0] > 1e-7
    ax.plot(*at[~moves].T, ".", color="0.5", ms=4)
    way = (to / length.clamp(min=1e-7))[moves]
    ax.quiver(*at[moves].T, *way.T, color=PALETTE["blue"], angles="xy", scale=20, width=0.008)
