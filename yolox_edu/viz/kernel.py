"""The figure of chapter 04 to play with: a 3 x 3 kernel slides over a small picture.

`window` is the arithmetic, and draws the start, so that the page says the same where scripts are off, and on
paper. The script beside this file does the same again; a test compares the two at every position.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from yolox_edu.viz.play import Figure, figure
from yolox_edu.viz.svg import PALETTE, STRONG, TINT, Drawing, canvas, rect, text

NAME = "play-04-kernel"
STRIDES, PADDINGS = (1, 2, 3), (0, 1)
RING = max(PADDINGS)  # cells drawn around the picture for the padding
CELL = 29  # pixels
TOP = 26  # room for the title

Grid = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Window:
    """One output number of a convolution: `size` of the output, first `top` and `left` cell, the products.

    `rows` holds a line for each row of the window: its products written out, and their sum. `over` rows (and
    as many columns) at the end of the padded picture lie in no window.
    """

    size: int
    top: int
    left: int
    rows: tuple[tuple[str, int], ...]
    over: int

    @property
    def total(self) -> int:
        """The number that comes out."""
        return sum(value for _, value in self.rows)


def window(picture: Grid, kernel: Grid, stride: int, padding: int, row: int, column: int) -> Window:
    """The window behind the output number in `row` and `column`. Chapter 04."""
    side, k = len(picture), len(kernel)
    top, left = row * stride - padding, column * stride - padding

    def pixel(r: int, c: int) -> int:
        return int(picture[r][c]) if 0 <= r < side and 0 <= c < side else 0

    rows = []
    for i, weights in enumerate(kernel):
        pairs = [(pixel(top + i, left + j), int(weight)) for j, weight in enumerate(weights)]
        rows.append((" + ".join(f"{p}·{_signed(w)}" for p, w in pairs), sum(p * w for p, w in pairs)))
    room = side + 2 * padding - k
    return Window(room // stride + 1, top, left, tuple(rows), room % stride)


def sliding(
    picture: Grid, kernel: Grid, stride: int = 2, padding: int = 1, row: int = 1, column: int = 1
) -> Figure:
    """The figure: a square picture and a square kernel of whole numbers, and where it starts. Chapter 04."""
    at = window(picture, kernel, stride, padding, row, column)
    values = [
        [window(picture, kernel, stride, padding, r, c).total for c in range(at.size)] for r in range(at.size)
    ]
    whole = json.dumps({"picture": _plain(picture), "kernel": _plain(kernel), "ring": RING, "cell": CELL})
    html = (
        f"<style>#{NAME} .sums {{font-variant-numeric: tabular-nums; line-height: 1.5; margin-top: .5rem}}\n"
        f"#{NAME} .sums p {{margin: 0}}\n#{NAME} [data-is=out] {{cursor: pointer}}</style>"
        f"{_controls(stride, padding, row, column, at.size)}"
        f'<div class="play-frame" data-whole=\'{whole}\' data-top="{TOP}" '
        'style="display:flex;flex-wrap:wrap;align-items:flex-start;gap:8px 28px">'
        f"{_picture(picture, kernel, padding, at).svg}{_output(values, row, column, len(picture)).svg}</div>"
        f'<div class="sums">{"".join(f"<p data-is={key}>{words}</p>" for key, words in _sums(at).items())}'
        f'</div><p class="play-says" aria-live="polite">{sentence(at, len(picture), stride, padding)}</p>'
    )
    script = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    return figure(NAME, html, script, sentence(at, len(picture), stride, padding))


def sentence(at: Window, side: int, stride: int, padding: int, k: int = 3) -> str:
    """What the figure shows, as the script says it too."""
    over = f", and {_lines(at.over)} lie in no window" if at.over else ""
    return (
        f"The window covers rows {_minus(at.top)} to {at.top + k - 1} and columns {_minus(at.left)} to "
        f"{at.left + k - 1}; the sum is {_minus(at.total)}. Windows along a side: "
        f"⌊({side} + 2·{padding} − {k}) / {stride}⌋ + 1 = {at.size}{over}."
    )


def _sums(at: Window) -> dict[str, str]:
    """The nine products, a line for each row of the window; the keys are the script's."""
    lines = {f"row{i}": f"{words} = {_minus(value)}" for i, (words, value) in enumerate(at.rows)}
    parts = " + ".join(_signed(value) for _, value in at.rows)
    return lines | {"total": f"together {parts} = {_minus(at.total)}"}


def _picture(picture: Grid, kernel: Grid, padding: int, at: Window) -> Drawing:
    """The picture with its ring of zeros and the window over it."""
    side, k = len(picture), len(kernel)
    most = max(max(line) for line in picture)
    body = [text(2, 10, f"picture {side} × {side}", "start", bold=True)]
    ring, cells = [], []
    for r in range(-RING, side + RING):
        for c in range(-RING, side + RING):
            inside = 0 <= r < side and 0 <= c < side
            x, y = 2 + (c + RING) * CELL, TOP + (r + RING) * CELL
            value = int(picture[r][c]) if inside else 0
            tint = 0.5 * value / most
            faint = ' stroke-opacity="0.4"' + ("" if inside else ' stroke-dasharray="3 3"')
            cell = rect(x, y, CELL, CELL, "blue" if value else None, faint, tint=tint)
            (cells if inside else ring).append(cell + text(x + CELL / 2, y + CELL / 2, str(value)))
    hidden = "" if padding else ' visibility="hidden"'
    body += [f'<g data-is="ring"{hidden}>{"".join(ring)}</g>', *cells]
    x, y = 2 + (at.left + RING) * CELL, TOP + (at.top + RING) * CELL
    frame = rect(x, y, k * CELL, k * CELL, "orange", ' data-is="window"', tint=0.2, width=STRONG)
    whole = (side + 2 * RING) * CELL + 4
    return canvas([*body, frame], whole, TOP + whole - 2, f"A picture of {side} × {side} and a window on it")


def _output(values: Grid, row: int, column: int, side: int) -> Drawing:
    """The output, with room for the largest that there is; the chosen number has a thick frame."""
    size, most = len(values), side + 2 * RING - 2
    body = [
        f'<text x="2" y="14.9" font-weight="600" data-is="title">output {size} × {size}</text>',
        '<g data-is="out">',
    ]
    for r in range(most):
        for c in range(most):
            there = r < size and c < size
            x, y = 2 + c * CELL, TOP + r * CELL
            colour = "none" if not there or not values[r][c] else _colour(values[r][c])
            words = _minus(values[r][c]) if there else ""
            hidden = "" if there else ' visibility="hidden"'
            body.append(
                f'<g data-at="{r} {c}"{hidden}><rect x="{x}" y="{y}" width="{CELL}" height="{CELL}" '
                f'fill="{colour}" fill-opacity="{TINT}" stroke="currentColor" stroke-opacity="0.4"/>'
                f"{text(x + CELL / 2, y + CELL / 2, words)}</g>"
            )
    x, y = 3 + column * CELL, TOP + 1 + row * CELL
    body.append("</g>" + rect(x, y, CELL - 2, CELL - 2, extra=' data-is="chosen"', width=STRONG))
    whole = most * CELL + 4
    return canvas(body, whole, TOP + whole - 2, "The output of the convolution, one number for each window")


def _controls(stride: int, padding: int, row: int, column: int, size: int) -> str:
    """Stride, padding, and the place in the output."""

    def radios(name: str, values: Sequence[int], now: int) -> str:
        inner = "".join(
            f'<label><input type="radio" name="{NAME}-{name}" data-of="{name}" value="{v}"'
            f"{' checked' if v == now else ''}>{v}</label>"
            for v in values
        )
        return f"<fieldset><legend>{name}</legend>{inner}</fieldset>"

    def slider(name: str, now: int) -> str:
        return (
            f'<div class="play-row"><label for="{NAME}-{name}">{name}</label><span class="play-slide">'
            f'<input type="range" id="{NAME}-{name}" data-of="{name}" min="0" max="{size - 1}" value="{now}">'
            f'<output for="{NAME}-{name}">{now}</output></span></div>'
        )

    return (
        '<form autocomplete="off" style="--names:8ch" hidden>'
        f"{radios('stride', STRIDES, stride)}{radios('padding', PADDINGS, padding)}"
        f"{slider('row', row)}{slider('column', column)}</form>"
    )


def _lines(count: int) -> str:
    return "the last row and column drawn" if count == 1 else f"the last {count} rows and columns drawn"


def _colour(value: int) -> str:
    return PALETTE["blue" if value > 0 else "vermilion"]


def _plain(grid: Grid) -> list[list[int]]:
    """Lists of Python's own numbers, for JSON."""
    return [[int(value) for value in line] for line in grid]


def _minus(value: int) -> str:
    return str(value).replace("-", "−")


def _signed(value: int) -> str:
    """A number that can stand after a sign."""
    return f"({_minus(value)})" if value < 0 else str(value)
