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


def table(layers: Sequence[Layer], title: str = "", kinds: bool = False) -> Table:
    """A row for each layer and the total; shapes are h × w × c. Chapters 03 to 10.

    "sees" is the side of the receptive field in pixels of the input. FLOPs are those of convolutions, two
    for a MAC; in millions if all together they are less than a billion. `kinds` adds a column with what
    each part is made of.
    """
    parameters, flops = (sum(getattr(layer, what) for layer in layers) for what in ("parameters", "flops"))
    name, unit = ("GFLOPs", 1e9) if flops >= 1e9 else ("MFLOPs", 1e6)
    heads = ["part", *(["made of"] if kinds else []), "in", "out", "stride", "sees, px", "parameters", name]
    rows = [_cells(layer, kinds, unit) for layer in layers]
    total = ["total", *[""] * (len(heads) - 3), f"{parameters:,}", f"{flops / unit:,.3f}"]
    alt = f"{title or 'Shapes'}: {', '.join(layer.name for layer in layers)}; "
    alt += f"{parameters:,} parameters, {total[-1]} {name}."
    head = "".join(f'<th scope="col" style="{_side(i, len(heads))}">{h}</th>' for i, h in enumerate(heads))
    above = "caption-side:top;text-align:left;color:inherit"
    caption = f'<caption style="{above}">{escape(title)}</caption>' if title else ""
    look = "white-space:nowrap;font-variant-numeric:tabular-nums;font-size:.9em;width:auto;margin:0"
    return Table(
        f'<div class="shapes" style="overflow-x:auto" tabindex="0" role="group" aria-label="{escape(alt)}">'
        f'<table class="table" style="{look}">{caption}<thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(_row(row) for row in rows)}</tbody>"
        f'<tfoot style="font-weight:600">{_row(total)}</tfoot></table></div>',
        alt,
    )


def giga(flops: int) -> str:
    """Billions, with three figures or more: 155.3, 7.04, 0.00210."""
    billions = flops / 1e9
    return f"{billions:.1f}" if billions >= 100 else f"{billions:#.3g}"


def _cells(layer: Layer, kinds: bool, unit: float) -> list[str]:
    given = ", ".join(shape_text(shape) for shape in layer.inputs)
    numbers = (f"{layer.field:,}", f"{layer.parameters:,}", f"{layer.flops / unit:,.3f}")
    return [
        layer.name,
        *([layer.kind] if kinds else []),
        given,
        shape_text(layer.output),
        str(layer.stride),
        *numbers,
    ]


def _side(column: int, columns: int) -> str:
    """Words to the left, the four numbers to the right."""
    return f"text-align:{'right' if column >= columns - 4 else 'left'};padding:.3em .6em"


def _row(cells: Sequence[str]) -> str:
    sides = [_side(i, len(cells)) for i in range(len(cells))]
    data = "".join(f'<td style="{side}">{escape(cell)}</td>' for side, cell in zip(sides[1:], cells[1:]))
    stays = "position:sticky;left:-4px;background:var(--pst-color-background,var(--jp-layout-color0,Canvas))"
    return f'<tr><th scope="row" style="{sides[0]};{stays}">{escape(cells[0])}</th>{data}</tr>'
