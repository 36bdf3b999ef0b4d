"""The checks of chapter 03, Focus."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from yolox_edu.exercises.judge import Random, Wrong, exercise, same

PLACES = {"top-left": (0, 0), "bottom-left": (1, 0), "top-right": (0, 1), "bottom-right": (1, 1)}
ROWS_FIRST = "the order is top-left, top-right, bottom-left, bottom-right; column by column was asked"
INTERLEAVED = "the phases of each colour stand together; all colours of one phase should"


def _cut(x: Float[Tensor, "n c h w"], order: Sequence[str] = tuple(PLACES)) -> Float[Tensor, "n d h/2 w/2"]:
    """Pixel by pixel: slow, and unlike any answer."""
    n, c, h, w = x.shape
    out = torch.empty(n, 4 * c, h // 2, w // 2)
    for i, name in enumerate(order):
        down, right = PLACES[name]
        for row in range(h // 2):
            for column in range(w // 2):
                out[:, i * c : (i + 1) * c, row, column] = x[:, :, 2 * row + down, 2 * column + right]
    return out


def _faults(x: Float[Tensor, "n c h w"]) -> dict[str, Tensor]:
    n, c, h, w = x.shape
    return {
        ROWS_FIRST: _cut(x, ("top-left", "top-right", "bottom-left", "bottom-right")),
        INTERLEAVED: _cut(x).unflatten(1, (4, c)).transpose(1, 2).flatten(1, 2),
        "this is pixel_unshuffle's order: colours first, and phases row by row": F.pixel_unshuffle(x, 2),
        "right shape, wrong numbers: view and reshape read line by line, they do not slice": x.view(
            n, 4 * c, h // 2, w // 2
        ),
        "the picture was cut into its four quarters; every second row and column was asked": torch.cat(
            [half for side in x.chunk(2, 3) for half in side.chunk(2, 2)], dim=1
        ),
    }


@exercise("03.1")
def cut(answer: Callable, random: Random) -> None:
    """the same as a loop over all pixels"""
    n, c, h, w = random.shape(low=1, high=5, multiple=2)
    x = random.tensor(n, c + 1, h, w)
    same(answer(x), _cut(x), f"on a tensor of shape {tuple(x.shape)}", _faults(x))


@exercise("03.2")
def join(answer: Callable, random: Random) -> None:
    """every pixel is back in its place"""
    x = random.tensor(*random.shape(low=2, high=6, multiple=2))
    y = _cut(x)  # n 4c h/2 w/2
    n, c, h, w = x.shape
    faults = {
        "the middle two phases have changed places": _joined(y, (0, 2, 1, 3)),
        "this undoes pixel_unshuffle, whose channels stand in another order": F.pixel_shuffle(y, 2),
        "right shape, wrong numbers: view and reshape do not move pixels": y.reshape(n, c, h, w),
    }
    same(answer(y), x, f"on a tensor of shape {tuple(y.shape)}", faults)


def _joined(y: Tensor, order: Sequence[int]) -> Tensor:
    """Phases put back, the i-th at the place of phase `order[i]`."""
    n, c, h, w = y.shape
    x = torch.empty(n, c // 4, 2 * h, 2 * w)
    for part, i in zip(y.chunk(4, dim=1), order):
        down, right = list(PLACES.values())[i]
        x[:, :, down::2, right::2] = part
    return x


@exercise("03.3")
def kernel(answer: Callable, random: Random) -> None:
    """the kernel put together weight by weight, and its padding, for kernels of 1, 3, 5 and 7"""
    for k in (1, 3, 5, 7):
        o, c = random.integer(1, 5), random.integer(2, 4)
        weight = random.tensor(o, 4 * c, k, k)
        truth = _large(weight)  # o c 2k 2k
        where = f"for a kernel of {k} × {k} and {c} colours"
        swapped = _large(weight.unflatten(1, (4, c))[:, [0, 2, 1, 3]].flatten(1, 2))
        quarters = torch.cat([torch.cat(p.chunk(2, 1), 2) for p in weight.chunk(2, 1)], 3)
        faults = {
            "the middle two phases have changed places": (swapped, k - 1),
            "the four small kernels lie side by side; each of them belongs on every second place": (
                quarters,
                k - 1,
            ),
            "the kernel is right, the padding is still counted in phases, not in pixels": (
                truth,
                (k - 1) // 2,
            ),
            "the kernel is right, the padding is not: a phase is two pixels wide": (truth, k),
        }
        given = answer(weight)
        if isinstance(given, tuple | list) and len(given) == 2 and given[1] not in (k, (k - 1) // 2):
            same(given[1], k - 1, f"{where}, the padding")
        same(given, (truth, k - 1), where, faults)


def _large(weight: Float[Tensor, "o d k k"]) -> Float[Tensor, "o d/4 2*k 2*k"]:
    """Weight by weight: which phase a place belongs to, and where in it the place lies."""
    o, d, k, _ = weight.shape
    c, places = d // 4, list(PLACES.values())
    large = torch.empty(o, c, 2 * k, 2 * k)
    for row in range(2 * k):
        for column in range(2 * k):
            i = places.index((row % 2, column % 2))
            large[:, :, row, column] = weight[:, i * c : (i + 1) * c, row // 2, column // 2]
    return large


@exercise("03.4", seeds=8)
def order(answer: Callable, random: Random) -> None:
    """the order that was drawn, found by trying"""
    drawn = [list(PLACES)[i] for i in torch.randperm(4, generator=random.generator).tolist()]
    random.draws += 1
    given = answer(lambda x: _cut(x, drawn))
    where = f"for a cutter whose first channel is {drawn[0]}"
    if isinstance(given, list | tuple) and sorted(map(str, given)) != sorted(PLACES):
        raise Wrong(f"{where}: each of {', '.join(PLACES)} was asked once; {list(given)} came out")
    faults = {
        "this order is the other way round: it says where each phase went, not what each channel is": [
            list(PLACES)[drawn.index(name)] for name in PLACES
        ],
        "rows and columns have changed places": [_mirrored(name) for name in drawn],
        "this is the official order whatever the cutter does; try the cutter": list(PLACES),
    }
    same(given, drawn, where, faults)


def _mirrored(name: str) -> str:
    return {"bottom-left": "top-right", "top-right": "bottom-left"}.get(name, name)
