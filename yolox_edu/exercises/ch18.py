"""The checks of chapter 18, COCO AP. The truth is counted in loops over whole numbers.

`patients` makes the result files of exercise 18.3: a perfect detector's, each with one fault.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from yolox_edu.data.crossing import Crossing
from yolox_edu.exercises.judge import Random, Wrong, exercise, same

FAULTS = ("corners", "fractions", "labels", "pictures", "swapped")


# --- 18.1: AP from verdicts -------------------------------------------------------------------------------


def points(right: Sequence[bool], truths: int) -> list[tuple[int, int]]:
    """After each detection: how many were right, of how many."""
    return [(sum(right[: i + 1]), i + 1) for i in range(len(right))]


def by_counting(
    right: Sequence[bool], truths: int, places: int = 100, envelope: bool = True, last: bool = True
) -> float:
    """The mean over places of the best precision at that recall or beyond; recall is compared exactly.

    `last`: recall 1 is one of the places.
    """
    total = 0.0
    for place in range(places + last):
        beyond = [tp / n for tp, n in points(right, truths) if tp * places >= place * truths]
        total += (max(beyond) if envelope else beyond[0]) if beyond else 0.0
    return total / (places + last)


@exercise("18.1", seeds=8)
def average(answer: Callable, random: Random) -> None:
    """the same as counting in whole numbers, place by place"""
    truths = random.choice((3, 7, 9, 11, 13))
    missed = random.integer(0, 2)
    right = [True] * (truths - missed) + [False] * random.integer(3, 9)
    order = torch.randperm(len(right), generator=random.generator)
    right = torch.tensor(right)[order]  # m
    scores = torch.rand(len(right), generator=random.generator)  # m, in no order
    ranked = right[scores.argsort(descending=True)].tolist()
    wanted = by_counting(ranked, truths)
    hits = [tp / n for (tp, n), ok in zip(points(ranked, truths), ranked) if ok]
    faults = {
        "the order of the list was taken; the surest comes first": by_counting(right.tolist(), truths),
        "the least sure came first": by_counting(ranked[::-1], truths),
        "precision was read without its envelope: the best at that recall *or beyond* counts": by_counting(
            ranked, truths, envelope=False
        ),
        "100 places were read; the hundred-and-first is recall 1.00": by_counting(ranked, truths, last=False),
        "11 places were read; COCO reads 101: 0.00, 0.01 … 1.00": by_counting(ranked, truths, 10),
        "recall was counted of what was found; the missed ones belong to it": by_counting(
            ranked, sum(ranked)
        ),
        "the precisions at the right detections were averaged, without envelope": sum(hits) / truths,
        "the whole area under the envelope came out; COCO averages 101 readings of it": sum(
            max(hits[i:]) for i in range(len(hits))
        )
        / truths,
        "this is the precision of the whole list": len(hits) / len(ranked),
        "this is the recall of the whole list": len(hits) / truths,
    }
    faults = {words: value for words, value in faults.items() if abs(value - wanted) > 3e-5}
    where = f"on {len(ranked)} detections and {truths} truths"
    given = answer(scores, right, truths)
    same(float(given) if isinstance(given, Tensor) and given.numel() == 1 else given, wanted, where, faults)


# --- 18.2: matching with regions to ignore ----------------------------------------------------------------


def with_regions(
    table: Sequence[Sequence[float]],
    crowd: Sequence[bool],
    threshold: float,
    once: bool = False,
    first: bool = False,
    name: str = "ignored",
) -> list[str]:
    """A verdict for each detection. Faults: a region serves `once`, regions come `first`, another `name`."""
    taken: set[int] = set()
    out = []
    for row in table:
        own = [j for j, iou in enumerate(row) if iou >= threshold and not crowd[j] and j not in taken]
        regions = [j for j, iou in enumerate(row) if iou >= threshold and crowd[j] and j not in taken]
        if own and not (first and regions):
            taken.add(max(own, key=lambda j: row[j]))
            out.append("right")
        elif regions:
            taken |= {regions[0]} if once else set()
            out.append(name)
        else:
            out.append("wrong")
    return out


def _own(table: Sequence[Sequence[float]], crowd: Sequence[bool], threshold: float) -> list[str]:
    """A fault: each detection asks only the ordinary truth that it overlaps most, then the regions."""
    taken: set[int] = set()
    out = []
    for row in table:
        best = max((j for j in range(len(row)) if not crowd[j]), key=lambda j: row[j])
        if row[best] >= threshold and best not in taken:
            taken.add(best)
            out.append("right")
        else:
            beyond = any(iou >= threshold for iou, some in zip(row, crowd) if some)
            out.append("ignored" if beyond else "wrong")
    return out


def _blind(table: Sequence[Sequence[float]], crowd: Sequence[bool], threshold: float) -> list[str]:
    """A fault: each detection asks only the truth that it overlaps most."""
    taken: set[int] = set()
    out = []
    for row in table:
        best = max(range(len(row)), key=lambda j: row[j])
        ok = row[best] >= threshold and best not in taken
        out.append("ignored" if row[best] >= threshold and crowd[best] else "right" if ok else "wrong")
        taken |= {best} if ok and not crowd[best] else set()
    return out


@exercise("18.2", seeds=12)
def regions(answer: Callable, random: Random) -> None:
    """the same verdicts as by a loop that first asks the free truths and then the regions"""
    count, truths = random.integer(6, 9), random.integer(3, 5)
    table: Float[Tensor, "m g"] = random.uniform(count, truths)
    crowd: Bool[Tensor, " g"] = torch.zeros(truths, dtype=torch.bool)
    crowd[torch.randperm(truths, generator=random.generator)[: random.integer(1, 2)]] = True
    threshold = random.choice((0.5, 0.6, 0.75))
    if random.seed % 3 == 2:  # one more detection, exactly half in a region
        threshold, half = 0.5, 0.5 * crowd[None]
        table, count = torch.cat((table, half)), count + 1
    t, c = table.tolist(), crowd.tolist()
    wanted = with_regions(t, c, threshold)
    faults = {
        "a region took one detection only; it may take any number": with_regions(t, c, threshold, once=True),
        "a region was asked before the free truths; it comes last": with_regions(t, c, threshold, first=True),
        "what lies in a region is neither right nor wrong; it counted as right": with_regions(
            t, c, threshold, name="right"
        ),
        "what lies in a region is neither right nor wrong; it counted as wrong": with_regions(
            t, c, threshold, name="wrong"
        ),
        "what lies in a region is neither right nor wrong; they were taken for truths": with_regions(
            t, [False] * truths, threshold
        ),
        "each detection asked only the truth that it overlaps most, taken or not": _blind(t, c, threshold),
        "each detection asked only the ordinary truth that it overlaps most, taken or not": _own(
            t, c, threshold
        ),
        "a truth was given twice": _twice(t, c, threshold),
        "an overlap equal to the threshold is enough": with_regions(t, c, threshold + 1e-6),
    }
    given = answer(table, crowd, threshold)
    if not isinstance(given, list | tuple) or not all(isinstance(word, str) for word in given):
        raise Wrong('a list of words was asked: "right", "wrong" or "ignored", one for each row of the table')
    where = f"on {count} detections, {truths} truths of which {sum(c)} to be ignored, threshold {threshold}"
    same(list(given), wanted, where, _told_apart(faults, wanted))


def _told_apart(faults: dict[str, list[str]], wanted: list[str]) -> dict[str, list[str]]:
    """The faults that show; those that come to the same on this input are named together."""
    shown: dict[str, list[str]] = {}
    for words, value in faults.items():
        twin = next((known for known, other in shown.items() if other == value), None)
        if value != wanted:
            shown[f"{twin}; or: {words}" if twin else words] = shown.pop(twin or "", value)
    return shown


def _twice(table: Sequence[Sequence[float]], crowd: Sequence[bool], threshold: float) -> list[str]:
    """A fault: nobody remembers which truth is taken."""
    return [with_regions([row], crowd, threshold)[0] for row in table]


# --- 18.3: five patients -----------------------------------------------------------------------------------


def patients(count: int = 12) -> tuple[Any, dict[str, list[dict]]]:
    """Ground truth (pycocotools) of some streets, and five result files, "A" to "E", with one fault each."""
    source = Crossing.split("val", count)
    truths = source.coco.dataset["annotations"]
    rows = [
        {key: t[key] for key in ("image_id", "category_id", "bbox")} | {"score": 0.9 - 0.001 * i}
        for i, t in enumerate(truths)
    ]
    return source.coco, {
        letter: [_ill(row, fault, source.size) for row in rows]
        for letter, fault in zip("ABCDE", _sickness().values(), strict=True)
    }


def _sickness() -> dict[str, str]:
    """Which patient has what; in no order that could be guessed."""
    return dict(zip("ABCDE", (FAULTS[i] for i in (2, 4, 1, 0, 3)), strict=True))


def _ill(row: dict, fault: str, size: int) -> dict:
    """A good row with a fault."""
    x, y, w, h = row["bbox"]
    change: dict[str, dict] = {
        "corners": {"bbox": [x, y, x + w, y + h]},
        "fractions": {"bbox": [side / size for side in row["bbox"]]},
        "labels": {"category_id": Crossing.category_ids.index(row["category_id"])},
        "pictures": {"image_id": row["image_id"] - 1},
        "swapped": {"bbox": [y, x, h, w]},
    }
    return {**row, **change[fault]}


@exercise("18.3", seeds=1)
def diagnoses(answer: Any, random: Random) -> None:
    """each of the five files with its fault"""
    known = _sickness()
    words = answer.lower().replace(",", " ").split() if isinstance(answer, str) else []
    if len(words) != len(known):
        raise Wrong("five words in one string were asked, for A, B, C, D and E")
    strange = [word for word in words if word not in FAULTS]
    if strange:
        raise Wrong(f"{strange[0]!r} is none of {', '.join(FAULTS)}")
    for letter, word in zip(known, words):
        if word != known[letter]:
            raise Wrong(f"{letter} has not the fault {word!r}: {_LOOK[known[letter]]}")


_LOOK = {
    "corners": "compare the third and fourth number of a box with the width of the picture",
    "fractions": "how large is the largest number in any of its boxes?",
    "labels": "print the set of its category ids beside that of the truth",
    "pictures": "print the smallest and the largest image id",
    "swapped": "hold its first box against the truth's first box, number by number",
}
