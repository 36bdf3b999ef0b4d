"""Light and weather of Crossing: how an hour tints colours, and what the air and the lens do (chapter 16)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from .crossing_brush import Colour, Lamp, Number


@dataclass(frozen=True)
class Mood:
    """An hour and its weather. `tint` multiplies every colour (256 = white light); `haze` lies before far
    things, `fog` / 256 of it at the horizon; `shadow` / 256 is how dark shadows are, `slant` their length."""

    name: str
    sky: tuple[Colour, Colour]
    cloud: Colour
    tint: Colour
    haze: Colour
    fog: int
    shadow: int
    slant: Number
    dark: bool = False
    wet: bool = False


MOODS = (
    Mood(
        "morning",
        ((126, 188, 222), (252, 232, 204)),
        (255, 250, 240),
        (262, 254, 240),
        (244, 226, 206),
        96,
        84,
        -0.9,
    ),
    Mood(
        "noon",
        ((96, 172, 226), (214, 236, 240)),
        (255, 255, 255),
        (262, 260, 254),
        (214, 232, 238),
        84,
        96,
        0.4,
    ),
    Mood(
        "golden",
        ((142, 178, 206), (255, 216, 156)),
        (255, 236, 208),
        (270, 248, 216),
        (252, 216, 168),
        104,
        92,
        1.5,
    ),
    Mood(
        "grey",
        ((176, 192, 204), (226, 228, 224)),
        (240, 240, 238),
        (244, 246, 250),
        (214, 220, 222),
        104,
        40,
        0.0,
    ),
    Mood(
        "rain",
        ((126, 144, 164), (190, 200, 206)),
        (164, 178, 192),
        (206, 216, 232),
        (170, 184, 196),
        124,
        40,
        0.0,
        wet=True,
    ),
    Mood(
        "dusk",
        ((84, 84, 140), (250, 166, 128)),
        (240, 150, 140),
        (198, 168, 190),
        (206, 140, 140),
        92,
        56,
        1.2,
        dark=True,
    ),
    Mood(
        "night",
        ((26, 34, 74), (86, 84, 128)),
        (60, 66, 110),
        (122, 128, 176),
        (62, 66, 110),
        84,
        40,
        0.0,
        dark=True,
    ),
)
CHANCES = (24, 44, 62, 70, 84, 94, 100)  # cumulative, per hundred


def choose_mood(number: int) -> Mood:
    """The mood that belongs to a random number in 0..99."""
    return next(m for m, edge in zip(MOODS, CHANCES, strict=True) if number < edge)


@lru_cache(maxsize=1)
def _glow() -> Image.Image:
    """A round spot of light, 64 x 64, brightest in the middle: (1 - r^2)^2."""
    n = np.arange(64) * 2 - 63
    near = np.clip(4096 - (n[:, None] ** 2 + n[None, :] ** 2), 0, None)  # integers: the same on any machine
    return Image.fromarray((near * near * 170 // 4096**2).astype(np.uint8))


def add_lamps(picture: Image.Image, lamps: list[Lamp]) -> Image.Image:
    """Adds the glow of lamps to a picture (screen blend at half its resolution)."""
    if not lamps:
        return picture
    wide, high = picture.size
    layer = Image.new("RGB", (wide // 2, high // 2))
    for lamp in lamps:
        r = max(2, int(lamp.radius / 2))
        spot = _glow().resize((2 * r, 2 * r), Image.Resampling.BILINEAR)
        x, y = int(lamp.x / 2) - r, int(lamp.y / 2) - r
        tile = Image.composite(Image.new("RGB", spot.size, lamp.colour), Image.new("RGB", spot.size), spot)
        under = layer.crop((x, y, x + 2 * r, y + 2 * r))
        layer.paste(ImageChops.add(under, tile), (x, y))
    return ImageChops.screen(picture, layer.resize(picture.size, Image.Resampling.BILINEAR))


def add_rain(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Draws slanting streaks of rain."""
    wide, high = picture.size
    layer = Image.new("L", picture.size)
    draw = ImageDraw.Draw(layer)
    drops = rng.integers(0, 65536, (110, 3)).tolist()
    for x, y, n in drops:
        x, y, long = x * wide >> 16, y * high >> 16, (8 + (n & 15)) * high // 320
        draw.line((x, y, x - long // 4, y + long), 60 + (n >> 8 & 63), max(1, wide // 400))
    return _veil(picture, (222, 232, 242), layer)


def add_snow(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Draws snowflakes, the near ones larger."""
    wide, high = picture.size
    layer = Image.new("L", (wide * 2, high * 2))
    draw = ImageDraw.Draw(layer)
    for x, y, n in rng.integers(0, 65536, (130, 3)).tolist():
        x, y, r = x * wide >> 15, y * high >> 15, (n % 5 + 2) * high / 640
        draw.ellipse((int(x - r), int(y - r), int(x + r), int(y + r)), 150 + (n >> 9 & 63))
    return _veil(picture, (250, 252, 255), layer.reduce(2))


def _veil(picture: Image.Image, colour: Colour, mask: Image.Image) -> Image.Image:
    picture.paste(colour, (0, 0), mask)
    return picture


@lru_cache(maxsize=8)
def _paper(wide: int, high: int) -> Image.Image:
    """A fixed, faint grain like drawing paper, to be multiplied with a picture."""
    grain = np.random.default_rng(7).integers(0, 256, (high // 2 + 1, wide // 2 + 1), dtype=np.uint8)
    image = Image.fromarray(grain).resize((wide, high), Image.Resampling.BILINEAR)
    return image.point([246 + (i * 9 >> 8) for i in range(256)]).convert("RGB")


def develop(picture: Image.Image, rng: np.random.Generator) -> np.ndarray:
    """The lens and the film: paper grain, brightness, sometimes blur and noise. Gives uint8 [h, w, 3]."""
    dice = rng.integers(0, 65536, 6).tolist()
    picture = ImageChops.multiply(picture, _paper(*picture.size))
    if dice[0] < 14000:
        picture = picture.filter(ImageFilter.BoxBlur((0.3 + dice[1] / 65536 * 0.35) * picture.width / 320))
    gain, lift = 230 + dice[2] * 52 // 65536, dice[3] * 24 // 65536 - 12
    table = [min(255, max(0, ((i - 128) * gain >> 8) + 128 + lift)) for i in range(256)]
    picture = picture.point(table * 3)
    if dice[4] < 26000:
        picture = _noise(picture, 2 + dice[5] * 6 // 65536, rng)
    return np.array(picture)


def _noise(picture: Image.Image, strength: int, rng: np.random.Generator) -> Image.Image:
    """Adds noise of about `strength` grey levels: the difference of a random byte's two halves."""
    bumps = [128 + ((i >> 4) - (i & 15)) * strength // 6 for i in range(256)]
    dust = Image.frombytes("RGB", picture.size, rng.bytes(picture.width * picture.height * 3)).point(
        bumps * 3
    )
    return ImageChops.add(picture, dust, 1, -128)
