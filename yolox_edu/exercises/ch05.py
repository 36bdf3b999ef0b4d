"""The checks of chapter 05, Bottleneck and CSP."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from yolox_edu.blocks import CBS
from yolox_edu.exercises.judge import Random, Wrong, exercise, same


def _cbs(block: CBS, x: Tensor) -> Tensor:
    """A CBS by torch's own functions, n c h w."""
    y = F.conv2d(x, block.conv.weight, stride=block.conv.stride, padding=block.conv.padding)
    bn = block.bn
    y = F.batch_norm(y, bn.running_mean, bn.running_var, bn.weight, bn.bias, False, 0.0, bn.eps)
    return y * torch.sigmoid(y)


@exercise("05.1")
def bottleneck(answer: Callable, random: Random) -> None:
    """two convolutions and the addition, with the shortcut and without"""
    n, c, h, w = random.shape(low=2, high=9)
    x = random.tensor(n, c, h, w)
    for shortcut in (True, False):
        where = f"with {c} channels and shortcut={shortcut}"
        block = answer(c, shortcut)
        if not isinstance(block, nn.Module):
            raise Wrong(f"{where}: {type(block).__name__} came out; a module was asked")
        block.eval()
        given = block(x)
        for name, kernel in (("conv1", 1), ("conv2", 3)):
            _one_cbs(block, name, kernel, c, where)
        one, two = _cbs(block.conv1, x), _cbs(block.conv2, x)
        y = _cbs(block.conv2, one)
        faults = {
            "the input is not added": y,
            "the input is added though the shortcut is off": x + y,
            "the input is added twice": 2 * x + y,
            "what conv1 gave is added; the block's input was asked": one + y,
            "conv2 ran before conv1": (x if shortcut else 0) + _cbs(block.conv1, two),
            "conv2 works on the input, and what conv1 gave is lost": (x if shortcut else 0) + two,
        }
        same(given, x + y if shortcut else y, where, faults)


def _one_cbs(block: nn.Module, name: str, kernel: int, c: int, where: str) -> None:
    """Raise `Wrong` unless `block` has a CBS of this name, this kernel and c channels in and out."""
    cbs = getattr(block, name, None)
    if not isinstance(cbs, CBS):
        raise Wrong(f"{where}: there is no CBS named {name}")
    conv = cbs.conv
    if conv.kernel_size != (kernel, kernel):
        raise Wrong(f"{where}: the kernel of {name} is {conv.kernel_size[0]}; {kernel} was asked")
    if (conv.in_channels, conv.out_channels) != (c, c):
        made = f"{conv.in_channels} to {conv.out_channels}"
        raise Wrong(f"{where}: {name} goes from {made} channels; {c} to {c} was asked")


@exercise("05.2")
def csp(answer: Callable, random: Random) -> None:
    """random parts connected, with several widths"""
    n, c, h, w = random.shape(low=2, high=9)
    half = random.integer(2, 5)
    a, b, d = random.tensor(half, c, 1, 1), random.tensor(half, c, 1, 1), random.tensor(half, half, 3, 3)
    e = random.tensor(c + 1, 2 * half, 1, 1)
    x = random.tensor(n, c, h, w)

    def main(t: Tensor) -> Tensor:
        return F.conv2d(t, a)

    def skip(t: Tensor) -> Tensor:
        return F.conv2d(t, b)

    def blocks(t: Tensor) -> Tensor:
        return F.conv2d(t, d, padding=1)

    def fuse(t: Tensor) -> Tensor:
        return F.conv2d(t, e)

    def joined(*halves: Tensor) -> Tensor:
        return fuse(torch.cat(halves, dim=1))

    long, short = blocks(main(x)), skip(x)  # n half h w each
    faults = {
        "the skipped half stands first; the transformed one should": joined(short, long),
        "the other road goes through the blocks": joined(main(x), blocks(skip(x))),
        "the long road's first half is used again where the skip belongs": joined(long, main(x)),
        "both halves go through the blocks; one was asked": joined(long, blocks(short)),
        "no half goes through the blocks": joined(main(x), short),
        "the skip starts from what main made; both start from the input": _or_none(
            lambda: joined(long, skip(main(x)))
        ),
        "the last step, fuse, is missing": torch.cat((long, short), dim=1),
        "the halves are added; put them one behind the other": _or_none(lambda: fuse(long + short)),
    }
    same(answer(x, main, skip, blocks, fuse), joined(long, short), f"with {c} channels", faults, atol=1e-3)


def _or_none(made: Callable[[], Tensor]) -> Tensor | None:
    """What a fault gives, where its shapes fit at all."""
    try:
        return made()
    except RuntimeError:
        return None


@exercise("05.3", seeds=8)
def count(answer: Callable, random: Random) -> None:
    """every layer counted by itself"""
    c, n = 2 * random.integer(2, 160), random.integer(1, 12)
    half = c // 2
    layers = [(c, half, 1), (c, half, 1), (c, c, 1)] + n * [(half, half, 1), (half, half, 3)]
    weights = sum(i * o * k * k for i, o, k in layers)
    norms = sum(2 * o for _, o, _ in layers)
    plain = n * (c * half + 9 * half * c)
    faults = {
        "batch norm is missing: two numbers for each channel that a CBS makes": weights,
        "batch norm has two trained numbers a channel, not one": weights + norms // 2,
        "batch norm's running mean and variance are no parameters": weights + 2 * norms,
        "the three 1 × 1 convolutions of the block are missing": n
        * (half * half + 9 * half * half + 2 * 2 * half),
        "these are plain residual blocks on c channels": plain,
        "the bottlenecks work on c/2 channels, not on c": 2 * c * half + c * c + n * 10 * c * c,
    }
    same(answer(c, n), weights + norms, f"for c = {c} and n = {n}", faults)
