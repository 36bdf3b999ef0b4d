"""YOLO's labels: a text file for each picture, a line for each object. Explained in chapter 21.

class cx cy w h                    all four as shares of the picture's width and height, 0 to 1
class x1 y1 x2 y2 x3 y3 ...        an outline (segmentation); its bounding box is taken
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from .convert import Faults, Labelled, pictures_in, size_of, write_set
from .errors import DatasetError

SPLITS = ("train", "val", "test")
SLACK = 1e-3  # so far outside 0 to 1 is rounding, and is clipped


def yolo_to_coco(folder: str | Path, out: str | Path, names: Sequence[str] | None = None) -> dict[str, int]:
    """Convert a set in YOLO's layout, with a `data.yaml` or with `images/train`, `labels/train` ... as it is.

    Args:
        folder: holds `data.yaml`, or `images/` and `labels/`. A picture without a label file has no objects.
        out: a new folder, written in COCO's layout.
        names: the classes in order; None takes them from the YAML file or from `classes.txt`.

    Returns:
        The number of pictures of each split.

    Raises:
        DatasetError: names every fault by file, line and field; nothing is written then.
    """
    folder, faults = Path(folder), Faults()
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder")
    about = _read_yaml(folder)
    names = list(names or _names(about) or _classes(folder))
    splits: dict[str, list[Labelled]] = {}
    pictures = _pictures(folder, about, faults)
    for split, path, name in pictures:
        picture = _read(path, name, names, faults)
        splits.setdefault(split, []).extend([picture] if picture else [])
    _find_lonely({label_path(path) for _, path, _ in pictures}, faults)
    return write_set(Path(out), splits, names, faults)


def _read_yaml(folder: Path) -> dict[str, Any]:
    """The set's description; empty if there is none."""
    paths = [path for path in (*folder.glob("*.yaml"), *folder.glob("*.yml"))]
    path = next((p for p in paths if p.stem == "data"), min(paths, default=None))
    if path is None:
        return {}
    try:
        about = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: is not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(about, dict):
        raise DatasetError(f"{path}: expected `names:` and the splits, found {type(about).__name__}")
    return about


def _names(about: dict[str, Any]) -> list[str]:
    """`names`, a list or {0: name}; empty if there are none."""
    names = about.get("names") or []
    if isinstance(names, dict):
        if sorted(names) != list(range(len(names))):
            raise DatasetError(
                f"names: the classes must be numbered 0 to {len(names) - 1}, not {list(names)}"
            )
        names = [names[i] for i in range(len(names))]
    return [str(name) for name in names]


def _classes(folder: Path) -> list[str]:
    """The lines of classes.txt, as labelling tools write it."""
    for path in (folder / "classes.txt", folder / "labels" / "classes.txt"):
        if path.is_file():
            return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    raise DatasetError(f"{folder}: nothing names the classes; write data.yaml or classes.txt, or give names")


def _pictures(folder: Path, about: dict[str, Any], faults: Faults) -> list[tuple[str, Path, str]]:
    """(split, picture, its name below the split) of every picture."""
    root = folder / str(about.get("path") or "")
    root = root if root.is_dir() else folder  # `path` often speaks of another machine
    listed = {split: about[split] for split in SPLITS if about.get(split)}
    if not listed:
        listed = {s: f"images/{s}" for s in SPLITS if (folder / "images" / s).is_dir()} or {"train": "images"}
    found = []
    for split, places in listed.items():
        for place in places if isinstance(places, list) else [places]:
            found += [(split, *each) for each in _at(root, str(place), faults)]
    return found


def _at(root: Path, place: str, faults: Faults) -> list[tuple[Path, str]]:
    """The pictures of one entry: a folder, or a text file that lists them."""
    path = next((p for p in (root / place, root / place.lstrip("./")) if p.exists()), None)
    if path is None:
        faults.append(f"{root / place}: no such folder or list; mend the entry in data.yaml")
    elif path.is_dir():
        return [(picture, picture.relative_to(path).as_posix()) for picture in pictures_in(path)]
    else:
        lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
        return [(root / line, Path(line).name) for line in lines if line]
    return []


def label_path(picture: Path) -> Path:
    """Where YOLO looks for the labels: the last folder `images` becomes `labels`. Chapter 21."""
    parts = list(picture.with_suffix(".txt").parts)
    places = [i for i, part in enumerate(parts[:-1]) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
    return Path(*parts)


def _find_lonely(expected: set[Path], faults: Faults) -> None:
    """Label files whose picture is not there, in the folders where labels were looked for."""
    for folder in sorted({path.parent for path in expected}):
        for file in sorted(set(folder.glob("*.txt")) - expected):
            if file.name != "classes.txt" and "labels" in file.parts:
                faults.append(f"{file}: there is no picture {file.stem}.*; bring it, or delete the label")


def _read(path: Path, name: str, names: Sequence[str], faults: Faults) -> Labelled | None:
    """A picture and its label file."""
    size = size_of(path, faults)
    if size is None:
        return None
    picture, file = Labelled(path, name, *size), label_path(path)
    if not file.is_file():
        return picture
    for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            label, box = parse_line(line, len(names))
        except ValueError as error:
            faults.append(f"{file}:{number}: {error}")
            continue
        height, width = size
        x1, y1, x2, y2 = (min(max(share, 0.0), 1.0) for share in box)
        picture.boxes.append((x1 * width, y1 * height, (x2 - x1) * width, (y2 - y1) * height))
        picture.labels.append(label)
        picture.crowd.append(False)
    return picture


def parse_line(line: str, classes: int) -> tuple[int, tuple[float, float, float, float]]:
    """One line of a label file: the class, and the box as shares x1, y1, x2, y2. Chapter 21.

    Raises:
        ValueError: says what is wrong with the line and what to do.
    """
    words = line.split()
    if len(words) == 6:
        raise ValueError("six fields: is this a prediction with its score? labels have class cx cy w h")
    if len(words) < 5 or len(words) % 2 == 0:
        raise ValueError(f"{len(words)} fields; expected class cx cy w h, or class and pairs of an outline")
    try:
        label, numbers = float(words[0]), [float(word) for word in words[1:]]
    except ValueError:
        raise ValueError(f"{line.strip()[:60]!r} holds something that is no number") from None
    if not (label.is_integer() and 0 <= label < classes):
        raise ValueError(f"class {words[0]}; there are {classes} names, numbered 0 to {classes - 1}")
    if not all(map(math.isfinite, numbers)):
        raise ValueError("a coordinate is not finite; delete the line")
    if len(numbers) > 4:
        box = (min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2]))
    else:
        cx, cy, w, h = numbers
        box = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
    if max(map(abs, numbers)) > 1 + SLACK:
        raise ValueError(f"{max(numbers, key=abs):g} is larger than 1: pixels? divide by width and height")
    if min(numbers) < -SLACK or min(box) < -0.5 or max(box) > 1.5:
        raise ValueError("the box lies outside the picture")
    if min(box[2], 1) - max(box[0], 0) <= 0 or min(box[3], 1) - max(box[1], 0) <= 0:
        raise ValueError("the box has no area in the picture; delete the line")
    return int(label), box
