"""Which pictures of COCO to take when a few are enough, and the file that goes with them. Chapter 19."""

from __future__ import annotations

import difflib
import hashlib
import json
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from yolox_edu.weightfile import atomic

from .coco_json import _few
from .errors import DatasetError


@dataclass(frozen=True)
class Choice:
    """The chosen pictures as COCO records, and all that goes into their annotation file, under a name."""

    name: str
    data: dict[str, Any]

    @property
    def images(self) -> list[dict[str, Any]]:
        """The records of the pictures."""
        return self.data["images"]


def _image(image: dict[str, Any]) -> dict[str, Any]:
    """The record of a picture, unless its name is none of COCO's: it becomes part of a path."""
    if not re.fullmatch(r"\d{12}\.jpg", image["file_name"]):
        raise DatasetError(f"{image['file_name']!r:.80} is no name of a picture of COCO: another file?")
    return image


def choose(data: dict[str, Any], split: str, count: int, classes: tuple[str, ...], seed: int) -> Choice:
    """`count` pictures of a parsed annotation file, by chance; the same for the same `seed`. Chapter 19.

    With `classes` each in turn gets its next picture, so that a rare one is not left out, and only the
    boxes of these classes are kept. Raises DatasetError where there are not enough.
    """
    if count < 1:
        raise ValueError(f"{count} pictures cannot be fetched; ask for 1 or more")
    categories = _categories(data["categories"], classes)
    wanted = {category["id"] for category in categories}
    kept = [a for a in data["annotations"] if a["category_id"] in wanted]
    queues = _queues(data["images"], kept, sorted(wanted) if classes else [], random.Random(seed))
    found = len({image for queue in queues for image in queue})
    if found < count:
        shows = f"show {' or '.join(classes)}" if classes else "are there"
        raise DatasetError(f"only {found:,} pictures of {split} {shows}; ask for at most so many")
    chosen = set(_by_turns(queues, count))
    chance = {"part": f"{count} pictures of {split}", "classes": list(classes), "seed": seed}
    part = {
        "info": data["info"] | chance,
        "licenses": data.get("licenses", []),
        "images": [_image(image) for image in data["images"] if image["id"] in chosen],
        "annotations": [a for a in kept if a["image_id"] in chosen],
        "categories": categories,
    }
    return Choice(_name(split, count, classes, seed), part)


def _categories(categories: list[dict[str, Any]], classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """The records of these classes; of all, if none is named."""
    names = [category["name"] for category in categories]
    for name in classes:
        if name not in names:
            close = difflib.get_close_matches(name, names, 3) or names
            raise DatasetError(f"COCO has no class {name!r}; it has {_few(close)} (quote names of two words)")
    return [category for category in categories if not classes or category["name"] in classes]


def _queues(images: list[dict], annotations: list[dict], wanted: list[int], chance: random.Random) -> list:
    """For each wanted class the pictures that show it (not only as a crowd), shuffled; else all pictures."""
    if not wanted:
        queues = [sorted(image["id"] for image in images)]
    else:
        shown: dict[int, set[int]] = {category: set() for category in wanted}
        for a in annotations:
            if not a["iscrowd"]:
                shown[a["category_id"]].add(a["image_id"])
        queues = [sorted(shown[category]) for category in wanted]
    for queue in queues:
        chance.shuffle(queue)
    return queues


def _by_turns(queues: list[list[int]], count: int) -> list[int]:
    """The first `count` pictures when each queue in turn gives its next one that is still free."""
    chosen: dict[int, None] = {}
    waiting = [iter(queue) for queue in queues]
    while len(chosen) < count:
        for queue in waiting:
            free = next((image for image in queue if image not in chosen), None)
            if free is not None and len(chosen) < count:
                chosen[free] = None
    return list(chosen)


def _name(split: str, count: int, classes: tuple[str, ...], seed: int) -> str:
    """A name that says what is in it; other choices have other names."""
    names = sorted({name.replace(" ", "-") for name in classes})
    if len(names) > 3:
        names = [f"{len(names)}-classes-{hashlib.sha256(' '.join(names).encode()).hexdigest()[:6]}"]
    return "_".join([split, *names, *([f"seed{seed}"] if seed else []), str(count)])


def write_part(folder: Path, choice: Choice) -> Path:
    """Write the annotation file of a choice, whole or not at all; returns its path. Chapter 19."""
    path = folder / "annotations" / f"instances_{choice.name}.json"
    with atomic(path) as partial:
        partial.write_text(json.dumps(choice.data), encoding="utf-8")
    return path


def picture_fault(path: Path, width: int, height: int) -> str | None:
    """What is wrong with a fetched picture, in words: not whole, or not of the size that COCO says."""
    try:
        with Image.open(path) as picture:
            picture.load()
            size = picture.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return f"it is no whole picture ({error})"
    return None if size == (width, height) else f"it is {size[0]} x {size[1]}, not {width} x {height} pixels"
