"""A COCO annotation file, checked before anything is built on it. Explained in chapter 21."""

from __future__ import annotations

import io
import json
import math
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import DatasetError

if TYPE_CHECKING:
    from pycocotools.coco import COCO

_FIELDS = {  # what is needed of each record; all else may be missing
    "images": {"id": int, "file_name": str, "width": int, "height": int},
    "annotations": {"id": int, "image_id": int, "category_id": int, "bbox": list},
    "categories": {"id": int, "name": str},
}


def read_coco_json(path: str | Path) -> dict[str, Any]:
    """Read and check the annotation file; returns the parsed JSON with its small gaps filled.

    Missing `iscrowd` becomes 0 and missing (or null) `area` the box's: many tools leave them out, and
    pycocotools needs them. Explained in chapter 21.

    Raises:
        DatasetError: no such file, not JSON, a list or field missing or of the wrong type, an id used
            twice, or an annotation that points to a picture or category which does not exist.
    """
    data = _parse(Path(path))
    for part, fields in _FIELDS.items():
        if not isinstance(data.get(part), list):
            raise DatasetError(f"{path}: no list {part!r} at the top level; is it a COCO *instances* file?")
        for place, record in enumerate(data[part]):
            _check_fields(path, f"{part}[{place}]", record, fields)
        _check_unique(path, part, [record["id"] for record in data[part]])
    if not data["images"] or not data["categories"]:
        empty = "images" if not data["images"] else "categories"
        raise DatasetError(f"{path}: {empty!r} is empty; there is nothing to read")
    _check_references(path, data, "image_id", "images")
    _check_references(path, data, "category_id", "categories")
    for place, record in enumerate(data["annotations"]):
        _check_box(path, place, record["bbox"])
        record.setdefault("iscrowd", 0)
        if not isinstance(record.get("area"), int | float):
            record["area"] = record["bbox"][2] * record["bbox"][3]
    data.setdefault("info", {})
    return data


def box_fault(bbox: list[int | float], width: int, height: int) -> str | None:
    """Why a COCO box (x, y, w, h in pixels) cannot be learned from in a `width x height` picture, or None."""
    x, y, w, h = bbox
    if not all(map(math.isfinite, bbox)):
        return f"box {bbox} is not finite"
    if w <= 0 or h <= 0:
        return f"box {bbox} has no area"
    if x >= width or y >= height or x + w <= 0 or y + h <= 0:
        return f"box {bbox} lies outside the picture of {width} x {height}"
    return None


def _parse(path: Path) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such annotation file") from None
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path}: {_no_json(error)}") from error
    except UnicodeDecodeError as error:
        what = f"is not UTF-8 (byte {error.start}: {error.reason}); "
        packed = error.object[:2] == b"\x1f\x8b"
        mend = "it is packed: unpack it with gzip -d" if packed else "save it so (PowerShell's > does not)"
        raise DatasetError(f"{path}: {what}{mend}") from error
    except IsADirectoryError:
        raise DatasetError(f"{path}: is a folder, not a file; export or copy it again") from None
    except (OSError, ValueError, RecursionError) as error:  # ValueError: a number of thousands of digits
        raise DatasetError(f"{path}: cannot be read as JSON ({error}); export or copy it again") from error
    if not isinstance(data, dict):
        what = f"holds a JSON {type(data).__name__}"
        raise DatasetError(f"{path}: {what}; a COCO file is an object with images, annotations, categories")
    return data


def _no_json(error: json.JSONDecodeError) -> str:
    """Where a text stops being JSON, and what to do about the usual reasons."""
    if not error.doc.strip():
        return "the file is empty; export or copy it again"
    if error.doc.startswith("\ufeff"):
        return "begins with a byte order mark (BOM), no JSON; save it as UTF-8 without one"
    if error.doc.startswith("version https://git-lfs"):
        return "is a Git LFS pointer, not the annotations; run `git lfs pull`"
    if not error.doc[: error.pos].strip():  # not even a bracket
        return f"begins with {error.doc.strip()[:20]!r}, no JSON; export it as COCO's JSON"
    before = error.doc[: error.pos].rstrip()[-1:]
    rest = "".join(error.doc[error.pos : error.pos + 99].split())
    if not rest or error.msg.startswith("Unterminated"):
        mend = "the file ends too early: copy or export it again"
    elif (rest[0] in "}]" and before == ",") or rest[:2] in (",}", ",]"):
        mend = "delete the comma before the bracket"
    elif rest[0] == "'":
        mend = "JSON has double quotes: write the file with json.dump, not with str"
    elif rest.startswith(("None", "True", "False", "nan")):
        mend = "JSON writes null, true, false, NaN: write the file with json.dump, not with str"
    elif error.msg == "Extra data":
        mend = "there is something after the end: the file must hold one object"
    else:
        mend = "mend it there, or export it again"
    return f"is not valid JSON at line {error.lineno}, column {error.colno} ({error.msg}); {mend}"


def _check_fields(path: str | Path, place: str, record: Any, fields: dict[str, type]) -> None:
    if not isinstance(record, dict):
        raise DatasetError(f"{path}: {place} is {record!r:.40}; an object was expected")
    for field, kind in fields.items():
        value = record.get(field)
        if field not in record:
            raise DatasetError(f"{path}: {place} (id {record.get('id')}) has no field {field!r}")
        if not isinstance(value, kind) or isinstance(value, bool):
            raise DatasetError(f"{path}: {place}: {field} is {value!r:.40}; {kind.__name__} was expected")
        if field in ("width", "height") and value < 1:
            raise DatasetError(f"{path}: {place}: {field} is {value}; at least 1 pixel was expected")


def _check_unique(path: str | Path, part: str, ids: list[int]) -> None:
    if len(set(ids)) == len(ids):
        return
    seen: set[int] = set()
    twice = sorted({i for i in ids if i in seen or seen.add(i)})
    raise DatasetError(f"{path}: ids in {part!r} that occur more than once: {_few(twice)}")


def _check_references(path: str | Path, data: dict[str, Any], field: str, part: str) -> None:
    known = {record["id"] for record in data[part]}
    lost = [a for a in data["annotations"] if a[field] not in known]
    if lost:
        examples = _few([f"annotation {a['id']} -> {a[field]}" for a in lost])
        raise DatasetError(f"{path}: annotations whose {field} is not in {part!r}: {examples}")


def _check_box(path: str | Path, place: int, bbox: list[Any]) -> None:
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in bbox)
    if len(bbox) != 4 or not numbers:
        raise DatasetError(
            f"{path}: annotations[{place}]: bbox is {bbox!r:.60}; [x, y, width, height] was expected"
        )
    if any(isinstance(value, int) and abs(value) > 2**53 for value in bbox):  # no float has its digits
        raise DatasetError(f"{path}: annotations[{place}]: bbox is {bbox!r:.60}; no picture is so large")


def _few(things: list[Any], most: int = 5) -> str:
    """The first few of a list, in words."""
    return ", ".join(map(str, things[:most])) + (
        f" and {len(things) - most} more" if len(things) > most else ""
    )


def coco_index(dataset: dict[str, Any]) -> COCO:
    """A pycocotools COCO over a parsed annotation file, without its chatter."""
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = dataset
    with redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco
