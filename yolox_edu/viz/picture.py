"""Pictures and maps with boxes over them. Chapters 00 to 23."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from yolox_edu.draw import ink
from yolox_edu.viz.matrix import array
from yolox_edu.viz.svg import CYCLE, PALETTE, STRONG, Drawing, canvas, number, text, width_of

# Cividis in nine steps (Nuñez et al. 2018, doi 10.1371/journal.pone.0199239), dark for small values.
STEPS = np.array(
    [[0, 34, 78], [18, 53, 112], [59, 73, 108], [87, 93, 109], [112, 113, 115], [138, 134, 120],
     [165, 156, 116], [195, 179, 105], [254, 232, 56]]
)  # fmt: skip


def image(
    picture: Any,
    boxes: Any = None,
    labels: Sequence[str] | None = None,
    width: int = 360,
    alt: str = "",
) -> Drawing:
    """A picture with boxes (xyxy, in its pixels) and their labels over it. Chapters 00 to 23.

    `picture` is an array, tensor or PIL image: uint8 h w 3; or float 3 h w in [0, 1], as the model takes it;
    or a map of floats, h w or c h w, of which the mean over c is shown, the smallest dark, the largest
    bright.
    """
    pixels = _pixels(array(picture))
    h, w = pixels.shape[:2]
    scale = width / w
    crisp = ' style="image-rendering:pixelated"' if scale > 2 else ""
    body = [
        f'<image width="{number(width)}" height="{number(h * scale)}" preserveAspectRatio="none"{crisp} '
        f'href="{_data(pixels)}"/>'
    ]
    boxes = [] if boxes is None else array(boxes).reshape(-1, 4).astype(float) * scale
    names = list(dict.fromkeys(labels or []))
    for i, (left, top, right, bottom) in enumerate(boxes):
        colour = PALETTE[CYCLE[names.index(labels[i]) % len(CYCLE)] if labels else "vermilion"]
        body.append(
            f'<rect x="{number(left)}" y="{number(top)}" width="{number(right - left)}" '
            f'height="{number(bottom - top)}" fill="none" stroke="{colour}" stroke-width="{STRONG}"/>'
        )
        if labels:
            body.append(_label(left, top, labels[i], colour, width))
    said = f"{len(boxes)} boxes over a picture" if len(boxes) else "A picture"
    return canvas(body, width, h * scale, alt or f"{said} of {h} × {w} pixels")


def _label(left: float, top: float, words: str, colour: str, width: int) -> str:
    """A label on its own ground, above the box or, where there is no room, inside."""
    wide, high = width_of(words) + 6, 18
    x, y = max(0.0, min(left, width - wide)), top - high if top >= high else top
    ground = f'<rect x="{number(x)}" y="{number(y)}" width="{number(wide)}" height="{high}" fill="{colour}"/>'
    return ground + text(x + 3, y + high / 2, words, "start", extra=f' fill="{ink(colour)}"')


def _pixels(values: np.ndarray) -> np.ndarray:
    """Any of the kinds above as uint8 h w 3."""
    if values.dtype == np.uint8 and values.ndim == 3:
        return values if values.shape[-1] == 3 else np.moveaxis(values, 0, -1)
    values = values.astype(float)
    if values.ndim == 3 and len(values) == 3 and 0 <= values.min() <= values.max() <= 1:
        return np.round(255 * np.moveaxis(values, 0, -1)).astype(np.uint8)
    values = values.mean(axis=0) if values.ndim == 3 else values
    low, high = values.min(), values.max()
    at = (values - low) / ((high - low) or 1) * (len(STEPS) - 1)
    below = np.minimum(at.astype(int), len(STEPS) - 2)
    part = (at - below)[..., None]
    return np.round(STEPS[below] * (1 - part) + STEPS[below + 1] * part).astype(np.uint8)


def _data(pixels: np.ndarray) -> str:
    """The picture inside the page: JPEG, or PNG where it is so small that each pixel counts."""
    kind, options = ("png", {}) if max(pixels.shape) <= 64 else ("jpeg", {"quality": 80})
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"
