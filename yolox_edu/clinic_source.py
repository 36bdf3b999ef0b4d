"""Sources of pictures with something changed in them. For the error clinic, beside chapter 16."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Sample = tuple[np.ndarray, dict[str, Any]]


class Changed:
    """A source whose samples `change(source, i)` gives. In the error clinic."""

    def __init__(
        self, source: Any, change: Callable[[Any, int], Sample], indices: Sequence[int] | None = None
    ):
        self.source, self.change = source, change
        self.indices = range(len(source)) if indices is None else indices
        self.names, self.category_ids = source.names, source.category_ids
        self.size = getattr(source, "size", None)  # so that `write_coco` can write it

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, i: int) -> Sample:
        return self.change(self.source, self.indices[i])


def change_boxes(change: Callable[[np.ndarray, tuple[int, ...]], np.ndarray]) -> Callable[[Any], Changed]:
    """A fault that changes boxes (g 4) alone; it is told the picture's shape (h w 3). In the error clinic."""

    def sample(source: Any, i: int) -> Sample:
        image, target = source[i]
        return image, {**target, "boxes": change(target["boxes"].copy(), image.shape)}

    return lambda source: Changed(source, sample)


def only(source: Any, name: str) -> Changed:
    """The same pictures with the boxes of one class; many are empty then. In the error clinic."""
    label = source.names.index(name)

    def sample(source: Any, i: int) -> Sample:
        image, target = source[i]
        mine = target["labels"] == label
        per_box = ("boxes", "labels", "area", "visible")
        return image, {**target, **{key: target[key][mine] for key in per_box if key in target}}

    return Changed(source, sample)
