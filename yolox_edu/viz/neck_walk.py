"""The figures of chapter 08: a walk through the neck, step by step, and the boxes that a cut costs.

Every shape, parameter and FLOP of the walk is what `trace` finds in the real model; the script beside this
file only lights a step and puts its sentence under the drawing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import torch

from yolox_edu.model import PRESETS, build
from yolox_edu.viz.controls import Control
from yolox_edu.viz.picture import image
from yolox_edu.viz.play import Figure, figure
from yolox_edu.viz.svg import PALETTE, STRONG, Drawing, arrow, canvas, rect, shape_text, text
from yolox_edu.viz.table import giga
from yolox_edu.viz.trace import Layer, trace

NAME = "play-08-walk"
WIDE, TALL, GAP, PITCH, TOP = 106, 30, 70, 60, 52  # of a box; between columns; from row to row; above them
X = (40, 40 + GAP, 40 + 2 * GAP + WIDE, 40 + 2 * GAP + 2 * WIDE)  # left edges; the first is the maps' right


class Step(NamedTuple):
    """One operation: its name, its place, what flows into it, and what it is for."""

    name: str
    column: int
    row: int
    inputs: tuple[str, ...]
    does: str


JOIN = "It computes nothing: the two lie behind each other now."
STEPS = (
    Step("lateral5", 1, 5, ("C5",), "A 1 × 1 CBS halves the channels."),
    Step(
        "join C4", 1, 4, ("lateral5", "C4"), f"lateral5 is doubled by copying, then C4 comes behind. {JOIN}"
    ),
    Step("topdown4", 1, 3, ("join C4",), "A CSP mixes what was joined and halves the channels."),
    Step("lateral4", 1, 2, ("topdown4",), "A 1 × 1 CBS halves the channels again."),
    Step(
        "join C3", 1, 1, ("lateral4", "C3"), f"lateral4 is doubled by copying, then C3 comes behind. {JOIN}"
    ),
    Step("topdown3", 1, 0, ("join C3",), "A CSP mixes; what comes out is P3, for small objects."),
    Step("down3", 2, 0, ("topdown3",), "A convolution with stride 2 halves the sides of P3."),
    Step("join lat4", 2, 1, ("down3", "lateral4"), f"down3 first, then the lateral4 of step 4. {JOIN}"),
    Step("bottomup4", 2, 2, ("join lat4",), "A CSP mixes; what comes out is P4, for middle sizes."),
    Step("down4", 2, 3, ("bottomup4",), "A convolution with stride 2 halves the sides of P4."),
    Step("join lat5", 2, 4, ("down4", "lateral5"), f"down4 first, then the lateral5 of step 1. {JOIN}"),
    Step("bottomup5", 2, 5, ("join lat5",), "A CSP mixes; what comes out is P5, for large objects."),
)
PARTS = [step.name for step in STEPS if not step.name.startswith("join")]
MAPS = {"C3": ("dark3", 1), "C4": ("dark4", 4), "C5": ("dark5", 5)}  # the part it comes from, its row
OUT = {"topdown3": "P3", "bottomup4": "P4", "bottomup5": "P5"}
STYLE = f"""<style>
#{NAME} [data-step] {{cursor: pointer}}
#{NAME} [data-step].later {{opacity: .7}}
#{NAME} [data-step].now > rect {{stroke-width: 3.5; fill-opacity: .65}}
#{NAME} [data-step].now polyline {{stroke-width: 3}}
#{NAME} .play-says {{min-height: 6em}}
</style>"""


class Walk(NamedTuple):
    """What the real neck does: the shape that each source sends, and a sentence for each step."""

    shapes: dict[str, tuple[int, ...]]
    sentences: list[str]


def walk_through(preset: str, size: int = 0) -> Walk:
    """The twelve steps of a preset, at its own size or another. Chapter 08."""
    side = size or PRESETS[preset].size
    with torch.device("meta"):
        layers = {layer.name: layer for layer in trace(build(preset), (1, 3, side, side))}
    shapes = {name: layers[part].output for name, (part, _) in MAPS.items()}
    for before, step in zip(STEPS, (*STEPS[1:], STEPS[0])):
        shapes[before.name] = (
            layers[before.name].output if before.name in layers else layers[step.name].inputs[0]
        )
    return Walk(shapes, [_sentence(i, step, shapes, layers) for i, step in enumerate(STEPS, 1)])


def _sentence(i: int, step: Step, shapes: dict[str, tuple[int, ...]], layers: dict[str, Layer]) -> str:
    """What the page says under the drawing."""
    given = " and ".join(f"{OUT.get(name, name)} {shape_text(shapes[name])}" for name in step.inputs)
    out = f"{OUT.get(step.name, '')} {shape_text(shapes[step.name])}".strip()
    layer = layers.get(step.name)
    cost = "0 parameters, 0 FLOPs"
    if layer:
        cost = f"{layer.parameters:,} parameters, {giga(layer.flops)} GFLOPs"
    return f"Step {i} of 12, {step.name}: {given} → {out}; {cost}. {step.does}"


# --- the drawing ------------------------------------------------------------------------------------------


def neck_map(walk: Walk, now: int = 1, role: str = "img") -> Drawing:
    """The neck with every arrow's shape, step `now` lit. Chapter 08.

    The maps of the backbone enter at the left, P3 to P5 leave at the right.
    """
    body = [_enters(name) for name in MAPS]
    body += [_step(i, step, walk, now) for i, step in enumerate(STEPS, 1)]
    return canvas(body, X[3] + GAP + 34, TOP + 5 * PITCH + TALL + 22, walk.sentences[now - 1], role)


def _middle(row: int) -> float:
    return TOP + row * PITCH + TALL / 2


def _enters(name: str) -> str:
    """A map of the backbone."""
    y = _middle(MAPS[name][1])
    return rect(2, y - TALL / 2, 38, TALL, "blue", r=4) + text(21, y, name, bold=True)


def _leaves(step: Step, walk: Walk) -> str:
    """The way out of P3, P4 or P5 to the head. That of P3 goes over the top, past down3."""
    y, x = _middle(step.row), X[3] + GAP - 4
    start = [(X[2] + WIDE, y)]
    if step.name == "topdown3":
        start, y = [(X[1] + WIDE / 2, TOP), (X[1] + WIDE / 2, TOP - 32)], TOP - 32
    name = OUT[step.name]
    return (
        arrow([*start, (x, y)])
        + _sides(X[3] + (GAP - 4) / 2 - 4, y, y, step.name, walk)
        + rect(x, y - TALL / 2, 36, TALL, "green", r=4)
        + text(x + 18, y, name, bold=True)
    )


def _step(i: int, step: Step, walk: Walk, now: int) -> str:
    """One operation and the arrows that lead into it, as one group."""
    x, y = X[step.column], _middle(step.row)
    state = "now" if i == now else "later" if i > now else "done"
    look = "yellow" if step.name.startswith("join") else "orange"
    title = f"{i} {step.name}"
    arrows = "".join(_into(step, source, walk) for source in step.inputs)
    box = rect(x, y - TALL / 2, WIDE, TALL, look, r=4)
    arrows += _leaves(step, walk) if step.name in OUT else ""
    return f'<g data-step="{i}" class="{state}">{arrows}{box}{text(x + WIDE / 2, y, title, bold=True)}</g>'


def _into(step: Step, source: str, walk: Walk) -> str:
    """The arrow from a source into a step, with the shape of what flows."""
    x, y = X[step.column], _middle(step.row)
    if source in MAPS:
        return arrow([(X[0], y), (x, y)]) + _sides((X[0] + x) / 2 - 3, y, y, source, walk)
    before = next(s for s in STEPS if s.name == source)
    y0 = _middle(before.row)
    if before.column != step.column:
        bend = x - GAP / 2
        way = [(x - GAP, y0), (x, y)] if y == y0 else [(x - GAP, y0), (bend, y0), (bend, y), (x, y)]
        under = y0 if y == y0 else y0 + 24
        return arrow(way) + _sides(x - GAP / 2 - (3 if y == y0 else 0), y0, under, source, walk)
    side = TALL / 2 if y > y0 else -TALL / 2
    words = text(x + 18, (y + y0) / 2, shape_text(walk.shapes[source]), "start", extra=_key(source, "all"))
    return arrow([(x + 10, y0 + side), (x + 10, y - side)]) + words


def _sides(x: float, above: float, under: float, source: str, walk: Walk) -> str:
    """A shape in two lines: the sides above a level arrow and the channels under it, or both under it."""
    h, w, c = shape_text(walk.shapes[source]).split(" × ")
    first = above - 9 if above == under else under - 12
    channels = text(x, under + (11 if above == under else 4), f"× {c}", extra=_key(source, "channels"))
    return text(x, first, f"{h} × {w}", extra=_key(source, "sides")) + channels


def _key(source: str, what: str) -> str:
    return f' data-shape="{source}" data-what="{what}"'


# --- the figures ------------------------------------------------------------------------------------------


def neck_walk(preset: str = "l", name: str = NAME) -> Figure:
    """The walk for the page: a slider over the steps, one button for each preset; boxes can be clicked."""
    presets = [key for key in PRESETS if key != "pico"]
    walks = {key: walk_through(key) for key in presets}
    texts = [f"{i} {step.name}" for i, step in enumerate(STEPS, 1)]
    step = Control("step", tuple(range(1, 13)), 0).html(name)
    radios = "".join(
        f'<label><input type="radio" name="{name}-preset" value="{key}"{" checked" * (key == preset)}>'
        f"{key.upper() if len(key) == 1 else key.capitalize()}, {PRESETS[key].size}</label>"
        for key in presets
    )
    data = {
        key: {"says": walk.sentences, "shapes": {k: shape_text(v) for k, v in walk.shapes.items()}}
        for key, walk in walks.items()
    }
    first = neck_map(walks[preset], role="group")
    html = (
        f"{STYLE}<form autocomplete='off'>{step}<fieldset><legend>preset</legend>{radios}</fieldset></form>"
        f'<div class="play-frame">{first._repr_html_()}</div>'
        f'<p class="play-says" aria-live="polite">{escape(walks[preset].sentences[0])}</p>'
        f'<script type="application/json">{json.dumps({"texts": texts, **data}, ensure_ascii=False)}</script>'
    )
    script = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    return figure(name, html.replace(NAME, name), script, "The neck in twelve steps. " + first.alt)


def fates(picture: Any, boxes: Any, kept: Sequence[bool], what: str, width: int = 360) -> Drawing:
    """A picture with its objects: found ones in blue, lost ones crossed out. Chapter 08.

    boxes: g 4, xyxy in the picture's pixels; kept: whether each is still found; `what` starts the sentence.
    """
    ground, scale = image(picture, width=width), width / picture.shape[1]
    body, kept = [ground.body], list(map(bool, kept))
    for (left, top, right, bottom), alive in zip((b for b in boxes), kept, strict=True):
        x, y, r, d = (round(float(side) * scale, 1) for side in (left, top, right, bottom))
        colour = PALETTE["sky" if alive else "vermilion"]
        way = f"M{x} {y}H{r}V{d}H{x}Z" + ("" if alive else f"M{x} {y}L{r} {d}M{r} {y}L{x} {d}")
        for ink, wide in (("#000", STRONG + 2), (colour, STRONG)):
            body.append(f'<path d="{way}" fill="none" stroke="{ink}" stroke-width="{wide}"/>')
    lost = len(kept) - sum(kept)
    says = f"{what}: {sum(kept)} of {len(kept)} still found, {lost} lost."
    return canvas(body, width, ground.size[1], says)
