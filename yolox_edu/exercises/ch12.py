"""The checks of chapter 12, SimOTA step by step."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from yolox_edu.exercises.compare import kind
from yolox_edu.exercises.judge import Random, Wrong, exercise, same


@exercise("12.1")
def cost(answer: Callable, random: Random) -> None:
    """the same as loops over truths, candidates and classes"""
    g, m, k = random.shape(axes=3, low=2, high=9)
    raw, labels = random.tensor(m, 5 + k), random.integers(0, k - 1, g)
    overlap = random.uniform(g, m) * (random.uniform(g, m) < 0.9)  # some are 0
    near = random.uniform(g, m) < 0.7
    faults = {
        "the class cost forgets the objectness: class and objectness are multiplied": {"objectness": False},
        "the square root is missing: √(class · objectness) is judged": {"root": False},
        "the IoU part weighs 1, not 3": {"weight": 1.0},
        "cells far from the truth cost no million": {"outside": 0.0},
        "the million is on the near cells; it belongs on the far ones": {"inverted": True},
        "only the true class is judged; saying yes to the other classes costs something too": {"others": 0.0},
        "the cross-entropy is averaged over the classes; the sum is asked": {"mean": True},
        "the logarithm of the IoU has the wrong sign: a better box must cost less": {"weight": -3.0},
        "the logits went into the cross-entropy as if they were one: sigmoid first, then multiply": {
            "objectness": False,
            "root": False,
        },
        "far cells cost 100,000, as in YOLOX's first release; a million is asked": {"outside": 1e5},
        "√(class · objectness) is a probability already: one sigmoid too many": {"twice": True},
    }
    wanted = _cost(raw, labels, overlap, near)
    wrong = {words: _cost(raw, labels, overlap, near, **how) for words, how in faults.items()}
    of_class = _cost(raw, labels, overlap, near, weight=0.0, outside=0.0)
    wrong["the class part is weighed by 3, too; only the IoU part should be"] = wanted + 2 * of_class
    wrong["1 − IoU stands where −ln IoU should"] = of_class + 3 * (1 - overlap) + 1e6 * ~near
    same(answer(raw, labels, overlap, near), wanted, f"for {g} truths, {m} candidates, {k} classes", wrong)


def _cost(
    raw: Float[Tensor, "m d"],
    labels: Int[Tensor, " g"],
    overlap: Float[Tensor, "g m"],
    near: Bool[Tensor, "g m"],
    objectness: bool = True,
    root: bool = True,
    weight: float = 3.0,
    outside: float = 1e6,
    others: float = 1.0,
    mean: bool = False,
    inverted: bool = False,
    twice: bool = False,
) -> Float[Tensor, "g m"]:
    """Pair by pair and class by class, in Python's own floats; the options are faults."""
    out = torch.empty_like(overlap)
    for i, label in enumerate(labels.tolist()):
        for j, (_, _, _, _, sure, *classes) in enumerate(raw.tolist()):
            total = 0.0
            for c, logit in enumerate(classes):
                p = 1 / (1 + math.exp(-logit)) * (1 / (1 + math.exp(-sure)) if objectness else 1)
                p = math.sqrt(p) if root else p
                p = 1 / (1 + math.exp(-p)) if twice else p
                total += -math.log(p) if c == label else -others * math.log(1 - p)
            total = total / len(classes) if mean else total
            total -= weight * math.log(overlap[i, j].item() + 1e-8)
            out[i, j] = total + (outside if bool(near[i, j]) == inverted else 0)
    return out


@exercise("12.2", seeds=8)
def dynamic_k(answer: Callable, random: Random) -> None:
    """the same as adding up by a loop, for 1 to 30 candidates"""
    g, m = random.integer(6, 9), random.choice((1, 4, 9, 10, 11, 20, 30))
    overlap = random.uniform(g, m) * random.uniform(g, 1)  # rows with small and with large IoUs
    overlap[0] = 0.34  # so that to the nearest and up are never the same
    faults = {
        "the sum is rounded to the nearest; down was asked": _k(overlap, round),
        "the sum is rounded up; down was asked": _k(overlap, math.ceil),
        "a truth whose sum is below 1 gets no cell; one is the minimum": _k(overlap, math.floor, least=0),
        "all IoUs vote; only the ten largest of each truth should": _k(overlap, math.floor, top=m),
        "the first ten candidates vote; the ten largest should": _k(overlap, math.floor, ordered=False),
        "the sum is not rounded; down was asked": _k(overlap, float),
        "all IoUs vote and k is cut at ten; only the ten largest IoUs should vote": _k(
            overlap, math.floor, top=m
        ).clamp(max=10),
        "every k is 1: were the IoUs averaged, or rounded one by one? Add up first, round then": torch.ones(
            g, dtype=torch.long
        ),
    }
    given = answer(overlap)
    where = f"for {g} truths and {m} candidates"
    same(given, _k(overlap, math.floor), where, faults, any_dtype=True)


def _k(overlap: Tensor, rounded: Callable, least: int = 1, top: int = 10, ordered: bool = True) -> Tensor:
    """The sum of each row's best, by a loop; the options are faults."""
    out = []
    for row in overlap.tolist():
        votes = sorted(row, reverse=True) if ordered else row
        out.append(max(least, rounded(math.fsum(votes[:top]))))
    return torch.tensor(out)


@exercise("12.3", seeds=8)
def conflict(answer: Callable, random: Random) -> None:
    """the same as a loop over cells and truths"""
    g, m = random.integer(2, 6), random.integer(5, 20)
    costs = random.uniform(g, m, high=9)
    claimed = random.uniform(g, m) < random.choice((0.2, 0.5))
    faults = {
        "a conflict was settled among the claimants; the cheapest of all truths gets the cell": _owner(
            costs, claimed, among_all=False
        ),
        "of several claimants the first got the cell; the cheapest should": _owner(
            costs, claimed, first=True
        ),
        "a cell with one claimant is that claimant's, even if another truth is cheaper": _owner(
            costs, claimed, single=False
        ),
        "cells that nobody claims went to truth 0; they should be -1": _owner(costs, claimed).clamp(min=0),
        "cells that nobody claims were given away; they should be -1": costs.argmin(0),
        "of several claimants the dearest got the cell; the cheapest of all should": _owner(
            -costs, claimed, among_all=False
        ),
        "what several claim went to nobody; the cheapest of all truths gets it": _owner(
            costs, claimed
        ).masked_fill(claimed.sum(0) > 1, -1),
    }
    given = answer(costs, claimed)
    same(given, _owner(costs, claimed), f"for {g} truths and {m} cells", faults, any_dtype=True)


def _owner(
    costs: Float[Tensor, "g m"],
    claimed: Bool[Tensor, "g m"],
    among_all: bool = True,
    first: bool = False,
    single: bool = True,
) -> Int[Tensor, " m"]:
    """Cell by cell; the options are faults."""
    owner = []
    for prices, claims in zip(costs.T.tolist(), claimed.T.tolist()):
        claimants = [i for i, c in enumerate(claims) if c]
        rivals = range(len(prices)) if among_all else claimants
        if not claimants:
            owner.append(-1)
        elif (len(claimants) == 1 and single) or first:
            owner.append(claimants[0])
        else:
            owner.append(min(rivals, key=lambda i: prices[i]))
    return torch.tensor(owner)


def _suspect(fault: str) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Steps 2 to 4 with one fault: (overlap, of_class, near), each g m -> owners m."""

    def assigner(
        overlap: Float[Tensor, "g m"], of_class: Float[Tensor, "g m"], near: Bool[Tensor, "g m"]
    ) -> Int[Tensor, " m"]:
        """The owner of each cell, -1 for nobody. Something is wrong in here."""
        costs = of_class - 3 * (overlap + 1e-8).log() + 1e6 * ~near.bool()
        k = _k(
            overlap,
            round if fault == "rounds" else math.floor,
            least=0 if fault == "zero" else 1,
            top=overlap.shape[1] if fault == "all" else 10,
        )
        claimed = torch.zeros_like(costs, dtype=torch.bool)
        for i, order in enumerate(costs.argsort(dim=1, stable=True)):
            claimed[i, order[: k[i]]] = True
        return _owner(costs, claimed, among_all=fault != "claimants")

    return assigner


FAULTS = {
    "rounds": "rounds k to the nearest",
    "zero": "allows a k of 0",
    "all": "lets all IoUs vote",
    "claimants": "asks only the claimants",
}
suspects = {name: _suspect(fault) for name, fault in zip("ABCD", ("claimants", "all", "rounds", "zero"))}


@exercise("12.4")
def verdict(answer: Callable, random: Random) -> None:
    """each of the four is charged with its own fault, in whatever order they come"""
    order = torch.randperm(4, generator=random.generator).tolist()
    random.draws += 1
    for fault in (list(FAULTS)[i] for i in order):
        given = answer(_suspect(fault))
        if not isinstance(given, str):
            raise Wrong(f"{kind(given)} came out; one of {', '.join(map(repr, FAULTS))} was asked")
        if given.strip().casefold() not in FAULTS:
            raise Wrong(f"{given[:40]!r} is none of {', '.join(map(repr, FAULTS))}")
        if given.strip().casefold() != fault:
            raise Wrong(f"a suspect that {FAULTS[fault]} was charged with {given.strip()!r}")
