"""Whether pictures and boxes belong together, as a trained network sees it. Chapter 21 and the error clinic.

Nothing in the file is wrong then, and no reading of the numbers is better than COCO's: pictures were turned
over without their boxes, or two lists were sorted in two ways.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from yolox_edu.data.findings import Findings
from yolox_edu.doctor_run import Answer, Sample, as_asked, best

MARGIN, TIMES = 0.1, 1.5  # a fit is clearly better by so much, and by so many times
FEW = 2  # pictures from which on it is no chance


def check_pairs(given: Answer, some: list[Sample], say: Findings) -> bool:
    """Whether each picture fits its own boxes best; mirrored ones and those of others are reported."""
    truths = [sample.truths(as_asked) for sample in some]
    own = [_fit(given, i, boxes) for i, boxes in enumerate(truths)]
    mirrored = [_fit(given, i, _mirror(boxes, some[i])) for i, boxes in enumerate(truths)]
    turned = [f"{s.file}: {m:.2f}, not {o:.2f}" for s, o, m in zip(some, own, mirrored) if _clearly(m, o)]
    if len(turned) >= FEW:
        what = f"mirrored left to right the boxes fit better what is seen (mean score), in {len(turned)} of "
        what += f"{len(some)} pictures"
        mend = "Pictures were mirrored without their boxes: mirror both, left = width - right."
        say.each("error", "pairs-mirrored", "annotations.bbox", turned, what, mend)
        return False
    others = [_of_another(given, i, some) for i in range(len(some))]  # (score, which)
    strange = {  # by the other, each once: boxes that fit many pictures are only large
        j: f"those of {some[j].file} fit {some[i].file}: {score:.2f}, not {own[i]:.2f}"
        for i, (score, j) in enumerate(others)
        if _clearly(score, own[i])
    }
    if len(strange) >= FEW and len(strange) > len(some) / 2:
        what = f"another picture's boxes fit better what is seen (mean score), in {len(strange)} of "
        what += f"{len(some)} pictures"
        mend = "Pictures and labels were paired by their places in two lists: pair them by file name."
        say.each("error", "pairs-other", "annotations.image_id", list(strange.values()), what, mend)
        return False
    return True


def _clearly(score: float, usual: float) -> bool:
    return score > TIMES * usual and score > usual + MARGIN


def _fit(given: Answer, i: int, boxes: Float[Tensor, "g 4"]) -> float:
    """The mean score with which boxes are found in picture `i`."""
    one = Answer(*(part[i : i + 1] for part in given))
    return float(best(one, [boxes])[0].mean())


def _mirror(boxes: Float[Tensor, "g 4"], sample: Sample) -> Float[Tensor, "g 4"]:
    width = sample.width * sample.scale
    left, top, right, bottom = boxes.unbind(1)
    return torch.stack([width - right, top, width - left, bottom], 1)


def _of_another(given: Answer, i: int, some: Sequence[Sample]) -> tuple[float, int]:
    """How well the best of the other pictures' boxes fit picture `i`, and which picture's they are."""
    moved = [(j, some[i]._replace(bbox=other.bbox)) for j, other in enumerate(some) if j != i]
    return max(((_fit(given, i, each.truths(as_asked)), j) for j, each in moved), default=(0.0, i))
