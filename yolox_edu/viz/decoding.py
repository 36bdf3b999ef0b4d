"""The figure of chapter 10 to play with: choose a cell, move its four raw numbers, and the box moves.

The script beside this file computes; what stands here draws the start, so that the page says the same where
scripts are off, and on paper.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from yolox_edu.boxes import STRIDES, decode_boxes, grid
from yolox_edu.viz.play import Figure, figure
from yolox_edu.viz.svg import PALETTE

NAME = "play-10-decode"
MARGIN = 20  # pixels around the picture, where boxes may reach
RAW = {"x": (-2, 3), "y": (-2, 3), "w": (-3, 4), "h": (-3, 4)}  # lowest and highest of each slider
WORDS = {"x": "raw x", "y": "raw y", "w": "raw log w", "h": "raw log h"}

STYLE = f"""<style>
#{NAME} .decoding {{display: flex; flex-wrap: wrap; gap: .5rem 1.2rem; align-items: flex-start}}
#{NAME} .decoding > * {{flex: 1 1 17.5rem; min-width: 0}}
#{NAME} .decoding > :first-child {{flex-basis: 20rem}}
#{NAME} .play-row, #{NAME} fieldset {{gap: 0 .5rem}}
#{NAME} .play-row > label, #{NAME} legend {{min-width: 5em}}
#{NAME} .decoding svg {{display: block; max-width: 30rem; cursor: crosshair}}
#{NAME} .sure {{filter: drop-shadow(0 0 1px #000)}}
#{NAME} input[type="range"] {{flex-basis: 6em; width: 6em}}
#{NAME} output {{min-width: 5ch; text-align: right}}
#{NAME} .sum {{font-variant-numeric: tabular-nums; line-height: 1.45; margin-top: .5rem}}
#{NAME} .sum p {{margin: 0}}
</style>"""


def decoding(
    picture: UInt8[np.ndarray, "h h 3"],
    raw: Float[Tensor, "a d"],
    cell: tuple[int, int, int] = (2, 6, 2),
    numbers: tuple[float, float, float, float] = (0.25, -0.5, 0.69, 0.0),
) -> Figure:
    """The figure over a square picture, with what a trained network says (`raw`) at hand for every cell.

    `cell` is the level (0 to 2), row and column it starts at, `numbers` the raw x, y, log w and log h.
    """
    side, (level, row, column), stride = len(picture), cell, STRIDES[cell[0]]
    where, strides = grid((side, side))
    start = sum((side // s) ** 2 for s in STRIDES[:level])
    index = start + row * (side // stride) + column
    box = decode_boxes(raw.new_tensor([numbers]), where[index : index + 1], strides[index : index + 1])[
        0
    ].tolist()
    scores = raw[:, 4].sigmoid() * raw[:, 5:].sigmoid().amax(dim=1)  # a
    html = (
        f'{STYLE}<div class="decoding"><div>{_svg(picture, raw, scores, cell, box)}</div>'
        f'<div class="numbers">{_controls(cell, numbers, side)}'
        f"{_sums(index, cell, numbers, box, round(100 * scores[index].item()))}</div></div>"
    )
    script = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    alt = (
        f"A drawn street under a grid of cells of {stride} pixels. From the top left corner of the cell in "
        f"row {row} and column {column} a line leads to the centre of a box of {box[2]:.0f} by {box[3]:.0f} "
        "pixels."
    )
    return figure(NAME, html, script, alt)


def _svg(
    picture: UInt8[np.ndarray, "h h 3"],
    raw: Float[Tensor, "a d"],
    scores: Float[Tensor, " a"],
    cell: tuple[int, int, int],
    box: list[float],
) -> str:
    """The picture, the grid, the cell and the box as they are at the start; numbers in data attributes."""
    side, (_, row, column), stride = len(picture), cell, STRIDES[cell[0]]
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=70)
    jpeg = base64.b64encode(file.getvalue()).decode()
    hundredths = (raw[:, :4] * 100).round().int().flatten().tolist()
    per_cent = (scores * 100).round().int().clamp(max=99).tolist()
    lines = "".join(f"M{at} 0V{side}M0 {at}H{side}" for at in range(0, side + 1, stride))
    x, y, w, h = box
    left, top = column * stride, row * stride
    return (
        f'<svg viewBox="{-MARGIN} {-MARGIN} {side + 2 * MARGIN} {side + 2 * MARGIN}" role="img" width="100%" '
        f'aria-label="A street under a grid, one cell and its box; the numbers stand beside it" '
        f'data-side="{side}" data-raw="{",".join(map(str, hundredths))}" '
        f'data-scores="{",".join(map(str, per_cent))}">'
        f'<image width="{side}" height="{side}" href="data:image/jpeg;base64,{jpeg}"/>'
        f'<path class="grid" d="{lines}" stroke="#fff" stroke-width=".7" opacity=".75"/>'
        f'<path class="sure" d="" stroke="#fff" stroke-width="4.5" stroke-linecap="round"/>'
        f'<rect class="cell" x="{left}" y="{top}" width="{stride}" height="{stride}" '
        f'fill="{PALETTE["yellow"]}" fill-opacity=".75" stroke="#000"/>'
        f'<g fill="none" stroke-linejoin="round"><rect class="box" x="{x - w / 2:.2f}" y="{y - h / 2:.2f}" '
        f'width="{w:.2f}" height="{h:.2f}" stroke="{PALETTE["vermilion"]}" stroke-width="3"/>'
        f'<line class="way" x1="{left}" y1="{top}" x2="{x:.2f}" y2="{y:.2f}" stroke="#000" '
        f'stroke-width="1.5"/></g>'
        f'<circle class="corner" cx="{left}" cy="{top}" r="3" fill="#000"/>'
        f'<circle class="middle" cx="{x:.2f}" cy="{y:.2f}" r="3.5" fill="#fff" stroke="#000"/></svg>'
    )


def _controls(cell: tuple[int, int, int], numbers: tuple[float, ...], side: int) -> str:
    """Level, cell, where the numbers come from, and the four sliders."""
    level, row, column = cell
    radios = "".join(
        f'<label><input type="radio" name="{NAME}-level" value="{i}"{" checked" if i == level else ""}>'
        f"{stride}</label>"
        for i, stride in enumerate(STRIDES)
    )
    most = side // STRIDES[level] - 1
    source = (
        f'<div class="play-row"><label for="{NAME}-source">numbers</label>'
        f'<select id="{NAME}-source" data-of="source"><option value="by hand">as I move them</option>'
        '<option value="trained">the trained network\'s</option><option value="zero">all zero</option>'
        "</select></div>"
    )
    return (
        f"<fieldset><legend>stride</legend>{radios}</fieldset>"
        + _slider("column", "column", 0, most, "1", str(column))
        + _slider("row", "row", 0, most, "1", str(row))
        + source
        + "".join(
            _slider(name, WORDS[name], *RAW[name], "0.01", f"{start:.2f}")
            for name, start in zip(RAW, numbers, strict=True)
        )
    )


def _slider(name: str, words: str, low: int, high: int, step: str, start: str) -> str:
    return (
        f'<div class="play-row"><label for="{NAME}-{name}">{words}</label><input type="range" '
        f'id="{NAME}-{name}" data-of="{name}" min="{low}" max="{high}" step="{step}" value="{start}">'
        f'<output for="{NAME}-{name}">{start.replace("-", "−")}</output></div>'
    )


def _sums(
    index: int, cell: tuple[int, int, int], numbers: tuple[float, ...], box: list[float], score: int
) -> str:
    """The arithmetic in words, as the script writes it too."""
    (level, row, column), stride = cell, STRIDES[cell[0]]
    x, y, w, h = (f"{n:.2f}".replace("-", "−") for n in numbers)
    edges = (box[0] - box[2] / 2, box[1] - box[3] / 2, box[0] + box[2] / 2, box[1] + box[3] / 2)
    lines = {
        "cell": f"Prediction {index:,}: P{level + 3}, row {row}, column {column}",
        "x": f"({x} + {column}) · {stride} = {box[0]:.1f}",
        "y": f"({y} + {row}) · {stride} = {box[1]:.1f}",
        "w": f"exp({w}) · {stride} = {box[2]:.1f}",
        "h": f"exp({h}) · {stride} = {box[3]:.1f}",
        "box": f"Box: {', '.join(f'{edge:.0f}' for edge in edges)}. Its centre lies {_place(numbers)}.",
        "score": f"The trained network's score here: {score / 100:.2f}",
    }
    names = {"x": "centre x", "y": "centre y", "w": "width", "h": "height"}
    rows = "".join(
        f'<p>{names[key] + " = " if key in names else ""}<span data-out="{key}">{text}</span></p>'
        for key, text in lines.items()
    )
    return f'<div class="sum" aria-live="polite">{rows}</div>'


def _place(numbers: tuple[float, ...]) -> str:
    """Where the box's centre lies, seen from the cell."""
    off = max(abs(int(n // 1)) for n in numbers[:2])
    return ("in its own cell", "in the next cell", "beyond the neighbours")[min(off, 2)]
