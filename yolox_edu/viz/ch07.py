"""Every shape of a backbone, for the figure to play with in chapter 07."""

from __future__ import annotations

import functools
from dataclasses import replace

import torch

from yolox_edu.backbone import CSPDarknet
from yolox_edu.model import PRESETS
from yolox_edu.viz.blocks import blocks
from yolox_edu.viz.table import Table, giga, table
from yolox_edu.viz.trace import Layer, trace

STAGES = {
    "stem": ("stem",),
    "dark2": ("dark2.0", "dark2.1"),
    "C3": ("dark3.0", "dark3.1"),
    "C4": ("dark4.0", "dark4.1"),
    "C5": ("dark5.0", "dark5.1", "dark5.2"),
}
COLOURS = {"C3": "green", "C4": "orange", "C5": "vermilion"}


@functools.cache
def _backbone(preset: str) -> CSPDarknet:
    """The backbone of a preset, without numbers."""
    p = PRESETS[preset]
    with torch.device("meta"):
        return CSPDarknet(p.depth, p.width, p.depthwise).eval()


@functools.cache
def inside(preset: str, size: int) -> tuple[Layer, ...]:
    """The eleven parts that the stages are made of, as they run on a size × size picture. Chapter 07."""
    parts = [part for stage in STAGES.values() for part in stage]
    layers = trace(_backbone(preset), (1, 3, size, size), parts=parts)
    return tuple(replace(layer, kind=_with_count(preset, layer)) for layer in layers)


def _with_count(preset: str, layer: Layer) -> str:
    """The kind of a part, of a CSPLayer with its bottlenecks: "CSPLayer, 9"."""
    module = _backbone(preset).get_submodule(layer.name)
    kind = layer.kind.replace("DepthwiseCBS", "DW CBS").replace("CSPLayer", "CSP")
    return f"{kind}, n = {len(module.blocks)}" if hasattr(module, "blocks") else kind


def every_shape(preset: str, size: int) -> Table:
    """The maps of a backbone as blocks, and below them a table of all parts. Chapter 07."""
    layers = {layer.name: layer for layer in inside(preset, size)}
    items: list = [("picture", (1, 3, size, size), "sky")]
    for name, parts in STAGES.items():
        items.append((name, layers[parts[-1]].output, COLOURS.get(name, "blue")))
    drawn, listed = blocks(*items), table(list(layers.values()), kinds=True)
    parameters = sum(layer.parameters for layer in layers.values())
    flops = sum(layer.flops for layer in layers.values())
    maps = ", ".join(
        f"{name} {h} × {w} × {c}" for name in COLOURS for _, c, h, w in [layers[STAGES[name][-1]].output]
    )
    alt = f"{preset.capitalize()} at {size}: {maps}; {parameters:,} parameters, {giga(flops)} GFLOPs."
    return Table(drawn._repr_html_() + listed._repr_html_(), alt)
