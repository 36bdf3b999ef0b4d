"""The checks of chapter 20, official weights and parity."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from yolox_edu.exercises.judge import NothingYet, Random, Wrong, exercise, same

# --- 20.1: BGR, 0 to 255, into the stem -------------------------------------------------------------------


def _folded(weight: Float[Tensor, "c 12 3 3"]) -> Float[Tensor, "c 12 3 3"]:
    """Channel by channel."""
    out = torch.empty_like(weight)
    for phase in range(4):
        for colour in range(3):
            out[:, 3 * phase + colour] = weight[:, 3 * phase + 2 - colour] * 255
    return out


@exercise("20.1")
def fold(answer: Callable, random: Random) -> None:
    """the same output for RGB up to 1 as the official weight has for BGR up to 255"""
    weight = random.tensor(random.integer(2, 6), 12, 3, 3)
    truth = _folded(weight)
    faults = {
        "the 255 is on the wrong side: pixels became smaller, so weights must grow": truth / 255**2,
        "the colours are right, but the pixels still become 255 times smaller": truth / 255,
        "red and blue are still swapped": weight * 255,
        "all twelve channels were flipped; that turns the four phases around too": weight.flip(1) * 255,
        "this flips the phases, not the colours": weight.unflatten(1, (4, 3)).flip(1).flatten(1, 2) * 255,
        "this takes the twelve channels as three colours of four phases; it is the other way round": (
            weight.unflatten(1, (3, 4)).flip(1).flatten(1, 2) * 255
        ),
    }
    same(answer(weight), truth, f"on a weight of shape {tuple(weight.shape)}", faults, atol=1e-3)


# --- 20.2: which layer differs ----------------------------------------------------------------------------


class _Net(nn.Module):
    """Six small layers that run in another order than they are registered."""

    def __init__(self, order: list[int]):
        super().__init__()
        self.layers = nn.ModuleDict({f"part{i}": nn.Conv2d(3, 3, 3, padding=1) for i in range(6)})
        self.order = order

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
        for i in self.order:
            x = torch.relu(self.layers[f"part{i}"](x) + x)
        return x


def _names(order: list[int]) -> list[str]:
    return [f"layers.part{i}" for i in order]


@exercise("20.2", seeds=8)
def culprit(answer: Callable, random: Random) -> None:
    """the layer that was mapped wrongly, although all layers after it differ too"""
    order = torch.randperm(6, generator=random.generator).tolist()
    random.draws += 1
    right, wrong = _Net(order), _Net(order)
    for parameter in right.parameters():
        parameter.data = random.tensor(*parameter.shape) * 0.3
    wrong.load_state_dict(right.state_dict())
    place = random.integer(1, 4)  # neither the first nor the last to run
    bad = f"part{order[place]}"
    numbers = random.integer(0, 1) or random.seed == 0  # so that a bare stub is told apart, below
    if numbers:  # another layer's numbers; or a wrong setting, which no state dict shows
        wrong.layers[bad].load_state_dict(right.layers[f"part{order[-1]}"].state_dict())
    else:
        wrong.layers[bad].padding_mode = "replicate"
        wrong.layers[bad]._reversed_padding_repeated_twice = [1, 1, 1, 1]
    x = random.tensor(1, 3, 8, 8)
    with torch.no_grad():
        try:
            given = answer(right, wrong, x)
        except NothingYet as nothing:
            if numbers:
                raise
            raise Wrong(
                "nothing came out for two networks whose tensors are all equal: there one layer is set up "
                "otherwise, which only its output shows"
            ) from nothing
    names = _names(order)
    if given not in names:
        raise Wrong(f"for two networks: {given!r} is no module without children; they are {sorted(names)}")
    where = f"for layers that run in the order {', '.join(n[-1] for n in names)}"
    registered = next(n for n in sorted(names) if names.index(n) >= place)
    faults = {
        "this one differs, and runs later than the culprit: named_modules() is not the order of running": (
            registered if registered != f"layers.{bad}" else None
        ),
        "this is the last to run; the fault is where the difference starts": names[-1],
        "this layer is equal in both": given if names.index(given) < place else None,
        "this layer differs only because what goes into it does": given,
    }
    same(given, f"layers.{bad}", where, {words: name for words, name in faults.items() if name})


# --- 20.3: a mean, folded exactly -------------------------------------------------------------------------


@exercise("20.3")
def normalised(answer: Callable, random: Random) -> None:
    """the same as normalising first, up to the last row and column"""
    k, c = 2 * random.integer(0, 2) + 1, random.integer(1, 4)
    weight, mean = random.tensor(random.integer(1, 4), c, k, k), random.tensor(c)
    std = random.tensor(c).abs() + 0.5
    given = answer(weight, mean, std)
    m, s = mean.view(-1, 1, 1), std.view(-1, 1, 1)
    scaled = weight / s
    bias = -(scaled * m).sum((1, 2, 3))
    where = f"for a kernel of {k} × {k} and {c} colours"
    faults = {
        "the bias has the wrong sign: the mean is taken off": (scaled, -bias, mean),
        "the bias must be divided by the deviation, too": (scaled, -(weight * m).sum((1, 2, 3)), mean),
        "the weights were multiplied by the deviation; divide": (
            weight * s, -(weight * s * m).sum((1, 2, 3)), mean,
        ),
        "around the picture lies black; in the normalised one 0 stands for the mean colour": (
            scaled, bias, torch.zeros(c),
        ),
    }  # fmt: skip
    same(given, (scaled, bias, mean), where, faults, atol=1e-4)
    x, edge = random.tensor(2, c, 7, 9), k // 2  # and what it is for
    truth = F.conv2d((x - m) / s, weight, padding=edge)
    framed = torch.empty(2, c, 7 + 2 * edge, 9 + 2 * edge).copy_(given[2].view(-1, 1, 1))
    framed[:, :, edge : edge + 7, edge : edge + 9] = x
    same(F.conv2d(framed, given[0], given[1]), truth, f"{where}, the output", atol=1e-3)
