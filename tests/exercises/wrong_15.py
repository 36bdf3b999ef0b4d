"""Typical wrong answers to the exercises of chapter 15, and words of the message that each must get."""

import math

import torch
from torch import nn


def _rate(
    step, per_epoch, epochs, warmup, final, batch, peak=None, power=2, first=1, floor=0.05, end=None,
    flat_end=True, reach=None,
):  # fmt: skip
    total, rise = per_epoch * epochs, warmup * per_epoch
    peak = 0.01 * batch / 64 if peak is None else peak
    flat = total - final * per_epoch
    if step < rise:
        return peak * ((step + first) / rise) ** power
    if step >= flat and flat_end:
        return peak * floor
    turn = (step - rise) / ((total if end else flat) - rise)
    return peak * (floor + (reach or 1 - floor) * 0.5 * (1 + math.cos(math.pi * turn)))


def _with(**changes):
    return lambda *plan: _rate(*plan, **changes)


def _in_epochs(step, per_epoch, epochs, warmup, final, batch):
    peak, total = 0.01 * batch / 64, per_epoch * epochs
    if step < warmup:
        return peak * ((step + 1) / warmup) ** 2
    if step >= total - final:
        return peak * 0.05
    turn = (step - warmup) / (total - final - warmup)
    return peak * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * turn)))


def _ema(states, decay, ramp, start=1, swap=False, rise=True, ints="first"):
    out = dict(states[0])
    for n, state in enumerate(states[1:], start):
        keep = decay * (1 - math.exp(-n / ramp)) if rise else decay
        keep = 1 - keep if swap else keep
        for name, value in state.items():
            if value.is_floating_point() or ints == "average":
                out[name] = keep * out[name] + (1 - keep) * value
            elif ints == "last":
                out[name] = value
    return out


def _plain_mean(states, decay, ramp):
    return {
        "weight": torch.stack([s["weight"] for s in states]).mean(0),
        "batches": states[0]["batches"],
    }


def _only_the_ramp(states, decay, ramp):
    return _ema(states, 1.0, ramp)


def _from_zeros(states, decay, ramp):
    zeros = {**states[0], "weight": torch.zeros_like(states[0]["weight"])}
    return _ema([zeros, *states[1:]], decay, ramp)


def _first_twice(states, decay, ramp):
    return _ema([states[0], *states], decay, ramp)


def _in_place(states, decay, ramp):
    out = states[0]
    for n, state in enumerate(states[1:], 1):
        out["weight"].lerp_(state["weight"], 1 - decay * (1 - math.exp(-n / ramp)))
    return out


def _count(model, ties=True, frozen=True, biases=False, linear=False):
    decayed, free = {}, {}
    kinds = (nn.Conv2d, nn.Linear) if linear else nn.Conv2d
    for i, module in enumerate(model if not ties else model.modules()):
        for name, p in module.named_parameters(recurse=False):
            if frozen and not p.requires_grad:
                continue
            is_decayed = isinstance(module, kinds) and (name == "weight" or biases)
            is_decayed = is_decayed and not (biases and isinstance(module, nn.Linear))
            (decayed if is_decayed else free)[id(p) if ties else (i, name)] = p.numel()
    return sum(decayed.values()), sum(free.values())


def _by_axes(model):
    parameters = [p for p in model.parameters() if p.requires_grad]
    return (
        sum(p.numel() for p in parameters if p.ndim > 1),
        sum(p.numel() for p in parameters if p.ndim == 1),
    )


def _biases_only(model):
    banks = {m.weight for m in model.modules() if isinstance(m, nn.Conv2d) and m.weight.requires_grad}
    biases = [p for name, p in model.named_parameters() if name.endswith("bias")]
    return sum(p.numel() for p in banks), sum(p.numel() for p in biases)


WRONG = {
    "15.1": [
        (_with(peak=0.01), "scale it with the batch"),
        (_with(power=1), "quadratic"),
        (_with(first=0), "count it as step 1"),
        (_with(floor=0.0), "not to 0"),
        (_with(end="total"), "where the last epochs begin"),
        (_with(flat_end=False), "runs on and climbs again"),
        (_with(reach=1.0), "more than the peak"),
        (_with(reach=1.9), "take half of it"),
        (_in_epochs, "counts steps"),
        (lambda *plan: 0.01 * plan[-1] / 64, "at every step"),
        (lambda *plan: torch.tensor([0.0, 1.0]), "a number was asked"),
    ],
    "15.2": [
        (lambda *x: _ema(*x, rise=False), "does not rise"),
        (lambda *x: _ema(*x, start=0), "counted from 0"),
        (lambda *x: _ema(*x, swap=True), "changed places"),
        (lambda *x: _ema(*x, ints="last"), "a count, not a float"),
        (lambda *x: _ema(*x, ints="average"), "came out as a float"),
        (lambda states, d, r: dict(states[-1]), "the last weights"),
        (_plain_mean, "plain mean"),
        (_only_the_ramp, "their product"),
        (_from_zeros, "not as zeros"),
        (_first_twice, "takes in the second"),
        (_in_place, "changes its input"),
        (lambda *x: _ema(*x)["weight"], "a dict with"),
    ],
    "15.3": [
        (lambda m: _count(m, ties=False), "one tensor"),
        (lambda m: _count(m, frozen=False), "neither"),
        (lambda m: _count(m, biases=True), "biases of convolutions"),
        (lambda m: _count(m, linear=True), "no convolution's"),
        (_by_axes, "no convolution's"),
        (lambda m: _count(m)[::-1], "changed places"),
        (_biases_only, "a batch norm's scale"),
        (lambda m: sum(_count(m)), "2 things were asked"),
    ],
    "15.4": [
        ("zero_grad forgotten", "three were asked"),
        ("rate too high, rate stuck in the warm-up, wrong statistics", "log A is not"),
        ("zero_grad forgotten, overfitting, wrong statistics", "log B is not"),
        ("zero_grad forgotten, rate stuck in the warm-up, labels shifted", "log C is not"),
        (["wrong statistics", "rate stuck in the warm-up", "zero_grad forgotten"], "log A is not"),
    ],
}
