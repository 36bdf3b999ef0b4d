"""The living picture of the whole network on the first page, made from the real model. Used by landing.py."""

import re
from html import escape
from pathlib import Path

import torch
from build_site import ROOT
from landing_road import written
from PIL import Image

from yolox_edu.data.crossing import Crossing
from yolox_edu.detect import Detector
from yolox_edu.draw import colour
from yolox_edu.model import build
from yolox_edu.viz import network_map, trace
from yolox_edu.viz.network import PLACES, Frame
from yolox_edu.viz.svg import arrow, shape_text
from yolox_edu.viz.table import giga

STREET = ROOT / "book" / "_static" / "landing-street.jpg"
# What a part of the network is, and the chapters that explain it; a click leads to the first that is written.
ABOUT = {
    "image": ("the letterboxed picture", "02"),
    "stem": ("Focus, which cuts the picture in four, and a convolution", "03"),
    "dark2": ("a convolution that halves the map, and a CSP layer", "07 05 04"),
    "dark3": ("a convolution that halves the map, and a CSP layer; what comes out is C3", "07 05 04"),
    "dark4": ("a convolution that halves the map, and a CSP layer; what comes out is C4", "07 05 04"),
    "dark5": ("a convolution, SPP and a CSP layer; what comes out is C5", "06 07"),
    "lateral5": ("a 1 × 1 convolution on the way down", "08"),
    "topdown4": ("enlarged, joined with C4, and a CSP layer", "08"),
    "lateral4": ("a 1 × 1 convolution on the way down", "08"),
    "topdown3": ("enlarged, joined with C3, and a CSP layer; what comes out is P3", "08"),
    "down3": ("a convolution that halves the map, on the way back", "08"),
    "bottomup4": ("joined with lateral4, and a CSP layer; what comes out is P4", "08"),
    "down4": ("a convolution that halves the map, on the way back", "08"),
    "bottomup5": ("joined with lateral5, and a CSP layer; what comes out is P5", "08"),
    "head.0": ("box, object and classes for each cell of stride 8", "09"),
    "head.1": ("box, object and classes for each cell of stride 16", "09"),
    "head.2": ("box, object and classes for each cell of stride 32", "09"),
    "decode": ("raw numbers become boxes in pixels and scores", "10"),
    "nms": ("of the boxes around one thing the best is kept", "17"),
}
INVITES = "Point at a part, or walk through the parts with the Tab key."
WIDE, HIGH, GAP = 200, 150, 24  # the street beside the map, and the way to the map


def sentences() -> dict[str, str]:
    """What is said about each part when one points at it."""
    with torch.device("meta"):
        layers = {layer.name: layer for layer in trace(build("l"), (1, 3, 640, 640))}
    said = {}
    for part, (what, chapters) in ABOUT.items():
        numbers = sorted(chapters.split())
        where = f"Chapter{'s' * (len(numbers) > 1)} {', '.join(numbers)}."
        said[part] = f"{part}: {what}. {where}"
        if part in layers:
            layer = layers[part]
            taken = " and ".join(shape_text(shape) for shape in layer.inputs)
            said[part] = (
                f"{part}: {what}. {taken} → {shape_text(layer.output)}; {layer.parameters:,} parameters, "
                f"{giga(layer.flops)} GFLOPs; a cell sees {layer.field:,} × {layer.field:,} pixels. {where}"
            )
    return said


def alive(body: str, said: dict[str, str]) -> str:
    """The parts of a map, in the order of computation: each says what it is, and leads to its chapter."""
    pages = written()
    for order, part in enumerate(PLACES):
        page = next((pages[n] for n in ABOUT[part][1].split() if n in pages), None)
        at = f'class="part" style="--order:{order}" aria-label="{escape(said[part])}"'
        new = f'<a href="{page}.html" {at}>' if page else f'<g tabindex="0" role="img" {at}>'
        close = "</a>" if page else "</g>"
        drawn = re.compile(rf'<a href="#{re.escape(part)}"[^>]*>(.*?)</a>')
        body, count = drawn.subn(lambda m, new=new, close=close: f"{new}{m[1]}{close}", body)
        if count != 1:
            raise RuntimeError(f"the map of the network has {count} links to {part}; one is expected")
    return body


def street(x: float, y: float, wide: float, boxes: str = "") -> str:
    """The picture at a place on the map, with or without what was found in it."""
    scale = wide / 600
    return (
        f'<g transform="translate({x:g} {y:g}) scale({scale:.4f})">'
        f'<image href="../_static/{STREET.name}" width="600" height="450"/>{boxes}</g>'
    )


def network(boxes: str) -> str:
    """The living picture: a wide map with details, and a small one for telephones."""
    said, links = sentences(), {part: f"#{part}" for part in PLACES}
    full, small = network_map(detail=True, links=links), network_map(links=links)
    (width, height), (narrow, low) = full.size, small.size
    left, ends, found = WIDE + GAP, WIDE + GAP + width, f'<g class="found">{boxes}</g>'
    middle = Frame(detail=True).centre("nms")[1]
    wide = [
        street(0, 2, WIDE),
        arrow([(WIDE, 30), (left, 30)]),
        f'<g transform="translate({left} 0)">{alive(full.body, said)}</g>',
        arrow([(ends - 2, middle), (ends + GAP, middle)]),
        street(ends + GAP, middle - HIGH / 2, WIDE, found),
    ]
    half = narrow / 2 - 6
    slim = [
        street(0, 0, half),
        street(narrow - half, 0, half, found),
        f'<g transform="translate(0 {half * 0.75 + 14:g})">{alive(small.body, said)}</g>',
    ]
    label = "The network from the picture to the boxes, part by part"
    look = 'role="group" font-size="13" fill="currentColor"'
    frame = f'<svg viewBox="0 0 {{:g}} {{:g}}" {look} aria-label="{label}">{{}}</svg>'
    return "\n".join(
        [
            '<figure class="network" id="network">',
            f'<div class="wide">{frame.format(ends + GAP + WIDE, height, "".join(wide))}</div>',
            f'<div class="small">{frame.format(narrow, low + half * 0.75 + 14, "".join(slim))}</div>',
            f'<p class="says" aria-live="polite">{INVITES}</p>',
            '<button type="button" hidden>Stop the light</button>',
            "</figure>",
            "<script>",
            Path(__file__).with_name("landing.js").read_text(encoding="utf-8").strip(),
            "</script>",
            "",
        ]
    )


def detect_street() -> tuple[Image.Image, str]:
    """The picture of chapter 00, and the boxes that the book's own small network finds in it, as SVG."""
    picture = Crossing.split("val", 24, size=640)[18][0][180:630, :600]  # 450 600 3
    boxes = []
    for box, _, label, _ in Detector("crossing", device="cpu")(picture):
        left, top, right, bottom = (round(side) for side in box)
        boxes.append(
            f'<rect class="box" x="{left}" y="{top}" width="{right - left}" height="{bottom - top}" '
            f'fill="none" stroke="{colour(label)}" stroke-width="6"/>'
        )
    return Image.fromarray(picture), "".join(boxes)
