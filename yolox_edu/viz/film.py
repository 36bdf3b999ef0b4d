"""Frames of a film of training: what was found, what objectness lights up, who is positive. Chapter 16."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from yolox_edu.draw import colour
from yolox_edu.viz.svg import FONT, STRONG, Drawing, canvas, number, width_of

QUALITY = 48  # of the JPEG: a film holds several pictures, a chapter 500 KB in all
# Letters and frames lie on any ground, from noon to night: an edge keeps them apart from it.
EDGE, SHADE = (f'style="filter:drop-shadow(0 0 1px {light})"' for light in ("#fff", "#000"))
HALO = 'stroke="#fff" stroke-width="3" stroke-linejoin="round" paint-order="stroke" fill="#000"'


def frame(
    picture: UInt8[np.ndarray, "h w 3"],
    truth: Any,
    boxes: Any,
    labels: Sequence[int],
    names: Sequence[str],
    alt: str,
    width: int = 480,
) -> Drawing:
    """A picture; what is there, dashed (g 4); what was found, in the colour of its class (m 4). Chapter 16.

    Boxes are `xyxy` in pixels of the picture; `labels` number the m found ones, `names` are of all classes.
    Unlike `viz.image` a class keeps its colour from frame to frame, and a box costs few bytes.
    """
    boxes = np.asarray(boxes, dtype=float).reshape(-1, 4) * (width / picture.shape[1])
    labels = [int(label) for label in labels]
    words = [_label(box, names[label], width) for box, label in zip(boxes, labels, strict=True)]
    frames = _by_class(boxes, labels, "", STRONG)
    found = [f"<g {EDGE}>", *frames, "</g>", f"<g {HALO}>", *words, "</g>"] if words else []
    return _street(picture, truth, "", found, alt, width)


def glow(
    picture: UInt8[np.ndarray, "h w 3"],
    truth: Any,
    values: Float[np.ndarray, "r c"],
    alt: str,
    width: int = 480,
) -> Drawing:
    """The picture in the dark, lit where `values` (0 to 1, over the whole picture) are high. Chapter 16.

    Light goes with the square root of a value, so that 0.01 is not night. The veil is a PNG of r x c pixels
    in 16 steps, which the browser draws smooth.
    """
    dark = np.round(15 * (1 - np.sqrt(values.clip(0, 1)))).astype(np.uint8)
    veil = Image.fromarray(dark, "P")
    veil.putpalette([0, 16, 48] * 16)
    stream = io.BytesIO()
    veil.save(stream, "png", bits=4, transparency=bytes(round(16 * step * 0.95) for step in range(16)))
    image = _image(
        "png", stream, width, width * picture.shape[0] / picture.shape[1], ' preserveAspectRatio="none"'
    )
    return _street(picture, truth, image, [], alt, width)


def squares(
    picture: UInt8[np.ndarray, "h w 3"],
    truth: Any,
    cells: Any,
    labels: Sequence[int],
    alt: str,
    width: int = 480,
) -> Drawing:
    """The picture and the positive cells (p 4, `xyxy`), in the colour of the class they learn. Chapter 16."""
    cells = np.asarray(cells, dtype=float).reshape(-1, 4) * (width / picture.shape[1])
    drawn = _by_class(cells, [int(label) for label in labels], ' fill-opacity=".55"', 1)
    return _street(picture, truth, "", [f"<g {EDGE}>", *drawn, "</g>"] if drawn else [], alt, width)


def _street(picture: np.ndarray, truth: Any, veil: str, over: list[str], alt: str, width: int) -> Drawing:
    """The picture, a veil on it, the ground truth dashed, and what comes over it."""
    height = width * picture.shape[0] / picture.shape[1]
    there = np.asarray(truth, dtype=float).reshape(-1, 4) * (width / picture.shape[1])
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(stream, "jpeg", quality=QUALITY)
    dashes = _path(there, "#fff", 1.5, f' fill="none" stroke-dasharray="5 4" {SHADE}')
    return canvas([_image("jpeg", stream, width, height), veil, dashes, *over], width, height, alt)


def _image(kind: str, stream: io.BytesIO, width: int | float, height: int | float, extra: str = "") -> str:
    data = base64.b64encode(stream.getvalue()).decode()
    size = f'width="{number(width)}" height="{number(height)}"'
    return f'<image {size}{extra} href="data:image/{kind};base64,{data}"/>'


def _by_class(boxes: np.ndarray, labels: list[int], fill: str, wide: int | float) -> list[str]:
    """One path a class, in its colour; filled with it where `fill` says how much."""
    return [
        _path(
            boxes[[each == label for each in labels]],
            colour(label),
            wide,
            f' fill="{colour(label)}"{fill}' if fill else ' fill="none"',
        )
        for label in sorted(set(labels))
    ]


def _path(boxes: np.ndarray, stroke: str, wide: int | float, extra: str = "") -> str:
    """All boxes of one colour in one element; nothing where there are none."""
    ways = "".join(f"M{l} {t}H{r}V{b}H{l}z" for l, t, r, b in boxes.round().astype(int).tolist())
    line = f'stroke="{stroke}" stroke-width="{number(wide)}"'
    return f'<path d="{ways}" {line}{extra}/>' if ways else ""


def _label(box: np.ndarray, name: str, width: int) -> str:
    """The name above the box, or inside where the picture ends."""
    left, top = box[:2].tolist()
    x, y = max(2, round(min(left, width - width_of(name)))), round(top - 4 if top > FONT + 4 else top + FONT)
    return f'<text x="{x}" y="{y}">{name}</text>'
