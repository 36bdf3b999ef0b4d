"""Seeded random inputs for the checks of the exercises. Chapters 00 to 23."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class Random:
    """Everything that an exercise draws, from one seed; `draws` counts how often it was asked.

    A check is run once for each of several seeds, so sizes are drawn too: an answer that only holds for
    square pictures, or for a batch of one, is found out.
    """

    def __init__(self, seed: int):
        self.seed = seed
        self.draws = 0
        self.generator = torch.Generator().manual_seed(seed)

    def integer(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        self.draws += 1
        return int(torch.randint(low, high + 1, (), generator=self.generator))

    def choice(self, things: Sequence[Any]) -> Any:
        """One of the things."""
        return things[self.integer(0, len(things) - 1)]

    def shape(self, axes: int = 4, low: int = 2, high: int = 7, multiple: int = 1) -> tuple[int, ...]:
        """Sizes of `axes` axes, all different, so that axes which were swapped show; "n c h w" as a rule.

        The last two (height, width) are multiples of `multiple`.
        """
        self.draws += 1
        if high - low + 1 < axes:
            raise ValueError(f"{axes} different sizes do not fit between {low} and {high}")
        sizes = (low + torch.randperm(high - low + 1, generator=self.generator)[:axes]).tolist()
        return tuple(size * (multiple if i >= axes - 2 else 1) for i, size in enumerate(sizes))

    def tensor(self, *shape: int) -> Tensor:
        """Normally distributed float32 numbers of this shape."""
        self.draws += 1
        return torch.randn(shape, generator=self.generator)

    def uniform(self, *shape: int, low: float | int = 0, high: float | int = 1) -> Tensor:
        """Evenly distributed float32 numbers of this shape, `low` included."""
        self.draws += 1
        return low + (high - low) * torch.rand(shape, generator=self.generator)

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """Whole numbers from `low` to `high`, both included, int64, of this shape."""
        self.draws += 1
        return torch.randint(low, high + 1, shape, generator=self.generator)

    def boxes(
        self, count: int, width: float | int = 320, height: float | int = 240, least: float | int = 4
    ) -> Tensor:
        """Boxes inside a picture, xyxy in pixels, each side at least `least`: count 4."""
        room = torch.tensor([width - least, height - least])
        start = self.uniform(count, 2) * room  # count 2
        size = least + self.uniform(count, 2) * (room - start)  # count 2
        return torch.cat([start, start + size], dim=1)
