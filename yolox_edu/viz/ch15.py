"""Drawings of what `benchmarks/tricks.py` measured. Chapter 15."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from yolox_edu.viz.svg import PALETTE, Drawing, canvas, number, text

Row = Mapping[str, Any]
EARLY = ("zero_grad forgotten", "rate stuck in the warm-up", "wrong statistics")  # exercise 15.4
CLINIC = (  # the order in which the reader meets them
    "overfitting", "rate stuck in the warm-up", "healthy", "labels shifted", "rate far too high",
    "wrong statistics", "no warm-up", "zero_grad forgotten", "boxes of another picture", "rate too high",
)  # fmt: skip
WORTH = (
    "full", "no warm-up", "no cosine", "no EMA", "no cosine, no EMA", "decay on everything", "one size",
    "mosaic to the end, no L1", "no mosaic at all", "bf16", "contiguous", "Muon", "plain", "plain, but EMA",
    "from random weights",
)  # fmt: skip
BATCHES, RATES = (4, 8, 16, 32), (0.003, 0.01, 0.03, 0.1, 0.3)

#: name of the disease: what one sees, and what mends it
DISEASES = {
    "healthy": ("both losses fall together, and the weights are worth something at the end", "let it run"),
    "rate too high": (
        "the loss falls, but soon hangs above a healthy run; the unseen loss starts far off the scale, for "
        "batch norm's averages cannot follow such steps",
        "divide the rate by ten, and look at the rule for the batch size",
    ),
    "rate far too high": (
        "the loss leaves the numbers within a few steps, and the trainer stops",
        "lower the rate; if it still happens, look at the boxes of the pictures that the message names",
    ),
    "no warm-up": (
        "the unseen loss jumps about for the first third of the run, then recovers and is as good as any: "
        "a fever that passes, here four times our rate from the first step on",
        "let the rate rise over the first steps, or wait; with a long run ahead of you do not wait",
    ),
    "rate stuck in the warm-up": (
        "both losses hardly move, smoothly and in step: too smoothly for a run that learns",
        "print the rate at each step; somebody counts epochs where steps are meant",
    ),
    "zero_grad forgotten": (
        "the training loss falls once and then climbs, the unseen loss leaves the picture, and the run ends "
        "without a number: every step still walks along all old gradients",
        "optimizer.zero_grad() after each step",
    ),
    "labels shifted": (
        "training is as well as in a healthy run, for wrong names are as easy to learn as right ones; only "
        "the unseen streets, read with the right names, stop improving halfway, and AP is near nothing",
        "draw a batch with its names as the network gets it; translate ids once, where files are read",
    ),
    "boxes of another picture": (
        "the loss falls to the level of knowing only how common things are, and stays there",
        "draw a batch with its boxes: picture and target are out of step",
    ),
    "overfitting": (
        "the training loss falls below that of any healthy run, and the unseen loss lags ever further behind",
        "more pictures, stronger augmentation, or stop at the turn",
    ),
    "wrong statistics": (
        "training is well; the unseen loss is bad from the first step to the last, by the same weights",
        "batch norm's averages were not kept: average and save buffers as well as weights",
    ),
}


def rows_of(rows: Sequence[Row], part: str, name: str | None = None) -> list[Row]:
    """The rows of a part, or of one name in it."""
    return [r for r in rows if r["part"] == part and name in (None, r["name"])]


#: recipes that are another's run, judged by its raw weights (True) or by their average
SAME_RUN = {
    "no EMA": ("full", True),
    "no cosine, no EMA": ("no cosine", True),
    "plain": ("plain", True),
    "plain, but EMA": ("plain", False),
}


def values(rows: Sequence[Row], name: str, key: str) -> list[float]:
    """One number for each seed. The average changes no step: one run serves with and without it."""
    run, raw = SAME_RUN.get(name, (name, False))
    by_seed = sorted(rows_of(rows, "recipe", run), key=lambda row: row.get("seed", 0))
    return [row[key + "_raw" * raw] for row in by_seed]


def table(rows: Sequence[Row]) -> str:
    """AP (mean, smallest, largest) and the mean unseen loss of each recipe, a line each."""
    lines = []
    for name in WORTH:
        ap, unseen = values(rows, name, "AP"), values(rows, name, "unseen")
        mean, loss = sum(ap) / len(ap), sum(unseen) / len(unseen)
        lines.append(f"{name:24}  AP {mean:.3f} ({min(ap):.3f} to {max(ap):.3f})  unseen loss {loss:5.2f}")
    return "\n".join(lines)


def worth(rows: Sequence[Row]) -> Figure:
    """AP and the loss of unseen streets for each recipe, a dot a seed; the band is the full recipe's."""
    figure = plt.figure(figsize=(7.2, 4.2))
    axes, names = figure.subplots(1, 2, sharey=True), WORTH[:-1]  # the last is far away from all others
    for ax, key, title in zip(
        axes, ("AP", "unseen"), ("AP (more is better)", "unseen loss (less is better)")
    ):
        full = values(rows, "full", key)
        ax.axvspan(min(full), max(full), color=PALETTE["sky"], alpha=0.25, lw=0)
        for i, name in enumerate(names):
            dots = values(rows, name, key)
            ax.plot(dots, [i] * len(dots), "o", color="C0", alpha=0.6)
            ax.plot([sum(dots) / len(dots)], [i], "|", color="k", ms=14, mew=2)
        ax.set(title=title, yticks=range(len(names)), yticklabels=names)
    axes[0].set_xlim(left=0)
    axes[0].invert_yaxis()
    return figure


def schedule(shares: Sequence[float], final: int) -> Figure:
    """The rate over a run, as shares of its peak, with its flat end shaded."""
    figure, ax = plt.subplots(figsize=(7.2, 2.2))
    ax.plot(shares)
    ax.axvspan(len(shares) - final, len(shares), color="C1", alpha=0.3, lw=0)
    ax.text(len(shares) - final - 3, 0.6, "no mosaic,\nL1 on", ha="right")
    ax.set(title="Rate, as a share of the peak", xlabel="epoch", ylim=(0, 1.05))
    return figure


def best_rate(rows: Sequence[Row], batch: int) -> float:
    """The rate at the lowest point of a parabola through the mean unseen losses, in log rate."""
    points = [(math.log(rate), loss) for rate, loss in _line(rows, batch)]
    x, y = np.array(points).T
    i = min(max(int(y.argmin()), 1), len(y) - 2)
    a, b, _ = np.polyfit(x[i - 1 : i + 2], y[i - 1 : i + 2], 2)
    inside = -b / (2 * a) if a > 0 else x[y.argmin()]
    return math.exp(float(np.clip(inside, x[0], x[-1])))


def _line(rows: Sequence[Row], batch: int) -> list[tuple[float, float]]:
    """(rate, mean unseen loss over the seeds) of a batch size; a run that stopped, or is above 12, is 12."""
    out = []
    for rate in RATES:
        losses = [
            12.0 if r["unseen_raw"] is None else min(12.0, r["unseen_raw"])
            for r in rows_of(rows, "grid", f"{batch} {rate}")
        ]
        if losses:
            out.append((rate, sum(losses) / len(losses)))
    return out


def rates(rows: Sequence[Row]) -> Figure:
    """The unseen loss over the rate, a line for each batch size; dotted where it is lowest."""
    figure, ax = plt.subplots(figsize=(6.6, 3))
    for i, (batch, mark) in enumerate(zip(BATCHES, "os^D")):
        line = _line(rows, batch)
        ax.plot(*zip(*line), mark + "-", color=f"C{i}", label=f"batch {batch}")
        ax.axvline(best_rate(rows, batch), color=f"C{i}", ls=":", lw=1.2)
    ax.set(xscale="log", xlabel="rate", title="Loss of unseen streets, same number of pictures")
    ax.legend()
    return figure


# ---- name the disease


WIDE, HIGH, LEFT, TOP = 460, 250, 40, 34  # a phone shows all of it
MOST = 14.0  # the upper end of the loss axis


def patient(rows: Sequence[Row], run: int, diagnosis: str) -> Drawing:
    """Run number `run` of the clinic as curves, and what is to be said to a diagnosis. Chapter 15."""
    name = CLINIC[run - 1]
    (row,) = rows_of(rows, "curves", name)
    (well,) = rows_of(rows, "curves", "healthy")
    body = [*_axes(int(row["steps"]))]
    body.append(_curve(row["train"], 2.5, row["steps"], "blue", ""))
    body.append(_curve(row["unseen_every_5"], 5, row["steps"], "vermilion", "6 4"))
    body += _legend()
    end = f"stopped at step {row.get('stopped')}"
    if row["AP_raw"] is not None:
        end = f"final AP {row['AP_raw']:.3f} (healthy: {well['AP_raw']:.3f})"
    body.append(text(WIDE, 10, end, "end"))
    return canvas(body, WIDE + 16, TOP + HIGH + 40, says(row, name, run, diagnosis))


def says(row: Row, name: str, run: int, diagnosis: str) -> str:
    """The sentence under the curves."""
    sign, mend = DISEASES[name]
    if diagnosis not in DISEASES:
        unseen = row["unseen_every_5"]
        start, end = _said(row["train"][0]), _said(row["train"][-1])
        if not unseen:
            return f"Run {run}: the training loss is {start}, and the run stops at step {row['stopped']}."
        fell = f"the unseen loss from {_said(unseen[0])} to {_said(unseen[-1])}"
        return f"Run {run}: the training loss goes from {start} to {end}, {fell}."
    if diagnosis == name:
        return f"Yes, run {run}: {name}. {sign[0].upper()}{sign[1:]}. Mend: {mend}."
    return f"No, run {run} is something else. With “{diagnosis}”, {DISEASES[diagnosis][0]}."


def _said(loss: int | float) -> str:
    return f"{loss:.1f}" if loss < 1000 else "far beyond 1,000"


def _y(loss: int | float) -> float:
    return TOP + HIGH * (1 - min(loss, MOST) / MOST)


def _axes(steps: int) -> list[str]:
    out = []
    for loss in range(0, int(MOST) + 1, 2):
        y = number(_y(loss))
        out.append(f'<path d="M{LEFT} {y}H{WIDE}" stroke="currentColor" stroke-opacity="0.15"/>')
        out.append(text(LEFT - 8, _y(loss), str(loss), "end"))
    for step in range(0, steps + 1, 20):
        out.append(text(LEFT + (WIDE - LEFT) * step / steps, TOP + HIGH + 14, str(step)))
    out.append(text((LEFT + WIDE) / 2, TOP + HIGH + 32, "step"))
    return out


def _curve(losses: Sequence[float | None], first: int | float, steps: int, colour: str, dashes: str) -> str:
    """A line through a value each five steps; what is above the axis lies on its upper edge."""
    points = [
        f"{number(LEFT + (WIDE - LEFT) * (first + 5 * i) / steps)},{number(_y(loss))}"
        for i, loss in enumerate(losses)
        if loss is not None and math.isfinite(loss)
    ]
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<polyline points="{" ".join(points)}" fill="none" stroke="{PALETTE[colour]}" '
        f'stroke-width="2.5"{dashed}/>'
    )


def _legend() -> list[str]:
    out = []
    for x, colour, dashes, words in (
        (LEFT, "blue", "", "training"),
        (LEFT + 110, "vermilion", "6 4", "unseen"),
    ):
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        out.append(f'<path d="M{x} 10h28" stroke="{PALETTE[colour]}" stroke-width="2.5"{dashed}/>')
        out.append(text(x + 34, 10, words, "start"))
    return out
