"""What moves the weights: learning rate, parameter groups, and the moving average. Chapter 15."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn


def learning_rate(step: int, total: int, peak: float, warmup: int, final: int, floor: float = 0.05) -> float:
    """The rate at `step` of `total`: a quadratic rise, half a cosine, then a flat end.

    From 0 to `peak` over the first `warmup` steps; down to `floor * peak` where the last `final` steps
    (those without mosaic) begin; flat from there.

    Source: official `yolox/utils/lr_scheduler.py`, `yolox_warm_cos_lr`.
    """
    if step < warmup:
        return peak * ((step + 1) / warmup) ** 2
    if step >= total - final:
        return peak * floor
    progress = (step - warmup) / max(total - final - warmup, 1)
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Two groups: weights of convolutions, which decay, and the rest (batch norm, biases), which do not."""
    decayed, free = [], []
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            is_weight = isinstance(module, nn.Conv2d) and name == "weight"
            (decayed if is_weight else free).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]


class EMA:
    """A moving average of the model's weights and batch-norm statistics; it is what gets evaluated.

    `decay` is reached slowly, as `decay * (1 - exp(-n / ramp))` after n updates, so that the first
    random weights are soon forgotten.

    Source: official `yolox/utils/ema.py` (decay 0.9998, ramp 2000).
    """

    def __init__(self, model: nn.Module, decay: float = 0.9998, ramp: float = 2000.0):
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay, self.ramp, self.updates = decay, ramp, 0
        self._ours, self._theirs = self._floats(self.model), self._floats(model)

    @staticmethod
    def _floats(model: nn.Module) -> list[Tensor]:
        return [t.detach() for t in model.state_dict().values() if t.is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        """Move a little towards the weights of the model given at the start."""
        self.updates += 1
        decay = self.decay * (1 - math.exp(-self.updates / self.ramp))
        torch._foreach_lerp_(self._ours, self._theirs, 1 - decay)
