"""A mosaic to play with: four streets, where they meet, the view of them, and the boxes. Chapter 14.

`mosaicked` is the figure, with its script in mosaicked.js; `state` is what one setting of its sliders means,
computed by the package. What the script computes later is held against `state` by a test.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from jaxtyping import Float

from yolox_edu.data.augment import Augment, Tile, larger_than_a_pixel, mosaic_tile
from yolox_edu.data.warp import Number, View, _clip_polygon, _corners, _polygon_area, move_boxes
from yolox_edu.viz.picture import _data
from yolox_edu.viz.play import Figure, figure
from yolox_edu.viz.svg import CYCLE, PALETTE

SIDE = 320  # of the frame; the canvas has twice that
STORED = 192  # pixels along a side of the pictures as they lie in the page
GREY = "#727272"  # 114 114 114
GHOST = f'stroke="{PALETTE["purple"]}" stroke-width="2.5" stroke-dasharray="2 2"'
PRESETS = {"S, M, L, X": "l", "Nano, Tiny": "tiny"}
SEEDS = 12
SLIDERS = {  # name: lowest, highest, step, unit
    "centre x": (160, 480, 1, ""),
    "centre y": (160, 480, 1, ""),
    "scale": (0.1, 2, 0.01, ""),
    "rotation": (-10, 10, 0.1, "°"),
    "shear x": (-2, 2, 0.1, "°"),
    "shear y": (-2, 2, 0.1, "°"),
    "shift x": (-32, 32, 1, ""),
    "shift y": (-32, 32, 1, ""),
}
STYLE = """
.play .mosaicked-panels { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; margin: .5rem 0; }
.play .mosaicked-panels > div { margin: 0; flex: 1 1 280px; max-width: 380px; min-width: 0; }
.play .mosaicked-panels svg { display: block; width: 100%; height: auto; }
.play .mosaicked-title { margin: .25rem 0 0; font-weight: 600; }
.play .mosaicked-sliders { display: grid; grid-template-columns: repeat(auto-fit, minmax(15.5em, 1fr));
  gap: 0 1.5rem; max-width: 48em; }
.play .mosaicked-sliders output { min-width: 4ch; text-align: right; }
"""


class Setting(NamedTuple):
    """Where the four meet (canvas pixels), and the view: zoom, degrees, degrees, frame pixels."""

    centre_x: Number
    centre_y: Number
    scale: Number
    rotation: Number
    shear_x: Number
    shear_y: Number
    shift_x: Number
    shift_y: Number

    @property
    def view(self) -> View:
        """The 2 x 3 matrix canvas -> frame, as `random_view` builds it."""
        angle = math.radians(self.rotation)
        cos, sin = self.scale * math.cos(angle), self.scale * math.sin(angle)
        shear_x, shear_y = (math.tan(math.radians(d)) for d in (self.shear_x, self.shear_y))
        linear = np.array([[1, shear_y], [shear_x, 1]]) @ np.array([[cos, sin], [-sin, cos]])
        return np.column_stack([linear, [self.shift_x, self.shift_y]])


class State(NamedTuple):
    """What a setting shows: boxes that stay (picture, xyxy), boxes dropped though in sight, shares, words.

    Ghosts are boxes of things out of sight that the official rule keeps: cut to the canvas, turned by their
    corners, cut to the frame, more than a pixel wide and high.
    """

    kept: list[tuple[int, list[float]]]
    dropped: list[tuple[int, list[float]]]
    ghosts: list[tuple[int, list[float]]]
    shares: list[float]
    words: str


def drawn(seed: int, preset: str) -> Setting:
    """What `random_layout` draws for this seed, rounded to the steps of the sliders."""
    rng, augment = np.random.default_rng(seed), Augment.for_preset(preset)
    y, x = rng.uniform(0.5, 1.5, 2) * SIDE
    rotation, scale = rng.uniform(-augment.degrees, augment.degrees), rng.uniform(*augment.scale)
    shear_x, shear_y = rng.uniform(-augment.shear, augment.shear, 2)
    shift_x, shift_y = rng.uniform(-augment.translate, augment.translate, 2) * SIDE
    values = (int(x), int(y), scale, rotation, shear_x, shear_y, shift_x, shift_y)
    steps = (step for _, _, step, _ in SLIDERS.values())
    return Setting(*(round(round(value / step) * step, 2) + 0.0 for value, step in zip(values, steps)))


def official_corners(boxes: Float[np.ndarray, "g 4"], tile: Tile, view: View) -> Float[np.ndarray, "g 4 2"]:
    """The corners of boxes as the official rule turns them: cut to the canvas first, not yet to the frame."""
    placed = boxes * tile.scale + np.tile([tile.left, tile.top], 2)
    return _corners(placed.clip(0, 2 * SIDE), view)


def state(setting: Setting, boxes: Sequence[Any], min_visible: float = Augment.min_visible) -> State:
    """The boxes of four square pictures of SIDE pixels in a mosaic, by the package's own functions."""
    kept, dropped, ghosts, shares = [], [], [], []
    for quarter, source in enumerate(boxes):
        centre = int(setting.centre_x), int(setting.centre_y)
        tile = mosaic_tile(quarter, (SIDE, SIDE), (SIDE, SIDE), centre)
        moved, visible = move_boxes(np.asarray(source, float), tile, setting.view, (SIDE, SIDE))
        turned = official_corners(np.asarray(source, float), tile, setting.view).clip(0, SIDE)
        official = np.concatenate([turned.min(1), turned.max(1)], axis=1)
        for box, share, wide in zip(moved, visible, larger_than_a_pixel(moved)):
            if share > 0:
                (kept if wide and share >= min_visible - 1e-9 else dropped).append((quarter, box.tolist()))
        for box in official[(visible <= 0) & larger_than_a_pixel(official)]:
            ghosts.append((quarter, box.tolist()))
        outline = _corners(np.array([tile.shown], dtype=float), setting.view)[0]
        clipped = _clip_polygon(outline.tolist(), SIDE, SIDE)
        shares.append(_polygon_area(np.array(clipped).reshape(-1, 2)) / SIDE**2)
    count = sum(len(source) for source in boxes)
    return State(kept, dropped, ghosts, shares, _words(kept, dropped, ghosts, shares, count))


def _words(kept: Sequence, dropped: Sequence, ghosts: Sequence, shares: Sequence[float], count: int) -> str:
    percent = [math.floor(100 * share + 0.5) for share in shares]
    parts = ", ".join(f"{name} {p}%" for name, p in zip(("blue", "orange", "green", "vermilion"), percent))
    return (
        f"Of the frame the pictures fill: {parts}; grey {max(0, 100 - sum(percent))}%. "
        f"{len(kept)} of {count} boxes stay, {len(dropped)} in sight are dropped, "
        f"{count - len(kept) - len(dropped)} are out of sight. Ghosts by the official rule: {len(ghosts)}."
    )


def mosaicked(pictures: Sequence[np.ndarray], boxes: Sequence[Any], seed: int = 0) -> Figure:
    """The figure: four square pictures (uint8 h w 3) and their boxes (g 4 each, in pixels of SIDE)."""
    boxes = [np.round(np.asarray(each, float), 1).reshape(-1, 4).tolist() for each in boxes]
    setting = drawn(seed, PRESETS["S, M, L, X"])
    now = state(setting, boxes)
    draws = {words: [drawn(s, preset) for s in range(SEEDS)] for words, preset in PRESETS.items()}
    data = {"boxes": boxes, "draws": draws, "least": Augment.min_visible, "side": SIDE, "ghost": GHOST}
    html = (
        f"<style>{STYLE}</style><div class='mosaicked-panels' data-whole='{json.dumps(data)}'>"
        f"{_panel('canvas', 2 * SIDE, setting, pictures)}{_panel('frame', SIDE, setting)}</div>"
        f'<p class="play-says" aria-live="polite">{escape(now.words)}</p>{_form(setting, seed)}'
    )
    html = html.replace("MATRIX", " ".join(f"{v:.5f}" for v in setting.view.T.ravel()))
    drawn_boxes = [_rect("ghost", *each) for each in now.ghosts] + [_rect("kept", *each) for each in now.kept]
    html = html.replace("BOXES", "".join(drawn_boxes))
    script = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    return figure("play-14-mosaic", html, script, now.words)


def _panel(kind: str, side: int, setting: Setting, pictures: Sequence[np.ndarray] = ()) -> str:
    """The canvas with the frame's outline on it, or the frame: the same four pictures under the view."""
    stored = [cv2.resize(p, (STORED, STORED), interpolation=cv2.INTER_AREA) for p in pictures]
    images = "".join(
        f'<image id="mosaicked-{i}" width="{SIDE}" height="{SIDE}" href="{_data(p)}"/>'
        for i, p in enumerate(stored)
    )
    edge = f'<clipPath id="mosaicked-cut"><path d="M0 0H{2 * SIDE}V{2 * SIDE}H0Z"/></clipPath>'
    defs = f"<defs>{images}{edge}</defs>" if pictures else ""
    uses = "".join(_tile(quarter, setting) for quarter in range(4))
    rim = -40 if kind == "canvas" else 0  # room to see how the frame reaches over the canvas
    view = ' transform="matrix(MATRIX)"' if kind == "frame" else ""
    over = '<g data-is="boxes">BOXES</g>' if kind == "frame" else '<g data-is="outline"></g>'
    title = (
        f"The canvas, {2 * SIDE} × {2 * SIDE}" if kind == "canvas" else f"What is trained on, {SIDE} × {SIDE}"
    )
    return (
        f'<div><svg viewBox="{rim} {rim} {side - 2 * rim} {side - 2 * rim}" role="img" '
        f'aria-label="{title}">{defs}'
        f'<rect width="{side}" height="{side}" fill="{GREY}"/>'
        f'<g{view} data-is="{kind}"><g clip-path="url(#mosaicked-cut)">{uses}</g></g>{over}</svg>'
        f'<p class="mosaicked-title">{title}</p></div>'
    )


def _tile(quarter: int, setting: Setting) -> str:
    """One picture in its place on the canvas, with an outline of its colour."""
    left = setting.centre_x - (0 if quarter % 2 else SIDE)
    top = setting.centre_y - (0 if quarter >= 2 else SIDE)
    place = f'data-quarter="{quarter}" transform="translate({left:g} {top:g})"'
    return (
        f'<use href="#mosaicked-{quarter}" {place}/><rect width="{SIDE}" height="{SIDE}" {place} '
        f'fill="none" stroke="{PALETTE[CYCLE[quarter]]}" stroke-width="6"/>'
    )


def _rect(kind: str, quarter: int, box: Sequence[float]) -> str:
    """A box of the start frame, as the script draws it."""
    x1, y1, x2, y2 = box
    look = f'stroke="{PALETTE[CYCLE[quarter]]}" stroke-width="2"' if kind == "kept" else GHOST
    return (
        f'<rect data-box="{kind}" x="{x1:.2f}" y="{y1:.2f}" width="{x2 - x1:.2f}" height="{y2 - y1:.2f}" '
        f'fill="none" {look}/>'
    )


def _form(setting: Setting, seed: int) -> str:
    radios = "".join(
        f'<label><input type="radio" name="mosaicked-preset" value="{words}"'
        f"{' checked' if i == 0 else ''}>{words}</label>"
        for i, words in enumerate(PRESETS)
    )
    rows = [_slider("seed", 0, SEEDS - 1, 1, seed, "")]
    for (name, (low, high, step, unit)), value in zip(SLIDERS.items(), setting):
        rows.append(_slider(name, low, high, step, value, unit))
    return (
        f'<form autocomplete="off" style="--names:5em" hidden><fieldset><legend>preset</legend>{radios}'
        f'</fieldset><div class="mosaicked-sliders">{"".join(rows)}</div>'
        '<button type="button">See the whole canvas</button></form>'
    )


def _slider(name: str, low: Number, high: Number, step: Number, value: Number, unit: str) -> str:
    key = f"mosaicked-{name.replace(' ', '-')}"
    return (
        f'<div class="play-row"><label for="{key}">{name}</label><span class="play-slide">'
        f'<input type="range" id="{key}" data-of="{name}" data-unit="{unit}" min="{low}" max="{high}" '
        f'step="{step}" value="{value:g}"><output for="{key}">{value:g}{unit}</output></span></div>'
    )
