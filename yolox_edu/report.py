"""What an evaluation gives back: COCO's figures, as JSON and as a table. Explained in chapter 18."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass

# The first six and the last six of the twelve figures that pycocotools computes, in its order.
FIGURES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR", "ARs", "ARm", "ARl")


@dataclass(frozen=True)
class Report:
    """What COCO says about a detector; every figure lies in 0-1 (not percent). Explained in chapter 18.

    AP is the mean over the IoU thresholds 0.50, 0.55 … 0.95 and over the classes; AP50 and AP75 are at one
    threshold. s, m, l: ground truths below 32² pixels, below 96², and larger. AR is recall with 100 boxes
    a picture (AR1, AR10: with that many). A figure is NaN where there is no ground truth for it.
    """

    AP: float
    AP50: float
    AP75: float
    APs: float
    APm: float
    APl: float
    AR1: float
    AR10: float
    AR: float
    ARs: float
    ARm: float
    ARl: float
    per_class: dict[str, float]
    images: int  # pictures that were evaluated
    unreadable: tuple[str, ...]  # pictures that could not be read; neither they nor their boxes count
    size: tuple[int, int]  # height, width of the network's input
    seconds: float

    def to_json(self) -> str:
        """The report as JSON; NaN becomes null."""
        plain = {name: _null(value) for name, value in asdict(self).items()}
        plain["per_class"] = {name: _null(value) for name, value in self.per_class.items()}
        return json.dumps(plain, indent=2, ensure_ascii=False)

    def __str__(self) -> str:
        """A table for people: the figures of the set, then AP class by class; all in percent."""
        lines = [f"{self.images} pictures at {self.size[0]} x {self.size[1]} in {self.seconds:.1f} s"]
        if self.unreadable:
            lines.append(f"{len(self.unreadable)} could not be read: " + "; ".join(self.unreadable))
        for figures in (FIGURES[:6], FIGURES[6:]):
            lines.append("  ".join(f"{name:>6}" for name in figures))
            lines.append("  ".join(f"{_percent(getattr(self, name)):>6}" for name in figures))
        width = max((len(name) for name in self.per_class), default=0)
        known = {name: value for name, value in self.per_class.items() if not math.isnan(value)}
        lines += [f"{name:<{width}}  {_percent(value):>5}" for name, value in known.items()]
        if len(known) < len(self.per_class):
            lines.append(f"({len(self.per_class) - len(known)} classes have no ground truth here)")
        return "\n".join(lines)


def _null(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f}"
