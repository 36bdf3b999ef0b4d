"""People, dogs and bicycles of Crossing (explained in chapter 16). Every figure looks to the right."""

from __future__ import annotations

from .crossing_brush import Brush, Colour, Look, Number, mix, shade

SKIN: list[Colour] = [
    (250, 214, 184),
    (241, 194, 158),
    (214, 158, 116),
    (168, 112, 78),
    (120, 78, 54),
    (92, 60, 44),
]
HAIR: list[Colour] = [
    (58, 40, 34),
    (96, 60, 38),
    (148, 94, 48),
    (214, 168, 92),
    (178, 82, 44),
    (196, 192, 188),
    (40, 36, 44),
]
TOPS: list[Colour] = [
    (214, 74, 62),
    (238, 162, 58),
    (70, 122, 168),
    (92, 148, 104),
    (158, 92, 148),
    (244, 226, 190),
    (226, 120, 130),
    (60, 84, 120),
    (84, 170, 170),
    (242, 204, 86),
    (150, 64, 72),
    (120, 128, 80),
]
TROUSERS: list[Colour] = [
    (62, 72, 104),
    (84, 62, 56),
    (54, 54, 64),
    (128, 112, 92),
    (88, 108, 140),
    (104, 92, 72),
]
SHOE: Colour = (58, 44, 44)
WOOL: Colour = (250, 240, 220)
UMBRELLAS: list[Colour] = [
    (216, 62, 66),
    (242, 182, 60),
    (58, 118, 164),
    (94, 160, 118),
    (170, 96, 160),
    (238, 132, 92),
]
COATS: list[Colour] = [
    (170, 108, 58),
    (226, 182, 112),
    (58, 50, 52),
    (240, 232, 218),
    (150, 138, 130),
    (122, 74, 44),
]
FRAMES: list[Colour] = [
    (206, 62, 60),
    (48, 124, 140),
    (232, 164, 48),
    (62, 92, 156),
    (78, 142, 92),
    (54, 54, 60),
]


def person(b: Brush, look: Look) -> None:
    """A grown-up or child, standing or walking; with an umbrella when it rains."""
    child = look.chance(0, 0.2)
    b.zoom(look.span(1, 0.6, 0.76) if child else look.span(1, 0.94, 1.08))
    skin, top = look.pick(2, SKIN), look.pick(3, TOPS)
    stride = look.pick(4, (0.07, 0.17, 0.25))
    dress = look.chance(5, 0.35)
    legs = skin if dress and look.chance(5, 0.2) else look.pick(6, TROUSERS)
    arm = look.pick(7, (0.1, 0.22, 0.3))
    b.limb(-0.13, 1.26, -0.13 - arm * 0.6, 0.84, 0.11, shade(top, 72))
    _leg(b, -0.06, -stride, shade(legs, 78))
    _leg(b, 0.06, stride, legs)
    _torso(b, top, dress, shade(top, 84), look.numbers[9] % 4 == 0)
    head = 1.53 if not child else 1.56
    _head(b, look, 0.0, head, 0.18 if child else 0.155, skin)
    if b.wet and look.chance(8, 0.72):
        b.limb(0.13, 1.26, 0.24, 1.1, 0.11, shade(top, 92))
        _umbrella(b, look.pick(9, UMBRELLAS))
        return
    b.limb(0.13, 1.26, 0.12 + arm, 0.86, 0.11, shade(top, 90))
    b.oval(0.12 + arm, 0.84, 0.06, 0.06, skin)
    _belongings(b, look, 0.12 + arm)


def _leg(b: Brush, hip: Number, stride: Number, colour: Colour) -> None:
    b.poly(((hip - 0.1, 0.82), (hip + 0.1, 0.82), (stride + 0.07, 0.06), (stride - 0.07, 0.06)), colour)
    b.oval(stride + 0.04, 0.045, 0.12, 0.055, SHOE)


def _torso(b: Brush, top: Colour, dress: bool, dark: Colour, stripes: bool) -> None:
    low, half = (0.5, 0.29) if dress else (0.76, 0.19)
    b.poly(((-0.15, 1.36), (0.15, 1.36), (0.22, 1.26), (half, low), (-half, low), (-0.22, 1.26)), top)
    if b.fine:
        b.poly(((-0.15, 1.36), (-0.22, 1.26), (-half, low), (-half + 0.12, low), (-0.08, 1.3)), dark)
        if stripes:
            for i in range(3):
                y = 0.86 + 0.15 * i
                b.poly(((-0.2, y), (0.2, y), (0.2, y + 0.06), (-0.2, y + 0.06)), WOOL)


def _head(b: Brush, look: Look, x: Number, y: Number, r: Number, skin: Colour) -> None:
    hair, style = look.pick(10, HAIR if r < 0.17 else HAIR[:5]), look.numbers[11] % 6
    if style in (1, 2):  # long hair hangs behind the face
        b.poly(
            (
                (x - r, y + 0.05),
                (x + r * 0.7, y + 0.05),
                (x + r * 0.5, y - r * 1.5),
                (x - r * 1.15, y - r * 1.5),
            ),
            hair,
        )
    b.rect(x - 0.05, y - r - 0.06, x + 0.05, y - r + 0.05, shade(skin, 86))
    b.oval(x, y, r * 0.92, r, skin)
    if style == 5:
        hat = look.pick(9, UMBRELLAS)
        b.cap(x, y + r * 0.25, r * 1.05, r * 1.05, hat)
        b.rect(x - r * 1.1, y + r * 0.18, x + r * 1.5, y + r * 0.36, shade(hat, 80))
    else:
        b.cap(x - r * 0.05, y + r * 0.12, r * 1.06, r * 1.06, hair, 150, 345)
        if style == 3:
            b.oval(x - r * 0.7, y + r * 0.95, r * 0.45, r * 0.45, hair)
    if b.fine:
        b.oval(x + r * 0.15, y - r * 0.05, 0.02, 0.026, (52, 40, 40))
        b.oval(x + r * 0.62, y - r * 0.05, 0.02, 0.026, (52, 40, 40))
        b.oval(x - r * 0.02, y - r * 0.36, 0.035, 0.026, mix(skin, (236, 96, 92), 96))
        b.rect(x + r * 0.3, y - r * 0.52, x + r * 0.58, y - r * 0.44, mix(skin, (120, 30, 40), 120))


def _umbrella(b: Brush, colour: Colour) -> None:
    b.line(((0.24, 1.1), (0.2, 2.0)), 0.03, (70, 60, 60))
    b.cap(0.16, 1.72, 0.66, 0.46, colour)
    b.cap(0.16, 1.72, 0.24, 0.46, shade(colour, 122))
    if b.fine:
        b.line(((0.16, 2.18), (0.16, 2.26)), 0.03, (70, 60, 60))


def _belongings(b: Brush, look: Look, hand: Number) -> None:
    kind = look.numbers[8] % 7
    if kind == 0:
        bag = look.pick(9, UMBRELLAS)
        b.rect(hand - 0.13, 0.5, hand + 0.13, 0.78, bag)
        b.rect(hand - 0.13, 0.7, hand + 0.13, 0.74, shade(bag, 78))
    elif kind == 1:
        pack = look.pick(9, FRAMES)
        b.oval(-0.25, 1.08, 0.12, 0.22, pack)
    elif kind == 2 and b.fine:
        b.rect(-0.14, 1.3, 0.14, 1.38, look.pick(9, UMBRELLAS))


def dog(b: Brush, look: Look) -> None:
    """A dog in side view: of four builds and six coats, spotted or plain."""
    coat = look.pick(0, COATS)
    dark, long_body = shade(coat, 74), look.chance(1, 0.25)
    b.zoom(look.span(2, 0.85, 1.12))
    leg, half = (0.2, 0.42) if long_body else (0.34, 0.33)
    step = look.pick(3, (0.02, 0.08))
    for x, c in ((-half + 0.14, dark), (half - 0.02, dark), (-half + 0.04, coat), (half - 0.12, coat)):
        swing = step if c is coat else -step
        b.poly(
            ((x - 0.05, leg + 0.1), (x + 0.06, leg + 0.1), (x + 0.05 + swing, 0), (x - 0.05 + swing, 0)), c
        )
    b.oval(0, leg + 0.15, half + 0.05, 0.155, coat)
    b.oval(half - 0.1, leg + 0.18, 0.17, 0.19, coat)
    wag = look.pick(4, (0.2, 0.32, 0.08))
    b.limb(-half, leg + 0.2, -half - 0.18, leg + 0.2 + wag, 0.075, dark if look.chance(6, 0.5) else coat)
    if look.chance(5, 0.35):
        b.oval(-0.08, leg + 0.22, 0.13, 0.08, shade(coat, 60) if sum(coat) > 300 else shade(coat, 150))
    hx, hy = half + 0.1, leg + 0.42
    b.limb(half - 0.06, leg + 0.24, hx - 0.02, hy - 0.02, 0.17, coat)
    b.oval(hx, hy, 0.15, 0.135, coat)
    b.oval(hx + 0.15, hy - 0.05, 0.11, 0.07, shade(coat, 118))
    b.oval(hx + 0.25, hy - 0.03, 0.032, 0.03, (38, 32, 34))
    if look.chance(6, 0.5):
        b.oval(hx - 0.09, hy - 0.04, 0.07, 0.14, dark)
    else:
        b.poly(((hx - 0.13, hy + 0.08), (hx - 0.08, hy + 0.26), (hx + 0.04, hy + 0.1)), dark)
    if b.fine:
        b.oval(hx + 0.04, hy + 0.03, 0.022, 0.026, (38, 32, 34))
    b.line(((half + 0.08, leg + 0.25), (half - 0.06, leg + 0.36)), 0.05, look.pick(7, FRAMES))


def bicycle(b: Brush, look: Look) -> None:
    """A bicycle in side view, perhaps with a basket of flowers."""
    frame, tyre = look.pick(0, FRAMES), (46, 44, 50)
    for x in (-0.52, 0.52):
        if b.fine:
            for dx, dy in ((0.3, 0), (0, 0.3), (0.21, 0.21), (0.21, -0.21)):
                b.line(((x - dx, 0.36 - dy), (x + dx, 0.36 + dy)), 0.008, (170, 172, 176))
        b.ring(x, 0.36, 0.36, 0.065, tyre)
    if look.chance(1, 0.5):  # a low step-through frame
        top = ((0.4, 0.9), (0.05, 0.5), (-0.14, 0.52))
    else:
        top = ((0.4, 0.86), (-0.2, 0.82))
    for path in (
        top,
        ((0.4, 0.82), (0.0, 0.36)),
        ((-0.22, 0.9), (0.0, 0.36)),
        ((-0.52, 0.36), (0.0, 0.36)),
        ((-0.52, 0.36), (-0.19, 0.8)),
        ((0.52, 0.36), (0.36, 1.02)),
    ):
        b.line(path, 0.065, frame)
    b.line(((-0.36, 0.94), (-0.08, 0.96)), 0.09, (70, 48, 40))
    b.line(((0.3, 1.04), (0.5, 1.08)), 0.055, (70, 60, 60))
    if look.chance(2, 0.4):
        b.rect(0.42, 0.72, 0.76, 0.98, (172, 124, 76))
        for i, x in enumerate((0.48, 0.58, 0.7)):
            b.oval(x, 1.02, 0.07, 0.07, look.pick(3 + i, UMBRELLAS))
    b.lamp(0.56, 0.8, 0.4, (255, 236, 190))


def rider(b: Brush, look: Look) -> None:
    """The person on a bicycle, to be painted over `bicycle` at the same place."""
    skin, top, legs = look.pick(2, SKIN), look.pick(3, TOPS), look.pick(6, TROUSERS)
    turn = look.pick(4, (0.16, -0.1, 0.05))
    _pedal(b, -0.04 - turn * 0.5, 0.36 - turn, shade(legs, 78))
    _pedal(b, 0.06 + turn * 0.5, 0.32 + turn, legs)
    b.poly(((-0.32, 0.98), (-0.02, 0.94), (0.2, 1.36), (0.1, 1.5), (-0.08, 1.46)), top)
    b.limb(0.1, 1.4, 0.22, 1.14, 0.12, shade(top, 84))
    b.limb(0.22, 1.14, 0.44, 1.08, 0.1, skin)
    _head(b, look, 0.16, 1.68, 0.155, skin)
    if look.chance(8, 0.4):
        b.cap(0.15, 1.72, 0.18, 0.18, look.pick(9, UMBRELLAS))


def _pedal(b: Brush, foot_x: Number, foot_y: Number, colour: Colour) -> None:
    knee = (0.16, 0.72) if foot_y > 0.34 else (0.12, 0.64)
    b.limb(-0.18, 0.98, knee[0], knee[1], 0.15, colour)
    b.limb(knee[0], knee[1], foot_x, foot_y, 0.11, colour)
    b.oval(foot_x + 0.05, foot_y - 0.04, 0.12, 0.05, SHOE)


def bicycle_front(b: Brush, look: Look) -> None:
    """A bicycle coming or going: one wheel, the handlebars."""
    frame = look.pick(0, FRAMES)
    b.oval(0, 0.36, 0.075, 0.36, (46, 44, 50))
    b.line(((0, 0.7), (0, 1.04)), 0.08, frame)
    b.line(((-0.3, 1.0), (-0.2, 1.08), (0.2, 1.08), (0.3, 1.0)), 0.065, (70, 60, 60))
    b.rect(-0.09, 0.64, 0.09, 0.76, frame)
    b.oval(0, 0.9, 0.07, 0.07, (255, 240, 200), b.dark)
    b.lamp(0, 0.9, 0.5, (255, 236, 190))


def rider_front(b: Brush, look: Look) -> None:
    """The person on `bicycle_front`."""
    skin, top, legs = look.pick(2, SKIN), look.pick(3, TOPS), look.pick(6, TROUSERS)
    up = look.pick(4, (0.28, 0.42))
    b.limb(-0.12, 0.98, -0.17, up + 0.1, 0.14, legs)
    b.limb(0.12, 0.98, 0.17, 0.75 - up, 0.14, shade(legs, 86))
    b.oval(-0.17, up, 0.07, 0.07, SHOE)
    b.oval(0.17, 0.68 - up, 0.07, 0.07, SHOE)
    b.limb(-0.2, 1.36, -0.28, 1.1, 0.11, shade(top, 82))
    b.limb(0.2, 1.36, 0.28, 1.1, 0.11, shade(top, 82))
    b.poly(((-0.16, 1.48), (0.16, 1.48), (0.23, 1.38), (0.18, 0.92), (-0.18, 0.92), (-0.23, 1.38)), top)
    _head(b, look, 0.0, 1.66, 0.155, skin)
