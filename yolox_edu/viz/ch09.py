"""Drawings of the head: its two branches, and one cell's numbers read out. Chapter 09."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from yolox_edu.boxes import STRIDES, cxcywh_to_xyxy, decode_boxes
from yolox_edu.viz.blocks import blocks
from yolox_edu.viz.picture import image
from yolox_edu.viz.svg import PALETTE, Drawing, Pixels, canvas, moved, number, rect, row, shape_text, text
from yolox_edu.viz.trace import Layer

PICTURE = 300  # pixels on the page that a street is wide
LINE = 21  # from one number to the next
WIDE = 330  # the list of numbers
CLAIM = 0.25  # the score from which a prediction counts


def two_branches(layers: Sequence[Layer]) -> Drawing:
    """One level of the head as blocks, with the fork behind the stem, from what `trace` found. Chapter 09."""
    found = {layer.name: layer for layer in layers}

    def block(name: str, part: str, colour: str = "blue") -> tuple[str, tuple[int, ...], str]:
        return name, found[part].output, colour

    first = blocks(("in", found["stem"].inputs[0]), "1 × 1 CBS", block("stem", "stem"))
    middle = [
        blocks("two 3 × 3 CBS", block("what", "cls_convs", "orange")),
        blocks("two 3 × 3 CBS", block("where", "reg_convs", "green")),
    ]
    last = [
        blocks("1 × 1", block("classes", "cls_pred", "orange")),
        blocks("1 × 1", block("box", "reg_pred", "green")),
        blocks("1 × 1", block("objectness", "obj_pred", "green")),
    ]
    tall = max(piece.size[1] for piece in (*middle, *last)) + 4
    y = [tall * (i + 0.5) for i in range(3)]  # the middle of each row
    x1 = first.size[0] + 2
    x2 = x1 + max(piece.size[0] for piece in middle) + 2
    trunk = y[0], (y[1] + y[2]) / 2
    body = [_at(first, 0, sum(trunk) / 2), _line(x1, *trunk), _line(x2, y[1], y[2])]
    body += [_at(piece, x1, at) for piece, at in zip(middle, trunk)]
    body += [_at(piece, x2, at) for piece, at in zip(last, y)]
    width = x2 + max(piece.size[0] for piece in last)
    shapes = {name: shape_text(found[name].output) for name in ("stem", "cls_pred", "reg_pred", "obj_pred")}
    alt = (
        f"{shape_text(found['stem'].inputs[0])} goes through a 1 × 1 stem to {shapes['stem']}, then forks. "
        f"One branch of two 3 × 3 CBS leads to the classes, {shapes['cls_pred']}; the other to the box, "
        f"{shapes['reg_pred']}, and to the objectness, {shapes['obj_pred']}."
    )
    return canvas(body, width, 3 * tall, alt)


def _at(piece: Drawing, x: Pixels, middle: Pixels) -> str:
    """A drawing with its left end at x and its middle at a height."""
    return moved(piece.body, x, middle - piece.size[1] / 2)


def _line(x: Pixels, y0: Pixels, y1: Pixels) -> str:
    return f'<path d="M{number(x)} {number(y0)}V{number(y1)}" stroke="currentColor" stroke-width="1.25"/>'


def spoken(street: Any, raw: Tensor, names: Sequence[str], level: int, row_: int, column: int) -> Drawing:
    """What one cell says: the street, the cell and its box; its numbers, raw and read. Chapter 09.

    street: uint8 h w 3, the network's input; raw: a 5+k, the head's rows for it; level 0 is P3.
    """
    height, width = street.shape[:2]
    stride = STRIDES[level]
    before = sum((height // s) * (width // s) for s in STRIDES[:level])
    numbers = raw[before + row_ * (width // stride) + column].float().cpu()  # 5+k
    cell = torch.tensor([[float(column), float(row_)]])  # 1 2
    box = decode_boxes(numbers[None], cell, torch.tensor([[float(stride)]]))[0]  # cxcywh
    where = f"P{level + 3}, row {row_}, column {column}"
    objectness, classes = numbers[4].sigmoid().item(), numbers[5:].sigmoid()
    best = int(classes.argmax())
    score = objectness * classes[best].item()
    verdict = "It counts" if score >= CLAIM else "Too little to count"
    x, y, w, h = box.tolist()
    whether, what, both = map(_percent, (objectness, classes[best].item(), score))
    says = (
        f"{where}: a box of {w:.0f} × {h:.0f} pixels around ({x:.0f}, {y:.0f}). "
        f"Objectness {whether}; if anything, a {names[best]}: {what}. Score {both}. {verdict}."
    )
    picture = _with_cell(street, cell[0] * stride, stride, cxcywh_to_xyxy(box), score >= CLAIM)
    return row(picture, _numbers(where, numbers, box.tolist(), names), gap=16, alt=says)


def _percent(p: float) -> str:
    """Per cent; what is not quite 0 or 100 is not called so."""
    return "<1 %" if p < 0.005 else ">99 %" if p > 0.995 else f"{100 * p:.0f} %"


def _with_cell(street: Any, corner: Tensor, stride: int, box: Tensor, counts: bool) -> Drawing:
    """The street, the cell filled, its box around it: dashed where the cell is not sure."""
    scale = PICTURE / street.shape[1]
    under = image(street, width=PICTURE)
    x, y = (corner * scale).tolist()
    left, top, right, bottom = (box * scale).tolist()
    dash = "" if counts else ' stroke-dasharray="6 4"'
    over = [
        f'<rect x="{number(x)}" y="{number(y)}" width="{number(stride * scale)}" '
        f'height="{number(stride * scale)}" fill="{PALETTE["yellow"]}" stroke="#000"/>'
    ]
    for colour, wide in (("#fff", 4.5), (PALETTE["vermilion"], 2.5)):
        over.append(
            f'<rect x="{number(left)}" y="{number(top)}" width="{number(right - left)}" '
            f'height="{number(bottom - top)}" fill="none" stroke="{colour}" stroke-width="{wide}"{dash}/>'
        )
    return canvas([under.body, *over], *under.size, "The street, the cell and its box.")


def _numbers(where: str, raw: Tensor, box: Sequence[float], names: Sequence[str]) -> Drawing:
    """The 5 + k numbers as lines: name, as it stands, and what it means."""
    p = raw.sigmoid().tolist()
    means = [f"centre x {box[0]:.0f} px", f"centre y {box[1]:.0f} px"]
    means += [f"width {box[2]:.0f} px", f"height {box[3]:.0f} px"]
    body = [text(0, 10, where, "start", bold=True)]
    for i, head in ((120, "raw"), (134, "read"), (WIDE - 2, "score")):
        body.append(text(i, 32, head, "start" if head == "read" else "end"))
    for i, name in enumerate(["x", "y", "log w", "log h", "objectness", *names]):
        y = 32 + LINE * (i + 1)
        value = f"{round(raw[i].item(), 1) + 0.0:.1f}".replace("-", "−")
        body += [text(0, y, name, "start", bold=i == 4), text(120, y, value, "end")]
        if i < 4:
            body.append(text(134, y, means[i], "start"))
            continue
        body.append(rect(134, y - 7, 90, 14))
        body.append(rect(134, y - 7, 90 * p[i], 14, "green" if i == 4 else "orange", tint=0.6))
        body.append(text(272, y, _percent(p[i]), "end"))
        if i > 4:
            body.append(text(WIDE - 2, y, _percent(p[4] * p[i]), "end"))
    return canvas(body, WIDE, 32 + LINE * (6 + len(names)) - 6, "Its numbers.")
