"""The checks of chapter 09, the decoupled head.

What a level does is asked of its outputs and gradients, so that a reader may name its parts freely.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from yolox_edu.exercises.judge import Random, Wrong, exercise, same

PRIOR_BIAS = math.log(0.01) - math.log(0.99)
ORDER = "along the last axis the order is box (4), objectness (1), classes (k)"


@exercise("09.1")
def level(answer: Callable, random: Random) -> None:
    """shape, order, branches, prior, cells and number of parameters are those of a level"""
    c_in, c, k = random.integer(9, 12), random.integer(5, 8), random.integer(2, 9)
    n, h, w = random.shape(axes=3, low=3, high=7)
    x = random.tensor(n, c_in, h, w)
    where = f"for {c_in} channels in, {c} inside and {k} classes"
    made = answer(c_in, c, k)
    if not isinstance(made, nn.Module):
        raise Wrong(f"{where}: a torch.nn.Module was asked; give the class itself")
    made.eval()
    _shape(made(x), (n, h * w, 5 + k), (h, w), where)
    with torch.no_grad():
        _bias(made(torch.zeros_like(x))[0], where)
        for p in made.parameters():  # no part may seem to do nothing because it starts at 0
            p.copy_(random.tensor(*p.shape))
    size, faults = sum(p.numel() for p in made.parameters()), _faulty(c_in, c, k)
    _size(size, {words: value for words, value in faults.items() if "batch norm" in words}, where)
    _branches(made, x, c_in * c + 2 * c, where)
    _cells(made, x, where)
    _size(size, faults, where)
    if size != (right := _count(c_in, c, k)):
        raise Wrong(f"{where}: {size:,} parameters; {right:,} are right")


def _shape(out: Tensor, wanted: tuple[int, ...], map_size: tuple[int, int], where: str) -> None:
    """One row a cell."""
    if isinstance(out, Tensor) and out.shape != wanted:
        n, a, d = wanted
        faults = {
            (n, d, *map_size): "the map is right so far; one row a cell was asked, n h·w 5+k: flatten(2) and "
            "transpose(1, 2)",
            (n, d, a): "rows and columns of the result have changed places: transpose(1, 2) is missing",
            (n, a, d - 1): "one number a cell is missing: 4 for the box, 1 for objectness, k for the classes",
        }
        if words := faults.get(tuple(out.shape)):
            raise Wrong(f"{where}: {words}")
    same(out, torch.empty(wanted) if not isinstance(out, Tensor) or out.shape != wanted else out, where)


def _bias(rows: Float[Tensor, "a d"], where: str) -> None:
    """On a map of zeros only the last convolutions' biases are left, the same in each cell."""
    row = rows[0]
    prior = (row - PRIOR_BIAS).abs() < 1e-3
    wanted = torch.arange(len(row)) >= 4
    if (rows - row).abs().max() > 1e-3:
        raise Wrong(
            f"{where}: on a map of zeros all rows should be the same, and are not; view and reshape mix "
            "cells, flatten(2).transpose(1, 2) keeps each cell's numbers together"
        )
    if prior.equal(wanted):
        return
    if (row + PRIOR_BIAS).abs()[4:].max() < 1e-3:
        words = "the biases are log(99); the sign is wrong, an empty cell should say no"
    elif prior.sum() == wanted.sum():
        words = ORDER
    elif prior[4] and not prior[5:].any():
        words = "objectness starts at -log(99), the classes do not; both should"
    elif prior[5:].all() and not prior[4]:
        words = "the classes start at -log(99), objectness does not; both should"
    elif prior.all():
        words = "the box starts at -log(99) too; only objectness and classes have the prior"
    else:
        words = "on a map of zeros objectness and classes should give -log(99), their biases"
    raise Wrong(f"{where}: {words}")


def _branches(made: nn.Module, x: Tensor, stem: int, where: str) -> None:
    """Who shares weights with whom, by gradient."""
    box, objectness, classes = (_touched(made, x, part) for part in (slice(4), slice(4, 5), slice(5, None)))
    both = sum(size for p, size in box.items() if p in classes)
    common = sum(size for p, size in objectness.items() if p in classes)
    last = sum(size for p, size in _touched(made, x, slice(-1, None)).items() if p in box)
    fourth = sum(size for p, size in objectness.items() if p in box)
    if last > stem >= fourth:
        raise Wrong(f"{where}: {ORDER}; your objectness comes last")
    if both > stem:
        raise Wrong(f"{where}: box and classes share more than the stem: that is a coupled head")
    if both < stem:
        raise Wrong(f"{where}: box and classes share no stem, a 1 × 1 CBS from {x.shape[1]} channels")
    if common > stem:
        raise Wrong(f"{where}: objectness hangs on the class branch; it belongs to the regression branch")
    if fourth <= stem:
        raise Wrong(f"{where}: objectness has a branch of its own; it shares the regression branch")


def _touched(made: nn.Module, x: Tensor, part: slice) -> dict[int, int]:
    """{place of a parameter: its size}, for those which some of the numbers depend on."""
    made.zero_grad()
    made(x)[..., part].sum().backward()
    return {
        i: p.numel() for i, p in enumerate(made.parameters()) if p.grad is not None and bool(p.grad.any())
    }


def _cells(made: nn.Module, x: Tensor, where: str) -> None:
    """Row i sees 5 × 5 cells around its own: two 3 × 3 convolutions."""
    h, w = x.shape[2:]
    i = 2 * w - 1  # the end of the second line
    x = x.clone().requires_grad_()
    made(x)[0, i].sum().backward()
    seen = x.grad[0].abs().sum(0) > 0  # h w
    rows, columns = torch.arange(h)[:, None], torch.arange(w)
    if seen.equal(((rows - 1).abs() <= 2) & ((columns - (w - 1)).abs() <= 2)):
        return
    down = ((rows - i % h).abs() <= 2) & ((columns - i // h).abs() <= 2)
    if seen.equal(down):
        raise Wrong(f"{where}: cells are counted line by line; yours run down the columns")
    raise Wrong(
        f"{where}: row {i} should see the 5 × 5 cells around line 1, column {w - 1}, and does not: two 3 × 3 "
        "CBS on each branch, then flatten(2).transpose(1, 2); view and reshape mix cells"
    )


def _size(given: int, faults: dict[str, int], where: str) -> None:
    """Name the slip that gives so many parameters."""
    for words, value in faults.items():
        if given == value:
            raise Wrong(f"{where}: {words}")


def _count(c_in: int, c: int, k: int) -> int:
    """All parameters of a level, by building its layers."""

    def cbs(a: int, kernel: int) -> list[nn.Module]:
        return [nn.Conv2d(a, c, kernel, bias=False), nn.BatchNorm2d(c)]

    layers = [*cbs(c_in, 1), *(layer for _ in range(4) for layer in cbs(c, 3))]
    layers += [nn.Conv2d(c, outputs, 1) for outputs in (4, 1, k)]
    return sum(p.numel() for layer in layers for p in layer.parameters())


def _faulty(c_in: int, c: int, k: int) -> dict[str, int]:
    """What typical slips count."""
    right = _count(c_in, c, k)
    return {
        "batch norm is missing: each CBS has a weight and a bias for each of its channels": right - 10 * c,
        "batch norm has two numbers a channel that are learnt, a weight and a bias; you count one": right
        - 5 * c,
        "batch norm's running mean and variance are not parameters": right + 10 * c,
        "the convolutions of a CBS have no bias": right + 5 * c,
        "the last three convolutions have a bias": right - (5 + k),
        "there are two 3 × 3 CBS on each of the two branches, four together": right - 2 * (9 * c * c + 2 * c),
        "the last layers give 4 + 1 + k numbers; objectness is missing": right - c - 1,
        "the stem is missing": right - c_in * c - 2 * c,
        "the kernels of 3 × 3 have 9 weights for each pair of channels, not 3": right - 4 * 6 * c * c,
    }


@exercise("09.2")
def bias(answer: Callable, random: Random) -> None:
    """the number whose sigmoid is the prior, found by bisection"""
    p = float(random.uniform(low=0.001, high=0.4))
    low, high = -20.0, 20.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if torch.tensor(middle, dtype=torch.float64).sigmoid() < p else (low, middle)
        )
    faults = {
        "the sign is wrong: a prior below one half needs a bias below 0": -low,
        "that is log p; the sigmoid of it is not p. Solve 1 / (1 + exp(-b)) = p for b": math.log(p),
        "that is -log p, a loss; solve 1 / (1 + exp(-b)) = p for b": -math.log(p),
        "that is the sigmoid of p; the question goes the other way: which b has the sigmoid p?": 1
        / (1 + math.exp(-p)),
        "this is the bias for 0.01, whatever the prior": PRIOR_BIAS,
    }
    same(answer(p), low, f"for a prior of {p:.3f}", faults, atol=1e-4)


@exercise("09.3")
def score(answer: Callable, random: Random) -> None:
    """the product of two probabilities, number by number"""
    n, a, k = random.shape(axes=3)
    obj, cls = 3 * random.tensor(n, a), 3 * random.tensor(n, a, k)

    def p(logit: float) -> float:
        return 1 / (1 + math.exp(-logit))

    rows = [[[p(o) * p(c) for c in cs] for o, cs in zip(*one)] for one in zip(obj.tolist(), cls.tolist())]
    o = obj[..., None]
    faults = {
        "a product of logits: two firm noes, -4 and -3, make +12, a firm yes": (o * cls).sigmoid(),
        "a sum of logits is not a product of probabilities: 0 and 0 should give 0.25, not 0.5": (
            o + cls
        ).sigmoid(),
        "softmax makes the classes compete and add up to 1; each class has a sigmoid of its own": o.sigmoid()
        * cls.softmax(-1),
        "softmax over objectness and classes makes them compete; each logit has a sigmoid of its own": (
            torch.cat((o, cls), -1).softmax(-1)[..., 1:]
        ),
        "softmax of a sum: each logit has a sigmoid of its own": (o + cls).softmax(-1),
        "objectness is missing: this is how sure the class is, if there is anything": cls.sigmoid(),
        "the square root belongs to the cost of SimOTA (chapter 12), not to the score": (
            o.sigmoid() * cls.sigmoid()
        ).sqrt(),
        "these are logits times a probability; the class needs its sigmoid too": o.sigmoid() * cls,
    }
    where = f"for objectness {tuple(obj.shape)} and classes {tuple(cls.shape)}"
    same(answer(obj, cls), torch.tensor(rows), where, faults)


@exercise("09.4")
def count(answer: Callable, random: Random) -> None:
    """the parameters of layers that were built and counted"""
    c_in, c, k = random.integer(20, 60), random.integer(8, 19), random.integer(2, 3)
    where = f"for {c_in} channels in, {c} inside and {k} classes"
    same(answer(c_in, c, k), _count(c_in, c, k), where, _faulty(c_in, c, k), atol=0)
