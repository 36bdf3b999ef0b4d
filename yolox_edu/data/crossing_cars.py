"""Cars of Crossing, from the side and from both ends (explained in chapter 16).

Side views drive to the right. End views stand in perspective: `Brush.deep` puts their far end in its place.
"""

from __future__ import annotations

from .crossing_brush import Brush, Colour, Look, Number, rounded, shade

PAINT: list[Colour] = [
    (206, 66, 58),
    (236, 168, 60),
    (74, 130, 172),
    (98, 156, 120),
    (238, 226, 204),
    (72, 84, 104),
    (160, 190, 200),
    (226, 128, 96),
    (146, 70, 84),
    (244, 208, 96),
    (120, 110, 160),
    (190, 186, 180),
]
GLASS: Colour = (70, 96, 112)
SHINE: Colour = (160, 190, 198)
TYRE: Colour = (46, 44, 50)
HUB: Colour = (196, 196, 192)
LAMP: Colour = (255, 244, 206)
TAIL: Colour = (226, 44, 40)
GLOW_WHITE: Colour = (255, 226, 160)
GLOW_RED: Colour = (255, 60, 40)

# outlines of bodies (closed) and their windows, metres, driving right, wheels at the two x given
SHAPES = [
    {  # hatchback
        "body": rounded(
            [
                (-1.95, 0.28),
                (-2.0, 0.8),
                (-1.85, 1.06),
                (-1.45, 1.5),
                (0.25, 1.54),
                (0.95, 1.02),
                (1.8, 0.9),
                (2.0, 0.7),
                (2.0, 0.28),
            ]
        ),
        "glass": [
            [(-1.5, 1.06), (-1.28, 1.4), (-0.52, 1.43), (-0.52, 1.06)],
            [(-0.42, 1.06), (-0.42, 1.43), (0.18, 1.42), (0.68, 1.06)],
        ],
        "wheels": (-1.22, 1.24),
    },
    {  # saloon
        "body": rounded(
            [
                (-2.25, 0.28),
                (-2.3, 0.92),
                (-1.5, 1.02),
                (-0.98, 1.46),
                (0.4, 1.48),
                (1.02, 1.0),
                (2.05, 0.9),
                (2.3, 0.7),
                (2.28, 0.28),
            ]
        ),
        "glass": [
            [(-1.22, 1.03), (-0.82, 1.36), (-0.32, 1.38), (-0.32, 1.03)],
            [(-0.22, 1.03), (-0.22, 1.38), (0.33, 1.38), (0.76, 1.03)],
        ],
        "wheels": (-1.38, 1.42),
    },
    {  # small van for a family
        "body": rounded(
            [
                (-2.1, 0.28),
                (-2.15, 1.0),
                (-1.98, 1.72),
                (0.55, 1.74),
                (1.3, 1.12),
                (2.0, 0.96),
                (2.15, 0.7),
                (2.12, 0.28),
            ],
            1,
        ),
        "glass": [
            [(-1.84, 1.12), (-1.76, 1.58), (-0.78, 1.6), (-0.78, 1.12)],
            [(-0.66, 1.12), (-0.66, 1.6), (0.44, 1.58), (0.98, 1.12)],
        ],
        "wheels": (-1.3, 1.34),
    },
    {  # round little beetle
        "body": rounded(
            [
                (-1.8, 0.28),
                (-1.85, 0.7),
                (-1.3, 1.1),
                (-0.85, 1.56),
                (0.3, 1.58),
                (0.72, 1.06),
                (1.5, 0.98),
                (1.85, 0.62),
                (1.85, 0.28),
            ]
        ),
        "glass": [
            [(-0.92, 1.08), (-0.66, 1.42), (-0.16, 1.45), (-0.16, 1.08)],
            [(-0.06, 1.08), (-0.06, 1.45), (0.22, 1.43), (0.46, 1.08)],
        ],
        "wheels": (-1.16, 1.18),
    },
]


def wheel(b: Brush, x: Number, r: Number) -> None:
    """A wheel of radius r that stands at x."""
    b.oval(x, r, r, r, TYRE)
    b.oval(x, r, r * 0.52, r * 0.52, HUB)
    if b.fine:
        b.oval(x, r, r * 0.2, r * 0.2, shade(HUB, 66))


def car_side(b: Brush, look: Look) -> None:
    """A car of one of four bodies, some of them taxis."""
    shape, paint = look.pick(0, SHAPES), look.pick(1, PAINT)
    body = shape["body"]
    back, front = min(x for x, _ in body), max(x for x, _ in body)
    b.poly(body, paint)
    b.poly(
        [(back + 0.02, 0.5), (front - 0.02, 0.5), (front - 0.06, 0.28), (back + 0.06, 0.28)], shade(paint, 74)
    )
    for pane in shape["glass"]:
        b.poly(pane, GLASS)
        if b.fine:
            (x0, y0), (x1, y1) = pane[0], pane[1]
            b.poly([(x0 + 0.18, y0), (x1 + 0.12, y1), (x1 + 0.3, y1), (x0 + 0.42, y0)], SHINE)
    b.rect(back + 0.1, 0.86, front - 0.3, 0.9, shade(paint, 128))
    for x in shape["wheels"]:
        b.cap(x, 0.36, 0.44, 0.44, shade(paint, 46))
        wheel(b, x, 0.34)
    if b.fine:
        b.line(((-0.47, 0.4), (-0.47, 1.04)), 0.02, shade(paint, 70))
        b.rect(-0.34, 0.8, -0.16, 0.84, shade(paint, 60))
    b.oval(front - 0.1, 0.72, 0.1, 0.1, LAMP, b.dark)
    b.rect(back + 0.01, 0.68, back + 0.12, 0.86, TAIL, b.dark)
    b.lamp(front, 0.72, 0.9, GLOW_WHITE)
    b.lamp(back, 0.76, 0.6, GLOW_RED)
    if look.chance(2, 0.12):
        b.rect(-0.5, 1.5, -0.06, 1.68, (250, 214, 80), b.dark)


def car_end(b: Brush, look: Look) -> None:
    """A car coming (front) or going (back), a little solid in perspective."""
    paint, front = look.pick(1, PAINT), look.chance(3, 0.5)
    tall = look.pick(0, (1.46, 1.44, 1.68, 1.5))
    half, high, long = 0.9, 0.92, 3.9  # half the width, height of the shoulder, length
    for x in (-half, half):
        b.solid([(x, 0.3, 0), (x, high, 0), (x, high, long), (x, 0.3, long)], shade(paint, 66))
    for depth in (0.55, long - 0.7):
        for x in (-0.72, 0.72):
            b.rect(*b.deep(x - 0.15, 0.0, depth), *b.deep(x + 0.15, 0.5, depth), TYRE)
    b.solid([(-half, high, 0), (half, high, 0), (half, high, long), (-half, high, long)], shade(paint, 112))
    # the cabin stands from `cowl` to `rear`, its roof begins at `lip`
    cowl, lip, rear = (1.25, 1.75, long - 0.7) if front else (0.45, 0.85, long - 1.4)
    for x in (-0.86, 0.86):
        t = x * 0.81
        b.solid([(x, high, cowl), (t, tall, lip), (t, tall, rear), (x, high, rear)], shade(GLASS, 84))
    b.solid([(-0.7, tall, lip), (0.7, tall, lip), (0.7, tall, rear), (-0.7, tall, rear)], shade(paint, 118))
    b.solid([(-0.86, high, cowl), (0.86, high, cowl), (0.7, tall, lip), (-0.7, tall, lip)], paint)
    low, top = high + 0.05, tall - 0.07
    b.solid([(-0.74, low, cowl), (0.74, low, cowl), (0.6, top, lip), (-0.6, top, lip)], GLASS)
    if b.fine:
        b.solid([(-0.5, low, cowl), (-0.2, low, cowl), (-0.05, top, lip), (-0.28, top, lip)], SHINE)
    _car_face(b, paint, front, half, high)


def _car_face(b: Brush, paint: Colour, front: bool, half: Number, shoulder: Number) -> None:
    b.rect(-0.8, 0.0, -0.5, 0.4, TYRE)
    b.rect(0.5, 0.0, 0.8, 0.4, TYRE)
    b.poly(
        [
            (-half, 0.34),
            (-half, 0.82),
            (-0.8, shoulder),
            (0.8, shoulder),
            (half, 0.82),
            (half, 0.34),
            (0.82, 0.22),
            (-0.82, 0.22),
        ],
        paint,
    )
    b.rect(-0.86, 0.24, 0.86, 0.38, shade(paint, 58))
    if front:
        b.rect(-0.34, 0.46, 0.34, 0.62, shade(TYRE, 120))
        for x in (-0.66, 0.66):
            b.oval(x, 0.64, 0.16, 0.14, LAMP, b.dark)
            b.lamp(x, 0.64, 1.0, GLOW_WHITE)
    else:
        b.rect(-0.28, 0.48, 0.28, 0.64, (240, 236, 220))
        for x in (-0.7, 0.7):
            b.rect(x - 0.15, 0.56, x + 0.15, 0.76, TAIL, b.dark)
            b.lamp(x, 0.64, 0.7, GLOW_RED)
