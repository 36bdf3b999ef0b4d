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

from yolox_edu.viz.picture import image
from yolox_edu.viz.svg import PALETTE, Drawing, canvas, number, row, text

PUBLISHED = {"nano": 25.8, "tiny": 32.8, "s": 40.5, "m": 46.9, "l": 49.7, "x": 51.1}  # 0.1.1, val2017
TABLES = {  # AP as the official repository prints it, by release and set; blank where it prints none
    ("0.1.1", "val"): PUBLISHED,
    ("0.1.1", "test"): {"s": 40.5, "m": 47.2, "l": 50.1, "x": 51.5},
    ("2021", "val"): {"nano": 25.3, "tiny": 32.8},
    ("2021", "test"): {"s": 39.6, "m": 46.4, "l": 50.0, "x": 51.2},
}
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


def how_old(rows: Sequence[Mapping[str, Any]], names: Sequence[str] = ("m", "s", "nano")) -> Drawing:
    """The age of the newest answer over the first six seconds of a film, for a few networks. Chapter 19."""
    left, top, wide, high, seconds, oldest = 44, 30, 372, 170, 6, 2
    body, said = [text(left + wide / 2, 10, "How old is the newest answer?", bold=True)], []
    for i in range(seconds + 1):
        x = left + wide * i / seconds
        body.append(f'<path d="M{number(x)} {top}v{high}" stroke="currentColor" stroke-opacity="0.15"/>')
        body.append(text(x, top + high + 14, str(i)))
    for age in (0, 0.5, 1, 1.5, 2):
        y = top + high * (1 - age / oldest)
        body.append(f'<path d="M{left} {number(y)}h{wide}" stroke="currentColor" stroke-opacity="0.15"/>')
        body.append(text(left - 8, y, str(age), "end"))
    body.append(
        text(left + wide / 2, top + high + 34, "seconds since the film began; upwards: age in seconds")
    )
    late = {kept["preset"]: kept["latency"] for kept in rows}
    for name, colour, dashes in zip(names, ("blue", "orange", "green"), ("none", "7 4", "2 3")):
        old = ages(late[name], FPS * seconds)
        points = [
            (
                left + wide * (FPS * seconds - len(old) + i) / FPS / seconds,
                top + high * (1 - age / FPS / oldest),
            )
            for i, age in enumerate(old)
        ]
        line = " ".join(f"{number(x)},{number(y)}" for x, y in points)
        body.append(
            f'<polyline points="{line}" fill="none" stroke="{PALETTE[colour]}" stroke-width="2" '
            f'stroke-dasharray="{dashes}"/>'
        )
        body.append(text(points[-1][0] + 8, points[-1][1], name.capitalize(), "start", bold=True))
        said.append(f"{name.capitalize()}'s between {min(old) / FPS:.2f} and {max(old) / FPS:.2f} s")
    return canvas(
        body, left + wide + 50, top + high + 46, f"The age of the newest answer is a saw: {', '.join(said)}."
    )


def behind(
    picture: Any,
    target: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    speed: int | float = 0.5,
    names: Sequence[str] = ("nano", "s", "m"),
) -> Drawing:
    """The largest thing of a picture, and where networks of these latencies have it. Chapter 19.

    It drives to the right, `speed` of its widths a second; answers are as old as they are on average.
    """
    extent = target["boxes"][:, 2:] - target["boxes"][:, :2]
    x1, y1, x2, y2 = target["boxes"][extent.prod(1).argmax()]
    late = {kept["preset"]: kept["latency"] for kept in rows}
    drawn = []
    for name in names:
        old = ages(late[name])
        age = sum(old) / len(old) / FPS
        back = speed * age * (x2 - x1)
        words = (
            f"{name.capitalize()}, {age:.1f} s ago"
            if age > 0.1
            else f"{name.capitalize()}, {1000 * age:.0f} ms ago"
        )
        drawn.append(
            image(
                picture,
                [[x1, y1, x2, y2], [x1 - back, y1, x2 - back, y2]],
                ["", words],
                width=200,
                alt=f"The box of {name} is {back:.0f} pixels behind a vehicle {x2 - x1:.0f} pixels wide.",
            )
        )
    return row(*drawn)


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
    for kept in rows:
        seconds, ap = kept["latency"] / MACHINES[machine], PUBLISHED[kept["preset"]]
        out.append(
            Choice(
                kept["preset"], seconds, ap, streaming_ap(ap, round(seconds, 5), speed), seconds <= 1 / fps
            )
        )
    return out


LEFT, TOP, WIDE, HIGH = 44, 12, 412, 270
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
    out.append(text(LEFT + WIDE / 2, TOP + HIGH + 34, "latency of one picture"))
    out.append(text(LEFT + 8, _y(65), "AP", "start"))
    return out


def _says(found: Sequence[Choice], best: Choice | None, fps: int) -> str:
    """The sentence under the figure."""
    if best is None:
        quick = min(found, key=lambda choice: choice.latency)
        return (
            f"Nothing keeps up with {fps} pictures a second: even {quick.preset.capitalize()} takes "
            f"{_time(quick.latency)}. Take a faster machine, smaller pictures or fewer of them."
        )
    large, other = found[-1], ""
    if large.moving > best.moving and best is not large:
        many = f"{fps} picture{'s' * (fps > 1)} a second"
        other = f" X would have {large.moving:.1f}, but takes {_time(large.latency)}: too late for {many}."
    elif best is not large:
        other = f" X takes {_time(large.latency)} and would have {large.moving:.1f} instead of {large.still}."
    return (
        f"Pick {best.preset.capitalize()}: {_time(best.latency)} a picture, AP {best.still} where things "
        f"stand still, {best.moving:.1f} as they move.{other}"
    )


def _time(seconds: int | float) -> str:
    return f"{seconds:.1f} s" if seconds >= 0.95 else f"{1000 * seconds:.{0 if seconds >= 0.01 else 1}f} ms"
