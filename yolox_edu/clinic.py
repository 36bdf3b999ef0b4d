"""Faults that people really make, each planted by one call. Explained in the error clinic, beside chapter 16.

`plant("no warm-up", recipe)` gives a sick recipe; `recipe` itself stays as it was. What a fault is planted
in depends on the fault, and `FAULTS` says it:

    source     pictures and their targets, like `Crossing`
    recipe     a `Recipe`
    trainer    the class `Trainer`, not an object of it
    builder    a function such as `build`: (preset, number of classes, names) -> model
    reader     a `Reader`, the way from a picture to boxes

Nothing here is imported by the rest of the package, so nobody catches these diseases by accident.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.ops import nms as one_nms

from yolox_edu.boxes import decode, nms
from yolox_edu.clinic_reader import Reader
from yolox_edu.clinic_source import Changed, Sample, change_boxes
from yolox_edu.model import YOLOX
from yolox_edu.recipe import Recipe
from yolox_edu.train import Trainer


@dataclass(frozen=True)
class Fault:
    """A disease: its place, what it is planted in, what a test finds, the mend. In the error clinic."""

    name: str
    group: str  # "data", "weights", "training" or "inference"
    part: str  # "source", "recipe", "trainer", "builder" or "reader"
    finding: str
    mend: str
    plant: Callable[[Any], Any]


FAULTS: dict[str, Fault] = {}


def plant(name: str, healthy: Any) -> Any:
    """A sick copy of something healthy. In the error clinic.

    Raises KeyError for an unknown disease, TypeError for a part that cannot have it.
    """
    if name not in FAULTS:
        raise KeyError(f"no fault is called {name!r}; there are: {', '.join(FAULTS)}")
    fault = FAULTS[name]
    if not _fits(fault.part, healthy):
        raise TypeError(f"{name!r} is planted in a {fault.part}, not in {healthy!r}")
    return fault.plant(healthy)


def compare(name: str, healthy: Any, test: Callable[[Any], Any], well: Callable[[Any], bool]) -> None:
    """Run a test on something healthy and on its sick copy; print both findings. In the error clinic."""
    for who, part in (("healthy", healthy), ("planted", plant(name, healthy))):
        finding = test(part)
        shown = f"{finding:.3g}" if isinstance(finding, float | np.floating) else str(finding)
        print(f"{who}   {shown:<24} {'well' if well(finding) else 'SICK'}")


def _fits(part: str, thing: Any) -> bool:
    return {
        "source": hasattr(thing, "category_ids") and hasattr(thing, "__getitem__"),
        "recipe": isinstance(thing, Recipe),
        "trainer": isinstance(thing, type) and issubclass(thing, Trainer),
        "builder": callable(thing) and not isinstance(thing, type | Reader),
        "reader": isinstance(thing, Reader),
    }[part]


def _fault(name: str, group: str, part: str) -> Callable:
    """Register the function below; its docstring is what a test finds, and the mend."""

    def register(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        finding, mend = (" ".join(words.split()) for words in function.__doc__.split("\n\n"))
        FAULTS[name] = Fault(name, group, part, finding, mend, function)
        return function

    return register


# --- data -------------------------------------------------------------------------------------------------


@_fault("boxes in 0 to 1", "data", "source")
def _(source: Any) -> Changed:
    """The largest coordinate of all boxes is 1.

    Multiply by width and height where the file is read; the package wants pixels.
    """
    return change_boxes(lambda boxes, shape: boxes / np.float32([shape[1], shape[0]] * 2))(source)


@_fault("xywh taken for xyxy", "data", "source")
def _(source: Any) -> Changed:
    """Many boxes end left of or above where they begin.

    Add the corner: right = left + width, bottom = top + height.
    """
    return change_boxes(lambda boxes, _: np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]))(source)


@_fault("width and height swapped", "data", "source")
def _(source: Any) -> Changed:
    """People are wider than they are tall.

    Read (height, width) from arrays and (width, height) from PIL, and name the pair in the code.
    """
    return change_boxes(
        lambda boxes, _: np.hstack([boxes[:, :2], boxes[:, :2] + (boxes[:, 2:] - boxes[:, :2])[:, ::-1]])
    )(source)


@_fault("classes from 1", "data", "source")
def _(source: Any) -> Changed:
    """The labels run from 1 to 8, the names from 0 to 7.

    Translate the file's ids with category_ids.index(id), where the file is read.
    """

    def sample(source: Any, i: int) -> Sample:
        image, target = source[i]
        return image, {**target, "labels": target["labels"] + 1}

    return Changed(source, sample)


@_fault("labels of another picture", "data", "source")
def _(source: Any) -> Changed:
    """A detector that works agrees with hardly any box.

    Pair pictures and labels by file name, never by the order of two lists.
    """
    return Changed(source, lambda source, i: (source[i][0], source[(i + 1) % len(source)][1]))


@_fault("mirror without its boxes", "data", "source")
def _(source: Any) -> Changed:
    """A detector that works agrees with half of the pictures.

    Mirror boxes with the picture: left' = width - right. Test the pair, not the function.
    """

    def sample(source: Any, i: int) -> Sample:
        image, target = source[i]
        return (np.ascontiguousarray(image[:, ::-1]) if i % 2 else image), target  # an augmentation: by half

    return Changed(source, sample)


@_fault("empty pictures dropped", "data", "source")
def _(source: Any) -> Changed:
    """Not one picture of the set is empty.

    Keep pictures without labels: they teach what is not a thing.
    """
    kept = [i for i in range(len(source)) if len(source[i][1]["labels"])]
    return Changed(source, lambda source, i: source[i], kept)


@_fault("NaN boxes", "data", "source")
def _(source: Any) -> Changed:
    """Not all coordinates are finite.

    Find the division by zero that made them; until then leave those boxes out and count them.
    """

    def first_is_nan(boxes: np.ndarray, _: Any) -> np.ndarray:
        boxes[:1] = np.nan  # as 0 / 0 leaves it, where a size was not known
        return boxes

    return change_boxes(first_is_nan)(source)


# --- model and weights ------------------------------------------------------------------------------------


@_fault("80 classes for 8", "weights", "builder")
def _(build: Callable[..., YOLOX]) -> Callable[..., YOLOX]:
    """The head has 80 classes, the data have 8.

    Give build the number and the names of the data.
    """

    def too_wide(preset: str, num_classes: int, names: Sequence[str]) -> YOLOX:
        spare = [f"spare {i}" for i in range(num_classes, 80)]
        return build(preset, 80, (*names, *spare))

    return too_wide


@_fault("BGR for RGB", "weights", "reader")
def _(reader: Reader) -> Reader:
    """Pure red lights the last channel.

    Turn BGR into RGB once, right where OpenCV has read the picture.
    """
    return replace(reader, prepare=lambda canvases: reader.prepare(canvases).flip(1))


@_fault("0 to 1 into official weights", "weights", "reader")
def _(reader: Reader) -> Reader:
    """White comes to 0.004 where the network expects 1.

    Load with yolox_edu.weights.load, which folds the 255 into the stem, exactly.
    """
    # Official weights hold our 255 inside their stem: to feed them 0 to 1 is to feed ours 0 to 1/255.
    return replace(reader, prepare=lambda canvases: reader.prepare(canvases) / 255)


@_fault("0 to 255 into ours", "weights", "reader")
def _(reader: Reader) -> Reader:
    """White comes to 255 where the network expects 1.

    Divide by 255 in one place, next to the network.
    """
    return replace(reader, prepare=lambda canvases: canvases.float())


@_fault("forgotten eval", "weights", "reader")
def _(reader: Reader) -> Reader:
    """model.training is True.

    model.eval() after loading; Detector does it.
    """
    return replace(reader, model=copy.deepcopy(reader.model).train())  # a copy: each picture changes it


@_fault("two devices", "weights", "reader")
def _(reader: Reader) -> Reader:
    """Weights and input lie on different devices.

    Move the input to next(model.parameters()).device.
    """
    # `meta` is a device that every torch has; a graphics card says the same with another name.
    return replace(reader, model=copy.deepcopy(reader.model).to("meta"))


# --- training ---------------------------------------------------------------------------------------------


@_fault("learning rate × 100", "training", "recipe")
def _(recipe: Recipe) -> Recipe:
    """The rate's peak is 2, in a recipe made for 0.02.

    Take the recipe's rate; lr is for 64 pictures a step and scales with the batch.
    """
    return replace(recipe, lr=100 * recipe.lr)


@_fault("no warm-up", "training", "recipe")
def _(recipe: Recipe) -> Recipe:
    """The first step has the full rate.

    Let the rate rise over the first steps, 5 % of a short run.
    """
    return replace(recipe, warmup=0.0)


@_fault("mosaic to the end", "training", "recipe")
def _(recipe: Recipe) -> Recipe:
    """The last batch still has mosaics.

    Keep a share of the run at the end without mosaic: final=0.15 here, 15 epochs of 300 officially.
    """
    return replace(recipe, final=0.0)


@_fault("average without its ramp", "training", "recipe")
def _(recipe: Recipe) -> Recipe:
    """95 % of the averaged weights are the random start.

    Let the decay rise with the updates, and let it fit the length of the run.
    """
    return replace(recipe, ema=0.9998, ema_ramp=1e-9)


@_fault("forgotten zero_grad", "training", "trainer")
def _(trainer: type[Trainer]) -> type[Trainer]:
    """Gradients are still there after the step.

    optimizer.zero_grad() after each step.
    """

    class Forgetful(trainer):
        def __init__(self, *args: Any, **kwargs: Any):
            super().__init__(*args, **kwargs)
            for optimizer in self.optimizers:
                optimizer.zero_grad = lambda: None

    return Forgetful


@_fault("frozen batch norm", "training", "trainer")
def _(trainer: type[Trainer]) -> type[Trainer]:
    """Batch norm has counted no batch.

    Freeze batch norm only where its statistics are right: never from a random start.
    """

    class Frozen(trainer):
        def _train_step(self, passes: Any) -> dict[str, Any]:
            for module in self.model.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()  # uses its running mean 0 and variance 1, and never learns others
            return super()._train_step(passes)

    return Frozen


# --- inference --------------------------------------------------------------------------------------------


@_fault("letterbox not undone", "inference", "reader")
def _(reader: Reader) -> Reader:
    """The canvas's corner is not the picture's corner.

    Divide boxes by the scale that letterbox returned, and clip.
    """
    return replace(reader, undo=lambda boxes, scale, height, width: boxes)


@_fault("NMS over all classes at once", "inference", "reader")
def _(reader: Reader) -> Reader:
    """Two classes in one place: one is silenced.

    batched_nms with the labels, or yolox_edu.nms.
    """
    return replace(reader, select=_one_heap)


def _one_heap(
    boxes: Tensor, scores: Tensor, confidence: float, iou_threshold: float, most: int
) -> list[dict[str, Tensor]]:
    """NMS that lets a bus silence the person in front of it: n a 4, n a k -> a dict for each picture."""
    found = nms(boxes, scores, confidence, 1.0, boxes.shape[1])
    for each in found:
        kept = one_nms(each["boxes"], each["scores"], iou_threshold)[:most]
        each.update({key: value[kept] for key, value in each.items()})
    return found


@_fault("no NMS", "inference", "reader")
def _(reader: Reader) -> Reader:
    """Two boxes, one on the other, both stay.

    NMS, with an IoU threshold of 0.45 to look at and 0.65 for AP.
    """
    return replace(reader, iou_threshold=1.0)


@_fault("confidence 0.25 for AP", "inference", "reader")
def _(reader: Reader) -> Reader:
    """The threshold is that of pictures to look at.

    0.01 for AP: its curve needs the unsure finds too.
    """
    return replace(reader, confidence=0.25)


@_fault("sigmoid twice", "inference", "reader")
def _(reader: Reader) -> Reader:
    """A cell that says no gets a score of 0.25.

    Logits in the loss and in the file, one sigmoid, in decode.
    """

    def decode_again(raw: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        return decode(torch.cat((raw[..., :4], raw[..., 4:].sigmoid()), dim=-1), size)

    return replace(reader, decode=decode_again)
