"""Traffic lights, stop signs and everything that is *not* to be found in Crossing (explained in chapter 16).

The labelled part of a light is its head and of a sign its plate; the poles are things of their own.
"""

from __future__ import annotations

from .crossing_brush import Brush, Colour, Look, Point, shade
from .crossing_people import FRAMES, UMBRELLAS

IRON: Colour = (66, 70, 78)
WOOD: Colour = (160, 112, 72)
LEAVES: dict[str, list[Colour]] = {
    "spring": [(244, 178, 190), (238, 200, 204), (150, 190, 104), (172, 204, 120)],
    "summer": [(104, 154, 84), (124, 170, 92), (86, 138, 88), (140, 176, 96)],
    "autumn": [(226, 140, 58), (236, 176, 72), (200, 92, 56), (168, 150, 76)],
    "winter": [(112, 138, 120), (94, 122, 110), (130, 150, 132), (102, 130, 108)],
}
SEASONS = tuple(LEAVES)
PHASES = ((0, (255, 62, 48)), (1, (255, 196, 48)), (2, (72, 224, 110)))
# an octagon of radius 1 with flat top, in eighths of a turn
OCTAGON: list[Point] = [
    (0.414, 1),
    (1, 0.414),
    (1, -0.414),
    (0.414, -1),
    (-0.414, -1),
    (-1, -0.414),
    (-1, 0.414),
    (-0.414, 1),
]
# the four letters of STOP as strokes in a box of 1 x 2
LETTERS = (
    ((0.9, 1.8), (0.2, 2.0), (0.05, 1.5), (0.9, 0.6), (0.75, 0.05), (0.05, 0.2)),
    ((0.5, 0.0), (0.5, 2.0), (0.0, 2.0), (1.0, 2.0)),
    ((0.5, 0.0), (0.05, 0.5), (0.05, 1.5), (0.5, 2.0), (0.95, 1.5), (0.95, 0.5), (0.5, 0.0)),
    ((0.1, 0.0), (0.1, 2.0), (0.8, 1.9), (0.85, 1.1), (0.1, 1.0)),
)


def traffic_light(b: Brush, look: Look) -> None:
    """The head of a traffic light: three lenses in a dark housing, one of them lit; (0, 0) below."""
    on, colour = look.pick(0, PHASES)
    case = look.pick(1, ((44, 50, 54), (52, 56, 50), (40, 44, 60)))
    b.rect(-0.28, 0.0, 0.28, 1.38, case)
    b.rect(-0.28, 1.3, 0.28, 1.38, shade(case, 130))
    for i, (_, lens) in enumerate(PHASES):
        y = 1.12 - 0.43 * i
        b.oval(0, y, 0.185, 0.185, colour if i == on else shade(lens, 34), i == on)
    if b.fine:
        b.oval(-0.05, 1.18 - 0.43 * on, 0.05, 0.05, shade(colour, 170), True)
    b.lamp(0, 1.12 - 0.43 * on, 0.8, colour)


def light_pole(b: Brush, look: Look) -> None:
    """The pole that carries a traffic light at 2.5 m."""
    b.rect(-0.07, 0, 0.07, 2.7, IRON)
    b.rect(-0.14, 0, 0.14, 0.4, shade(IRON, 80))
    b.rect(-0.13, 0.95, 0.13, 1.25, (232, 180, 60))


def light_gantry(b: Brush, look: Look) -> None:
    """A tall pole with an arm of 3.4 m from which a traffic light hangs."""
    b.rect(-0.1, 0, 0.1, 5.3, IRON)
    b.rect(-0.18, 0, 0.18, 0.5, shade(IRON, 80))
    b.line(((0, 5.2), (3.4, 5.35)), 0.13, IRON)
    b.line(((0, 4.3), (0.9, 5.22)), 0.08, IRON)


def stop_sign(b: Brush, look: Look) -> None:
    """The red octagon with its white border; the word where it is large enough. (0, 0) is its middle."""
    r = 0.46
    red = look.pick(0, ((206, 32, 40), (196, 38, 36), (216, 44, 44)))
    b.poly([(x * r, y * r) for x, y in OCTAGON], (250, 246, 240))
    b.poly([(x * r * 0.87, y * r * 0.87) for x, y in OCTAGON], red)
    if b.scale * r < 7:
        b.rect(-0.29, -0.1, 0.29, 0.1, (250, 240, 236))
        return
    for i, strokes in enumerate(LETTERS):
        x0 = -0.315 + i * 0.165
        b.line([(x0 + x * 0.12, -0.13 + y * 0.13) for x, y in strokes], 0.042, (250, 246, 240))


def sign_pole(b: Brush, look: Look) -> None:
    """The thin pole under a sign."""
    b.rect(-0.045, 0, 0.045, 2.1, (136, 138, 140))


def round_sign(b: Brush, look: Look) -> None:
    """A round or three-cornered sign that is no stop sign. (0, 0) is its middle."""
    kind = look.numbers[0] % 4
    if kind == 0:
        b.oval(0, 0, 0.38, 0.38, (206, 50, 48))
        b.oval(0, 0, 0.28, 0.28, (246, 240, 230))
        b.rect(-0.05, -0.16, 0.05, 0.16, (50, 50, 56))
    elif kind == 1:
        b.oval(0, 0, 0.38, 0.38, (50, 100, 176))
        b.poly(
            [
                (-0.05, -0.2),
                (0.05, -0.2),
                (0.05, 0.05),
                (0.16, 0.05),
                (0, 0.24),
                (-0.16, 0.05),
                (-0.05, 0.05),
            ],
            (246, 246, 246),
        )
    elif kind == 2:
        b.poly([(0, 0.42), (0.42, -0.32), (-0.42, -0.32)], (210, 56, 50))
        b.poly([(0, 0.24), (0.26, -0.22), (-0.26, -0.22)], (250, 236, 196))
    else:
        b.rect(-0.34, -0.34, 0.34, 0.34, (50, 100, 176))
        b.rect(-0.1, -0.24, 0.0, 0.24, (246, 246, 246))
        b.oval(0.03, 0.1, 0.16, 0.14, (246, 246, 246))


def tree(b: Brush, look: Look) -> None:
    """A street tree: round, pointed or tall, in the colours of the season (number 0)."""
    b.zoom(look.span(1, 0.8, 1.2))
    leaf = look.pick(2, LEAVES[SEASONS[look.numbers[0] % 4]])
    dark, light = shade(leaf, 80), shade(leaf, 118)
    trunk = (122, 90, 66)
    b.poly([(-0.16, 0), (0.16, 0), (0.09, 2.2), (-0.09, 2.2)], trunk)
    if look.numbers[3] % 4 == 0:  # a cypress
        b.oval(0, 3.0, 0.75, 2.2, dark)
        b.oval(0.1, 3.05, 0.55, 2.0, leaf)
        b.oval(0.2, 3.6, 0.24, 1.0, light)
        return
    if look.numbers[3] % 4 == 1:  # a ball on a stick
        b.oval(0, 3.0, 1.3, 1.3, dark)
        b.oval(0.08, 3.1, 1.15, 1.15, leaf)
        b.oval(0.4, 3.5, 0.5, 0.45, light)
        return
    for x, y, r in ((-0.8, 2.6, 0.85), (0.8, 2.6, 0.85), (-0.1, 2.45, 0.9)):
        b.oval(x, y, r, r * 0.85, dark)
    for x, y, r in ((-0.6, 3.0, 0.85), (0.65, 3.0, 0.85), (0.0, 3.7, 0.95), (0.05, 2.9, 0.8)):
        b.oval(x, y, r, r * 0.9, leaf)
    for x, y, r in ((0.25, 4.0, 0.5), (0.85, 3.2, 0.4), (-0.45, 3.3, 0.35)):
        b.oval(x, y, r, r * 0.75, light)


def bush(b: Brush, look: Look) -> None:
    """A round bush in a tub."""
    leaf = look.pick(2, LEAVES[SEASONS[look.numbers[0] % 4]])
    b.poly(
        [(-0.36, 0.5), (0.36, 0.5), (0.28, 0), (-0.28, 0)],
        look.pick(1, ((186, 104, 76), (120, 130, 140), WOOD)),
    )
    b.oval(0, 0.78, 0.5, 0.42, shade(leaf, 82))
    b.oval(0.06, 0.84, 0.4, 0.34, leaf)
    if look.chance(3, 0.6):
        for i, x in enumerate((-0.25, 0.05, 0.3)):
            b.oval(x, 0.78 + 0.13 * (i % 2), 0.09, 0.09, look.pick(4, UMBRELLAS))


def mail_box(b: Brush, look: Look) -> None:
    """A mail box on one leg."""
    c = look.pick(0, ((240, 190, 50), (60, 100, 170), (198, 50, 46)))
    b.rect(-0.08, 0, 0.08, 0.6, shade(c, 60))
    b.rect(-0.3, 0.55, 0.3, 1.2, c)
    b.cap(0, 1.2, 0.3, 0.22, shade(c, 115))
    b.rect(-0.2, 1.0, 0.2, 1.07, shade(c, 45))


def hydrant(b: Brush, look: Look) -> None:
    """A fire hydrant."""
    c = look.pick(0, ((206, 60, 50), (236, 184, 60), (80, 120, 170)))
    b.rect(-0.16, 0, 0.16, 0.62, c)
    b.rect(-0.22, 0, 0.22, 0.1, shade(c, 75))
    b.rect(-0.28, 0.36, 0.28, 0.5, shade(c, 85))
    b.cap(0, 0.62, 0.18, 0.2, shade(c, 115))


def bench(b: Brush, look: Look) -> None:
    """A park bench."""
    for y in (0.42, 0.62, 0.8):
        b.rect(-0.85, y, 0.85, y + 0.12, shade(WOOD, 90 if y < 0.5 else 108))
    for x in (-0.7, 0.7):
        b.rect(x - 0.05, 0, x + 0.05, 0.86, IRON)


def lamp_post(b: Brush, look: Look) -> None:
    """An old-fashioned street lamp."""
    b.rect(-0.05, 0, 0.05, 3.5, IRON)
    b.rect(-0.14, 0, 0.14, 0.5, shade(IRON, 82))
    b.poly([(-0.13, 3.5), (0.13, 3.5), (0.22, 4.0), (-0.22, 4.0)], (255, 232, 168), b.dark)
    b.poly([(-0.28, 4.0), (0.28, 4.0), (0.0, 4.25)], shade(IRON, 80))
    b.lamp(0, 3.75, 2.6, (255, 214, 130))


def pram(b: Brush, look: Look) -> None:
    """A parked pram."""
    c = look.pick(0, FRAMES)
    for x in (-0.3, 0.32):
        b.oval(x, 0.15, 0.15, 0.15, (58, 54, 60))
        b.oval(x, 0.15, 0.08, 0.08, (200, 196, 190))
    b.line(((-0.3, 0.15), (0.3, 0.55)), 0.05, (120, 116, 116))
    b.cap(0, 0.88, 0.48, 0.5, c, 0, 180)
    b.cap(0.14, 0.86, 0.36, 0.36, shade(c, 78), 180, 290)
    b.line(((-0.45, 0.86), (-0.72, 1.08)), 0.06, (70, 60, 60))


def table(b: Brush, look: Look) -> None:
    """A café table with two chairs under a parasol."""
    c = look.pick(0, UMBRELLAS)
    for x in (-0.8, 0.8):
        b.rect(x - 0.2, 0.4, x + 0.2, 0.48, WOOD)
        b.rect(x - 0.2, 0, x - 0.14, 0.46, IRON)
        b.rect(x + 0.14, 0, x + 0.2, 0.46, IRON)
        b.rect(x + (0.14 if x > 0 else -0.2), 0.4, x + (0.2 if x > 0 else -0.14), 0.95, WOOD)
    b.rect(-0.03, 0, 0.03, 2.1, IRON)
    b.rect(-0.45, 0.7, 0.45, 0.78, (240, 232, 218))
    b.poly([(-1.25, 1.95), (1.25, 1.95), (0, 2.5)], c)
    b.poly([(-0.42, 1.95), (0.42, 1.95), (0, 2.5)], (248, 240, 224))


def pillar(b: Brush, look: Look) -> None:
    """A round advertising pillar."""
    c = look.pick(0, FRAMES)
    b.rect(-0.55, 0, 0.55, 2.6, (226, 214, 190))
    b.rect(-0.4, 0.6, 0.12, 1.5, c)
    b.rect(-0.1, 1.6, 0.42, 2.3, look.pick(1, UMBRELLAS))
    b.oval(-0.15, 1.1, 0.18, 0.2, (248, 236, 210))
    b.rect(0.38, 0, 0.55, 2.6, (196, 184, 164))
    b.rect(-0.66, 2.6, 0.66, 2.75, (86, 130, 110))
    b.cap(0, 2.75, 0.6, 0.45, (100, 146, 122))


def board(b: Brush, look: Look) -> None:
    """A folding board in front of a shop."""
    b.poly([(-0.36, 0), (0.36, 0), (0.3, 1.0), (-0.3, 1.0)], WOOD)
    b.poly([(-0.28, 0.12), (0.28, 0.12), (0.24, 0.92), (-0.24, 0.92)], (64, 78, 72))
    for i in range(3):
        b.rect(-0.15, 0.3 + 0.2 * i, 0.05 + 0.1 * (look.numbers[i] % 2), 0.34 + 0.2 * i, (232, 226, 206))


def bollard(b: Brush, look: Look) -> None:
    """An iron bollard."""
    b.rect(-0.1, 0, 0.1, 0.8, IRON)
    b.oval(0, 0.84, 0.12, 0.12, shade(IRON, 120))


def pigeon(b: Brush, look: Look) -> None:
    """A pigeon on the pavement."""
    c = look.pick(0, ((120, 126, 142), (150, 146, 150), (96, 100, 116)))
    b.oval(0, 0.15, 0.19, 0.12, c)
    b.poly([(-0.12, 0.2), (-0.34, 0.1), (-0.1, 0.08)], shade(c, 80))
    b.oval(0.16, 0.28, 0.075, 0.075, shade(c, 72))
    b.line(((0.22, 0.27), (0.29, 0.25)), 0.03, (230, 170, 90))


def lead(b: Brush, look: Look) -> None:
    """The lead from a hand (0, 0.85) down to a dog's collar at (1, 0.6)."""
    b.line(((0, 0.85), (0.3, 0.58), (0.66, 0.52), (1.0, 0.6)), 0.025, (120, 60, 56))
