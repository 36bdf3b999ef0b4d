"""Typical wrong answers to the exercises of chapter 07, and words of the message that each must get."""

import math

from torch import nn

from yolox_edu.blocks import CBS, CSPLayer


def three_times(c_in, c_out, n):
    return nn.Sequential(CBS(c_in, c_out, 3, stride=2), CSPLayer(c_out, c_out, 3 * n))


def no_stride(c_in, c_out, n):
    return nn.Sequential(CBS(c_in, c_out, 3), CSPLayer(c_out, c_out, n))


def no_shortcut(c_in, c_out, n):
    return nn.Sequential(CBS(c_in, c_out, 3, stride=2), CSPLayer(c_out, c_out, n, shortcut=False))


def widens_late(c_in, c_out, n):
    return nn.Sequential(CBS(c_in, c_in, 3, stride=2), CSPLayer(c_in, c_out, n))


def other_order(c_in, c_out, n):
    return nn.Sequential(CSPLayer(c_out, c_out, n), CBS(c_in, c_out, 3, stride=2))


def running(layers, start=1, add=False):
    total, out = start, []
    for s in layers:
        total = total + s if add else total * s
        out.append(total)
    return out


def predicted(width, h, w, channels=int, halve=lambda s: s // 2, order=(0, 1, 2), first=2):
    found = []
    for i in range(5):
        h, w = halve(h), halve(w)
        found.append((h, w, channels((64 << i) * width)))
    return [tuple(shape[i] for i in order) for shape in found[first : first + 3]]


def no_stem(width, h, w):
    return [(h // s, w // s, int(c * width)) for s, c in ((4, 256), (8, 512), (16, 1024))]


def counts(n):
    return [n, 3 * n, 3 * n, n]


def dark5_too(depth):
    n = max(round(depth * 3), 1)
    return [n, 3 * n, 3 * n, 3 * n]


def rounded_late(depth):
    n = max(round(depth * 3), 1)
    return [n, max(round(depth * 9), 1), max(round(depth * 9), 1), n]


WRONG = {
    "07.1": [
        (three_times, "three times the bottlenecks"),
        (no_stride, "the stride is missing"),
        (no_shortcut, "only dark5 goes without"),
        (widens_late, "the other way round"),
        (other_order, "another order"),
        (lambda c_in, c_out, n: CBS(c_in, c_out, 3, stride=2), "the CSP block is missing"),
        (lambda c_in, c_out, n: [CBS(c_in, c_out, 3), CSPLayer(c_out, c_out, n)], "a module was asked"),
    ],
    "07.2": [
        (lambda layers: layers, "own strides"),
        (lambda layers: running(layers, start=0, add=True), "added up"),
        (lambda layers: [2 ** (i + 1) for i in range(len(layers))], "not at every layer"),
        (lambda layers: [1, *running(layers)[:-1]], "the stride before each layer"),
        (lambda layers: [1, *running(layers)], "the picture itself"),
        (lambda layers: running(layers)[-1], "the last stride alone"),
    ],
    "07.3": [
        (lambda *a: predicted(*a, channels=round), "these were rounded"),
        (lambda *a: predicted(*a, channels=math.ceil), "rounded up"),
        (lambda *a: predicted(*a, order=(1, 0, 2)), "changed places"),
        (lambda *a: predicted(*a, order=(2, 0, 1)), "the book's h, w, c"),
        (lambda *a: predicted(*a, first=0), "stem, dark2 and dark3"),
        (no_stem, "the stem's halving"),
        (lambda width, h, w: predicted(1.0, h, w), "channels of L"),
        (lambda *a: [(h + 1, w + 1, c) for h, w, c in predicted(*a)], "one too many"),
        (lambda *a: predicted(*a, halve=lambda s: s // 2 - 1), "padding makes up"),
    ],
    "07.4": [
        (lambda depth: [max(round(depth * 3), 1)] * 4, "three times as many"),
        (lambda depth: counts(max(int(depth * 3), 1)), "cut off by int"),
        (lambda depth: counts(int(depth * 3)), "not int()"),
        (lambda depth: counts(math.ceil(depth * 3)), "rounded up"),
        (lambda depth: counts(round(depth * 3)), "at least one"),
        (lambda depth: counts(max(round(depth), 1)), "not round(depth)"),
        (
            lambda depth: [*counts(max(round(depth * 3), 1))[:3], 3 * max(round(depth * 3), 1)],
            "as many as dark2",
        ),
        (rounded_late, "the rounding comes first"),
    ],
}
