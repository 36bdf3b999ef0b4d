"""The map of the network, a part of it lit: "you are here". Chapters 00 to 23."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from html import escape

import torch

from yolox_edu.model import build
from yolox_edu.viz.svg import Drawing, arrow, canvas, rect, shape_text, text
from yolox_edu.viz.table import giga
from yolox_edu.viz.trace import Layer, trace

# Where each part stands: column, row, colour. The rows of stride 8, 16 and 32 are 3, 5 and 7.
PLACES = {
    "image": (0, 0, "yellow"),
    "stem": (0, 1, "blue"),
    "dark2": (0, 2, "blue"),
    "dark3": (0, 3, "blue"),
    "dark4": (0, 5, "blue"),
    "dark5": (0, 7, "blue"),
    "lateral5": (1, 7, "orange"),
    "topdown4": (1, 5, "orange"),
    "lateral4": (1, 4, "orange"),
    "topdown3": (1, 3, "orange"),
    "down3": (2, 4, "orange"),
    "bottomup4": (2, 5, "orange"),
    "down4": (2, 6, "orange"),
    "bottomup5": (2, 7, "orange"),
    "head.0": (3, 3, "green"),
    "head.1": (3, 5, "green"),
    "head.2": (3, 7, "green"),
    "decode": (4, 5, "purple"),
    "nms": (4, 6, "purple"),
}
GROUPS = {
    "backbone": [p for p, place in PLACES.items() if place[2] == "blue"],
    "neck": [p for p, place in PLACES.items() if place[2] == "orange"],
    "head": [p for p, place in PLACES.items() if place[2] == "green"],
}
ARROWS = """image stem, stem dark2, dark2 dark3, dark3 dark4, dark4 dark5, dark3 topdown3, dark4 topdown4,
dark5 lateral5, lateral5 topdown4, topdown4 lateral4, lateral4 topdown3, topdown3 down3, topdown3 head.0,
down3 bottomup4, lateral4 bottomup4, bottomup4 down4, bottomup4 head.1, down4 bottomup5, lateral5 bottomup5,
bottomup5 head.2, head.0 decode, head.1 decode, head.2 decode, decode nms"""
PALE = ' opacity="0.45"'


@lru_cache
def network_layers(preset: str = "l", size: int = 640) -> tuple[Layer, ...]:
    """The parts of a preset as `trace` finds them. Chapter 07."""
    with torch.device("meta"):
        model = build(preset)
    return tuple(trace(model, (1, 3, size, size)))


def network_map(
    *lit: str,
    preset: str = "l",
    size: int = 640,
    detail: bool = False,
    links: Mapping[str, str] | None = None,
) -> Drawing:
    """The whole network, the parts `lit` strong and the others pale. Chapters 00 to 23.

    A part is one of `PLACES`, or "backbone", "neck", "head". With `detail` each box tells its output's
    h × w × c and its parameters. `links` makes parts clickable: {part: address}.
    """
    if unknown := [part for part in lit if part not in {*PLACES, *GROUPS}]:
        raise ValueError(f"no part {unknown[0]!r}: choose from {', '.join([*PLACES, *GROUPS])}")
    strong = {p for part in lit for p in GROUPS.get(part, [part])} or set(PLACES)
    layers = {layer.name: layer for layer in network_layers(preset, size)}
    frame = Frame(detail)
    body = [frame.arrow(*pair.split(), strong) for pair in ARROWS.split(",")]
    for part in PLACES:
        box = frame.box(part, part in strong, _lines(part, layers, size) if detail else [])
        if links and part in links:
            box = f'<a href="{escape(links[part])}" aria-label="{part}">{box}</a>'
        body.append(box)
    body += _note(lit, strong, layers, preset, size, frame)
    what = f"Lit: {', '.join(lit)}." if lit else "Backbone, neck, three heads, decoding and NMS."
    alt = f"Map of YOLOX-{preset.upper() if len(preset) == 1 else preset.capitalize()}. {what}"
    return canvas(body, *frame.size, alt, "group" if links else "img")


class Frame:
    """Where things stand on the map: boxes in columns and rows."""

    def __init__(self, detail: bool):
        self.wide, self.tall = (104, 48) if detail else (74, 22)
        self.across, self.down = (
            (self.wide + 22, self.tall + 12) if detail else (self.wide + 18, self.tall + 12)
        )
        self.size = 4 * self.across + self.wide + 4, 7 * self.down + self.tall + 4

    def centre(self, part: str) -> tuple[float, float]:
        """The middle of a part's box."""
        column, line, _ = PLACES[part]
        return 2 + column * self.across + self.wide / 2, 2 + line * self.down + self.tall / 2

    def box(self, part: str, strong: bool, lines: list[str]) -> str:
        """A part with its name, and lines about it."""
        x, y = self.centre(part)
        colour = PLACES[part][2]
        name = "NMS" if part == "nms" else part
        heavy = ' style="stroke-width:2"' if strong else ' style="fill-opacity:.08"'
        out = [rect(x - self.wide / 2, y - self.tall / 2, self.wide, self.tall, colour, heavy, r=4)]
        first = y - 15 * len(lines) / 2
        out.append(text(x, first, name, bold=strong))
        out += [text(x, first + 15 * (i + 1), line, size=12) for i, line in enumerate(lines)]
        return "".join(out) if strong else f'<g opacity="0.6">{"".join(out)}</g>'

    def arrow(self, a: str, b: str, strong: set[str]) -> str:
        """The way from part a to part b, level or upright, with an elbow where needed."""
        (x0, y0), (x1, y1) = self.centre(a), self.centre(b)
        half, tall = self.wide / 2, self.tall / 2
        gap = (self.across - self.wide) / 2
        if x0 == x1:
            up = 1 if y1 > y0 else -1
            points = [(x0, y0 + up * tall), (x1, y1 - up * tall)]
        elif y0 == y1:
            points = [(x0 + half, y0), (x1 - half, y1)]
        elif (a, b) == ("topdown3", "down3"):
            points = [(x1, y0), (x1, y1 - tall)]
        else:
            bend = x0 + half + gap
            points = [(x0 + half, y0), (bend, y0), (bend, y1), (x1 - half, y1)]
        return arrow(points, extra="" if a in strong or b in strong else PALE)


def _lines(part: str, layers: dict[str, Layer], size: int) -> list[str]:
    """What the detailed map says under a part's name."""
    if part == "image":
        return [shape_text((1, 3, size, size))]
    if part in layers:
        return [shape_text(layers[part].output), f"{layers[part].parameters:,}"]
    rows = sum(layers[f"head.{i}"].output[1] for i in range(3))
    return [f"{rows:,} boxes"] if part == "decode" else ["the sure ones"]


def _note(
    lit: tuple[str, ...], strong: set[str], layers: dict[str, Layer], preset: str, size: int, frame: Frame
) -> list[str]:
    """A few lines in the free corner: what is lit, its shapes and its cost."""
    chosen = [layers[p] for p in PLACES if p in strong and p in layers]
    name = f"YOLOX-{preset.upper() if len(preset) == 1 else preset.capitalize()}"
    lines = [f"{', '.join(lit)} of {name} at {size} × {size}" if lit else f"{name} at {size} × {size}"]
    if len(chosen) == 1:
        lines.append(f"{shape_text(chosen[0].inputs[0])} → {shape_text(chosen[0].output)}")
    if chosen:
        parameters, flops = sum(p.parameters for p in chosen), sum(p.flops for p in chosen)
        lines.append(f"{parameters:,} parameters, {giga(flops)} GFLOPs")
    x, y = 2 + frame.across, 2 + frame.tall / 2
    return [text(x, y + 20 * i, line, "start", bold=i == 0) for i, line in enumerate(lines)]
