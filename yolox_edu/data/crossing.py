"""Crossing: a busy street crossing drawn by code, endless, seeded per index, in COCO's ids (chapter 16).

The picture `index` of `seed` is made by `np.random.default_rng([seed, index])` and by nothing else: no file,
no font, no state. It is a source like any other: `source[i]` gives a picture and its boxes, `source.coco` the
ground truth for evaluation.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .coco_json import coco_index
from .crossing_render import Seen, find, paint
from .crossing_scene import CATEGORY_IDS, NAMES, Scene, compose

if TYPE_CHECKING:
    from pycocotools.coco import COCO

SPLIT_SEEDS = {"train": 0, "val": 1}
# Okabe and Ito's colours, told apart by colour-blind people too; in the order of NAMES
PALETTE = (
    (0, 158, 115),
    (86, 180, 233),
    (230, 159, 0),
    (204, 121, 167),
    (0, 114, 178),
    (240, 228, 66),
    (213, 94, 0),
    (255, 255, 255),
)


class Crossing:
    """`count` pictures of a street crossing, `size` x `size` pixels (a multiple of 32, at least 64).

    `source[i]` gives (image uint8 [size, size, 3] RGB, target) with target["boxes"] float32 [g, 4], xyxy
    pixels of the visible part, "labels" int64 [g], "visible" float32 [g] (visible share of the silhouette),
    "area" float32 [g] (visible pixels), "image_id" (i + 1) and "file". Explained in chapter 16.
    """

    names: tuple[str, ...] = NAMES
    category_ids: tuple[int, ...] = CATEGORY_IDS

    def __init__(self, count: int, seed: int = 0, size: int = 320) -> None:
        """Raises ValueError for a negative count or seed, or a size that is no multiple of 32 from 64 up."""
        if count < 0 or seed < 0:
            raise ValueError(f"Crossing: count and seed must not be negative, got count={count}, seed={seed}")
        if size < 64 or size % 32:
            raise ValueError(f"Crossing: size must be a multiple of 32 and at least 64, got {size}")
        self.count, self.seed, self.size = count, seed, size

    @classmethod
    def split(cls, name: str, count: int, size: int = 320) -> Crossing:
        """The pictures of "train" or "val": the two never share a picture, whatever their counts.

        Raises ValueError for another name, and what `Crossing` refuses.
        """
        if name not in SPLIT_SEEDS:
            raise ValueError(f"Crossing has the splits {', '.join(SPLIT_SEEDS)}; got {name!r}")
        return cls(count, SPLIT_SEEDS[name], size)

    def __len__(self) -> int:
        return self.count

    def __repr__(self) -> str:
        return f"Crossing(count={self.count}, seed={self.seed}, size={self.size})"

    def __getitem__(self, index: int | np.integer) -> tuple[np.ndarray, dict[str, Any]]:
        """Paints one picture. Raises IndexError outside 0..len - 1."""
        scene, rng = self._scene(index)
        image, seen = paint(scene, self.size, rng)
        return image, self._target(int(index), seen)

    def target(self, index: int | np.integer) -> dict[str, Any]:
        """The target of one picture alone, in under half the time. Raises IndexError like `source[index]`."""
        scene, _ = self._scene(index)
        return self._target(int(index), find(scene, self.size))

    def _scene(self, index: int | np.integer) -> tuple[Scene, np.random.Generator]:
        if not 0 <= index < self.count:
            raise IndexError(f"{self!r} has the pictures 0..{self.count - 1}, not {index}")
        rng = np.random.default_rng([self.seed, int(index)])
        return compose(rng), rng

    def _target(self, index: int, seen: list[Seen]) -> dict[str, Any]:
        return {
            "boxes": np.array([s.box for s in seen], np.float32).reshape(-1, 4),
            "labels": np.array([s.label for s in seen], np.int64),
            "visible": np.array([s.visible for s in seen], np.float32),
            "area": np.array([s.area for s in seen], np.float32),
            "image_id": index + 1,
            "file": f"crossing-{self.seed}-{index}",
        }

    @property
    def image_ids(self) -> list[int]:
        """The COCO ids of the pictures, in their order."""
        return list(range(1, self.count + 1))

    @cached_property
    def coco(self) -> COCO:
        """The ground truth for pycocotools, made at its first use: 2,000 pictures take about ten seconds."""
        targets = [self.target(i) for i in range(self.count)]
        return coco_index(coco_dict(targets, self.size, kinds=zip(self.category_ids, self.names)))

    def __getstate__(self) -> dict[str, Any]:
        """Workers get the three numbers, never the ground truth made in this process."""
        return {"count": self.count, "seed": self.seed, "size": self.size}


LICENCE = {"id": 1, "name": "CC BY 4.0", "url": "https://creativecommons.org/licenses/by/4.0/"}


def coco_dict(
    targets: list[dict[str, Any]],
    size: int,
    suffix: str = ".png",
    kinds: Iterable[tuple[int, str]] = tuple(zip(CATEGORY_IDS, NAMES)),
) -> dict[str, Any]:
    """COCO's annotation file as a dict. `area` is the number of visible pixels, `bbox` x y width height.

    kinds: category id and name of each label.
    """
    kinds = list(kinds)
    images, annotations = [], []
    for t in targets:
        image = {"id": t["image_id"], "file_name": f"{t['image_id']:012d}{suffix}", "license": 1}
        images.append({**image, "width": size, "height": size})
        for box, label, area, visible in zip(t["boxes"], t["labels"], t["area"], t["visible"], strict=True):
            x0, y0, x1, y1 = (float(v) for v in box)
            record = {
                "id": len(annotations) + 1,
                "image_id": t["image_id"],
                "iscrowd": 0,
                "area": float(area),
            }
            record |= {"category_id": kinds[int(label)][0], "bbox": [x0, y0, x1 - x0, y1 - y0]}
            annotations.append(record | {"visible": round(float(visible), 4)})
    return {
        "info": {"description": "Crossing: street crossings drawn by yolox_edu", "version": "1.0"},
        "licenses": [LICENCE],
        "images": images,
        "annotations": annotations,
        "categories": [{"id": i, "name": name, "supercategory": "street"} for i, name in kinds],
    }


def render_all(source: Any, workers: int = 2) -> list[tuple[np.ndarray, dict[str, Any]]]:
    """All pictures of a source, painted by several processes; the same list for any number of workers."""
    if workers <= 1 or len(source) < 2:
        return [source[i] for i in range(len(source))]
    with get_context("spawn").Pool(workers) as pool:
        return pool.map(source.__getitem__, range(len(source)), chunksize=16)


def write_coco(source: Any, root: str | Path, split: str, suffix: str = ".png", workers: int = 1) -> Path:
    """Writes pictures and annotations in COCO's folder layout; gives the path of the annotation file.

    source: a `Crossing`, or one with something changed (error clinic).
    root/annotations/instances_{split}.json and root/{split}/000000000001.png; suffix ".jpg" writes JPEG of
    quality 95. Each file appears whole or not at all. Raises ValueError for another suffix.
    """
    if suffix not in (".png", ".jpg"):
        raise ValueError(f'write_coco: suffix must be ".png" or ".jpg", got {suffix!r}')
    root = Path(root)
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    (root / split).mkdir(parents=True, exist_ok=True)
    targets = []
    for image, target in render_all(source, workers):
        data = io.BytesIO()
        kind = {"format": "PNG"} if suffix == ".png" else {"format": "JPEG", "quality": 95, "subsampling": 0}
        Image.fromarray(image).save(data, **kind)
        _write(root / split / f"{target['image_id']:012d}{suffix}", data.getvalue())
        targets.append(target)
    path = root / "annotations" / f"instances_{split}.json"
    kinds = zip(source.category_ids, source.names)
    _write(path, json.dumps(coco_dict(targets, source.size, suffix, kinds)).encode())
    return path


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_bytes(data)
    os.replace(part, path)


def contact_sheet(
    source: Any, indices: Iterable[int], columns: int = 4, boxes: bool = True, scale: int = 1
) -> Image.Image:
    """A grid of pictures with their boxes and class names, `scale` times enlarged. See chapter 16."""
    tiles = []
    for i in indices:
        image, target = source[i]
        tile = Image.fromarray(image)
        if scale != 1:
            tile = tile.resize((tile.width * scale, tile.height * scale), Image.Resampling.NEAREST)
        if boxes:
            _draw_boxes(
                tile,
                target["boxes"] * scale,
                [source.names[int(k)] for k in target["labels"]],
                target["labels"],
            )
        tiles.append(tile)
    wide, high = max(t.width for t in tiles), max(t.height for t in tiles)
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * (wide + 4) + 4, rows * (high + 4) + 4), (255, 255, 255))
    for k, tile in enumerate(tiles):
        sheet.paste(tile, (4 + k % columns * (wide + 4), 4 + k // columns * (high + 4)))
    return sheet


def _draw_boxes(tile: Image.Image, boxes: np.ndarray, names: list[str], labels: np.ndarray) -> None:
    draw, font = ImageDraw.Draw(tile), ImageFont.load_default(10)
    for box, name, label in zip(boxes.tolist(), names, labels.tolist(), strict=True):
        x0, y0, x1, y1 = (int(v) for v in box)
        colour = PALETTE[label % len(PALETTE)]
        draw.rectangle((x0, y0, x1 - 1, y1 - 1), outline=colour)
        wide = int(font.getlength(name))
        draw.rectangle((x0, y0 - 10, x0 + wide + 2, y0 - 1), fill=colour)
        draw.text((x0 + 2, y0 - 11), name, fill=(0, 0, 0), font=font)
