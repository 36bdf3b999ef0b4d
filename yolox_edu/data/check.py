"""The data checker: what is wrong with a set, by file and field, with the mend. Explained in chapter 21.

Training stops at some faults and reads over others; some it cannot see at all (boxes in another format,
the same picture in train and val). The checker looks for all of them before any time is spent, and goes on
after the first, so that one call names everything.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

from .check_boxes import check_boxes
from .check_parts import check_parts
from .check_pictures import Look, check_doubles, check_files, look_at_array
from .check_records import Table, make_table, read_table
from .coco_json import _few
from .crossing import SPLIT_SEEDS, Crossing
from .errors import DatasetError
from .findings import Finding, Findings

DRAWN = 50  # so many pictures of Crossing, which is endless, are looked at


def check(
    data: str | Path | Any, split: str | None = None, size: int | tuple[int, int] = 640
) -> list[Finding]:
    """Look at a data set in COCO's layout, and at all of it. Explained in chapter 21.

    Args:
        data: the folder that holds `annotations/instances_SPLIT.json` and the pictures in `SPLIT/` or
            `images/SPLIT/`; or "crossing"; or an open source.
        split: the part; None looks at all there are, and whether a picture is in two of them.
        size: the network's input (a side, or height and width), by which boxes are too small to be learnt.

    Raises:
        DatasetError: there is no such folder. Everything else that is wrong is a finding.
    """
    size = (size, size) if isinstance(size, int) else tuple(size)
    if isinstance(data, str | Path) and str(data) != "crossing":
        return _check_folder(Path(data), split, size)
    if not isinstance(data, str | Path):
        return _check_source(data, split or "the source", size)
    findings, looks = Findings("crossing"), {}
    for name in [split] if split else SPLIT_SEEDS:
        looks[name] = _check_drawn(Crossing.split(name, DRAWN), f"crossing {name}", size, findings)
    check_doubles(looks, findings)
    return list(findings)


def _check_folder(root: Path, split: str | None, size: tuple[int, int]) -> list[Finding]:
    if not root.is_dir():
        what = "is a file, not a folder" if root.is_file() else "no such folder"
        raise DatasetError(f"{root}: {what}; give the one that holds annotations/ and the pictures")
    found = sorted(path.stem.removeprefix("instances_") for path in root.glob("annotations/instances_*.json"))
    findings, looks, tables = Findings(root.name), {}, {}
    if not found and split is None:
        _nothing(root, "*", findings)
    for name in [split] if split else found:
        path = root / "annotations" / f"instances_{name}.json"
        folder = next((f for f in (root / name, root / "images" / name) if f.is_dir()), None)
        if path.exists():
            looks[name], tables[name] = _check_part(path, folder, name, size, findings)
        else:
            _nothing(root, name, findings)
    check_parts({name: table for name, table in tables.items() if table is not None}, findings)
    check_doubles(looks, findings)
    return list(findings)


def _nothing(root: Path, split: str, say: Findings) -> None:
    """There is no annotation file; say what lies there instead, and what to do with it."""
    others = sorted(path.name for path in root.glob("annotations/*.json"))
    parts = [name[10:-5] for name in others if name.startswith("instances_")]
    if others:
        mend = f"There {'is' if len(others) == 1 else 'are'} {_few(others)}: "
        to = f"instances_{split if split != '*' else 'train'}.json"
        which = "it" if len(others) == 1 else "the one you mean"
        mend += f"give --split {' or '.join(parts[:3])}." if parts else f"rename {which} to {to}."
    else:
        mend = _instead(root) or "Put it there, and the pictures into SPLIT/ (chapter 21)."
    what = "there is no such annotation file"
    say.add("error", "annotations-missing", "", what, mend, f"annotations/instances_{split}.json")


def _instead(root: Path) -> str:
    """Labels of another kind, or in another place, and what to do with them; "" if there are none."""
    if any(root.absolute().parent.glob("annotations/instances_*.json")):
        return f"Give the folder above, {root.absolute().parent.name}."
    if path := min(root.glob("instances_*.json"), default=None):
        return f"Move {path.name} into annotations/."
    if path := min(root.glob("**/_annotations.coco.json"), default=None):
        where = path.relative_to(root).as_posix()
        return f"Move {where} to annotations/instances_{path.parent.name}.json."
    for kind, folder, files in (("yolo", "labels", "**/*.txt"), ("voc", "Annotations", "*.xml")):
        if path := min(root.glob(f"**/{folder}/{files}"), default=None):
            parts = path.relative_to(root).parts
            described = any(root.glob("*.yaml"))  # then it says where the labels lie
            given = shlex.quote(str(root.joinpath(*(() if described else parts[: parts.index(folder)]))))
            convert = f"run `python -m yolox_edu data convert {kind} {given} --to NEW`, and check NEW"
            return f"{'/'.join(parts)} is a {kind.upper()} label: {convert} (chapter 21)."
    if path := min([*root.glob("*.json"), *root.glob("*/*.json")], default=None):
        part = path.parent.name if path.parent != root else "train"
        where = path.relative_to(root).as_posix()
        return f"There is {where}: if it is COCO's, move it to annotations/instances_{part}.json."
    return ""


def _check_part(
    path: Path, folder: Path | None, split: str, size: tuple[int, int], findings: Findings
) -> tuple[list[Look], Table | None]:
    """One annotation file and its pictures: what was seen of each, and the records that can be used."""
    say = Findings(f"annotations/{path.name}")
    table, looks = read_table(path, say), []
    if table is not None:
        _count(table, say)
        check_boxes(table, size, say)
    findings += say
    say = Findings(f"{folder.name if folder else split}/")
    if folder is None:
        mend = f"Put the pictures into {split}/ or images/{split}/.{_elsewhere(path.parent.parent, table)}"
        say.add("error", "folder-missing", "", "there is no such folder", mend)
    elif table is not None:
        looks = check_files(table, folder, say)
    findings += say
    return looks, table


def _elsewhere(root: Path, table: Table | None) -> str:
    """Where the first picture lies that could not be looked for, as its folder is missing; "" if nowhere."""
    name = Path(table.images[0]["file_name"]).name if table else ""
    found = next((Path(top) for top, _, files in os.walk(root) if name and name in files), None)
    if found is None:
        return ""
    return f" {name} lies " + (
        "beside annotations/." if found == root else f"in {found.relative_to(root).as_posix()}/."
    )


def _check_source(source: Any, name: str, size: tuple[int, int]) -> list[Finding]:
    """A source that is open already: its files if it has some, else what it draws."""
    findings = Findings(name)
    if hasattr(source, "images_dir"):
        looks, _ = _check_part(Path(source.annotations), Path(source.images_dir), name, size, findings)
    else:
        looks = _check_drawn(source, name, size, findings)
    check_doubles({name: looks}, findings)
    return list(findings)


def _check_drawn(source: Any, name: str, size: tuple[int, int], findings: Findings) -> list[Look]:
    say, records = Findings(name), {"images": [], "annotations": []}
    records["categories"] = [{"id": i, "name": n} for i, n in zip(source.category_ids, source.names)]
    looks = []
    for picture, target in (source[i] for i in range(len(source))):
        looks.append(look_at_array(picture, target["file"]))
        image = {"id": target["image_id"], "file_name": target["file"]}
        records["images"].append(image | {"height": picture.shape[0], "width": picture.shape[1]})
        for (x1, y1, x2, y2), label in zip(target["boxes"].tolist(), target["labels"].tolist()):
            box = {"id": len(records["annotations"]) + 1, "bbox": [x1, y1, x2 - x1, y2 - y1]}
            box |= {"image_id": image["id"], "category_id": source.category_ids[label]}
            records["annotations"].append(box)
    table = make_table(records, say)
    if table is not None:
        _count(table, say)
        check_boxes(table, size, say)
    findings += say
    return looks


def _many(count: int, one: str, more: str | None = None) -> str:
    return f"{count} {one if count == 1 else more or one + 's'}"


def _count(table: Table, say: Findings) -> None:
    """What there is, for a start."""
    used = len({a["category_id"] for a in table.annotations})
    pictures, boxes = _many(len(table.images), "picture"), _many(len(table.annotations), "box", "boxes")
    what = f"{pictures}, {boxes} of {_many(used, 'class', 'classes')}"
    say.insert(0, Finding("note", "counts", say.file, "", what))
