"""The figures of chapter 21: a faulty set, a leak, and what data and steps are worth."""

from __future__ import annotations

import io
import json
import tempfile
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FixedLocator, NullLocator
from PIL import Image, ImageEnhance

from yolox_edu.data.check import check
from yolox_edu.data.check_pictures import thumbnail
from yolox_edu.data.crossing import write_coco
from yolox_edu.data.findings import Finding, report
from yolox_edu.data.furniture import Furniture

from .picture import image
from .svg import FONT, PALETTE, Drawing, canvas, row, text

SIDE, TRAIN, VAL = 160, 6, 3
Records = dict[str, Any]


def _corners(records: Records) -> None:
    for record in records["annotations"]:
        x, y, w, h = record["bbox"]
        record["bbox"] = [x, y, x + w, y + h]


def _fractions(records: Records) -> None:
    for record in records["annotations"]:
        record["bbox"] = [round(value / SIDE, 4) for value in record["bbox"]]


def _from_zero(records: Records) -> None:
    for record in records["annotations"]:
        record["category_id"] -= 1


def _twice(records: Records) -> None:
    last = len(records["annotations"])
    records["annotations"] += [r | {"id": last + r["id"]} for r in records["annotations"][:4]]


def _flat(records: Records) -> None:
    records["annotations"][0]["bbox"][2] = 0


FAULTS: dict[str, Callable[[Records], None] | None] = {
    "none": None,
    "corners as widths": _corners,
    "shares of the side": _fractions,
    "classes from 0": _from_zero,
    "labelled twice": _twice,
    "a box without width": _flat,
    "a picture lost": None,
    "a train picture in val": None,
}


def plant(folder: Path, fault: str) -> tuple[Records, list[Finding]]:
    """Write a small set with one fault; its training records and what the checker finds. Chapter 21."""
    write_coco(Furniture.split("train", TRAIN, SIDE), folder, "train")
    write_coco(Furniture.split("val", VAL, SIDE), folder, "val")
    file = folder / "annotations" / "instances_train.json"
    records = json.loads(file.read_text())
    if spoil := FAULTS[fault]:
        spoil(records)
        file.write_text(json.dumps(records))
    if fault == "a picture lost":
        (folder / "train" / records["images"][3]["file_name"]).unlink()
    if fault == "a train picture in val":
        leak(folder / "train" / records["images"][0]["file_name"], next((folder / "val").glob("*.png")))
    return records, check(folder, size=SIDE)


def leak(source: Path, target: Path) -> None:
    """The picture again: brighter, and once through JPEG. Not one byte is the same. Chapter 21."""
    with Image.open(source) as picture:
        through, brighter = io.BytesIO(), ImageEnhance.Brightness(picture.convert("RGB")).enhance(1.02)
    brighter.save(through, "JPEG", quality=85)
    Image.open(through).save(target)


def board(fault: str) -> Drawing:
    """The first picture with the boxes that its records claim, and the checker's report. Chapter 21."""
    with tempfile.TemporaryDirectory() as name:
        records, findings = plant(Path(name) / "streets", fault)
    first = records["images"][0]["id"]
    own = [r for r in records["annotations"] if r["image_id"] == first]
    claimed = np.array([r["bbox"] for r in own], dtype=float).reshape(-1, 4)
    claimed[:, 2:] += claimed[:, :2]
    names = {c["id"]: c["name"] for c in records["categories"]}
    labels = [names.get(r["category_id"], "?") for r in own]
    pixels = Furniture.split("train", TRAIN, SIDE)[0][0]
    serious = [finding for finding in findings if finding.severity != "note"]
    summary = report(findings).splitlines()[-1]
    alt = f"Fault: {fault}. The checker: {summary}."
    said = _lines([str(finding) for finding in serious] + [summary])
    return row(image(pixels, claimed.clip(-8, SIDE + 8), labels, 256, alt=alt), said, alt=alt)


def _lines(sentences: Sequence[str], width: int = 52) -> Drawing:
    """Sentences, wrapped; an error's first word is marked by weight and a bar, not by colour alone."""
    body, y = [], 14.0
    for sentence in sentences:
        lines = textwrap.wrap(" ".join(sentence.split()), width)
        bar = {"error": "vermilion", "warning": "orange"}.get(lines[0].split()[0], "green")
        height = len(lines) * 1.35 * FONT
        body.append(f'<rect x="0" y="{y - 9:.0f}" width="4" height="{height:.0f}" fill="{PALETTE[bar]}"/>')
        for place, line in enumerate(lines):
            body.append(text(12, y + place * 1.35 * FONT, line, "start", bold=place == 0))
        y += height + 8
    return canvas(body, 400, max(y, 60), " ".join(sentences))


def shapes_of(records: Records) -> None:
    """Width against height of every box, and how many of each class. Chapter 21."""
    names = {c["id"]: c["name"] for c in records["categories"]}
    _, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.0), width_ratios=(3, 2))
    for (number, name), marker in zip(names.items(), "os^D"):
        sizes = np.array([r["bbox"][2:] for r in records["annotations"] if r["category_id"] == number])  # g 2
        left.scatter(*sizes.reshape(-1, 2).T, s=16, marker=marker, alpha=0.7, label=name)
        right.barh(name, len(sizes))
        right.text(len(sizes), name, f" {len(sizes)}", va="center")
    left.set(title="Every box", xlabel="width (pixels)", ylabel="height (pixels)", xscale="log", yscale="log")
    for axis in (left.xaxis, left.yaxis):
        axis.set_major_locator(FixedLocator([5, 10, 20, 40, 80]))
        axis.set_major_formatter("{x:.0f}")
        axis.set_minor_locator(NullLocator())
    left.legend()
    right.set(title="Boxes of each class", xlabel="boxes")
    right.margins(x=0.2)
    plt.show()


def alike(pictures: Mapping[str, Image.Image]) -> dict[str, float]:
    """Pictures above their thumbnails, and how far each of these is from the first one's. Chapter 21.

    The distance is the mean difference in grey levels, and is given back under the picture's name.
    """
    small = {name: thumbnail(picture).astype(int) for name, picture in pictures.items()}  # 16 16 each
    apart = {name: float(abs(thumb - next(iter(small.values()))).mean()) for name, thumb in small.items()}
    _, (top, bottom) = plt.subplots(2, len(small), figsize=(7.2, 5.0), height_ratios=(5, 4))
    for ax, below, (name, picture) in zip(top, bottom, pictures.items()):
        ax.imshow(picture)
        ax.set(title=name, xlabel=f"{picture.width} × {picture.height} pixels")
        below.imshow(small[name], cmap="gray", vmin=0, vmax=255)
        below.set(xlabel=f"16 × 16 greys\n{apart[name]:.0f} grey levels apart")
        for each in (ax, below):
            each.set(xticks=[], yticks=[])
    bottom[0].set(xlabel="16 × 16 greys")
    plt.show()
    return apart


STARTS = {
    "official": ("official Nano", "^", "-."),
    "crossing": ("our weights", "o", "-"),
    "scratch": ("from scratch", "s", "--"),
}


def average(rows: Sequence[Mapping[str, Any]], key: str, start: str, count: int, steps: int = 100) -> float:
    """The mean of one figure over the seeds of a run. Chapter 21."""
    run = (start, count, steps)
    return float(np.mean([r[key] for r in rows if (r["start"], r["pictures"], r["steps"]) == run]))


def worth(rows: Sequence[Mapping[str, Any]]) -> None:
    """AP on unseen pictures against how many were learnt from, and against the steps. Chapter 21."""
    _, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.2), sharey=True)
    counts = sorted({r["pictures"] for r in rows})
    lengths = sorted({r["steps"] for r in rows})
    for start, (words, marker, style) in STARTS.items():
        heights = [average(rows, "unseen", start, count) for count in counts]
        left.plot(counts, heights, style, marker=marker, label=words)
        heights = [average(rows, "unseen", start, 30, steps) for steps in lengths]
        right.plot(lengths, heights, style, marker=marker, label=words)
    left.set(title="100 steps", xlabel="pictures learnt from", ylabel="AP on unseen pictures", xscale="log")
    right.set(title="30 pictures", xlabel="steps of 8 pictures", xscale="log")
    for ax, ticks in ((left, counts), (right, lengths)):
        ax.set_xticks(ticks, [str(tick) for tick in ticks])
        ax.minorticks_off()
    left.legend()
    plt.show()


def leaking(rows: Sequence[Mapping[str, Any]]) -> None:
    """The same detectors on unseen, on leaking and on learnt pictures. Chapter 21."""
    kinds = {"unseen": "unseen", "leaking": "a third leaked", "learnt": "all learnt from"}
    counts = sorted({row["pictures"] for row in rows})
    _, axes = plt.subplots(1, 2, figsize=(7.2, 3.2), sharey=True)
    for ax, steps in zip(axes, (100, 400)):
        for place, (key, words) in enumerate(kinds.items()):
            heights = [average(rows, key, "crossing", count, steps) for count in counts]
            where = np.arange(len(counts)) + 0.27 * (place - 1)
            ax.bar(where, heights, 0.25, label=words, hatch=["", "//", ".."][place])
        ax.set(title=f"After {steps} steps", xlabel="pictures learnt from")
        ax.set_xticks(range(len(counts)), [str(count) for count in counts])
    axes[0].set(ylabel="AP")
    axes[0].legend(title="judged on")
    plt.show()
