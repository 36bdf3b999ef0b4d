"""Tensors as blocks: height and width as tall and wide, channels as deep. Chapters 00 to 10."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from torch import Tensor

from yolox_edu.viz.svg import (
    FONT,
    Drawing,
    arrow,
    canvas,
    hwc,
    polygon,
    rect,
    row,
    shape_text,
    text,
    width_of,
)

Item = str | tuple[str, Tensor | Sequence[int]] | tuple[str, Tensor | Sequence[int], str]
LINE = 16  # from one line of text to the next


def blocks(*items: Item, title: str = "") -> Drawing:
    """Tensors in a row, joined by arrows. Chapters 00 to 10.

    An item is a block ("stem", tensor or shape), with a third entry if it shall have another colour of the
    palette than blue; or a string, written on the next arrow. Sizes are on a compressed scale: an edge
    twice as long is drawn about 1.3 times as long.
    """
    pieces: list[Drawing] = []
    said, words = [], ""
    height = max(_measure(hwc(_shape(item)))[3] for item in items if not isinstance(item, str))
    for item in items:
        if isinstance(item, str):
            words = item
            said.append(item)
            continue
        shape = _shape(item)
        said.append(f"{item[0]} {shape_text(shape)}")
        piece = _block(item[0], shape, item[2] if len(item) > 2 else "blue", height)
        pieces.append(piece if not pieces else _after_arrow(words, piece))
        words = ""
    together = row(*pieces, gap=0)
    alt = f"{title + ': ' if title else ''}{', '.join(said)}."
    return Drawing(canvas(together.body, *together.size, alt).svg, alt, tuple(pieces), 0)


def _shape(item: Item) -> tuple[int, ...]:
    return tuple(item[1].shape if hasattr(item[1], "shape") else item[1])


def _measure(sides: tuple[int, ...]) -> tuple[float, float, float, float]:
    """Width and height of the front, the shift of the back, the height of the whole: in pixels."""
    h, w, c = (*sides, 1, 1)[:3] if len(sides) != 2 else (*sides, 1)
    wide, tall = 14 * w**0.34, 14 * h**0.34
    deep = 4 * c**0.34 if c > 1 else 0
    return wide, tall, deep, tall + 0.6 * deep


def _block(name: str, shape: tuple[int, ...], colour: str, height: float) -> Drawing:
    """One block, its name above it and its sizes below."""
    wide, tall, deep, whole = _measure(hwc(shape))
    sizes = shape_text(shape)
    width = max(wide + deep, width_of(sizes), width_of(name)) + 8
    x, y = (width - wide - deep) / 2, LINE + 6 + (height - whole) / 2 + 0.6 * deep
    dx, dy = deep, -0.6 * deep
    body = [rect(x, y, wide, tall, colour)]
    if deep:
        top = [(x, y), (x + dx, y + dy), (x + wide + dx, y + dy), (x + wide, y)]
        side = [(x + wide, y), (x + wide + dx, y + dy), (x + wide + dx, y + tall + dy), (x + wide, y + tall)]
        body += [polygon(top, colour), polygon(side, colour)]
    body.append(text(width / 2, y + dy - 12, name, bold=True))
    body.append(text(width / 2, y + tall + 13, sizes))
    return canvas(body, width, height + 2 * LINE + 12, f"{name} {sizes}")


def _after_arrow(words: str, block: Drawing) -> Drawing:
    """The block with an arrow before it, the words above the arrow."""
    lines = textwrap.wrap(words, 15)
    long = max([width_of(line, FONT) for line in lines] + [28]) + 8
    width, height = block.size
    y = height / 2
    body = [text(long / 2, y - 10 - LINE * (len(lines) - 1 - i), line) for i, line in enumerate(lines)]
    body.append(arrow([(2, y), (long, y)]))
    body.append(f'<g transform="translate({long:.1f} 0)">{block.body}</g>')
    return canvas(body, long + width, height, f"{words} {block.alt}")
