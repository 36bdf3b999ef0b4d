"""The drawings of chapter 13, the losses; what they show is computed in the chapter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from jaxtyping import Bool, Float, Int
from matplotlib.patches import Rectangle
from torch import Tensor

from yolox_edu.boxes import cxcywh_to_xyxy
from yolox_edu.data.crossing import Crossing
from yolox_edu.simota import Targets, pad_targets
from yolox_edu.viz.sliding_box import GOAL, Losses, pulls, raw_at
from yolox_edu.viz.svg import PALETTE


def streets(count: int, size: int) -> tuple[Float[Tensor, "n 3 h w"], Targets]:
    """The first unseen streets, in 0 to 1, and their padded targets."""
    pictures, truths = zip(*Crossing.split("val", count, size=size))
    x = torch.stack([torch.from_numpy(p).permute(2, 0, 1) for p in pictures])
    parts = [{k: torch.from_numpy(t[k]) for k in ("boxes", "labels")} for t in truths]
    return x.float() / 255, pad_targets(parts, (size, size))


def journey(losses: Losses) -> None:
    """A box of half the sides comes in from the right, slips inside, reaches the middle, and grows."""
    slide = torch.cat([raw_at(away, 0.5) for away in range(110, 0, -1)])  # 110 4
    grow = torch.cat([raw_at(0, 0.5 + i / 80) for i in range(40)])  # 40 4
    found = pulls(losses, torch.cat((slide, grow)))
    _, axes = plt.subplots(1, 3, figsize=(7.8, 3))
    for (name, (value, slope)), line in zip(found.items(), ("-", "--", "-.", ":")):
        for ax, y in zip(axes, (value, -slope[:, 0], -slope[:, 2])):
            ax.plot(y, line, label=name)
    for ax, title in zip(axes, ("loss", "pull at raw x", "pull at log w")):
        ax.set(title=title, xlabel="step of the journey")
        for away in (0.75 * GOAL[2], 0.25 * GOAL[2], 0):
            ax.axvline(110 - away, color="0.6", ls=":", lw=0.8)
    axes[0].set_ylim(0, 3)
    axes[0].legend(fontsize=8)


def soft_targets(said: Float[Tensor, " m"], curves: Mapping[float, Float[Tensor, " m"]]) -> None:
    """The loss over the probability that is said, one curve a target, and the lowest point of each."""
    _, ax = plt.subplots(figsize=(5.6, 2.8))
    for (target, loss), line in zip(curves.items(), ("-", "--", "-.", ":")):
        ax.plot(said, loss, line, label=f"target {target}")
        if 0 < target < 1:
            ax.plot(said[loss.argmin()], loss.min(), "ko")
    ax.set(xlabel="probability that is said", ylabel="loss", ylim=(0, 2.5))
    ax.legend()


def meaning(*panels: tuple[str, Float[Tensor, " m"], str, Float[Tensor, " m"]]) -> None:
    """What a probability is worth: (its name, said, name of the truth, true) in each panel, with bins."""
    _, axes = plt.subplots(1, len(panels), figsize=(7.8, 3.1), sharex=True, sharey=True, squeeze=False)
    for ax, (name, said, of, true) in zip(axes[0], panels):
        bins = (10 * said).long().clamp(max=9)
        at, mean = (torch.stack([v[bins == i].mean() for i in range(10)]) for v in (said, true))
        if len(said) < 10_000:
            ax.plot(said, true, ".", ms=2, alpha=0.4)
        else:
            ax.bar(at, mean, 0.07, alpha=0.5)
        ax.plot(at, mean, "D", color="k", ms=4)
        ax.plot((0, 1), (0, 1), color="0.5", lw=1)
        ax.set(xlabel=name, ylabel=of, ylim=(0, 1.02))


def gallery(
    positive: Bool[Tensor, "n p"],
    boxes: Float[Tensor, "n p 4"],
    truths: Float[Tensor, "n p 4"],
    said: Float[Tensor, " m"],
    real: Float[Tensor, " m"],
    some: Int[Tensor, " q"],
) -> None:
    """Some of the m positives cut out of their streets of 320 pixels, truth dashed, box solid; cxcywh."""
    pictures = Crossing.split("val", len(positive), size=640)  # drawn sharper than the network sees them
    street = positive.nonzero()[:, 0]  # m
    _, axes = plt.subplots(2, len(some) // 2, figsize=(7.8, 4.4))
    for ax, i in zip(axes.flat, some.tolist()):
        box, truth = boxes[positive][i], truths[positive][i]
        ax.imshow(pictures[int(street[i])][0], extent=(0, 320, 320, 0))
        for b, line, colour in ((truth, "--", "w"), (box, "-", PALETTE["orange"])):
            left, top, right, bottom = cxcywh_to_xyxy(b).tolist()
            for style in ({"ec": "k", "lw": 3}, {"ec": colour, "ls": line}):
                ax.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, **style))
        (x, y), half = truth[:2].tolist(), 0.75 * max(*truth[2:].tolist(), *box[2:].tolist())
        ax.set(xlim=(x - half, x + half), ylim=(y + half, y - half), xticks=[], yticks=[])
        ax.set(title=f"says {said[i]:.2f}, is {real[i]:.2f}", facecolor="0.9")


def fled(ends: Mapping[str, tuple[Tensor, Tensor]], kept: Sequence[Mapping[str, Any]]) -> None:
    """Where free boxes end, by where they began, under each rule; and what was measured of a network."""
    _, axes = plt.subplots(1, 3, figsize=(7.8, 2.8), sharey=True)
    for ax, (title, (first, last)) in zip(axes, ends.items()):
        ax.plot(first, last, ".", ms=3)
        ax.axvline(0.46, color="0.5", lw=1)
        ax.set(title=title, xlabel="IoU at the start")
    axes[0].set_ylabel("IoU at the end")
    for run in kept:
        steps, constant = run["steps"], run["detach"]
        name = f"{'constant' if constant else 'forgotten'}; class term {steps[-1]['class']:.2f}"
        axes[2].plot(
            [r["step"] for r in steps],
            [r["iou"] for r in steps],
            "o-" if constant else "s--",
            color="C0" if constant else "C3",
            ms=3,
            label=None if run["seed"] else name,  # the second seed looks like the first
        )
    axes[2].set(title="a whole network", xlabel="step", ylabel="mean IoU of positives")
    axes[2].legend(fontsize=8, loc="upper left", title="at the end", title_fontsize=8)
