"""The boxes of an annotation file against the sizes of their pictures. Explained in chapter 21."""

from __future__ import annotations

from collections import Counter

import numpy as np
from jaxtyping import Bool, Float

from .check_records import Table
from .findings import Findings, has_errors
from .letterbox import fit

SLACK = 1.0  # pixels that a box may reach over the edge: rounding, no fault
MOST = 120  # boxes of one picture that training takes (`Augment.max_boxes`)
ENOUGH = 4  # boxes from which on a habit of the whole file can be told from chance
FITS, ASTRAY = 0.8, 0.5  # IoU with its outline from which on a box fits, and below which it does not
SAME = 0.99  # IoU from which on two boxes are one, written twice
Boxes = Float[np.ndarray, "n 4"]


def check_boxes(table: Table, size: tuple[int, int], say: Findings) -> None:
    """Report every kind of fault of the boxes; `size` is the network's input (height, width). Chapter 21."""
    boxes, field = table.boxes, "annotations.bbox"
    finite = np.isfinite(boxes).all(1)
    what = "the numbers are NaN, infinite or absurd"
    mend = "Find the division by 0 that wrote them, or label again."
    say.each("error", "box-not-finite", field, table.places(~finite), what, mend)
    boxes = np.where(finite[:, None], boxes, 1.0)
    negative = finite & (boxes[:, 2:] < 0).any(1)
    mend = "Exchange the corners: x, y is the upper left one, width and height are positive."
    if _most(negative, finite) and (boxes[negative, :2] + boxes[negative, 2:] > 0).all(1).mean() > 0.9:
        mend = (
            "So are most: x, y were subtracted from a true width and height (xywh taken for xyxy). Add them."
        )
    say.each("error", "box-negative", field, table.places(negative), "width or height is negative", mend)
    flat = finite & ~negative & (boxes[:, 2:] == 0).any(1)
    what, mend = "the box has no area, and is left out", "Delete it, or label the object again."
    say.each("warning", "box-flat", field, table.places(flat), what, mend)
    good = finite & ~negative & ~flat
    if not _other_format(boxes[good], table.sizes[good], table.areas[good], table.outlines[good], say):
        _edges(table, boxes, good, say)
        _strays(table, boxes, good, say)
        _areas(table, boxes, good, say)
        _tiny(table, boxes, good & ~table.crowd, size, say)
    _doubles(table, boxes, good & ~table.crowd, say)
    _crowded(table, say)


FORMATS = {  # code: (what the boxes look like, the mend)
    "box-normalised": (
        "normalised to 0-1",
        "Multiply x and width by the picture's width, y and height by its height; if x, y is the centre, "
        "as in YOLO's files, also subtract half of width and height.",
    ),
    "box-corners": ("like corners (x1, y1, x2, y2)", "Write x1, y1, x2 - x1, y2 - y1."),
    "box-centres": ("like centre, width, height", "Write x - width / 2, y - height / 2, width, height."),
    "box-turned": ("like y, x, height, width", "Exchange the first two numbers, and the last two."),
}


def _other_format(
    boxes: Boxes,
    sizes: Float[np.ndarray, "n 2"],
    areas: Float[np.ndarray, " n"],
    outlines: Boxes,
    say: Findings,
) -> bool:
    """Whether the file as a whole looks as if its boxes were in another format; which one is reported."""
    if len(boxes) < ENOUGH:
        return False
    code = _by_outlines(boxes, outlines)
    if code is None:
        code = _by_numbers(boxes, sizes, areas)
    if not code:
        return False
    example = f"{np.round(boxes[0], 4).tolist()} in a picture of {sizes[0, 0]:.0f} x {sizes[0, 1]:.0f}"
    what, mend = FORMATS[code]
    asked = "COCO asks for x, y, width, height in pixels, x and y of the upper left corner"
    say.each("error", code, "annotations.bbox", [example], f"all boxes look {what}; {asked}", mend)
    return True


def _by_outlines(boxes: Boxes, outlines: Boxes) -> str | None:
    """The format in which the boxes fit their outlines, "" if it is COCO's; None if too few fit in any."""
    known = np.isfinite(outlines).all(1)
    if known.sum() < ENOUGH:
        return None
    boxes, outlines = boxes[known], outlines[known]
    here, there = boxes[:, :2], boxes[:, 2:]
    readings = {
        "": boxes,
        "box-corners": np.hstack([here, there - here]),
        "box-centres": np.hstack([here - there / 2, there]),
        "box-turned": np.hstack([here[:, ::-1], there[:, ::-1]]),
    }
    fits = {code: (_overlap(read, outlines) > FITS).mean() for code, read in readings.items()}
    code = max(fits, key=fits.get)
    return code if fits[code] > 0.9 else None


def _by_numbers(boxes: Boxes, sizes: Float[np.ndarray, "n 2"], areas: Float[np.ndarray, " n"]) -> str:
    """The format that the numbers themselves give away, "" if none.

    Boxes that were written as corners, or about a centre, leave their pictures; corners also give
    themselves away where the areas fit x2 - x1 and y2 - y1.
    """
    here, there, frame = boxes[:, :2], boxes[:, 2:], sizes + SLACK
    over = (here + there > frame).any(1).mean()
    as_corners = ((there > here) & (there <= frame)).all(1).mean()
    by_area = np.isclose((there - here).prod(1), areas, rtol=0.01).mean()
    as_centres = ((here - there / 2 >= -SLACK) & (here + there / 2 <= frame)).all(1).mean()
    if (np.abs(boxes) <= 1.01).all(1).mean() > 0.9 and (sizes > 4).all():
        return "box-normalised"
    if as_corners > 0.98 and (over > 0.3 or by_area > 0.98):
        return "box-corners"
    return "box-centres" if over > 0.1 and as_centres > 0.98 else ""


def _strays(table: Table, boxes: Boxes, good: Bool[np.ndarray, " n"], say: Findings) -> None:
    """Boxes that alone are unlike the others: normalised, or far from their outlines."""
    shares = good & (np.abs(boxes) <= 1.01).all(1) & (boxes % 1 > 0).any(1) & (table.sizes > 4).all(1)
    what, mend = "the box looks normalised to 0-1, others are in pixels", FORMATS["box-normalised"][1]
    severity = "error" if shares.sum() >= ENOUGH else "warning"
    say.each(severity, "box-normalised", "annotations.bbox", table.places(shares), what, mend)
    known = good & ~shares & np.isfinite(table.outlines).all(1)
    astray = known & (_overlap(boxes, np.nan_to_num(table.outlines)) < ASTRAY)
    what = "the box lies elsewhere than its outline (segmentation)"
    mend = "One of the two was changed or scaled: make the box anew from the least and greatest x and y."
    severity = "error" if _most(astray, known) else "warning"
    say.each(severity, "box-outline", "annotations.bbox", table.places(astray), what, mend)


def _edges(table: Table, boxes: Boxes, good: Bool[np.ndarray, " n"], say: Findings) -> None:
    start, end = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    outside = good & ((start >= table.sizes) | (end <= 0)).any(1)
    what = "the box lies outside its picture"
    mend = "Is it another picture's, or was the picture scaled or cropped after labelling? Label it again."
    say.each("error", "box-outside", "annotations.bbox", table.places(outside), what, mend)
    over = good & ~outside & ((start < -SLACK) | (end > table.sizes + SLACK)).any(1)
    what = f"the box reaches over the picture's edge by more than {SLACK:.0f} pixel, and is clipped"
    mend = "Fine if the object goes on there; else the picture was scaled or cropped after labelling."
    if _most(over | outside, good):
        mend = "So do most boxes: the pictures were scaled or cropped after labelling. Scale the boxes too."
    say.each("warning", "box-over-edge", "annotations.bbox", table.places(over), what, mend)


def _most(some: Bool[np.ndarray, " n"], of: Bool[np.ndarray, " n"]) -> bool:
    """Whether a fault is a habit of the file: more than half of the boxes have it, and they are not few."""
    return bool(some.sum() >= ENOUGH and some.sum() > of.sum() / 2)


def _areas(table: Table, boxes: Boxes, good: Bool[np.ndarray, " n"], say: Findings) -> None:
    most = 1.1 * boxes[:, 2:].prod(1) + 4  # a mask's pixels, counted, may be a few more
    wrong = good & ((table.areas <= 0) | (table.areas > most))
    places = [f"{place}: {table.areas[i]:g}" for place, i in zip(table.places(wrong), np.flatnonzero(wrong))]
    what = "the area is 0, negative, or larger than the box; AP of small, medium and large goes by it"
    mend = "Write width x height, or leave the field out."
    say.each("warning", "area-wrong", "annotations.area", places, what, mend)


def _tiny(
    table: Table, boxes: Boxes, good: Bool[np.ndarray, " n"], size: tuple[int, int], say: Findings
) -> None:
    shapes = {(w, h): fit(int(h), int(w), size)[0] for w, h in set(map(tuple, table.sizes.tolist()))}
    scale = np.array([shapes[w, h] for w, h in table.sizes.tolist()]).reshape(-1, 1)
    tiny = good & (boxes[:, 2:] * scale <= 1).any(1)
    share = tiny.sum() / max(good.sum(), 1)
    severity = "warning" if share > 0.05 and tiny.sum() >= ENOUGH else "note"
    what = (
        f"at {size[0]} x {size[1]} the box is at most one pixel wide or high ({share:.1%} of all): not learnt"
    )
    say.each(
        severity, "box-tiny", "annotations.bbox", table.places(tiny), what, "Train at a larger size, if many."
    )


def _doubles(table: Table, boxes: Boxes, good: Bool[np.ndarray, " n"], say: Findings) -> None:
    """Sorted by picture, x and y, boxes that are the same stand next to each other, or nearly so."""
    index = np.flatnonzero(good)
    place = {image_id: i for i, image_id in enumerate(table.by_id)}
    image = np.array([place[a["image_id"]] for a in table.boxed], dtype=np.int64)
    label = [a["category_id"] for a in table.boxed]
    index = index[np.lexsort((boxes[index, 1], boxes[index, 0], image[index]))]
    same, other = np.zeros(len(boxes), dtype=bool), np.zeros(len(boxes), dtype=bool)
    for step in range(1, 5):
        first, second = index[:-step], index[step:]
        pairs = (image[first] == image[second]) & (_overlap(boxes[first], boxes[second]) > SAME)
        for i, j in zip(first[pairs], second[pairs]):
            (same if label[i] == label[j] else other)[j] = True
    what, mend = "the same box of the same class stands there twice", "Delete one of the two."
    say.each("warning", "box-twice", "annotations.bbox", table.places(same), what, mend)
    what, mend = "two classes have the same box", "Look which is right; delete the other."
    say.each("note", "box-two-classes", "annotations.category_id", table.places(other & ~same), what, mend)


def _overlap(a: Boxes, b: Boxes) -> Float[np.ndarray, " n"]:
    """IoU of boxes x, y, width, height, row by row."""
    top_left = np.maximum(a[:, :2], b[:, :2])
    bottom_right = np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:])
    shared = (bottom_right - top_left).clip(0).prod(1)
    return shared / (a[:, 2:].prod(1) + b[:, 2:].prod(1) - shared).clip(1e-12)


def _crowded(table: Table, say: Findings) -> None:
    count = Counter(a["image_id"] for a in table.boxed if not a.get("iscrowd"))
    many = [f"{table.by_id[i]['file_name']}: {n}" for i, n in count.most_common() if n > MOST]
    what = f"the picture has more than {MOST} boxes; training takes the first {MOST}"
    mend = "Cut the picture into parts, or raise max_boxes."
    say.each("warning", "boxes-many", "annotations", many, what, mend)
    empty = [image["file_name"] for image in table.images if image["id"] not in count]
    mend = "Fine: it teaches what is no object. If objects are in it, label them."
    if count or not has_errors(say):
        say.each("note", "boxes-none", "images", empty, "the picture has no box", mend)
    if not count and table.images and not has_errors(say):  # else it is said already why
        what = "there is no box that can be used in the whole file"
        what += ": all stand for crowds" if table.boxed else ""
        say.add("error", "boxes-none-at-all", "annotations", what, "Label the pictures.")
