"""Augmentation against independent truths: maps applied point by point, pixels looked up one by one."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yolox_edu.data.augment import (
    Augment,
    Layout,
    flip,
    hsv,
    mixup,
    mosaic,
    mosaic_tile,
    quarters_in_sight,
    random_layout,
    random_view,
)
from yolox_edu.data.warp import Tile, in_sight, move_boxes, paint

SIZE = (120, 160)  # H, W of most frames here
SEEDS = st.integers(0, 2**31)
COLOURS = np.array([[250, 20, 20], [20, 250, 20], [20, 20, 250], [240, 240, 20]], dtype=np.uint8)


def still(**changes):
    """Settings without colour changes."""
    return Augment(**{"hsv": (0, 0, 0), "flip": 0.0} | changes)


def target(boxes=(), labels=None):
    boxes = np.array(boxes, dtype=np.float32).reshape(-1, 4)
    labels = np.arange(len(boxes)) if labels is None else np.array(labels)
    return {"boxes": boxes, "labels": labels, "image_id": 0, "file": "x"}


def flat(height, width, colour):
    return np.tile(np.asarray(colour, dtype=np.uint8), (height, width, 1))


def random_boxes(rng, n, height, width):
    a, b = rng.uniform(0, 1, (2, n, 2)) * [width, height]
    return np.hstack([np.minimum(a, b), np.maximum(a, b)])


def rim(box, n=2001):
    """Points along the four sides of a box, corners included."""
    t = np.linspace(0, 1, n)
    x, y = box[0] + t * (box[2] - box[0]), box[1] + t * (box[3] - box[1])
    sides = [
        (x, np.full(n, box[1])),
        (x, np.full(n, box[3])),
        (np.full(n, box[0]), y),
        (np.full(n, box[2]), y),
    ]
    return np.concatenate([np.stack(side, axis=1) for side in sides])


def oracle(box, tile, view, size):
    """Point by point: the extent of what is visible of a box, and its share; None if nothing is.

    The visible part is where box, tile and frame overlap, so its rim consists of pieces of their rims:
    many points of each are tried, one by one, for lying in all three. The share is counted on a grid.
    """
    box = np.asarray(box) * tile.scale + [tile.left, tile.top] * 2
    linear, shift = view[:, :2], view[:, 2]
    frame = np.array([0, 0, size[1], size[0]])

    def visible(points):
        inside = np.ones(len(points), dtype=bool)
        for rectangle, p in ((box, points), (tile.shown, points), (frame, points @ linear.T + shift)):
            inside &= (p >= np.subtract(rectangle[:2], 1e-6)).all(1) & (p <= np.add(rectangle[2:], 1e-6)).all(
                1
            )
        return inside

    back = (rim(frame) - shift) @ np.linalg.inv(linear).T
    points = np.concatenate([rim(box), rim(tile.shown), back])
    points = points[visible(points)] @ linear.T + shift
    grid = np.stack(np.meshgrid(*((np.arange(100) + 0.5) / 100,) * 2), axis=-1).reshape(-1, 2)
    share = visible(box[:2] + grid * (box[2:] - box[:2])).mean()
    return (np.concatenate([points.min(0), points.max(0)]) if len(points) else None), share


def marked(rng, ground):
    """A plain picture with one white rectangle, and its box."""
    height, width = rng.integers(60, 260, 2).tolist()
    x1, y1 = rng.integers(3, [width - 30, height - 30]).tolist()
    x2, y2 = rng.integers([x1 + 24, y1 + 24], [width - 2, height - 2]).tolist()
    image = flat(height, width, (ground,) * 3)
    image[y1:y2, x1:x2] = 255
    return image, target([[x1, y1, x2, y2]], [7])


def tolerance(sample):
    """0.51 px; an edge that was averaged over 4 x 4 pixels is not quite half-bright where it lies."""
    height, width = sample[0].shape[:2]
    return 0.51 if min(SIZE[0] / height, SIZE[1] / width) >= 0.84 else 0.6  # 0.3 x 0.84 > 1/4


def extent(ink):
    rows, columns = np.nonzero(ink.any((1, 2)))[0], np.nonzero(ink.any((0, 2)))[0]
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


# --- geometry


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_boxes_are_right_to_half_a_pixel_point_by_point(seed):
    """Mosaic: all quarters, all angles, boxes inside, cut off by the canvas, by the frame, out of sight."""
    rng = np.random.default_rng(seed)
    layout = random_layout(SIZE, Augment(), rng)
    shape = tuple(rng.integers(20, 300, 2).tolist())
    tile = mosaic_tile(int(rng.integers(4)), shape, SIZE, layout.centre)
    boxes = random_boxes(rng, 4, *shape)
    moved, share = move_boxes(boxes, tile, layout.view, SIZE)
    for box, ours, part in zip(boxes, moved, share, strict=True):
        truth, true_part = oracle(box, tile, layout.view, SIZE)
        assert abs(part - true_part) < 0.03
        if truth is not None and part > 0:
            assert np.abs(ours - truth).max() < 0.51
        assert (ours >= 0).all() or part == 0


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_boxes_sit_on_their_pixels(seed):
    """Marked rectangles drawn into the sources are found where the boxes say (without rotation)."""
    rng = np.random.default_rng(seed)
    layout = random_layout(SIZE, still(degrees=0.0, shear=0.0, scale=(0.3, 2.0)), rng)
    for quarter in range(4):
        sample = marked(rng, ground=114)
        frame, boxes, _ = mosaic([sample if q == quarter else None for q in range(4)], layout, SIZE, 0.0)
        for box in boxes:
            assert np.abs(extent(frame > (114 + 255) / 2) - box).max() <= tolerance(sample)


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_every_pixel_belongs_to_the_right_picture(seed):
    """Four pictures of one colour each: no overlap, no gap, nothing beyond a picture's edge."""
    rng = np.random.default_rng(seed)
    layout = random_layout(SIZE, Augment(scale=(0.2, 2.0)), rng)
    sources = [(flat(*rng.integers(20, 300, 2), colour), target()) for colour in COLOURS]
    frame, _, _ = mosaic(sources, layout, SIZE)
    a, b = np.linalg.inv(layout.view[:, :2]), layout.view[:, 2]
    v, u = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    x, y = a @ (np.stack([u.ravel(), v.ravel()]) - b[:, None])
    truth = np.full((SIZE[0] * SIZE[1], 3), 114)
    for quarter, (image, _) in enumerate(sources):
        h, w = image.shape[:2]
        s = min(SIZE[0] / h, SIZE[1] / w)
        cx, cy = layout.centre
        left, top = (cx - w * s, cx)[quarter % 2], (cy - h * s, cy)[quarter // 2]
        inside = (x >= max(left, 0)) & (x < min(left + w * s, 2 * SIZE[1]))
        inside &= (y >= max(top, 0)) & (y < min(top + h * s, 2 * SIZE[0]))
        truth[inside] = COLOURS[quarter]
    assert (frame.reshape(-1, 3) != truth).any(
        1
    ).sum() <= 2  # a centre exactly on an edge may fall either way


def smooth(rng, height, width):
    image = cv2.resize(
        rng.integers(0, 256, (6, 8, 3), dtype=np.uint8), (width, height), interpolation=cv2.INTER_CUBIC
    )
    return np.clip(image, 0, 255)


@pytest.mark.parametrize("seed", range(6))
def test_the_picture_is_that_of_the_official_two_steps(seed):
    """Build the 2H x 2W canvas, then warp it: the same picture, apart from the canvas's whole-pixel sizes."""
    rng = np.random.default_rng(seed)
    height, width = SIZE
    layout = random_layout(SIZE, Augment(scale=(0.6, 1.8)), rng)
    cx, cy = layout.centre
    sources = [(smooth(rng, *shape), target()) for shape in ((90, 130), (240, 160), (100, 300), (120, 160))]
    canvas = np.full((2 * height, 2 * width, 3), 114, dtype=np.uint8)
    for quarter, (image, _) in enumerate(sources):
        s = min(height / image.shape[0], width / image.shape[1])
        fitted = cv2.resize(image, (round(image.shape[1] * s), round(image.shape[0] * s)))
        h, w = fitted.shape[:2]
        left, top = (cx - w, cx)[quarter % 2], (cy - h, cy)[quarter // 2]
        x1, y1, x2, y2 = max(left, 0), max(top, 0), min(left + w, 2 * width), min(top + h, 2 * height)
        canvas[y1:y2, x1:x2] = fitted[y1 - top : y2 - top, x1 - left : x2 - left]
    half = np.full(2, 0.5)
    matrix = np.column_stack([layout.view[:, :2], layout.view[:, :2] @ half + layout.view[:, 2] - half])
    truth = cv2.warpAffine(canvas, matrix, (width, height), borderValue=(114, 114, 114))
    frame, _, _ = mosaic(sources, layout, SIZE)
    wrong = np.abs(frame.astype(int) - truth).max(2)
    assert np.median(wrong) <= 2
    assert (wrong > 12).mean() < 0.06  # seams, where the official canvas blends two pictures


def test_small_pictures_are_averaged_not_skipped():
    """Stripes one pixel wide, at a tenth of their size: grey, not black and white by chance."""
    image = flat(400, 400, (0, 0, 0))
    image[:, ::2] = 255
    frame = np.zeros((60, 60, 3), dtype=np.uint8)
    paint(frame, image, Tile(0.1, 0.0, 0.0, (0.0, 0.0, 40.0, 40.0)), np.eye(2, 3))
    assert (np.abs(frame[:40, :40].astype(int) - 127) <= 2).all()
    assert (frame[40:] == 0).all()
    assert (frame[:, 40:] == 0).all()


def test_pictures_of_a_few_pixels_and_very_thin_ones():
    for shape in ((1, 1), (1, 900), (900, 1), (2, 3)):
        sources = [(flat(*shape, (200, 10, 10)), target([[0, 0, shape[1], shape[0]]])) for _ in range(4)]
        layout = Layout((80, 60), np.eye(2, 3))
        frame, boxes, _ = mosaic(sources, layout, SIZE)
        assert (frame == (200, 10, 10)).all(2).any() or min(shape) / max(shape) * 160 < 1
        assert np.isfinite(boxes).all()


def test_a_quarter_out_of_sight_is_not_needed():
    rng = np.random.default_rng(0)
    skipped = 0
    for _ in range(80):
        layout = random_layout(SIZE, Augment(), rng)
        sources = [(flat(100, 140, colour), target([[0, 0, 140, 100]])) for colour in COLOURS]
        seen = quarters_in_sight(layout, SIZE)
        skipped += 4 - sum(seen)
        less = [source if s else None for source, s in zip(sources, seen, strict=True)]
        for all_of_them, some in zip(mosaic(sources, layout, SIZE), mosaic(less, layout, SIZE), strict=True):
            assert (all_of_them == some).all()
    assert skipped > 80


def test_in_sight():
    assert in_sight((-10, 20, 500, 40), np.eye(2, 3), SIZE) == (0, 20, 160, 40)
    assert in_sight((160, 0, 200, 50), np.eye(2, 3), SIZE) is None


# --- the visible rule


@pytest.mark.parametrize(("left", "kept"), [(-79.0, True), (-89.0, True), (-91.0, False), (-101.0, False)])
def test_a_label_stays_while_a_tenth_is_visible(left, kept):
    view = np.array([[1.0, 0, left], [0, 1, 0]])
    image = flat(120, 160, (9, 9, 9))
    sources = [None, None, None, (image, target([[0, 10, 100, 60]]))]
    _, boxes, labels = mosaic(sources, Layout((0, 0), view), SIZE, min_visible=0.1)
    assert len(boxes) == len(labels) == kept


def test_what_the_canvas_cuts_off_counts_as_hidden():
    """Centre (40, 60): the top-left picture loses all but its right 40 columns."""
    sources = [
        (flat(60, 160, (9, 9, 9)), target([[0, 0, 124, 50], [0, 0, 140, 50], [125, 3, 150, 40]])),
        None,
        None,
        None,
    ]
    _, boxes, labels = mosaic(sources, Layout((40, 60), np.eye(2, 3)), SIZE, min_visible=0.1)
    assert labels.tolist() == [1, 2]
    assert boxes.tolist() == [[0, 0, 20, 50], [5, 3, 30, 40]]


def test_boxes_that_are_not_finite_or_slivers_of_a_pixel_are_dropped():
    bad = [[np.nan, 0, 50, 50], [0, 0, np.inf, 50], [10, 10, 50, 50], [50, 50, 10, 10], [5, 5, 5.5, 50]]
    sources = [None, None, None, (flat(120, 160, (9, 9, 9)), target(bad))]
    angle = random_view(SIZE, Augment(scale=(1.0, 1.0)), np.random.default_rng(1))
    for view, right in ((np.eye(2, 3), {2}), (angle, {2, 4})):  # turned, a sliver's box is wider
        _, boxes, labels = mosaic(sources, Layout((0, 0), view), SIZE)
        assert set(labels.tolist()) <= right
        assert np.isfinite(boxes).all()


# --- MixUp


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_mixup_boxes_sit_on_their_pixels(seed):
    rng = np.random.default_rng(seed)
    sample = marked(rng, ground=0)
    black, none = flat(*SIZE, (0, 0, 0)), target()
    frame, boxes, labels = mixup(black, none["boxes"], none["labels"], sample, still(min_visible=0.0), rng)
    ink = frame > 64  # half of what is left of white
    if len(boxes):
        assert labels.tolist() == [7]
        assert np.abs(extent(ink) - boxes[0]).max() <= tolerance(sample)
    else:  # cut away, or a sliver of at most a pixel
        assert min(ink.any((1, 2)).sum(), ink.any((0, 2)).sum()) <= 1


def test_mixup_blends_half_and_half_and_joins_labels():
    frame, other = flat(*SIZE, (100, 0, 50)), flat(*SIZE, (200, 0, 0))
    old, new = target([[1, 1, 9, 9]], [3]), target([[0, 0, 160, 120]], [5])
    augment = still(mixup_scale=(1.0, 1.0))
    mixed, boxes, labels = mixup(
        frame, old["boxes"], old["labels"], (other, new), augment, np.random.default_rng(0)
    )
    assert (mixed == (150, 0, 25)).all()
    assert boxes.tolist() == [[1, 1, 9, 9], [0, 0, 160, 120]]
    assert labels.tolist() == [3, 5]


def test_mixup_pads_with_grey_inside_its_canvas_and_black_beyond():
    frame = flat(*SIZE, (100, 100, 100))
    empty = target()
    tall = flat(120, 40, (200, 200, 200))
    augment = still(mixup_scale=(0.5, 0.5))
    mixed, _, _ = mixup(
        frame, empty["boxes"], empty["labels"], (tall, empty), augment, np.random.default_rng(0)
    )
    values, counts = np.unique(mixed[..., 0], return_counts=True)
    assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == {
        50: 120 * 160 - 60 * 80,  # black
        107: 60 * 60,  # padding of 114
        150: 60 * 20,  # the picture
    }


# --- colour and mirror


@pytest.mark.parametrize("seed", range(8))
def test_hsv_is_the_arithmetic_of_the_official_code(seed):
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    rng = np.random.default_rng(seed)
    shifts = (rng.uniform(-1, 1, 3) * [5, 30, 30] * rng.integers(0, 2, 3)).astype(np.int16)
    truth = cv2.cvtColor(image, cv2.COLOR_RGB2HSV).astype(np.int16)
    truth[..., 0] = (truth[..., 0] + shifts[0]) % 180
    truth[..., 1:] = np.clip(truth[..., 1:] + shifts[1:], 0, 255)
    truth = cv2.cvtColor(truth.astype(np.uint8), cv2.COLOR_HSV2RGB) if shifts.any() else image
    before = image.copy()
    assert (hsv(image, (5, 30, 30), np.random.default_rng(seed)) == truth).all()
    assert (image == before).all()


def test_flip_moves_pixels_and_boxes_alike_and_undoes_itself():
    image = flat(20, 50, (0, 0, 0))
    image[3:9, 10:14] = 255
    boxes = np.array([[10.0, 3, 14, 9]])
    mirrored, moved = flip(image, boxes)
    x1, y1, x2, y2 = moved[0].astype(int)
    assert (mirrored[y1:y2, x1:x2] == 255).all()
    assert mirrored.sum() == image.sum()
    twice, back = flip(mirrored, moved)
    assert (twice == image).all()
    assert (back == boxes).all()


# --- the distribution


def test_views_are_distributed_as_the_official_ones():
    augmentation = pytest.importorskip("yolox.data.data_augment")
    import random

    random.seed(0)
    n, size = 4000, (480, 640)
    theirs = np.array(
        [augmentation.get_affine_matrix((640, 480), 10.0, 0.1, (0.1, 2), 2.0)[0].ravel() for _ in range(n)]
    )
    rng = np.random.default_rng(0)
    ours = np.array([random_view(size, Augment(), rng).ravel() for _ in range(n)])
    for entry in range(6):  # the largest distance of the two cumulative distributions (Kolmogorov, Smirnov)
        both = np.sort(np.concatenate([ours[:, entry], theirs[:, entry]]))
        steps = [np.searchsorted(np.sort(v[:, entry]), both, side="right") / n for v in (ours, theirs)]
        assert np.abs(steps[0] - steps[1]).max() < 1.95 * math.sqrt(2 / n)  # 0.1 % level
    gap = np.abs(np.corrcoef(ours.T) - np.corrcoef(theirs.T)).max()
    assert gap < 0.08


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_tiles_lie_where_the_official_code_puts_them(seed):
    module = pytest.importorskip("yolox.data.datasets.mosaicdetection")
    rng = np.random.default_rng(seed)
    height, width = SIZE
    h, w = (rng.integers(1, 5, 2) * (30, 40)).tolist()
    s = min(height / h, width / w)
    centre = random_layout(SIZE, Augment(), rng).centre
    for quarter in range(4):
        tile = mosaic_tile(quarter, (h, w), SIZE, centre)
        large, small = module.get_mosaic_coordinate(None, quarter, *centre, int(w * s), int(h * s), *SIZE)
        assert np.abs(np.array(tile.shown) - large).max() < 1 + 1e-6  # theirs is cut to whole pixels
        assert abs(tile.left - (large[0] - small[0])) < 1 + 1e-6
        assert abs(tile.top - (large[1] - small[1])) < 1 + 1e-6


def test_settings_of_the_presets():
    for name in "smlx":
        assert Augment.for_preset(name) == Augment()
    assert Augment.for_preset("tiny") == Augment(mixup=0.0, scale=(0.5, 1.5))
    assert Augment.for_preset("nano") == Augment(mosaic=0.5, mixup=0.0, scale=(0.5, 1.5))
    with pytest.raises(ValueError, match="'huge'; there are tiny, nano"):
        Augment.for_preset("huge")
    with pytest.raises(ValueError, match="flip is 2"):
        Augment(flip=2.0)
    with pytest.raises(ValueError, match="scale is"):
        Augment(scale=(0.0, 1.0))
