"""The checks of chapter 07, CSPDarknet."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from yolox_edu.backbone import CSPDarknet
from yolox_edu.blocks import CBS, Bottleneck, CSPLayer
from yolox_edu.exercises.judge import Random, Wrong, exercise, same

STAGES = ("dark2", "dark3", "dark4", "dark5")


def _parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@exercise("07.1")
def stage(answer: Callable, random: Random) -> None:
    """the same numbers as the package's stage, with the same weights, for 1 to 4 bottlenecks"""
    for n in (1, random.integer(2, 4)):
        c_in, c_out = 2 * random.integer(2, 5), 4 * random.integer(3, 6)
        x = random.tensor(2, c_in, 2 * random.integer(3, 5), 2 * random.integer(6, 8))
        where = f"with {c_in} channels in, {c_out} out and {n} bottleneck{'s' * (n > 1)}"
        made = answer(c_in, c_out, n)
        if not isinstance(made, nn.Module):
            raise Wrong(f"{where}: a module was asked, nn.Sequential(…) for instance")
        truth = _stage(c_in, c_out, n)
        _as_large(made, truth, (c_in, c_out, n), where)
        _same_weights(made, truth, random, where)
        made.eval()
        with torch.no_grad():
            wanted, given = truth.eval()(x), made(x)
            faults = {"the stride is missing: height and width must be halved": _unstrided(truth, x)}
            truth[1].blocks.apply(_no_shortcut)
            faults["the bottlenecks have no shortcut; only dark5 goes without"] = truth(x)
        same(given, wanted, f"{where}, on a tensor of shape {tuple(x.shape)}", faults, atol=1e-4)


def _stage(c_in: int, c_out: int, n: int) -> nn.Sequential:
    return nn.Sequential(CBS(c_in, c_out, 3, stride=2), CSPLayer(c_out, c_out, n))


def _no_shortcut(module: nn.Module) -> None:
    if isinstance(module, Bottleneck):
        module.shortcut = False


def _unstrided(truth: nn.Sequential, x: Tensor) -> Tensor:
    """What a stage gives that forgets to halve."""
    truth[0].conv.stride = (1, 1)
    try:
        return truth(x)
    finally:
        truth[0].conv.stride = (2, 2)


def _as_large(made: nn.Module, truth: nn.Module, sizes: tuple[int, int, int], where: str) -> None:
    """The right number of parameters, or the usual reason why not."""
    given, wanted, (c_in, c_out, n) = _parameters(made), _parameters(truth), sizes
    wrong = {
        "it has three times the bottlenecks: n is already the number to use": _stage(c_in, c_out, 3 * n),
        "it has one bottleneck whatever n is": _stage(c_in, c_out, 1),
        "the stride-2 CBS is missing, or it does not widen": nn.Sequential(CSPLayer(c_in, c_out, n)),
        "the first CBS keeps its width and the CSP block widens; it is the other way round": nn.Sequential(
            CBS(c_in, c_in, 3), CSPLayer(c_in, c_out, n)
        ),
        "the CSP block is missing": CBS(c_in, c_out, 3),
        "the first CBS is 1 × 1; it should be 3 × 3": nn.Sequential(
            CBS(c_in, c_out, 1), CSPLayer(c_out, c_out, n)
        ),
    }
    if given == wanted:
        return
    for words, module in wrong.items():
        if given == _parameters(module):
            raise Wrong(f"{where}: {words}")
    raise Wrong(f"{where}: it has {given:,} parameters, {wanted:,} are right")


def _same_weights(made: nn.Module, truth: nn.Module, random: Random, where: str) -> None:
    """The same random numbers into both, in the order in which their tensors were registered."""
    state, wanted = made.state_dict(), truth.state_dict()
    if [tuple(t.shape) for t in state.values()] != [tuple(t.shape) for t in wanted.values()]:
        raise Wrong(f"{where}: the layers stand in another order; first the stride-2 CBS, then the CSP block")
    for mine, its in zip(state.values(), wanted.values()):
        if its.is_floating_point():
            its.copy_(0.3 * random.tensor(*its.shape).abs() if its.ndim == 1 else random.tensor(*its.shape))
            its.add_(0.5) if its.ndim == 1 else its.div_(math.sqrt(its[0].numel()))
            mine.copy_(its)


@exercise("07.2")
def strides(answer: Callable, random: Random) -> None:
    """how far a step of one cell goes in the picture, found by walking back layer by layer"""
    layers = [random.choice((1, 1, 2, 2, 3)) for _ in range(random.integer(3, 8))]
    layers.insert(random.integer(1, 3), 2)
    layers.append(random.choice((1, 2)))
    wanted = []
    for behind in range(1, len(layers) + 1):
        step = 1  # one cell behind `behind` layers, in cells of the map before the last of them, …
        for s in reversed(layers[:behind]):
            step = sum(s for _ in range(step))
        wanted.append(step)
    faults = {
        "these are the layers' own strides; they multiply along the way": list(layers),
        "the strides were added up; they multiply": [sum(layers[: i + 1]) for i in range(len(layers))],
        "the stride doubles only at layers whose own stride is 2, not at every layer": [
            2 ** (i + 1) for i in range(len(layers))
        ],
        "this is the stride before each layer; the one behind it was asked": [1, *wanted[:-1]],
        "the picture itself, with a stride of 1, is not in the list": [1, *wanted],
        "this is the last stride alone; one for each layer was asked": wanted[-1],
        "a stride of 3 is not a halving; multiply by the stride itself": _doubled(layers),
    }
    same(answer(list(layers)), wanted, f"for layers with strides {layers}", faults)


def _doubled(layers: list[int]) -> list[int]:
    step, steps = 1, []
    for s in layers:
        step *= 2 if s > 1 else 1
        steps.append(step)
    return steps


def _rule(
    width: float, h: int, w: int, halve: Callable = lambda s: s // 2, channels: Callable = int
) -> list[tuple[int, int, int]]:
    """h, w and c of C3, C4 and C5 by a rule, right or wrong."""
    shapes = []
    for i in range(5):
        h, w = halve(h), halve(w)
        shapes.append((h, w, channels((64 << i) * width)))
    return shapes[2:]


@exercise("07.3", seeds=8)
def shapes(answer: Callable, random: Random) -> None:
    """the shapes that came out of a backbone built with this width, Tiny's at 416 among them"""
    if random.seed == 0:
        width, h, w = 0.375, 416, 416
    else:
        width = random.choice((0.25, 0.3, 0.375, 0.45, 0.67, 1.0, 1.15))
        h, w = 32 * random.integer(3, 12), 32 * random.integer(13, 22)
    with torch.device("meta"), torch.no_grad():
        maps = CSPDarknet(0.33, width)(torch.empty(1, 3, h, w))
    wanted = [(m.shape[2], m.shape[3], m.shape[1]) for m in maps]
    odd = _rule(width, h, w, halve=lambda s: s // 2 - 1)
    faults = {
        "channels are int(width * n), cut off; these were rounded": _rule(width, h, w, channels=round),
        "channels are int(width * n), cut off; these were rounded up": _rule(width, h, w, channels=math.ceil),
        "height and width have changed places": [(b, a, c) for a, b, c in wanted],
        "the order is c, h, w; the book's h, w, c was asked": [(c, a, b) for a, b, c in wanted],
        "these are stem, dark2 and dark3: the stem halves too, and C3 is behind three halvings": [
            (h >> i, w >> i, int((32 << i) * width)) for i in (1, 2, 3)
        ],
        "the stem's halving is missing: C3 has stride 8, not 4": [(2 * a, 2 * b, c) for a, b, c in wanted],
        "a side of h gives h // 2, exactly: padding makes up for the kernel": odd,
        "one too many: with padding a 3 × 3 of stride 2 halves an even side exactly": [
            (a + 1, b + 1, c) for a, b, c in wanted
        ],
        "these are the channels of L; multiply by the width": _rule(1.0, h, w),
    }
    same(answer(width, h, w), wanted, f"for width {width} at {h} × {w}", faults)


@exercise("07.4", seeds=8)
def bottlenecks(answer: Callable, random: Random) -> None:
    """the bottlenecks counted in a backbone built with this depth, those of all presets among them"""
    known = (0.33, 0.67, 1.0, 1.33, 0.5, 0.1)
    depth = known[random.seed] if random.seed < len(known) else random.integer(20, 200) / 100
    random.draws += 1
    with torch.device("meta"):
        backbone = CSPDarknet(depth, 0.125)
    wanted = [sum(isinstance(m, Bottleneck) for m in getattr(backbone, s).modules()) for s in STAGES]
    n = wanted[0]
    # where several slips give the same numbers, the first one is named
    faults = {
        "dark3 and dark4 have three times as many": [n] * 4,
        "dark5 has as many as dark2; only dark3 and dark4 have three times as many": [n, 3 * n, 3 * n, 3 * n],
        "depth * 3 was cut off by int(); round() was asked": _counts(max(int(depth * 3), 1)),
        "depth * 3 was rounded up; round() was asked": _counts(math.ceil(depth * 3)),
        "a stage has at least one bottleneck: max(…, 1)": _counts(round(depth * 3)),
        "a stage has at least one bottleneck: max(…, 1); and round(), not int(), was asked": _counts(
            int(depth * 3)
        ),
        "three is L's number for a stage: it is round(depth * 3), not round(depth)": _counts(
            max(round(depth), 1)
        ),
        "the rounding comes first, then the three times: 3 * round(depth * 3)": _late(depth),
    }
    same(answer(depth), wanted, f"for depth {depth}", faults)


def _counts(n: int) -> list[int]:
    return [n, 3 * n, 3 * n, n]


def _late(depth: float) -> list[int]:
    """Rounded after the three times."""
    n, many = max(round(depth * 3), 1), max(round(depth * 9), 1)
    return [n, many, many, n]
