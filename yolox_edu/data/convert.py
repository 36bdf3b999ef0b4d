"""Labels of YOLO and of VOC become COCO's: what both converters share. Explained in chapter 21.

A converter reads everything before anything is written, keeps every fault with its file and line, and raises
one DatasetError that names them. The new folder appears whole or not at all.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from .errors import DatasetError

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
SHOWN = 10  # so many faults are named
ORIENTATION, SIDEWAYS = 0x0112, (5, 6, 7, 8)  # the EXIF tag, and the values that swap height and width


@dataclass
class Labelled:
    """One picture, its boxes `(x, y, w, h)` in pixels, labels 0..k-1, and which of them count as crowds."""

    path: Path
    name: str  # below the folder of its split
    height: int
    width: int
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    crowd: list[bool] = field(default_factory=list)


class Faults(list[str]):
    """What is wrong, a sentence each: `file:line: what; fix`."""

    def raise_any(self) -> None:
        """Raises DatasetError with the first of them, if there are any."""
        if self:
            more = [f"... and {len(self) - SHOWN} more"] if len(self) > SHOWN else []
            raise DatasetError("\n".join(["nothing was written:", *self[:SHOWN], *more]))


def upright_size(path: Path) -> tuple[int, int]:
    """Height and width of a picture as a viewer shows it, from its head alone. Raises OSError."""
    with Image.open(path) as image:
        turned = image.getexif().get(ORIENTATION) in SIDEWAYS
        return (image.width, image.height) if turned else (image.height, image.width)


def size_of(path: Path, faults: Faults) -> tuple[int, int] | None:
    """The same, or None and a fault."""
    try:
        return upright_size(path)
    except FileNotFoundError:
        faults.append(f"{path}: no such picture; put it there, or take its name out of the list")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        faults.append(
            f"{path}: cannot be read as a picture ({error}); replace it, or delete it and its label"
        )
    return None


def pictures_in(folder: Path) -> list[Path]:
    """Every picture in a folder and below it, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def write_set(
    out: Path, splits: dict[str, list[Labelled]], names: Sequence[str], faults: Faults
) -> dict[str, int]:
    """Write `annotations/instances_SPLIT.json` and `SPLIT/` with the pictures (hard links where possible).

    Returns {split: number of pictures}. Category ids are 1..k in the order of `names`.

    Raises:
        DatasetError: a fault was found, there is nothing to write, or `out` holds files already.
    """
    for split, pictures in splits.items():
        seen: dict[str, Path] = {}
        for picture in pictures:
            if picture.name in seen:
                faults.append(
                    f"{picture.path}: {seen[picture.name]} has the same name in {split}; rename one"
                )
            seen[picture.name] = picture.path
    faults.raise_any()
    if not any(splits.values()):
        raise DatasetError("no picture was found: is this the folder that holds the pictures and the labels?")
    if out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        raise DatasetError(f"{out}: is not empty; give a new folder, nothing is overwritten")
    half = out.with_name(out.name + ".half")
    shutil.rmtree(half, ignore_errors=True)
    (half / "annotations").mkdir(parents=True)
    for split, pictures in splits.items():
        for picture in pictures:
            _place(picture.path, half / split / picture.name)
        text = json.dumps(records(pictures, names))
        (half / "annotations" / f"instances_{split}.json").write_text(text, encoding="utf-8")
    if out.is_dir():
        out.rmdir()
    half.replace(out)
    return {split: len(pictures) for split, pictures in splits.items()}


def _place(source: Path, target: Path) -> None:
    """The same file under another name; a copy where the disk cannot do that."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copy2(source, target)


def records(pictures: Iterable[Labelled], names: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The content of a COCO annotation file."""
    images, annotations = [], []
    for number, picture in enumerate(pictures, start=1):
        size = {"height": picture.height, "width": picture.width}
        images.append({"id": number, "file_name": picture.name, **size})
        for box, label, crowd in zip(picture.boxes, picture.labels, picture.crowd, strict=True):
            box = [round(value, 3) for value in box]
            record = {"id": len(annotations) + 1, "image_id": number, "category_id": label + 1}
            annotations.append(record | {"bbox": box, "area": box[2] * box[3], "iscrowd": int(crowd)})
    categories = [{"id": i, "name": name} for i, name in enumerate(names, start=1)]
    return {"images": images, "annotations": annotations, "categories": categories}
