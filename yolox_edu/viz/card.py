"""The report card of a detector: figures, classes, kinds of mistakes, the pictures with most. Chapter 21."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from pycocotools import mask

from yolox_edu.data import PictureError
from yolox_edu.report import FIGURES, Report
from yolox_edu.viz.mending import Row, Verdict, sort_out
from yolox_edu.viz.svg import PALETTE

WORDS = ("right", "missed", "background", "wrong class", "loose box", "both wrong", "doubled")
LOOKS = {"right": (PALETTE["blue"], "-"), "missed": ("black", ":")}
WRONG = PALETTE["vermilion"], "--"
CLASSES = 12  # so many have room


def report_card(
    report: Report, found: Sequence[Row], source: Any, confidence: float = 0.25, title: str = "Report card"
) -> Figure:
    """All that an evaluation says, on one page. Chapter 21.

    `found` are the COCO rows that `evaluate(found=…)` collects, `source` what they were found in. Mistakes
    are counted among the detections with a score from `confidence` on, each with the word that chapter 18
    has for it; crowds, and what was found in them, are left out.
    """
    verdicts = sort_pictures(found, source, confidence)
    count = Counter(word for marked in verdicts.values() for word, _ in marked)
    fig = plt.figure(figsize=(7.4, 7.4), layout="constrained")
    top, bottom = fig.subfigures(2, 1, height_ratios=(5, 6))
    top.suptitle(f"{title}: AP {100 * report.AP:.1f} on {report.images:,} pictures", weight="bold")
    figures, classes, words = top.subplots(1, 3)
    _bars(figures, FIGURES, [getattr(report, name) for name in FIGURES], "Figures")
    weak = sorted(((ap, name) for name, ap in report.per_class.items() if ap == ap))[:CLASSES]
    which = "The weakest classes" if len(weak) < len(report.per_class) else "AP by class"
    _bars(classes, [name for _, name in weak], [ap for ap, _ in weak], which)
    _counts(words, count, f"boxes, score ≥ {confidence:g}")
    bottom.suptitle("Most mistakes. Blue: right; orange, dashed: wrong; black, dotted: missed", fontsize=10)
    for ax, (i, marked) in zip(bottom.subplots(2, 3).flat, _worst(verdicts, source)):
        _picture(ax, source, i, marked)
    return fig


def sort_pictures(found: Sequence[Row], source: Any, confidence: float) -> dict[int, list[tuple[str, Row]]]:
    """For each picture's id its detections with a word each, and truths as "missed". Chapter 21."""
    rows = {image_id: [] for image_id in source.coco.getImgIds()}
    truths = {image_id: [] for image_id in rows}
    for row in found:
        if row["score"] >= confidence:
            rows[row["image_id"]].append(row)
    for truth in source.coco.dataset["annotations"]:
        truths[truth["image_id"]].append(truth)
    out = {}
    for image_id in rows:
        crowds = [t["bbox"] for t in truths[image_id] if t["iscrowd"]]
        single = [t for t in truths[image_id] if not t["iscrowd"]]
        marked = sort_out(_outside(rows[image_id], crowds), single)
        out[image_id] = [(word, row) for word, row, _ in marked] + _missed(marked, single)
    return out


def _missed(marked: list[Verdict], truths: list[Row]) -> list[tuple[str, Row]]:
    said = {j for *_, j in marked}
    return [("missed", truth) for j, truth in enumerate(truths) if j not in said]


def _outside(rows: list[Row], crowds: Sequence[Sequence[float | int]]) -> list[Row]:
    """Without the boxes that lie, for the most part, inside a crowd."""
    if not rows or not crowds:
        return rows
    inside = mask.iou([row["bbox"] for row in rows], crowds, [1] * len(crowds))  # m c: share of the box
    return [row for row, most in zip(rows, inside.max(axis=1)) if most < 0.5]


def _worst(verdicts: dict[int, list[tuple[str, Row]]], source: Any) -> list[tuple[int, list]]:
    """The six pictures with most mistakes: their place in the source, and their boxes."""
    wrong = {i: sum(word != "right" for word, _ in marked) for i, marked in verdicts.items()}
    place = {image_id: i for i, image_id in enumerate(source.image_ids)}
    worst = sorted(wrong, key=lambda image_id: (-wrong[image_id], place[image_id]))[:6]
    return [(place[image_id], verdicts[image_id]) for image_id in worst]


def _bars(ax: Axes, names: Sequence[str], values: Sequence[float], title: str) -> None:
    percent = [100 * value for value in values]
    bars = ax.barh(range(len(names)), np.nan_to_num(percent), color=PALETTE["sky"])
    ax.bar_label(bars, ["–" if p != p else f"{p:.1f}" for p in percent], padding=2, fontsize=8)
    ax.set(yticks=range(len(names)), xlim=(0, 119), xlabel="percent")
    ax.set_yticklabels([name if len(name) < 15 else name[:13] + "…" for name in names], fontsize=8)
    ax.set_title(title, fontsize=10)
    ax.invert_yaxis()


def _counts(ax: Axes, count: Counter, label: str) -> None:
    colours = [LOOKS.get(word, WRONG)[0] for word in WORDS]
    bars = ax.barh(range(len(WORDS)), [count[word] for word in WORDS], color=colours)
    ax.bar_label(bars, padding=2, fontsize=8)
    ax.set(yticks=range(len(WORDS)), xlabel=label)
    ax.set_yticklabels(WORDS, fontsize=8)
    ax.set_title("Right and wrong", fontsize=10)
    ax.margins(x=0.25)
    ax.invert_yaxis()


def _picture(ax: Axes, source: Any, i: int, marked: list[tuple[str, Row]]) -> None:
    try:
        pixels, target = source[i]
    except PictureError as error:
        pixels, target = np.full((1, 1, 3), 255, np.uint8), {"file": error.file}
    ax.imshow(pixels)
    for word, row in marked:
        colour, line = LOOKS.get(word, WRONG)
        x, y, w, h = row["bbox"]
        ax.add_patch(Rectangle((x, y), w, h, fill=False, edgecolor="white", linewidth=1.8))
        ax.add_patch(Rectangle((x, y), w, h, fill=False, edgecolor=colour, linestyle=line, linewidth=1))
    wrong = Counter(word for word, _ in marked if word != "right")
    said = ", ".join(f"{n} {word}" for word, n in wrong.most_common(2))
    ax.set(xticks=[], yticks=[], xlim=(0, pixels.shape[1]), ylim=(pixels.shape[0], 0))
    ax.spines[:].set_visible(False)
    ax.set_xlabel(f"{target['file'][-24:]}\n{said or 'no mistake'}", fontsize=8)
