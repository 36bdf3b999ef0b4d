"""The official YOLOX checkpoints: other names, another input rule, the same network. Explained in chapter 20.

Two things separate an official checkpoint from ours. Its tensors have other names, which one table puts
right. And its network expects other pictures, which the stem puts right, exactly::

    ours                        RGB, 0 to 1
    official (since 0.1.1)      BGR, 0 to 255: folded into the first convolution, whose input channels
                                are flipped and whose weights are multiplied by 255
    official, first release     RGB, normalised with ImageNet's mean and deviation ("legacy"): done in
                                front of the stem, since a mean cannot be folded into a convolution
                                whose padding is 0 after it was subtracted
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from yolox_edu.data.coco_names import COCO_IDS, COCO_NAMES
from yolox_edu.model import PRESETS, YOLOX, Preset, build
from yolox_edu.weightfile import WeightsError, atomic, kind, read_torch

CHECKPOINT = "yolox_edu checkpoint 1"  # the format of our own training's files, which are no official ones

# Our names, then the official ones, applied from top to bottom.
OFFICIAL_NAMES = tuple(
    (re.compile(ours), official)
    for ours, official in (
        (r"^backbone\.stem\.cbs\.", "backbone.backbone.stem.conv."),
        (r"^backbone\.dark", "backbone.backbone.dark"),
        (r"^neck\.lateral5\.", "backbone.lateral_conv0."),
        (r"^neck\.topdown4\.", "backbone.C3_p4."),
        (r"^neck\.lateral4\.", "backbone.reduce_conv1."),
        (r"^neck\.topdown3\.", "backbone.C3_p3."),
        (r"^neck\.down3\.", "backbone.bu_conv2."),
        (r"^neck\.bottomup4\.", "backbone.C3_n3."),
        (r"^neck\.down4\.", "backbone.bu_conv1."),
        (r"^neck\.bottomup5\.", "backbone.C3_n4."),
        (r"^head\.levels\.(\d)\.(stem|cls_pred|reg_pred|obj_pred)\.", r"head.\2s.\1."),
        (r"^head\.levels\.(\d)\.(cls_convs|reg_convs)\.", r"head.\2.\1."),
        (r"\.dark5\.1\.fuse\.", ".dark5.1.conv2."),  # the SPP; every other `fuse` is a CSPLayer's
        (r"\.(main|reduce)\.", ".conv1."),
        (r"\.skip\.", ".conv2."),
        (r"\.fuse\.", ".conv3."),
        (r"\.blocks\.", ".m."),
        (r"\.depthwise\.", ".dconv."),
        (r"\.pointwise\.", ".pconv."),
    )
)
STEM = "backbone.stem.cbs.conv.weight"


def official_name(key: str) -> str:
    """The official name of one of our state-dict keys. Chapter 20."""
    for ours, official in OFFICIAL_NAMES:
        key = ours.sub(official, key)
    return key


def flip_channels(weight: Float[Tensor, "c 12 3 3"]) -> Float[Tensor, "c 12 3 3"]:
    """RGB for BGR in the stem's weight (c 12 3 3): within each of the four Focus phases. Chapter 20."""
    return weight.unflatten(1, (4, 3)).flip(2).flatten(1, 2)


def normalise(module: nn.Module, inputs: tuple[Float[Tensor, "n 3 h w"]]) -> Float[Tensor, "n 3 h w"]:
    """ImageNet's normalisation, hung before the stem of models from the first release. Chapter 20."""
    (x,) = inputs
    mean, std = x.new_tensor((0.485, 0.456, 0.406)), x.new_tensor((0.229, 0.224, 0.225))
    return (x - mean.view(3, 1, 1)) / std.view(3, 1, 1)


def is_legacy(model: YOLOX) -> bool:
    """Whether the model has the first release's input rule inside. Chapter 20."""
    return normalise in model.backbone.stem._forward_pre_hooks.values()


def load_official(path: Path | str, num_classes: int | None = None, legacy: bool = False) -> YOLOX:
    """An official checkpoint as a model in eval mode, for pictures in RGB and [0, 1]. Chapter 20.

    The preset is found from the tensors' shapes. `legacy` says that the file belongs to the first release
    (Nano 25.3 AP), which nothing in the file tells. With 80 classes the model gets COCO's names and ids.
    Raises WeightsError, among others where the file has not `num_classes` classes (None: any number).
    """
    path = Path(path).expanduser()
    if kind(path) != "torch":
        raise WeightsError(path, "weights in our own format: use yolox_edu.weights.load")
    content = read_torch(path)
    if content.get("format") == CHECKPOINT:
        raise WeightsError(path, "a checkpoint of our own training: use yolox_edu.weights.load")
    return _from_official(path, content, num_classes, legacy)


def _from_official(path: Path, content: dict, num_classes: int | None, legacy: bool) -> YOLOX:
    state = content.get("model", content)
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(
            path, f'no state dict in it, only {_first(content)}; expected {{"model": tensors}}'
        )
    preset, found = _recognise(path, state)
    if num_classes not in (None, found):
        raise WeightsError(
            path,
            f"it has {found} classes, {num_classes} were asked for. To train these weights on other classes: "
            f"yolox_edu.weights.load_for_finetune(path, num_classes={num_classes}, names=...)",
        )
    with torch.device("meta"):  # only shapes, no random start
        model = build(preset.name, found, COCO_NAMES if found == 80 else None)
    _fill(path, model, state, official_name)
    if legacy:
        model.backbone.stem.register_forward_pre_hook(normalise)
    else:
        stem = model.backbone.stem.cbs.conv.weight.data
        stem.copy_(flip_channels(stem) * 255)
    return _describe(model, COCO_IDS if found == 80 else None)


def _recognise(path: Path, state: Mapping[str, Tensor]) -> tuple[Preset, int]:
    """The preset and the number of classes of an official state dict, from its names and shapes."""
    stem, classes = state.get(official_name(STEM)), state.get("head.cls_preds.0.weight")
    if stem is None or classes is None:
        what = "our own tensors, saved bare: use load_state_dict" if STEM in state else "another network"
        raise WeightsError(path, f"no official YOLOX, Nano to X, but {what}; it holds {_first(state)}")
    depthwise = "backbone.backbone.dark2.0.dconv.conv.weight" in state
    blocks = len({key.split(".")[5] for key in state if key.startswith("backbone.backbone.dark2.1.m.")})
    for preset in PRESETS.values():
        sizes = int(64 * preset.width), max(round(3 * preset.depth), 1), preset.depthwise
        if sizes == (stem.shape[0], blocks, depthwise):
            return preset, classes.shape[0]
    found = f"{stem.shape[0]} channels in the stem, {blocks} bottlenecks in dark2, depthwise {depthwise}"
    raise WeightsError(path, f"{found}: fits no preset of {', '.join(PRESETS)}")


def _fill(path: Path, model: YOLOX, state: Mapping[str, Tensor], name: Callable[[str], str] = str) -> None:
    """Load strictly; `name` turns our keys into those of `state`, which the error messages use too."""
    keys = {name(key): key for key in model.state_dict()}
    wanted = {name(key): tensor for key, tensor in model.state_dict().items()}
    problems = {
        "missing": [key for key in wanted if key not in state],
        "unexpected": [key for key in state if key not in wanted],
        "of another shape": [
            f"{key} {tuple(state[key].shape)}, expected {tuple(tensor.shape)}"
            for key, tensor in wanted.items()
            if key in state and state[key].shape != tensor.shape
        ],
    }
    if found := "; ".join(f"{what}: {_first(keys)}" for what, keys in problems.items() if keys):
        raise WeightsError(path, f"not a whole {model.preset.name} with {model.num_classes} classes: {found}")
    tensors = {keys[key]: _plain(state[key]).to(tensor.dtype) for key, tensor in wanted.items()}
    model.load_state_dict(tensors, assign=True)  # `assign`: the model was built without memory


def _plain(tensor: Tensor) -> Tensor:
    """A copy in memory of its own with the usual strides, not those of channels_last."""
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def _first(keys: Iterable[str]) -> str:
    keys = [str(key) for key in keys]
    some = f" ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})" if keys else ""
    return f"{len(keys) or 'nothing'}{some}"


def _describe(model: YOLOX, category_ids: Sequence[int] | None, size: Sequence[int] | None = None) -> YOLOX:
    model.category_ids = tuple(category_ids) if category_ids else None
    model.size = tuple(size or (model.preset.size, model.preset.size))
    return model.eval()


def save_official(model: YOLOX, path: Path | str) -> None:
    """Write `{"model": ...}` for the official code: its names, its input rule folded back. Chapter 20.

    A model with the first release's rule inside becomes a file for the first release's code. Names of
    classes have no place in the format. The file appears whole or not at all.
    """
    state = {key: _plain(tensor) for key, tensor in model.state_dict().items()}
    if not is_legacy(model):
        state[STEM] = flip_channels(state[STEM]) / 255
    with atomic(Path(path).expanduser()) as partial:
        torch.save({"model": {official_name(key): tensor for key, tensor in state.items()}}, partial)
