"""Trimmings of Crossing that make the street friendlier and are never labelled (chapter 16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .crossing_brush import Colour, mix, shade

if TYPE_CHECKING:
    from .crossing_street import Stage

FLAGS: list[Colour] = [(214, 74, 62), (244, 196, 76), (74, 130, 172), (250, 244, 228), (104, 160, 112)]
FALLEN: tuple[list[Colour], ...] = (
    [(250, 200, 208), (246, 224, 226)],  # petals in spring
    [],
    [(224, 132, 52), (238, 178, 66), (190, 84, 50)],  # leaves in autumn
    [],
)


def trim_sky(stage: Stage) -> None:
    """Birds, and now and then a balloon, before the houses are painted."""
    look, mood = stage.street.look, stage.street.mood
    n, v = stage.size, stage.street.horizon
    if mood.wet or mood.name == "night":
        return
    if look.chance(60, 0.4):
        for i in range(look.numbers[60] % 4 + 2):
            x, y = look.span(50 + i, 0.1, 0.9) * n, look.span(44 + i, 0.08, 0.55) * v * n
            w = n * (0.008 + 0.001 * (i % 3))
            wings = [(int(x - w), int(y - w * 0.5)), (int(x), int(y)), (int(x + w), int(y - w * 0.6))]
            stage.draw.line(wings, mix(mood.sky[0], (50, 54, 80), 170), max(1, n // 260))
    if look.chance(61, 0.16):
        _balloon(stage, int(look.span(62, 0.15, 0.85) * n), int(look.span(63, 0.3, 0.6) * v * n))


def _balloon(stage: Stage, x: int, y: int) -> None:
    r = stage.size // 26
    colour = FLAGS[stage.street.look.numbers[59] % 3]
    main, stripe = stage.ink(colour, 40), stage.ink(FLAGS[3], 40)
    stage.draw.ellipse((x - r, y - r, x + r, y + r), main)
    stage.draw.polygon(
        [(x - r * 9 // 10, y + r // 3), (x + r * 9 // 10, y + r // 3), (x, y + r * 17 // 10)], main
    )
    stage.draw.ellipse((x - r // 3, y - r, x + r // 3, y + r * 12 // 10), stripe)
    stage.draw.rectangle((x - r // 5, y + r * 16 // 10, x + r // 5, y + r * 2), stage.ink((140, 92, 60), 40))


def trim_ground(stage: Stage) -> None:
    """A manhole cover, and what fell from the trees."""
    street, look, n = stage.street, stage.street.look, stage.size
    x, z = look.span(56, -2.6, 2.6), street.kerb + look.span(57, 1.0, 6.0)
    for r, c in ((0.42, (112, 108, 112)), (0.34, (128, 124, 126))):
        (u0, v0), (u1, v1) = street.at(x - r, z + r), street.at(x + r, z - r)
        stage.draw.ellipse((int(u0 * n), int(v0 * n), int(u1 * n), int(v1 * n)), stage.ink(c, z))
    colours = FALLEN[street.season]
    if not colours:
        return
    for k in range(40):
        a, b = look.numbers[k] / 65536, look.numbers[(k + 21) % 64] / 65536
        z = street.near + (street.front - street.near) * a * a
        x = (b * 1.1 - 0.05 - street.vanish) * z
        stage.poly(
            ((x, z, 0), (x + 0.08, z - 0.08, 0), (x + 0.18, z, 0), (x + 0.08, z + 0.1, 0)),
            colours[k % len(colours)],
            z,
        )


def trim_houses(stage: Stage) -> None:
    """Flags over the avenue on some days."""
    street = stage.street
    if not (street.avenue and street.left == street.right == "houses" and street.look.chance(58, 0.3)):
        return
    for z, height in ((street.front + 9, 7.4), (street.front + 1.5, 6.6)):
        previous = (-6.4, z, height)
        for i in range(1, 15):
            t = i / 14
            x, y = -6.4 + 12.8 * t, height - 1.6 * 4 * t * (1 - t)
            px, py = previous[0], previous[2]
            stage.poly(((px, z, py), (x, z, y), (x, z, y + 0.06), (px, z, py + 0.06)), (90, 80, 84), z)
            middle = (px + x) / 2, (py + y) / 2
            flag = ((px + 0.12, z, py), (x - 0.12, z, y), (middle[0], z, middle[1] - 0.75))
            stage.poly(flag, shade(FLAGS[i % len(FLAGS)], 100), z)
            previous = (x, z, y)
