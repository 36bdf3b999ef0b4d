"""Batch norm folded into the convolutions, as exporters do it, and made fit for training again. Chapter 21.

An exporter multiplies each batch norm into the convolution before it. Such weights find the same boxes as
before, but their batch norms know no statistics: mean 0, variance 1. In training batch norm divides by the
statistics of the batch all the same, and the network computes something else from the first step on.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from yolox_edu.blocks import CBS


def is_folded(model: nn.Module) -> bool:
    """Whether all batch norms do nothing but add a bias, as an exporter leaves them. Chapter 21."""
    norms = _norms(model)
    idle = [
        not norm.running_mean.any()
        and torch.allclose(norm.running_var, torch.ones_like(norm.running_var), atol=1e-2)
        and bool((norm.weight == 1).all())
        for norm in norms
    ]
    return bool(norms) and all(idle) and any(bool(norm.bias.any()) for norm in norms)  # else it is fresh


@torch.no_grad()
def fold(model: nn.Module) -> None:
    """What an exporter does: each batch norm's scale goes into the convolution before it. Chapter 21.

    Only a bias is left of the batch norm; in eval mode the model computes what it did before.
    """
    for block in model.modules():
        if isinstance(block, CBS):
            factor = block.bn.weight / (block.bn.running_var + block.bn.eps).sqrt()  # c
            block.conv.weight *= factor[:, None, None, None]
            block.bn.bias -= factor * block.bn.running_mean
            block.bn.weight.fill_(1)
            block.bn.running_mean.zero_()
            block.bn.running_var.fill_(1 - block.bn.eps)


@torch.no_grad()
def unfold(model: nn.Module, images: Float[Tensor, "n 3 h w"]) -> None:
    """Give each batch norm the statistics that it has on `images`, and a scale and bias that undo them.

    In eval mode the model computes what it did before; in training mode, on such pictures, nearly the same.
    Layer after layer is set while the pictures go through, each of them on what the mended ones before it
    give. Explained in chapter 21.
    """
    hooks = [norm.register_forward_pre_hook(_settle) for norm in _norms(model)]
    training = model.training
    try:
        model.eval()(images)
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()


def _settle(norm: nn.BatchNorm2d, inputs: tuple[Float[Tensor, "n c h w"]]) -> None:
    (x,) = inputs
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)  # c, c
    before = (norm.running_var + norm.eps).sqrt()
    norm.bias += norm.weight * (mean - norm.running_mean) / before
    norm.weight *= (var + norm.eps).sqrt() / before
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(var)


def _norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
