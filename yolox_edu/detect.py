"""A picture of any size in, boxes in that picture's own pixels out. Explained in chapters 00 and 17."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image, ImageOps
from torch import Tensor

from yolox_edu import weights as weights_module
from yolox_edu.boxes import decode, nms
from yolox_edu.data.letterbox import boxes_to_picture, letterbox
from yolox_edu.data.picture import read_picture, to_rgb
from yolox_edu.model import YOLOX

BATCH = 8  # pictures that go through the network together when a list is given


class Detection(NamedTuple):
    """One object found: its box (left, top, right, bottom) in pixels, how sure, and what it is."""

    box: tuple[float, float, float, float]
    score: float
    label: int
    name: str


@dataclass(frozen=True, eq=False)
class Detections:
    """What was found in one picture, the surest first. Explained in chapter 00.

    Boxes are `xyxy` in the pixels of that picture, clipped to it; labels are 0 to k-1. All on the CPU.
    """

    boxes: Float[Tensor, "m 4"]
    scores: Float[Tensor, " m"]
    labels: Int[Tensor, " m"]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Detection]:
        for box, score, label, name in zip(
            self.boxes.tolist(), self.scores.tolist(), self.labels.tolist(), self.names
        ):
            yield Detection(tuple(box), score, label, name)

    def to_dicts(self) -> list[dict[str, Any]]:
        """The same as plain Python, ready for JSON: name, label, score, box."""
        return [
            {"name": name, "label": label, "score": round(score, 4), "box": [round(side, 2) for side in box]}
            for box, score, label, name in self
        ]


Picture = str | Path | Image.Image | np.ndarray | Tensor


def pixels(picture: Picture) -> UInt8[np.ndarray, "h w 3"]:
    """Any kind of picture as RGB uint8 h w 3, upright as a viewer shows it. Explained in chapter 02.

    Takes a file of any kind that Pillow reads, a PIL image, an array h w 3 (uint8), or a tensor 3 h w
    (uint8, or float in [0, 1]).

    Raises PictureError (with the file's name), ValueError or TypeError for anything else.
    """
    if isinstance(picture, str | Path):
        return read_picture(picture)
    if isinstance(picture, Image.Image):
        return to_rgb(ImageOps.exif_transpose(picture))
    if isinstance(picture, Tensor):
        return _from_tensor(picture)
    if not isinstance(picture, np.ndarray):
        raise TypeError(
            f"a picture is a path, a PIL image, an array or a tensor, not {type(picture).__name__}"
        )
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise ValueError(
            f"a picture as an array is uint8 of shape h w 3, RGB; this one is {picture.dtype} "
            f"of shape {picture.shape}"
        )
    return picture


def _from_tensor(picture: Tensor) -> UInt8[np.ndarray, "h w 3"]:
    if picture.ndim != 3 or picture.shape[0] != 3 or not picture.numel():
        raise ValueError(f"a picture as a tensor has shape 3 h w, RGB; this one has {tuple(picture.shape)}")
    picture = picture.detach()
    if picture.is_floating_point():
        low, high = picture.aminmax()
        if not (low >= 0 and high <= 1):  # a NaN fails this too
            raise ValueError(
                f"a picture as a float tensor lies in [0, 1]; this one in [{low:g}, {high:g}] "
                "(divide by 255, or give uint8)"
            )
        picture = (picture * 255).round().to(torch.uint8)
    elif picture.dtype != torch.uint8:
        raise ValueError(f"a picture as a tensor is uint8 or float in [0, 1], not {picture.dtype}")
    return picture.permute(1, 2, 0).cpu().numpy()


def input_size(model: YOLOX, size: int | Sequence[int] | None = None) -> tuple[int, int]:
    """The network's input as (height, width): a side, a pair, or None for what the model was made for.

    Raises ValueError where a side is no positive multiple of 32.
    """
    if size is None:
        size = getattr(model, "size", None) or model.preset.size
    height, width = (size, size) if isinstance(size, int) else (int(side) for side in size)
    if min(height, width) < 32 or height % 32 or width % 32:
        raise ValueError(f"size is {height} x {width} (height x width): give multiples of 32, from 32 on")
    return height, width


class Detector:
    """A trained YOLOX that takes pictures of any kind and size. Explained in chapter 00::

        detector = Detector("crossing")
        for box, score, label, name in detector("street.jpg"):
            print(f"{name} {score:.0%} at {box}")

    `weights` is the name of embedded weights, a file, or a model (which is put into eval mode).
    `size` is the network's input: a side, (height, width), or None for what the weights were made for.
    Of a heap of boxes of one class that overlap by more than `iou_threshold` only the surest stays; boxes
    below `confidence` are left out. The device is the GPU if there is one and `device` says nothing else.

    Raises ValueError or OSError where the weights cannot be loaded or the size does not fit.
    """

    def __init__(
        self,
        weights: str | Path | YOLOX = "crossing",
        size: int | Sequence[int] | None = None,
        confidence: float = 0.25,
        iou_threshold: float = 0.45,
        device: torch.device | str | None = None,
    ):
        model = weights if isinstance(weights, YOLOX) else weights_module.load(weights)
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model = model.to(self.device).eval()
        self.size = input_size(model, size)
        self.names = model.names
        self.confidence, self.iou_threshold = confidence, iou_threshold

    def __call__(self, picture: Picture | list[Picture]) -> Detections | list[Detections]:
        """Detect in one picture, or in each of a list. What a picture may be: see `pixels`."""
        if not isinstance(picture, list):
            return self._detect([pixels(picture)])[0]
        found = []
        for start in range(0, len(picture), BATCH):
            found += self._detect([pixels(each) for each in picture[start : start + BATCH]])
        return found

    def _detect(self, pictures: list[np.ndarray]) -> list[Detections]:
        canvases, scales = zip(*(letterbox(picture, self.size) for picture in pictures))
        with torch.inference_mode():
            images = torch.stack(canvases).to(self.device).to(memory_format=torch.channels_last)  # n 3 H W
            raw = self.model.raw(images.float() / 255)  # n a 5+k
            results = nms(*decode(raw, self.size), self.confidence, self.iou_threshold)
        return [
            self._in_picture(result, scale, *picture.shape[:2])
            for result, scale, picture in zip(results, scales, pictures)
        ]

    def _in_picture(self, result: dict[str, Tensor], scale: float, height: int, width: int) -> Detections:
        """From the canvas back to the picture; a box that lies in the padding alone is no detection."""
        boxes = boxes_to_picture(result["boxes"], scale, height, width)
        inside = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
        labels = result["labels"][inside].cpu()
        names = tuple(self.names[label] for label in labels.tolist())
        return Detections(
            boxes[inside].cpu().clone(), result["scores"][inside].cpu().clone(), labels.clone(), names
        )
