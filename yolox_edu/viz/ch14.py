"""What chapter 14 draws and counts: rows of pictures, where a frame looks, outlines that are turned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Bool, Float, UInt8
from matplotlib.axes import Axes
from matplotlib.patches import Polygon, Rectangle

from yolox_edu.data.augment import Layout, Sample, mosaic, mosaic_tile
from yolox_edu.data.crossing_render import paint_thing
from yolox_edu.data.crossing_scene import NAMES, NOTHING, compose
from yolox_edu.data.warp import View, _corners, move_boxes
from yolox_edu.viz.mosaicked import official_corners

SIDE = 320  # of the chapter's frame; the canvas has twice that
SIZE = (SIDE, SIDE)
Outline = Bool[np.ndarray, "h w"]


def strip(sample: Sample, h: int, w: int) -> Sample:
    """The upper left h x w pixels of a street, with the boxes in them."""
    boxes = sample[1]["boxes"].clip(0, [w, h, w, h])
    keep = (boxes[:, 2:] - boxes[:, :2]).min(1) > 8
    return sample[0][:h, :w], {"boxes": boxes[keep], "labels": sample[1]["labels"][keep]}


def show(ax: Axes, picture: UInt8[np.ndarray, "h w 3"], boxes: Any, title: str) -> None:
    """A picture with its boxes, red on white so that they show on any ground."""
    ax.imshow(picture)
    for x1, y1, x2, y2 in boxes:
        for colour, width in (("w", 2.4), ("C3", 1.2)):
            ax.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, ec=colour, lw=width))
    ax.set(title=title)
    ax.axis("off")


def panels(*shown: tuple[Any, Any, str]) -> None:
    """Pictures side by side, each with boxes and a title."""
    count = len(shown)
    wide, high = (3.7, 3.9) if count == 1 else (min(8.0, 2.15 * count), 0.3 + min(8.0, 2.15 * count) / count)
    _, axes = plt.subplots(1, count, figsize=(wide, high), squeeze=False)
    for ax, each in zip(axes[0], shown):
        show(ax, *each)
    plt.show()


# --- where a frame looks ----------------------------------------------------------------------------------


def _middles(count: int, side: int) -> Float[np.ndarray, "count**2 2"]:
    """The middles (x, y) of count x count cells over a square."""
    return (np.indices((count, count))[::-1].reshape(2, -1).T + 0.5) * side / count


def filled(layout: Layout, count: int = 32) -> list[float]:
    """The share of the frame that each of four square pictures fills, by count x count sample points."""
    linear, shift = layout.view[:, :2], layout.view[:, 2]
    at = (_middles(count, SIDE) - shift) @ np.linalg.inv(linear).T  # count² 2, on the canvas
    off = at - layout.centre
    there = ((at >= 0) & (at < 2 * SIDE) & (abs(off) < SIDE)).all(1)
    quarter = (off[:, 0] >= 0) + 2 * (off[:, 1] >= 0)
    return [float((there & (quarter == q)).mean()) for q in range(4)]


def where(layouts: Mapping[str, Sequence[Layout]]) -> None:
    """How many of the views see each point of the canvas: a map for each name."""
    fig, axes = plt.subplots(1, len(layouts), figsize=(6.6, 2.8))
    for ax, (words, some) in zip(axes, layouts.items()):
        points = (_middles(64, 2 * SIDE) @ each.view[:, :2].T + each.view[:, 2] for each in some)
        seen = np.mean([((p >= 0) & (p < SIDE)).all(1) for p in points], 0).reshape(64, 64)
        extent = (0, 2 * SIDE, 2 * SIDE, 0)
        drawn = ax.imshow(seen, cmap="cividis", vmin=0, vmax=1, extent=extent)
        for at, dashes in ((SIDE / 2, "--"), (0, ":")):
            ax.add_patch(Rectangle((at, at), SIDE, SIDE, fill=False, ec="w", ls=dashes, lw=1.5))
        ax.set(title=words, xlabel="canvas x", ylabel="canvas y")
    fig.colorbar(drawn, ax=axes, label="share of views")
    plt.show()


# --- outlines that are turned -----------------------------------------------------------------------------


def outlines(pictures: int = 20) -> dict[str, list[Outline]]:
    """The outlines of whole things of Crossing, by class, each on a sheet of its own."""
    found = {name: [] for name in NAMES}
    for i in range(pictures):
        scene = compose(np.random.default_rng([0, i]))
        for thing in scene.things:
            if thing.label != NOTHING:
                solid = np.asarray(paint_thing(thing, scene.street, 480).image.getchannel(3)) > 127
                if solid.sum() > 400:
                    found[NAMES[thing.label]].append(solid)
    return found


def tight_and_label(solid: Outline, view: View) -> tuple[np.ndarray, np.ndarray]:
    """The box around the mapped pixels of an outline, and the one around its box's mapped corners: 4, 4."""
    inner = cv2.erode(solid.astype(np.uint8), np.ones((3, 3)), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    y, x = np.nonzero(solid & (inner == 0))  # the rim is enough
    pixels = _corners(np.stack([x, y, x + 1, y + 1], 1).astype(float), view).reshape(-1, 2)
    whole = _corners(np.array([[x.min(), y.min(), x.max() + 1.0, y.max() + 1.0]]), view)[0]
    tight, label = (np.concatenate([p.min(0), p.max(0)]) for p in (pixels, whole))
    return tight, label


def turned_person(view_of: Any, degrees: Sequence[int] = (0, 10)) -> None:
    """The largest person of Crossing's first scenes, turned: the label solid, the tight box dashed."""
    scene = compose(np.random.default_rng([0, 3]))
    people = [t for t in scene.things if t.label != NOTHING and NAMES[t.label] == "person"]
    sheets = [np.asarray(paint_thing(t, scene.street, 960).image) for t in people]
    sheet = max(sheets, key=lambda s: (s[..., 3] > 127).sum())
    h, w = sheet.shape[:2]
    _, axes = plt.subplots(1, len(degrees), figsize=(2.4 * len(degrees), 3.1))
    for ax, angle in zip(axes, degrees):
        view = view_of(angle, shift=(h / 20, h / 20 + w / 6))
        tight, label = tight_and_label(sheet[..., 3] > 127, view)
        room = (w + h // 4, h + h // 10 + w // 6)
        show(ax, cv2.warpAffine(sheet, view, room), [label], f"turned by {angle}°")
        ax.add_patch(Rectangle(tight[:2], *(tight[2:] - tight[:2]), fill=False, ls="--", lw=1.5))
    plt.show()


# --- what the view cuts -----------------------------------------------------------------------------------


def fate(layout: Layout, sources: Sequence[Sample]) -> tuple[Float[np.ndarray, "g 4"], np.ndarray]:
    """What a mosaic does to each label: rows of numbers, and the turned corners of its box (g 4 2).

    A row: side before, visible share, then the shorter side after, of our box and of the official one. That
    one is cut to the canvas first, turned by its corners, and then cut to the frame.
    """
    rows, turned = [np.zeros((0, 4))], [np.zeros((0, 4, 2))]
    for quarter, (picture, target) in enumerate(sources):
        tile = mosaic_tile(quarter, picture.shape[:2], SIZE, layout.centre)
        boxes = target["boxes"].astype(float)
        ours, visible = move_boxes(boxes, tile, layout.view, SIZE)
        turned.append(official_corners(boxes, tile, layout.view))
        official = turned[-1].clip(0, SIDE)
        side = (boxes[:, 2:] - boxes[:, :2]).prod(1) ** 0.5
        shorter = (ours[:, 2:] - ours[:, :2]).min(1), (official.max(1) - official.min(1)).min(1)
        rows.append(np.stack([side, visible.round(9), *shorter], 1))
    return np.concatenate(rows), np.concatenate(turned)


def slivers(layouts: Sequence[Layout], streets: Any, least: float = 0.1, count: int = 4) -> None:
    """Official labels that show less than `least` of a thing, above, and those that show nothing, below.

    Each is cut out with some pixels around it; dashed, the turned box that it was made from.
    """
    _, axes = plt.subplots(2, count, figsize=(7, 3.9))
    above, below, picks = list(axes[0]), list(axes[1]), np.random.default_rng(1)
    for layout in layouts:
        sources = [streets[i] for i in picks.integers(0, len(streets), 4)]
        rows, turned = fate(layout, sources)
        classes = [NAMES[label] for _, target in sources for label in target["labels"]]
        for slots, hits in ((above, rows[:, 1] > 0), (below, rows[:, 1] == 0)):
            hits = np.flatnonzero(hits & (rows[:, 1] < least) & (rows[:, 3] > 4))
            if len(hits) and slots:
                k = hits[0]
                frame = mosaic(sources, layout, SIZE)[0]
                _crop(slots.pop(0), frame, turned[k], f"{classes[k]}, {rows[k, 1]:.1%} visible")
    plt.show()


def _crop(ax: Axes, frame: UInt8[np.ndarray, "H W 3"], corners: Float[np.ndarray, "4 2"], title: str) -> None:
    """The surroundings of the official label around turned corners."""
    low, high = corners.clip(0, SIDE).min(0), corners.clip(0, SIDE).max(0)
    show(ax, frame, [[*low, *high]], title)
    for colour, dashes in (("w", "-"), ("k", (0, (2, 2)))):
        ax.add_patch(Polygon(corners, fill=False, ec=colour, ls=dashes, lw=1))
    (x, y), reach = (low + high) / 2, max(12, (high - low).max() * 0.8)
    ax.set(xlim=(x - reach, x + reach), ylim=(y + reach, y - reach))
