"""The shape theatre: every layer of every preset at three sizes, folded part by part. Chapters 03 to 10.

Each row is what `trace` saw of a real layer, at the preset's own size. Shapes are kept as channels and
stride, for a map's sides are the picture's divided by the stride: so one trace serves all sizes, and the
script beside this file only divides, multiplies and writes. `stage` writes the same from Python.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path

import torch
from torch import nn

from yolox_edu.blocks import CBS
from yolox_edu.model import PRESETS, YOLOX, build
from yolox_edu.viz.controls import Control
from yolox_edu.viz.play import Figure, figure
from yolox_edu.viz.trace import Layer, short, trace

NAME = "shape-theatre"
SIZES = (320, 416, 640)
HEADS = ("layer", "made of", "in", "out", "stride", "sees, px", "parameters", "MFLOPs")
# What the neck lays behind each other: the map that came just before, and one that was kept.
JOINED = {
    "topdown4": ("lateral5", "dark4"),
    "topdown3": ("lateral4", "dark3"),
    "bottomup4": ("down3", "lateral4"),
    "bottomup5": ("down4", "lateral5"),
}
Map = tuple[int, int]  # channels, stride


@dataclass(frozen=True)
class Row:
    """A layer at any size: its maps as (channels, stride); `macs` are those of one cell of its output."""

    name: str
    kind: str
    inputs: tuple[Map, ...]
    output: Map
    field: int
    parameters: int = 0
    macs: int = 0

    def flops(self, size: int) -> int:
        """Two for a MAC, at a picture of size × size."""
        return 2 * self.macs * (size // self.output[1]) ** 2


@functools.cache
def rows(preset: str) -> dict[str, tuple[Row, ...]]:
    """{part: its layers in the order of running}, from the real model. Chapters 03 to 10."""
    with torch.device("meta"):
        model = build(preset)
    size = model.preset.size
    paths = [path for path, module in model.named_modules() if _is_layer(path, module)]
    modules = {short(path): model.get_submodule(path) for path in paths}
    done: dict[str, Row] = {}
    for layer in trace(model, (1, 3, size, size), parts=paths):
        module = modules[layer.name.partition(" ")[0]]
        row = _row(layer, _kind(module) + _added(model, layer.name), size)
        done |= {seam.name: seam for seam in _seams(row, done)} | {row.name: row}
        if layer.name.endswith("cls_pred"):
            done |= {seam.name: seam for seam in [_predictions(list(done.values())[-3:])]}
    return {part: tuple(own) for part, own in groupby(done.values(), lambda row: _part(row.name))}


def _is_layer(path: str, module: nn.Module) -> bool:
    """A CBS, a pooling, or a convolution that stands alone: what a row of the theatre is."""
    alone = isinstance(module, nn.Conv2d) and path.rpartition(".")[2] != "conv"
    return alone or isinstance(module, CBS | nn.MaxPool2d)


def _part(name: str) -> str:
    """The part that a layer belongs to: "dark3", "head.0"."""
    words = name.split(".")
    return ".".join(words[:2] if words[0] == "head" else words[:1])


def _kind(module: nn.Module) -> str:
    """What a layer is: "3 × 3 CBS, stride 2"."""
    if isinstance(module, nn.MaxPool2d):
        return f"{module.kernel_size} × {module.kernel_size} max pool"
    conv = module.conv if isinstance(module, CBS) else module
    words = f"{conv.kernel_size[0]} × {conv.kernel_size[1]} {'conv' if conv is module else 'CBS'}"
    words += ", depthwise" if conv.groups > 1 else ""
    return words + (f", stride {conv.stride[0]}" if conv.stride[0] > 1 else "")


def _added(model: YOLOX, name: str) -> str:
    """A note on the last layer of a bottleneck that adds its input."""
    inside, _, last = name.rpartition(".blocks.")
    number, _, layer = last.partition(".")
    if layer not in ("conv2", "conv2.pointwise"):
        return ""
    path = f"backbone.{inside}" if inside.startswith("dark") else f"neck.{inside}"
    return ", + input" if model.get_submodule(f"{path}.blocks.{number}").shortcut else ""


def _row(layer: Layer, kind: str, size: int) -> Row:
    """A traced layer, freed from the size it ran at."""
    inputs = tuple((c, size // h) for _, c, h, _ in layer.inputs)
    _, channels, height, width = layer.output
    return Row(
        name=layer.name,
        kind=kind,
        inputs=inputs,
        output=(channels, layer.stride),
        field=layer.field,
        parameters=layer.parameters,
        macs=layer.macs // (height * width),
    )


def _seams(row: Row, done: dict[str, Row]) -> list[Row]:
    """What happens between the layers, just before this one: cuts, doublings, joins. No numbers in them."""
    inside, _, last = row.name.rpartition(".")
    (given,) = row.inputs
    if row.name == "stem.cbs":
        return [Row("stem.cut", "cut in four", ((3, 1),), given, 2)]
    if last == "fuse":
        pieces = 4 if f"{inside}.pool" in done else 2
        return [Row(f"{inside}.join", "join", ((given[0] // pieces, given[1]),) * pieces, given, row.field)]
    if last != "main" or inside not in JOINED:
        return []
    came, kept = (_last(name, done) for name in JOINED[inside])
    doubled = []
    if came.output[1] != given[1]:
        came = Row(f"{inside}.double", "double", (came.output,), (came.output[0], given[1]), came.field)
        doubled = [came]
    return [*doubled, Row(f"{inside}.input", "join", (came.output, kept.output), given, row.field)]


def _last(part: str, done: dict[str, Row]) -> Row:
    """The last layer of a part."""
    return [row for name, row in done.items() if _part(name) == part][-1]


def _predictions(three: Sequence[Row]) -> Row:
    """The end of a level of the head: box, objectness and classes of each cell behind each other."""
    channels, (_, stride) = sum(row.output[0] for row in three), three[0].output
    name = f"{_part(three[0].name)}.join"
    return Row(
        name, "join", tuple(row.output for row in three), (channels, stride), max(row.field for row in three)
    )


# --- the page ---------------------------------------------------------------------------------------------


def title(preset: str) -> str:
    """A preset's name as the book writes it: "YOLOX-L", "YOLOX-Nano"."""
    return f"YOLOX-{preset.upper() if len(preset) == 1 else preset.capitalize()}"


def totals(preset: str, size: int) -> tuple[int, int, int]:
    """Parameters, FLOPs of the convolutions, and predictions of the whole network."""
    every = [row for part in rows(preset).values() for row in part]
    cells = sum((size // stride) ** 2 for stride in (8, 16, 32))
    return sum(row.parameters for row in every), sum(row.flops(size) for row in every), cells


def says(preset: str, size: int) -> str:
    """The theatre in a sentence."""
    parameters, flops, cells = totals(preset, size)
    numbers = rows(preset)["head.0"][-1].output[0]
    return (
        f"{title(preset)} at {size}: {parameters:,} parameters, {flops / 1e9:,.3f} GFLOPs, "
        f"{cells:,} predictions of {numbers} numbers."
    )


def stage(preset: str, size: int) -> str:
    """All parts as folded tables, as HTML. Chapters 03 to 10."""
    _, whole, _ = totals(preset, size)
    return "".join(_folded(name, part, size, whole) for name, part in rows(preset).items())


def _shape(at: Map, size: int) -> str:
    side = size // at[1]
    return f"{side}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}{side}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}{at[0]}"


def _folded(name: str, part: Sequence[Row], size: int, whole: int) -> str:
    """One part: a line with its sums, behind which its layers are folded away."""
    flops, last = sum(row.flops(size) for row in part), part[-1]
    share = 100 * flops / whole
    facts = (
        _shape(last.output, size),
        f"stride {last.output[1]}",
        f"sees {last.field:,} px",
        f"{sum(row.parameters for row in part):,} parameters",
        f"{flops / 1e9:,.3f} GFLOPs",
    )
    line = f"<b>{name}</b>" + "".join(f"<span>{fact}</span>" for fact in facts)
    head = "".join(f'<th scope="col">{h}</th>' for h in HEADS)
    body = "".join(_cells(row, size) for row in part)
    return (
        f'<details data-part="{name}"><summary style="--share:{share:.1f}%">{line}</summary>'
        f'<div class="rows" tabindex="0" role="group" aria-label="Layers of {name}"><table class="table">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></details>"
    )


def _cells(row: Row, size: int) -> str:
    numbers = (row.output[1], f"{row.field:,}", f"{row.parameters:,}", f"{row.flops(size) / 1e6:,.3f}")
    shapes = (", ".join(_shape(at, size) for at in row.inputs), _shape(row.output, size))
    data = "".join(f"<td>{text}</td>" for text in (row.kind, *shapes, *numbers))
    return f'<tr><th scope="row">{row.name.replace(".", ".<wbr>")}</th>{data}</tr>'


def theatre(preset: str = "l", size: int = 640, name: str = NAME) -> Figure:
    """The whole network for the page: choose a preset and a size, unfold a part. Chapters 03 to 10."""
    chosen = Control("preset", tuple(PRESETS), list(PRESETS).index(preset))
    sizes = Control("size", tuple(map(str, SIZES)), SIZES.index(size))
    packed = {
        key: [[part, [_packed(row) for row in own]] for part, own in rows(key).items()] for key in PRESETS
    }
    data = json.dumps({"heads": HEADS, "presets": packed}, ensure_ascii=False, separators=(",", ":"))
    style = Path(__file__).with_suffix(".css").read_text(encoding="utf-8").replace("#NAME", f"#{name}")
    html = (
        f"<style>\n{style}</style>\n"
        f'<form autocomplete="off" style="--names:7ch">{chosen.html(name)}{sizes.html(name)}'
        f'<button type="button">unfold all</button></form>\n'
        f'<p class="play-says" aria-live="polite">{escape(says(preset, size))}</p>\n'
        f'<div class="stage">{stage(preset, size)}</div>\n'
        f'<script type="application/json">{data}</script>'
    )
    script = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    return figure(name, html, script, f"Every layer of {says(preset, size)}")


def _packed(row: Row) -> list:
    return [row.name, row.kind, row.inputs, row.output, row.field, row.parameters, row.macs]


# --- the stops of a picture -------------------------------------------------------------------------------

PAGES = {
    page[:2]: page
    for page in (
        *("02_letterbox", "03_focus", "04_cbs", "05_csp", "06_spp", "07_csp_darknet", "08_pafpn", "09_head"),
        "10_anchor_free",
    )
}
# The stop, the layer whose output it is, and the chapters that explain it.
STOPS = (
    ("Focus, the cut alone", "stem.cut", ("03",)),
    ("stem", "stem.cbs", ("03", "04")),
    ("dark2", "dark2.1.fuse", ("05",)),
    ("dark3: C3", "dark3.1.fuse", ("07",)),
    ("dark4: C4", "dark4.1.fuse", ("07",)),
    ("SPP in dark5", "dark5.1.fuse", ("06",)),
    ("dark5: C5", "dark5.2.fuse", ("07",)),
    ("lateral5", "lateral5", ("08",)),
    ("topdown4", "topdown4.fuse", ("08",)),
    ("lateral4, the reduced one", "lateral4", ("08",)),
    ("topdown3: P3", "topdown3.fuse", ("08",)),
    ("bottomup4: P4", "bottomup4.fuse", ("08",)),
    ("bottomup5: P5", "bottomup5.fuse", ("08",)),
    *((f"stem of head.{i}", f"head.{i}.stem", ("09",)) for i in range(3)),
    *((f"output of head.{i}", f"head.{i}.join", ("09",)) for i in range(3)),
)


def itinerary(preset: str, size: int) -> str:
    """What becomes of a picture, as a Markdown table with links to the chapters. Chapters 02 to 10."""
    known = {row.name: row for part in rows(preset).values() for row in part}
    lines = ["| stop | h × w × c | stride | sees, px | chapter |", "|:--|:--|--:|--:|:--|"]
    lines.append(f"| picture, letterboxed | {_shape((3, 1), size)} | 1 | 1 | {_link('02')} |")
    for stop, name, chapters in STOPS:
        row = known[name]
        where = f"{_shape(row.output, size)} | {row.output[1]} | {row.field:,}"
        lines.append(f"| {stop} | {where} | {', '.join(map(_link, chapters))} |")
    *_, cells = totals(preset, size)
    numbers = known["head.0.join"].output[0]
    every = " + ".join(f"{size // stride}²" for stride in (8, 16, 32))
    lines.append(f"| all predictions, {every} | {cells:,} × {numbers} | | | {_link('09')} |")
    lines.append(
        f"| decoded: boxes and scores | {cells:,} × 4, {cells:,} × {numbers - 5} | | | {_link('10')} |"
    )
    return "\n".join(lines)


def _link(number: str) -> str:
    return f"[{number}]({PAGES[number]}.ipynb)"
