"""Small tensors as grids of numbers or letters. Chapters 03 to 13."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from yolox_edu.viz.svg import CYCLE, STRONG, TINT, Drawing, canvas, rect, row, text, width_of


def matrix(
    values: Any,
    title: str | Sequence[str] = "",
    highlight: Any = None,
    marks: Any = None,
    cell: int = 0,
    alt: str = "",
    names: Sequence[Sequence[str]] | None = None,
) -> Drawing:
    """A grid h w; or c h w, as c grids side by side, each with its own title. Chapters 03 to 13.

    Cells are tinted by value (blue above zero, vermilion below) or by `marks`, an array of groups of the
    same shape, or h w for all channels: 0 for none, 1 for the first colour. `highlight` is true where a cell
    has a thick frame. `cell` is a cell's side in pixels; where it is too small the numbers are left out.
    Without an `alt` of its own the grid reads its values out, up to 64 of them. `names` are those of the
    rows and of the columns of a single grid.
    """
    values, highlight, marks = array(values), array(highlight), array(marks)
    if values.ndim == 3:
        grids = []
        for i, channel in enumerate(values):
            words = title if isinstance(title, str) else title[i]
            extras = (m[i] if m is not None and m.ndim == 3 else m for m in (highlight, marks))
            grids.append(_grid(channel, words, *extras, cell, _peak(values), ""))
        return row(*grids, alt=alt)
    return _grid(values, str(title), highlight, marks, cell, _peak(values), alt, names)


def array(values: Any) -> np.ndarray | None:
    """A list, array or tensor as an array, None as None. Chapters 03 to 13."""
    if values is None:
        return None
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def _peak(values: np.ndarray) -> float:
    """The largest size of a number, which gets the strongest tint."""
    return float(np.abs(values.astype(float)).max(initial=0)) if values.dtype.kind in "fiub" else 0.0


def _grid(
    values: np.ndarray,
    title: str,
    highlight: np.ndarray | None,
    marks: np.ndarray | None,
    cell: int,
    peak: float,
    alt: str,
    names: Sequence[Sequence[str]] | None = None,
) -> Drawing:
    """One channel."""
    (h, w), words = values.shape, [[_word(value) for value in line] for line in values.tolist()]
    widest = max(width_of(word) for line in words for word in line) + 8
    cell = cell or round(max(widest, 32) if w * widest <= 460 else max(8, 420 // w))
    left, top = 2, 28 if title else 2
    body = [text(2, 12, title, "start", bold=True)] if title else []
    if names:
        left, top = round(max(map(width_of, names[0]))) + 10, top + 20
        body += [text(left - 8, top + (r + 0.5) * cell, name, "end") for r, name in enumerate(names[0])]
        body += [text(left + (c + 0.5) * cell, top - 10, name) for c, name in enumerate(names[1])]
    thick = []
    for r, c in np.ndindex(h, w):
        x, y = left + c * cell, top + r * cell
        colour, tint = _fill(values[r, c], None if marks is None else int(marks[r, c]), peak)
        body.append(rect(x, y, cell, cell, colour, ' stroke-opacity="0.4"', tint=tint))
        if cell >= widest - 4:
            body.append(text(x + cell / 2, y + cell / 2, words[r][c]))
        if highlight is not None and highlight[r, c]:
            thick.append(rect(x + 1, y + 1, cell - 2, cell - 2, width=STRONG))
    rows = [f"{name}: " for name in names[0]] if names else [""] * h
    lines = [row + " ".join(line) for row, line in zip(rows, words, strict=True)]
    read = "; ".join(lines) if values.size <= 64 else f"a grid of {h} × {w} numbers"
    if names:
        read = f"columns {' '.join(names[1])}; {read}"
    alt = alt or f"{title + ': ' if title else ''}{read}."
    width = max(left + w * cell + 2, width_of(title, bold=True) + 4)
    return canvas(body + thick, width, top + h * cell + 2, alt)


def _fill(value: Any, mark: int | None, peak: float) -> tuple[str | None, float]:
    """The colour and the opacity of a cell: by its group if there are groups, else by its value."""
    if mark is not None:
        return (CYCLE[(mark - 1) % len(CYCLE)], TINT) if mark else (None, 0.0)
    if not peak or not value:
        return None, 0.0
    return ("blue" if value > 0 else "vermilion"), 0.5 * abs(float(value)) / peak


def _word(value: Any) -> str:
    """A cell's text: whole numbers as they are, others with two decimals, or one if they are large."""
    if isinstance(value, str):
        return value
    short = f"{value:.0f}" if value == round(value) else f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
    return short.replace("-", "−")
