"""What chapter 18 draws: boxes on squared paper, precision and recall in many forms, a threshold to move."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image

from yolox_edu.data.crossing import Crossing
from yolox_edu.viz.svg import PALETTE, STRONG, Drawing, canvas, number, rect, text
from yolox_edu.viz.svg import row as in_a_row

GRID = np.linspace(0, 1, 101)
LOOKS = {"right": ("green", ""), "wrong": ("vermilion", "7 4"), "missed": ("yellow", "2 3")}


# --- squared paper ----------------------------------------------------------------------------------------


def paper(
    truths: Int[np.ndarray, "g 4"],
    found: Int[np.ndarray, "m 4"],
    scores: Sequence[float],
    crowd: Sequence[int] = (),
    side: int = 19,
) -> Drawing:
    """Ground truths P, Q, R … (filled) and detections A, B, C … (outlines), xywh, on squared paper.

    The truths whose places are in `crowd` are hatched: regions that are to be ignored.
    """
    truths, found = truths.tolist(), found.tolist()
    every = [*truths, *found]
    wide, high = (max(b[i] + b[i + 2] for b in every) + 1 for i in (0, 1))
    lines = [f"M{side * i} 0V{side * high}" for i in range(wide + 1)]
    lines += [f"M0 {side * i}H{side * wide}" for i in range(high + 1)]
    body = [
        f'<path d="{"".join(lines)}" stroke="currentColor" stroke-width="0.5" opacity="0.3" fill="none"/>'
    ]
    for i, (x, y, w, h) in enumerate(truths):
        colour = "yellow" if i in crowd else "green"
        body.append(
            rect(side * x, side * y, side * w, side * h, colour, ' stroke-dasharray="2 3"', tint=0.35)
        )
    for i, (x, y, w, h) in enumerate(found):
        body.append(rect(side * x, side * y, side * w, side * h, None, width=STRONG))
        body.append(text(side * (x + 0.5), side * (y + 0.5), "ABCDEFGHIJ"[i], bold=True))
    for i, (x, y, w, h) in enumerate(truths):  # over all fills
        body.append(text(side * (x + w - 0.5), side * (y + h - 0.5), "PQRSTUVW"[i], bold=True))
    said = [f"{'ABCDEFGHIJ'[i]} {score:.2f}" for i, score in enumerate(scores)]
    for row in range(0, len(said), 4):
        line = ("scores: " if not row else "") + ", ".join(said[row : row + 4])
        body.append(text(0, side * high + 14 + 5 * row, line, "start"))
    alt = f"{len(truths)} filled ground truths and {len(found)} outlined detections on squared paper. "
    foot = 6 + 20 * ((len(said) + 3) // 4)
    return canvas(body, side * wide + 2, side * high + foot, alt + f"Scores: {', '.join(said)}.")


# --- precision and recall ---------------------------------------------------------------------------------


def three_steps(right: Bool[np.ndarray, " m"], truths: int) -> None:
    """Points in the order of the scores; the envelope; and the 101 places where it is read."""
    tp = right.cumsum()
    precision, recall = tp / np.arange(1, len(right) + 1), tp / truths
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    read = np.append(envelope, 0)[np.searchsorted(recall, GRID)]
    _, axes = plt.subplots(1, 3, figsize=(7.8, 2.7), sharey=True)
    axes[0].plot(recall, precision, "o-", color="C0")
    for i, (x, y) in enumerate(zip(recall, precision)):
        axes[0].annotate("ABCDEFGHIJ"[i], (x, y), xytext=(-11, 3), textcoords="offset points")
    axes[1].plot(recall, precision, "o:", color="C0", alpha=0.6)
    axes[1].step([0, *recall], [envelope[0], *envelope], where="pre", color="C1", lw=2.5)
    axes[2].fill_between(GRID, read, color="C1", alpha=0.3, lw=0)
    axes[2].plot(GRID, read, ".", color="C1", ms=3)
    for ax, title in zip(
        axes, ("1: one point a detection", "2: the envelope", f"3: mean of 101 = {read.mean():.3f}")
    ):
        ax.set(title=title, xlabel="recall", xlim=(0, 1.03), ylim=(0, 1.12))
    axes[0].set_ylabel("precision")


def side_by_side(**lines: Sequence[float]) -> None:
    """COCO's twelve figures under their names, a line for each judge or detector."""
    names = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]
    wide = max(map(len, lines))
    print(" " * wide, *(f"{name:5}" for name in names))
    for who, figures in lines.items():
        print(f"{who:{wide}}", *(f"{figure:.3f}" for figure in figures))


def terraces(table: Float[np.ndarray, "t 101"], thresholds: Sequence[float]) -> None:
    """One precision-recall curve for each IoU threshold, the strictest in front; the mean height is AP."""
    _, ax = plt.subplots(figsize=(6.4, 3.6))
    shades = plt.get_cmap("cividis")(np.linspace(0.95, 0.05, len(table)))
    for row, threshold, shade in zip(table, thresholds, shades):
        ax.fill_between(
            GRID, row, color=shade, ec="white", lw=0.8, label=f"{threshold:.2f}: {row.mean():.2f}"
        )
    ax.axhline(table.mean(), color="black", lw=1, ls="--")
    ax.text(
        0.02,
        table.mean(),
        f"AP {table.mean():.2f}",
        va="center",
        bbox={"fc": "white", "ec": "none", "pad": 2},
    )
    ax.set(xlabel="recall", ylabel="precision, mean of the classes", xlim=(0, 1), ylim=(0, 1.02))
    ax.legend(title="IoU: its AP", loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def by_class(table: Float[np.ndarray, "k t"], counts: Sequence[int]) -> None:
    """AP (bars) and AP50 (outlines) of each class, the best first."""
    order = np.argsort(-table.mean(axis=1))
    _, ax = plt.subplots(figsize=(6.4, 2.8))
    ax.bar(range(len(order)), table[order, 0], fill=False, ec="black", label="AP50")
    ax.bar(range(len(order)), table[order].mean(axis=1), color="C0", label="AP")
    ax.set(ylim=(0, 1.1), xticks=range(len(order)))
    ax.set_xticklabels([f"{Crossing.names[k]}\n{counts[k]}" for k in order], rotation=25)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def wobble(draws: Mapping[int, Float[np.ndarray, "t k"]], own: Float[np.ndarray, " k"], counts: Any) -> None:
    """Left: AP of pictures drawn with replacement, 50 and 100. Right: of 50, how far each class wobbles.

    Bars over the heaps and beside the classes: 95 % of the draws.
    draws: {pictures: AP of each draw and class}; own: AP by class of all hundred, each once; counts: truths.
    """
    _, (heap, ax) = plt.subplots(1, 2, figsize=(8.2, 3.1), layout="constrained")
    ap = {n: np.nanmean(table, axis=1) for n, table in draws.items()}
    bins = np.linspace(min(ap[50]), max(ap[50]), 30)
    for row, (n, colour, hatch) in enumerate(((50, "C2", None), (100, "C0", "//"))):
        heap.hist(ap[n], bins, alpha=0.55, label=f"{n} pictures", color=colour, hatch=hatch)
        heap.hlines(34 + 3 * row, *np.percentile(ap[n], [2.5, 97.5]), colors=colour, lw=5)
    heap.axvline(own.mean(), color="black", lw=2, label="all 100, once each")
    heap.set(xlabel="AP of a draw", ylabel="draws")
    heap.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, fontsize=9, frameon=False)
    order = np.argsort(-np.array(counts))
    off = np.column_stack([draws[50][:, order] - own[order], ap[50] - own.mean()])  # t k + 1
    low, high = 100 * np.nanpercentile(off, [2.5, 97.5], axis=0)
    colours = ["C0"] * len(order) + ["black"]
    ax.hlines(range(len(colours)), low, high, colors=colours, lw=[4] * len(order) + [6])
    ax.axvline(0, color="black", lw=0.8, ls=":")
    names = [f"{Crossing.names[k]}, {counts[k] / 2:.0f}" for k in order]
    ax.set_yticks(range(len(colours)), [*names, "AP, the mean"])
    ax.invert_yaxis()
    ax.set(xlabel="points off its AP, 95 % of the draws of 50")


def pieces(curves: Mapping[str, Mapping[int, Sequence[float]]], whole: Mapping[str, float]) -> None:
    """Mean AP of sets cut in pieces of n pictures, with the spread of single pieces."""
    _, ax = plt.subplots(figsize=(6.2, 2.8))
    for i, (name, at) in enumerate(curves.items()):
        n, mean = list(at), [np.mean(v) for v in at.values()]
        if not i:
            spread = [np.std(v) for v in at.values()]
            ax.fill_between(
                n,
                np.subtract(mean, spread),
                np.add(mean, spread),
                alpha=0.2,
                label="one piece in three is outside",
            )
        ax.plot([*n, 100], [*mean, whole[name]], "os"[i] + "-", color=f"C{i}", label=name)
        ax.axhline(whole[name], color=f"C{i}", lw=0.8, ls=":")
    ax.set(xlabel="pictures in a piece (100: not cut)", ylabel="mean AP of the pieces", xscale="log")
    ax.set_xticks([*n, 100], [*n, 100])
    ax.minorticks_off()
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def gains(before: float, after: Mapping[str, float]) -> None:
    """How far AP50 rises if all mistakes of a kind were mended."""
    _, ax = plt.subplots(figsize=(6.4, 2.5))
    names, rise = list(after), [100 * (value - before) for value in after.values()]
    ax.barh(names, rise, color="C0")
    ax.bar_label(ax.containers[0], [f"{r:+.1f}" for r in rise], padding=3)
    ax.set(xlabel=f"points of AP50 gained, from {100 * before:.1f}", xlim=(0, 1.2 * max(rise)))
    ax.invert_yaxis()


# --- a threshold to move ----------------------------------------------------------------------------------


class Threshold:
    """The frames of the chapter's figure to play with: a class, a threshold, a curve and two pictures."""

    def __init__(
        self, found: Mapping[Any, list], truths: Mapping[Any, list], shown: Mapping[str, int], count: int
    ):
        """`found` and `truths`: COCO rows by (image_id, category_id); `shown`: two image ids by name."""
        self.found, self.truths, self.shown, self.count = found, truths, shown, count
        sharp = Crossing.split("val", count, 480)
        self.pictures = [_crop(sharp[i - 1][0]) for i in shown.values()]
        self.wide = 344  # pixels that a picture is wide on the page: two fit into a line, one on a phone
        self.kinds: dict[str, tuple[np.ndarray, np.ndarray, int]] = {}

    def curve(self, kind: str) -> tuple[Float[np.ndarray, " m"], Bool[np.ndarray, " m"], int]:
        """Scores (the surest first), which are right at IoU 0.5, and the number of truths, of a class."""
        if kind not in self.kinds:
            judged = [self.judged(kind, i) for i in range(1, self.count + 1)]
            score, right = (np.concatenate([j[k] for j in judged]) for k in (0, 1))
            order = np.argsort(-score, kind="stable")
            self.kinds[kind] = score[order], right[order].astype(bool), sum(len(j[2]) for j in judged)
        return self.kinds[kind]

    def judged(self, kind: str, image: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One picture: scores, right or not, and for each truth the score of its detection (or -1)."""
        key = (image, Crossing.category_ids[Crossing.names.index(kind)])
        rows = sorted(self.found.get(key, []), key=lambda r: -r["score"])
        truths, by = self.truths.get(key, []), []
        at, right = np.full(len(truths), -1.0), []
        for row in rows:
            by = [_iou(row["bbox"], t["bbox"]) if s < 0 else 0.0 for t, s in zip(truths, at)]
            best = int(np.argmax(by)) if by else 0
            right.append(bool(by) and by[best] >= 0.5)
            if right[-1]:
                at[best] = row["score"]
        return np.array([r["score"] for r in rows]), np.array(right, bool), at

    def __call__(self, kind: str, threshold: float) -> Drawing:
        score, right, truths = self.curve(kind)
        kept = int((score >= threshold).sum())
        tp = int(right[:kept].sum())
        precision, recall = tp / max(kept, 1), tp / truths
        plot = canvas(self._plot(right, truths, precision, recall, kept), 480, 200, "Precision and recall.")
        share = f"precision {precision:.2f}" if kept else "no precision, for nothing is said"
        said = f"{kind}, scores from {threshold:g}: {kept} boxes, {tp} right: {share}; "
        said += f"{tp} of {truths} found: recall {recall:.2f}."
        streets = []
        for (name, image), picture in zip(self.shown.items(), self.pictures):
            marks, words = self._picture(kind, image, threshold, picture)
            streets.append(canvas(marks, self.wide, round(self.wide * 287.5 / 320), words))
            said += f" {name}: {words}."
        return in_a_row(plot, *streets, gap=8, alt=said[0].upper() + said[1:])

    def _plot(self, right: np.ndarray, truths: int, precision: float, recall: float, kept: int) -> list[str]:
        """The curve of the class with a point where the threshold stands."""
        tp = right.cumsum()
        x, y = 46 + 260 * tp / truths, 176 - 160 * tp / np.arange(1, len(right) + 1)
        way, done = _way(x, y), _way(x[:kept], y[:kept])
        line = '<polyline points="{}" fill="none" stroke="{}" stroke-width="{}"/>'
        body = [
            rect(46, 16, 260, 160),
            line.format(way, "currentColor", 1),
            line.format(done, PALETTE["blue"], 3),
        ]
        if kept:  # without a box precision is 0/0
            px, py = number(46 + 260 * recall), number(176 - 160 * precision)
            look = f'fill="{PALETTE["orange"]}" stroke="currentColor"'
            body.append(f'<circle cx="{px}" cy="{py}" r="7" {look}/>')
        body += [text(40, 16, "1", "end"), text(40, 176, "0", "end"), text(306, 190, "1"), text(46, 190, "0")]
        body += [text(176, 190, "recall"), text(14, 96, "precision", extra=' transform="rotate(-90 14 96)"')]
        for i, (word, look) in enumerate(LOOKS.items()):
            body.append(f'<rect x="330" y="{40 + 40 * i}" width="30" height="24" {_stroke(*look)}/>')
            body.append(text(372, 52 + 40 * i, word, "start"))
        return body

    def _picture(self, kind: str, image: int, threshold: float, picture: str) -> tuple[list[str], str]:
        """One picture (without the sky's upper part) with its boxes, and the counts in words."""
        scale = self.wide / 320
        body = [f'<image width="{self.wide}" height="{number(scale * 287.5)}" href="{picture}"/>']
        key = (image, Crossing.category_ids[Crossing.names.index(kind)])
        score, right, at = self.judged(kind, image)
        rows = sorted(self.found.get(key, []), key=lambda r: -r["score"])
        boxes = [
            (r["bbox"], "right" if ok else "wrong") for r, s, ok in zip(rows, score, right) if s >= threshold
        ]
        boxes += [(t["bbox"], "missed") for t, s in zip(self.truths.get(key, []), at) if s < threshold]
        for look, (colour, dashes) in LOOKS.items():  # dashes over full lines: a double hides nothing
            for x, y, w, h in (box for box, word in boxes if word == look):
                left, right_, top, low = max(x, 0), min(x + w, 320), max(y, 32.5), min(y + h, 320)
                spot = f'x="{number(scale * left)}" y="{number(scale * (top - 32.5))}"'
                size = f'width="{number(scale * (right_ - left))}" height="{number(scale * (low - top))}"'
                body.append(f"<rect {spot} {size} {_stroke(colour, dashes)}/>")
        words = [word for _, word in boxes]
        return body, ", ".join(f"{words.count(word)} {word}" for word in LOOKS)


def _way(x: np.ndarray, y: np.ndarray) -> str:
    """A curve's points in whole pixels, without those that the eye cannot tell from their neighbours."""
    points = list(zip(x.tolist(), y.tolist()))
    kept = points[:1]
    for point, after in zip(points[1:], [*points[2:], (1e9, 1e9)]):
        near = abs(point[0] - kept[-1][0]) < 3 and abs(point[1] - kept[-1][1]) < 1.5
        if not near or after[0] > 1e8:
            kept.append(point)
    return " ".join(f"{a:.0f},{b:.0f}" for a, b in kept)


def _stroke(colour: str, dashes: str) -> str:
    return f'fill="none" stroke="{PALETTE[colour]}" stroke-width="2.5" stroke-dasharray="{dashes or "none"}"'


def _iou(a: Sequence[float], b: Sequence[float]) -> float:
    """IoU of two xywh boxes."""
    wide = max(0.0, min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]))
    high = max(0.0, min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]))
    return wide * high / (a[2] * a[3] + b[2] * b[3] - wide * high)


def _crop(picture: UInt8[np.ndarray, "480 480 3"]) -> str:
    """The part below the sky as a data address."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture[49:])).save(stream, "jpeg", quality=70)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
