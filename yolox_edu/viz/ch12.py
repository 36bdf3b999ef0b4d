"""The figures of chapter 12: costs and claims, positives on a street, k by size and by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from matplotlib.figure import Figure
from torch import Tensor

from yolox_edu.boxes import cxcywh_to_xyxy, grid
from yolox_edu.viz.matrix import matrix
from yolox_edu.viz.svg import CYCLE, PALETTE, Drawing, row

FAR = 1e5  # costs above this are those of a cell outside the truth's region
LETTERS = "ABCDEFGH"  # the names of ground truths


def words(cost: Float[Tensor, "g m"], digits: int = 2) -> list[list[str]]:
    """Costs as text, "far" where a million was added. Chapter 12."""
    return [["far" if c > FAR else f"{c:.{digits}f}" for c in line] for line in cost.tolist()]


def costs(
    values: Float[Tensor, "g m"],
    title: str = "",
    digits: int = 2,
    cell: int = 0,
    cells: Sequence[object] | None = None,
) -> Drawing:
    """A matrix of costs; far ones are tinted and read "far". `cells` name the columns. Chapter 12."""
    far = 2 * (values > FAR).int()
    return matrix(words(values, digits), title, marks=far, cell=cell, names=names(values, cells))


def names(values: Float[Tensor, "g m"], cells: Sequence[object] | None = None) -> tuple[str, list[str]]:
    """Those of the rows, A, B, …, and of the columns, 1, 2, … if not given. Chapter 12."""
    g, m = values.shape
    return LETTERS[:g], [str(name) for name in cells or range(1, m + 1)]


def claims(
    values: Float[Tensor, "g m"],
    claimed: Bool[Tensor, "g m"],
    owner: Int[Tensor, " m"],
    title: str = "cost",
    cell: int = 0,
    cells: Sequence[object] | None = None,
) -> Drawing:
    """Rows A, B, … with their claims framed, and beside them the owners of the cells. Chapter 12."""
    letters = [["–" if o < 0 else LETTERS[o] for o in owner.tolist()]]
    tint = claimed.int() * torch.arange(1, len(claimed) + 1)[:, None]  # g m
    shown = words(values, 2) if title == "cost" else values
    rows, columns = names(values, cells)
    above = matrix(shown, f"{title}, claims framed", claimed, tint, cell, names=(rows, columns))
    whose = matrix(letters, "owner", marks=owner[None] + 1, cell=cell, names=(" ", columns))
    return row(above, whose)


def before_after(
    picture: np.ndarray,
    boxes: Float[Tensor, "g 4"],
    positives: Mapping[str, tuple[Int[Tensor, " p"], Int[Tensor, " p"]]],
) -> Figure:
    """The street once for each name, with a dot for each positive (its cell, its truth). Chapter 12."""
    cells, strides = grid(picture.shape[:2])
    middle = (cells + 0.5) * strides  # a 2
    fig, axes = plt.subplots(1, len(positives), figsize=(4.1 * len(positives), 4.3))
    for ax, (name, (cell, truth)) in zip(axes, positives.items()):
        ax.imshow(picture, alpha=0.75)
        for i, (left, top, right, bottom) in enumerate(cxcywh_to_xyxy(boxes).tolist()):
            colour, mine = PALETTE[CYCLE[i % len(CYCLE)]], cell[truth == i]
            ax.plot([left, right, right, left, left], [top, top, bottom, bottom, top], color=colour, lw=1.6)
            sizes = 3 * strides[mine, 0]
            ax.scatter(*middle[mine].T, s=sizes, color=colour, edgecolor="white", lw=0.8, zorder=3)
        ax.set(title=f"{name}: {len(cell)} positives", xlim=(0, picture.shape[1]), ylim=(picture.shape[0], 0))
        ax.axis("off")
    return fig


def k_clouds(k: Int[Tensor, " p"], against: Mapping[str, Float[Tensor, " p"]]) -> Figure:
    """k of each object against other things of it, and the mean of each fifth of the objects. Chapter 12."""
    fig, axes = plt.subplots(1, len(against), figsize=(7.6, 3), sharey=True)
    scatter = torch.rand(len(k), generator=torch.Generator().manual_seed(0)) * 0.5 - 0.25
    for ax, (name, values) in zip(axes, against.items()):
        ax.plot(values, k + scatter, ".", alpha=0.45, label="an object")
        fifths = values.argsort().chunk(5)
        means = [(values[part].median(), k[part].float().mean()) for part in fifths]
        ax.plot(*np.array(means).T, "D-", color=PALETTE["vermilion"], label="mean of a fifth")
        ax.set(xlabel=name)
        if "pixels" in name:
            ax.set_xscale("log")
            ax.set_xticks([8, 16, 32, 64, 128], labels=["8", "16", "32", "64", "128"])
            ax.minorticks_off()
    axes[0].set(ylabel="k")
    axes[0].legend(loc="lower right")
    return fig


def k_along(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Mean k, best IoU and share without positives along the training, from measured rows. Chapter 12."""
    fig, axes = plt.subplots(1, 3, figsize=(8.4, 3.3))
    looks = dict(zip(dict.fromkeys(r["size"] for r in rows), zip("os^Dx", ("-", "-", "-", "-", "--"))))
    for number, (size, (marker, line)) in enumerate(looks.items()):
        colour = "0.35" if size == "all" else f"C{number}"
        mine, name = [r for r in rows if r["size"] == size], size if size == "all" else f"{size} pixels"
        steps = sorted({r["step"] for r in mine})
        for ax, what in zip(axes, ("k", "best", "nothing")):
            runs = np.array([[r[what] for r in mine if r["step"] == s] for s in steps])  # steps runs
            if what == "nothing" and size != "all":
                continue
            ax.plot(steps, runs.mean(1), line, marker=marker, ms=4, color=colour, label=name)
            ax.fill_between(steps, runs.min(1), runs.max(1), color=colour, alpha=0.2, lw=0)
    for ax, title in zip(axes, ("mean k", "mean of the best IoUs", "objects with no positive")):
        ax.set(title=title, xlabel="step", ylim=(0, None))
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize="small")
    axes[2].yaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
    return fig
