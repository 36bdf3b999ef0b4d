"""Tensors as blocks: height and width as tall and wide, channels as deep. Chapters 00 to 10."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from yolox_edu.viz.svg import (
    Drawing,
    arrow,
    canvas,
    hwc,
    moved,
    polygon,
    rect,
    row,
    shape_text,
    text,
    width_of,
)

Item = str | tuple[str, Tensor | Sequence[int]] | tuple[str, Tensor | Sequence[int], str]
LINE = 18  # pixels from one line of text to the next


def blocks(*items: Item, title: str = "", alt: str = "") -> Drawing:
    """Tensors in a row, joined by arrows. Chapters 00 to 10.

    An item is a block, ("stem", tensor or shape), with a third entry if its colour shall be another of the
    palette than blue; or a string, which is written on the next arrow. Edges are on a compressed scale: one
    twice as long is drawn about 1.3 times as long.
    """
    tensors = [item for item in items if not isinstance(item, str)]
    height = max(_measure(_shape(item)).whole for item in tensors)
    pieces: list[Drawing] = []
    words = ""
    for item in items:
        if isinstance(item, str):
            words = item
            continue
        piece = _block(item[0], _shape(item), item[2] if len(item) > 2 else "blue", height)
        pieces.append(_after_arrow(words, piece) if pieces or words else piece)
        words = ""
    return row(*pieces, gap=0, title=title, alt=alt)


def _shape(item: tuple) -> tuple[int, ...]:
    return tuple(getattr(item[1], "shape", item[1]))


class Measure(NamedTuple):
    """How large a block is drawn, in pixels: its front, and how far the back is shifted to the right."""

    wide: float
    tall: float
    deep: float

    @property
    def whole(self) -> float:
        """The height of front and back together."""
        return self.tall + 0.6 * self.deep


def _measure(shape: tuple[int, ...]) -> Measure:
    """Rows and numbers make a sheet; a map has its channels as depth, one channel a thin sheet too."""
    h, w, c = (*hwc(shape), 1, 1)[:3]
    wide, tall = (min(10.5 * side**0.34, 100.0) for side in (w, h))
    return Measure(wide, tall, 3.2 * c**0.34 if c > 1 else 0.0)


def _block(name: str, shape: tuple[int, ...], colour: str, height: float) -> Drawing:
    """One block, its name above it and its sizes below."""
    (wide, tall, deep), sizes = _measure(shape), shape_text(shape)
    width = max(wide + deep, width_of(sizes), width_of(name, bold=True)) + 8
    x = (width - wide - deep) / 2
    y = LINE + 10 + (height - tall + 0.6 * deep) / 2
    right, bottom, up = x + wide, y + tall, 0.6 * deep
    body = [rect(x, y, wide, tall, colour)]
    if deep:
        top = [(x, y), (x + deep, y - up), (right + deep, y - up), (right, y)]
        side = [(right, y), (right + deep, y - up), (right + deep, bottom - up), (right, bottom)]
        body += [polygon(top, colour, tint=0.15), polygon(side, colour, tint=0.45)]
    body.append(text(width / 2, y - up - 13, name, bold=True))
    body.append(text(width / 2, bottom + 14, sizes))
    return canvas(body, width, height + 2 * LINE + 16, f"{name} {sizes}.")


def _after_arrow(words: str, block: Drawing) -> Drawing:
    """The block with an arrow before it, the words above the arrow."""
    lines = textwrap.wrap(words, 15)
    long = round(max([width_of(line) for line in lines] + [28]) + 8)
    width, height = block.size
    y = height / 2
    body = [text(long / 2, y - 11 - LINE * i, line) for i, line in enumerate(reversed(lines))]
    body += [arrow([(2, y), (long, y)]), moved(block.body, long, 0)]
    return canvas(body, long + width, height, f"→ {words} → {block.alt}" if words else f"→ {block.alt}")
