"""The annotation file by itself: lists, fields and ids. Explained in chapter 21."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from .check_classes import check_classes, check_crowds
from .coco_json import _FIELDS, _few, _parse
from .errors import DatasetError
from .findings import Findings

ABSURD = 1e9  # pixels; larger numbers are no coordinates, and their products overflow
Records = list[dict[str, Any]]


@dataclass
class Table:
    """The records that can be used, and the boxes among them as arrays; what cannot be used was reported."""

    images: Records
    annotations: Records
    categories: Records
    named: frozenset[str] = frozenset()  # all file names, also of images that cannot be used

    @cached_property
    def by_id(self) -> dict[int, dict[str, Any]]:
        """The images by their id."""
        return {image["id"]: image for image in self.images}

    @cached_property
    def boxed(self) -> Records:
        """The annotations whose picture is known."""
        return [a for a in self.annotations if a["image_id"] in self.by_id]

    @cached_property
    def boxes(self) -> Float[np.ndarray, "n 4"]:
        """The boxes of `boxed` as the file has them: x, y, width, height; absurd numbers are NaN."""
        rows = [[v if abs(v) < ABSURD else np.nan for v in a["bbox"]] for a in self.boxed]
        return np.array(rows, dtype=np.float64).reshape(-1, 4)

    @cached_property
    def sizes(self) -> Float[np.ndarray, "n 2"]:
        """Width and height of each box's picture."""
        rows = [(self.by_id[a["image_id"]]["width"], self.by_id[a["image_id"]]["height"]) for a in self.boxed]
        return np.array(rows, dtype=np.float64).reshape(-1, 2)

    @cached_property
    def crowd(self) -> Bool[np.ndarray, " n"]:
        """Which boxes stand for a crowd."""
        return np.array([bool(a.get("iscrowd")) for a in self.boxed], dtype=bool)

    @cached_property
    def areas(self) -> Float[np.ndarray, " n"]:
        """The areas that the file gives; NaN where it gives none, or something that is no number."""
        rows = [a.get("area") for a in self.boxed]
        rows = [max(min(v, 1e18), -1.0) if isinstance(v, int | float) else np.nan for v in rows]
        return np.array(rows, dtype=np.float64)

    @cached_property
    def outlines(self) -> Float[np.ndarray, "n 4"]:
        """The boxes around the outlines (`segmentation`), x, y, width, height; NaN where there is none."""
        rows = [_around(a.get("segmentation")) for a in self.boxed]
        return np.array(rows, dtype=np.float64).reshape(-1, 4)

    def places(self, chosen: Bool[np.ndarray, " n"]) -> list[str]:
        """The chosen boxes in words: "annotation 7 of 2.png: [5, 5, 0, 9]"."""
        found = [self.boxed[i] for i in np.flatnonzero(chosen)]
        names = [self.by_id[a["image_id"]]["file_name"] for a in found]
        return [f"annotation {a['id']} of {name}: {a['bbox']}" for a, name in zip(found, names)]


def _around(polygons: Any) -> list[int | float]:
    """The box around polygons [[x, y, x, y, ...], ...]; NaN if they are anything else."""
    try:
        x, y = ([v for polygon in polygons for v in polygon[start::2]] for start in (0, 1))
        box = [min(x), min(y), max(x) - min(x), max(y) - min(y)]
        return box if all(abs(v) < ABSURD for v in box) else [np.nan] * 4
    except (TypeError, ValueError, KeyError):  # no outline, a mask in another form, no numbers
        return [np.nan] * 4


def read_table(path: Path, say: Findings) -> Table | None:
    """Read the annotation file; None if nothing in it can be used. Chapter 21."""
    try:
        data = _parse(path)
    except DatasetError as error:
        what, _, mend = str(error).removeprefix(f"{path}: ").rpartition("; ")
        say.add("error", "json", "the whole file", what, f"{mend[0].upper()}{mend[1:]}.")
        return None
    return make_table(data, say)


def make_table(data: dict[str, Any], say: Findings) -> Table | None:
    """Check a parsed annotation file by itself and keep what can be used. Chapter 21."""
    for part in _FIELDS:
        if not isinstance(data.get(part), list):
            mend = "Give a COCO *instances* file: an object with the lists images, annotations, categories."
            what = f"{part!r} is no list" if part in data else f"there is no list {part!r} at the top"
            say.add("error", "list-missing", part, what, mend)
        elif not data[part] and part != "annotations":
            say.add(
                "error", "list-empty", part, f"the list {part!r} is empty", "Nothing can be learnt from it."
            )
    parts = {part: _usable(part, data.get(part), say) for part in _FIELDS}
    listed = data.get("images") if isinstance(data.get("images"), list) else []
    names = [image.get("file_name") for image in listed if isinstance(image, dict)]
    table = Table(**parts, named=frozenset(name for name in names if isinstance(name, str)))
    for part, records in parts.items():
        _unique(part, records, say)
    _file_names(table.images, say)
    _references(data, table, say)
    check_classes(table.categories, table.annotations, say)
    check_crowds(table.annotations, say)
    return table if table.images else None


def _usable(part: str, records: Any, say: Findings) -> Records:
    """The records whose fields are all there and of the right type; the faults are reported by field."""
    found, good = defaultdict(list), []
    for place, record in enumerate(records if isinstance(records, list) else ()):
        faults = list(_faults(part, record))
        for field, fault, value in faults:
            found[field, fault].append(f"{part}[{place}]{value}")
        if not faults:
            good.append(record)
    for (field, fault), places in found.items():
        code = "field-missing" if fault == MISSING else "field-type"
        say.each("error", code, field, places, fault, MENDS.get(fault, "Write it so in every record."))
    return good


MISSING, WHOLE, RECORD = "the field is missing", "a whole number was expected", "an object was expected"
FOUR = "a list of four numbers, [x, y, width, height], was expected"
MENDS = {
    MISSING: "Add it to every record.",
    WHOLE: 'Write 2, not "2" or 2.0, in every record.',
    FOUR: "Write it so in every record, the numbers without quotes.",
    RECORD: 'Write {"id": ..., ...} for every record, with all the fields that COCO asks for.',
}


def _faults(part: str, record: Any) -> Iterator[tuple[str, str, str]]:
    """What is wrong with a record: field, fault, and what stands there."""
    if not isinstance(record, dict):
        yield part, RECORD, f" is {_shown(record):.40}"
        return
    for field, kind in _FIELDS[part].items():
        if field not in record:
            yield f"{part}.{field}", MISSING, f" with id {record.get('id')!r:.20}"
        elif wanted := _wanted(field, kind, record[field]):
            yield f"{part}.{field}", wanted, f" has {_shown(record[field]):.50}"


def _wanted(field: str, kind: type, value: Any) -> str | None:
    """What should have stood there, or None if it does."""
    if field == "bbox":
        numbers = isinstance(value, list) and all(type(v) in (int, float) for v in value)
        return None if numbers and len(value) == 4 else FOUR
    if type(value) is not kind:  # a bool is no whole number here
        return {int: WHOLE, str: "a text was expected"}[kind]
    if field in ("width", "height") and not 1 <= value <= 1_000_000:
        return "a number of pixels from 1 on was expected"
    if field == "file_name" and not value.strip():
        return "the name of a picture was expected"
    return None


def _shown(value: Any) -> str:
    """A value as JSON has it: null, true, "2"."""
    return json.dumps(value, ensure_ascii=False)


def _twice(values: Sequence[Hashable]) -> list[Any]:
    return [value for value, count in Counter(values).items() if count > 1]


def _unique(part: str, records: Records, say: Findings) -> None:
    mend = "Number them afresh; each id may stand for one record only."
    if part == "categories":
        names = defaultdict(list)
        for record in records:
            names[record["id"]].append(record["name"])
        twice = [f"id {i} is {_few(kinds)}" for i, kinds in names.items() if len(kinds) > 1]
    else:
        twice = [f"id {i}" for i in _twice([record["id"] for record in records])]
    say.each("error", f"{part}-id-twice", f"{part}.id", twice, "the same id is used more than once", mend)


def unsafe(file: str) -> bool:
    """Whether a file name leads out of the folder: absolute on any system, or through "..". Chapter 21."""
    windows = PureWindowsPath(file)
    return bool(windows.root) or ".." in windows.parts or "\0" in file


def _file_names(images: Records, say: Findings) -> None:
    names = [image["file_name"] for image in images]
    what = "the name leads out of the folder, so it is not opened"
    mend = "Write names relative to the folder of the pictures, without '..'."
    say.each("error", "file-unsafe", "images.file_name", [n for n in names if unsafe(n)], what, mend)
    slashes = [name for name in names if "\\" in name and not unsafe(name)]
    mend = "Write '/', which every system understands."
    say.each("error", "file-backslash", "images.file_name", slashes, "'\\' between folders", mend)
    mend = "Merge the entries, and their annotations, into one."
    say.each("warning", "file-twice", "images.file_name", _twice(names), "two entries name one file", mend)


def _references(data: dict[str, Any], table: Table, say: Findings) -> None:
    known = _ids(data.get("images"))  # none at all: that is said already
    lost = [a for a in table.annotations if a["image_id"] not in known] if known else []
    places = [f"annotation {a['id']} -> {a['image_id']}" for a in lost]
    mend = "Delete these annotations, or bring back the pictures' entries."
    say.each("error", "image-unknown", "annotations.image_id", places, "no picture has this id", mend)
    known, used = _ids(data.get("categories")), {a["category_id"] for a in table.annotations}
    lost = [a for a in table.annotations if a["category_id"] not in known] if known else []
    places = [f"annotation {a['id']} -> {a['category_id']}" for a in lost]
    mend = "Add the class to 'categories', or mend the annotations."
    for step, words in ((1, "one too low (counted from 0?)"), (-1, "one too high (counted from 1?)")):
        if used and {i + step for i in used} <= known:
            mend = f"All ids look {words}: {'add' if step == 1 else 'subtract'} 1 in every annotation."
    say.each("error", "category-unknown", "annotations.category_id", places, "no class has this id", mend)


def _ids(records: Any) -> set[int]:
    """The ids of a list, of records with another fault too: what they name is not unknown."""
    listed = records if isinstance(records, list) else []
    return {r["id"] for r in listed if isinstance(r, dict) and type(r.get("id")) is int}
