"""What moves the weights: learning rate, parameter groups, and the moving average. Chapter 15."""

from __future__ import annotations

import copy
import math

import torch
from jaxtyping import Float
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
    decayed = [m.weight for m in model.modules() if isinstance(m, nn.Conv2d)]
    ids = {id(p) for p in decayed}
    free = [p for p in model.parameters() if id(p) not in ids]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]


class Muon(torch.optim.Optimizer):
    """Momentum whose every step is made orthogonal, so that no direction of a filter bank starves.

    The filters of a convolution, c_out x (c_in · k · k), are a matrix; its averaged gradient G = U S Vᵀ is
    replaced by about U Vᵀ. So all directions move by the same amount, where plain SGD spends its step on
    the few with large gradients. In short runs this is worth a multiple of the steps: chapter 16 measures
    it. For weights of convolutions only; torch's own `torch.optim.Muon` takes matrices only.

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks".
    """

    def __init__(self, params: list, lr: float, momentum: float = 0.95, weight_decay: float = 0.0):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Move every weight that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                average = state.setdefault("average", torch.zeros_like(weight))
                average.lerp_(weight.grad, 1 - group["momentum"])
                ahead = weight.grad.lerp(average, group["momentum"])  # Nesterov: one step ahead
                matrix = orthogonal(ahead.flatten(1))  # c_out c_in·k·k
                tall = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(matrix.view_as(weight), alpha=-group["lr"] * tall)


def orthogonal(matrix: Float[Tensor, "r c"]) -> Float[Tensor, "r c"]:
    """Nearly U Vᵀ of the matrix U S Vᵀ: its singular values brought near 1 (0.7 to 1.2), without an SVD.

    Five steps of X <- a X + b (X Xᵀ) X + c (X Xᵀ)² X, with Jordan's coefficients; bfloat16 will do on a GPU.
    """
    x = matrix.bfloat16() if matrix.is_cuda else matrix
    x = x / (x.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return (x.T if tall else x).to(matrix.dtype)


def optimizers(model: nn.Module, kind: str, lr: float, momentum: float, weight_decay: float) -> list:
    """What moves the weights: [SGD], or [Muon, AdamW], the second for what is no filter bank.

    AdamW takes biases, batch norm, depthwise filters and the prediction layers, at a tenth of the rate
    (the group's `share`).
    """
    fused = next(model.parameters()).device.type in ("cpu", "cuda")
    if kind == "sgd":
        groups = parameter_groups(model, weight_decay)
        chosen = [torch.optim.SGD(groups, lr, momentum, nesterov=True, fused=fused)]
    else:
        banks = [
            module.weight
            for name, module in model.named_modules()
            if isinstance(module, nn.Conv2d) and module.groups == 1 and not name.endswith("_pred")
        ]
        ids = {id(weight) for weight in banks}
        rest = [p for p in model.parameters() if id(p) not in ids]
        adam = torch.optim.AdamW(
            [{"params": rest, "share": 0.1}], lr, (0.9, 0.99), weight_decay=0.0, fused=fused
        )
        chosen = [Muon(banks, lr, momentum, weight_decay), adam]
    for optimizer in chosen:
        for group in optimizer.param_groups:
            group.setdefault("share", 1.0)
    return chosen


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
