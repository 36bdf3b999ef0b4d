"""Two boxes on squared paper, to drag: what they share and cover, IoU and GIoU. Explained in chapter 01.

`two_boxes` is the figure of the page, with its script in two_boxes.js; `scene` is one state of it, for paper
and for a live kernel. The first numbers come from the package, all later ones from the script; a test holds
the two together.
"""

from __future__ import annotations

import json
from html import escape
from math import floor
from pathlib import Path

import torch
from torchvision.ops import generalized_box_iou

from yolox_edu.boxes import iou, xyxy_to_cxcywh
from yolox_edu.viz.play import Figure, figure
from yolox_edu.viz.svg import PALETTE, STROKE, TINT, Drawing, canvas, number, rect, text

Number = int | float
Box = tuple[Number, Number, Number, Number]  # left, top, width, height, in squares

WIDE, HIGH, SIDE = 14, 9, 32  # squares, squares, pixels of the drawing
STEP = 0.5  # boxes snap to half squares
PARTS = ("left", "top", "width", "height")
PLACES: dict[str, tuple[Box, Box]] = {
    "a third aside": ((3, 2, 6, 5), (5, 2, 6, 5)),
    "one in the other": ((2, 1, 10, 7), (5, 3, 4, 3)),
    "touching": ((1, 2, 6, 5), (7, 2, 6, 5)),
    "far apart": ((0, 0, 3, 3), (11, 6, 3, 3)),
}
STYLE = """
.play .two-boxes g[data-box] { cursor: move; touch-action: none; outline: none; }
.play .two-boxes g[data-corner] { cursor: nwse-resize; touch-action: none; }
.play .two-boxes g[data-box]:focus-visible [data-part="body"] { stroke-width: 4; }
.play .two-boxes { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 2rem; }
.play .two-boxes .play-frame { flex: none; margin: 0; }
.play .two-boxes-inputs { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.4em, 1fr));
  gap: .4rem .8rem; margin: .6rem 0; max-width: 48em; }
.play .two-boxes-inputs label { display: flex; justify-content: space-between; align-items: center;
  gap: .3rem; font-weight: 400; white-space: nowrap; }
.play .two-boxes-inputs input { width: 3.4em; padding: 0 .2em 0 .4em; }
.play .two-boxes-places { display: flex; flex-wrap: wrap; gap: .5rem; margin: .5rem 0; }
.play table.two-boxes-numbers { margin: .5rem 0; width: auto; border-collapse: collapse; }
.play table.two-boxes-numbers :is(th, td) { padding: .15rem .8rem .15rem 0; text-align: left; border: 0;
  background: none; color: inherit; font-variant-numeric: tabular-nums; }
.play table.two-boxes-numbers td:last-child { text-align: right; padding-right: 0; }
"""


def measure(a: Box, b: Box) -> dict[str, float]:
    """Areas, IoU and GIoU of two boxes (left, top, width, height), from the package and torchvision."""
    both = torch.tensor([a, b], dtype=torch.float64)
    both[:, 2:] += both[:, :2]  # xyxy
    across, down = (both[:, 2:].amin(0) - both[:, :2].amax(0)).clamp(min=0).tolist()
    hull = both[:, 2:].amax(0) - both[:, :2].amin(0)
    centred = xyxy_to_cxcywh(both)
    areas, shared = centred[:, 2:].prod(-1), across * down
    return {
        "a": areas[0].item(),
        "b": areas[1].item(),
        "across": across,
        "down": down,
        "intersection": shared,
        "union": areas.sum().item() - shared,
        "iou": iou(centred[0], centred[1]).item(),
        "enclosing": hull.prod().item(),
        "giou": generalized_box_iou(both[:1], both[1:]).item(),
    }


def sentence(a: Box, b: Box) -> str:
    """What is seen, in words."""
    m = measure(a, b)
    return (
        f"A and B share {_short(m['intersection'])} of the {_short(m['union'])} squares that they cover "
        f"together: IoU {_ratio(m['iou'])}, GIoU {_ratio(m['giou'])}."
    )


def scene(a: Box, b: Box, role: str = "img") -> Drawing:
    """The squared paper with both boxes, what they share (hatched) and the box around both (dashed)."""
    lines = [f"M{SIDE * i} 0V{SIDE * HIGH}" for i in range(WIDE + 1)]
    lines += [f"M0 {SIDE * i}H{SIDE * WIDE}" for i in range(HIGH + 1)]
    body = [
        '<defs><pattern id="two-boxes-hatch" width="8" height="8" patternUnits="userSpaceOnUse">'
        '<path d="M-2 2L2 -2M0 8L8 0M6 10L10 6" stroke="currentColor" stroke-width="1.5"/></pattern></defs>',
        f'<path d="{"".join(lines)}" stroke="currentColor" stroke-width="0.5" opacity="0.35" fill="none"/>',
        _hull(a, b),
        _box("a", a, "blue", role == "group"),
        _box("b", b, "orange", role == "group"),
        _shared(a, b),
    ]
    if role == "group":
        body += [_corner("a", a, "blue"), _corner("b", b, "orange")]
    alt = sentence(a, b) if role == "img" else "Two boxes on squared paper"
    return canvas(body, SIDE * WIDE, SIDE * HIGH, alt, role)


def _box(name: str, box: Box, colour: str, draggable: bool) -> str:
    """One box with its letter."""
    left, top, width, height = (SIDE * side for side in box)
    hint = f"Box {name.upper()}: arrow keys move it, shift and arrow keys change its size"
    extra = f' tabindex="0" role="button" aria-label="{hint}"' if draggable else ""
    parts = [
        rect(left, top, width, height, colour, ' data-part="body"').replace(f'"{STROKE}"', '"2"'),
        text(left + 12, top + 16, name.upper(), bold=True),
    ]
    return f'<g data-box="{name}"{extra}>{"".join(parts)}</g>'


def _corner(name: str, box: Box, colour: str) -> str:
    """The handle at the lower right, on a larger patch that a finger can hit."""
    x, y = SIDE * (box[0] + box[2]), SIDE * (box[1] + box[3])
    return (
        f'<g data-corner="{name}" transform="translate({number(x)} {number(y)})">'
        '<rect x="-14" y="-14" width="28" height="28" fill="transparent"/>'
        f'<rect x="-5" y="-5" width="10" height="10" fill="{PALETTE[colour]}" stroke="currentColor"/></g>'
    )


def _shared(a: Box, b: Box) -> str:
    """The hatched rectangle, of no size where nothing is shared."""
    m = measure(a, b)
    x, y = max(a[0], b[0]) * SIDE, max(a[1], b[1]) * SIDE
    wide, high = (m[k] * SIDE if m["intersection"] else 0 for k in ("across", "down"))
    return (
        f'<rect x="{number(x)}" y="{number(y)}" width="{number(wide)}" height="{number(high)}" '
        f'fill="url(#two-boxes-hatch)" opacity="{2 * TINT}" pointer-events="none" data-is="shared"/>'
    )


def _hull(a: Box, b: Box) -> str:
    """The smallest box around both, dashed."""
    x, y = min(a[0], b[0]), min(a[1], b[1])
    right, bottom = max(a[0] + a[2], b[0] + b[2]), max(a[1] + a[3], b[1] + b[3])
    extra = ' stroke-dasharray="6 5" data-is="hull"'
    return rect(x * SIDE, y * SIDE, (right - x) * SIDE, (bottom - y) * SIDE, extra=extra)


def two_boxes(a: Box = (1, 1, 6, 5), b: Box = (4, 3, 7, 5), name: str = "play-01-boxes") -> Figure:
    """The figure of chapter 01: drag the boxes, or give their numbers; areas, IoU and GIoU follow at once."""
    svg = scene(a, b, role="group").svg
    svg = svg.replace(
        "<svg ", f'<svg data-wide="{WIDE}" data-high="{HIGH}" data-side="{SIDE}" data-step="{STEP}" ', 1
    )
    html = (
        f'<style>{STYLE}</style><div class="two-boxes"><div class="play-frame">{svg}</div>'
        f"{_numbers(a, b)}</div>"
        f'<p class="play-says" aria-live="polite" data-is="says">{escape(sentence(a, b))}</p>'
        f'<form autocomplete="off" hidden>{_inputs(a, b)}{_buttons()}</form>'
    )
    script = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    return figure(name, html, script, sentence(a, b))


def _numbers(a: Box, b: Box) -> str:
    """The table of areas: name, how it comes about, value; the names in `data-is` are the script's."""
    m = measure(a, b)
    s = {key: _short(value) for key, value in m.items()}
    wide, high = (_short(max(a[i] + a[i + 2], b[i] + b[i + 2]) - min(a[i], b[i])) for i in (0, 1))
    one, ratio = _ratio(m["iou"]), _ratio(m["giou"])
    rows = (
        ("A", "a", f"{_short(a[2])} × {_short(a[3])}", s["a"]),
        ("B", "b", f"{_short(b[2])} × {_short(b[3])}", s["b"]),
        ("intersection (hatched)", "intersection", f"{s['across']} × {s['down']}", s["intersection"]),
        ("union", "union", f"{s['a']} + {s['b']} − {s['intersection']}", s["union"]),
        ("IoU", "iou", f"{s['intersection']} / {s['union']}", one),
        ("enclosing box (dashed)", "enclosing", f"{wide} × {high}", s["enclosing"]),
        ("GIoU", "giou", f"{one} − ({s['enclosing']} − {s['union']}) / {s['enclosing']}", ratio),
    )
    cells = "".join(
        f'<tr><th scope="row">{title}</th><td data-is="{key}-how">{how}</td>'
        f'<td data-is="{key}">{value}</td></tr>'
        for title, key, how, value in rows
    )
    return f'<table class="two-boxes-numbers"><tbody>{cells}</tbody></table>'


def _inputs(a: Box, b: Box) -> str:
    """Eight number fields, for those who do not drag."""
    rows = []
    for name, box in (("a", a), ("b", b)):
        fields = "".join(
            f'<label>{part} of {name.upper()} <input type="number" min="{0 if i < 2 else 1}" '
            f'max="{(WIDE, HIGH)[i % 2]}" step="{STEP}" value="{_short(value)}" data-box="{name}" '
            f'data-part="{part}"></label>'
            for i, (part, value) in enumerate(zip(PARTS, box))
        )
        rows.append(f'<div class="two-boxes-inputs">{fields}</div>')
    return "".join(rows)


def _buttons() -> str:
    """One button for each ready-made pair of boxes."""
    buttons = "".join(
        f'<button type="button" data-boxes="{json.dumps(pair)}">{name}</button>'
        for name, pair in PLACES.items()
    )
    return f'<div class="two-boxes-places">{buttons}</div>'


def _short(value: Number) -> str:
    """At most two decimals, as the script writes them."""
    return f"{round(value, 2):g}".replace("-", "−")


def _ratio(value: float) -> str:
    """Three decimals, halves upwards, as the script writes them."""
    return f"{floor(1000 * value + 0.5) / 1000:.3f}".replace("-", "−")
