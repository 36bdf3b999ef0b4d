"""What lateness costs, and which size to pick: the figure to play with in chapter 19.

Streaming accuracy after Li, Wang and Ramanan (2020): at each moment the world as it is now is compared
with the newest result that is ready now. The detector here is the simplest that has a given AP: it finds
that share of all things exactly and misses the rest. So all that its answers lose is lost by being late.
"""

from __future__ import annotations

import collections
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from yolox_edu.viz.svg import PALETTE, Drawing, canvas, number, text

PUBLISHED = {"nano": 25.8, "tiny": 32.8, "s": 40.5, "m": 46.9, "l": 49.7, "x": 51.1}
FIRST = {"nano": 25.3, "tiny": 32.8, "s": 39.6, "m": 46.4, "l": 50.0, "x": 51.2}  # the release of July 2021
PARAMETERS = {"nano": 0.91, "tiny": 5.06, "s": 8.97, "m": 25.33, "l": 54.21, "x": 99.07}  # million; tested
THRESHOLDS = tuple(0.5 + 0.05 * i for i in range(10))
PACES = (0.0, 0.5, 1.0, 1.5, 2.0)  # five things: one stands still, one moves twice as fast as the middle one
FPS, SECONDS = 30, 20  # of the camera
MACHINES = {"this core": 1, "10 × faster": 10, "100 × faster": 100}


def ages(latency: int | float, frames: int = FPS * SECONDS, fps: int | float = FPS) -> list[int]:
    """How many frames old the newest ready result is, at each frame from the first result on. Chapter 19.

    The detector takes the newest frame whenever it is free; what lies between is never looked at.
    """
    ready, frame, free = [], 0, 0.0
    while frame < frames:
        free = max(free, frame / fps) + latency  # begun when the frame is there and the last one is done
        ready.append((free, frame))
        frame = max(frame + 1, math.floor(free * fps + 1e-9))
    out, last = [], -1
    for now in range(frames):
        while last + 1 < len(ready) and ready[last + 1][0] <= now / fps + 1e-9:
            last += 1
        if last >= 0:
            out.append(now - ready[last][1])
    return out


def late_iou(shift: int | float) -> float:
    """IoU of a box and the same box, moved sideways by `shift` of its widths. Chapter 19."""
    return max(0.0, (1 - shift) / (1 + shift))


@functools.cache
def streaming_ap(ap: int | float, latency: int | float, speed: int | float) -> float:
    """AP against the world as it is when the answer is ready. Chapter 19.

    ap: of the same detector when nothing moves, in percent. speed: of the middle one of five things, in its
    own widths a second. A box that comes too late is a false alarm and its thing is missed, so a share q of
    good boxes costs twice: recall falls to q times what it was, precision to q.
    """
    old = collections.Counter(ages(latency))
    ious = [(late_iou(speed * pace * age / FPS), n) for age, n in old.items() for pace in PACES]
    total = 0.0
    for threshold in THRESHOLDS:
        good = sum(n for iou, n in ious if iou >= threshold - 1e-9)
        total += (good / (old.total() * len(PACES))) ** 2
    return ap * total / len(THRESHOLDS)


class Choice(NamedTuple):
    """One size of network on one machine: its latency there, AP of things that stand and that move."""

    preset: str
    latency: float
    still: float
    moving: float
    in_time: bool


def choices(
    rows: Sequence[Mapping[str, Any]], fps: int | float, machine: str, speed: int | float
) -> list[Choice]:
    """The six sizes with their published AP and the latencies that were measured. Chapter 19."""
    out = []
    for row in rows:
        seconds, ap = row["latency"] / MACHINES[machine], PUBLISHED[row["preset"]]
        out.append(
            Choice(row["preset"], seconds, ap, streaming_ap(ap, round(seconds, 5), speed), seconds <= 1 / fps)
        )
    return out


LEFT, TOP, WIDE, HIGH = 44, 12, 516, 270
LEAST, MOST = 0.0003, 12.0  # seconds, the ends of the axis


def _x(seconds: int | float) -> float:
    return LEFT + WIDE * math.log(seconds / LEAST) / math.log(MOST / LEAST)


def _y(ap: int | float) -> float:
    return TOP + HIGH * (1 - ap / 70)


def what_to_pick(
    rows: Sequence[Mapping[str, Any]], pictures_a_second: int, machine: str, widths_a_second: int | float
) -> Drawing:
    """The six sizes: latency against AP, standing and moving; the best that keeps pace. Chapter 19."""
    found = choices(rows, pictures_a_second, machine, widths_a_second)
    able = [choice for choice in found if choice.in_time]
    best = max(able, key=lambda choice: (round(choice.moving, 2), -choice.latency)) if able else None
    limit = _x(1 / pictures_a_second)
    body = [
        *_axes(),
        f'<path d="M{number(limit)} {TOP}V{TOP + HIGH}" stroke="{PALETTE["vermilion"]}" stroke-width="2.5" '
        'stroke-dasharray="7 4"/>',
        text(limit - 6, TOP + 10, "in time", "end"),
        text(limit + 6, TOP + 10, "too late", "start"),
    ]
    for choice in found:
        body += _mark(choice, choice is best)
    return canvas(body, LEFT + WIDE + 16, TOP + HIGH + 46, _says(found, best, pictures_a_second))


def _mark(choice: Choice, best: bool) -> list[str]:
    """A disc where the table has it, as large as its weights; a dot where motion leaves it; its name."""
    radius = 1.7 * math.sqrt(PARAMETERS[choice.preset])
    x, still, moving = _x(choice.latency), _y(choice.still), _y(choice.moving)
    colour = PALETTE["blue" if choice.in_time else "orange"]
    halo = f'<circle cx="{number(x)}" cy="{number(moving)}" r="10" fill="none" stroke="currentColor"/>'
    fill = colour if choice.in_time else "none"
    return [
        f'<path d="M{number(x)} {number(still)}V{number(moving)}" stroke="{colour}" stroke-opacity="0.6"/>',
        f'<circle cx="{number(x)}" cy="{number(still)}" r="{number(radius)}" fill="{colour}" '
        f'fill-opacity="0.25" stroke="{colour}" stroke-width="1.5"/>',
        f'<circle cx="{number(x)}" cy="{number(moving)}" r="5" fill="{fill}" stroke="{colour}" '
        'stroke-width="2.5"/>',
        *([halo] if best else []),
        text(x, still - radius - 10, choice.preset.capitalize(), bold=best),
    ]


def _axes() -> list[str]:
    out = []
    for ap in range(0, 71, 10):
        out.append(f'<path d="M{LEFT} {number(_y(ap))}h{WIDE}" stroke="currentColor" stroke-opacity="0.15"/>')
        out.append(text(LEFT - 8, _y(ap), str(ap), "end"))
    for seconds, words in ((0.001, "1 ms"), (0.01, "10 ms"), (0.1, "0.1 s"), (1, "1 s"), (10, "10 s")):
        out.append(text(_x(seconds), TOP + HIGH + 14, words))
        out.append(
            f'<path d="M{number(_x(seconds))} {TOP}v{HIGH}" stroke="currentColor" stroke-opacity="0.15"/>'
        )
    out.append(text(LEFT + WIDE / 2, TOP + HIGH + 34, "latency of one picture; upwards: AP"))
    return out


def _says(found: Sequence[Choice], best: Choice | None, fps: int) -> str:
    """The sentence under the figure."""
    if best is None:
        quick = min(found, key=lambda choice: choice.latency)
        return (
            f"Nothing keeps up with {fps} pictures a second: even {quick.preset.capitalize()} takes "
            f"{_time(quick.latency)}. Take a faster machine, smaller pictures or fewer of them."
        )
    large = found[-1]
    other = (
        ""
        if best is large
        else f" X takes {_time(large.latency)} and would have {large.moving:.1f} instead of {large.still}."
    )
    return (
        f"Pick {best.preset.capitalize()}: {_time(best.latency)} a picture, AP {best.still} where things "
        f"stand still, {best.moving:.1f} as they move.{other}"
    )


def _time(seconds: int | float) -> str:
    return f"{seconds:.1f} s" if seconds >= 0.95 else f"{1000 * seconds:.{0 if seconds >= 0.01 else 1}f} ms"
