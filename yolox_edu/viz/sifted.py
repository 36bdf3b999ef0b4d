"""The figure of chapter 17 to play with: two thresholds, and the boxes of a real network that stay.

The script beside this file runs NMS at every move; `sift` is the same in Python, for the start, for paper
and for the test that holds the two together.
"""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image
from torch import Tensor
from torchvision.ops import batched_nms, box_iou

from yolox_edu.viz.play import Figure, figure
from yolox_edu.viz.svg import PALETTE

NAME = "play-17-sift"
MATCH = 0.5  # IoU with a ground truth from which a box is about it
KINDS = {  # key: (words, colour, dashes)
    "right": ("right", PALETTE["blue"], ""),
    "again": ("again on a found object", PALETTE["vermilion"], "4 1.5"),
    "wrong": ("fits no object", PALETTE["purple"], "1.5 1.5"),
    "missed": ("missed object", "#000", "5 2 1 2"),
    "gone": ("suppressed", PALETTE["yellow"], ""),
}
STYLE = f"""<style>
#{NAME} .sifted {{display: flex; flex-wrap: wrap; gap: .3rem 1.5rem; align-items: flex-start}}
#{NAME} .sifted > * {{flex: 1 1 15rem; min-width: 0}}
#{NAME} .sifted > :last-child {{flex-basis: 100%}}
#{NAME} .sifted > div > svg {{display: block; width: 100%; height: auto}}
#{NAME} form {{margin-bottom: .6rem}}
#{NAME} .play-row > label, #{NAME} legend {{min-width: 4.6em}}
#{NAME} fieldset label {{white-space: nowrap}}
#{NAME} .play-slide {{flex-basis: 10em}}
#{NAME} input[type="range"] {{flex-basis: 5em; width: 5em}}
#{NAME} output {{min-width: 4ch; text-align: right}}
#{NAME} ul {{list-style: none; margin: .3rem 0; padding: 0; line-height: 1.6}}
#{NAME} li {{margin: 0; padding: 0; display: flex; align-items: center; gap: .6em}}
#{NAME} li b {{min-width: 3ch; text-align: right; font-variant-numeric: tabular-nums}}
#{NAME} li svg {{flex: none; background: #b9b9b9; border-radius: 3px}}
</style>"""


class Sifted(NamedTuple):
    """Which boxes (and, for `missed`, which truths) are what: lists of indices, boxes the surest first."""

    right: list[int]
    again: list[int]
    wrong: list[int]
    missed: list[int]
    gone: list[int]


def sift(
    boxes: Float[Tensor, "a 4"],
    scores: Float[Tensor, " a"],
    labels: Int[Tensor, " a"],
    truths: Float[Tensor, "g 4"],
    classes: Int[Tensor, " g"],
    confidence: float,
    iou_threshold: float,
    every_class: bool = False,
) -> Sifted:
    """NMS by torchvision on float64 `xyxy` boxes, and what each survivor is; the surest choose first."""
    alive = torch.where(scores >= confidence)[0]
    heap = torch.zeros_like(labels) if every_class else labels
    kept = alive[batched_nms(boxes[alive], scores[alive], heap[alive], iou_threshold)].tolist()
    overlap = box_iou(boxes, truths) * (labels[:, None] == classes)  # a g
    free, right, again, wrong = set(range(len(truths))), [], [], []
    for i in kept:
        near = [
            j for j in overlap[i].argsort(descending=True, stable=True).tolist() if overlap[i, j] >= MATCH
        ]
        mine = next((j for j in near if j in free), None)
        (right if mine is not None else again if near else wrong).append(i)
        free.discard(mine)
    gone = [i for i in alive.tolist() if i not in set(kept)]
    return Sifted(right, again, wrong, sorted(free), gone)


def sifted(
    picture: UInt8[np.ndarray, "h h 3"],
    boxes: Float[Tensor, "a 4"],
    scores: Float[Tensor, "a k"],
    target: dict[str, np.ndarray],
    side: int = 320,
    top: int = 0,
    confidence: float = 0.25,
    iou_threshold: float = 0.45,
) -> Figure:
    """The figure: a square picture, decoded boxes (`xyxy`, of a picture `side` wide) and scores, the truths.

    `top` rows of it are not shown. Boxes below a score of 0.01 are left out; tenths of a pixel and
    ten-thousandths of a score are kept.
    """
    best, labels = scores.max(dim=1)
    some = best >= 0.01
    tenths = (boxes[some] * 10).round().long()
    parts = (best[some] * 10_000).round().long()
    data = {
        "boxes": tenths.flatten().tolist(),
        "scores": parts.tolist(),
        "labels": labels[some].tolist(),
        "truths": [round(10 * side) for side in target["boxes"].flatten().tolist()],
        "classes": target["labels"].tolist(),
        "all": len(boxes),
    }
    start = sift(*tensors(data), confidence, iou_threshold)
    says = sentence(start, data, confidence, iou_threshold)
    html = (
        f'{STYLE}<div class="sifted"><div>{_controls(confidence, iou_threshold)}</div>'
        f"<div>{_legend(start)}</div><div>{_svg(picture, data, start, side, top)}"
        f'<p class="play-says" aria-live="polite">{says}</p></div></div>'
        f'<script type="application/json" data-is="boxes">{json.dumps(data, separators=(",", ":"))}</script>'
    )
    return figure(NAME, html, Path(__file__).with_suffix(".js").read_text(encoding="utf-8"), says)


def tensors(data: dict) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Boxes, scores, labels, truths, classes as the script has them: float64, from tenths and the like."""
    return (
        torch.tensor(data["boxes"], dtype=torch.float64).view(-1, 4) / 10,
        torch.tensor(data["scores"], dtype=torch.float64) / 10_000,
        torch.tensor(data["labels"]),
        torch.tensor(data["truths"], dtype=torch.float64).view(-1, 4) / 10,
        torch.tensor(data["classes"]),
    )


def sentence(found: Sifted, data: dict, confidence: float, iou_threshold: float) -> str:
    """What is seen, in words; the script writes the same."""
    stay = len(found.right) + len(found.again) + len(found.wrong)
    return (
        f"Of {data['all']:,} boxes {stay + len(found.gone)} have a score of {confidence:.2f} or more; "
        f"NMS at IoU {iou_threshold:.2f} leaves {stay}. "
        f"{len(found.right)} of {len(data['classes'])} objects are found."
    )


def _svg(picture: np.ndarray, data: dict, found: Sifted, side: int, top: int) -> str:
    """The picture and one path for each kind of box, on a white one that makes it stand out."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=60)
    jpeg = base64.b64encode(file.getvalue()).decode()
    boxes, _, _, truths, _ = tensors(data)
    paths = []
    for kind in ("gone", "missed", "wrong", "again", "right"):
        _, colour, dashes = KINDS[kind]
        way = outline((truths if kind == "missed" else boxes)[getattr(found, kind)])
        if kind == "gone":
            look = f'stroke="{colour}" stroke-width=".6" opacity=".7"'
            paths.append(f'<path data-kind="{kind}" d="{way}" {look}/>')
            continue
        paths.append(f'<path data-kind="{kind}" d="{way}" stroke="#fff" stroke-width="2.4" opacity=".85"/>')
        dash = f' stroke-dasharray="{dashes}"' if dashes else ""
        paths.append(f'<path data-kind="{kind}" d="{way}" stroke="{colour}" stroke-width="1.5"{dash}/>')
    return (
        f'<svg viewBox="0 {top} {side} {side - top}" role="img" aria-label="A crowded street with boxes; '
        f'the numbers stand beside it"><image width="{side}" height="{side}" '
        f'href="data:image/jpeg;base64,{jpeg}"/>'
        f'<g fill="none">{"".join(paths)}</g></svg>'
    )


def outline(boxes: Float[Tensor, "m 4"]) -> str:
    """Boxes as one path."""
    return "".join(f"M{x0:.1f} {y0:.1f}H{x1:.1f}V{y1:.1f}H{x0:.1f}Z" for x0, y0, x1, y1 in boxes.tolist())


def _controls(confidence: float, iou_threshold: float) -> str:
    """Two sliders, and whether the classes suppress each other."""
    rows = "".join(
        f'<div class="play-row"><label for="{NAME}-{key}">{words}</label><div class="play-slide"><input '
        f'type="range" id="{NAME}-{key}" data-of="{key}" min="{low}" max="{high}" step="0.01" '
        f'value="{value}">'
        f'<output for="{NAME}-{key}">{value:.2f}</output></div></div>'
        for key, words, low, high, value in (
            ("confidence", "score from", 0.01, 0.95, confidence),
            ("iou", "NMS IoU", 0, 1, iou_threshold),
        )
    )
    radios = "".join(
        f'<label><input type="radio" name="{NAME}-heaps" value="{value}"{" checked" if not i else ""}>{words}'
        "</label>"
        for i, (value, words) in enumerate((("own", "by class"), ("all", "all together")))
    )
    hide = (
        f'<div class="play-row"><label for="{NAME}-gone">show suppressed</label>'
        f'<input type="checkbox" id="{NAME}-gone" data-of="gone" checked></div>'
    )
    heaps = f"<fieldset><legend>NMS</legend>{radios}</fieldset>"
    return f'<form autocomplete="off" hidden>{rows}{heaps}{hide}</form>'


def _legend(found: Sifted) -> str:
    """How many of each kind, and how they are drawn."""
    rows = []
    for kind, (words, colour, dashes) in KINDS.items():
        dash = f' stroke-dasharray="{dashes}"' if dashes else ""
        under = "" if kind == "gone" else '<path d="M2 8H32" stroke="#fff" stroke-width="5"/>'
        width = 1.2 if kind == "gone" else 3
        line = f'<path d="M2 8H32" stroke="{colour}" stroke-width="{width}"{dash}/>'
        rows.append(
            f'<li><svg width="34" height="16" aria-hidden="true">{under}{line}</svg>'
            f'<b data-count="{kind}">{len(getattr(found, kind))}</b> {words}</li>'
        )
    return f"<ul>{''.join(rows)}</ul>"
