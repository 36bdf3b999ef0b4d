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


def _kept(boxes, size, least, rule="right", clip=True, swap=False):
    height, width = size[::-1] if swap else size
    cut = boxes.clamp(min=0).minimum(torch.tensor([width, height, width, height]))
    side, whole = cut[:, 2:] - cut[:, :2], (boxes[:, 2:] - boxes[:, :2]).prod(1)
    seen, wide = side.prod(1), (side > 1).all(1)
    keep = {
        "right": (seen >= least * whole) & wide,
        "official": wide,
        "share": (seen >= least * whole) & (seen > 0),
        "any": (seen >= least * whole) & (side > 1).any(1) & (seen > 0),
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
            ({"shift": "none"}, "the shift is missing"),
            ({"shift": "first"}, "it comes last"),
        ),
        (_two, "their order was kept"),
        (_centred, "xyxy was asked"),
        (lambda boxes, view: boxes.clone(), "as they were"),
        (lambda boxes, view: _through(boxes, view)[0], "the shape is"),
    ],
    "14.2": [
        *_slips(
            _kept,
            ({"rule": "official"}, "the official rule"),
            ({"rule": "share"}, "both sides must be longer than 1"),
            ({"rule": "frame"}, "of the box's own"),
            ({"rule": "hidden"}, "the visible one counts"),
            ({"rule": "all"}, "all boxes are still there"),
            ({"clip": False}, "not clipped"),
            ({"swap": True}, "x ends at the width"),
        ),
    ],
    "14.3": [
        ("A 3 left, B 1 down, C 2 left", "it went the other way"),
        ("A 3 right, B 1 left, C 2 left", "the direction is not"),
        ("A 3 right, B 0 down, C 2 left", "the direction is right"),
        ("A 3 right, B 0 up, C 2 left", "quarter 0 is where it belongs"),
        ("A 3 right, B 1 down", "C has no part"),
        ((3, 1, 2), "a sentence in quotes"),
    ],
}
