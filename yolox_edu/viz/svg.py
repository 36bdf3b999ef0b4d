"""The pen: a `Drawing` and the few strokes that all figures share. Chapters 00 to 23.

Lines and letters take the colour of the page's text, so that a drawing reads in light and in dark; fills
are transparent tints of one palette. Numbers are rounded: the same call writes the same characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

# Okabe and Ito's palette (https://jfly.uni-koeln.de/color/), told apart with any kind of colour vision.
PALETTE = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "vermilion": "#D55E00",
    "sky": "#56B4E9",
    "purple": "#CC79A7",
    "yellow": "#F0E442",
}
FONT = 13  # pixels
STROKE = 1.25
TINT = 0.3  # opacity of a fill: letters on it stay readable on white and on black
SMALLEST = 10 / FONT  # a drawing shrinks on a phone until its letters are 10 px high, then it scrolls


@dataclass(frozen=True)
class Drawing:
    """A picture made of lines: `svg`, and `alt`, the same in a sentence for those who cannot see it.

    A drawing with `pieces` is a row of smaller ones, which wrap where the page is narrow.
    """

    svg: str
    alt: str
    pieces: tuple[Drawing, ...] = ()
    gap: int = 0

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
        if not self.pieces:
            return f'<div class="drawing" style="overflow-x:auto">{self.svg}</div>'
        inside = "".join(
            re.sub(r' role="img" aria-label="[^"]*"', "", piece.svg, count=1) for piece in self.pieces
        )
        style = f"display:flex;flex-wrap:wrap;align-items:center;gap:{self.gap}px"
        return (
            f'<div class="drawing" role="img" aria-label="{escape(self.alt)}" style="{style}">{inside}</div>'
        )

    def __repr__(self) -> str:
        return f"<{self.alt}>"


def canvas(body: Iterable[str], width: float, height: float, alt: str, role: str = "img") -> Drawing:
    """A drawing of the given size in pixels from its elements."""
    style = f"width:{number(width)}px;min-width:{number(width * SMALLEST)}px;max-width:100%;height:auto"
    return Drawing(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {number(width)} {number(height)}" '
        f'role="{role}" aria-label="{escape(alt)}" font-family="system-ui,sans-serif" font-size="{FONT}" '
        f'fill="currentColor" style="{style}">{"".join(body)}</svg>',
        alt,
    )


def row(*drawings: Drawing, gap: int = 24) -> Drawing:
    """Drawings side by side; on a phone one below the other. Chapters 03 to 12."""
    body, x, height = [], 0.0, max(d.size[1] for d in drawings)
    for d in drawings:
        y = (height - d.size[1]) / 2
        body.append(f'<g transform="translate({number(x)} {number(y)})">{d.body}</g>')
        x += d.size[0] + gap
    alt = " ".join(d.alt for d in drawings)
    return Drawing(canvas(body, x - gap, height, alt).svg, alt, drawings, gap)


def number(x: float) -> str:
    """At most one decimal."""
    return f"{x:.1f}".removesuffix(".0")


def width_of(words: str, size: float = FONT) -> float:
    """About how many pixels a text is wide; rather too many than too few."""
    wide = sum(0.33 if c in " .,:;'|!()[]ijlft" else 0.9 if c in "mwMW%—→" else 0.6 for c in words)
    return wide * size


def text(
    x: float,
    y: float,
    words: str,
    anchor: str = "middle",
    bold: bool = False,
    size: float = FONT,
    extra: str = "",
) -> str:
    """A line of text whose middle height is at y."""
    weight = ' font-weight="600"' if bold else ""
    big = "" if size == FONT else f' font-size="{number(size)}"'
    return (
        f'<text x="{number(x)}" y="{number(y + 0.35 * size)}" text-anchor="{anchor}"{weight}{big}{extra}>'
        f"{escape(words)}</text>"
    )


def rect(
    x: float, y: float, w: float, h: float, colour: str | None = None, extra: str = "", r: float = 0
) -> str:
    """A rectangle; `colour` is a name of the palette, or None for no fill."""
    fill = f'fill="{PALETTE[colour]}" fill-opacity="{TINT}"' if colour else 'fill="none"'
    corner = f' rx="{number(r)}"' if r else ""
    return (
        f'<rect x="{number(x)}" y="{number(y)}" width="{number(w)}" height="{number(h)}"{corner} {fill} '
        f'stroke="currentColor" stroke-width="{STROKE}"{extra}/>'
    )


def polygon(points: Sequence[tuple[float, float]], colour: str | None = None, extra: str = "") -> str:
    """A closed outline through points; `colour` as in `rect`."""
    fill = f'fill="{PALETTE[colour]}" fill-opacity="{TINT}"' if colour else 'fill="none"'
    way = " ".join(f"{number(x)},{number(y)}" for x, y in points)
    line = f'stroke="currentColor" stroke-width="{STROKE}" stroke-linejoin="round"'
    return f'<polygon points="{way}" {fill} {line}{extra}/>'


def arrow(points: Sequence[tuple[float, float]], tip: bool = True, extra: str = "") -> str:
    """A line through points with a tip at the last; its last leg is level or upright."""
    way = " ".join(f"{number(x)},{number(y)}" for x, y in points)
    line = f'<polyline points="{way}" fill="none" stroke="currentColor" stroke-width="{STROKE}"{extra}/>'
    if not tip:
        return line
    (x0, y0), (x, y) = points[-2:]
    dx, dy = (x > x0) - (x < x0), (y > y0) - (y < y0)  # the direction of travel
    corners = (
        (x, y),
        (x - 7 * dx - 3.5 * dy, y - 7 * dy - 3.5 * dx),
        (x - 7 * dx + 3.5 * dy, y - 7 * dy + 3.5 * dx),
    )
    head = " ".join(f"{number(a)},{number(b)}" for a, b in corners)
    return f'{line}<polygon points="{head}"{extra}/>'


def shape_text(shape: Sequence[int]) -> str:
    """A shape as the book writes it: h × w × c for a map, rows × numbers for a table of rows.

    n c h w loses its n; three sizes are c h w, or n a d if the first is 1.
    """
    return " × ".join(f"{side:,}" if len(hwc(shape)) == 2 else str(side) for side in hwc(shape))


def hwc(shape: Sequence[int]) -> tuple[int, ...]:
    """(h, w, c) of a map n c h w or c h w; (rows, numbers) of a table n a d or a d."""
    shape = tuple(shape)
    if len(shape) == 4 or (len(shape) == 3 and shape[0] == 1):
        shape = shape[1:]
    return (*shape[1:], shape[0]) if len(shape) == 3 else shape
