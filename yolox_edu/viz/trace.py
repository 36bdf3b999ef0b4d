"""What each part of a network does to shapes, and what it costs. Chapters 03 to 10.

Hooks note what enters and leaves each part. At the same time every tensor carries along its *reach*: which
pixels of the input each of its cells can see. Nothing is computed: a twin of the module on the "meta"
device, whose tensors have shapes but no numbers, runs in a few hundredths of a second, however large.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from yolox_edu.model import YOLOX


@dataclass(frozen=True)
class Layer:
    """One part of a network, as it ran. Convolutions alone are counted in `macs`, as in published figures.

    `stride` and `field` refer to the input of the whole module that was traced: how many of its pixels lie
    between two neighbouring cells, and how many, along one side, a cell can see.
    """

    name: str
    kind: str
    inputs: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]
    parameters: int
    macs: int
    stride: int
    field: int

    @property
    def flops(self) -> int:
        """A multiplication and an addition for each MAC."""
        return 2 * self.macs


@dataclass(frozen=True)
class Reach:
    """Along one axis, cell j of a map sees the input's pixels first[r] + step·m to last[r] + step·m.

    Here m, r = divmod(j, phases). There is one phase, and `step` is the stride, until something is
    upsampled: then two neighbours may come from the same coarse cell, and the pattern repeats with a longer
    period. The input itself is Reach(1, (0,), (0,)).
    """

    step: int
    first: tuple[int, ...]
    last: tuple[int, ...]

    @property
    def phases(self) -> int:
        """After how many cells the pattern repeats."""
        return len(self.first)

    @property
    def field(self) -> int:
        """The side of the receptive field in pixels."""
        return max(last - first for first, last in zip(self.first, self.last)) + 1

    def sees(self, j: int) -> tuple[int, int]:
        """First and last pixel that cell j sees."""
        m, r = divmod(j, self.phases)
        return self.first[r] + self.step * m, self.last[r] + self.step * m

    def window(self, stride: int, start: int, end: int) -> Reach:
        """The reach of a map whose cell i looks at this one's cells stride·i + start to stride·i + end."""
        phases = self.phases // math.gcd(self.phases, stride)
        step = self.step * stride * phases // self.phases
        first = tuple(self.sees(stride * i + start)[0] for i in range(phases))
        last = tuple(self.sees(stride * i + end)[1] for i in range(phases))
        return Reach(step, first, last)

    def repeat(self, times: int) -> Reach:
        """The reach after each cell was repeated, as in nearest upsampling."""
        return Reach(
            self.step,
            tuple(x for x in self.first for _ in range(times)),
            tuple(x for x in self.last for _ in range(times)),
        )

    def join(self, other: Reach) -> Reach:
        """The reach of a map made from two. Where the strides differ (rows of several levels): the wider."""
        if self.step * other.phases != other.step * self.phases:
            return max(self, other, key=lambda reach: reach.field)
        phases = math.lcm(self.phases, other.phases)
        pairs = [(self.sees(j), other.sees(j)) for j in range(phases)]
        step = self.step * phases // self.phases
        return Reach(
            step, tuple(min(a, b) for (a, _), (b, _) in pairs), tuple(max(a, b) for (_, a), (_, b) in pairs)
        )


class _Watch(TorchFunctionMode):
    """Sees each operation of PyTorch: counts MACs and hands the reach of a tensor on to its results."""

    def __init__(self) -> None:
        super().__init__()
        self.macs = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        if name == "conv2d":
            weight = args[1] if len(args) > 1 else kwargs["weight"]
            self.macs += out.numel() * weight[0].numel()
        reaches = [r for t in _tensors((args, kwargs)) if (r := getattr(t, "reach", None))]
        if reaches:
            reach = reaches[0]
            for other in reaches[1:]:
                reach = reach.join(other)
            reach = _after(name, reach, args, kwargs)
            for tensor in _tensors(out):
                tensor.reach = reach
        return out


def _tensors(nest: Any) -> list[Tensor]:
    """The tensors of nested lists, tuples and dicts."""
    if isinstance(nest, Tensor):
        return [nest]
    if isinstance(nest, dict):
        nest = tuple(nest.values())
    return [t for item in nest for t in _tensors(item)] if isinstance(nest, list | tuple) else []


def _last(value: Any) -> Any:
    """The entry for the last axis of something given once or per axis."""
    return value[-1] if isinstance(value, tuple | list) else value


def _after(name: str, reach: Reach, args: Any, kwargs: dict[str, Any]) -> Reach:
    """The reach after an operation; whatever has no window is taken to work cell by cell."""
    if name == "__getitem__":
        index = args[1][-1] if isinstance(args[1], tuple) and len(args[1]) == args[0].ndim else None
        if isinstance(args[1], tuple) and args[1][0] is Ellipsis:
            index = args[1][-1]
        return (
            reach.window(index.step or 1, index.start or 0, index.start or 0)
            if isinstance(index, slice)
            else reach
        )
    names = {
        "conv2d": ("input", "weight", "bias", "stride", "padding", "dilation"),
        "max_pool2d": ("input", "kernel_size", "stride", "padding", "dilation"),
        "avg_pool2d": ("input", "kernel_size", "stride", "padding"),
        "interpolate": ("input", "size", "scale_factor"),
        "pixel_unshuffle": ("input", "downscale_factor"),
    }
    kind = next((k for k in names if name in (k, f"_{k}")), None)
    if kind is None:
        return reach
    given = {
        key: _last(value) if not isinstance(value, Tensor) else value
        for key, value in {**dict(zip(names[kind], args)), **kwargs}.items()
    }
    if kind == "interpolate":
        times = given.get("scale_factor") or given["size"] / given["input"].shape[-1]
        return reach.repeat(int(times))
    if kind == "pixel_unshuffle":
        return reach.window(given["downscale_factor"], 0, given["downscale_factor"] - 1)
    kernel = given["weight"].shape[-1] if kind == "conv2d" else given["kernel_size"]
    stride = given.get("stride") or (1 if kind == "conv2d" else kernel)
    padding, dilation = given.get("padding", 0), given.get("dilation", 1)
    return reach.window(stride, -padding, (kernel - 1) * dilation - padding)


def trace(
    module: nn.Module, *inputs: Tensor | Sequence[int], parts: Sequence[str] | None = None, leaf: bool = False
) -> list[Layer]:
    """What happens in each part of a module, in the order of running. Chapters 03 to 10.

    `inputs` are tensors or shapes, such as (1, 3, 640, 640). `parts` names the sub-modules to list; without
    it they are the children (of a whole YOLOX: those of backbone, neck and head), and with `leaf` all
    convolutions. A part that runs again is listed again, its parameters counted once.
    """
    module = _twin(module)
    listed = {module.get_submodule(path): name for path, name in _listed(module, parts, leaf).items()}
    layers: list[Layer] = []
    with _Watch() as watch, torch.no_grad():
        before: dict[nn.Module, int] = {}
        for part in listed:
            part.register_forward_pre_hook(lambda m, _: before.update({m: watch.macs}))
            part.register_forward_hook(
                lambda m, given, out: layers.append(_layer(m, listed[m], given, out, watch.macs - before[m]))
            )
        getattr(module, "raw", module)(*_start(inputs))
    seen: dict[str, int] = {}
    for i, layer in enumerate(layers):
        seen[layer.name] = seen.get(layer.name, 0) + 1
        if seen[layer.name] > 1:
            layers[i] = replace(layer, name=f"{layer.name} ({seen[layer.name]})", parameters=0)
    return layers


def _twin(module: nn.Module) -> nn.Module:
    """A copy without numbers, ready to run: the memo spares `deepcopy` the weights."""
    memo = {id(p): nn.Parameter(p.detach().to("meta"), requires_grad=False) for p in module.parameters()}
    memo |= {id(b): b.to("meta") for b in module.buffers()}
    return copy.deepcopy(module, memo).eval()


def _start(inputs: Sequence[Tensor | Sequence[int]]) -> list[Tensor]:
    """Tensors without numbers, each with its reach. The widest input is the one that strides refer to."""
    shapes = [tuple(x.shape if isinstance(x, Tensor) else x) for x in inputs]
    widest = max(shape[-1] for shape in shapes)
    out = []
    for shape in shapes:
        x = torch.empty(shape, device="meta")
        x.reach = Reach(widest // shape[-1], (0,), (0,))
        out.append(x)
    return out


def _listed(module: nn.Module, parts: Sequence[str] | None, leaf: bool) -> dict[str, str]:
    """{path of a sub-module: the name it is listed by}."""
    paths = [path for path, m in module.named_modules() if path]
    if leaf:
        chosen = [path for path in paths if isinstance(module.get_submodule(path), nn.Conv2d)]
    elif parts is not None:
        by_name = {short(path): path for path in paths} | {path: path for path in paths}
        if missing := [part for part in parts if part not in by_name]:
            raise ValueError(
                f"no part {missing[0]!r} in {type(module).__name__}: there are {', '.join(by_name)}"
            )
        chosen = [by_name[part] for part in parts]
    else:
        chosen = []
        open_up = (nn.ModuleList, *(type(m) for m in module.children() if isinstance(module, YOLOX)))
        todo = [path for path, _ in module.named_children()]
        while todo:
            path = todo.pop(0)
            m = module.get_submodule(path)
            if isinstance(m, open_up):
                todo = [f"{path}.{name}" for name, _ in m.named_children()] + todo
            else:
                chosen.append(path)
    return {path: short(path) for path in chosen} or {"": type(module).__name__}


def short(path: str) -> str:
    """The name of a part within the whole network: "stem" for backbone.stem, "head.0" for head.levels.0."""
    return path.removeprefix("backbone.").removeprefix("neck.").replace("head.levels.", "head.")


def _layer(module: nn.Module, name: str, given: tuple[Tensor, ...], out: Any, macs: int) -> Layer:
    reach = max((t.reach for t in _tensors(out)), key=lambda reach: reach.field)
    kind = (
        " + ".join(type(m).__name__ for m in module)
        if isinstance(module, nn.Sequential)
        else type(module).__name__
    )
    return Layer(
        name=name,
        kind=kind,
        inputs=tuple(tuple(x.shape) for x in _tensors(given)),
        output=tuple(_tensors(out)[-1].shape),
        parameters=sum(p.numel() for p in module.parameters()),
        macs=macs,
        stride=reach.step // reach.phases,
        field=reach.field,
    )
