"""A brush that paints in metres on a see-through sheet (explained in chapter 16).

Every thing of the street is painted on a small sheet of its own, two to four times too large, and then
reduced: that smooths the edges, and the sheet's alpha channel is the silhouette from which the box is read.
Only integers reach the drawing library, so that the same numbers give the same pixels wherever Pillow runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
T = TypeVar("T")
Number = float | int  # a length, mostly in metres
Point = tuple[Number, Number]


class Lamp(NamedTuple):
    """A light that glows in the dark: centre and radius in pixels of the picture, colour RGB."""

    x: Number
    y: Number
    radius: Number
    colour: Colour


class Sheet(NamedTuple):
    """A painted thing: premultiplied RGBa image, where its top-left corner lies in the picture, its lamps."""

    image: Image.Image
    left: int
    top: int
    lamps: tuple[Lamp, ...]


class Look:
    """A handful of random integers in 0..65535 that decide how one thing looks (its colours, its pose)."""

    __slots__ = ("numbers",)

    def __init__(self, numbers: tuple[int, ...]) -> None:
        self.numbers = numbers

    def pick(self, i: int, options: Sequence[T]) -> T:
        """One of `options`, chosen by the i-th number."""
        return options[self.numbers[i] % len(options)]

    def span(self, i: int, low: Number, high: Number) -> float:
        """A float between `low` and `high`, by the i-th number."""
        return low + (high - low) * (self.numbers[i] / 65535)

    def chance(self, i: int, probability: Number) -> bool:
        """True in `probability` of all looks, by the i-th number."""
        return self.numbers[i] < probability * 65536


def shade(colour: Colour, percent: int) -> Colour:
    """`colour` made darker (percent < 100) or lighter (percent > 100: mixed with white)."""
    r, g, b = colour
    if percent <= 100:
        return r * percent // 100, g * percent // 100, b * percent // 100
    k = percent - 100
    return r + (255 - r) * k // 100, g + (255 - g) * k // 100, b + (255 - b) * k // 100


def mix(a: Colour, b: Colour, amount: int) -> Colour:
    """`amount` of 256 parts of `b`, the rest of `a`."""
    p, q = 256 - amount, amount
    return (a[0] * p + b[0] * q) >> 8, (a[1] * p + b[1] * q) >> 8, (a[2] * p + b[2] * q) >> 8


@lru_cache(maxsize=65536)
def toned(colour: Colour, tint: Colour, haze: Colour, amount: int) -> Colour:
    """`colour` under a light of colour `tint` (256 = white) and behind `amount` / 256 of haze."""
    r, g, b = (min(255, c * t >> 8) for c, t in zip(colour, tint, strict=True))
    return mix((r, g, b), haze, amount)


def rounded(points: list[Point], rounds: int = 2) -> list[Point]:
    """Cuts the corners of a closed outline (Chaikin 1974), `rounds` times; for outlines made at import."""
    for _ in range(rounds):
        cut = []
        for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
            cut.append((0.75 * x0 + 0.25 * x1, 0.75 * y0 + 0.25 * y1))
            cut.append((0.25 * x0 + 0.75 * x1, 0.25 * y0 + 0.75 * y1))
        points = cut
    return points


class Brush:
    """Paints one thing. Local metres: x to the right, y up, (0, 0) where the thing stands on the ground.

    `extent` is (left, right, bottom, top) in those metres, `foot` the pixel of the picture where (0, 0) lies,
    `scale` pixels per metre, `tint`/`haze`/`fog` the light (see `toned`), `dark` whether lamps burn, `wet`
    whether it rains, `eye` the camera's (height over the ground, sideways distance, distance) for `deep`.
    """

    def __init__(self, extent, foot, scale, light, flip=False, eye=(3.0, 0.0, 10.0)) -> None:
        left, right, bottom, top = extent
        if flip:
            left, right = -right, -left
        x0, y0 = math.floor(foot[0] + left * scale) - 1, math.floor(foot[1] - top * scale) - 1
        wide = math.ceil(foot[0] + right * scale) + 1 - x0
        high = math.ceil(foot[1] - bottom * scale) + 1 - y0
        longest = max(wide, high)
        self.over = 4 if longest < 56 else 3 if longest < 120 else 2
        self.left, self.top, self.scale, self.eye = x0, y0, scale, eye
        self.unit = scale * self.over
        self.ux = -self.unit if flip else self.unit
        self.ox, self.oy = (foot[0] - x0) * self.over, (foot[1] - y0) * self.over
        self.tint, self.haze, self.fog, self.dark, self.wet = light
        self.fine = scale > 26  # close enough for buttons and cheeks
        # paint is opaque, so the sheet is premultiplied from the start and reduces without conversion
        self.image = Image.new("RGBa", (wide * self.over, high * self.over))
        self.draw = ImageDraw.Draw(self.image)
        self.lamps: list[Lamp] = []

    def zoom(self, factor: Number) -> None:
        """Everything painted from now on is `factor` times as large (about the foot)."""
        self.ux, self.unit = self.ux * factor, self.unit * factor

    def ink(self, colour: Colour, lit: bool = False) -> Colour:
        """The colour as this light shows it; `lit` things shine by themselves."""
        return colour if lit else toned(colour, self.tint, self.haze, self.fog)

    def poly(self, points: Iterable[Point], colour: Colour, lit: bool = False) -> None:
        """A filled polygon."""
        ox, oy, ux, u = self.ox, self.oy, self.ux, self.unit
        flat = [(int(ox + x * ux), int(oy - y * u)) for x, y in points]
        self.draw.polygon(flat, self.ink(colour, lit))

    def solid(
        self, points: Iterable[tuple[Number, Number, Number]], colour: Colour, lit: bool = False
    ) -> None:
        """A filled polygon through points (x, y, depth), `depth` metres behind this sheet's plane."""
        self.poly([self.deep(*p) for p in points], colour, lit)

    def rect(self, x0: Number, y0: Number, x1: Number, y1: Number, colour: Colour, lit: bool = False) -> None:
        """A filled rectangle between two corners."""
        self.draw.rectangle(self._corners(x0, y0, x1, y1), self.ink(colour, lit))

    def oval(self, x: Number, y: Number, rx: Number, ry: Number, colour: Colour, lit: bool = False) -> None:
        """A filled ellipse around (x, y)."""
        self.draw.ellipse(self._corners(x - rx, y - ry, x + rx, y + ry), self.ink(colour, lit))

    def cap(
        self, x: Number, y: Number, rx: Number, ry: Number, colour: Colour, start: int = 180, end: int = 360
    ) -> None:
        """A part of an ellipse, cut by a straight chord; angles in degrees, 180..360 is the upper half."""
        if self.ux < 0:
            start, end = (180 - end) % 360, (180 - start) % 360
            end += 360 if end <= start else 0
        self.draw.chord(self._corners(x - rx, y - ry, x + rx, y + ry), start, end, self.ink(colour))

    def line(self, points: Iterable[Point], width: Number, colour: Colour, lit: bool = False) -> None:
        """A line through `points`, `width` metres wide, never under about a pixel of the picture."""
        ox, oy, ux, u = self.ox, self.oy, self.ux, self.unit
        flat = [(int(ox + x * ux), int(oy - y * u)) for x, y in points]
        wide = max(int(width * u + 0.5), (self.over * 3 + 2) // 4)
        self.draw.line(flat, self.ink(colour, lit), wide)

    def limb(self, x0: Number, y0: Number, x1: Number, y1: Number, width: Number, colour: Colour) -> None:
        """A line with round ends: an arm, a leg."""
        self.line(((x0, y0), (x1, y1)), width, colour)
        r = width / 2
        if r * self.unit >= 2:
            self.oval(x0, y0, r, r, colour)
            self.oval(x1, y1, r, r, colour)

    def ring(self, x: Number, y: Number, r: Number, width: Number, colour: Colour) -> None:
        """A circle's outline."""
        wide = max(int(width * self.unit + 0.5), self.over)
        self.draw.ellipse(self._corners(x - r, y - r, x + r, y + r), None, self.ink(colour), wide)

    def lamp(self, x: Number, y: Number, radius: Number, colour: Colour) -> None:
        """Remembers a glow to be added after dark."""
        if self.dark:
            px, py = (self.ox + x * self.ux) / self.over, (self.oy - y * self.unit) / self.over
            self.lamps.append(Lamp(self.left + px, self.top + py, radius * self.scale, colour))

    def deep(self, x: Number, y: Number, depth: Number) -> Point:
        """Where a point `depth` metres behind this sheet's plane appears on the sheet, in local metres."""
        height, aside, distance = self.eye
        r = distance / (distance + depth)
        aside = -aside if self.ux < 0 else aside
        return x * r - aside * (1 - r), y * r + height * (1 - r)

    def done(self) -> Sheet:
        """The sheet in the picture's own resolution."""
        return Sheet(self.image.reduce(self.over), self.left, self.top, tuple(self.lamps))

    def _corners(self, x0: Number, y0: Number, x1: Number, y1: Number) -> tuple[int, int, int, int]:
        a, b = int(self.ox + x0 * self.ux), int(self.ox + x1 * self.ux)
        return (
            (a, int(self.oy - y1 * self.unit), b, int(self.oy - y0 * self.unit))
            if a <= b
            else (b, int(self.oy - y1 * self.unit), a, int(self.oy - y0 * self.unit))
        )
