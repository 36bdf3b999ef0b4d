"""Mosaic, MixUp, colour jitter and the mirror: YOLOX's strong augmentation. Explained in chapter 14.

Written from the rules of the official code (yolox/data/datasets/mosaicdetection.py and data_augment.py): the
same random numbers are drawn from the same ranges, but each source picture is warped once, straight
into the final frame, where the official code builds a canvas of 2H x 2W and warps that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

from .letterbox import PAD
from .warp import Tile, View, in_sight, move_boxes, paint

Picture = UInt8[np.ndarray, "h w 3"]
Frame = UInt8[np.ndarray, "H W 3"]
Boxes = Float[np.ndarray, "n 4"]
Labels = Int[np.ndarray, " n"]
Sample = tuple[
    UInt8[np.ndarray, "_ _ 3"], dict[str, Any]
]  #: a picture and its target, as a source gives them


@dataclass(frozen=True)
class Augment:
    """How strongly to augment; the defaults are the official settings of S, M, L and X."""

    mosaic: float = 1.0  # probability of a mosaic of four pictures
    mixup: float = 1.0  # probability of MixUp on top of a mosaic
    degrees: float = 10.0  # rotation, +-
    shear: float = 2.0  # degrees, +-, along each axis
    translate: float = 0.1  # of the frame's side, +-
    scale: tuple[float, float] = (0.1, 2.0)  # zoom of the mosaic
    mixup_scale: tuple[float, float] = (0.5, 1.5)  # zoom of the second picture
    hsv: tuple[int, int, int] = (5, 30, 30)  # hue (of 180), saturation, value (of 255), +-; each on by half
    flip: float = 0.5  # probability of the mirror image
    max_boxes: int = 120  # more are cut, and the target says how many
    # Of an object at least this share must be visible, or its label is dropped. Low on purpose: COCO labels
    # what the picture's edge cuts, however little is left of it, and evaluation counts it; below a tenth
    # the rest rarely shows what it belongs to.
    min_visible: float = 0.1

    def __post_init__(self) -> None:
        for name in ("mosaic", "mixup", "flip", "min_visible"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"Augment: {name} is {getattr(self, name)}; it is a share, 0 to 1")
        for name in ("scale", "mixup_scale"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"Augment: {name} is {(low, high)}; 0 < lowest <= highest was expected")

    @classmethod
    def for_preset(cls, name: str) -> "Augment":
        """The official settings of one of the presets: the small networks get milder pictures and no MixUp.

        "pico" is ours, not official; it is treated like "nano". Raises ValueError for a name that is none.
        """
        mild: dict[str, Any] = {"mixup": 0.0, "scale": (0.5, 1.5)}
        settings = {"tiny": mild, "nano": mild | {"mosaic": 0.5}, "pico": mild | {"mosaic": 0.5}}
        settings |= {big: {} for big in "smlx"}
        if name not in settings:
            raise ValueError(f"no augmentation settings for preset {name!r}; there are {', '.join(settings)}")
        return cls(**settings[name])


class Layout(NamedTuple):
    """What is random about a mosaic: where four pictures meet on the canvas, and the view of it."""

    centre: tuple[int, int]  # x, y on the canvas of 2H x 2W
    view: View  # 2 x 3 matrix, canvas -> frame


def random_layout(size: tuple[int, int], augment: Augment, rng: np.random.Generator) -> Layout:
    """A centre in the middle half of the canvas of 2H x 2W, and a random view of it (`random_view`)."""
    y, x = (rng.uniform(0.5, 1.5, 2) * size).astype(int).tolist()
    return Layout((x, y), random_view(size, augment, rng))


def random_view(size: tuple[int, int], augment: Augment, rng: np.random.Generator) -> View:
    """A random rotation, zoom, shear and shift, as a 2 x 3 matrix canvas -> frame.

    As in the official code they act about the canvas's corner, not its middle, and the frame is as large
    as a quarter of the mosaic's canvas: much of it can leave the frame.
    """
    height, width = size
    angle = np.deg2rad(rng.uniform(-augment.degrees, augment.degrees))
    zoom = rng.uniform(*augment.scale)
    shear_x, shear_y = np.tan(np.deg2rad(rng.uniform(-augment.shear, augment.shear, 2)))
    shift = rng.uniform(-augment.translate, augment.translate, 2) * (width, height)
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    turn = np.array([[cos, sin], [-sin, cos]])
    return np.column_stack([np.array([[1, shear_y], [shear_x, 1]]) @ turn, shift])


def mosaic_tile(quarter: int, shape: tuple[int, int], size: tuple[int, int], centre: tuple[int, int]) -> Tile:
    """Where a picture of `shape = (h, w)` lies in a mosaic around `centre = (x, y)`.

    Quarters 0 to 3: top left, top right, bottom left, bottom right. The picture is fitted into
    `size = (H, W)`, touches the centre with a corner and is cut off where it leaves the 2H x 2W canvas.
    """
    (x, y), (height, width), (h, w) = centre, size, shape
    scale = min(height / h, width / w)
    right_half, lower_half = quarter % 2 == 1, quarter >= 2
    left = x if right_half else x - w * scale
    top = y if lower_half else y - h * scale
    right = min(left + w * scale, 2 * width) if right_half else x
    bottom = min(top + h * scale, 2 * height) if lower_half else y
    return Tile(scale, left, top, (max(left, 0), max(top, 0), right, bottom))


def quarters_in_sight(layout: Layout, size: tuple[int, int]) -> list[bool]:
    """Which quarters of the mosaic the view can show at all, whatever picture lies there.

    More than a third of them cannot be seen (official settings), and their pictures need not be read.
    """
    (x, y), (height, width) = layout.centre, size
    columns, rows = ((0, x), (x, 2 * width)), ((0, y), (y, 2 * height))
    quarters = [(left, top, right, bottom) for top, bottom in rows for left, right in columns]
    return [in_sight(quarter, layout.view, size) is not None for quarter in quarters]


def mosaic(
    sources: Sequence[Sample | None],
    layout: Layout,
    size: tuple[int, int],
    min_visible: float = Augment.min_visible,
) -> tuple[Frame, Boxes, Labels]:
    """Four pictures around a centre, under a view. Explained in chapter 14.

    Args:
        sources: four (picture uint8 RGB, target with "boxes" xyxy in its pixels and "labels"); None
            leaves a quarter empty (for one that is out of sight).
        layout: centre and view.
        size: the frame, (height, width).
        min_visible: a box of which less is visible is dropped.

    Returns:
        the frame, and the boxes (xyxy, frame pixels) and labels of what is visible in it.
    """
    frame = np.full((*size, 3), PAD, dtype=np.uint8)
    found = [(np.zeros((0, 4)), np.zeros(0, dtype=np.int64))]
    for quarter, source in enumerate(sources):
        if source is None:
            continue
        image, target = source
        tile = mosaic_tile(quarter, image.shape[:2], size, layout.centre)
        paint(frame, image, tile, layout.view)
        found.append(_visible(target, tile, layout.view, size, min_visible))
    boxes, labels = zip(*found, strict=True)
    return frame, np.concatenate(boxes), np.concatenate(labels)


def mixup(
    frame: Frame,
    boxes: Boxes,
    labels: Labels,
    other: Sample,
    augment: Augment,
    rng: np.random.Generator,
) -> tuple[Frame, Float[np.ndarray, "m 4"], Int[np.ndarray, " m"]]:
    """Blend a second picture half and half into the frame, and join its labels. Explained in chapter 14.

    The picture is letterboxed, zoomed by `mixup_scale`, mirrored by half, and cut to the frame at a random
    place; where it does not reach, the frame is blended with black, as in the official code.
    """
    image, target = other
    size = height, width = frame.shape[:2]
    zoom, mirrored = rng.uniform(*augment.mixup_scale), rng.random() < 0.5
    canvas_height, canvas_width = int(height * zoom), int(width * zoom)
    x = int(rng.integers(0, canvas_width - width)) if canvas_width > width else 0
    y = int(rng.integers(0, canvas_height - height)) if canvas_height > height else 0
    view = np.array([[-1.0, 0, canvas_width - x], [0, 1, -y]] if mirrored else [[1.0, 0, -x], [0, 1, -y]])
    h, w = image.shape[:2]
    scale = min(height / h, width / w) * zoom
    tile = Tile(scale, 0.0, 0.0, (0.0, 0.0, w * scale, h * scale))
    layer = np.zeros_like(frame)
    layer[: canvas_height - y, : canvas_width - x] = PAD
    paint(layer, image, tile, view)
    more, more_labels = _visible(target, tile, view, size, augment.min_visible)
    frame = cv2.addWeighted(frame, 0.5, layer, 0.5, 0)
    return frame, np.concatenate([boxes, more]), np.concatenate([labels, more_labels])


def _visible(
    target: dict[str, Any], tile: Tile, view: View, size: tuple[int, int], min_visible: float
) -> tuple[Boxes, Labels]:
    """The boxes and labels that a picture brings into the frame: the visible rule.

    A label stays if at least `min_visible` of its box's area is in the frame (and not cut off by the
    mosaic's canvas), and if what is visible is more than one pixel wide and high.
    """
    boxes, share = move_boxes(np.asarray(target["boxes"], dtype=np.float64), tile, view, size)
    keep = (share > 0) & (share >= min_visible - 1e-9) & larger_than_a_pixel(boxes)
    return boxes[keep], np.asarray(target["labels"])[keep]


def larger_than_a_pixel(boxes: Boxes) -> np.ndarray:
    """Which boxes are more than one pixel wide and high; false for anything that is not finite."""
    return np.isfinite(boxes).all(1) & ((boxes[:, 2:] - boxes[:, :2]).min(1, initial=np.inf) > 1)


def hsv(image: Picture, gains: tuple[int, int, int], rng: np.random.Generator) -> Picture:
    """Shift hue, saturation and value by up to +-`gains`, each with probability one half.

    Whole steps, in OpenCV's units (hue 0-179, which wraps around; the others 0-255, which saturate).
    Explained in chapter 14.
    """
    shifts = (rng.uniform(-1, 1, 3) * gains * rng.integers(0, 2, 3)).astype(int).tolist()
    if not any(shifts):
        return image
    level = np.arange(256)
    tables = [(level + shifts[0]) % 180, *((level + shift).clip(0, 255) for shift in shifts[1:])]
    planes = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2HSV))
    moved = [
        cv2.LUT(plane, table.astype(np.uint8)) if shift else plane
        for plane, table, shift in zip(planes, tables, shifts, strict=True)
    ]
    return cv2.cvtColor(cv2.merge(moved), cv2.COLOR_HSV2RGB)


def flip(image: Picture, boxes: Boxes) -> tuple[Picture, Boxes]:
    """The mirror image, left for right, and its boxes. Explained in chapter 14."""
    width = image.shape[1]
    mirrored = boxes.copy()
    mirrored[:, [0, 2]] = width - boxes[:, [2, 0]]
    return cv2.flip(image, 1), mirrored
