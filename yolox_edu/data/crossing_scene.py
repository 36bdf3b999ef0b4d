"""Who is where: composes one scene of Crossing from a random generator (explained in chapter 16).

The composition is in metres and does not know the picture's size: the same scene can be painted at any size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import crossing_cars as cars
from . import crossing_heavy as heavy
from . import crossing_people as people
from . import crossing_props as props
from .crossing_brush import Look, Number, Point
from .crossing_street import CROSS, GAP, HALF, Street
from .crossing_weather import choose_mood

NAMES = ("person", "bicycle", "car", "bus", "truck", "traffic light", "stop sign", "dog")
CATEGORY_IDS = (1, 2, 3, 6, 8, 10, 13, 18)
PERSON, BICYCLE, CAR, BUS, TRUCK, LIGHT, STOP, DOG = range(8)
NOTHING = -1  # painted, but not to be found

# kind: (how it is painted, (left, right, bottom, top) in metres, label, half its width on the ground)
ART = {
    "person": (people.person, (-0.5, 0.6, -0.03, 1.95), PERSON, 0.35),
    "dog": (people.dog, (-0.85, 0.95, -0.02, 1.1), DOG, 0.55),
    "bicycle": (people.bicycle, (-0.95, 0.95, -0.03, 1.2), BICYCLE, 0.9),
    "rider": (people.rider, (-0.6, 0.8, 0.0, 2.0), PERSON, 0.0),
    "bicycle_front": (people.bicycle_front, (-0.4, 0.4, -0.03, 1.2), BICYCLE, 0.4),
    "rider_front": (people.rider_front, (-0.45, 0.45, 0.2, 1.95), PERSON, 0.0),
    "car_side": (cars.car_side, (-2.35, 2.35, -0.03, 1.8), CAR, 2.4),
    "car_end": (cars.car_end, (-1.0, 1.0, -0.03, 1.75), CAR, 1.0),
    "bus_side": (heavy.bus_side, (-3.75, 3.75, -0.03, 3.0), BUS, 3.75),
    "bus_end": (heavy.bus_end, (-1.3, 1.3, -0.03, 3.0), BUS, 1.3),
    "truck_side": (heavy.truck_side, (-3.45, 3.1, -0.03, 3.2), TRUCK, 3.4),
    "truck_end": (heavy.truck_end, (-1.3, 1.3, -0.03, 3.15), TRUCK, 1.3),
    "traffic_light": (props.traffic_light, (-0.32, 0.32, -0.03, 1.42), LIGHT, 0.0),
    "stop_sign": (props.stop_sign, (-0.5, 0.5, -0.5, 0.5), STOP, 0.0),
    "light_pole": (props.light_pole, (-0.18, 0.18, -0.03, 2.7), NOTHING, 0.3),
    "light_gantry": (props.light_gantry, (-0.22, 3.5, -0.03, 5.5), NOTHING, 0.3),
    "sign_pole": (props.sign_pole, (-0.1, 0.1, -0.03, 2.1), NOTHING, 0.3),
    "round_sign": (props.round_sign, (-0.5, 0.5, -0.5, 0.5), NOTHING, 0.0),
    "tree": (props.tree, (-2.1, 2.2, -0.05, 6.4), NOTHING, 0.5),
    "bush": (props.bush, (-0.55, 0.6, -0.03, 1.3), NOTHING, 0.5),
    "mail_box": (props.mail_box, (-0.35, 0.35, -0.03, 1.5), NOTHING, 0.4),
    "hydrant": (props.hydrant, (-0.32, 0.32, -0.03, 0.9), NOTHING, 0.35),
    "bench": (props.bench, (-0.9, 0.9, -0.03, 1.0), NOTHING, 0.95),
    "lamp_post": (props.lamp_post, (-0.35, 0.35, -0.03, 4.3), NOTHING, 0.3),
    "pram": (props.pram, (-0.8, 0.6, -0.03, 1.45), NOTHING, 0.7),
    "table": (props.table, (-1.3, 1.3, -0.03, 2.55), NOTHING, 1.2),
    "pillar": (props.pillar, (-0.7, 0.7, -0.03, 3.3), NOTHING, 0.7),
    "board": (props.board, (-0.4, 0.4, -0.03, 1.05), NOTHING, 0.45),
    "bollard": (props.bollard, (-0.15, 0.15, -0.03, 1.0), NOTHING, 0.2),
    "pigeon": (props.pigeon, (-0.4, 0.35, -0.02, 0.4), NOTHING, 0.3),
    "lead": (props.lead, (-0.05, 1.05, 0.4, 0.95), NOTHING, 0.0),
}
CLUTTER = (
    "mail_box",
    "hydrant",
    "bench",
    "lamp_post",
    "pram",
    "table",
    "pillar",
    "board",
    "bollard",
    "bush",
    "pigeon",
    "tree",
    "tree",
    "lamp_post",
    "bush",
)


@dataclass(frozen=True)
class Thing:
    """One thing in the street: what it is, where it stands (x, z metres), `lift` metres over the ground."""

    kind: str
    x: Number
    z: Number
    look: Look
    flip: bool = False
    lift: Number = 0.0

    @property
    def label(self) -> int:
        """Its class (an index into NAMES), or NOTHING."""
        return ART[self.kind][2]


@dataclass(frozen=True)
class Scene:
    """A street and the things in it, the furthest first."""

    street: Street
    things: tuple[Thing, ...]


class Cast:
    """Places things one by one, none inside another."""

    def __init__(self, street: Street, rng: np.random.Generator) -> None:
        self.street, self.rng = street, rng
        self.things: list[Thing] = []
        self.taken: list[tuple[Number, ...]] = []
        self.shown: list[tuple[Number, ...]] = []

    def dice(self, low: Number, high: Number) -> float:
        """A random float in [low, high)."""
        return low + (high - low) * float(self.rng.random())

    def chance(self, probability: Number) -> bool:
        """True with this probability."""
        return float(self.rng.random()) < probability

    def look(self) -> Look:
        """Numbers for the looks of one thing."""
        return Look(tuple(self.rng.integers(0, 65536, 12).tolist()))

    def put(
        self,
        kind: str,
        x: Number,
        z: Number,
        lift: Number = 0.0,
        look: Look | None = None,
        flip: bool | None = None,
        deep: Number = 0.5,
    ) -> Thing | None:
        """Places a thing, or gives None where another one stands or where it would be out of sight."""
        half = ART[kind][3]
        look, flip = look or self.look(), self.chance(0.5) if flip is None else flip
        u = self.street.at(x, z)[0]
        if not -half / z < u < 1 + half / z:
            return None
        if half and any(abs(x - tx) < half + tw and abs(z - tz) < deep + td for tx, tz, tw, td in self.taken):
            return None
        clear, seen = self._view(kind, x, z)
        if half and not clear and not self.chance(0.22):
            return None
        if half:
            self.taken.append((x, z, half, deep))
            self.shown.append(seen)
        thing = Thing(kind, x, z, look, flip, lift)
        self.things.append(thing)
        return thing

    def _view(self, kind: str, x: Number, z: Number) -> tuple[bool, tuple[Number, ...]]:
        """Whether a thing would hide nothing, be hidden by nothing and be whole; and where it is seen."""
        extent, label, half = ART[kind][1:]
        (u0, v1), (u1, v0) = self.street.at(x - half, z), self.street.at(x + half, z, extent[3])
        if kind == "light_gantry":
            v1 = v0 + (v1 - v0) * 0.3
        size = (u1 - u0) * (v1 - v0)
        clear = label == NOTHING or (u0 > -0.03 * (u1 - u0) and u1 < 1 + 0.03 * (u1 - u0) and v1 < 1)
        for a0, b0, a1, b1, depth in self.shown:
            wide, high = min(u1, a1) - max(u0, a0), min(v1, b1) - max(v0, b0)
            if wide > 0 and high > 0:
                clear = clear and wide * high < 0.06 * (size if z > depth else (a1 - a0) * (b1 - b0))
        return clear, (u0, v0, u1, v1, z)

    def somewhere(self, z: Number, margin: Number = 0.04) -> float:
        """A random x that lies within the picture at distance z."""
        u = self.dice(margin, 1 - margin)
        return (u - self.street.vanish) * z


def compose(rng: np.random.Generator) -> Scene:
    """Draws the lots for one scene."""
    street = _street(rng)
    cast = Cast(street, rng)
    _signals(cast)
    _cross_traffic(cast)
    if street.avenue:
        _avenue_traffic(cast)
    _cyclists(cast)
    _dogs(cast)
    _crowd(cast)
    _clutter(cast)
    return Scene(street, tuple(sorted(cast.things, key=lambda t: -t.z)))


def _street(rng: np.random.Generator) -> Street:
    n = rng.integers(0, 65536, 8).tolist()
    f = [i / 65536 for i in n]
    horizon, eye = 0.33 + 0.12 * f[0], 2.7 + 1.7 * f[1]
    near = eye / (1 - horizon)
    kinds = ("houses", "houses", "houses", "park")
    return Street(
        vanish=0.24 + 0.52 * f[2],
        horizon=horizon,
        eye=eye,
        kerb=near * (1.2 + 0.65 * f[3]),
        mood=choose_mood(n[4] * 100 >> 16),
        season=n[5] % 4,
        left=kinds[n[6] % 4],
        right=kinds[n[6] // 4 % 4],
        avenue=n[7] % 5 != 0,
        look=Look(tuple(rng.integers(0, 65536, 64).tolist())),
    )


def _signals(cast: Cast) -> None:
    street = cast.street
    near, far = street.kerb - 0.45, street.kerb + CROSS + 0.45
    corners = [(side * 4.25, z) for side in (-1, 1) for z in (near, far)]
    kind = cast.dice(0, 1)
    lights = kind < 0.62
    for i, (x, z) in enumerate(corners):
        if lights and cast.chance(0.6):
            if z == far and cast.chance(0.4):
                flip = x > 0
                if cast.put("light_gantry", x, z, flip=flip):
                    cast.put("traffic_light", x + (-3.1 if flip else 3.1), z - 0.02, 4.0)
            elif cast.put("light_pole", x, z):
                cast.put("traffic_light", x, z - 0.02, 2.3)
        elif (not lights or i == 3) and cast.chance(0.55):
            sign = "stop_sign" if cast.chance(0.78) else "round_sign"
            if cast.put("sign_pole", x, z):
                cast.put(sign, x, z - 0.02, 2.25, flip=False)
    if street.avenue and cast.chance(0.3):  # the next crossing, down the avenue
        z = street.front + cast.dice(4, 12)
        for x in (-4.2, 4.2):
            if cast.chance(0.75) and cast.put("light_pole", x, z):
                cast.put("traffic_light", x, z - 0.02, 2.3)
    for _ in range(2):
        if cast.chance(0.4):
            z = cast.dice(street.kerb + CROSS + 0.6, street.front + (12 if street.avenue else -0.4))
            x = cast.somewhere(z) if z < street.front - 0.4 else (4.3 if cast.chance(0.5) else -4.3)
            if abs(x) > HALF + 0.3 and cast.put("sign_pole", x, z):
                cast.put("stop_sign" if cast.chance(0.5) else "round_sign", x, z - 0.02, 2.25, flip=False)


def _cross_traffic(cast: Cast) -> None:
    for lane, flip in ((1.7, False), (5.2, True)):
        z = cast.street.kerb + lane
        wanted = int(cast.dice(0, 2.8))
        for _ in range(5):
            kind = _vehicle(cast) + "_side"
            if wanted and cast.put(kind, cast.somewhere(z, -0.05), z, flip=flip, deep=1.2):
                wanted -= 1


def _vehicle(cast: Cast) -> str:
    n = cast.dice(0, 1)
    return "car" if n < 0.48 else "bus" if n < 0.75 else "truck"


def _avenue_traffic(cast: Cast) -> None:
    street = cast.street
    if cast.chance(0.22):  # waiting, or leaving, on this side
        z = (
            cast.dice(street.near * 1.02, street.kerb - 3.6)
            if street.kerb - 3.6 > street.near
            else street.near
        )
        x = -1.85 if cast.chance(0.4) else 1.85
        cast.put("car_end", x, max(z, street.near), look=_facing(cast, x), deep=2.0, flip=False)
    z = street.front + cast.dice(-2, 8)
    while z < 68:
        x = -1.85 if cast.chance(0.55) else 1.85
        cast.put(_vehicle(cast) + "_end", x, z, look=_facing(cast, x), deep=3.0, flip=False)
        z += cast.dice(3, 14)


def _facing(cast: Cast, x: Number) -> Look:
    """We drive on the right: what is left of the middle comes towards us."""
    numbers = list(cast.look().numbers)
    numbers[3] = 0 if x < 0 else 65535
    return Look(tuple(numbers))


def _cyclists(cast: Cast) -> None:
    street = cast.street
    if cast.chance(0.55):
        z = street.kerb + (0.55 if cast.chance(0.5) else CROSS - 0.55)
        _ride(cast, "", cast.somewhere(z, 0.08), z, z > street.kerb + 3)
    if street.avenue and cast.chance(0.36):
        x = -3.2 if cast.chance(0.5) else 3.2
        _ride(cast, "_front", x, cast.dice(street.front - 1, 34), False)
    for _ in range(2):  # parked
        if cast.chance(0.32):
            near = cast.chance(0.4)
            z = (
                cast.dice(street.near * 1.04, street.kerb - 0.6)
                if near
                else street.front - cast.dice(0.5, 2.4)
            )
            x = cast.somewhere(z, 0.06)
            if abs(x) > HALF + 1:
                cast.put("bicycle", x, z, deep=0.3)


def _ride(cast: Cast, view: str, x: Number, z: Number, flip: bool) -> None:
    if cast.put("bicycle" + view, x, z, flip=flip):
        cast.put("rider" + view, x, z - 0.02, flip=flip)


def _spot(cast: Cast) -> Point | None:
    """Somewhere a pedestrian may be: pavements near and far, zebras, the avenue's pavements."""
    street = cast.street
    kerb, far, n = street.kerb, street.kerb + CROSS, cast.dice(0, 1)
    if n < 0.13:
        z = cast.dice(street.near * 1.03, kerb - 0.5)
        x = cast.somewhere(z)
        return (x, z) if abs(x) > HALF + 0.3 else None
    if n < 0.22:
        return cast.dice(-3.4, 3.4), cast.dice(kerb - 3, kerb - 1)
    if n < 0.3:
        return cast.dice(4.7, 6.7) * (-1 if cast.chance(0.5) else 1), cast.dice(kerb + 0.4, far - 0.4)
    if n < 0.42 and street.avenue:
        return cast.dice(-3.4, 3.4), cast.dice(far + 0.7, far + 2.8)
    if n < 0.66 or not street.avenue:
        z = cast.dice(far + 0.5, street.front - 0.4)
        x = cast.somewhere(z)
        return (x, z) if abs(x) > HALF + 0.3 or not street.avenue else None
    return cast.dice(HALF + 0.4, GAP - 0.5) * (-1 if cast.chance(0.5) else 1), cast.dice(street.front, 33)


def _crowd(cast: Cast) -> None:
    wanted = int(cast.dice(1, 7))
    for _ in range(16):
        spot = _spot(cast)
        if wanted and spot and cast.put("person", *spot, deep=0.3):
            wanted -= 1


def _dogs(cast: Cast) -> None:
    wanted = int(cast.dice(0, 2.5))
    for _ in range(6):
        spot = _spot(cast) if wanted else None
        if not spot:
            continue
        x, z = spot
        dog = cast.put("dog", x, z, deep=0.3)
        wanted -= dog is not None
        if dog and cast.chance(0.55):
            behind = 1 if dog.flip else -1
            if cast.put("person", x + behind * 1.35, z + 0.03, flip=dog.flip, deep=0.2):
                cast.put("lead", x + behind * 0.95, z + 0.01, flip=dog.flip)


def _clutter(cast: Cast) -> None:
    street = cast.street
    season = street.season
    for _ in range(int(cast.dice(2, 7))):
        kind = CLUTTER[int(cast.dice(0, len(CLUTTER)))]
        look = Look((season, *cast.look().numbers[1:]))
        n = cast.dice(0, 1)
        if n < 0.25:
            z = cast.dice(street.near * 1.05, street.kerb - 0.4)
            if kind == "tree":
                continue
        elif n < 0.75 or not street.avenue:
            z = cast.dice(street.kerb + CROSS + 0.5, street.front - 0.3)
        else:
            z = cast.dice(street.front, 40)
        x = cast.somewhere(z) if z < street.front else (4.5 if cast.chance(0.5) else -4.5)
        if abs(x) > HALF + 0.6:
            cast.put(kind, x, z, look=look)
    for side, what in ((-1, street.left), (1, street.right)):
        if what == "park":
            for _ in range(3):
                z = cast.dice(street.front + 0.5, 30)
                kind = "tree" if cast.chance(0.7) else "bush"
                cast.put(
                    kind, side * cast.dice(GAP + 0.6, 14), z, look=Look((season, *cast.look().numbers[1:]))
                )
