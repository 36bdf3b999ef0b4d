"""The pictures of training: a sample is a function of (seed, epoch, index) and of nothing else.

Explained in chapters 14 and 15. So the number of workers, their order, and a resume in the middle of an
epoch change no byte of it.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from .augment import (
    Augment,
    Boxes,
    Frame,
    Labels,
    Sample,
    flip,
    hsv,
    larger_than_a_pixel,
    mixup,
    mosaic,
    quarters_in_sight,
    random_layout,
)
from .errors import DatasetError, PictureError
from .letterbox import PAD, fit

Key = tuple[int, int, bool]  #: index of the picture, epoch, whether mosaic (and MixUp) are allowed

_MOST_BAD = 20  # so many unreadable pictures in a row are no accident: a disk is gone
_TRIES_FOR_LABELS = 8  # MixUp wants a picture with labels; in a set that is nearly empty it goes without


class TrainSet(Dataset):
    """Augmented training pictures of any source. Explained in chapter 14.

    `train_set[index, epoch, mosaic]` gives a uint8 tensor `3 H W` and a dict:
        boxes   float32 [g, 4], xyxy in pixels of the canvas;  labels  int64 [g], 0..k-1
        image_id, file  of the picture at `index` (a mosaic holds three or four more)
        bad     names of pictures that could not be read; the next readable one took the place of each
        cut     how many boxes were cut off because there were more than `augment.max_boxes`

    Boxes of the source that are not finite or at most one pixel wide or high are left out.

    Args:
        source: see the head of `yolox_edu/data/coco.py`.
        size: the canvas, (height, width) in pixels.
        augment: how strongly.
        seed: any integer from 0; with the key it decides everything random.

    Raises:
        DatasetError: an empty source; or 20 pictures in a row that cannot be read.
    """

    def __init__(self, source: Any, size: tuple[int, int], augment: Augment, seed: int = 0) -> None:
        if len(source) == 0:
            raise DatasetError("the training set is empty: 0 pictures")
        self.source, self.size, self.augment, self.seed = source, tuple(size), augment, seed

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, key: Key) -> tuple[UInt8[Tensor, "3 H W"], dict[str, Any]]:
        index, epoch, allowed = key
        rng = np.random.default_rng([self.seed, epoch, index])
        bad: list[str] = []
        first = self._read(index, bad)
        if allowed and rng.random() < self.augment.mosaic:
            frame, boxes, labels = self._mosaic(first, rng, bad) or self._plain(first, None)
        else:
            frame, boxes, labels = self._plain(first, rng)
        keep = np.flatnonzero(larger_than_a_pixel(boxes))
        kept = keep[: self.augment.max_boxes]
        target = {
            "boxes": torch.from_numpy(boxes[kept].astype(np.float32)),
            "labels": torch.from_numpy(labels[kept].astype(np.int64)),
            "image_id": first[1]["image_id"],
            "file": first[1]["file"],
            "bad": bad,
            "cut": len(keep) - len(kept),
        }
        return _channels_first(frame), target

    def _mosaic(
        self, first: Sample, rng: np.random.Generator, bad: list[str]
    ) -> tuple[Frame, Boxes, Labels] | None:
        """Mosaic, MixUp, colour, mirror; None if the four had labels and nothing of them is left."""
        layout = random_layout(self.size, self.augment, rng)
        others = rng.integers(0, len(self), 3).tolist()
        seen = quarters_in_sight(layout, self.size)[1:]
        sources = [first, *(self._read(i, bad) if s else None for i, s in zip(others, seen, strict=True))]
        frame, boxes, labels = mosaic(sources, layout, self.size, self.augment.min_visible)
        labelled = any(len(source[1]["boxes"]) for source in sources if source is not None)
        if labelled and rng.random() < self.augment.mixup:
            other = self._read_labelled(rng, bad)
            if other is not None:
                frame, boxes, labels = mixup(frame, boxes, labels, other, self.augment, rng)
        if labelled and not len(boxes):
            return None
        return *self._colour_and_mirror(frame, boxes, rng), labels

    def _plain(self, sample: Sample, rng: np.random.Generator | None) -> tuple[Frame, Boxes, Labels]:
        """One picture, letterboxed; colour and mirror before the padding, or not at all without `rng`."""
        image, target = sample
        scale, height, width = fit(*image.shape[:2], self.size)
        if image.shape[:2] != (height, width):
            image = cv2.resize(image, (width, height))
        boxes = np.asarray(target["boxes"], dtype=np.float32) * scale
        if rng is not None:
            image, boxes = self._colour_and_mirror(image, boxes, rng)
        frame = np.full((*self.size, 3), PAD, dtype=np.uint8)
        frame[:height, :width] = image
        return frame, boxes, np.asarray(target["labels"])

    def _colour_and_mirror(
        self, image: np.ndarray, boxes: Boxes, rng: np.random.Generator
    ) -> tuple[np.ndarray, Boxes]:
        image = hsv(image, self.augment.hsv, rng)
        return flip(image, boxes) if rng.random() < self.augment.flip else (image, boxes)

    def _read(self, index: int, bad: list[str]) -> Sample:
        """The picture at `index`, or the next one that can be read; names the others in `bad`."""
        most = min(_MOST_BAD, len(self))
        for step in range(most):
            try:
                return self.source[(index + step) % len(self)]
            except PictureError as error:
                bad.append(error.file)
                last = error
        raise DatasetError(f"{most} pictures in a row cannot be read, the last one: {last}")

    def _read_labelled(self, rng: np.random.Generator, bad: list[str]) -> Sample | None:
        for _ in range(_TRIES_FOR_LABELS):
            sample = self._read(int(rng.integers(0, len(self))), bad)
            if len(sample[1]["boxes"]):
                return sample
        return None


class RamCache:
    """A source with all its decoded pictures in memory, for sets that fit; read once, now, by `workers`.

    Forked workers share them. An unreadable picture raises its PictureError when it is asked for.
    """

    def __init__(self, source: Any, workers: int = 0) -> None:
        self.source, self.names, self.category_ids = source, source.names, source.category_ids
        reading = DataLoader(_Safely(source), batch_size=None, num_workers=workers, collate_fn=_as_it_is)
        self._samples = list(reading)

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> Sample:
        sample = self._samples[index]
        if isinstance(sample, PictureError):
            raise PictureError(sample.file, sample.why)
        image, target = sample
        return image, dict(target)

    @property
    def image_ids(self) -> list[int]:
        """The COCO ids of the pictures, in their order."""
        return self.source.image_ids

    @property
    def coco(self) -> Any:
        """The ground truth of the source inside."""
        return self.source.coco


class _Safely(Dataset):
    """A source that returns the error of a picture instead of raising it, so that others are still read."""

    def __init__(self, source: Any) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Sample | PictureError:
        try:
            return self.source[index]
        except PictureError as error:
            return error


def _as_it_is(sample: Sample | PictureError) -> Sample | PictureError:
    return sample


def collate(
    batch: Sequence[tuple[Tensor, dict[str, Any]]],
) -> tuple[UInt8[Tensor, "n 3 H W"], list[dict[str, Any]]]:
    """Samples -> one batch of pictures, and the list of their targets (which differ in length)."""
    images, targets = zip(*batch, strict=True)
    return torch.stack(images), list(targets)


def start_worker(worker: int) -> None:
    """`worker_init_fn` of a DataLoader: one thread in each worker; the workers are the parallelism."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def _channels_first(frame: Frame) -> UInt8[Tensor, "3 H W"]:
    return torch.from_numpy(np.stack(cv2.split(frame)))
