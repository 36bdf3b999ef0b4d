"""Paints a scene of Crossing and reads every box from the silhouette that is left to see (chapter 16).

The rule of what counts: a box is the extent of a thing's *visible* pixels, as in COCO. A thing of which less
than `SEEN` is to be seen (the rest hidden by others or cut off by the frame), or whose visible part is
narrower than `NARROW` pixels at side 320, is left out of the picture altogether, not painted without a label.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .crossing_brush import Brush, Lamp, Sheet
from .crossing_scene import ART, NOTHING, Scene, Thing
from .crossing_street import WINTER, Street, paint_stage
from .crossing_weather import add_lamps, add_rain, add_snow, develop

SEEN = 0.4  # visible fraction under which a thing is left out
NARROW = 5.0  # pixels at side 320
FAINT = [i * 46 >> 8 for i in range(256)]  # the strength of reflections


class Seen(NamedTuple):
    """What the picture shows of one labelled thing: box xyxy in pixels, visible fraction, visible pixels."""

    label: int
    box: tuple[int, int, int, int]
    visible: float
    area: int


def find(scene: Scene, size: int) -> list[Seen]:
    """What is to be found in the picture of a scene, without painting the picture: `paint` says the same."""
    sheets = [paint_thing(thing, scene.street, size) for thing in scene.things]
    return visible_things(scene.things, sheets, size)[1]


def paint(scene: Scene, size: int, rng: np.random.Generator) -> tuple[np.ndarray, list[Seen]]:
    """Paints a scene at `size` x `size`: the picture uint8 [size, size, 3] and what is to be found in it."""
    street = scene.street
    sheets = [paint_thing(thing, street, size) for thing in scene.things]
    kept, seen, lamps = visible_things(scene.things, sheets, size)
    picture = paint_stage(street, size)
    _shadows(picture, [scene.things[i] for i in kept], street, size)
    if street.mood.wet:
        for i in kept:
            _reflection(picture, sheets[i], scene.things[i], street, size)
    for i in kept:
        image, left, top, _ = sheets[i]
        picture.paste(image, (left, top), image)
    picture = add_lamps(picture, lamps)
    if street.mood.wet:
        picture = (add_snow if street.season == WINTER else add_rain)(picture, rng)
    return develop(picture, rng), seen


def paint_thing(thing: Thing, street: Street, size: int) -> Sheet:
    """One thing on a sheet of its own, where it belongs in a picture of this size."""
    art, extent, _, _ = ART[thing.kind]
    mood, scale = street.mood, size / thing.z
    u, v = street.at(thing.x, thing.z, thing.lift)
    eye = (street.eye, thing.x, thing.z)
    if thing.kind.endswith("_end"):
        extent = _widened(extent, eye)
    elif thing.kind == "person" and mood.wet:
        extent = (-0.62, 0.88, -0.03, 2.5)  # room for an umbrella
    light = (mood.tint, mood.haze, street.fog(thing.z), mood.dark, mood.wet)
    brush = Brush(extent, (u * size, v * size), scale, light, thing.flip, eye)
    art(brush, thing.look)
    return brush.done()


def _widened(extent, eye):
    """Room on the sheet for the far end of a vehicle in perspective."""
    left, right, bottom, top = extent
    height, aside, distance = eye
    r = distance / (distance + 9.0)  # none is longer than nine metres
    shift = -aside * (1 - r)
    far = max(top, top * r + height * (1 - r))
    return min(left, left + shift), max(right, right + shift), bottom, far


def visible_things(
    things: Sequence[Thing], sheets: Sequence[Sheet], size: int
) -> tuple[list[int], list[Seen], list[Lamp]]:
    """Front to back: which things stay (indices, furthest first), what is seen of them, and their lamps."""
    covered = np.zeros((size, size), bool)
    kept, seen, lamps = [], [], []
    for i in range(len(things) - 1, -1, -1):
        image, left, top, glow = sheets[i]
        x0, y0 = max(left, 0), max(top, 0)
        x1, y1 = min(left + image.width, size), min(top + image.height, size)
        if x0 >= x1 or y0 >= y1:
            continue
        solid = np.asarray(image.getchannel(3)) > 127
        here, under = solid[y0 - top : y1 - top, x0 - left : x1 - left], covered[y0:y1, x0:x1]
        if things[i].label != NOTHING:
            found = _measure(things[i].label, here & ~under, solid, x0, y0, size)
            if found is None:
                continue
            seen.append(found)
        lamps += [a for a in glow if 0 <= a.x < size and 0 <= a.y < size and not covered[int(a.y), int(a.x)]]
        under |= here
        kept.append(i)
    return kept[::-1], seen[::-1], lamps


def _measure(label: int, shown: np.ndarray, solid: np.ndarray, x0: int, y0: int, size: int) -> Seen | None:
    area = int(np.count_nonzero(shown))
    whole = int(np.count_nonzero(solid))
    if area < SEEN * whole or area == 0:
        return None
    rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
    left, right = x0 + int(columns[0]), x0 + int(columns[-1]) + 1
    top, bottom = y0 + int(rows[0]), y0 + int(rows[-1]) + 1
    if min(right - left, bottom - top) < max(3.0, NARROW * size / 320):
        return None
    return Seen(label, (left, top, right, bottom), area / whole, area)


def _shadows(picture: Image.Image, things: list[Thing], street: Street, size: int) -> None:
    """Soft shadows on the ground, away from the sun."""
    n = size // 2
    layer = Image.new("L", (n, n))
    draw = ImageDraw.Draw(layer)
    slant = street.mood.slant
    for thing in things:
        half = ART[thing.kind][3]
        if not half:
            continue
        u, v = street.at(thing.x, thing.z)
        s = n / thing.z
        x, y, rx, ry = u * n, v * n, half * s * 1.04, max(1.0, min(half, 0.9) * s * 0.3)
        draw.ellipse((int(x - rx), int(y - ry), int(x + rx), int(y + ry)), 255)
        if slant:
            tall = min(ART[thing.kind][1][3], 3.0) * s * 0.35
            far, end, w = x + slant * tall, int(y - tall * 0.45), rx * 0.8
            draw.polygon(
                ((int(x - rx), int(y)), (int(x + rx), int(y)), (int(far + w), end), (int(far - w), end)), 200
            )
    layer = layer.filter(ImageFilter.BoxBlur(max(1, n // 130)))
    layer, strength = layer.resize((size, size), Image.Resampling.BILINEAR), street.mood.shadow
    picture.paste((44, 36, 62), (0, 0), layer.point([i * strength >> 8 for i in range(256)]))


def _reflection(picture: Image.Image, sheet: Sheet, thing: Thing, street: Street, size: int) -> None:
    """What a wet road mirrors: the thing upside down, faint."""
    foot = int(street.at(thing.x, thing.z)[1] * size)
    low, (wide, high) = foot - sheet.top, sheet.image.size
    part = sheet.image.crop((0, max(0, low - high * 3 // 4), wide, max(1, low)))
    mirror = part.transpose(Image.Transpose.FLIP_TOP_BOTTOM).point(FAINT * 4)
    picture.paste(mirror, (sheet.left, foot), mirror)
