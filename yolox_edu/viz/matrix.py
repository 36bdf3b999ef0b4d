"""Small tensors as grids of numbers or letters. Chapters 03 to 13."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from yolox_edu.viz.svg import PALETTE, Drawing, canvas, rect, row, text

GROUPS = tuple(PALETTE)


def matrix(
    values: Any,
    title: str | Sequence[str] = "",
    highlight: Any = None,
    marks: Any = None,
    cell: int = 0,
) -> Drawing:
    """A grid h w, or c h w as c grids side by side, each with its title. Chapters 03 to 13.

    Cells are tinted by their value (blue above zero, vermilion below), or by `marks`: an h w (or c h w)
    array of groups, 0 for none. `highlight`, of the same shape, is true where a cell gets a thick frame.
    `cell` is the side of a cell in pixels; small cells leave the numbers out.
    """
    values = _array(values)
    if values.ndim == 3:
        titles = [title] * len(values) if isinstance(title, str) else title
        extras = [(_pick(highlight, i), _pick(marks, i)) for i in range(len(values))]
        grids = [matrix(v, t, h, m, cell) for v, t, (h, m) in zip(values, titles, extras)]
        return row(*grids)
    h, w = values.shape
    cell = cell or (34 if w <= 12 else max(8, 420 // w))
    top = 26 if title else 2
    body = [text(2, 11, title, "start", bold=True)] if title else []
    tints = _tints(values, marks)
    words = [[_word(value) for value in line] for line in values.tolist()]
    for r in range(h):
        for c in range(w):
            x, y = 2 + c * cell, top + r * cell
            colour, opacity = tints[r][c]
            fill = f' style="fill:{PALETTE[colour]};fill-opacity:{opacity:.2f}"' if colour else ""
            body.append(rect(x, y, cell, cell, extra=fill))
            if cell >= 22:
                body.append(text(x + cell / 2, y + cell / 2, words[r][c]))
    if highlight is not None:
        for r, c in zip(*np.nonzero(_array(highlight))):
            body.append(
                rect(3 + c * cell, top + 1 + r * cell, cell - 2, cell - 2, extra=' style="stroke-width:3"')
            )
    lines = "; ".join(" ".join(line) for line in words) if values.size <= 64 else f"{h} by {w} numbers"
    return canvas(body, w * cell + 4, top + h * cell + 2, f"{title + ': ' if title else ''}{lines}.")


def _array(values: Any) -> np.ndarray:
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def _pick(extra: Any, channel: int) -> Any:
    if extra is None:
        return None
    extra = _array(extra)
    return extra[channel] if extra.ndim == 3 else extra


def _tints(values: np.ndarray, marks: Any) -> list[list[tuple[str, float]]]:
    """For each cell the name of its colour ("" for none) and the opacity."""
    if marks is not None:
        return [
            [(GROUPS[(m - 1) % len(GROUPS)] if m else "", 0.35) for m in line]
            for line in _array(marks).tolist()
        ]
    if values.dtype.kind not in "fiub":
        return [[("", 0.0)] * values.shape[1] for _ in values]
    values = values.astype(float)
    largest = np.nanmax(np.abs(values)) or 1.0
    return [
        [("blue" if v > 0 else "vermilion" if v < 0 else "", 0.5 * abs(v) / largest) for v in line]
        for line in values.tolist()
    ]


def _word(value: Any) -> str:
    """A cell's text: whole numbers as they are, others with two decimals at most."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if not isinstance(value, float):
        return str(value)
    if value == round(value):
        return str(round(value))
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
