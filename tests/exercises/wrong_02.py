"""Typical wrong answers to the exercises of chapter 02, and a piece of what each must be told."""

import torch


def _there(boxes, height, width, size, larger=False, margin="half", swap=False, cut=int, squash=False):
    """Onto a centred canvas, with one slip."""
    if squash:
        return boxes * torch.tensor([size[1] / width, size[0] / height] * 2)
    ratios = (size[0] / width, size[1] / height) if swap else (size[0] / height, size[1] / width)
    scale = max(ratios) if larger else min(ratios)
    free = [size[1] - cut(width * scale), size[0] - cut(height * scale)]  # x, y
    shift = {
        "half": [f // 2 for f in free],
        "none": [0, 0],
        "all": free,
        "swapped": [f // 2 for f in free[::-1]],
        "float": [f / 2 for f in free],
    }
    if margin == "first":
        return (boxes + torch.tensor(shift["half"] * 2)) * scale
    return boxes * scale + torch.tensor(shift[margin] * 2)


def _back(boxes, height, width, size, order="right", swap=False, clip="picture"):
    """The way back, with one slip."""
    scale = min(size[0] / height, size[1] / width)
    start = [(size[1] - int(width * scale)) // 2, (size[0] - int(height * scale)) // 2]
    shift = torch.tensor((start[::-1] if swap else start) * 2)
    back = {
        "right": (boxes - shift) / scale,
        "no margin": boxes / scale,
        "late": boxes / scale - shift,
        "no scale": boxes - shift,
        "times": (boxes - shift) * scale,
    }[order]
    ends = {
        "picture": [width, height] * 2,
        "swapped": [height, width] * 2,
        "canvas": [size[1], size[0]] * 2,
        "low": [1e9] * 4,
        "none": [1e9] * 4,
        "high": [width, height] * 2,
    }[clip]
    return back.clamp(min=-1e9 if clip in ("none", "high") else 0).minimum(torch.tensor(ends))


def _slips(function, *slips):
    return [(lambda b, h, w, s, slip=slip: function(b, h, w, s, **slip), words) for slip, words in slips]


def _in_place(boxes, height, width, size):
    boxes *= 0.5
    return boxes


WRONG = {
    "02.1": [
        *_slips(
            _there,
            ({"larger": True}, "the larger of the two ratios"),
            ({"larger": True, "margin": "none"}, "no margin was added"),
            ({"margin": "none"}, "left and top margin is not added"),
            ({"margin": "swapped"}, "the margins are swapped"),
            ({"margin": "all"}, "centred means half"),
            ({"margin": "first"}, "it comes last"),
            ({"margin": "float"}, "starts at a whole one"),
            ({"margin": "float", "cut": float}, "not cut to whole pixels"),
            ({"cut": round}, "int() cuts it off"),
            ({"swap": True}, "swapped in the scale"),
            ({"squash": True}, "that is squashing"),
        ),
        (lambda b, h, w, s: b, "still the picture's own pixels"),
        (lambda b, h, w, s: b[0], "the shape is"),
        (_in_place, "changes its input"),
    ],
    "02.2": [
        *_slips(
            _back,
            ({"order": "no margin"}, "the margin is not taken off"),
            ({"order": "late"}, "so it goes first"),
            ({"order": "no scale"}, "not divided by the scale"),
            ({"order": "times"}, "the way back divides"),
            ({"swap": True}, "the margins are swapped"),
            ({"clip": "none"}, "not cut at the picture's edges"),
            ({"clip": "swapped"}, "x ends at the width"),
            ({"clip": "canvas"}, "cut at the canvas's edges"),
            ({"clip": "low"}, "over the right and the lower edge"),
            ({"clip": "high"}, "begin below 0"),
        ),
        (lambda b, h, w, s: b, "still canvas pixels"),
    ],
    "02.3": [
        ("A3, B5, C8", "a canvas that is not square"),
        ("A2, B3, C8", "the smallest and the largest number"),
        ("A2, B7, C8", "you would have to change 4 and 7"),
        ("a 2, b 5, c 4", "where does a box at (0, 0) land"),
        ("A2, B5, C9", "the lines 1 to 8"),
        ("A2 and B5", "C has no line"),
        ((2, 5, 8), "three letters with a line each"),
    ],
    "02.4": [
        (lambda w: w.unflatten(1, (4, 3)).flip(2).flatten(1, 2), "times 255 is missing"),
        (lambda w: w * 255, "in the order B, G, R"),
        (lambda w: w.flip(1) * 255, "the four phases have changed places"),
        (lambda w: w.flip(1), "all 12 channels are reversed, and"),
        (lambda w: w.unflatten(1, (4, 3)).flip(2).flatten(1, 2) / 255, "divided by 255"),
        (lambda w: w.unflatten(1, (3, 4)).flip(1).flatten(1, 2) * 255, "read as 3 × 4"),
        (lambda w: w.unflatten(1, (3, 4)).flip(2).flatten(1, 2) * 255, "3 groups of 4"),
        (lambda w: w.flip(0) * 255, "the filters were reversed"),
        (lambda w: w[:, [2, 1, 0]] * 255, "the shape is"),
        (lambda w: w, "nothing has changed"),
    ],
}
