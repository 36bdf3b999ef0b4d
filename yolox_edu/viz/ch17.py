"""What chapter 17 draws and judges with: crowds on the crossing, boxes on squared paper, AP of a finding.

Explained in chapter 17. A crowd is a street of Crossing with people put on it who do not keep apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from matplotlib.axes import Axes
from torch import Tensor
from torchvision.ops import batched_nms, box_iou
from torchvision.ops import nms as flat_nms

from yolox_edu.boxes import decode, nms
from yolox_edu.data.coco_json import coco_index
from yolox_edu.data.crossing import Crossing, coco_dict
from yolox_edu.data.crossing_render import paint
from yolox_edu.data.crossing_scene import Cast, Scene, Thing, compose
from yolox_edu.evaluate import coco_figures
from yolox_edu.model import YOLOX
from yolox_edu.viz.svg import STROKE, STRONG, Drawing, canvas, rect, text

SEED = 17  # crowds share no picture with the splits of Crossing
Found = tuple[Float[Tensor, "m 4"], Float[Tensor, " m"], Int[Tensor, " m"]]  # boxes xyxy, scores, labels
Way = Callable[..., Any]  # boxes m 4, scores m, labels m, picture i, cells m -> see `judged`


def crowd(index: int, size: int = 320, people: int = 18) -> tuple[UInt8[np.ndarray, "h w 3"], dict[str, Any]]:
    """A street with `people` more on it, anywhere around the near kerb: picture and target as in Crossing.

    Where Crossing's own people keep apart, these stand in front of each other. Of some less than 40 % is to
    be seen; they are left out, as everywhere in Crossing.
    """
    rng = np.random.default_rng([SEED, index])
    scene = compose(rng)
    cast, street = Cast(scene.street, rng), scene.street
    things = list(scene.things)
    for _ in range(people):
        z = max(street.kerb + cast.dice(-1.5, 3.5), 1.03 * street.near)
        x = (cast.dice(0.08, 0.92) - street.vanish) * z
        things.append(Thing("person", x, z, cast.look(), cast.chance(0.5)))
    picture, seen = paint(Scene(street, tuple(sorted(things, key=lambda t: -t.z))), size, rng)
    target = {
        "boxes": np.array([s.box for s in seen], np.float32).reshape(-1, 4),
        "labels": np.array([s.label for s in seen], np.int64),
        "visible": np.array([s.visible for s in seen], np.float32),
        "area": np.array([s.area for s in seen], np.float32),
        "image_id": index + 1,
    }
    return picture, target


def average_precision(found: Sequence[Found], targets: Sequence[dict[str, Any]], size: int = 320) -> float:
    """COCO AP in per cent of what was found in square pictures of `size` pixels (chapter 18 opens it)."""
    rows = []
    for (boxes, scores, labels), target in zip(found, targets, strict=True):
        boxes = boxes.clamp(0, size)  # m 4
        sizes = torch.cat((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), dim=1)  # m 4, xywh
        for box, score, label in zip(sizes.tolist(), scores.tolist(), labels.tolist()):
            category = Crossing.category_ids[label]
            row = {"image_id": target["image_id"], "category_id": category, "bbox": box, "score": score}
            rows.append(row)
    truth = coco_index(coco_dict(list(targets), size))
    return 100 * coco_figures(truth, rows, [t["image_id"] for t in targets])[0][0]


@torch.inference_mode()
def look(
    model: YOLOX, pictures: Sequence[UInt8[np.ndarray, "h w 3"]]
) -> tuple[Float[Tensor, "n a d"], Float[Tensor, "n a 4"], Float[Tensor, "n a k"]]:
    """What the network says of square pictures of one size: raw numbers, decoded boxes (xyxy), scores."""
    images = torch.stack([torch.from_numpy(p).permute(2, 0, 1) for p in pictures])  # n 3 h w
    raw = torch.cat([model.eval().raw(some.float() / 255) for some in images.split(16)])
    return raw, *decode(raw, tuple(images.shape[2:]))


class Pictures:
    """Pictures with their truths, and what the network says of each: `raw`, `boxes`, `scores`, `targets`."""

    def __init__(self, model: YOLOX, source: Iterable[tuple[np.ndarray, dict[str, Any]]]):
        pictures, self.targets = zip(*source)
        self.size = len(pictures[0])
        self.raw, self.boxes, self.scores = look(model, pictures)  # n a 5+k, n a 4, n a k

    def overlap(self, i: int) -> Float[Tensor, "a g"]:
        """IoU of each box of picture i with each truth; 0 where the class is another one."""
        truth, classes = (torch.from_numpy(self.targets[i][key]) for key in ("boxes", "labels"))
        return box_iou(self.boxes[i], truth) * (self.scores[i].argmax(dim=1)[:, None] == classes)

    def true_iou(self, i: int) -> Float[Tensor, " a"]:
        """The best of these for each box."""
        return self.overlap(i).amax(dim=1)

    def pairs(self) -> Float[Tensor, " m"]:
        """IoU of each two truths that share picture and class."""
        out = []
        for t in self.targets:
            truth, classes = torch.from_numpy(t["boxes"]), torch.from_numpy(t["labels"])
            two = (classes[:, None] == classes).triu(1)  # g g
            out.append(box_iou(truth, truth)[two])
        return torch.cat(out)


def judged(way: Way, pictures: Pictures, confidence: float = 0.01) -> tuple[float, float]:
    """COCO AP in per cent, and boxes a picture, of a way to sift what has passed the score.

    `way` is called for each picture with boxes, scores, labels, the picture's number and the cells that they
    come from. It gives back which stay (indices); or these and new scores; or these, scores and labels.
    """
    found = []
    for i, (boxes, scores) in enumerate(zip(pictures.boxes, pictures.scores)):
        best, labels = scores.max(dim=1)  # a each
        cells = torch.where(best >= confidence)[0]  # m
        boxes, best, labels = boxes[cells], best[cells], labels[cells]
        kept = way(boxes, best, labels, i, cells)
        kept = kept if isinstance(kept, tuple) else (kept,)
        index, best, labels = (*kept, *(best[kept[0]], labels[kept[0]])[len(kept) - 1 :])
        found.append((boxes[index], best, labels))
    ap = average_precision(found, pictures.targets, pictures.size)
    return ap, sum(len(boxes) for boxes, *_ in found) / len(found)


def each_class(scheme: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Way:
    """A scheme (boxes, scores -> indices, new scores) for the boxes of each class on their own."""

    def way(boxes: Tensor, scores: Tensor, labels: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
        of = [torch.where(labels == c)[0] for c in labels.unique()]
        parts = [(i[kept], new) for i in of for kept, new in [scheme(boxes[i], scores[i])]]
        return tuple(torch.cat(part) for part in zip(*parts))

    return way


def several(pictures: Pictures, iou_threshold: float, confidence: float = 0.01) -> Way:
    """NMS where every class of a cell that passes `confidence` is a box of its own."""

    def way(boxes: Tensor, scores: Tensor, labels: Tensor, i: int, cells: Tensor) -> tuple[Tensor, ...]:
        row, label = torch.where(pictures.scores[i, cells] >= confidence)  # m each
        score = pictures.scores[i, cells][row, label]  # m
        kept = batched_nms(boxes[row], score, label, iou_threshold)
        return row[kept], score[kept], label[kept]

    return way


def flat(iou_threshold: float) -> Way:
    """NMS over all classes together."""
    return lambda boxes, scores, *_: flat_nms(boxes, scores, iou_threshold)


def fits(
    pictures: Pictures, confidence: float, iou_threshold: float
) -> tuple[Float[Tensor, " g"], Float[Tensor, " g"]]:
    """For each truth that NMS leaves a box: the IoU of that box with it, and the best IoU in the box's heap.

    Found is a truth with a box of its class at IoU 0.5. The heap is every box of the class that passes
    `confidence` and overlaps the one that stayed by more than the threshold, and that one itself.
    """
    stayed, there = [], []
    for i, (boxes, scores) in enumerate(zip(pictures.boxes, pictures.scores)):
        kept = nms(boxes[None], scores[None], confidence, iou_threshold)[0]["boxes"]  # m 4
        close, passes = pictures.overlap(i), scores.amax(dim=1) >= confidence  # a g, a
        survives = passes & (boxes[:, None] == kept).all(dim=2).any(dim=1)  # a
        for fit in close.T:  # a
            mine = (fit * survives).argmax()
            if survives[mine] and fit[mine] >= 0.5:
                heap = passes & (box_iou(boxes[mine][None], boxes)[0] > iou_threshold)  # a
                stayed.append(fit[mine])
                there.append(fit[heap].max())
    return torch.stack(stayed), torch.stack(there)


def fates(
    pictures: Pictures,
    some: Sequence[int] | None = None,
    confidence: float = 0.25,
    iou_threshold: float = 0.45,
) -> dict[str, int]:
    """Where each truth is lost on its way: does a box of its class with IoU 0.5 stay, pass, exist?"""
    ends = {"found": 0, "lost by NMS": 0, f"score below {confidence}": 0, "no box": 0}
    for i in range(len(pictures.targets)) if some is None else some:
        boxes, scores = pictures.boxes[i], pictures.scores[i]  # a 4, a k
        near = pictures.overlap(i) >= 0.5  # a g
        kept = nms(boxes[None], scores[None], confidence, iou_threshold)[0]["boxes"]  # m 4
        stays = (boxes[:, None] == kept).all(dim=2).any(dim=1)  # a
        for hit in near.T:  # a
            asked = hit & stays, hit & (scores.amax(dim=1) >= confidence), hit, torch.ones(1)
            ends[next(end for end, yes in zip(ends, asked) if yes.any())] += 1
    return ends


def frames(ax: Axes, picture: UInt8[np.ndarray, "h w 3"], boxes: Float[Tensor, "m 4"], title: str) -> None:
    """Boxes of a picture 320 wide over the lower part of a sharper one."""
    ax.imshow(picture, extent=(0, 320, 320, 0))
    left, top, right, bottom = boxes.T
    x, y = torch.stack((left, right, right, left, left)), torch.stack((top, top, bottom, bottom, top))
    ax.plot(x, y, color="black", lw=2.0 if len(boxes) < 50 else 0)
    ax.plot(x, y, color="#FFE800", lw=1.2 if len(boxes) < 50 else 0.9)
    ax.set(title=title, xlim=(0, 320), ylim=(320, 95))
    ax.axis("off")


def curves(
    values: Mapping[str, Sequence[float]],
    at: Sequence[int],
    xlabel: str,
    ylabel: str,
    ticks: Sequence[float],
) -> None:
    """A line for each name over named places, both axes logarithmic; a first tick of 0 is shown as well."""
    _, ax = plt.subplots(figsize=(6.2, 2.6))
    for (name, line), mark in zip(values.items(), "os^"):
        ax.plot(at, line, f"{mark}-", label=name)
    ax.set_xscale("log", base=2)
    ax.set(xlabel=xlabel, ylabel=ylabel, xticks=at, xticklabels=[f"{x:,}" for x in at])
    ax.set_yscale("symlog", linthresh=ticks[1] if ticks[0] == 0 else ticks[0])
    ax.set(yticks=ticks, yticklabels=[f"{y:,g}" if y < 1 else f"{y:,.0f}" for y in ticks])
    most = max(max(line) for line in values.values())
    ax.set_ylim(-0.3 * ticks[1] if ticks[0] == 0 else ticks[0] / 2, 2 * most)
    ax.minorticks_off()
    ax.legend()


def thresholds(by_score: Mapping[float, tuple], by_iou: Mapping[float, tuple]) -> None:
    """AP and boxes a picture against the score threshold (left) and the IoU of NMS (right)."""
    _, axes = plt.subplots(2, 2, figsize=(7.6, 4), sharex="col", sharey="row")
    for column, curve, xlabel, marks in (
        (axes[:, 0], by_score, "score from (NMS IoU 0.65)", {0.25: "demo", 0.01: "AP"}),
        (axes[:, 1], by_iou, "NMS IoU (score from 0.01)", {0.45: "demo", 0.65: "AP"}),
    ):
        for ax, values in zip(column, zip(*curve.values())):
            ax.plot(list(curve), values, "o-")
            for x, word in marks.items():
                ax.axvline(x, color="black", lw=0.8, ls=":")
                if ax is column[0]:
                    ax.text(x, 3, f" {word}")
        column[1].set_xlabel(xlabel)
    axes[0, 0].set(ylabel="AP", ylim=(0, 80))
    ticks = (3, 10, 30, 100)
    axes[1, 0].set(ylabel="boxes a picture", yscale="log", yticks=ticks, yticklabels=ticks)
    axes[1, 0].minorticks_off()
    at = (0.001, 0.01, 0.1, 0.25, 0.9)
    axes[1, 0].set(xscale="log", xticks=at, xticklabels=at)
    axes[1, 0].tick_params(axis="x", which="minor", bottom=False)


def board(
    boxes: Float[Tensor, "n 4"],
    scores: Float[Tensor, " n"],
    kept: Sequence[int] = (),
    dropped: Sequence[int] = (),
    gone: Sequence[int] = (),
    title: str = "",
    side: int = 14,
    people: int = 0,
) -> Drawing:
    """Boxes A, B, C … on squared paper: kept filled and strong, dropped now dashed, gone before absent.

    While nothing is kept, scores stand below. In the first boxes stand `people`, the first in front.
    """
    wide, high = (int(boxes[:, i].max()) + 1 for i in (2, 3))
    top = 24 if title else 0
    lines = [f"M{side * i} {top}V{top + side * high}" for i in range(wide + 1)]
    lines += [f"M0 {top + side * i}H{side * wide}" for i in range(high + 1)]
    inside = max(side / 2, 9)  # from the corner to the middle of a letter
    body = [text(0, 10, title, "start", bold=True)] if title else []
    body.append(
        f'<path d="{"".join(lines)}" stroke="currentColor" stroke-width="0.5" opacity="0.3" fill="none"/>'
    )
    for i in reversed(range(people)):
        left, up, right, down = boxes[i].int().tolist()
        place = (side * left, top + side * up, side * (right - left), side * (down - up))
        body.append(_person(*place, ("#6e6e6e", "#b4b4b4")[i % 2]))
    for i, (left, up, right, down) in enumerate(boxes.int().tolist()):
        if i in gone:
            continue
        colour = "blue" if i in kept else "orange" if i in dropped else None
        dashes = ' stroke-dasharray="5 4"' if i in dropped else ""
        width = STRONG if i in kept else STROKE
        place = (side * left, top + side * up, side * (right - left), side * (down - up))
        body.append(rect(*place, colour, dashes, width=width, tint=0.1 if people else 0.25))
        body.append(text(side * left + inside, top + side * up + inside, _letter(i), bold=True))
    said = [f"{_letter(i)} {score:.2f}" for i, score in enumerate(scores.tolist())]
    foot = 0 if title else 44
    for i in range(0, len(said) if foot else 0, 3):
        body.append(
            text(
                0,
                side * high + 14 + 20 * (i // 3),
                "scores: " * (not i) + ", ".join(said[i : i + 3]),
                "start",
            )
        )
    alt = f"{title}. " if title else f"Boxes with scores {', '.join(said)}. "
    alt += f"{people} people, in boxes {' and '.join(map(_letter, range(people)))}. " if people else ""
    alt += _names("Kept", kept) + _names("Dropped now", dropped) + _names("Gone", gone)
    return canvas(body, side * wide + 2, top + side * high + 2 + foot, alt.strip())


def after_nms(boxes: Float[Tensor, "n 4"], scores: Float[Tensor, " n"], threshold: float) -> Drawing:
    """Boxes on squared paper after NMS with a threshold; people stand in the first two."""
    kept = flat_nms(boxes, scores, threshold).tolist()
    dropped = [i for i in range(len(boxes)) if i not in kept]
    return board(boxes, scores, kept, dropped, (), f"NMS IoU {threshold}", side=8, people=2)


def _person(left: int, top: int, wide: int, high: int, colour: str) -> str:
    """Somebody with hands on hips who fills a box, drawn for one of 100 by 140."""
    way = (
        "M50 1a15 15 0 0 1 8 28l0 6q20 0 26 8l16 26-22 22-7 0 0 48-17 0 0-40-8 0 0 40-17 0 0-48-7 0-22-22 "
        "16-26q6-8 26-8l0-6a15 15 0 0 1 8-28zM24 57l-8 12 8 9zM76 57l0 21 8-9z"
    )
    look = f'fill="{colour}" stroke="#fff" stroke-width="1.5" fill-rule="evenodd"'
    return f'<path transform="translate({left} {top}) scale({wide / 100} {high / 140})" d="{way}" {look}/>'


def _letter(i: int) -> str:
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i]


def _names(what: str, which: Sequence[int]) -> str:
    """ "Kept A, D. " or nothing."""
    return f"{what} {', '.join(map(_letter, which))}. " if which else ""


def heaps(
    side: int, random: torch.Generator, classes: int = 80, count: int = 40, each: int = 10
) -> tuple[Float[Tensor, "n 4"], Float[Tensor, " n"], Int[Tensor, " n"]]:
    """`count` heaps of `each` similar boxes of one class, 8 to 32 pixels large, in a picture `side` wide."""
    centre = 32 + (side - 64) * torch.rand(count, 2, generator=random)
    size = 8 + 24 * torch.rand(count, 2, generator=random)
    centre, size = (t.repeat_interleave(each, 0) for t in (centre, size))  # n 2 each
    centre = centre + 0.12 * size * torch.randn(centre.shape, generator=random)
    size = size * (1 + 0.15 * torch.randn(size.shape, generator=random)).clamp(0.5, 1.6)
    labels = torch.randint(0, classes, (count,), generator=random).repeat_interleave(each)
    scores = torch.rand(count * each, generator=random)
    return torch.cat((centre - size / 2, centre + size / 2), dim=1), scores, labels
