"""The pen: a `Drawing` and the few strokes that all figures share. Chapters 00 to 23.

Lines and letters take the colour and the font of the page around them, so that a drawing reads in light and
in dark; fills are transparent tints of one palette. Coordinates are rounded: the same call writes the same
characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from yolox_edu.draw import COLOURS

NAMES = ("orange", "sky", "green", "yellow", "blue", "vermilion", "purple")
PALETTE = dict(zip(NAMES, COLOURS))  # Okabe and Ito's, told apart with any kind of colour vision
CYCLE = ("blue", "orange", "green", "vermilion", "purple", "sky", "yellow")  # first, second, … colour

FONT = 14  # pixels
STROKE, STRONG = 1.25, 2.5  # one width for lines, another for what is singled out
TINT = 0.3  # opacity of a fill: letters on it stay readable on white and on black
SMALLEST = 10 / FONT  # a drawing shrinks on a phone until its letters are 10 px high, then it scrolls
PHONE = 358  # pixels that a page 390 wide leaves for a drawing

Pixels = float | int
Point = tuple[Pixels, Pixels]


@dataclass(frozen=True)
class Drawing:
    """A picture made of lines: `svg`, and `alt`, the same in a sentence for those who cannot see it.

    A drawing with `pieces` is a row of smaller ones, which wraps where the page is narrow.
    """

    svg: str
    alt: str
    pieces: tuple[Drawing, ...] = ()
    gap: int = 0
    title: str = ""

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in pixels, from the viewBox."""
        width, height = re.search(r'viewBox="[^"]*?(\S+) (\S+)"', self.svg).groups()
        return float(width), float(height)

    @property
    def body(self) -> str:
        """What stands between <svg …> and </svg>."""
        return self.svg[self.svg.index(">") + 1 : self.svg.rindex("</svg>")]

    def _repr_html_(self) -> str:
        if self.pieces:
            return self._flowing()
        focus = ' tabindex="0"' if self.size[0] * SMALLEST > PHONE else ""  # to scroll by keyboard
        return f'<div class="drawing" style="overflow-x:auto"{focus}>{self.svg}</div>'

    def _flowing(self) -> str:
        """The pieces one after the other, as words in a line; to a screen reader they are one picture."""
        title = (
            f'<div style="flex-basis:100%;font-size:{FONT}px;font-weight:600">{escape(self.title)}</div>'
            if self.title
            else ""
        )
        names, hidden = r' role="\w+" aria-label="[^"]*"', ' aria-hidden="true"'
        inside = (re.sub(names, hidden, piece.svg, count=1) for piece in self.pieces)
        style = f"display:flex;flex-wrap:wrap;align-items:center;gap:8px {self.gap}px;overflow-x:auto"
        return (
            f'<div class="drawing" role="img" aria-label="{escape(self.alt)}" style="{style}">'
            f"{title}{''.join(inside)}</div>"
        )

    def __repr__(self) -> str:
        return f"<{self.alt}>"


def canvas(body: Iterable[str], width: Pixels, height: Pixels, alt: str, role: str = "img") -> Drawing:
    """A drawing of the given size in pixels from its elements. `role` is "group" if it holds links."""
    width, height = round(width), round(height)
    style = f"width:{width}px;min-width:{round(width * SMALLEST)}px;max-width:100%;height:auto"
    return Drawing(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="{role}" '
        f'aria-label="{escape(alt)}" font-size="{FONT}" fill="currentColor" style="{style}">'
        f"{''.join(body)}</svg>",
        alt,
    )


def row(*drawings: Drawing, gap: int = 24, title: str = "", alt: str = "") -> Drawing:
    """Drawings side by side; where the page is narrow, those that do not fit go below. Chapters 00 to 23.

    `alt` is one sentence for all of them; without it their own follow one another.
    """
    top, height = (26 if title else 0), max(d.size[1] for d in drawings)
    body, x = ([text(0, 10, title, "start", bold=True)] if title else []), 0.0
    for d in drawings:
        body.append(moved(d.body, x, top + (height - d.size[1]) / 2))
        x += d.size[0] + gap
    alt = alt or (f"{title}: " if title else "") + " ".join(d.alt for d in drawings)
    whole = canvas(body, max(x - gap, width_of(title)), top + height, alt)
    return Drawing(whole.svg, alt, drawings, gap, title)


def number(x: Pixels) -> str:
    """At most one decimal."""
    return f"{round(x, 1) + 0.0:.1f}".removesuffix(".0")


def width_of(words: str, bold: bool = False) -> float:
    """About how many pixels a text is wide; rather too many than too few."""
    narrow, wide = (sum(c in group for c in words) for group in (" .,:;'|!()[]ijlft", "mwMW%—→×"))
    letters = 0.37 * narrow + 0.92 * wide + 0.62 * (len(words) - narrow - wide)
    return letters * FONT * (1.1 if bold else 1.0)


def moved(body: str, x: Pixels, y: Pixels) -> str:
    """Elements, moved."""
    return f'<g transform="translate({number(x)} {number(y)})">{body}</g>'


def text(
    x: Pixels, y: Pixels, words: str, anchor: str = "middle", bold: bool = False, extra: str = ""
) -> str:
    """A line of text whose middle height is at y. `anchor`: "start", "middle" or "end"."""
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{number(x)}" y="{number(y + 0.35 * FONT)}" text-anchor="{anchor}"{weight}{extra}>'
        f"{escape(words)}</text>"
    )


def pen(colour: str | None = None, tint: Pixels = TINT, width: Pixels = STROKE) -> str:
    """The attributes of an outline; `colour` is a name of the palette, or None for no fill."""
    fill = f'fill="{PALETTE[colour]}" fill-opacity="{tint:.2f}"' if colour else 'fill="none"'
    return f'{fill} stroke="currentColor" stroke-width="{width}" stroke-linejoin="round"'


def rect(
    x: Pixels,
    y: Pixels,
    w: Pixels,
    h: Pixels,
    colour: str | None = None,
    extra: str = "",
    r: Pixels = 0,
    tint: Pixels = TINT,
    width: Pixels = STROKE,
) -> str:
    """A rectangle with corners of radius r; `extra` are more attributes, the others are those of `pen`."""
    at = f'x="{number(x)}" y="{number(y)}" width="{number(w)}" height="{number(h)}"'
    corner = f' rx="{number(r)}"' if r else ""
    return f"<rect {at}{corner} {pen(colour, tint, width)}{extra}/>"


def polygon(points: Sequence[Point], colour: str | None = None, extra: str = "", tint: Pixels = TINT) -> str:
    """A closed outline through points."""
    return f'<polygon points="{_way(points)}" {pen(colour, tint)}{extra}/>'


def arrow(points: Sequence[Point]) -> str:
    """A line through points, with a tip at the last. Its last leg is level or upright."""
    (x0, y0), (x, y) = points[-2:]
    dx, dy = (x > x0) - (x < x0), (y > y0) - (y < y0)  # the direction of travel
    tip = [
        (x, y),
        (x - 7 * dx - 3.5 * dy, y - 7 * dy - 3.5 * dx),
        (x - 7 * dx + 3.5 * dy, y - 7 * dy + 3.5 * dx),
    ]
    line = [*points[:-1], (x - 6 * dx, y - 6 * dy)]  # ends inside the tip, so as not to blunt it
    return f'<polyline points="{_way(line)}" {pen()}/><polygon points="{_way(tip)}"/>'


def _way(points: Sequence[Point]) -> str:
    return " ".join(f"{number(x)},{number(y)}" for x, y in points)


def hwc(shape: Sequence[int]) -> tuple[int, ...]:
    """(h, w, c) of a map n c h w or c h w; (rows, numbers) of a table n a d or a d.

    Of three sizes the first is c, unless it is 1: then the shape is n a d.
    """
    shape = tuple(shape)
    if len(shape) == 4 or (len(shape) == 3 and shape[0] == 1):
        shape = shape[1:]
    return (*shape[1:], shape[0]) if len(shape) == 3 else shape


def shape_text(shape: Sequence[int]) -> str:
    """A shape as the book writes it: h × w × c for a map, rows × numbers for a table of rows (see `hwc`)."""
    sides = hwc(shape)
    return " × ".join(f"{side:,}" if len(sides) < 3 else str(side) for side in sides)
