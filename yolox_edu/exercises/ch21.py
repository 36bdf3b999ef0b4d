"""The checks of chapter 21, your own data. The truth is worked out from whole pixels, and by the checker.

`broken` makes the set of exercise 21.3 and what it was before it was broken.
"""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from yolox_edu.data.check import check
from yolox_edu.exercises.judge import Random, Wrong, exercise, same

Records = dict[str, list[dict[str, Any]]]
WIDTH, HEIGHT, CLASSES = 120, 90, ("bench", "mail box", "pram")


# --- 21.1: a line of YOLO ---------------------------------------------------------------------------------


@exercise("21.1", seeds=8)
def a_line(answer: Callable, random: Random) -> None:
    """the label, and the box whose pixels the line was made from"""
    width, height = 8 * random.integer(20, 80), 8 * random.integer(20, 80)
    x1, y1 = random.integer(0, width // 2), random.integer(0, height // 2)
    x2, y2 = random.integer(x1 + 2, width), random.integer(y1 + 2, height)
    label = random.integer(0, 9)
    cx, cy, w, h = (x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height
    line = f"{label} {cx:.8f} {cy:.8f} {w:.8f} {h:.8f}"
    where = f"on the line {label} {cx:.3f} {cy:.3f} {w:.3f} {h:.3f} of a picture {width} wide, {height} high"
    given = answer(line, width, height)
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise Wrong(f"{where}: two things were asked, the label and the box; got {given!r}")
    same(int(given[0]), label, where)
    wanted = torch.tensor([x1, y1, x2, y2], dtype=torch.float32)
    box = torch.as_tensor(given[1], dtype=torch.float32)
    centre = torch.tensor([cx * width, cy * height, w * width, h * height])
    corner = torch.tensor([cx * width, cy * height, (cx + w) * width, (cy + h) * height])
    faults = {
        "these are centre, width and height in pixels; the corners are asked": centre,
        "the centre was taken for the corner": corner,
        "width and height of the picture are exchanged": wanted
        * torch.tensor([height / width, width / height] * 2),
        "these are still shares; pixels are asked": torch.tensor(
            [x1 / width, y1 / height, x2 / width, y2 / height]
        ),
        "this is COCO's x, y, w, h; the corners are asked": torch.tensor([x1, y1, x2 - x1, y2 - y1]).float(),
        "x and y are exchanged": wanted[[1, 0, 3, 2]],
    }
    if width == height:
        del faults["width and height of the picture are exchanged"]
    same(box, wanted, where, faults, atol=1e-2)


# --- 21.2: leaks ------------------------------------------------------------------------------------------


@exercise("21.2", seeds=6)
def leaks(answer: Callable, random: Random) -> None:
    """the pairs that were planted, and no others"""
    n, m = random.integer(4, 9), random.integer(4, 9)
    train = random.integers(0, 255, n, 16, 16).to(torch.uint8)
    val = random.integers(0, 255, m, 16, 16).to(torch.uint8)
    wanted = set()
    for j in random.choice(([], [0], [1, 3], [0, 2])):
        i = random.integer(0, n - 1)
        shift = random.integers(-3, 3, 16, 16)
        val[j] = (train[i].int() + shift).clamp(0, 255).to(torch.uint8)
        wanted.add((i, j))
    before = train.clone()
    given = answer(train, val)
    where = f"on {n} thumbnails of train and {m} of val"
    try:
        pairs = {(int(i), int(j)) for i, j in given}
    except (TypeError, ValueError):
        raise Wrong(f"{where}: pairs (i of train, j of val) were asked; got {given!r}") from None
    if not torch.equal(before, train):
        raise Wrong(f"{where}: the thumbnails were changed")
    if pairs == {(j, i) for i, j in wanted} != wanted:
        raise Wrong(f"{where}: each pair is the wrong way round; train comes first")
    above = (train[:, None].int() - val[None].int()).float().mean((2, 3))  # n m, with its sign
    for cancelled in (above < 4, above.abs() < 4):
        if pairs != wanted and pairs == {(int(i), int(j)) for i, j in cancelled.nonzero()}:
            raise Wrong(
                f"{where}: more above and more below cancel; first each difference's size, then the mean"
            )
    if missed := sorted(wanted - pairs):
        i, j = missed[0]
        apart = (train[i].int() - val[j].int()).abs().float().mean().item()
        hint = "" if pairs else ". Need pixels be equal? And uint8 wraps round: 3 - 5 is 254"
        raise Wrong(f"{where}: {missed[0]} was missed; its mean difference is {apart:.1f}{hint}")
    if extra := sorted(pairs - wanted):
        i, j = extra[0]
        apart = (train[i].int() - val[j].int()).abs().float().mean().item()
        raise Wrong(f"{where}: {extra[0]} differ by {apart:.0f} grey levels; that is another picture")


# --- 21.3: a broken set -----------------------------------------------------------------------------------


def broken(seed: int = 0) -> tuple[Records, Records]:
    """Records with six kinds of faults, and the records as they should be. Chapter 21."""
    dice = np.random.default_rng(seed)
    images = [{"id": i, "file_name": f"{i}.png", "width": WIDTH, "height": HEIGHT} for i in (1, 2, 3, 4)]
    kinds = [{"id": i, "name": name} for i, name in enumerate(CLASSES, start=1)]
    good: list[dict[str, Any]] = []
    for image in images:
        for column in range(3):
            box = [38 * column + int(dice.integers(1, 8)), int(dice.integers(4, 30)), 28, 40]
            record = {"id": len(good) + 1, "image_id": image["id"], "bbox": box, "iscrowd": 0}
            good.append(record | {"category_id": 1 + column, "area": 28 * 40})
    edge = [r for r in good if r["category_id"] == 3]
    for record in edge[:2]:  # at the right edge
        record["bbox"] = [WIDTH - 20, record["bbox"][1], 20, 40]
        record["area"] = 20 * 40
    bad = copy.deepcopy(good)
    for record in bad:
        if record["category_id"] == 3 and record["bbox"][0] == WIDTH - 20:
            record["bbox"][2] = 32  # reaches over it
            record["area"] = 32 * 40
        record["category_id"] -= 1
    bad += [bad[i] | {"id": 50 + i} for i in (1, 4)]
    bad.append(bad[0] | {"id": 60, "image_id": 99})
    bad.append(bad[3] | {"id": 61, "bbox": [30, 40, 0, 20], "area": 0})
    bad.append(bad[2] | {"id": 7, "bbox": [2, 60, 20, 20], "area": 400})  # an id that is taken
    good.append(good[2] | {"id": 62, "bbox": [2, 60, 20, 20], "area": 400})
    dice.shuffle(bad)
    head = {"images": images, "categories": kinds}
    return copy.deepcopy({**head, "annotations": bad}), {**head, "annotations": good}


def findings_of(records: Records) -> list[str]:
    """What the checker says of these records with pictures that fit, notes left out. Chapter 21."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "annotations").mkdir()
        (folder / "train").mkdir()
        (folder / "annotations" / "instances_train.json").write_text(json.dumps(records))
        for image in records["images"]:
            pixels = np.random.default_rng(image["id"]).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "train" / image["file_name"])
        return [str(finding) for finding in check(folder, size=128) if finding.severity != "note"]


def _boxes(records: Records) -> list[tuple]:
    return sorted((r["image_id"], r["category_id"], *r["bbox"]) for r in records["annotations"])


@exercise("21.3", seeds=3, in_place=True)
def mended(answer: Callable, random: Random) -> None:
    """the checker finds nothing, and every box that could be kept is there"""
    records, wanted = broken(random.integer(1, 1000))
    given = answer(records)
    given = records if given is None else given
    if not isinstance(given, dict) or not {"images", "annotations", "categories"} <= set(given):
        raise Wrong("the records were asked, with images, annotations and categories")
    if said := findings_of(given):
        raise Wrong(f"the checker still says: {' '.join(said[0].split())}")
    ours, theirs = _boxes(given), _boxes(wanted)
    if [(i, *box) for i, _, *box in ours] == [(i, *box) for i, _, *box in theirs] and ours != theirs:
        raise Wrong("the checker is silent and all boxes are there, but under the names of other classes")
    if lost := [box for box in theirs if box not in ours]:
        image, category, *box = lost[0]
        raise Wrong(
            f"the checker is silent, but a good box is gone: class {category}, {box} in picture {image}. "
            "What can be mended is mended, not deleted"
        )
    if len(ours) != len(theirs):
        raise Wrong(f"the checker is silent, but there are {len(ours)} boxes; {len(theirs)} are right")
