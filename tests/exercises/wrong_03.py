"""Typical wrong answers to the exercises of chapter 03, and words of the message that each must get."""

import torch
import torch.nn.functional as F

PLACES = ((0, 0), (1, 0), (0, 1), (1, 1))
NAMES = ["top-left", "bottom-left", "top-right", "bottom-right"]


def rows_first(x):
    return torch.cat([x[..., r::2, s::2] for r in (0, 1) for s in (0, 1)], dim=1)


def pixel_unshuffle(x):
    return F.pixel_unshuffle(x, 2)


def viewed(x):
    n, c, h, w = x.shape
    return x.view(n, 4 * c, h // 2, w // 2)


def quarters(x):
    h, w = x.shape[2] // 2, x.shape[3] // 2
    return torch.cat((x[..., :h, :w], x[..., h:, :w], x[..., :h, w:], x[..., h:, w:]), dim=1)


def stacked(x):
    return torch.stack([x[..., r::2, s::2] for r, s in PLACES], dim=1)


def shuffled(y):
    return F.pixel_shuffle(y, 2)


def joined_rows_first(y):
    n, c, h, w = y.shape
    x = y.new_empty(n, c // 4, 2 * h, 2 * w)
    for part, (r, s) in zip(y.chunk(4, dim=1), ((0, 0), (0, 1), (1, 0), (1, 1))):
        x[..., r::2, s::2] = part
    return x


def kernel(weight, places=PLACES, padding=None):
    o, d, k, _ = weight.shape
    large = weight.new_empty(o, d // 4, 2 * k, 2 * k)
    for part, (r, s) in zip(weight.chunk(4, dim=1), places):
        large[..., r::2, s::2] = part
    return large, k - 1 if padding is None else padding(k)


def blocks_side_by_side(weight):
    a, b, c, d = weight.chunk(4, dim=1)
    return torch.cat((torch.cat((a, b), 2), torch.cat((c, d), 2)), 3), weight.shape[-1] - 1


def always_official(cutter):
    return NAMES


def inverse(cutter):
    out = cutter(torch.tensor([[0.0, 2.0], [1.0, 3.0]])[None, None]).flatten().tolist()
    return [NAMES[out.index(i)] for i in range(4)]


def transposed(cutter):
    out = cutter(torch.tensor([[0.0, 1.0], [2.0, 3.0]])[None, None]).flatten().tolist()
    return [NAMES[int(i)] for i in out]


def numbers(cutter):
    return [int(i) for i in cutter(torch.tensor([[0.0, 2.0], [1.0, 3.0]])[None, None]).flatten()]


WRONG = {
    "03.1": [
        (rows_first, "column by column was asked"),
        (pixel_unshuffle, "pixel_unshuffle's order"),
        (viewed, "read line by line"),
        (quarters, "four quarters"),
        (stacked, "the shape is"),
    ],
    "03.2": [
        (shuffled, "pixel_unshuffle"),
        (joined_rows_first, "middle two phases"),
        (lambda y: y, "the shape is"),
    ],
    "03.3": [
        (lambda w: kernel(w, ((0, 0), (0, 1), (1, 0), (1, 1))), "middle two phases"),
        (lambda w: kernel(w, padding=lambda k: k // 2), "counted in phases"),
        (lambda w: kernel(w, padding=lambda k: k), "two pixels wide"),
        (blocks_side_by_side, "side by side"),
        (lambda w: kernel(w)[0], "2 things were asked"),
    ],
    "03.4": [
        (always_official, "whatever the cutter does"),
        (inverse, "the other way round"),
        (transposed, "rows and columns"),
        (numbers, "was asked once"),
    ],
}
