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

GRID = np.linspace(0, 1, 101)


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
        axes[0].annotate("ABCDEFGHIJ"[i], (x, y), xytext=(-11, -5), textcoords="offset points")
    axes[1].plot(recall, precision, "o:", color="C0", alpha=0.6)
    axes[1].step([0, *recall], [envelope[0], *envelope], where="pre", color="C1", lw=2.5)
    axes[2].fill_between(GRID, read, color="C1", alpha=0.3, lw=0)
    axes[2].plot(GRID, read, ".", color="C1", ms=3)
    for ax, title in zip(
        axes, ("1: one point a detection", "2: the envelope", f"3: mean of 101 = {read.mean():.3f}")
    ):
        ax.set(title=title, xlabel="recall", xlim=(0, 1.03), ylim=(0, 1.06))
    axes[0].set_ylabel("precision")


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


def wobble(some: Sequence[float], all_: Sequence[float], ap: float, halves: Sequence[float]) -> None:
    """Two histograms of AP: 50 pictures drawn with replacement, and 100."""
    _, ax = plt.subplots(figsize=(6.2, 2.6))
    bins = np.linspace(min(some), max(some), 36)
    ax.hist(some, bins, alpha=0.55, label="50 pictures", color="C2")
    ax.hist(all_, bins, alpha=0.55, label="100 pictures", color="C0", hatch="//")
    ax.axvline(ap, color="black", lw=2, label="all 100, once each")
    ax.plot(halves, [3, 3], "kv", ms=9, label="the two halves")
    ax.set(xlabel="AP", ylabel="draws")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))


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
        self, found: Mapping[Any, list], truths: Mapping[Any, list], shown: Sequence[int], count: int
    ):
        """`found` and `truths`: COCO rows by (image_id, category_id); `shown`: two image ids."""
        self.found, self.truths, self.shown, self.count = found, truths, shown, count
        sharp = Crossing.split("val", count, 480)
        self.pictures = [_crop(sharp[i - 1][0]) for i in shown]
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
        body = self._plot(right, truths, precision, recall, kept)
        said = f"{kind}, scores from {threshold:g}: {kept} boxes, {tp} right: precision {precision:.2f}; "
        said += f"{tp} of {truths} found: recall {recall:.2f}."
        for i, image in enumerate(self.shown):
            marks, words = self._picture(kind, image, threshold, i)
            body += marks
            said += f" {('Left', 'Right')[i]}: {words}."
        return canvas(body, 480, 424, said[0].upper() + said[1:])

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
        px, py = 46 + 260 * recall, 176 - 160 * precision
        body.append(
            f'<circle cx="{number(px)}" cy="{number(py)}" r="7" '
            f'fill="{PALETTE["orange"]}" stroke="currentColor"/>'
        )
        body += [text(40, 16, "1", "end"), text(40, 176, "0", "end"), text(306, 190, "1"), text(46, 190, "0")]
        body += [text(176, 190, "recall"), text(14, 96, "precision", extra=' transform="rotate(-90 14 96)"')]
        legend = {"right": ("green", ""), "wrong": ("vermilion", "7 4"), "missed": ("yellow", "2 3")}
        for i, (word, look) in enumerate(legend.items()):
            body.append(f'<rect x="330" y="{40 + 40 * i}" width="30" height="24" {_stroke(*look)}/>')
            body.append(text(372, 52 + 40 * i, word, "start"))
        return body

    def _picture(self, kind: str, image: int, threshold: float, place: int) -> tuple[list[str], str]:
        """One picture (236 wide, its lower three quarters) with boxes, and the counts in words."""
        left, top, scale = 244 * place, 212, 236 / 320
        body = [f'<image x="{left}" y="{top}" width="236" height="212" href="{self.pictures[place]}"/>']
        key = (image, Crossing.category_ids[Crossing.names.index(kind)])
        score, right, at = self.judged(kind, image)
        rows = sorted(self.found.get(key, []), key=lambda r: -r["score"])
        boxes = [
            (r["bbox"], "right" if ok else "wrong") for r, s, ok in zip(rows, score, right) if s >= threshold
        ]
        boxes += [(t["bbox"], "missed") for t, s in zip(self.truths.get(key, []), at) if s < threshold]
        looks = {"right": ("green", ""), "wrong": ("vermilion", "7 4"), "missed": ("yellow", "2 3")}
        for (x, y, w, h), word in boxes[::-1]:
            x, w = max(x, 0), min(w, 320 - max(x, 0))
            top_, low = max(y, 32.5), min(y + h, 320)
            spot = f'x="{number(left + scale * x)}" y="{number(top + scale * (top_ - 32.5))}"'
            size = f'width="{number(scale * w)}" height="{number(scale * (low - top_))}"'
            body.append(f"<rect {spot} {size} {_stroke(*looks[word])}/>")
        words = [word for _, word in boxes]
        return body, ", ".join(f"{words.count(word)} {word}" for word in looks)


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
