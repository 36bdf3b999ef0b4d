"""Any set in COCO's format as a source of pictures and boxes. Explained in chapters 19 and 21.

A *source* is what training, evaluation and detection take: `len(source)`, `source[i] -> (image, target)`,
`source.names`, `source.category_ids`, `source.image_ids`, `source.coco`.
"""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from pycocotools.coco import COCO

from .coco_json import _few, box_fault, coco_index, read_coco_json
from .errors import DatasetError, PictureError
from .picture import read_picture


class CocoSource:
    """Pictures in a folder, boxes in a COCO *instances* file. Explained in chapter 21.

    `source[i]` gives the picture (uint8 RGB `h w 3`, upright) and its target:
        boxes     float32 [g, 4], xyxy in that picture's pixels, clipped to it
        labels    int64 [g], 0..k-1: the place of the category among the sorted category ids
        image_id  the COCO id;  file  the picture's name

    Crowd annotations are no targets (they are in `.coco`, where evaluation needs them). Boxes that are
    not finite, have no area or lie outside the picture are left out and listed in `dropped`.

    Args:
        images_dir: the folder that `file_name` is relative to.
        annotations: the JSON file.
        limit: only the first so many pictures.

    Raises:
        DatasetError: the JSON is unusable (see `read_coco_json`), or pictures are missing.
        PictureError: from `source[i]`, when that one picture cannot be used.
    """

    def __init__(self, images_dir: str | Path, annotations: str | Path, limit: int | None = None) -> None:
        self.images_dir, self.annotations = Path(images_dir), Path(annotations)
        data = read_coco_json(self.annotations)
        categories = sorted(data["categories"], key=lambda category: category["id"])
        self.names: tuple[str, ...] = tuple(category["name"] for category in categories)
        self.category_ids: tuple[int, ...] = tuple(category["id"] for category in categories)
        self.dropped: list[tuple[str, int, str]] = []
        images = data["images"][:limit]
        self.files = [image["file_name"] for image in images]
        self.image_ids = [image["id"] for image in images]
        self._sizes = np.array([(image["height"], image["width"]) for image in images]).reshape(-1, 2)
        self._targets = self._collect(data["annotations"])
        self._coco: COCO | None = None
        self._check_files()

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[UInt8[np.ndarray, "h w 3"], dict[str, Any]]:
        file = self.files[index]
        height, width = self._sizes[index].tolist()
        try:
            image = read_picture(self.images_dir / file, (height, width))
        except PictureError as error:
            raise PictureError(file, error.why) from error
        boxes, labels = self._targets[index]
        target = {"boxes": boxes.copy(), "labels": labels.copy()}
        return image, target | {"image_id": self.image_ids[index], "file": file}

    @property
    def coco(self) -> COCO:
        """The ground truth of these pictures as pycocotools wants it, crowds included; read when first asked.

        Nothing is clipped here, so that AP is what pycocotools gives for the file. Two repairs: boxes that
        are not finite are left out, and if an annotation has the id 0 all ids move up by one, because
        COCOeval takes 0 to mean "not matched" and would count that object as missed.
        """
        if self._coco is None:
            data = read_coco_json(self.annotations)
            wanted = set(self.image_ids)
            data["images"] = [image for image in data["images"] if image["id"] in wanted]
            kept = [
                a for a in data["annotations"] if a["image_id"] in wanted and np.isfinite(a["bbox"]).all()
            ]
            shift = 1 - min([1] + [a["id"] for a in kept])
            data["annotations"] = [a | {"id": a["id"] + shift} for a in kept]
            self._coco = coco_index(data)
        return self._coco

    def subset(self, indices: Iterable[int]) -> "CocoSource":
        """The same set with only the pictures at these places, in this order."""
        indices = list(indices)
        part = object.__new__(CocoSource)
        vars(part).update(vars(self) | {"_coco": None, "_sizes": self._sizes[indices]})
        for name in ("files", "image_ids", "_targets"):
            setattr(part, name, [getattr(self, name)[i] for i in indices])
        part.dropped = [fault for fault in self.dropped if fault[0] in set(part.files)]
        return part

    def _collect(self, annotations: list[dict[str, Any]]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Boxes (xyxy, clipped) and labels per picture, as arrays, which are small; fills `dropped`."""
        place = {image_id: index for index, image_id in enumerate(self.image_ids)}
        label = {category_id: index for index, category_id in enumerate(self.category_ids)}
        found: list[list[tuple[float, ...]]] = [[] for _ in self.files]
        for record in annotations:
            index = place.get(record["image_id"])
            if index is None or record["iscrowd"]:
                continue
            height, width = self._sizes[index].tolist()
            fault = box_fault(record["bbox"], width, height)
            if fault:
                self.dropped.append((self.files[index], record["id"], fault))
                continue
            x, y, w, h = record["bbox"]
            corners = (max(x, 0), max(y, 0), min(x + w, width), min(y + h, height))
            found[index].append((*corners, label[record["category_id"]]))
        tables = [np.array(rows, dtype=np.float64).reshape(-1, 5) for rows in found]
        return [(table[:, :4].astype(np.float32), table[:, 4].astype(np.int64)) for table in tables]

    def _check_files(self) -> None:
        """All pictures must be there now, not hours into a run: one listing per folder, so it is quick."""
        folders = {os.path.dirname(file) for file in self.files}
        there: set[str] = set()
        for folder in folders:
            with contextlib.suppress(OSError):
                there.update(os.path.join(folder, name) for name in os.listdir(self.images_dir / folder))
        missing = [file for file in self.files if os.path.join(*os.path.split(file)) not in there]
        if missing:
            raise DatasetError(
                f"{self.images_dir}: {len(missing)} of the {len(self.files)} pictures that "
                f"{self.annotations} names are missing: {_few(missing)}"
            )


def open_coco(root: str | Path, split: str, limit: int | None = None) -> CocoSource:
    """Open a set that is laid out as COCO is. Explained in chapter 19.

    Args:
        root: the folder with `annotations/instances_{split}.json` and the pictures in `{split}/` or
            `images/{split}/`.
        split: e.g. "train2017", "val2017".
        limit: only the first so many pictures.

    Raises:
        DatasetError: naming what was looked for and what is there.
    """
    root = Path(root)
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder; give the one that holds annotations/ and {split}/")
    annotations = root / "annotations" / f"instances_{split}.json"
    if not annotations.is_file():
        others = sorted(path.name for path in (root / "annotations").glob("*.json"))
        there = f"there is {_few(others)}" if others else "there are no annotations at all"
        raise DatasetError(f"{root}: looked for annotations/{annotations.name}; {there}")
    folders = [root / split, root / "images" / split]
    for folder in folders:
        if folder.is_dir():
            return CocoSource(folder, annotations, limit)
    raise DatasetError(f"{root}: looked for the pictures in {split}/ and images/{split}/; neither exists")
