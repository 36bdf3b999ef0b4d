"""The shape table: what `trace` found, as a table for a page. Chapters 03 to 10."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from yolox_edu.viz.svg import shape_text
from yolox_edu.viz.trace import Layer


@dataclass(frozen=True)
class Table:
    """A table as HTML, and `alt`, what it is in a sentence."""

    html: str
    alt: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"<{self.alt}>"


HEADS = ("part", "what", "in (h × w × c)", "out", "stride", "field, px", "parameters", "GFLOPs")


def table(layers: Sequence[Layer], title: str = "") -> Table:
    """A row for each layer, and their total. GFLOPs: of convolutions, two for a MAC. Chapters 03 to 10."""
    rows = [_cells(layer) for layer in layers]
    parameters, flops = sum(layer.parameters for layer in layers), sum(layer.flops for layer in layers)
    total = ("total", "", "", "", "", "", f"{parameters:,}", giga(flops))
    alt = f"Shape table{f' of {title}' if title else ''}: {len(layers)} parts, {parameters:,} parameters."
    head = "".join(f'<th scope="col"{_side(i)}>{name}</th>' for i, name in enumerate(HEADS))
    body = "".join(f"<tr>{_row(row)}</tr>" for row in rows)
    caption = f"<caption>{escape(title)}</caption>" if title else ""
    return Table(
        f'<div class="shapes" style="overflow-x:auto" tabindex="0" role="region" aria-label="{escape(alt)}">'
        f'<table class="table" style="white-space:nowrap;font-variant-numeric:tabular-nums">{caption}'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
        f'<tfoot><tr style="font-weight:600">{_row(total)}</tr></tfoot></table></div>',
        alt,
    )


def giga(flops: int) -> str:
    """Billions with as many decimals as leave three figures or so: 155.3, 7.04, 0.0021."""
    billions = flops / 1e9
    return "–" if not flops else f"{billions:.1f}" if billions >= 100 else f"{billions:#.3g}"


def _cells(layer: Layer) -> tuple[str, ...]:
    given = ", ".join(shape_text(shape) for shape in layer.inputs)
    numbers = (str(layer.stride), f"{layer.field:,}", f"{layer.parameters:,}", giga(layer.flops))
    return (layer.name, layer.kind, given, shape_text(layer.output), *numbers)


def _side(column: int) -> str:
    return ' style="text-align:right"' if column > 3 else ' style="text-align:left"'


def _row(cells: Sequence[str]) -> str:
    first = f'<th scope="row"{_side(0)}>{escape(cells[0])}</th>'
    return first + "".join(f"<td{_side(i)}>{escape(cell)}</td>" for i, cell in enumerate(cells[1:], 1))
