"""The checks of chapter 02, letterbox: boxes there and back, three broken letterboxes, the folded stem."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from yolox_edu.exercises.compare import NothingYet
from yolox_edu.exercises.judge import Random, Wrong, exercise, same

Size = tuple[int, int]


def _case(random: Random) -> tuple[int, int, Size, Tensor]:
    """A picture that is wide or tall, a canvas that is not square, and boxes in the picture: g 4."""
    short, more = random.integer(300, 400), random.integer(40, 160)
    height, width = (short, short + more) if random.seed % 2 else (short + more, short)
    size = 32 * random.integer(9, 11), 32 * random.integer(13, 15)
    return height, width, size, random.boxes(5, width, height)


def _affine(boxes: Tensor, by: Any, shift: Sequence[float | int]) -> Float[Tensor, "g 4"]:
    """Side by side: times `by` (one number, or one for x and one for y), then shifted by (x, y)."""
    by = by if isinstance(by, tuple) else (by, by)
    rows = [[side * by[i % 2] + shift[i % 2] for i, side in enumerate(box)] for box in boxes.tolist()]
    return torch.tensor(rows)


def _start(height: int, width: int, size: Size, rounded: Callable[[float], float] = int) -> tuple:
    """Scale and first (column, row) of a centred picture."""
    scale = min(size[0] / height, size[1] / width)
    return scale, ((size[1] - rounded(width * scale)) // 2, (size[0] - rounded(height * scale)) // 2)


@exercise("02.1", seeds=24)
def to_canvas(answer: Callable, random: Random) -> None:
    """the same as box by box, for wide and tall pictures on canvases that are not square"""
    height, width, size, boxes = _case(random)
    scale, start = _start(height, width, size)
    truth = _affine(boxes, scale, start)
    where = f"for a picture of {height} × {width} on a canvas of {size[0]} × {size[1]}"
    larger = max(size[0] / height, size[1] / width)
    faults = {
        "these are still the picture's own pixels": boxes,
        "the scale is the larger of the two ratios, so the picture hangs over the canvas; take the smaller": (
            _affine(boxes, larger, _start_at(height, width, size, larger))
        ),
        "the scale is right, but the picture's left and top margin is not added": _affine(
            boxes, scale, (0, 0)
        ),
        "the larger ratio was taken, and no margin was added": _affine(boxes, larger, (0, 0)),
        "the margins are swapped: x moves by the left margin, y by the top one": _affine(
            boxes, scale, start[::-1]
        ),
        "all of the padding stands before the picture; centred means half of it": _affine(
            boxes, scale, (size[1] - int(width * scale), size[0] - int(height * scale))
        ),
        "x and y have scales of their own: that is squashing": _affine(
            boxes, (size[1] / width, size[0] / height), (0, 0)
        ),
        "height and width are swapped in the scale": _swapped(boxes, height, width, size),
        "the margin was added before scaling; it is counted in canvas pixels, so it comes last": _affine(
            boxes, scale, (start[0] * scale, start[1] * scale)
        ),
        "the new size is rounded; int() cuts it off": _affine(
            boxes, *_start(height, width, size, rounded=round)
        ),
        "the margin has half pixels in it; a picture starts at a whole one, (H - new height) // 2": _affine(
            boxes,
            scale,
            ((size[1] - int(width * scale)) / 2, (size[0] - int(height * scale)) / 2),
        ),
        "the new size was not cut to whole pixels before the margin was halved": _affine(
            boxes, scale, ((size[1] - width * scale) / 2, (size[0] - height * scale) / 2)
        ),
    }
    same(answer(boxes, height, width, size), truth, where, faults, atol=1e-3)


def _start_at(height: int, width: int, size: Size, scale: float) -> tuple[int, int]:
    return (size[1] - int(width * scale)) // 2, (size[0] - int(height * scale)) // 2


def _swapped(boxes: Tensor, height: int, width: int, size: Size) -> Tensor:
    scale = min(size[0] / width, size[1] / height)
    return _affine(boxes, scale, _start_at(height, width, size, scale))


@exercise("02.2", seeds=8)
def to_picture(answer: Callable, random: Random) -> None:
    """every box is back in its place, and what lay in the padding is cut off"""
    height, width, size, boxes = _case(random)
    scale, start = _start(height, width, size)
    reach = torch.tensor([[-9.0, -7.0, width + 12.0, height + 15.0]])
    there = torch.cat([boxes, reach])
    truth = torch.cat([boxes, torch.tensor([[0.0, 0.0, width, height]])])
    canvas = _affine(there, scale, start)
    back = (-start[0] / scale, -start[1] / scale)
    where = f"for a picture of {height} × {width} on a canvas of {size[0]} × {size[1]}"
    faults = {
        "these are still canvas pixels": canvas,
        "the boxes are right but not cut at the picture's edges": there,
        "divided by the scale, but the margin is not taken off": _clip(
            _affine(canvas, 1 / scale, (0, 0)), height, width
        ),
        "the margin was taken off after dividing; it is counted in canvas pixels, so it goes first": _clip(
            _affine(canvas, 1 / scale, (-start[0], -start[1])), height, width
        ),
        "the margin is off, but the boxes are not divided by the scale": _clip(
            _affine(canvas, 1, (-start[0], -start[1])), height, width
        ),
        "multiplied by the scale; the way back divides": _clip(
            _affine(canvas, scale, (-start[0] * scale, -start[1] * scale)), height, width
        ),
        "the margins are swapped: x moved by the left margin, y by the top one": _clip(
            _affine(canvas, 1 / scale, (back[1], back[0])), height, width
        ),
        "cut with height and width swapped: x ends at the width": _clip(there, width, height),
        "cut at the canvas's edges, not at the picture's": _clip(there, *size),
        "cut above 0 only; a box can also hang over the right and the lower edge": there.clamp(min=0),
        "cut at the right and the lower edge only; a box can also begin below 0": torch.minimum(
            there, torch.tensor([width, height] * 2)
        ),
    }
    same(answer(canvas, height, width, size), truth, where, faults, atol=0.01)


def _clip(boxes: Tensor, height: int, width: int) -> Float[Tensor, "g 4"]:
    return boxes.clamp(min=0).minimum(torch.tensor([width, height, width, height]))


# --- three broken letterboxes -----------------------------------------------------------------------------
# Each takes bytes (3 h w), boxes (xyxy) and the canvas's (height, width), and owes what the network takes:
# numbers in [0, 1], 3 H W, and the boxes on that canvas.


def broken_a(x: Tensor, boxes: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Top-left on the canvas. x: 3 h w, boxes: g 4, size: (H, W)."""
    h, w = x.shape[1:]  # 1
    scale = min(size[0] / w, size[1] / h)  # 2
    new = int(h * scale), int(w * scale)  # 3
    small = F.interpolate(x[None].float(), new, mode="bilinear")[0]  # 4
    canvas = torch.full((3, *size), 114.0)  # 5
    canvas[:, : new[0], : new[1]] = small  # 6
    return canvas / 255, boxes * scale  # 7


def broken_b(x: Tensor, boxes: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Top-left on the canvas. x: 3 h w, boxes: g 4, size: (H, W)."""
    h, w = x.shape[1:]  # 1
    scale = min(size[0] / h, size[1] / w)  # 2
    new = int(h * scale), int(w * scale)  # 3
    small = F.interpolate(x[None] / 255, new, mode="bilinear")[0]  # 4
    canvas = torch.full((3, *size), 114.0)  # 5
    canvas[:, : new[0], : new[1]] = small  # 6
    return canvas, boxes * scale  # 7


def broken_c(x: Tensor, boxes: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """In the middle of the canvas. x: 3 h w, boxes: g 4, size: (H, W)."""
    h, w = x.shape[1:]  # 1
    scale = min(size[0] / h, size[1] / w)  # 2
    new = int(h * scale), int(w * scale)  # 3
    top, left = (size[0] - new[0]) // 2, (size[1] - new[1]) // 2  # 4
    small = F.interpolate(x[None].float(), new, mode="bilinear")[0]  # 5
    canvas = torch.full((3, *size), 114.0)  # 6
    canvas[:, top : top + new[0], left : left + new[1]] = small  # 7
    return canvas / 255, boxes * scale + torch.tensor([top, left] * 2)  # 8


BUGS = {"A": (2, 7), "B": (5, 7), "C": (8, 8)}  # the wrong line, and how many there are
EXAMPLE = "A1, B2, C3"
LOOK = {
    "A": "try it on a canvas that is not square, where height and width cannot hide behind each other",
    "B": "print the smallest and the largest number that comes out",
    "C": "where does the picture start, and where does a box at (0, 0) land?",
}


@exercise("02.3", seeds=1)
def bugs(answer: Any, random: Random) -> None:
    """each line that you named is the one"""
    if not isinstance(answer, str):
        raise Wrong(f"three letters with a line each were asked, such as {EXAMPLE!r}")
    if "?" in answer:
        raise NothingYet("put the number of a line in place of each question mark")
    given = {letter: int(line) for letter, line in re.findall(r"([ABC])\W*(\d+)", answer.upper())}
    for letter, (line, last) in BUGS.items():
        if letter not in given:
            raise Wrong(f"{letter} has no line; an answer looks like {EXAMPLE!r}")
        named = given[letter]
        if not 1 <= named <= last:
            raise Wrong(f"{letter} has the lines 1 to {last}, not {named}")
        if named == line:
            continue
        if letter == "B" and named in (4, 7):
            raise Wrong(f"B, line {named}: to mend it there you would have to change 4 and 7; {LOOK[letter]}")
        raise Wrong(f"{letter}, line {named} does what it should; {LOOK[letter]}")


# --- the folded stem --------------------------------------------------------------------------------------


@exercise("02.4")
def fold(answer: Callable, random: Random) -> None:
    """the folded weights see in RGB from 0 to 1 what the old ones saw in BGR from 0 to 255"""
    c = random.integer(2, 6)
    weight = random.tensor(c, 12, 3, 3)
    truth = _folded(weight)
    twelve, four = weight.flip(1), weight.unflatten(1, (3, 4))
    faults = {
        "the channels are right, but they still expect numbers up to 255: times 255 is missing": truth / 255,
        "times 255 is right, but the channels still stand in the order B, G, R": weight * 255,
        "nothing has changed": weight,
        "divided by 255; the numbers that come in are smaller now, so the weights must be larger": truth
        / 255
        / 255,
        "all 12 channels are reversed: the colours are right, but the four phases have changed places": twelve
        * 255,
        "all 12 channels are reversed, and times 255 is missing": twelve,
        "the 12 channels were read as 3 × 4; they are 4 phases of 3 colours each": four.flip(1).flatten(1, 2)
        * 255,
        "reversed within 3 groups of 4; they are 4 phases of 3 colours each": four.flip(2).flatten(1, 2)
        * 255,
        "the filters were reversed (axis 0); the colours are on axis 1": weight.flip(0) * 255,
    }
    same(answer(weight), truth, f"for weights of shape {tuple(weight.shape)}", faults)


def _folded(weight: Float[Tensor, "c 12 3 3"]) -> Float[Tensor, "c 12 3 3"]:
    """Channel by channel: phase p, colour i stood at 3p + i and goes to 3p + 2 - i."""
    out = torch.empty_like(weight)
    for phase in range(4):
        for colour in range(3):
            out[:, 3 * phase + 2 - colour] = 255 * weight[:, 3 * phase + colour]
    return out
