"""Buses and lorries of Crossing, from the side and from both ends (explained in chapter 16).

Side views drive to the right; end views stand in perspective, as in `crossing_cars`.
"""

from __future__ import annotations

from .crossing_brush import Brush, Colour, Look, Number, shade
from .crossing_cars import GLASS, GLOW_RED, GLOW_WHITE, LAMP, PAINT, SHINE, TAIL, TYRE, wheel

BUSES: list[Colour] = [
    (214, 60, 54),
    (240, 176, 48),
    (46, 128, 120),
    (60, 104, 164),
    (232, 112, 60),
    (236, 228, 212),
]
BOXES: list[Colour] = [
    (238, 232, 220),
    (222, 200, 164),
    (112, 160, 176),
    (220, 140, 84),
    (150, 176, 132),
    (196, 104, 96),
]


def bus_side(b: Brush, look: Look) -> None:
    """A town bus: a row of windows, two doors, a stripe."""
    paint, two = look.pick(0, BUSES), look.chance(1, 0.5)
    roof = shade(paint, 122) if two else (244, 238, 224)
    back, front, top = -3.65, 3.65, 2.95
    nose = [(front - 0.4, top), (front - 0.05, top - 0.4), (front, 1.2), (front, 0.35)]
    b.poly([(back, 0.35), (back, top - 0.2), (back + 0.2, top), *nose], paint)
    gutter = top - 0.28
    b.poly([(back + 0.03, gutter), (back + 0.2, top), (front - 0.4, top), (front - 0.16, gutter)], roof)
    b.rect(back, 0.35, front, 0.62, shade(paint, 79))
    b.rect(back, 1.16, front, 1.3, roof)
    _bus_panes(b, back, front)
    for x in (-2.35, 1.5):
        b.cap(x, 0.48, 0.62, 0.62, shade(paint, 46))
        wheel(b, x, 0.46)
    b.rect(front - 0.14, 0.7, front, 0.92, LAMP, b.dark)
    b.rect(back, 0.8, back + 0.12, 1.1, TAIL, b.dark)
    b.lamp(front, 0.8, 1.3, GLOW_WHITE)
    b.lamp(back, 0.9, 0.7, GLOW_RED)


def _bus_panes(b: Brush, back: Number, front: Number) -> None:
    pane = (255, 222, 150) if b.dark else GLASS
    b.rect(back + 0.25, 1.42, front - 1.75, 2.5, shade(GLASS, 70))
    for i in range(5):
        x = back + 0.34 + i * 1.05
        b.rect(x, 1.5, x + 0.9, 2.42, pane, b.dark)
        if b.fine and not b.dark:
            b.poly([(x + 0.3, 1.5), (x + 0.6, 2.42), (x + 0.8, 2.42), (x + 0.5, 1.5)], SHINE)
    for x in (front - 1.6, -0.95):
        b.rect(x, 0.5, x + 0.95, 2.5, shade(GLASS, 70))
        b.rect(x + 0.08, 0.62, x + 0.44, 2.4, pane, b.dark)
        b.rect(x + 0.52, 0.62, x + 0.88, 2.4, pane, b.dark)
    b.poly([(front - 0.5, 1.4), (front - 0.5, 2.42), (front - 0.12, 2.42), (front - 0.02, 1.4)], pane, b.dark)


def _hull(b: Brush, box: tuple[Number, ...], near: Number, far: Number, side: Colour, roof: Colour) -> None:
    """The sides and the roof of a box seen from its end, from depth `near` to `far`; `box` is half its width,
    its lower and its upper edge."""
    half, low, top = box
    for x in (-half, half):
        b.solid([(x, low, near), (x, top, near), (x, top, far), (x, low, far)], side)
    b.solid([(-half, top, near), (half, top, near), (half, top, far), (-half, top, far)], roof)


def bus_end(b: Brush, look: Look) -> None:
    """A bus from the front or the back, its long side in perspective."""
    paint, front = look.pick(0, BUSES), look.chance(3, 0.5)
    warm = (255, 222, 150) if b.dark else GLASS
    _hull(b, (1.25, 0.35, 2.95), 0, 9.0, shade(paint, 72), shade(paint, 118))
    for x in (-1.25, 1.25):
        for i in range(5):
            d0, d1 = 0.4 + i * 1.72, 1.8 + i * 1.72
            b.solid([(x, 1.45, d0), (x, 2.4, d0), (x, 2.4, d1), (x, 1.45, d1)], shade(warm, 82), b.dark)
    b.rect(-1.1, 0.0, -0.75, 0.5, TYRE)
    b.rect(0.75, 0.0, 1.1, 0.5, TYRE)
    b.poly([(-1.25, 0.35), (-1.25, 2.75), (-1.05, 2.95), (1.05, 2.95), (1.25, 2.75), (1.25, 0.35)], paint)
    b.rect(-1.25, 0.35, 1.25, 0.6, shade(paint, 74))
    b.rect(-0.8, 2.5, 0.8, 2.8, (250, 190, 60) if front else shade(paint, 80), b.dark and front)
    b.rect(-1.12, 1.25, 1.12, 2.42, shade(GLASS, 70))
    b.rect(-1.05, 1.32, -0.04, 2.35, warm, b.dark)
    b.rect(0.04, 1.32, 1.05, 2.35, warm, b.dark)
    if b.fine and not b.dark:
        b.poly([(-0.8, 1.32), (-0.5, 2.35), (-0.2, 2.35), (-0.5, 1.32)], SHINE)
    for x in (-0.95, 0.95):
        b.oval(x, 0.86, 0.17, 0.15, LAMP if front else TAIL, b.dark)
        b.lamp(x, 0.86, 1.3 if front else 0.8, GLOW_WHITE if front else GLOW_RED)


def truck_side(b: Brush, look: Look) -> None:
    """A lorry: a cab, and behind it a box, a tank or a load of logs."""
    cab, load = look.pick(0, PAINT), look.pick(1, BOXES)
    b.rect(-3.3, 0.55, 2.6, 0.8, (74, 72, 78))
    kind = look.pick(2, ("box", "box", "tank", "tarp"))
    {"box": _box_load, "tank": _tank_load, "tarp": _tarp_load}[kind](b, look, load)
    b.poly([(1.2, 0.5), (1.2, 2.45), (2.2, 2.5), (2.75, 1.5), (2.95, 1.35), (3.0, 0.45)], cab)
    b.rect(1.2, 0.5, 2.98, 0.75, shade(cab, 66))
    b.poly([(1.65, 1.5), (1.65, 2.25), (2.13, 2.28), (2.53, 1.5)], GLASS)
    if b.fine:
        b.line(((1.53, 0.8), (1.53, 2.3)), 0.03, shade(cab, 70))
        b.poly([(1.8, 1.5), (1.95, 2.26), (2.09, 2.26), (2.0, 1.5)], SHINE)
    for x in (-2.5, -1.5, 2.0):
        wheel(b, x, 0.48)
    b.rect(2.87, 0.82, 3.01, 1.04, LAMP, b.dark)
    b.rect(-3.36, 0.7, -3.24, 0.95, TAIL, b.dark)
    b.lamp(2.95, 0.9, 1.3, GLOW_WHITE)
    b.lamp(-3.3, 0.8, 0.7, GLOW_RED)


def _box_load(b: Brush, look: Look, load: Colour) -> None:
    mark = look.pick(4, BUSES)
    b.rect(-3.35, 0.8, 1.1, 3.1, load)
    b.rect(-3.35, 0.8, 1.1, 0.95, shade(load, 70))
    b.rect(-3.35, 2.98, 1.1, 3.1, shade(load, 125))
    style = look.numbers[5] % 3
    if style == 0:
        b.oval(-1.1, 1.95, 0.62, 0.62, mark)
        b.oval(-1.1, 1.95, 0.32, 0.32, shade(mark, 150))
    elif style == 1:
        b.rect(-3.35, 1.6, 1.1, 2.1, mark)
    else:
        b.poly([(-3.35, 0.95), (-1.7, 0.95), (0.2, 2.98), (-1.4, 2.98)], mark)


def _tank_load(b: Brush, look: Look, load: Colour) -> None:
    b.oval(-2.85, 1.75, 0.5, 0.95, shade(load, 76))
    b.rect(-2.85, 0.8, 0.6, 2.7, load)
    b.oval(0.6, 1.75, 0.5, 0.95, load)
    b.rect(-2.95, 2.2, 0.75, 2.4, shade(load, 140))
    b.rect(-3.0, 0.9, 0.8, 1.2, shade(load, 72))
    b.rect(-1.4, 0.8, -1.1, 2.7, look.pick(4, BUSES))


def _tarp_load(b: Brush, look: Look, load: Colour) -> None:
    tarp = look.pick(4, BUSES)
    b.poly([(-3.35, 0.8), (-3.35, 2.7), (-2.9, 3.05), (0.7, 3.05), (1.1, 2.7), (1.1, 0.8)], tarp)
    for i in range(1, 6):
        x = -3.35 + i * 0.74
        b.rect(x, 0.9, x + 0.1, 2.95, shade(tarp, 76))
    b.rect(-3.35, 0.8, 1.1, 1.3, (150, 112, 76))


def truck_end(b: Brush, look: Look) -> None:
    """A lorry from the front (cab before its box) or from the back (two doors)."""
    cab, load, front = look.pick(0, PAINT), look.pick(1, BOXES), look.chance(3, 0.5)
    b.rect(-1.1, 0.0, -0.7, 0.6, TYRE)
    b.rect(0.7, 0.0, 1.1, 0.6, TYRE)
    if not front:
        _hull(b, (1.25, 0.75, 3.1), 0, 6.5, shade(load, 70), shade(load, 120))
        _truck_doors(b, load)
        return
    _hull(b, (1.25, 0.8, 3.1), 1.8, 7.0, shade(load, 70), shade(load, 120))
    b.rect(*b.deep(-1.25, 0.8, 1.8), *b.deep(1.25, 3.1, 1.8), load)
    _hull(b, (1.1, 0.5, 2.4), 0, 1.6, shade(cab, 70), shade(cab, 112))
    b.poly([(-1.1, 0.45), (-1.1, 2.25), (-0.95, 2.4), (0.95, 2.4), (1.1, 2.25), (1.1, 0.45)], cab)
    b.rect(-0.95, 1.45, 0.95, 2.2, GLASS)
    if b.fine:
        b.poly([(-0.6, 1.45), (-0.35, 2.2), (-0.05, 2.2), (-0.3, 1.45)], SHINE)
    b.rect(-0.6, 0.85, 0.6, 1.25, shade(cab, 55))
    b.rect(-1.1, 0.4, 1.1, 0.66, (80, 78, 84))
    for x in (-0.86, 0.86):
        b.oval(x, 0.9, 0.16, 0.14, LAMP, b.dark)
        b.lamp(x, 0.9, 1.3, GLOW_WHITE)


def _truck_doors(b: Brush, load: Colour) -> None:
    b.rect(-1.25, 0.75, 1.25, 3.1, load)
    b.rect(-1.25, 2.95, 1.25, 3.1, shade(load, 76))
    b.rect(-0.04, 0.85, 0.04, 2.95, shade(load, 56))
    b.rect(-1.1, 0.95, -0.12, 2.82, shade(load, 116))
    b.rect(0.12, 0.95, 1.1, 2.82, shade(load, 116))
    b.rect(-1.25, 0.5, 1.25, 0.78, (84, 82, 88))
    for x in (-0.98, 0.98):
        b.rect(x - 0.18, 0.54, x + 0.18, 0.74, TAIL, b.dark)
        b.lamp(x, 0.64, 0.7, GLOW_RED)
