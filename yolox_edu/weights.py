"""Weights in and out: any file or name as a model, our own files, fine-tuning. Explained in chapter 20.

What is official stands in `official`: `load_official`, `save_official` and the table of names can be taken
from here too. Where the official files come from stands in `released`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from yolox_edu.model import YOLOX, build
from yolox_edu.official import (
    CHECKPOINT,
    OFFICIAL_NAMES,
    STEM,
    _describe,
    _fill,
    _from_official,
    _plain,
    flip_channels,
    is_legacy,
    load_official,
    normalise,
    official_name,
    save_official,
)
from yolox_edu.released import RELEASED, released, released_preset
from yolox_edu.weightfile import WeightsError, atomic, kind, read_safetensors, read_torch

__all__ = [
    "CHECKPOINT", "OFFICIAL_NAMES", "STEM", "WeightsError", "description", "flip_channels", "is_legacy",
    "load", "load_for_finetune", "load_official", "normalise", "official_name", "save", "save_official",
]  # fmt: skip
FORMAT = "yolox_edu weights 1"
SHIPPED = (Path(__file__).parent / "_weights", Path(__file__).parents[1] / "data" / "weights")


def description(model: YOLOX) -> dict[str, Any]:
    """What besides the tensors is needed to build the model again: the head of our own files. Chapter 20."""
    return {
        "preset": model.preset.name,
        "num_classes": model.num_classes,
        "names": list(model.names),
        "category_ids": list(model.category_ids or ()),
        "size": list(model.size),
        "legacy": is_legacy(model),
    }


def _from_description(path: Path, info: Mapping[str, Any] | str) -> YOLOX:
    """The model that `description` describes (as a dict, or as JSON), its tensors still to be filled in."""
    try:
        info = json.loads(info) if isinstance(info, str) else info
        with torch.device("meta"):
            model = build(info["preset"], info["num_classes"], info["names"])
        if info.get("legacy"):
            model.backbone.stem.register_forward_pre_hook(normalise)
        return _describe(model, info["category_ids"], info["size"])
    except (KeyError, TypeError, ValueError) as error:
        what = f"lacks the field {error}" if isinstance(error, KeyError) else str(error)
        raise WeightsError(path, f"its description of the model cannot be used: {what}") from error


def save(model: YOLOX, path: Path | str, half: bool = False, **metadata: Any) -> None:
    """Write our own format: safetensors that know their preset, classes and input size. Chapter 20.

    `half` stores convolutions in float16, which halves the file; batch norm stays in float32, whose
    variances may be too small for float16. `metadata` (a score, a date ...) is kept as text.
    The file appears whole or not at all.
    """
    tensors = {key: _plain(tensor) for key, tensor in model.state_dict().items()}
    if half:
        tensors = {key: tensor.half() if tensor.ndim > 1 else tensor for key, tensor in tensors.items()}
    head = {"format": FORMAT, "model": json.dumps(description(model))}
    with atomic(Path(path).expanduser()) as partial:
        save_file(tensors, partial, {**{key: str(value) for key, value in metadata.items()}, **head})


def load(path: Path | str, legacy: bool = False) -> YOLOX:
    """Any weights as a model in eval mode, with its `names`, `category_ids` and `size`. Chapter 20.

    `path` is a file of `save`, a checkpoint of our training (of which it takes the averaged weights), an
    official .pth (`legacy`: see `load_official`), or a name: of weights that come with the package
    ("crossing"), or of official ones ("yolox-nano" to "yolox-x", trained on COCO), which are fetched at the
    first time. What a file is shows in the content, not in its name. Raises WeightsError.
    """
    path = _find(path, legacy)
    if kind(path) == "safetensors":
        state, metadata = read_safetensors(path)
        if metadata.get("format") != FORMAT:
            found = metadata.get("format", "nothing")
            problem = f"its metadata should say {FORMAT!r} but says {found!r}"
            raise WeightsError(path, f"{problem}: write it with yolox_edu.weights.save")
        info = metadata.get("model", "{}")
    else:
        info = read_torch(path)
        if info.get("format") != CHECKPOINT:
            return _from_official(path, info, None, legacy)
        state = info.get("ema") or info.get("model") or {}
    model = _from_description(path, info)
    _fill(path, model, state)
    return model


def _find(path: Path | str, legacy: bool = False) -> Path:
    """The file that a path or a name means."""
    path = Path(path).expanduser()
    if path.is_file() or path.suffix or path.parent != Path("."):
        return path
    for folder in SHIPPED:
        if (shipped := folder / f"{path}.safetensors").exists():
            return shipped
    if preset := released_preset(path.name):
        if legacy:
            raise WeightsError(path, "this name means the release 0.1.1; for the first one give its file")
        return released(preset)
    names = sorted(file.stem for folder in SHIPPED for file in folder.glob("*.safetensors"))
    official = ", ".join(f"yolox-{preset}" for preset in RELEASED)
    raise WeightsError(
        path,
        f"no such file, nor weights that come with the package ({', '.join(names) or 'none'}), "
        f"nor official ones ({official})",
    )


def load_for_finetune(
    path: Path | str,
    num_classes: int,
    names: Sequence[str] | None = None,
    category_ids: Sequence[int] | None = None,
    legacy: bool = False,
) -> tuple[YOLOX, list[str]]:
    """A model for other classes that starts from the weights in `path` (as for `load`). Chapter 21.

    Everything is taken. Only if `names` are not just those of the weights, the last convolution of the
    class branches starts afresh. Returns the model in training mode and the names of the tensors that
    were not taken. Official weights leave the stem's weights 255 times larger than a fresh stem's, so that
    training hardly moves them. Where an exporter folded batch norm into the convolutions
    (`unfold.is_folded`), call `unfold.unfold` before training; the command `train` does it by itself.
    """
    source = load(path, legacy)
    model = build(source.preset.name, num_classes, names)
    other = names is None or tuple(names) != source.names
    fresh = {key: tensor for key, tensor in model.state_dict().items() if other and ".cls_pred." in key}
    model.load_state_dict({**source.state_dict(), **fresh})
    if is_legacy(source):
        model.backbone.stem.register_forward_pre_hook(normalise)
    return _describe(model, category_ids, source.size).train(), list(fresh)
