"""Mistakes in words, and AP if one kind were mended (TIDE's idea); lists to put AP to the test. Chapter 18.

Rows are COCO's: dicts with image_id, category_id, bbox (xywh) and, for detections, a score.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int
from torch import float64, tensor
from torchvision.ops import box_convert, box_iou

Row = dict[str, Any]
Verdict = tuple[str, Row, int | None]  # a word, the detection, and the place of the truth that it is about


def group(rows: Iterable[Row]) -> dict[tuple[int, int], list[Row]]:
    """Rows by (picture, class), each with its area in square pixels."""
    cut: dict[tuple[int, int], list[Row]] = {}
    for row in rows:
        area = row.get("area", row["bbox"][2] * row["bbox"][3])
        cut.setdefault((row["image_id"], row["category_id"]), []).append({**row, "area": area})
    return cut


def nonsense(images: Sequence[int], categories: Sequence[int], each: int = 10, size: int = 300) -> list[Row]:
    """Random boxes, less sure than any real one: `each` of every class in every picture."""
    random = np.random.default_rng(0)
    return [
        {"image_id": i, "category_id": c, "score": 1e-6, "bbox": box}
        for i in images
        for c in categories
        for box in (size * random.random((each, 4))).tolist()
    ]


def shy(rows: Iterable[Row], least: float = 0.5) -> list[Row]:
    """Only what is sure: rows with a score of at least this."""
    return [row for row in rows if row["score"] >= least]


def sloppy(rows: Iterable[Row], grid: int = 3) -> list[Row]:
    """Boxes (xywh) rounded to a grid of this many pixels."""
    return [row | {"bbox": (grid * np.divide(row["bbox"], grid).round()).tolist()} for row in rows]


def with_crowds(data: dict[str, Any], every: int = 5) -> dict[str, Any]:
    """A COCO dataset in which every fifth ground truth is called a crowd."""
    return data | {"annotations": [t | {"iscrowd": int(t["id"] % every == 0)} for t in data["annotations"]]}


def cut_up(count: int, n: int, times: int = 10) -> Iterator[Int[np.ndarray, " p"]]:
    """The places 0 … count - 1 in pieces of n, cut anew `times` times; each as a 1 for what is in it."""
    random = np.random.default_rng(n)
    for _ in range(times):
        for piece in random.permutation(count).reshape(-1, n):
            yield np.bincount(piece, minlength=count)


def sort_out(found: Sequence[Row], truths: Sequence[Row]) -> list[Verdict]:
    """A word for each detection, the surest first, and the truth that it is about."""
    table = _iou(found, truths)  # m g
    kinds = np.array([t["category_id"] for t in truths])  # g
    taken: set[int] = set()
    out: list[Verdict] = []
    for i in sorted(range(len(found)), key=lambda i: -found[i]["score"]):
        row = np.append(table[i], 0)  # g + 1
        own = row * np.append(kinds == found[i]["category_id"], False)  # g + 1
        fits = np.flatnonzero(own >= 0.5).tolist()
        free = sorted(set(fits) - taken, key=lambda j: -own[j])
        if free:
            verdict = "right", free[0]
            taken.add(free[0])
        elif fits:
            verdict = "doubled", None
        elif row.max() >= 0.5:
            verdict = "wrong class", int(row.argmax())
        elif own.max() >= 0.1:
            verdict = "loose box", int(own.argmax())
        else:
            verdict = "both wrong" if row.max() >= 0.1 else "background", None
        out.append((verdict[0], found[i], verdict[1]))
    return out


def mend(kind: str, verdicts: Sequence[Verdict], truths: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Detections and truths of one picture with all mistakes of this kind mended."""
    taken = {j for word, _, j in verdicts if word == "right"}
    near = {j for *_, j in verdicts}
    rows = []
    for word, row, j in verdicts:
        if word != kind:
            rows.append(row)
        elif j is not None and j not in taken:
            taken.add(j)
            key = "category_id" if kind == "wrong class" else "bbox"
            rows.append({**row, key: truths[j][key]})
    return rows, [t for j, t in enumerate(truths) if kind != "missed" or j in near]


def unseen(verdicts: Sequence[Verdict], truths: Sequence[Row]) -> int:
    """How many truths no verdict is about."""
    return len(truths) - len({j for *_, j in verdicts} - {None})


def _iou(found: Sequence[Row], truths: Sequence[Row]) -> np.ndarray:
    """IoU of each with each, m g."""
    a, b = (
        box_convert(tensor([r["bbox"] for r in some], dtype=float64).reshape(-1, 4), "xywh", "xyxy")
        for some in (found, truths)
    )
    return box_iou(a, b).numpy()
