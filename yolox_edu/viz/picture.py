"""Pictures and maps with boxes over them. Chapters 00 to 23."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from yolox_edu.draw import ink
from yolox_edu.viz.svg import PALETTE, STROKE, Drawing, canvas, number, text, width_of

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
    alt: str = "A picture",
) -> Drawing:
    """A picture with boxes (xyxy, in its pixels) and their labels over it. Chapters 00 to 23.

    `picture` is uint8 h w 3 (array, tensor or PIL image), or a float map h w, or c h w of which the mean
    over c is shown, dark for its smallest value and bright for its largest.
    """
    pixels = _pixels(picture)
    h, w = pixels.shape[:2]
    scale = width / w
    crisp = ' style="image-rendering:pixelated"' if scale > 2 else ""
    body = [
        f'<image width="{number(width)}" height="{number(h * scale)}" preserveAspectRatio="none"{crisp} '
        f'href="{_data(pixels)}"/>'
    ]
    boxes = [] if boxes is None else np.asarray(boxes, dtype=float).reshape(-1, 4) * scale
    names = list(dict.fromkeys(labels or [""]))
    colours = list(PALETTE.values())
    for i, (left, top, right, bottom) in enumerate(boxes):
        colour = colours[names.index(labels[i]) % len(colours)] if labels else PALETTE["vermilion"]
        body.append(
            f'<rect x="{number(left)}" y="{number(top)}" width="{number(right - left)}" '
            f'height="{number(bottom - top)}" fill="none" stroke="{colour}" stroke-width="{2 * STROKE}"/>'
        )
        if labels:
            body.append(_label(left, top, labels[i], colour, width))
    return canvas(body, width, h * scale, alt)


def _label(left: float, top: float, words: str, colour: str, width: float) -> str:
    """A label on its own ground, above the box or, where there is no room, inside."""
    wide = width_of(words) + 6
    x, y = max(0.0, min(left, width - wide)), top - 17 if top >= 17 else top
    ground = f'<rect x="{number(x)}" y="{number(y)}" width="{number(wide)}" height="17" fill="{colour}"/>'
    return ground + text(x + 3, y + 8.5, words, "start", extra=f' fill="{ink(colour)}"')


def _pixels(picture: Any) -> np.ndarray:
    """Any of the kinds above as uint8 h w 3."""
    pixels = np.asarray(picture.detach().cpu() if hasattr(picture, "detach") else picture)
    if pixels.dtype == np.uint8 and pixels.ndim == 3:
        return pixels if pixels.shape[-1] == 3 else np.moveaxis(pixels, 0, -1)
    values = pixels.astype(float)
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
