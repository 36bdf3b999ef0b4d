"""VOC's labels: an XML file for each picture. Explained in chapter 21.

VOC counts pixels from 1 and names the first and the last one inside: xmin 1, xmax 2 is a box two pixels wide
at the left edge, which COCO writes as x 0, w 2. Tools that imitate the format (LabelImg) often count from 0
and name the edges instead; `from_zero` reads those.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse
from PIL import Image

from .convert import Faults, Labelled, pictures_in, size_of, write_set
from .errors import DatasetError

SPLITS = ("train", "val", "test")
SIDES = ("xmin", "ymin", "xmax", "ymax")


def voc_to_coco(
    folder: str | Path, out: str | Path, names: Sequence[str] | None = None, from_zero: bool = False
) -> dict[str, int]:
    """Convert a set in VOC's layout: `JPEGImages/`, `Annotations/`, `ImageSets/Main/` if there are splits.

    Objects marked `difficult` become crowd annotations: VOC's evaluation passes over them, and that is
    how COCO's does; training leaves them out.

    Args:
        folder: holds `Annotations/`.
        out: a new folder, written in COCO's layout.
        names: the classes in order; None takes all that occur, sorted.
        from_zero: the boxes count from 0 and name edges, as LabelImg writes them.

    Returns:
        The number of pictures of each split; all are "train" where no list of splits is there.

    Raises:
        DatasetError: names every fault by file and field; nothing is written then.
    """
    folder, faults = Path(folder), Faults()
    if not (folder / "Annotations").is_dir():
        raise DatasetError(f"{folder / 'Annotations'}: no such folder; VOC keeps its XML files there")
    pictures = {path.stem: path for path in pictures_in(_images(folder))}
    parts = {
        split: {stem: _parse(folder, stem, faults) for stem in stems} for split, stems in _splits(folder)
    }
    trees = [tree for part in parts.values() for tree in part.values() if tree is not None]
    names = list(names or sorted({_name(thing) for tree in trees for thing in tree.iter("object")} - {""}))
    splits: dict[str, list[Labelled]] = {split: [] for split in parts}
    for split, part in parts.items():
        for stem, tree in part.items():
            if tree is None:
                continue
            picture = _picture(folder, stem, tree, pictures, names, from_zero, faults)
            splits[split] += [picture] if picture else []
    return write_set(Path(out), splits, names, faults)


def _images(folder: Path) -> Path:
    for name in ("JPEGImages", "images"):
        if (folder / name).is_dir():
            return folder / name
    return folder / "Annotations"  # some tools leave them side by side


def _splits(folder: Path) -> list[tuple[str, list[str]]]:
    """(split, the stems of its files), from the lists, or everything as "train"."""
    lists = {split: folder / "ImageSets" / "Main" / f"{split}.txt" for split in SPLITS}
    found = [(split, _stems(path)) for split, path in lists.items() if path.is_file()]
    return found or [("train", sorted(path.stem for path in (folder / "Annotations").glob("*.xml")))]


def _stems(path: Path) -> list[str]:
    """The first word of each line."""
    return [line.split()[0] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _name(thing: Element) -> str:
    return thing.findtext("name", "").strip()


def _parse(folder: Path, stem: str, faults: Faults) -> Element | None:
    """The root of an XML file; entities and the like are refused, as they can fill the memory."""
    path = folder / "Annotations" / f"{stem}.xml"
    try:
        return parse(path, forbid_dtd=True).getroot()
    except FileNotFoundError:
        faults.append(f"{path}: no such file, but ImageSets/Main names it; take it out of the list")
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        faults.append(f"{path}: is not plain XML ({error})")
    return None


def _picture(
    folder: Path,
    stem: str,
    tree: Element,
    pictures: dict[str, Path],
    names: Sequence[str],
    from_zero: bool,
    faults: Faults,
) -> Labelled | None:
    """One file and its picture."""
    file = folder / "Annotations" / f"{stem}.xml"
    path = pictures.get(Path(tree.findtext("filename", stem).strip()).stem) or pictures.get(stem)
    if path is None:
        faults.append(f"{file}: filename: there is no picture {stem}.* in {_images(folder)}")
        return None
    size = _size(file, tree, path, faults)
    if size is None:
        return None
    picture = Labelled(path, path.name, *size)
    for number, thing in enumerate(tree.iter("object"), start=1):
        where = f"{file}: object {number}"
        try:
            label, box = _object(thing, size, names, from_zero)
        except ValueError as error:
            faults.append(f"{where}: {error}")
            continue
        picture.boxes.append(box)
        picture.labels.append(label)
        picture.crowd.append(thing.findtext("difficult", "0").strip() == "1")
    return picture


def _size(file: Path, tree: Element, path: Path, faults: Faults) -> tuple[int, int] | None:
    """Height and width that the boxes speak of; the picture must have them, upright or unturned."""
    upright = size_of(path, faults)
    if upright is None:
        return None
    said = tuple(tree.findtext(f"size/{side}", "0").strip() for side in ("height", "width"))
    if said == ("0", "0"):
        return upright  # many tools leave it out
    with Image.open(path) as image:
        unturned = (image.height, image.width)
    for size in (upright, unturned):
        if said == tuple(map(str, size)):
            return size
    faults.append(
        f"{file}: size: says {' x '.join(said)} (height x width), {path.name} has "
        f"{upright[0]} x {upright[1]}; was the picture resized?"
    )
    return None


def _object(
    thing: Element, size: tuple[int, int], names: Sequence[str], from_zero: bool
) -> tuple[int, tuple[float, float, float, float]]:
    """Class and box (x, y, w, h in pixels). Raises ValueError with the field and what is wrong."""
    name = _name(thing)
    if name not in names:
        raise ValueError(f"name: {name!r} is none of {', '.join(names)}")
    try:
        x1, y1, x2, y2 = (float(thing.findtext(f"bndbox/{side}", "")) for side in SIDES)
    except ValueError:
        raise ValueError(f"bndbox: needs the numbers {', '.join(SIDES)}") from None
    if not all(map(math.isfinite, (x1, y1, x2, y2))):
        raise ValueError("bndbox: a number is not finite")
    if not from_zero:
        if min(x1, y1) < 1:
            raise ValueError(
                "bndbox: starts at 0, but VOC counts from 1; from_zero (--from-zero) reads such files"
            )
        x1, y1 = x1 - 1, y1 - 1
    height, width = size
    if x2 > width + 1 or y2 > height + 1:
        raise ValueError(f"bndbox: ends at {x2:g}, {y2:g}, outside the {width} x {height} picture")
    x1, y1, x2, y2 = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
    if x2 <= x1 or y2 <= y1:
        raise ValueError("bndbox: has no area; are min and max swapped?")
    return names.index(name), (x1, y1, x2 - x1, y2 - y1)
