"""The map of the network, a part of it lit: "you are here". Chapters 00 to 23."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from html import escape

import torch

from yolox_edu.model import build
from yolox_edu.viz.svg import STROKE, STRONG, TINT, Drawing, arrow, canvas, rect, shape_text, text
from yolox_edu.viz.table import giga
from yolox_edu.viz.trace import Layer, trace

# Where each part stands: column, row, group. Strides 8, 16 and 32 have the rows 3, 5 and 7.
PLACES = {
    "image": (0, 0, "image"),
    "stem": (0, 1, "backbone"),
    "dark2": (0, 2, "backbone"),
    "dark3": (0, 3, "backbone"),
    "dark4": (0, 5, "backbone"),
    "dark5": (0, 7, "backbone"),
    "lateral5": (1, 7, "neck"),
    "topdown4": (1, 5, "neck"),
    "lateral4": (1, 4, "neck"),
    "topdown3": (1, 3, "neck"),
    "down3": (2, 4, "neck"),
    "bottomup4": (2, 5, "neck"),
    "down4": (2, 6, "neck"),
    "bottomup5": (2, 7, "neck"),
    "head.0": (3, 3, "head"),
    "head.1": (3, 5, "head"),
    "head.2": (3, 7, "head"),
    "decode": (4, 5, "boxes"),
    "nms": (4, 6, "boxes"),
}
COLOURS = {"image": "yellow", "backbone": "blue", "neck": "orange", "head": "green", "boxes": "purple"}
NEXT = {
    "image": ("stem",),
    "stem": ("dark2",),
    "dark2": ("dark3",),
    "dark3": ("dark4", "topdown3"),
    "dark4": ("dark5", "topdown4"),
    "dark5": ("lateral5",),
    "lateral5": ("topdown4", "bottomup5"),
    "topdown4": ("lateral4",),
    "lateral4": ("topdown3", "bottomup4"),
    "topdown3": ("down3", "head.0"),
    "down3": ("bottomup4",),
    "bottomup4": ("down4", "head.1"),
    "down4": ("bottomup5",),
    "bottomup5": ("head.2",),
    "head.0": ("decode",),
    "head.1": ("decode",),
    "head.2": ("decode",),
    "decode": ("nms",),
}


@lru_cache
def _layers(preset: str, size: int) -> dict[str, Layer]:
    """The parts of a preset as `trace` finds them."""
    with torch.device("meta"):
        model = build(preset)
    return {layer.name: layer for layer in trace(model, (1, 3, size, size))}


def network_map(
    *lit: str,
    preset: str = "l",
    size: int = 640,
    detail: bool = False,
    links: Mapping[str, str] | None = None,
) -> Drawing:
    """The whole network, the parts `lit` strong and the others pale; all strong if none is named.

    A part is one of `PLACES`, or "backbone", "neck", "head". With `detail` each box tells the h × w × c of
    its output and its parameters. `links` makes parts clickable: {part: address}. Chapters 00 to 23.
    Raises ValueError for a part that is none.
    """
    groups = {g: [part for part, place in PLACES.items() if place[2] == g] for g in COLOURS}
    if unknown := [part for part in lit if part not in {*PLACES, *groups}]:
        raise ValueError(f"no part {unknown[0]!r}: choose from {', '.join({**PLACES, **groups})}")
    strong = {p for part in lit for p in groups.get(part, [part])} or set(PLACES)
    layers, frame = _layers(preset, size), Frame(detail)
    pale, body = ['<g opacity="0.65">'], []  # one group: where pale lines cross they do not add up
    for a, b in ((a, b) for a, after in NEXT.items() for b in after):
        (body if a in strong or b in strong else pale).append(frame.arrow(a, b))
    for part in PLACES:
        width = STROKE if part not in strong else STRONG if lit else STROKE
        box = frame.box(part, part in strong, width, _facts(part, layers, size) if detail else [])
        if links and part in links:
            look = "color:inherit;text-decoration:none"  # the frame and the letters of any other part
            box = f'<a href="{escape(links[part])}" class="part" style="{look}">{box}</a>'
        (body if part in strong else pale).append(box)
    notes = _notes(lit, strong, layers, f"{_name(preset)} at {size} × {size}")
    body += frame.notes(notes + (["In a box: height × width × channels, parameters"] if detail else []))
    alt = f"Map of the network{', lit' if lit else ''}: {'; '.join(notes)}."
    return canvas([*pale, "</g>", *body], *frame.size, alt, "group" if links else "img")


def _name(preset: str) -> str:
    return f"YOLOX-{preset.upper() if len(preset) == 1 else preset.capitalize()}"


def _label(part: str) -> str:
    return "NMS" if part == "nms" else part


class Frame:
    """Where things stand on the map, in pixels: boxes in five columns and eight rows."""

    def __init__(self, detail: bool):
        self.wide, self.tall, self.gap = (122, 62, 22) if detail else (88, 24, 12)
        self.size = 5 * self.wide + 4 * self.gap + 4, 8 * self.tall + 7 * 12 + 4

    def centre(self, part: str) -> tuple[float, float]:
        """The middle of a part's box."""
        column, line, _ = PLACES[part]
        x, y = column * (self.wide + self.gap), line * (self.tall + 12)
        return 2 + x + self.wide / 2, 2 + y + self.tall / 2

    def box(self, part: str, strong: bool, width: float, facts: list[str]) -> str:
        """A part in a frame of some width: its name, and facts about it."""
        (x, y), look = self.centre(part), {"tint": TINT if strong else 0.1, "width": width}
        left, top = x - self.wide / 2, y - self.tall / 2
        out = rect(left, top, self.wide, self.tall, COLOURS[PLACES[part][2]], r=4, **look)
        y -= 17 * len(facts) / 2
        out += text(x, y, _label(part), bold=strong)
        return out + "".join(text(x, y + 17 * i, fact) for i, fact in enumerate(facts, 1))

    def arrow(self, a: str, b: str) -> str:
        """The way from part a to part b, level or upright, with an elbow where needed."""
        (x0, y0), (x1, y1) = self.centre(a), self.centre(b)
        half, down = self.wide / 2, self.tall / 2 if y1 > y0 else -self.tall / 2
        if x0 == x1:
            return arrow([(x0, y0 + down), (x1, y1 - down)])
        if y0 == y1:
            return arrow([(x0 + half, y0), (x1 - half, y1)])
        if (a, b) == ("topdown3", "down3"):  # leaves the line to head.0 and goes down
            return arrow([(x1, y0), (x1, y1 - down)])
        bend = x0 + half + (self.gap - 7) / 2
        return arrow([(x0 + half, y0), (bend, y0), (bend, y1), (x1 - half, y1)])

    def notes(self, lines: list[str]) -> list[str]:
        """Lines of text in the corner that the map leaves free."""
        x, y = 2 + self.wide + self.gap, 12
        return [text(x, y + 19 * i, line, "start", bold=i == 0) for i, line in enumerate(lines)]


def _facts(part: str, layers: dict[str, Layer], size: int) -> list[str]:
    """What the detailed map says under a part's name."""
    if part == "image":
        return [shape_text((1, 3, size, size))]
    if part in layers:
        return [shape_text(layers[part].output), f"{layers[part].parameters:,}"]
    return [f"{_rows(layers):,} boxes"] if part == "decode" else ["the best boxes"]


def _rows(layers: dict[str, Layer]) -> int:
    """How many predictions the three heads make together."""
    return sum(layer.output[1] for name, layer in layers.items() if name.startswith("head."))


def _notes(lit: tuple[str, ...], strong: set[str], layers: dict[str, Layer], model: str) -> list[str]:
    """What is lit, its shapes, what a cell of it sees, and its cost."""
    chosen = [layers[part] for part in PLACES if part in strong and part in layers]
    names = ", ".join(map(_label, lit)) or model
    lines = [names if len(names) <= 40 else f"{len(lit)} parts"]
    if len(chosen) == 1:
        (part,) = chosen
        lines.append(f"{shape_text(part.inputs[0])} → {shape_text(part.output)}")
        lines.append(f"stride {part.stride}, a cell sees {part.field:,} × {part.field:,} pixels")
    if chosen:
        parameters, flops = (sum(getattr(p, what) for p in chosen) for what in ("parameters", "flops"))
        lines.append(f"{parameters:,} parameters, {giga(flops)} GFLOPs")
    elif strong & {"decode", "nms"}:
        lines.append(f"{_rows(layers):,} boxes, then the best")
    if lit:
        lines.append(f"in {model}")
    return lines
