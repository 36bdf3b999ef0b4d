"""The doctor: looks at a data set and at weights, and names what is wrong. Chapter 21 and the error clinic.

The data checker looks at the set; `doctor_environment` at the machine; `doctor_weights` at the tensors.
Where there are both, the network looks at a few pictures (`doctor_run`), for most mix-ups show there: colours
exchanged, values 255 times too large, boxes in another format, classes counted from 1.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from yolox_edu.data.check import check
from yolox_edu.data.crossing import Crossing
from yolox_edu.data.errors import DatasetError
from yolox_edu.data.findings import Finding, Findings, has_errors
from yolox_edu.doctor_classes import check_classes, check_found, check_losses, check_names
from yolox_edu.doctor_environment import check_environment
from yolox_edu.doctor_pairs import check_pairs
from yolox_edu.doctor_run import PICTURES, answer, check_input, check_reading, check_scale, samples
from yolox_edu.doctor_weights import check_weights
from yolox_edu.model import YOLOX

GUESSES = ("loss-high", "blind", "classes-wrong")
DRAWN = 2  # pictures by which the stem's numbers are judged where there is no set


def examine(
    data: str | Path | Any | None = None,
    split: str | None = None,
    weights: str | Path | None = None,
    legacy: bool = False,
) -> list[Finding]:
    """Look at the machine, and at a set, at weights, or at both together. Chapter 21 and the error clinic.

    Args:
        data: a folder in COCO's layout, "crossing", or an open source.
        split: the part (None: all are checked; the network looks at the val part, else the first).
        weights: a file, or the name of weights that come with the package; `legacy` as for `weights.load`.

    Raises:
        DatasetError: there is no such folder. ValueError: Crossing has no such split.
    """
    findings, model = Findings("machine"), None
    check_environment(findings)
    if weights is not None:
        say = Findings(str(weights))
        model = check_weights(weights, legacy, say)
        findings += say
    seen = check(data, split, model.size if model else 640) if data is not None else []
    findings += seen
    if model is not None and not _has_nan(model):
        found = _together(model, data, split, Findings(str(weights)))
        named = has_errors(seen)  # then nobody need guess why the two do not fit
        findings += [finding for finding in found if not (named and finding.code in GUESSES)]
    return list(findings)


def _has_nan(model: YOLOX) -> bool:
    return any(
        tensor.is_floating_point() and not tensor.isfinite().all() for tensor in model.state_dict().values()
    )


def _together(model: YOLOX, data: Any, split: str | None, say: Findings) -> Findings:
    """What shows only when the network looks at pictures; without a set, at drawn ones."""
    try:
        source = Crossing.split("val", DRAWN) if data is None else open_any(data, split)
    except (DatasetError, ImportError) as error:
        mend = "Mend what the checker says, then call the doctor again."
        say.add("note", "run-skipped", "data", f"the network did not look at the set ({error})", mend)
        return say
    some = samples(source, model.size)
    if not some:
        say.add("note", "run-skipped", "data", "no picture with boxes for the network to look at", "")
        return say
    images = torch.stack([sample.canvas for sample in some]).float() / 255  # n 3 h w
    right_scale = check_scale(model, images, say)
    if data is None:
        return say
    place, given = check_names(model, source, say), answer(model, images)
    if not given.raw.isfinite().all():
        say.add("error", "output-nan", "predictions", "NaN or infinite numbers", "See the tensors' findings.")
        return say
    fits = not right_scale or (check_reading(given, some, say) and check_pairs(given, some, say))
    if fits:
        check_input(model, images, given, some, right_scale, say)
    if right_scale:
        if fits:
            check_classes(given, some, place, model.names, say)
        check_losses(given, some, place, say)
        check_found(given, some, place, say)
    return say


def open_any(data: str | Path | Any, split: str | None) -> Any:
    """The source that `data` means. Raises DatasetError. Chapter 21 and the error clinic."""
    if not isinstance(data, str | Path):
        return data
    if str(data) == "crossing":
        return Crossing.split(split or "val", PICTURES)
    from yolox_edu.data.coco import open_coco  # needs pycocotools

    names = [
        p.stem.removeprefix("instances_") for p in sorted(Path(data).glob("annotations/instances_*.json"))
    ]
    names.sort(key=lambda name: "val" not in name)
    return open_coco(data, split or (names or ["val"])[0])
