"""The recipe: how long, how large, how fast. Explained in chapter 15."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from yolox_edu.data.augment import Augment

Key = tuple[int, int, bool]  # index of a picture, epoch, whether mosaic is on


@dataclass(frozen=True)
class Recipe:
    """The official recipe, in numbers that scale with the length of the run.

    An epoch is every picture once, in an order drawn from (seed, epoch). Batches run on over the end of an
    epoch, so that none is short and no picture is left out.

    Source: official `yolox/exp/yolox_base.py`; arXiv 2107.08430, section 2.1.
    """

    size: int = 640  # the input's side in pixels, a multiple of 32
    epochs: int = 300
    batch: int = 64  # pictures a step, over all processes and accumulation
    accumulate: int = 1  # split each batch into so many forward and backward passes, to save memory
    optimizer: str = "sgd"  # or "muon", for short runs
    lr: float = 0.01  # for 64 pictures a step; scaled with the batch
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: float = 5 / 300  # share of the run
    final: float = 15 / 300  # share of the run: no mosaic, no MixUp, L1 on, the lowest rate
    lr_floor: float = 0.05
    ema: float = 0.9998
    ema_ramp: float = 2000.0
    multiscale: tuple[int, int] = (15, 25)  # the input's side in units of 32, drawn anew every ten steps
    precision: str = "fp32"  # or "bf16", "fp16"
    seed: int = 0

    def __post_init__(self):
        for name in ("size", "epochs", "batch", "accumulate"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least 1")
        if self.size % 32:
            raise ValueError(f"size is {self.size}, but must be a multiple of 32")
        if self.batch % self.accumulate:
            raise ValueError(f"batch {self.batch} cannot be split into {self.accumulate} equal parts")
        if self.optimizer not in ("sgd", "muon"):
            raise ValueError(f"optimizer is {self.optimizer!r}: choose sgd or muon")
        if self.precision not in ("fp32", "bf16", "fp16"):
            raise ValueError(f"precision is {self.precision!r}: choose fp32, bf16 or fp16")

    def steps(self, pictures: int) -> int:
        """Steps of the whole run over a set of so many pictures."""
        return max(1, round(self.epochs * pictures / self.batch))

    def warmup_and_final(self, total: int) -> tuple[int, int]:
        """How many of `total` steps warm up, and how many at the end go without mosaic."""
        return round(self.warmup * total), round(self.final * total)

    @property
    def peak_lr(self) -> float:
        """The learning rate at the end of the warm-up, for this batch."""
        return self.lr * self.batch / 64

    def input_size(self, step: int) -> int:
        """The input's side at `step`, in pixels: the same for ten steps, then another."""
        low, high = self.multiscale
        if low == high:
            return self.size
        return 32 * int(np.random.default_rng([self.seed, step // 10]).integers(low, high + 1))

    def keys(self, pictures: int, start: int, part: int = 0, parts: int = 1) -> Iterator[list[Key]]:
        """For each pass from step `start` on: which pictures, in which epoch, mosaic or not.

        With several processes each takes its `part` of every batch.
        """
        total = self.steps(pictures)
        first_final = total - self.warmup_and_final(total)[1]
        share = self.batch // self.accumulate // parts
        for step in range(start, total):
            stream = np.arange(step * self.batch, (step + 1) * self.batch)
            epochs, places = np.divmod(stream, pictures)
            orders = {
                e: np.random.default_rng([self.seed, e]).permutation(pictures) for e in set(epochs.tolist())
            }
            batch = [
                (int(orders[e][p]), e, step < first_final) for e, p in zip(epochs.tolist(), places.tolist())
            ]
            for i in range(self.accumulate):
                yield batch[(i * parts + part) * share : (i * parts + part + 1) * share]

    def to_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """From a checkpoint."""
        return cls(**{**values, "multiscale": tuple(values["multiscale"])})


def recipe_for(preset: str, pictures: int, **changes: Any) -> tuple[Recipe, Augment]:
    """The recipe and the augmentation that suit a preset and a set of so many pictures.

    `changes` replace single values of the recipe. The official presets get the official recipe; "pico"
    gets `minutes`, for a CPU.
    """
    if preset == "pico":
        return minutes(pictures, **changes)
    small = preset in ("nano", "tiny")
    recipe = Recipe(size=416 if small else 640, multiscale=(10, 20) if small else (15, 25))
    if "size" in changes:  # five steps of 32 either way
        side = changes["size"] // 32
        changes = {"multiscale": (max(1, side - 5), side + 5), **changes}
    return replace(recipe, **changes), Augment.for_preset(preset)


def minutes(pictures: int, **changes: Any) -> tuple[Recipe, Augment]:
    """The recipe for minutes on a CPU. Chapter 16 measures what each part of it is worth.

    Each picture is seen as often as makes 5,400 in all. What the official recipe counts in steps (the
    moving average) becomes a share of the run. Muon makes the most of few steps. Mosaic is for pictures
    that are seen often: below ten times it only makes the task harder.
    """
    size, epochs = changes.pop("size", 320), changes.pop("epochs", max(1, round(5400 / pictures)))
    recipe = Recipe(
        size=size,
        epochs=epochs,
        batch=changes.pop("batch", 8),
        optimizer="muon",
        lr=0.16,
        momentum=0.95,
        weight_decay=0.01,
        warmup=0.05,
        final=0.15,
        multiscale=(size // 32, size // 32),
    )
    span = max(1.0, recipe.steps(pictures) / 9)  # steps that the moving average reaches back over
    recipe = replace(recipe, ema=min(0.9998, 1 - 1 / span), ema_ramp=min(2000.0, span))
    return replace(recipe, **changes), replace(
        Augment.for_preset("pico"), mosaic=0.5 if epochs >= 10 else 0.0
    )


def best_precision(device: torch.device) -> str:
    """The quickest precision that trains as well: bfloat16 where the hardware multiplies it, else float32.

    On a GPU without bfloat16 it is float16, whose gradients need scaling. On a CPU that only emulates
    bfloat16 float32 is quicker.
    """
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        able = torch.cpu.get_capabilities()
        return "bf16" if able.get("avx512_bf16") or able.get("amx_bf16") else "fp32"
    return "fp32"
