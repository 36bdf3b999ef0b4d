"""One frame of a film of training: a street, what is there, and what was found. Explained in chapter 16."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from yolox_edu.draw import colour
from yolox_edu.viz.svg import FONT, STRONG, Drawing, canvas, number, width_of

QUALITY = 60  # of the JPEG: a film holds several pictures, a chapter 500 KB in all
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
    height, scale = width * picture.shape[0] / picture.shape[1], width / picture.shape[1]
    there, boxes = (np.asarray(each, dtype=float).reshape(-1, 4) * scale for each in (truth, boxes))
    labels = [int(label) for label in labels]
    body = [
        f'<image width="{number(width)}" height="{number(height)}" href="{_jpeg(picture)}"/>',
        _path(there, "#fff", 1.5, f' stroke-dasharray="5 4" {SHADE}'),
    ]
    frames = [
        _path(boxes[[each == label for each in labels]], colour(label), STRONG)
        for label in sorted(set(labels))
    ]
    words = [_label(box, names[label], width) for box, label in zip(boxes, labels, strict=True)]
    found = [f"<g {EDGE}>", *frames, "</g>", f"<g {HALO}>", *words, "</g>"] if words else []
    return canvas([*body, *found], width, height, alt)


def _path(boxes: np.ndarray, stroke: str, wide: float, extra: str = "") -> str:
    """All boxes of one colour in one element; nothing where there are none."""
    ways = "".join(f"M{l} {t}H{r}V{b}H{l}z" for l, t, r, b in boxes.round().astype(int).tolist())
    line = f'fill="none" stroke="{stroke}" stroke-width="{number(wide)}"'
    return f'<path d="{ways}" {line}{extra}/>' if ways else ""


def _label(box: np.ndarray, name: str, width: int) -> str:
    """The name above the box, or inside where the picture ends."""
    left, top = box[:2].tolist()
    x, y = max(2, round(min(left, width - width_of(name)))), round(top - 4 if top > FONT + 4 else top + FONT)
    return f'<text x="{x}" y="{y}">{name}</text>'


def _jpeg(picture: np.ndarray) -> str:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(stream, "jpeg", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
