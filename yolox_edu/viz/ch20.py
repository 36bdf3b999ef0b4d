"""Chapter 20's figures: planted faults, the layers that differ, an error that comes in from the border."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from math import log10
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from jaxtyping import Float
from matplotlib.cbook import get_sample_data
from matplotlib.figure import Figure
from torch import Tensor, nn
from torchvision.ops import box_iou

from yolox_edu.blocks import CBS
from yolox_edu.model import YOLOX, build
from yolox_edu.released import RELEASE
from yolox_edu.viz.svg import Drawing, canvas, rect, text

# The parts in the order in which they run.
PARTS = (
    *("backbone.stem", "backbone.dark2.0", "backbone.dark2.1", "backbone.dark3.0", "backbone.dark3.1"),
    *("backbone.dark4.0", "backbone.dark4.1", "backbone.dark5.0", "backbone.dark5.1", "backbone.dark5.2"),
    *("neck.lateral5", "neck.topdown4", "neck.lateral4", "neck.topdown3", "neck.down3", "neck.bottomup4"),
    *("neck.down4", "neck.bottomup5", "head.levels.0", "head.levels.1", "head.levels.2"),
)

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, for RGB in [0, 1]

# What the chapter's table of AP shows of each measured row, and what its last cell says without weights.
PRECISION = {"set": "{set}", "release": "{release}", "ours": "{AP:.4f}", "official": "{official AP:.4f}"}
PRECISION["official_cut"] = "{cut AP:.4f}"
NO_WEIGHTS = f"""No official weights here. With a network: Detector("yolox-nano").
Without: put yolox_nano.pth, which is at the address below,
into ~/.cache/yolox_edu (or $YOLOX_EDU_CACHE), and run this again.
{RELEASE}"""


def photograph() -> Path:
    """A photograph that comes with matplotlib: Grace Hopper, by the US Navy, public domain. Chapter 20."""
    return Path(get_sample_data("grace_hopper.jpg", asfileobj=False))


# --- faults -----------------------------------------------------------------------------------------------


def _eps(model: YOLOX) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-5  # PyTorch's default


def _relu(model: YOLOX) -> None:
    for module in model.modules():
        if isinstance(module, CBS):
            module.forward = lambda x, m=module: F.relu(m.bn(m.conv(x)))


def _phases(model: YOLOX) -> None:
    def row_by_row(module: nn.Module, inputs: tuple[Tensor]) -> Tensor:
        return inputs[0].unflatten(1, (4, 3))[:, [0, 2, 1, 3]].flatten(1, 2)

    model.backbone.stem.cbs.register_forward_pre_hook(row_by_row)


def _colours(model: YOLOX) -> None:
    model.backbone.stem.register_forward_pre_hook(lambda module, inputs: inputs[0].flip(1))


def _bilinear(model: YOLOX) -> None:
    def resample(module: nn.Module, inputs: tuple[Tensor]) -> Tensor:
        doubled, other = inputs[0].chunk(2, dim=1)  # what was joined: n c h w each
        smooth = F.interpolate(doubled[..., ::2, ::2], scale_factor=2, mode="bilinear")
        return torch.cat((smooth, other), dim=1)

    for part in (model.neck.topdown4, model.neck.topdown3):
        part.register_forward_pre_hook(resample)


def _swapped(model: YOLOX) -> None:
    csp = model.neck.bottomup5  # C3_n4; its conv1 and conv2 have the same shapes
    csp.main, csp.skip = csp.skip, csp.main


def _spp_last(model: YOLOX) -> None:
    down, spp, csp = model.backbone.dark5
    model.backbone.dark5.forward = lambda x: spp(csp(down(x)))


FAULTS: dict[str, Callable[[YOLOX], None]] = {
    "batch norm's eps 1e-5": _eps,
    "bilinear upsampling": _bilinear,
    "conv1, conv2 swapped": _swapped,
    "SPP after the CSP block": _spp_last,
    "phases row by row": _phases,
    "red and blue swapped": _colours,
    "ReLU for SiLU": _relu,
}


def planted(model: YOLOX, fault: str) -> YOLOX:
    """A copy of the model with one of FAULTS; names and shapes of the tensors stay. Chapter 20.

    So do their values, but for "conv1, conv2 swapped", in which two layers get each other's.
    """
    wrong = copy.deepcopy(model)
    FAULTS[fault](wrong)
    return wrong


def silent(model: YOLOX, part: str) -> YOLOX:
    """A copy of the model in which one part gives nothing but zeros. Chapter 20."""
    mute = copy.deepcopy(model)
    mute.get_submodule(part).register_forward_hook(lambda module, inputs, out: torch.zeros_like(out))
    return mute


def mean_folded(legacy: YOLOX) -> YOLOX:
    """A copy of a model of the first release that folds the mean into the stem: wrong at the border."""
    wrong = copy.deepcopy(legacy)
    wrong.backbone.stem._forward_pre_hooks.clear()  # no normalisation in front
    conv = wrong.backbone.stem.cbs.conv
    mean, std = (torch.tensor(each).repeat(4).view(-1, 1, 1) for each in (MEAN, STD))  # 12 1 1
    weight = conv.weight.detach() / std
    conv.weight, conv.bias = nn.Parameter(weight), nn.Parameter(-(weight * mean).sum((1, 2, 3)))
    return wrong


@torch.no_grad()
def shaken(preset: str, x: Float[Tensor, "n 3 h w"], seed: int = 0) -> YOLOX:
    """A preset with random weights, and random numbers in every batch norm. Chapter 20.

    Means and variances follow the size of what arrives there, or the pictures x would be lost on their way.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(values: Tensor, low: float, high: float) -> None:
        values.uniform_(low, high, generator=generator)

    def fit(norm: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
        size = inputs[0].square().mean().sqrt().item()
        for values, low, high in ((norm.weight, 1.0, 2.0), (norm.bias, -0.8, 0.8)):
            draw(values, low, high)
        draw(norm.running_mean, -0.3 * size, 0.3 * size)
        draw(norm.running_var, 0.5 * size**2, 1.5 * size**2)

    model = build(preset).eval().requires_grad_(False)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            side = (3 / module.weight[0].numel()) ** 0.5
            draw(module.weight, -side, side)
            if module.bias is not None:
                draw(module.bias, -0.3, 0.3)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(fit) for norm in norms]
    model.raw(x)
    for hook in hooks:
        hook.remove()
    return model


# --- what differs -----------------------------------------------------------------------------------------


@torch.no_grad()
def activations(model: YOLOX, x: Float[Tensor, "n 3 h w"]) -> dict[str, Tensor]:
    """What each of PARTS gives, by name. Chapter 20."""
    seen: dict[str, Tensor] = {}
    hooks = [
        model.get_submodule(name).register_forward_hook(
            lambda module, inputs, output, name=name: seen.__setitem__(name, output)
        )
        for name in PARTS
    ]
    model.raw(x)
    for hook in hooks:
        hook.remove()
    return {name: seen[name] for name in PARTS}


def differences(right: Mapping[str, Tensor], wrong: Mapping[str, Tensor]) -> dict[str, float]:
    """For each part the size of the difference (root of the sum of squares) over that of the right output."""
    return {name: ((wrong[name] - out).norm() / out.norm()).item() for name, out in right.items()}


LEFT, WIDE, LINE, LEAST = 84, 250, 19, -6  # pixels, and the exponent where the log scale begins


def _share(value: float, log: bool) -> float:
    """The length of a bar, 0 to 1; 1 is a difference of 200 % (or 10, on the log scale)."""
    if not log:
        return min(value / 2, 1)
    return min(max((log10(max(value, 1e-12)) - LEAST) / (1 - LEAST), 0), 1)


def _scale(log: bool) -> list[tuple[float, str]]:
    if not log:
        return [(0, "0"), (0.25, "50 %"), (0.5, "100 %"), (0.75, "150 %")]
    names = ("1e-6", "1e-5", "1e-4", "0.1 %", "1 %", "10 %", "100 %")
    return [(i / 7, name) for i, name in enumerate(names) if i % 2 == 0]


def difference_bars(values: Mapping[str, float], scale: str = "log", says: str = "") -> Drawing:
    """A bar a part, in the order in which they run; the first that differs is solid. Chapter 20."""
    log, first = scale == "log", next((name for name, v in values.items() if v > 1e-6), None)
    body, bottom = [], 8 + LINE * len(values)
    for share, name in _scale(log):
        x = LEFT + share * WIDE
        body.append(
            f'<line x1="{x:.0f}" x2="{x:.0f}" y1="4" y2="{bottom}" stroke="currentColor" opacity="0.25"/>'
        )
        body.append(text(x, bottom + 11, name))
    for i, (name, value) in enumerate(values.items()):
        y, long = 6 + LINE * i, _share(value, log) * WIDE
        short = name.removeprefix("backbone.").removeprefix("neck.").replace("levels.", "")
        body.append(text(LEFT - 6, y + 8, short, "end", bold=name == first))
        if value > 1e-6:
            colour, tint = ("vermilion", 0.85) if name == first else ("sky", 0.45)
            body.append(rect(LEFT, y, max(long, 1.5), LINE - 5, colour, tint=tint))
        if name == first:
            body.append(text(LEFT + long + 6, y + 8, "it starts here", "start"))
    body.append(text(LEFT + WIDE / 2, bottom + 27, "difference / size of the right output"))
    return canvas(body, LEFT + WIDE + 80, bottom + 36, says or sentence(values))


def percent(value: float) -> str:
    """Two digits that count: "0.13 %", "3.2 %", "190 %"."""
    return f"{float(f'{100 * value:.2g}'):g} %"


def sentence(values: Mapping[str, float], hits: int = 0, false: int = 0, objects: int = 0) -> str:
    """What the bars say, and what the network finds if that was counted. Chapter 20."""
    off = {name: value for name, value in values.items() if value > 1e-6}
    if not off:
        return "No part differs."
    first, worst = next(iter(off)), max(off, key=off.get)
    says = (
        f"{len(off)} of {len(values)} parts differ. The first is {first}, by {percent(off[first])};"
        f" most differs {worst}, by {percent(off[worst])}."
    )
    if objects:
        says += f" On eight streets it finds {hits} of {objects}, and {false} false."
    return says


def inwards(maps: Mapping[str, Float[Tensor, "h w"]]) -> Figure:
    """Maps of a relative difference in two rows, dark where there is none. Chapter 20."""
    fig, axes = plt.subplots(2, -(-len(maps) // 2), figsize=(7, 4.4), gridspec_kw={"hspace": 0.35})
    for ax, (name, values) in zip(axes.flat, maps.items()):
        image = ax.imshow(values.clamp(min=1e-7).log10(), cmap="viridis", vmin=-6, vmax=0)
        side = f"{values.shape[0]} × {values.shape[1]} cells"
        ax.set(title=name, xlabel=side, xticks=[], yticks=[])
    bar = fig.colorbar(image, ax=axes, shrink=0.8, ticks=[-6, -4, -2, 0])
    bar.ax.set_yticklabels(["1e-6", "1e-4", "1 %", "100 %"])
    bar.set_label("difference / size of the right output")
    return fig


def table(rows: Sequence[Mapping[str, Any]], **columns: str) -> str:
    """Measured rows as lines of text: one column for each `heading="format of a row"`. Chapter 20."""
    lines = [[name.replace("_", " ") for name in columns]]
    lines += [[form.format(**row) for form in columns.values()] for row in rows]
    wide = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return "\n".join(
        "  ".join([line[0].ljust(wide[0]), *(cell.rjust(w) for cell, w in zip(line[1:], wide[1:]))])
        for line in lines
    )


@torch.no_grad()
def found(model: YOLOX, x: Float[Tensor, "n 3 h w"], targets: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """How many ground truths are found (right class, IoU of a half), and how many boxes are false."""
    hits = false = 0
    for each, target in zip(model(x), targets, strict=True):
        boxes, labels = (torch.as_tensor(target[key]) for key in ("boxes", "labels"))  # g 4, g
        match = box_iou(boxes, each["boxes"]) >= 0.5  # g m
        match &= labels[:, None] == each["labels"]
        hits, false = hits + int(match.any(1).sum()), false + int((~match.any(0)).sum())
    return hits, false
