"""Typical wrong answers to the exercises of chapter 14, and a piece of what each must be told."""

import torch


def _through(boxes, view, places=(0, 1, 2, 1, 2, 3, 0, 3), transpose=False, shift="last"):
    linear, move = view[:, :2], view[:, 2]
    points = boxes[:, list(places)].view(len(boxes), -1, 2)
    if shift == "first":
        points = points + move
    points = points @ (linear if transpose else linear.T)
    if shift == "last":
        points = points + move
    return torch.cat([points.amin(1), points.amax(1)], 1)


def _two(boxes, view):
    low, high = (part @ view[:, :2].T + view[:, 2] for part in (boxes[:, :2], boxes[:, 2:]))
    return torch.cat([low, high], 1)


def _centred(boxes, view):
    out = _through(boxes, view)
    return torch.cat([(out[:, :2] + out[:, 2:]) / 2, out[:, 2:] - out[:, :2]], 1)


def _old_size(boxes, view):
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    middle = middle @ view[:, :2].T + view[:, 2]
    return torch.cat([middle - half, middle + half], 1)


def _kept(boxes, size, least, rule="right", clip=True, ends=None, low=0.0):
    height, width = size
    right, bottom = ends(height, width) if ends else (width, height)
    cut = boxes.clamp(min=low).minimum(torch.tensor([right, bottom, right, bottom]))
    side, old = cut[:, 2:] - cut[:, :2], boxes[:, 2:] - boxes[:, :2]
    seen, whole, wide = side.prod(1), old.prod(1), (side > 1).all(1)
    enough = seen >= least * whole
    keep = {
        "right": enough & wide,
        "official": wide,
        "of what is left": (seen / seen.clamp(min=1e-9) >= least) & wide,
        "share": enough & (seen > 0),
        "any": enough & (side > 1).any(1) & (seen > 0),
        "either": enough | wide,
        "old": enough & (old > 1).all(1),
        "pixel": enough & (side >= 1).all(1),
        "more": (seen > least * whole) & wide,
        "sides": (side >= least * old).all(1) & wide,
        "tenth": (seen >= 0.1 * whole) & wide,
        "frame": (seen >= least * height * width) & wide,
        "hidden": (whole - seen >= least * whole) & wide,
        "all": torch.ones(len(boxes), dtype=torch.bool),
    }[rule]
    return (cut if clip else boxes)[keep]


def _slips(function, *slips):
    return [(lambda *args, slip=slip: function(*args, **slip), words) for slip, words in slips]


WRONG = {
    "14.1": [
        *_slips(
            _through,
            ({"transpose": True}, "the matrix is transposed"),
            ({"places": (0, 1, 2, 3)}, "only two of the four corners"),
            ({"places": (2, 1, 0, 3)}, "only two of the four corners"),
            ({"places": (0, 1, 2, 1, 2, 3)}, "one corner is missing"),
            ({"shift": "none"}, "the shift is missing"),
            ({"shift": "first"}, "it comes last"),
        ),
        (_two, "their order was kept"),
        (_centred, "xyxy was asked"),
        (_old_size, "kept its old size"),
        (lambda boxes, view: _through(boxes, view)[:, [0, 2, 1, 3]], "x1 x2 y1 y2"),
        (lambda boxes, view: _through(boxes, view)[:, [1, 0, 3, 2]], "x and y are swapped"),
        (lambda boxes, view: _through(boxes, view)[:, [2, 3, 0, 1]], "the largest corner stands first"),
        (lambda boxes, view: _through(boxes, view).clamp(min=0), "cut off at 0"),
        (lambda boxes, view: boxes.clone(), "as they were"),
        (lambda boxes, view: _through(boxes, view)[0], "the shape is"),
    ],
    "14.2": [
        *_slips(
            _kept,
            ({"rule": "official"}, "the share is not asked for"),
            ({"rule": "of what is left"}, "the share is not asked for"),
            ({"rule": "share"}, "both sides must be longer than 1"),
            ({"rule": "either"}, "both must hold"),
            ({"rule": "old"}, "those after it count"),
            ({"rule": "pixel"}, "exactly one pixel"),
            ({"rule": "more"}, "at least means >="),
            ({"rule": "sides"}, "one of areas"),
            ({"rule": "tenth"}, "whatever `least` says"),
            ({"rule": "frame"}, "of the box's own"),
            ({"rule": "hidden"}, "the visible one counts"),
            ({"rule": "all"}, "all boxes are still there"),
            ({"clip": False}, "not clipped"),
            ({"ends": lambda height, width: (height, width)}, "x ends at the width"),
            ({"ends": lambda height, width: (width, width)}, "y was clipped at the width"),
            ({"ends": lambda height, width: (width - 1, height - 1)}, "one pixel too early"),
            ({"low": float("-inf")}, "only clipped on the right"),
            ({"ends": lambda height, width: (9e9, 9e9)}, "only clipped on the left"),
            ({"low": float("-inf"), "ends": lambda height, width: (9e9, 9e9)}, "nothing was clipped"),
        ),
        (lambda boxes, size, least: boxes.clone(), "as they were"),
    ],
    "14.3": [
        ("A 3 left, B 1 down, C 2 left", "it went the other way"),
        ("A 3 right, B 1 left, C 2 left", "the direction is not"),
        ("A 3 right, B 0 down, C 2 left", "the direction is right"),
        ("A 3 right, B 0 up, C 2 left", "quarter 0 is where it belongs"),
        ("A 3 right, B 1 down", "C has no part"),
        ("A 4 right, B 2 down, C 3 left", "counted from 0 to 3"),
        ("A quarter 3 to the left, B 1 down, C 2 left", "it went the other way"),
        ((3, 1, 2), "a sentence in quotes"),
    ],
}
