"""The checks of chapter 15, the training loop."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from yolox_edu.exercises.judge import Random, Wrong, exercise, same


@exercise("15.1")
def schedule(answer: Callable, random: Random) -> None:
    """the rate at every step of a run"""
    batch, per_epoch, epochs = 8 * random.integer(1, 16), random.integer(2, 9), random.integer(30, 60)
    warmup, final = random.integer(2, 5), random.integer(3, 9)
    total = per_epoch * epochs
    for step in (0, warmup * per_epoch, *(random.integer(0, total - 1) for _ in range(12)), total - 1):
        where = f"step {step} of {epochs} epochs with {per_epoch} steps, batch {batch}"
        plan = (step, per_epoch, epochs, warmup, final)
        faults = {
            "0.01 is the rate for 64 pictures a step; scale it with the batch": _rate(*plan, 64),
            "the rise is quadratic": _rate(*plan, batch, power=1),
            "the first step has a rate too: count it as step 1 of the rise": _rate(*plan, batch, first=0),
            "the cosine goes down to 5 % of the peak, not to 0": _rate(*plan, batch, floor=0.0),
            "the cosine must end where the last epochs begin": _rate(*plan, batch, late=True),
            "in the last epochs the rate is flat; this cosine runs on and climbs again": _rate(
                *plan, batch, flat=False
            ),
            "0.05 and half a cosine add up to more than the peak: the cosine has the other 0.95": (
                _rate(*plan, batch, reach=1.0)
            ),
            "1 + cos goes from 2 to 0: take half of it": _rate(*plan, batch, reach=1.9),
            "warm-up and the end are given in epochs; the step counts steps": _rate(
                step, 1, epochs, warmup, final, batch, total=total
            ),
            "this is half a cosine from the first step on; it starts after the warm-up": _rate(
                *plan, batch, early=True
            ),
            "this is the peak, at every step": 0.01 * batch / 64,
        }
        same(answer(*plan, batch), _rate(*plan, batch), where, faults, atol=1e-9)


def _rate(
    step: int, per_epoch: int, epochs: int, warmup: int, final: int, batch: int, *, power: int = 2,
    first: int = 1, floor: float = 0.05, late: bool = False, early: bool = False, total: int = 0,
    flat: bool = True, reach: float | None = None,
) -> float:  # fmt: skip
    """The rate by words; the named arguments are the faults."""
    total = total or per_epoch * epochs
    rise, last = warmup * per_epoch, total - final * per_epoch
    peak = 0.01 * batch / 64
    if step < rise:
        return peak * ((step + first) / rise) ** power
    if flat and step >= last:
        return peak * floor
    start, end = (0 if early else rise), (total if late else last)
    turn = math.pi * (step - start) / (end - start)
    return peak * (floor + (1 - floor if reach is None else reach) * (1 + math.cos(turn)) / 2)


@exercise("15.2")
def average(answer: Callable, random: Random) -> None:
    """the average over a whole run, as a sum over all past states"""
    shape, n = random.shape(2), random.integer(3, 12)
    decay, ramp = 0.9 + 0.01 * random.integer(0, 9), float(random.integer(3, 9))
    states = [{"weight": random.tensor(*shape), "batches": torch.tensor(7 + i)} for i in range(n + 1)]
    keeps = [decay * (1 - math.exp(-i / ramp)) for i in range(1, n + 1)]
    wanted = _averaged(states, keeps)
    faults = {
        "the decay does not rise with n": _averaged(states, [decay] * n),
        "the first update has n = 1; n was counted from 0": _averaged(
            states, [decay * (1 - math.exp(-i / ramp)) for i in range(n)]
        ),
        "the ramp is there and the decay is not: d_n is their product": _averaged(
            states, [1 - math.exp(-i / ramp) for i in range(1, n + 1)]
        ),
        "the average starts as the first state, not as zeros": {
            "weight": wanted["weight"] - math.prod(keeps) * states[0]["weight"],
            "batches": states[0]["batches"],
        },
        "the first state is where the average starts; update number 1 takes in the second": _averaged(
            [states[0], *states], [decay * (1 - math.exp(-i / ramp)) for i in range(1, n + 2)]
        ),
        "the roles have changed places: the decay is the share of the old average": _averaged(
            states, [1 - k for k in keeps]
        ),
        "these are the last weights, not an average": {**states[-1], "batches": states[-1]["batches"]},
        "this is the plain mean; older states count less": {
            "weight": torch.stack([s["weight"] for s in states]).mean(0),
            "batches": states[0]["batches"],
        },
        "batches is a count, not a float: it is not averaged and stays as in the first state": {
            "weight": wanted["weight"],
            "batches": states[-1]["batches"],
        },
    }
    given = answer(states, decay, ramp)
    batches = given.get("batches") if isinstance(given, dict) else None
    if isinstance(batches, Tensor) and batches.is_floating_point():
        raise Wrong(f"over {n} updates: batches is a whole number, and came out as a float; leave it")
    same(given, wanted, f"over {n} updates with decay {decay:.2f} and ramp {ramp:.0f}", faults)


def _averaged(states: list[dict], keeps: list[float]) -> dict:
    """Each state by its share: its own part, times what every later update keeps."""
    parts = [1.0, *(1 - keep for keep in keeps)]
    shares = [part * math.prod(keeps[i:]) for i, part in enumerate(parts)]
    weight = sum(share * s["weight"] for share, s in zip(shares, states, strict=True))
    return {"weight": weight, "batches": states[0]["batches"]}


@exercise("15.3")
def counted(answer: Callable, random: Random) -> None:
    """both counts, on a network with ties and frozen parts"""
    a, b, c = random.integer(2, 5), random.integer(6, 9), random.integer(2, 4)
    tied = nn.Conv2d(b, b, 3)
    frozen = nn.Conv2d(b, c, 1)
    frozen.weight.requires_grad_(False)
    model = nn.Sequential(
        nn.Conv2d(a, b, 3, bias=False), nn.BatchNorm2d(b), tied, tied, frozen, nn.Linear(c, 10)
    )
    first, second = a * b * 9, b * b * 9
    free = 2 * b + b + c + (c * 10 + 10)  # batch norm, two biases, the linear layer
    faults = {
        "the same convolution stands there twice; its weights are one tensor": (
            (first + 2 * second, free),
            (first + 2 * second, free + b),
        ),
        "a frozen weight does not move, so it belongs to neither": (first + second + b * c, free),
        "a frozen weight does not decay, but neither is it free: it does not move": (
            first + second,
            free + b * c,
        ),
        "biases of convolutions do not decay": (first + second + b + c, free - b - c),
        "the linear layer's weight is no convolution's": (first + second + c * 10, free - c * 10),
        "the two have changed places": (free, first + second),
        "a batch norm's scale and the linear layer's weight move too, only without decay": (
            first + second,
            2 * b + c + 10,
        ),
        "these are tensors; count the numbers in them": (2, 6),
        "running averages are buffers; the optimiser never sees them": (first + second, free + 2 * b + 1),
    }
    flat = {}
    for words, value in faults.items():
        both = value if isinstance(value[0], tuple) else (value,)
        flat |= {words + " " * i: v for i, v in enumerate(both)}
    where = f"on a network of {len(model)} layers with {b} channels"
    same(answer(model), (first + second, free), where, flat)


LOGS = {  # log: the disease, and what in its numbers gives it away
    "A": ("zero_grad forgotten", "it falls once, then climbs although each step follows a gradient; whose?"),
    "B": ("rate stuck in the warm-up", "smooth, slow, and both losses alike: how far does a step go?"),
    "C": ("wrong statistics", "training falls as it should; who says otherwise, and with which averages?"),
}


@exercise("15.4", seeds=1)
def three_logs(answer: str | list | tuple, random: Random) -> None:
    """the three names"""
    names = answer.split(",") if isinstance(answer, str) else list(answer)
    if len(names) != len(LOGS):
        raise Wrong(
            f"{len(names)} names came out; three were asked, for A, B and C, with commas between them"
        )
    for given, (log, (name, clue)) in zip(names, LOGS.items(), strict=True):
        if str(given).strip().casefold() == name.casefold():
            continue
        raise Wrong(f"log {log} is not “{str(given).strip()[:40]}”: {clue}")
