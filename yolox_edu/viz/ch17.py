"""What chapter 17 draws and judges with: crowds on the crossing, boxes on squared paper, AP of a finding.

Explained in chapter 17. A crowd is a street of Crossing with people put on it who do not keep apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from yolox_edu.data.coco_json import coco_index
from yolox_edu.data.crossing import Crossing, coco_dict
from yolox_edu.data.crossing_render import paint
from yolox_edu.data.crossing_scene import Cast, Scene, Thing, compose
from yolox_edu.evaluate import coco_figures
from yolox_edu.viz.svg import STRONG, Drawing, canvas, rect, text

SEED = 17  # crowds share no picture with the splits of Crossing
Found = tuple[Float[Tensor, "m 4"], Float[Tensor, " m"], Int[Tensor, " m"]]  # boxes xyxy, scores, labels


def crowd(index: int, size: int = 320, people: int = 18) -> tuple[UInt8[np.ndarray, "h w 3"], dict[str, Any]]:
    """A street with `people` more on it, anywhere around the near kerb: picture and target as in Crossing.

    Where Crossing's own people keep apart, these stand in front of each other. Of some less than 40 % is to
    be seen; they are left out, as everywhere in Crossing.
    """
    rng = np.random.default_rng([SEED, index])
    scene = compose(rng)
    cast, street = Cast(scene.street, rng), scene.street
    things = list(scene.things)
    for _ in range(people):
        z = max(street.kerb + cast.dice(-1.5, 3.5), 1.03 * street.near)
        x = (cast.dice(0.08, 0.92) - street.vanish) * z
        things.append(Thing("person", x, z, cast.look(), cast.chance(0.5)))
    picture, seen = paint(Scene(street, tuple(sorted(things, key=lambda t: -t.z))), size, rng)
    target = {
        "boxes": np.array([s.box for s in seen], np.float32).reshape(-1, 4),
        "labels": np.array([s.label for s in seen], np.int64),
        "visible": np.array([s.visible for s in seen], np.float32),
        "area": np.array([s.area for s in seen], np.float32),
        "image_id": index + 1,
    }
    return picture, target


def average_precision(found: Sequence[Found], targets: Sequence[dict[str, Any]], size: int = 320) -> float:
    """COCO AP in per cent of what was found in square pictures of `size` pixels (chapter 18 opens it)."""
    rows = []
    for (boxes, scores, labels), target in zip(found, targets, strict=True):
        boxes = boxes.clamp(0, size)  # m 4
        sizes = torch.cat((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), dim=1)  # m 4, xywh
        for box, score, label in zip(sizes.tolist(), scores.tolist(), labels.tolist()):
            category = Crossing.category_ids[label]
            row = {"image_id": target["image_id"], "category_id": category, "bbox": box, "score": score}
            rows.append(row)
    truth = coco_index(coco_dict(list(targets), size))
    return 100 * coco_figures(truth, rows, [t["image_id"] for t in targets])[0][0]


def board(
    boxes: dict[str, tuple[int, int, int, int]],
    scores: dict[str, float],
    kept: Sequence[str] = (),
    dropped: Sequence[str] = (),
    gone: Sequence[str] = (),
    title: str = "",
    side: int = 17,
) -> Drawing:
    """Boxes with letters on squared paper: kept filled and strong, dropped now dashed, gone before absent."""
    wide, high = (max(box[i] for box in boxes.values()) + 1 for i in (2, 3))
    top = 24 if title else 0
    lines = [f"M{side * i} {top}V{top + side * high}" for i in range(wide + 1)]
    lines += [f"M0 {top + side * i}H{side * wide}" for i in range(high + 1)]
    body = [text(0, 10, title, "start", bold=True)] if title else []
    body.append(
        f'<path d="{"".join(lines)}" stroke="currentColor" stroke-width="0.5" opacity="0.3" fill="none"/>'
    )
    for name, (left, up, right, down) in boxes.items():
        if name in gone:
            continue
        colour = "blue" if name in kept else "orange" if name in dropped else None
        dashes = ' stroke-dasharray="5 4"' if name in dropped else ""
        width = STRONG if name in kept else 1.25
        place = (side * left, top + side * up, side * (right - left), side * (down - up))
        body.append(rect(*place, colour, dashes, width=width, tint=0.25))
        body.append(text(side * (left + 0.5), top + side * (up + 0.5), name, bold=True))
    alt = f"{title}: " if title else ""
    alt += _names("kept", kept) + _names("dropped now", dropped) + _names("dropped before", gone)
    waiting = [n for n in boxes if n not in (*kept, *dropped, *gone)]
    return canvas(body, side * wide + 2, top + side * high + 2, alt + _names("waiting", waiting), "img")


def _names(what: str, names: Sequence[str]) -> str:
    """ "kept A, D. " or nothing."""
    return f"{what} {', '.join(names)}. " if names else ""


def heaps(
    side: int, random: torch.Generator, classes: int = 80, count: int = 40, each: int = 10
) -> tuple[Float[Tensor, "n 4"], Float[Tensor, " n"], Int[Tensor, " n"]]:
    """`count` heaps of `each` similar boxes of one class, 8 to 32 pixels large, in a picture of `side` pixels."""
    centre = 32 + (side - 64) * torch.rand(count, 2, generator=random)
    size = 8 + 24 * torch.rand(count, 2, generator=random)
    centre, size = (t.repeat_interleave(each, 0) for t in (centre, size))  # n 2 each
    centre = centre + 0.12 * size * torch.randn(centre.shape, generator=random)
    size = size * (1 + 0.15 * torch.randn(size.shape, generator=random)).clamp(0.5, 1.6)
    labels = torch.randint(0, classes, (count,), generator=random).repeat_interleave(each)
    scores = torch.rand(count * each, generator=random)
    return torch.cat((centre - size / 2, centre + size / 2), dim=1), scores, labels
