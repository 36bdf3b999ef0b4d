"""What the doctor sees in a file of weights, without a picture. Chapter 21 and the error clinic."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from yolox_edu import weights
from yolox_edu.data.findings import Findings
from yolox_edu.head import PRIOR
from yolox_edu.model import YOLOX
from yolox_edu.weightfile import WeightsError, kind, read_torch

ABSURD = 1e8  # a running variance beyond this is no variance of activations


def check_weights(path: str | Path, legacy: bool, say: Findings) -> YOLOX | None:
    """The model in a file of weights, and what is odd in it; None if it cannot be loaded."""
    try:
        model = weights.load(path, legacy)
    except WeightsError as error:
        mend = "" if "chapter 20" in error.problem else "Chapter 20 says what can be loaded."
        say.add("error", "weights-unreadable", "the whole file", error.problem, mend)
        return None
    _check_sums(path, say)
    content = _content(path)
    ours = content.get("format") == weights.CHECKPOINT
    height, width = model.size
    what = f"{model.preset.name}, {model.num_classes} classes ({_first(model.names)}), "
    what += f"input {height} x {width}, {sum(p.numel() for p in model.parameters()):,} parameters"
    say.add("note", "weights", "", f"{what}; {_kind(content, ours, legacy)}")
    if ours:
        _check_run(content, say)
    check_tensors(model.state_dict(), say)
    check_statistics(model, say)
    _check_biases(model, say)
    return model


def _check_sums(path: str | Path, say: Findings) -> None:
    """Report a zip of torch.save in which a tensor is not what was written; torch itself does not look."""
    found = weights._find(path)
    if not zipfile.is_zipfile(found):
        return
    with zipfile.ZipFile(found) as archive:
        bad = archive.testzip()
    if bad:
        what = f"{bad} has another checksum than when it was written: the file was damaged on its way"
        mend = "Copy or download it again (or was it saved with torch's checksums turned off?)."
        say.add("warning", "weights-damaged", "the whole file", what, mend)


def _content(path: str | Path) -> dict[str, Any]:
    """What besides the tensors is in a file of torch.save; nothing for safetensors."""
    found = weights._find(path)
    return read_torch(found) if kind(found) == "torch" else {}


def _first(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _kind(content: Mapping[str, Any], ours: bool, legacy: bool) -> str:
    if not content:
        return "our own format"
    if not ours:
        rule = "of the first release (RGB, normalised)" if legacy else "(BGR, 0-255, folded into the stem)"
        return f"an official file {rule}"
    averaged = "averaged" if content.get("ema") else "not averaged"
    return f"a checkpoint of our training at step {content.get('step')}{_epoch(content)}, weights {averaged}"


def _epoch(content: Mapping[str, Any]) -> str:
    try:
        recipe = content["recipe"]
        epoch = content["step"] * recipe["batch"] / content["pictures"]
        return f" (epoch {epoch:.1f} of {recipe['epochs']})"
    except (KeyError, TypeError, ZeroDivisionError):  # written by something else
        return ""


def _check_run(content: Mapping[str, Any], say: Findings) -> None:
    """What only a checkpoint of our training tells: its average, and the weights under it."""
    if not content.get("ema"):
        mend = "Take a checkpoint that the run wrote itself."
        say.add(
            "warning", "ema-missing", "ema", "there are no averaged weights, so the raw ones are used", mend
        )
    elif content.get("step") and not content.get("ema_updates"):
        what, mend = (
            "the average was never updated: it is the network's start",
            "Use the raw weights (model).",
        )
        say.add("error", "ema-idle", "ema_updates", what, mend)
    raw = content.get("model")
    if isinstance(raw, Mapping) and content.get("ema"):
        check_tensors({f"model.{key}": tensor for key, tensor in raw.items()}, say)


def check_tensors(state: Mapping[str, Tensor], say: Findings) -> None:
    """Report tensors that are not finite, and filters that are all zero."""
    floats = {key: tensor for key, tensor in state.items() if tensor.is_floating_point()}
    bad = [
        f"{key}: {int((~t.isfinite()).sum())} of {t.numel()}"
        for key, t in floats.items()
        if not t.isfinite().all()
    ]
    mend = "Go back to a checkpoint from before; then look at the data, and lower the learning rate."
    say.each("error", "weights-nan", "tensors", bad, "NaN or infinite numbers", mend)
    zero = [key for key, t in floats.items() if t.ndim == 4 and not t.any()]
    what, mend = (
        "a filter bank is all zero",
        "The layer was not loaded, or training broke it: load the file again.",
    )
    say.each("error", "weights-zero", "tensors", zero, what, mend)


def check_statistics(model: YOLOX, say: Findings) -> None:
    """Report batch norms whose statistics are those of the start, or impossible."""
    norms = {name: m for name, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)}
    fresh = [n for n, m in norms.items() if not m.running_mean.any() and (m.running_var == 1).all()]
    field = "running_mean, running_var"
    if len(fresh) == len(norms):
        what = "all statistics of batch norm are those of the start (mean 0, variance 1): never trained"
        say.add("warning", "bn-untouched", field, what, "Train it, or load the weights that you meant.")
    else:
        what = "its statistics are those of the start, others' are not: the weights were loaded in part"
        say.each("error", "bn-partly", field, fresh, what, "Load them strictly, and name what is missing.")
    odd = [n for n, m in norms.items() if not ((m.running_var >= 0) & (m.running_var < ABSURD)).all()]
    mend = "Were pictures of 0-255 fed without dividing, or did the loss blow up? Go back to before."
    say.each("error", "bn-absurd", field, odd, "impossible statistics", mend)


def _check_biases(model: YOLOX, say: Findings) -> None:
    """The biases with which the head starts: at the end of a training none should be left."""
    start = -math.log((1 - PRIOR) / PRIOR)
    fresh = {
        name: all(_is(getattr(level, name).bias, start) for level in model.head.levels)
        for name in ("obj_pred", "cls_pred")
    }
    if all(fresh.values()):
        what = (
            f"the biases of objectness and classes are still those of the start ({start:.2f}): never trained"
        )
        say.add("warning", "head-fresh", "head.levels", what, "Train it, or load the weights that you meant.")
    elif fresh["cls_pred"]:
        what = f"the class biases are still those of the start ({start:.2f}): not trained on them yet"
        say.add("warning", "classes-fresh", "head.levels.*.cls_pred", what, "Train it: see chapter 21.")


def _is(bias: Tensor, value: float) -> bool:
    return bool(torch.allclose(bias, torch.full_like(bias, value), atol=1e-5))
