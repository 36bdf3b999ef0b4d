"""A patient of the error clinic: its curves, its street, its AP, and its card. Beside chapter 16.

All numbers come from the rows that `benchmarks/clinic.py` wrote.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import UInt8

from yolox_edu.viz.film import frame
from yolox_edu.viz.svg import PALETTE, Drawing, canvas, number, rect, row, text

TERMS = ("box", "objectness", "class")
WIDE, HIGH, GAP = 300, 84, 26  # one panel of the curves, and what lies between two
STREET = 300
TWINS = {  # what a patient is measured against, where it is not the healthy run
    "empty pictures dropped": "healthy, cars alone",
    "mosaic to the end": "healthy, with mosaic",
}
SHOWN = 400  # boxes drawn in a street; more were not kept
NAMED = 24  # boxes from which on no names are written: they would hide the street
Row = Mapping[str, Any]


def patient(
    number_: int, sick: Row, healthy: Row, street: UInt8[Any, "h w 3"], truth: Any, names: Sequence[str]
) -> Drawing:
    """What one sees of a patient who has no name yet: curves, a street with finds, AP. In the error clinic.

    truth: g 4, xyxy in pixels of the street. Finds are those of a score of at least 0.25, the surest 400.
    """
    left = curves(sick.get("curve"), healthy.get("curve"), sick.get("error", ""))
    seen = [find for find in sick["seen"] if find[5] >= 0.25][:SHOWN]
    side = street.shape[1] / 1000
    many = f"{len(seen)} box" + ("" if len(seen) == 1 else "es") + (" or more" if len(seen) == SHOWN else "")
    picture = frame(
        street,
        truth,
        [[value * side for value in find[:4]] for find in seen],
        [find[4] for find in seen],
        names if len(seen) <= NAMED else [""] * len(names),
        f"In the street it draws {many} where {len(truth)} things are.",
        STREET,
    )
    return row(left, picture, bars(sick, healthy), title=f"Patient {number_}")


def curves(sick: Mapping[str, Sequence[Any]] | None, healthy: Any, error: str) -> Drawing:
    """The three terms of the loss, step by step; the healthy ones dashed. In the error clinic."""
    if not sick:
        words = ["No curves: this network was trained", "in health. The shipped weights are", "read wrongly."]
        lines = [text(0, 30 + 20 * i, line, "start") for i, line in enumerate(words)]
        return canvas(lines, WIDE, 90, "No curves: the shipped weights, read wrongly.")
    body, said = [], []
    last = max(healthy["step"][-1], 1)
    for i, term in enumerate(TERMS):
        top = i * (HIGH + GAP) + 20
        pair = [value for each in (sick, healthy) for value in each[term] if _fine(value)]
        low, high = math.log(max(min(pair), 1e-3)), math.log(max(max(pair), 2e-3))
        body += [text(0, top - 10, f"{term} loss", "start", bold=True), rect(0, top, WIDE - 40, HIGH)]
        for each, way in (
            (healthy, 'stroke="currentColor" stroke-dasharray="5 4" stroke-width="1.5"'),
            (sick, f'stroke="{PALETTE["vermilion"]}" stroke-width="2.5"'),
        ):
            points = [
                (step / last * (WIDE - 40), top + HIGH - 4 - 76 * _share(value, low, high))
                for step, value in zip(each["step"], each[term])
                if _fine(value) and step <= last
            ]
            line = " ".join(f"{number(x)},{number(y)}" for x, y in points)
            body.append(f'<polyline points="{line}" fill="none" {way}/>')
        end = [each[term][-1] for each in (sick, healthy)]
        said.append(f"{term} ends at {_short(end[0])} (healthy {_short(end[1])})")
        body.append(text(WIDE - 36, top + HIGH - 4 - _share(end[0], low, high) * 76, _short(end[0]), "start"))
    foot = len(TERMS) * (HIGH + GAP) + 8
    body += [text(0, foot, "step 0", "start"), text(WIDE - 40, foot, f"{last + 1}", "end")]
    body.append(text((WIDE - 40) / 2, foot, "(losses: logarithmic)"))
    alt = f"Losses: {', '.join(said)}." + (
        f" It stopped with an error after {sick['step'][-1] + 1} steps." * bool(error)
    )
    return canvas(body, WIDE, foot + 10, alt)


def _fine(value: float) -> bool:
    return math.isfinite(value)


def _share(value: float, low: float, high: float) -> float:
    """Where a value lies between two logarithms, 0 to 1."""
    value = math.log(max(value, 1e-3)) if _fine(value) else high
    return (value - low) / max(high - low, 1e-6)


def _short(value: float) -> str:
    return f"{value:.2g}" if _fine(value) else "NaN"


def bars(sick: Row, healthy: Row) -> Drawing:
    """AP beside the healthy one's, and false alarms. In the error clinic."""
    body, most = [], max(sick["AP"], healthy["AP"], 1e-6)
    for i, (name, each, colour) in enumerate((("healthy", healthy, "green"), ("patient", sick, "vermilion"))):
        y, long = 10 + 30 * i, 150 * each["AP"] / most
        body += [text(0, y + 10, name, "start"), rect(64, y, max(long, 1), 20, colour)]
        body.append(text(70 + long, y + 10, f"{each['AP']:.3f}", "start"))
    body.append(text(0, 86, f"false alarms a picture: {sick['alarms']:,.2f}", "start"))
    body.append(text(0, 106, f"(healthy {healthy['alarms']:,.2f})", "start"))
    alt = f"AP {sick['AP']:.3f}, healthy {healthy['AP']:.3f}; {sick['alarms']:,.2f} false alarms a picture."
    return canvas(body, WIDE, 118, alt)


def chart(number_: int, name: str, finding: str, mend: str) -> Drawing:
    """The card at the end of the bed: the disease, the test that shows it, the mend. In the error clinic."""
    body, y = [text(0, 12, f"Patient {number_}: {name}", "start", bold=True)], 40
    for head, words in (("Diagnosis", finding), ("Mend", mend)):
        body.append(text(0, y, head, "start", bold=True))
        for line in textwrap.wrap(words, 44):
            y += 20
            body.append(text(0, y, line, "start"))
        y += 30
    return canvas(body, 350, y - 10, f"Patient {number_}: {name}. Diagnosis: {finding} Mend: {mend}")


def ward(rows: Sequence[Row]) -> dict[str, tuple[Row, Row]]:
    """Each patient's row and that of its healthy twin, by the disease's name. In the error clinic.

    Where there are several seeds the numbers are their means; curves and finds are those of the first.
    """
    means = {}
    for each in rows:
        seeds = [other for other in rows if other["name"] == each["name"]]
        mean = {key: sum(other[key] for other in seeds) / len(seeds) for key in ("AP", "alarms")}
        means.setdefault(each["name"], {**each, **mean, "seeds": len(seeds)})
    found = {}
    for name, each in means.items():
        if not name.startswith("healthy"):
            found[name] = each, means[TWINS.get(name, "healthy" if each.get("curve") else "healthy reader")]
    return found


def shares(patients: Mapping[str, tuple[Row, Row]]) -> list[tuple[str, float]]:
    """Each disease with AP as a share of its healthy twin's, the costliest first. In the error clinic."""
    found = [(name, sick["AP"] / healthy["AP"]) for name, (sick, healthy) in patients.items()]
    return sorted(found, key=lambda pair: pair[1])
