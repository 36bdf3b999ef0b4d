"""The checks of chapter 06, SPP."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from yolox_edu.exercises.judge import Random, exercise, same


def _pool(x: Float[Tensor, "n c h w"], k: int) -> Float[Tensor, "n c h w"]:
    """Cell by cell; a window is cut off at the rim."""
    out, reach = torch.empty_like(x), k // 2
    for row in range(x.shape[2]):
        for column in range(x.shape[3]):
            top, left = max(0, row - reach), max(0, column - reach)
            window = x[:, :, top : row + reach + 1, left : column + reach + 1]
            out[:, :, row, column] = window.flatten(2).max(dim=2).values
    return out


@exercise("06.1")
def pool(answer: Callable, random: Random) -> None:
    """the same as a loop over all cells, for windows of 1 to 9, negative numbers included"""
    for k in (1, 3, 5, 9):
        n, c, h, w = random.shape(low=2, high=8)
        x = random.tensor(n, c, h + 8, w + 7) - 1.5  # mostly negative
        p = k // 2
        zeros = F.pad(x, (p, p, p, p))
        faults = {
            "zeros were put around the map, and where all numbers are negative a zero wins": (
                F.max_pool2d(zeros, k, stride=1)
            ),
            "this is the mean of each window; the largest was asked": F.avg_pool2d(
                x, k, stride=1, padding=p, count_include_pad=False
            ),
            "this is the smallest of each window; the largest was asked": -_pool(-x, k),
            "without padding the map shrinks; the shape must stay": F.max_pool2d(x, k, stride=1),
        }
        same(answer(x, k), _pool(x, k), f"with a window of {k} on a tensor of shape {tuple(x.shape)}", faults)


@exercise("06.2")
def pyramid(answer: Callable, random: Random) -> None:
    """the map and three pools, each made by a loop over all cells"""
    n, c, h, w = random.shape(low=2, high=9)
    x = random.tensor(n, c, h + 6, w + 5)
    maps = [x, _pool(x, 5), _pool(x, 9), _pool(x, 13)]
    faults = {
        "the pools are right, the map itself is missing": torch.cat(maps[1:], dim=1),
        "each pool worked on the map itself, so all three have windows of 5": torch.cat(
            [x, *[maps[1]] * 3], dim=1
        ),
        "the map itself stands last; the order is map, 5, 9, 13": torch.cat([*maps[1:], x], dim=1),
        "the order is the other way round; map, 5, 9, 13 was asked": torch.cat(maps[::-1], dim=1),
        "the four were put side by side, not behind each other: dim=1 are the channels": torch.cat(
            maps, dim=3
        ),
    }
    same(answer(x), torch.cat(maps, dim=1), f"on a tensor of shape {tuple(x.shape)}", faults)


@exercise("06.3", seeds=8)
def field(answer: Callable, random: Random) -> None:
    """the pixels counted that the last cell really reaches, layer by layer backwards"""
    layers = [(random.choice((1, 3, 5)), random.choice((1, 1, 2))) for _ in range(random.integer(2, 5))]
    layers.insert(1, (3, 2))  # so that a stride stands before a kernel
    layers.append((random.choice((3, 5)), 1))
    lowest = highest = 0  # the cells of one layer's input that the cell at the end reaches
    for kernel, stride in reversed(layers):
        lowest, highest = lowest * stride - kernel // 2, highest * stride + kernel // 2
    faults = {
        "each layer was counted as if a step were always one pixel; strides make steps wider": 1
        + sum(k - 1 for k, _ in layers),
        "the kernels were added up; a kernel of k adds k - 1": _walk(layers, add=lambda k: k),
        "a layer's own stride widens only the steps of the layers behind it": _walk(layers, own=True),
        "the cell itself is missing: the field starts at 1": _walk(layers) - 1,
    }
    same(answer(list(layers)), highest - lowest + 1, f"for {layers}", faults)


def _walk(
    layers: list[tuple[int, int]], add: Callable[[int], int] = lambda k: k - 1, own: bool = False
) -> int:
    """The field by its rule, or with one of the usual slips."""
    total, step = 1, 1
    for kernel, stride in layers:
        total += add(kernel) * step * (stride if own else 1)
        step *= stride
    return total
