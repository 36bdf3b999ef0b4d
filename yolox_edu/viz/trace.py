"""What each part of a network does to shapes, and what it costs. Chapters 03 to 10.

Hooks note what enters and leaves each part. At the same time every tensor carries along its `Reach`: which
pixels of the input each of its cells can see. Nothing is computed: what runs is a twin of the module on the
"meta" device, whose tensors have shapes and no numbers, so that the largest model takes half a second.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from yolox_edu.model import YOLOX
from yolox_edu.viz.reach import Reach, after


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


class _Watch(TorchFunctionMode):
    """Sees each operation of PyTorch: counts MACs and hands the reach of a tensor on to its results."""

    def __init__(self) -> None:
        super().__init__()
        self.macs = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        operation = {"_max_pool2d": "max_pool2d"}.get(func.__name__, func.__name__)
        if operation == "conv2d":
            weight = args[1] if len(args) > 1 else kwargs["weight"]
            self.macs += out.numel() * weight[0].numel()
        reaches = [r for t in _tensors((args, kwargs)) if (r := getattr(t, "reach", None))]
        if reaches:
            reach = after(operation, reduce(Reach.join, reaches), args, kwargs)
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
        (module.raw if isinstance(module, YOLOX) else module)(*_start(inputs))
    return _numbered(layers)


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
    """{path of a sub-module: the name it is listed by}; {"": …}, the module itself, if it has no parts."""
    inside = {path: m for path, m in module.named_modules() if path}
    if leaf:
        chosen = [path for path, m in inside.items() if isinstance(m, nn.Conv2d)]
    elif parts is not None:
        known = {name: path for path in inside for name in (path, short(path))}
        if missing := [part for part in parts if part not in known]:
            raise ValueError(f"no part {missing[0]!r}: choose from {', '.join(sorted(known))}")
        chosen = [known[part] for part in parts]
    else:
        chosen = _children(module, "")
    return {path: short(path) for path in chosen} or {"": type(module).__name__}


def _children(module: nn.Module, path: str) -> list[str]:
    """The paths of the children; those of lists, and of the three parts of a YOLOX, in their place."""
    found = []
    for name, child in module.named_children():
        if isinstance(child, nn.ModuleList) or isinstance(module, YOLOX):
            found += _children(child, f"{path}{name}.")
        else:
            found.append(f"{path}{name}")
    return found


def short(path: str) -> str:
    """The name of a part within the whole network: "stem" for backbone.stem, "head.0" for head.levels.0."""
    return path.removeprefix("backbone.").removeprefix("neck.").replace("head.levels.", "head.")


def _layer(module: nn.Module, name: str, given: tuple[Tensor, ...], out: Any, macs: int) -> Layer:
    """What a hook knows of the part that has just run."""
    reach = max((t.reach for t in _tensors(out)), key=lambda reach: reach.field)
    return Layer(
        name=name,
        kind=_kind(module),
        inputs=tuple(tuple(x.shape) for x in _tensors(given)),
        output=tuple(_tensors(out)[-1].shape),
        parameters=sum(p.numel() for p in module.parameters()),
        macs=macs,
        stride=reach.step // reach.phases,
        field=reach.field,
    )


def _numbered(layers: list[Layer]) -> list[Layer]:
    """Parts that ran again get a number, and no parameters, so that sums are right."""
    runs: Counter[str] = Counter()
    numbered = []
    for layer in layers:
        runs[layer.name] += 1
        if (run := runs[layer.name]) > 1:
            layer = replace(layer, name=f"{layer.name} ({run})", parameters=0)
        numbered.append(layer)
    return numbered


def _kind(module: nn.Module) -> str:
    """The class of a part; of a sequence, the classes of its members: "CBS + 3 × Bottleneck"."""
    if not isinstance(module, nn.Sequential):
        return type(module).__name__
    runs = [(kind, len(list(same))) for kind, same in groupby(map(_kind, module))]
    return " + ".join(kind if times == 1 else f"{times} × {kind}" for kind, times in runs)
