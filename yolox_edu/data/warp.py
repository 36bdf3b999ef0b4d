"""One picture, warped once, straight into its place on the final canvas - and its boxes with it.

Explained in chapter 14. Coordinates are continuous: pixel i covers [i, i+1], its centre is i + 0.5. So a box
and the pixels under it stay together at any scale (the official code maps pixel *indices* with the
same matrix and is half a pixel off at scale 2). Two steps bring a point to the frame: `Tile` lays the
picture on a virtual canvas (scale and shift), `view` (a 2 x 3 matrix) looks at that canvas.
"""

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, Float64, UInt8

View = Float64[np.ndarray, "2 3"]
Number = int | float
Rectangle = tuple[Number, Number, Number, Number]  #: x1 y1 x2 y2


class Tile(NamedTuple):
    """Where a picture lies on the virtual canvas: point x canvas = x picture * scale + left."""

    scale: float
    left: float
    top: float
    shown: Rectangle  # x1 y1 x2 y2 on the canvas; the rest of the picture is cut off


def paint(
    frame: UInt8[np.ndarray, "H W 3"], image: UInt8[np.ndarray, "h w 3"], tile: Tile, view: View
) -> None:
    """Draw the shown part of one picture into the frame, in place, with a single bilinear warp.

    Only the part of the frame where the picture appears is computed, and only pixels whose centre lies in
    `tile.shown` are written, so tiles that share an edge neither overlap nor leave a gap.
    """
    roi = in_sight(tile.shown, view, frame.shape[:2])
    if roi is None:
        return
    x1, y1, x2, y2 = roi
    part, matrix = _part(image, tile, view, roi)
    # Index i is the point i + 0.5, on both sides.
    shift = matrix[:, :2].sum(1) / 2 + matrix[:, 2] - (x1, y1) - 0.5
    matrix = np.column_stack([matrix[:, :2], shift])
    # Four channels warp in half the time of three (OpenCV has a vector path for them).
    warped = cv2.warpAffine(cv2.cvtColor(part, cv2.COLOR_RGB2RGBA), matrix, (x2 - x1, y2 - y1))
    warped = cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB)
    mask = _inside(tile.shown, view, roi)
    if mask is None:
        frame[y1:y2, x1:x2] = warped
    else:
        cv2.copyTo(warped, mask, frame[y1:y2, x1:x2])


def in_sight(shown: Rectangle, view: View, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """The pixels x1 y1 x2 y2 of the frame around a rectangle of the canvas, or None if it is out of sight."""
    height, width = size
    corners = _corners(np.array([shown], dtype=float), view)[0]
    x1, y1 = np.floor(corners.min(0)).clip(0, (width, height)).astype(int).tolist()
    x2, y2 = np.ceil(corners.max(0)).clip(0, (width, height)).astype(int).tolist()
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def _part(
    image: np.ndarray, tile: Tile, view: np.ndarray, roi: tuple[int, int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The pixels of the picture that are needed, reduced if they come out small; their matrix."""
    height, width = image.shape[:2]
    place = np.array([[tile.scale, 0, tile.left], [0, tile.scale, tile.top], [0, 0, 1]])
    matrix = view @ place
    seen = _corners(np.array([roi], dtype=float), cv2.invertAffineTransform(matrix))[0]
    shown = (np.array(tile.shown).reshape(2, 2) - (tile.left, tile.top)) / tile.scale
    x1, y1 = np.floor(np.maximum(seen.min(0), shown[0])).clip(0, (width - 1, height - 1)).astype(int).tolist()
    x2, y2 = (
        np.ceil(np.minimum(seen.max(0), shown[1]))
        .clip((x1 + 1, y1 + 1), (width, height))
        .astype(int)
        .tolist()
    )
    part = image[y1:y2, x1:x2]
    matrix[:, 2] += matrix[:, :2] @ (x1, y1)
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    while scale <= 0.5 and min(part.shape[:2]) > 1:  # bilinear alone would skip pixels: average 2 x 2 first
        part = _half(part)
        matrix[:, :2] *= 2
        scale *= 2
    # A border of its own pixels, so that the picture's rim does not fade to black.
    part = cv2.copyMakeBorder(part, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    matrix[:, 2] -= matrix[:, :2].sum(1)
    return part, matrix


def _half(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        image = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return cv2.resize(image, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA)


def _inside(shown: Rectangle, view: np.ndarray, roi: tuple[int, int, int, int]) -> np.ndarray | None:
    """uint8 mask of the roi's pixels whose centre lies in `shown` (x1 <= x < x2); None if all do.

    Looking back, a row of the frame runs over the canvas along a straight line, and leaves the rectangle
    at most twice: so a row's pixels are one run, found for all rows at once.
    """
    x1, y1, x2, y2 = roi
    back = cv2.invertAffineTransform(view)
    rows = np.arange(y1, y2) + 0.5
    first, last = np.full(len(rows), x1), np.full(len(rows), x2)
    for axis in (0, 1):
        slope = back[axis, 0] if abs(back[axis, 0]) > 1e-12 else 1e-12  # parallel: all of the row or nothing
        start = back[axis, 1] * rows + back[axis, 2]
        ends = np.sort([(shown[axis] - start) / slope, (shown[axis + 2] - start) / slope], axis=0)
        runs = np.ceil(ends - 0.5).clip(x1, x2).astype(int)  # the first pixel whose centre is at or beyond
        first, last = np.maximum(first, runs[0]), np.minimum(last, runs[1])
    if (first <= x1).all() and (last >= x2).all():
        return None
    columns = np.arange(x1, x2, dtype=np.int16)
    mask = (columns >= first.astype(np.int16)[:, None]) & (columns < last.astype(np.int16)[:, None])
    return mask.view(np.uint8)


def move_boxes(
    boxes: Float[np.ndarray, "n 4"], tile: Tile, view: View, size: tuple[int, int]
) -> tuple[Float64[np.ndarray, "n 4"], Float64[np.ndarray, " n"]]:
    """Boxes of the picture -> boxes around what can be seen of them in the `size = (H, W)` frame.

    Returns the boxes (xyxy, frame pixels) and the visible share of each: the area inside `tile.shown` and
    the frame over the whole. A box out of sight has share 0. A box that leaves the frame at an angle
    is fitted to its visible polygon; the official code clips the bounding box of all four corners,
    which reaches beyond the visible part. Explained in chapter 14.
    """
    whole = boxes * tile.scale + np.tile([tile.left, tile.top], 2)
    x1, y1, x2, y2 = tile.shown
    cut = whole.clip([x1, y1, x1, y1], [x2, y2, x2, y2])
    quads = _corners(cut, view)
    lost = (cut[:, 2] <= cut[:, 0]) | (cut[:, 3] <= cut[:, 1])
    height, width = size
    low, high = quads.min(1), quads.max(1)
    moved = np.concatenate([low, high], axis=1)
    area = _box_area(cut) * abs(np.linalg.det(view[:, :2]))
    lost |= (high <= 0).any(1) | (low >= (width, height)).any(1)
    partly = ~lost & ((low < 0).any(1) | (high > (width, height)).any(1))
    for i in np.flatnonzero(partly):
        polygon = np.array(_clip_polygon(quads[i].tolist(), width, height)).reshape(-1, 2)
        area[i] = _polygon_area(polygon)
        if len(polygon):
            moved[i] = *polygon.min(0), *polygon.max(0)
    area[lost] = 0
    full = _box_area(whole) * abs(np.linalg.det(view[:, :2]))
    return moved.clip(0, [width, height, width, height]), area / np.maximum(full, 1e-12)


def _corners(boxes: Float[np.ndarray, "n 4"], matrix: View) -> Float64[np.ndarray, "n 4 2"]:
    """The four corners of each box, in order around it, through the matrix."""
    return boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2) @ matrix[:, :2].T + matrix[:, 2]


def _box_area(boxes: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, " n"]:
    return (boxes[:, 2] - boxes[:, 0]).clip(0) * (boxes[:, 3] - boxes[:, 1]).clip(0)


def _clip_polygon(points: list[list[float]], width: int, height: int) -> list[list[float]]:
    """Cut a convex polygon to the frame, one side after the other (Sutherland and Hodgman, 1974)."""
    for axis, limit, sign in ((0, 0.0, 1), (1, 0.0, 1), (0, width, -1), (1, height, -1)):
        kept = []
        for a, b in zip(points, points[1:] + points[:1], strict=True):
            room_a, room_b = (a[axis] - limit) * sign, (b[axis] - limit) * sign
            if room_a >= 0:
                kept.append(a)
            if (room_a > 0 > room_b) or (room_a < 0 < room_b):  # the edge crosses the side
                t = room_a / (room_a - room_b)
                kept.append([a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])])
        points = kept
    return points


def _polygon_area(points: Float[np.ndarray, "n 2"]) -> float:
    x, y = points.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2 if len(points) else 0.0
