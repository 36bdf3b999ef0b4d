"""The stage of Crossing: sky, hills, houses, road and pavement in perspective (explained in chapter 16).

Metres: x to the right of the camera, z away from it, y up. A point is seen at
u = vanish + x / z, v = horizon + (eye - y) / z, in sides of the picture: twice as far is half as large.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from PIL import Image, ImageDraw

from .crossing_brush import Colour, Look, Number, Point, mix, shade, toned
from .crossing_houses import house_front, house_side
from .crossing_props import LEAVES, SEASONS
from .crossing_trim import trim_ground, trim_houses, trim_sky
from .crossing_weather import Mood

HALF = 3.7  # half the avenue's road
GAP = 6.4  # from the avenue's middle to the houses
CROSS = 7.0  # width of the street that crosses
PAVED = 3.4  # the far pavement, from kerb to houses
END = 90.0  # where the avenue ends
ASPHALT: Colour = (142, 138, 142)
PAVING: Colour = (222, 206, 184)
KERB: Colour = (240, 230, 214)
WHITE: Colour = (248, 244, 234)
SNOW: Colour = (240, 244, 250)
WINTER = 3  # the season with snow on the roofs and the grass
ROOFS: list[Colour] = [(178, 92, 72), (120, 104, 112), (150, 84, 70), (104, 116, 128)]


@dataclass(frozen=True)
class Street:
    """One crossing seen from one place. `kerb` is the distance of the crossing street's near edge, `left` and
    `right` say what stands at the far corners ("houses", "park"), `avenue` whether the street goes on."""

    vanish: Number
    horizon: Number
    eye: Number
    kerb: Number
    mood: Mood
    season: int
    left: str
    right: str
    avenue: bool
    look: Look

    @property
    def near(self) -> float:
        """Distance of the ground at the picture's lower edge, in metres."""
        return self.eye / (1 - self.horizon)

    @property
    def front(self) -> float:
        """Distance of the houses' fronts, in metres."""
        return self.kerb + CROSS + PAVED

    def at(self, x: Number, z: Number, y: Number = 0.0) -> Point:
        """Where a point is seen, in sides of the picture."""
        return self.vanish + x / z, self.horizon + (self.eye - y) / z

    def fog(self, z: Number) -> int:
        """How much haze (of 256) lies before something z metres away."""
        return int(self.mood.fog * max(0.0, z - 6.0) / (z + 46.0)) & ~3  # in steps, so that colours repeat


class Stage:
    """Paints the ground and the walls of a `Street` on a canvas of `size` x `size` pixels."""

    def __init__(self, street: Street, size: int) -> None:
        self.street, self.size = street, size
        self.u0, self.v0 = street.vanish * size, street.horizon * size
        self.inks: dict[tuple[Colour, Number], Colour] = {}  # colours already mixed
        self.image = Image.new("RGB", (size, size))
        self.draw = ImageDraw.Draw(self.image)

    def poly(
        self,
        points: Iterable[tuple[Number, Number, Number]],
        colour: Colour,
        depth: Number = 12.0,
        lit: bool = False,
    ) -> None:
        """A polygon through points (x, z, y)."""
        n, u0, v0, eye = self.size, self.u0, self.v0, self.street.eye
        flat = [(int(u0 + x * n / z), int(v0 + (eye - y) * n / z)) for x, z, y in points]
        self.draw.polygon(flat, self.ink(colour, depth, lit))

    def rect(
        self, x0: Number, y0: Number, x1: Number, y1: Number, z: Number, colour: Colour, lit: bool = False
    ) -> None:
        """A rectangle that faces the camera, z metres away."""
        k, u0, v0 = self.size / z, self.u0, self.v0 + self.street.eye * self.size / z
        corners = (int(u0 + x0 * k), int(v0 - y1 * k), int(u0 + x1 * k), int(v0 - y0 * k))
        self.draw.rectangle(corners, self.ink(colour, z, lit))

    def ground(self, x0: Number, x1: Number, z0: Number, z1: Number, colour: Colour) -> None:
        """A patch of ground between two sides and two distances."""
        self.poly(((x0, z0, 0), (x1, z0, 0), (x1, z1, 0), (x0, z1, 0)), colour, (z0 + z1) / 2)

    def roof(self, number: int) -> Colour:
        """The colour of a roof; white in winter."""
        return mix(ROOFS[number % len(ROOFS)], SNOW, 190 if self.street.season == WINTER else 0)

    def grass(self) -> Colour:
        """The colour of grass in this season."""
        return ((150, 190, 104), (134, 178, 98), (176, 168, 92), SNOW)[self.street.season]

    def ink(self, colour: Colour, depth: Number, lit: bool = False) -> Colour:
        """The colour in this light at this distance."""
        if lit:
            return colour
        known = self.inks.get((colour, depth))
        if known is None:
            mood = self.street.mood
            known = self.inks[colour, depth] = toned(colour, mood.tint, mood.haze, self.street.fog(depth))
        return known


def paint_stage(street: Street, size: int) -> Image.Image:
    """Sky, ground and houses, at twice the resolution and reduced: RGB, `size` x `size`."""
    stage = Stage(street, size * 2)
    _sky(stage)
    trim_sky(stage)
    _hills(stage)
    _ground(stage)
    _road(stage)
    trim_ground(stage)
    _blocks(stage)
    trim_houses(stage)
    return stage.image.reduce(2)


def _sky(stage: Stage) -> None:
    street, n = stage.street, stage.size
    top, low = street.mood.sky
    bands = 40
    edge = int(street.horizon * n) + 2
    for i in range(bands):
        y = edge * i // bands
        stage.draw.rectangle((0, y, n, edge * (i + 1) // bands), mix(top, low, 256 * i // bands))
    look = street.look
    if street.mood.name == "night":
        for i in range(28):
            x, y = look.numbers[i] * n >> 16, look.numbers[i + 28] * edge >> 16
            stage.draw.rectangle((x, y, x + n // 400, y + n // 400), (210, 214, 236))
    if street.mood.name in ("morning", "golden", "dusk", "night"):
        _sun(stage, look.span(0, 0.1, 0.9), look.span(1, 0.2, 0.75))
    for i in range(look.numbers[2] % 4 + 1):
        _cloud(
            stage,
            look.span(3 + i, -0.05, 1.0),
            street.horizon * look.span(7 + i, 0.05, 0.7),
            look.numbers[3 + i],
        )


def _sun(stage: Stage, u: Number, share: Number) -> None:
    n, (top, low) = stage.size, stage.street.mood.sky
    x, y, r = (
        int(u * n),
        int(stage.street.horizon * n * share),
        n // (30 if stage.street.mood.name == "night" else 22),
    )
    here = mix(top, low, int(256 * share))
    for wide, light in ((26, 34), (21, 58), (16, 88), (10, 256)):
        q = r * wide // 10
        stage.draw.ellipse((x - q, y - q, x + q, y + q), mix(here, (255, 242, 208), light))


def _cloud(stage: Stage, u: Number, v: Number, seed: int) -> None:
    n, mood = stage.size, stage.street.mood
    wide = 0.07 + (seed % 16) * 0.004
    low = mix(mood.cloud, mood.sky[1], 110)
    for colour, drop in ((low, 0.012), (mood.cloud, 0.0)):
        for dx, dy, r in ((-0.9, 0.0, 0.5), (-0.3, -0.35, 0.75), (0.4, -0.2, 0.65), (1.0, 0.05, 0.42)):
            x, y, rx = (u + dx * wide) * n, (v + drop + dy * wide * 0.6) * n, r * wide * n
            stage.draw.ellipse((int(x - rx), int(y - rx * 0.5), int(x + rx), int(y + rx * 0.5)), colour)


def _hills(stage: Stage) -> None:
    street, n = stage.street, stage.size
    leaves = LEAVES[SEASONS[street.season]]
    y = int(street.horizon * n)
    for i, (height, fog) in enumerate(((0.09, 150), (0.05, 90))):
        colour = toned(leaves[2 + i], street.mood.tint, street.mood.haze, fog)
        for k in range(4):
            x = int((street.look.span(11 + i * 4 + k, -0.1, 0.3) + k * 0.28) * n)
            r, h = int(0.26 * n), int((height + 0.02 * k * (1 - i)) * n * 0.7)
            stage.draw.ellipse((x - r, y - h, x + r, y + h), colour)
    roof = toned((176, 96, 80), street.mood.tint, street.mood.haze, 120)
    wall = toned((238, 222, 196), street.mood.tint, street.mood.haze, 110)
    x, w, h = int((street.vanish + street.look.span(19, -0.06, 0.06)) * n), n // 60, n // 14
    stage.draw.rectangle((x - w, y - h, x + w, y), wall)  # a church at the end of the avenue
    stage.draw.polygon([(x - w - 1, y - h), (x + w + 1, y - h), (x, y - h - n // 18)], roof)


def _ground(stage: Stage) -> None:
    street, n = stage.street, stage.size
    y, steps = int(street.horizon * n), 24
    for i in range(steps):  # fields at the horizon, then the pavement, a little lighter far away
        y0, y1 = y + (n - y) * i // steps, y + (n - y) * (i + 1) // steps
        depth = min(street.eye / max((y0 / n - street.horizon), 0.01), END)
        stage.draw.rectangle((0, y0, n, y1), stage.ink(PAVING if depth < 60 else stage.grass(), depth))
    line = shade(PAVING, 92)
    z = street.near
    while z < street.kerb:  # slabs
        stage.ground(-30, 30, z, z + 0.05, line)
        z += 1.1
    for k in range(-9, 10):
        x = k * 1.4
        stage.poly(
            (
                (x, street.near * 0.9, 0),
                (x + 0.05, street.near * 0.9, 0),
                (x + 0.05, street.kerb, 0),
                (x, street.kerb, 0),
            ),
            line,
            street.kerb,
        )
    for side, what in ((-1, street.left), (1, street.right)):
        if what == "park":
            _park(stage, side)


def _park(stage: Stage, side: int) -> None:
    street, grass = stage.street, stage.grass()
    start, z = side * (GAP if street.avenue else 0.0), street.front
    while z < END:
        step = z * 0.25
        stage.ground(start, side * 200, z, min(z + step + 0.2, END), grass)
        z += step
    hedge = shade(LEAVES[SEASONS[street.season]][2], 84)
    stage.poly(((start, 44, 0), (start, 44, 1.6), (side * 60, 44, 1.6), (side * 60, 44, 0)), hedge, 44)
    for k in range(7):  # tree tops over the hedge
        (u, v), r = street.at(start + side * (1.5 + k * 4.6), 44, 2.4), 2.6 + street.look.numbers[k] % 5 * 0.3
        n, r = stage.size, r / 44 * stage.size
        leaf = LEAVES[SEASONS[street.season]][street.look.numbers[k] % 4]
        stage.draw.ellipse(
            (int(u * n - r), int(v * n - r), int(u * n + r), int(v * n + r * 0.8)), stage.ink(leaf, 44)
        )
    white = street.season == WINTER
    for k in range(30):  # flowers, or tracks in the snow
        a, b = street.look.numbers[k] / 65536, street.look.numbers[k + 30] / 65536
        z = street.front + 0.8 + 14 * a * a
        x = start + side * (0.5 + 12 * b)
        stage.rect(
            x,
            0,
            x + 0.16,
            0.16,
            z,
            shade(grass, 90) if white else ((250, 236, 150), (246, 246, 240), (236, 130, 130))[k % 3],
        )


def _road(stage: Stage) -> None:
    street = stage.street
    near, kerb, far = street.near * 0.85, street.kerb, street.kerb + CROSS
    asphalt = shade(ASPHALT, 86) if street.mood.wet else ASPHALT
    end = END if street.avenue else far
    stage.poly(
        ((-HALF - 0.25, near, 0), (HALF + 0.25, near, 0), (HALF + 0.25, end, 0), (-HALF - 0.25, end, 0)),
        KERB,
        kerb,
    )
    stage.ground(-60, 60, kerb - 0.25, far + 0.3, KERB)
    stage.ground(-60, 60, kerb, far, asphalt)
    z = near
    while z < end - 0.5:  # in pieces, so that the haze grows with distance
        step = min(z * 0.35, end - z)
        stage.ground(-HALF, HALF, z, z + step + 0.1, asphalt)
        z += step
    _marks(stage, near, kerb, far, end)
    if street.mood.wet:
        for i in range(4):  # puddles
            x, z = street.look.span(20 + i, -6, 6), street.look.span(24 + i, near * 1.1, far)
            _puddle(stage, x, z, street.look.span(20 + i, 0.5, 1.3))


def _puddle(stage: Stage, x: Number, z: Number, r: Number) -> None:
    street, n = stage.street, stage.size
    (u0, v0), (u1, v1) = street.at(x - r, z + r * 0.6), street.at(x + r, z - r * 0.6)
    stage.draw.ellipse(
        (int(u0 * n), int(v0 * n), int(u1 * n), int(v1 * n)), mix(street.mood.sky[1], (120, 120, 130), 90)
    )


def _marks(stage: Stage, near: Number, kerb: Number, far: Number, end: Number) -> None:
    for k in range(8):  # zebras: over the avenue before and behind the crossing
        x = -3.45 + k * 0.92
        stage.ground(x, x + 0.5, kerb - 3.1, kerb - 0.8, WHITE)
        if stage.street.avenue:
            stage.ground(x, x + 0.5, far + 0.6, far + 2.9, WHITE)
    for k in range(7):  # and over the street that crosses, on both sides
        z = kerb + 0.35 + k * 0.95
        for side in (-1, 1):
            stage.ground(side * 4.5, side * 6.9, z, z + 0.52, WHITE)
    middle = (kerb + far) / 2
    for k in range(6):
        for side in (-1, 1):
            x = side * (8.2 + k * 3.0)
            stage.ground(x, x + side * 1.6, middle - 0.07, middle + 0.07, WHITE)
    z = far + 4
    while stage.street.avenue and z < end:
        stage.ground(-0.08, 0.08, z, z + 2, WHITE)
        z += 4.5
    stage.ground(0.15, HALF - 0.1, kerb - 3.9, kerb - 3.55, WHITE)


def _blocks(stage: Stage) -> None:
    street = stage.street
    front = street.front
    sides = ((-1, street.left), (1, street.right))
    if street.avenue:
        for side, what in sides:
            if what == "houses":
                for k in range(5, -1, -1):
                    z = front + k * 11
                    house_side(stage, side, z, z + 11, street.look.numbers[28 + k * 2 + (side > 0)])
    for side, what in sides:
        if what == "houses":
            x, k = (GAP if street.avenue else 0.0), 0
            while k < 5 and 0 < street.at(side * x, front)[0] < 1:
                seed = street.look.numbers[40 + k * 2 + (side > 0)]
                wide = 5.2 + seed % 5 * 0.7
                house_front(stage, min(side * x, side * (x + wide)), wide, front, seed)
                x, k = x + wide, k + 1
