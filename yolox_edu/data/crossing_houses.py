"""Houses of Crossing: fronts with shops and awnings, and walls that run into the distance (chapter 16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .crossing_brush import Colour, Number, Point, shade

if TYPE_CHECKING:
    from .crossing_street import Stage

WALLS: list[Colour] = [
    (240, 214, 172),
    (226, 164, 128),
    (232, 190, 110),
    (180, 200, 182),
    (166, 190, 206),
    (234, 188, 178),
    (206, 122, 98),
    (244, 232, 208),
    (196, 176, 196),
    (214, 200, 168),
]
AWNINGS: list[Colour] = [(206, 70, 62), (66, 134, 110), (62, 110, 160), (232, 162, 60), (160, 84, 130)]
DOORS: list[Colour] = [(66, 104, 96), (150, 62, 54), (70, 88, 130), (130, 88, 56)]
FRAME: Colour = (250, 244, 230)
PANE: Colour = (112, 142, 156)
WARM: Colour = (255, 216, 132)
FLOOR = 3.1  # metres from floor to floor


def house_front(stage: Stage, x: Number, wide: Number, z: Number, seed: int) -> None:
    """A house that faces the camera: its left edge at x, `wide` metres wide, z away."""
    wall, floors = WALLS[seed % len(WALLS)], 2 + (seed >> 4) % 3
    top = 3.6 + floors * FLOOR
    stage.rect(x, 0, x + wide, top, z, wall)
    stage.rect(x, 0, x + 0.12, top, z, shade(wall, 86))
    _roof(stage, x, wide, top, z, seed)
    columns = 2 if wide < 6.2 else 3
    pitch = wide / columns
    for floor in range(floors):
        y = 4.2 + floor * FLOOR
        for c in range(columns):
            _window(stage, x + pitch * (c + 0.5), y, z, wall, seed + floor * 7 + c * 13, seed)
    stage.rect(x, 3.5, x + wide, 3.66, z, shade(wall, 120))
    if (seed >> 7) % 4:
        _shop(stage, x, wide, z, seed)
    else:
        _door(stage, x, wide, z, wall, seed)


def _roof(stage: Stage, x: Number, wide: Number, top: Number, z: Number, seed: int) -> None:
    roof, wall = stage.roof(seed >> 3), WALLS[seed % len(WALLS)]
    kind = (seed >> 9) % 3
    if kind == 0:  # a gable with a round window
        mid = x + wide / 2
        stage.poly(
            ((x - 0.25, z, top - 0.1), (x + wide + 0.25, z, top - 0.1), (mid, z, top + wide * 0.5)), roof, z
        )
        stage.poly(
            ((x + 0.3, z, top - 0.1), (x + wide - 0.3, z, top - 0.1), (mid, z, top + wide * 0.42)), wall, z
        )
        _pane(stage, mid - 0.4, top + 0.5, mid + 0.4, top + 1.5, z, seed & 2)
    elif kind == 1:  # a sloped roof with dormers
        eaves, ridge = ((x - 0.2, z, top), (x + wide + 0.2, z, top)), top + 2.2
        stage.poly((*eaves, (x + wide - 0.5, z, ridge), (x + 0.5, z, ridge)), roof, z)
        for c in (0.3, 0.7):
            mid = x + wide * c
            stage.rect(mid - 0.55, top + 0.2, mid + 0.55, top + 1.6, z, wall)
            _pane(stage, mid - 0.38, top + 0.35, mid + 0.38, top + 1.4, z, seed & (4 if c < 0.5 else 8))
        stage.rect(x + 0.9, top + 1.8, x + 1.5, top + 3.1, z, shade(roof, 80))
    else:  # a flat roof with a cornice
        stage.rect(x - 0.15, top, x + wide + 0.15, top + 0.35, z, shade(wall, 124))
        stage.rect(x, top + 0.35, x + wide, top + 0.75, z, shade(wall, 90))


def _pane(stage: Stage, x0: Number, y0: Number, x1: Number, y1: Number, z: Number, on: int) -> None:
    lit = stage.street.mood.dark and bool(on)
    stage.rect(x0 - 0.09, y0 - 0.09, x1 + 0.09, y1 + 0.09, z, FRAME)
    stage.rect(x0, y0, x1, y1, z, WARM if lit else PANE, lit)


def _window(stage: Stage, mid: Number, y: Number, z: Number, wall: Colour, seed: int, house: int) -> None:
    _pane(stage, mid - 0.5, y, mid + 0.5, y + 1.6, z, (seed * 37 >> 3) & 3)
    stage.rect(mid - 0.04, y, mid + 0.04, y + 1.6, z, FRAME)
    stage.rect(mid - 0.5, y + 1.02, mid + 0.5, y + 1.1, z, FRAME)
    style = (house >> 5) % 3
    if style == 0:  # shutters
        shutter = DOORS[(house >> 2) % len(DOORS)]
        stage.rect(mid - 1.02, y - 0.05, mid - 0.62, y + 1.65, z, shade(shutter, 130))
        stage.rect(mid + 0.62, y - 0.05, mid + 1.02, y + 1.65, z, shade(shutter, 130))
    elif style == 1:  # a box of flowers
        stage.rect(mid - 0.62, y - 0.32, mid + 0.62, y - 0.08, z, (150, 92, 66))
        for i in range(4):
            c = ((226, 86, 96), (250, 190, 90), (240, 240, 226), (214, 110, 170))[(seed + i) % 4]
            stage.rect(mid - 0.55 + i * 0.3, y - 0.18, mid - 0.35 + i * 0.3, y + 0.04, z, c)
    else:
        stage.rect(mid - 0.66, y + 1.74, mid + 0.66, y + 1.86, z, shade(wall, 124))


def _shop(stage: Stage, x: Number, wide: Number, z: Number, seed: int) -> None:
    paint, awning = DOORS[(seed >> 6) % len(DOORS)], AWNINGS[(seed >> 8) % len(AWNINGS)]
    dark = stage.street.mood.dark
    stage.rect(x + 0.25, 0, x + wide - 0.25, 3.3, z, paint)
    stage.rect(x + 0.5, 0.6, x + wide - 1.8, 2.4, z, WARM if dark else (196, 206, 196), dark)
    for i in range(3):  # things in the shop window
        at = x + 0.8 + i * (wide - 2.8) / 3
        stage.rect(at, 0.6, at + 0.5, 1.1 + 0.2 * ((seed >> i) % 3), z, AWNINGS[(seed + i) % len(AWNINGS)])
    stage.rect(x + wide - 1.5, 0.0, x + wide - 0.5, 2.3, z, shade(paint, 70))
    stage.rect(x + wide - 1.36, 0.9, x + wide - 0.64, 2.1, z, WARM if dark else PANE, dark)
    stage.rect(x + 0.4, 2.78, x + wide - 0.4, 3.2, z, shade(paint, 140))
    for i in range((seed >> 4) % 4 + 2):  # a sign that nobody can read
        stage.rect(x + 0.9 + i * 0.55, 2.9, x + 1.25 + i * 0.55, 3.08, z, shade(paint, 60))
    if (seed >> 10) % 4:
        n = int(wide / 0.6)
        step = (wide - 0.2) / n
        for i in range(n):
            a = x + 0.1 + i * step
            stage.poly(
                ((a, z, 2.75), (a + step, z, 2.75), (a + step, z - 0.9, 2.15), (a, z - 0.9, 2.15)),
                FRAME if i % 2 else awning,
                z,
            )


def _door(stage: Stage, x: Number, wide: Number, z: Number, wall: Colour, seed: int) -> None:
    mid = x + wide / 2
    stage.rect(mid - 0.75, 0, mid + 0.75, 2.7, z, FRAME)
    stage.rect(mid - 0.6, 0, mid + 0.6, 2.5, z, DOORS[(seed >> 6) % len(DOORS)])
    stage.rect(mid - 0.9, 0, mid + 0.9, 0.18, z, shade(wall, 76))
    for at in (x + wide * 0.2, x + wide * 0.8):
        _pane(stage, at - 0.5, 1.0, at + 0.5, 2.5, z, seed & 16)


def house_side(stage: Stage, side: int, z0: Number, z1: Number, seed: int) -> None:
    """A house along the avenue, on the left (-1) or right (+1), from z0 to z1 metres away."""
    x = side * 6.4
    if not 0 < stage.street.at(x, z1)[0] < 1:
        return
    wall, floors = WALLS[(seed >> 2) % len(WALLS)], 2 + (seed >> 5) % 3
    wall = shade(wall, 88 if side * stage.street.mood.slant > 0 else 97)
    top, depth, dark = 3.6 + floors * FLOOR, (z0 + z1) / 2, stage.street.mood.dark
    _slab(stage, x, (z0, z1), (0, top), wall, depth)
    roof, back = stage.roof(seed >> 3), x + side * 0.35
    ridge = ((x, z0, top), (back, z0 + 0.3, top + 1.5), (back, z1 - 0.3, top + 1.5), (x, z1, top))
    stage.poly(ridge, roof, depth)
    _slab(stage, x, (z0, z1), (top, top + 0.25), shade(wall, 122), depth)
    _slab(stage, x, (z0, z1), (3.4, 3.65), shade(wall, 118), depth)
    for c in range(3):
        a = z0 + 1.0 + c * 3.4
        for floor in range(floors):
            y, lit = 4.2 + floor * FLOOR, dark and (seed >> (c + floor)) & 1 == 1
            if depth < 45:
                _slab(stage, x, (a - 0.15, a + 1.75), (y - 0.15, y + 1.75), FRAME, depth)
            _slab(stage, x, (a, a + 1.6), (y, y + 1.6), WARM if lit else PANE, depth, lit)
        _slab(stage, x, (a, a + 2.2), (0.5, 2.4), WARM if dark else PANE, depth, dark)
    if (seed >> 7) % 3:
        out, z0, z1 = x - side * 1.1, z0 + 0.6, z1 - 0.6
        awning = ((x, z0, 2.9), (x, z1, 2.9), (out, z1, 2.4), (out, z0, 2.4))
        stage.poly(awning, AWNINGS[(seed >> 8) % len(AWNINGS)], depth)


def _slab(
    stage: Stage, x: Number, zs: Point, ys: Point, colour: Colour, depth: Number, lit: bool = False
) -> None:
    (z0, z1), (y0, y1) = zs, ys
    stage.poly(((x, z0, y0), (x, z0, y1), (x, z1, y1), (x, z1, y0)), colour, depth, lit)
