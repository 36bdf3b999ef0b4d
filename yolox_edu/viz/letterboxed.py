"""Figures to play with: any shape on its canvas, a strip that slides, padding of any grey. Chapter 02."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from yolox_edu.data.letterbox import fit
from yolox_edu.viz.picture import image
from yolox_edu.viz.svg import PALETTE, Drawing, canvas, number, polygon, rect, text

PANEL = 212  # the side of both panels of `letterboxed`, in pixels of the drawing
WIDTH = 440
GREY = "#727272"  # 114 114 114
DASHES = ("", ' stroke-dasharray="5 2"')

Box = tuple[float, float, float, float]


def letterboxed(
    street: Any,
    boxes: Any,
    names: Sequence[str],
    height: int,
    width: int,
    place: str = "top-left",
    size: int = 320,
) -> Drawing:
    """A picture of `height` x `width` cut out of a street, and where it lies on a square canvas. Chapter 02.

    street: uint8 h w 3; boxes: g 4, xyxy in its pixels; names: the class of each. place: "top-left" or
    "centred". The sentence tells the scale, the new size, the share of grey, and the largest box, before and
    after.
    """
    part = _window(street.shape[:2], height, width)
    held = _held(boxes, names, part, height, width)
    scale, new_height, new_width = fit(height, width, (size, size))
    left, top = ((size - new_width) // 2, (size - new_height) // 2) if place == "centred" else (0, 0)
    moved = [(name, _move(box, scale, left, top)) for name, box in held]

    shrink, unit = PANEL / max(height, width), PANEL / size
    whole = image(street, width=street.shape[1]).body
    full = 0, 0, width * shrink, height * shrink
    inner = left * unit, top * unit, new_width * unit, new_height * unit
    ground = f'<rect width="{PANEL}" height="{PANEL}" fill="{GREY}"/>'
    body = [
        *_panel(0, f"picture {height} × {width}", _cut(whole, part, full), held, shrink, full[2:]),
        *_panel(
            WIDTH - PANEL - 2,
            f"canvas {size} × {size}",
            ground + _cut(whole, part, inner),
            moved,
            unit,
            (PANEL, PANEL),
        ),
    ]
    grey = 1 - new_height * new_width / size**2
    says = (
        f"Scale min({size}/{height}, {size}/{width}) = {scale:.4g}; new size {new_height} × {new_width}, "
        f"from row {top} and column {left} on; {grey:.0%} of the canvas is grey. {_boxes_said(held, moved)}"
    )
    return canvas(body, WIDTH, PANEL + 26, says)


def _boxes_said(held: Sequence[tuple[str, Box]], moved: Sequence[tuple[str, Box]]) -> str:
    """The largest object's box, before and after."""
    if not held:
        return "No object lies in this part of the street."
    before, after = (f"({', '.join(f'{side:.0f}' for side in each[0][1])})" for each in (held, moved))
    return f"The {held[0][0]}'s box: {before} → {after}."


def _window(street: tuple[int, int], height: int, width: int) -> Box:
    """Left, top, width and height of the largest part in the street's middle that has the picture's shape."""
    scale = min(street[0] / height, street[1] / width)
    return (street[1] - width * scale) / 2, (street[0] - height * scale) / 2, width * scale, height * scale


def _held(boxes: Any, names: Sequence[str], part: Box, height: int, width: int) -> list[tuple[str, Box]]:
    """The objects of which at least half lies in the window, in the picture's pixels, the largest first."""
    left, top, wide, tall = part
    low, high = np.array([left, top] * 2), np.array([left + wide, top + tall] * 2)
    held = []
    for name, box in zip(names, np.asarray(boxes, dtype=float)):
        inside = box.clip(low, high)
        if _area(inside) >= 0.5 * _area(box):
            held.append((name, tuple((inside - low) * (width / wide))))
    return sorted(held, key=lambda each: -_area(each[1]))[:4]


def _area(box: Any) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def _move(box: Box, scale: float, left: float, top: float) -> Box:
    return tuple(side * scale + shift for side, shift in zip(box, (left, top, left, top)))


def _cut(whole: str, part: Box, place: Box) -> str:
    """A part of the street, drawn at a place; the street itself stands on the page once."""
    x, y, w, h = (number(side) for side in place)
    view = " ".join(number(side) for side in part)
    return (
        f'<svg x="{x}" y="{y}" width="{w}" height="{h}" viewBox="{view}" preserveAspectRatio="none" '
        f'aria-hidden="true">{whole}</svg>'
    )


def _panel(
    x: float,
    title: str,
    picture: str,
    objects: Sequence[tuple[str, Box]],
    unit: float,
    frame: Sequence[float],
) -> list[str]:
    """One of the two pictures under its title, with boxes and a frame."""
    body = [text(x, 8, title, "start", bold=True), f'<g transform="translate({number(x + 1)} 24)">{picture}']
    body += [_outline(box, unit, "vermilion", 2.5 if i == 0 else 1.25) for i, (_, box) in enumerate(objects)]
    return [*body, rect(0, 0, *frame), "</g>"]


def _outline(box: Box, unit: float, colour: str, wide: float, extra: str = "") -> str:
    """An xyxy box without a fill."""
    x, y, right, bottom = (side * unit for side in box)
    return (
        f'<rect x="{number(x)}" y="{number(y)}" width="{number(right - x)}" height="{number(bottom - y)}" '
        f'fill="none" stroke="{PALETTE[colour]}" stroke-width="{wide}"{extra}/>'
    )


def padded(strip: Any, grey: int, boxes: Any, labels: Sequence[str]) -> Drawing:
    """A strip on a square canvas of some grey, with what was found on it. Chapter 02.

    strip: uint8 h w 3; boxes: m 4, xyxy on the canvas; labels: m words.
    """
    height, width = strip.shape[:2]
    found = image(strip, boxes, labels, width=width).body  # boxes may reach below the strip
    ground = f'<rect width="{width}" height="{width}" fill="#{grey:02x}{grey:02x}{grey:02x}"/>'
    ghosts = sum(box[3] > 1.1 * height for box in np.asarray(boxes, dtype=float).reshape(-1, 4))
    says = f"Padding of {grey}: {len(labels)} finds, {ghosts} of them reach down into the padding."
    return canvas([ground, found], width, width, says)


def sliding(
    strip: Any, box: Box, scores: Mapping[str, Sequence[float]], down: int, least: float = 0.25
) -> Drawing:
    """A strip pushed `down` pixels on its canvas, and the scores of one thing at each offset. Chapter 02.

    strip: uint8 h w 3; box: that thing, xyxy in the strip; scores: for each of two classes its score at every
    offset from 0 on. Of the canvas only the upper part is shown.
    """
    height, width = strip.shape[:2]
    shown = height + len(next(iter(scores.values()))) - 1
    colours, best = dict(zip(scores, ("blue", "vermilion"))), max(scores, key=lambda name: scores[name][down])
    dash = "" if scores[best][down] >= least else ' stroke-dasharray="3 3"'
    body = [
        f'<rect width="{width}" height="{shown}" fill="{GREY}"/>',
        f'<g transform="translate(0 {down})">{image(strip, width=width).body}',
        _outline(box, 1, colours[best], 3, dash) + "</g>",
        text(width + 12, 14, f"down {down} px", "start"),
    ]
    for i, name in enumerate(scores):
        line = f'stroke="{PALETTE[colours[name]]}" stroke-width="3"' + DASHES[i]
        body.append(f'<path d="M{width + 12} {48 + 24 * i}h22" {line}/>')
        body.append(
            text(width + 40, 48 + 24 * i, f"{name} {scores[name][down]:.2f}", "start", bold=name == best)
        )
    body.append(f'<g transform="translate(0 {shown + 32})">{_curves(scores, colours, down)}</g>')
    said = " and ".join(f"as a {name} {scores[name][down]:.2f}" for name in scores)
    alt = f"Pushed down by {down} px. The framed thing scores {said}: it is called a {best}."
    return canvas(body, WIDTH, shown + 184, alt)


def _curves(scores: Mapping[str, Sequence[float]], colours: Mapping[str, str], down: int) -> str:
    """Score against offset, a line for each class, a rule every 32 pixels and a mark at `down`."""
    count = len(next(iter(scores.values())))
    x0, wide, tall = 30, WIDTH - 40, 110
    step = wide / (count - 1)
    body = [rect(x0, 0, wide, tall)]
    body += [text(x0 - 5, tall * (1 - value), f"{value:g}", "end") for value in (0, 0.5, 1)]
    for offset in range(0, count, 32):
        x = x0 + offset * step
        body.append(f'<path d="M{number(x)} 0V{tall}" stroke="currentColor" stroke-dasharray="2 3"/>')
        body.append(text(x, tall + 12, str(offset)))
    body.append(text(x0 + wide / 2, tall + 30, "score, against pixels pushed down"))
    for i, (name, values) in enumerate(scores.items()):
        points = " ".join(f"{number(x0 + k * step)},{number(tall * (1 - v))}" for k, v in enumerate(values))
        line = f'stroke="{PALETTE[colours[name]]}" stroke-width="2"' + DASHES[i]
        body.append(f'<polyline points="{points}" fill="none" {line}/>')
    x = x0 + down * step
    body.append(polygon([(x, -2), (x - 5, -10), (x + 5, -10)], "blue"))
    body.append(f'<path d="M{number(x)} 0V{tall}" stroke="currentColor" stroke-width="2"/>')
    return "".join(body)
