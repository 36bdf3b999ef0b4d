"""The classes of an annotation file: names, ids, how often they occur; crowds. Explained in chapter 21."""

from __future__ import annotations

from collections import Counter
from typing import Any

from .coco_names import COCO_IDS, COCO_NAMES
from .findings import Findings

FEW_BOXES = 10  # of a class with fewer boxes little can be learnt
BACKGROUNDS = {"background", "__background__", "_background_", "bg"}
Records = list[dict[str, Any]]


def check_classes(categories: Records, annotations: Records, say: Findings) -> None:
    """Report faults of the classes, by their names and by their boxes. Chapter 21."""
    count = Counter(a["category_id"] for a in annotations)
    ids = {c["name"]: c["id"] for c in categories}
    _names(categories, count, say)
    unused = [n for n, i in ids.items() if not count[i]] if annotations else []
    what, mend = "the class has no box here", "Fine in a small set; else look whether its labels were lost."
    say.each("note", "category-unused", "categories", unused, what, mend)
    rare = [f"{n}: {count[i]}" for n, i in ids.items() if 0 < count[i] < FEW_BOXES]
    most = max(count.values(), default=0)
    what = f"the class has fewer than {FEW_BOXES} boxes (the most frequent one {most})"
    say.each("note", "category-rare", "categories", rare, what, "Expect little of it, or label more.")
    if set(ids) >= set(COCO_NAMES) and any(ids[n] != i for n, i in zip(COCO_NAMES, COCO_IDS)):
        what = "the names are COCO's, the ids are not (COCO's run from 1 to 90 with gaps)"
        mend = "Do not mix files with the two kinds of ids."
        say.add("note", "category-coco-ids", "categories.id", what, mend)


def _names(categories: Records, count: Counter[int], say: Findings) -> None:
    plain = Counter(c["name"].strip().lower() for c in categories)
    twice = [c["name"] for c in categories if plain[c["name"].strip().lower()] > 1]
    mend = "Give one class one id, or two classes two names."
    say.each("warning", "category-name-twice", "categories.name", twice, "several ids have this name", mend)
    empty = [f"id {c['id']}" for c in categories if not c["name"].strip()]
    say.each("warning", "category-unnamed", "categories.name", empty, "the class has no name", "Name it.")
    ground = [c["name"] for c in categories if c["name"].lower() in BACKGROUNDS and not count[c["id"]]]
    mend = "Delete it: YOLOX needs no class for the background."
    say.each("warning", "category-background", "categories.name", ground, "a class for nothing", mend)


def check_crowds(annotations: Records, say: Findings) -> None:
    """Report odd crowd flags, and how many crowds there are. Chapter 21."""
    odd = [a for a in annotations if a.get("iscrowd", 0) not in (0, 1)]
    places = [f"annotation {a['id']}: {a['iscrowd']!r:.20}" for a in odd]
    say.each("warning", "crowd-flag", "annotations.iscrowd", places, "0 or 1 was expected", "Write 0 or 1.")
    places = [f"annotation {a['id']}" for a in annotations if a.get("iscrowd") == 1]
    mend = "Fine: not learnt from, and evaluation forgives detections there."
    say.each("note", "crowd", "annotations.iscrowd", places, "the box stands for a crowd", mend)
