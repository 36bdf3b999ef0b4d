"""Typical wrong answers to the exercises of chapter 06, and words of the message that each must get."""

import torch
import torch.nn.functional as F


def zeros_around(x, k):
    return F.max_pool2d(F.pad(x, (k // 2,) * 4), k, stride=1)


def mean(x, k):
    return F.avg_pool2d(x, k, stride=1, padding=k // 2, count_include_pad=False)


def default_stride(x, k):
    return F.max_pool2d(x, k, padding=k // 2)


def no_padding(x, k):
    return x.unfold(2, k, 1).unfold(3, k, 1).amax(dim=(-2, -1))


def five(x):
    return F.max_pool2d(x, 5, stride=1, padding=2)


def not_in_a_row(x):
    return torch.cat([x, five(x), five(x), five(x)], dim=1)


def map_missing(x):
    return torch.cat([five(x), five(five(x)), five(five(five(x)))], dim=1)


def map_last(x):
    return torch.cat([map_missing(x), x], dim=1)


def side_by_side(x):
    return torch.cat([x, five(x), five(five(x)), five(five(five(x)))], dim=-1)


def no_strides(layers):
    return 1 + sum(k - 1 for k, _ in layers)


def kernels_added(layers):
    total, step = 1, 1
    for k, s in layers:
        total += k * step
        step *= s
    return total


def own_stride(layers):
    total, step = 1, 1
    for k, s in layers:
        step *= s
        total += (k - 1) * step
    return total


def from_zero(layers):
    total, step = 0, 1
    for k, s in layers:
        total += (k - 1) * step
        step *= s
    return total


WRONG = {
    "06.1": [
        (zeros_around, "a zero wins"),
        (mean, "the mean of each window"),
        (default_stride, "the shape is"),
        (no_padding, "the map shrinks"),
    ],
    "06.2": [
        (not_in_a_row, "worked on the map itself"),
        (map_missing, "the map itself is missing"),
        (map_last, "stands last"),
        (side_by_side, "side by side"),
    ],
    "06.3": [
        (no_strides, "strides make steps wider"),
        (kernels_added, "a kernel of k adds k - 1"),
        (own_stride, "own stride"),
        (from_zero, "the field starts at 1"),
    ],
}
