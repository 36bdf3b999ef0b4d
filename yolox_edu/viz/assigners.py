"""Who is positive: a scene with the cells that learn, coloured by the object they learn. Chapter 11.

Explained in chapter 11, which holds the rules themselves: this module only draws what a rule decided.
Letters: g ground truths, a cells, b predictions a cell (3 with anchors, otherwise 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor

from yolox_edu.boxes import STRIDES, grid
from yolox_edu.viz.picture import image
from yolox_edu.viz.svg import CYCLE, PALETTE, Drawing, canvas, number, rect, row, text

PICTURE = 330  # pixels on the page that a street is wide
LINE, LIST, BAR = 22, 268, 84  # of the list beside it: from line to line, its width, the longest bar
MOST = 36  # positives that fill a bar
VEIL = 0.3  # of white over the street, so that the cells stand out
HALO = 'stroke="#fff" stroke-width="3" stroke-linejoin="round" paint-order="stroke" fill="#000"'


def positives(
    picture: Any,
    boxes: Float[Tensor, "g 4"],
    names: Sequence[str],
    mine: Bool[Tensor, "g a b"],
    level: int | None = None,
    title: str = "",
) -> Drawing:
    """A street, each object's positive cells in the object's colour, and how many they are. Chapter 11.

    picture: uint8 h w 3, the network's input; boxes: `xyxy` in its pixels; names: one for each object;
    mine: which predictions learn which object; level: 0, 1 or 2 shows this level alone.
    """
    strides = grid(tuple(picture.shape[:2]))[1][:, 0]  # a
    if level is not None:
        mine = mine & (strides == STRIDES[level])[:, None]
    counts = mine.sum(dim=(1, 2)).tolist()
    return row(
        street(picture, boxes, mine, f"{title}: the street."),
        _list(names, counts, title),
        gap=14,
        alt=_sentence(names, counts, mine[0].numel(), level, title),
    )


def _sentence(names: Sequence[str], counts: Sequence[int], all_: int, level: int | None, title: str) -> str:
    where = "" if level is None else f" of stride {STRIDES[level]}"
    empty = [f"{name} {i + 1}" for i, (name, n) in enumerate(zip(names, counts)) if not n]
    if not empty:
        rest = f"Every object has at least {min(counts)}, at most {max(counts)}."
    else:
        rest = f"None for {', '.join(empty)}; at most {max(counts)} for an object."
    start = f"{title}: " if title else ""
    return f"{start}{sum(counts)} positives{where} for {len(names)} objects, of {all_:,} predictions. {rest}"


def street(picture: Any, boxes: Float[Tensor, "g 4"], mine: Bool[Tensor, "g a b"], alt: str) -> Drawing:
    """The street alone, boxes and cells over it: the coarse cells first, the fine ones on top. Chapter 11."""
    size = tuple(picture.shape[:2])
    scale = PICTURE / size[1]
    under = image(picture, width=PICTURE)
    body = [under.body, f'<rect width="100%" height="100%" fill="#fff" opacity="{VEIL}"/>']
    cells, strides = grid(size)
    body.append(f'<g transform="scale({scale:.5f})" stroke-opacity="0.6">')
    for stride in reversed(STRIDES):
        for i, wanted in enumerate(mine.any(dim=2)):
            picked = cells[wanted & (strides[:, 0] == stride)]  # m 2
            if len(picked):
                body.append(_squares(picked.long().tolist(), stride, _colour(i)))
    body.append("</g>")
    for i, box in enumerate((boxes * scale).tolist()):
        body.append(_frame(box, _colour(i)))
    for i, (left, top, _, _) in enumerate((boxes * scale).tolist()):
        at = min(max(left, 0), PICTURE - 16), max(top - 6, 7)
        body.append(text(*at, str(i + 1), "start", bold=True, extra=f" {HALO}"))
    return canvas(body, *under.size, alt)


def _name(i: int) -> str:
    return CYCLE[i % len(CYCLE)]


def _colour(i: int) -> str:
    return PALETTE[_name(i)]


def _squares(cells: Sequence[Sequence[int]], side: int, colour: str) -> str:
    """All cells of one object on one level in one element: strokes as thick as they are long."""
    ways = "".join(f"M{u * side} {v * side + side // 2}h{side - 1}" for u, v in cells)
    return f'<path d="{ways}" stroke="{colour}" stroke-width="{side - 1}"/>'


def _frame(box: Sequence[float], colour: str) -> str:
    """A box: the colour on a dark edge, to be seen on any ground."""
    left, top, right, bottom = box
    at = f'x="{number(left)}" y="{number(top)}" width="{number(right - left)}"'
    at += f' height="{number(bottom - top)}" fill="none"'
    return (
        f'<rect {at} stroke="#000" stroke-width="3.5" opacity="0.6"/>'
        f'<rect {at} stroke="{colour}" stroke-width="2"/>'
    )


def _list(names: Sequence[str], counts: Sequence[int], title: str) -> Drawing:
    """The objects with a bar each: how many predictions learn it."""
    lines = [12 + LINE * (i + 1) for i in range(len(names) + 1)]
    body = [rect(0, y - 8, 14, 16, _name(i), tint=0.8) for i, y in enumerate(lines[:-1])]
    for i, (y, name) in enumerate(zip(lines, names)):
        body += [text(38, y, str(i + 1), "end", bold=True), text(46, y, name, "start")]
    body += [text(46, lines[-1], "together", "start"), text(0, 12, title or "positives", "start", bold=True)]
    for i, (y, count) in enumerate(zip(lines, counts)):
        long = number(BAR * min(count, MOST) / MOST)
        body.append(f'<path d="M146 {y}h{long}" stroke="{_colour(i)}" stroke-width="11"/>' if count else "")
        body.append(text(LIST, y, str(count) if count else "none", "end", bold=not count))
    body.append(text(LIST, lines[-1], str(sum(counts)), "end"))
    return canvas(body, LIST, lines[-1] + 14, "How many each object has.")
