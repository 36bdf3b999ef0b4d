"""The checks of chapter 04, CBS: a step of batch norm, the block itself, folding, counting."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from yolox_edu.exercises.judge import Random, Wrong, exercise, same

EPS, MOMENTUM = 1e-3, 0.03
ROUND = "the running values go the wrong way round: new = 0.97 · old + 0.03 · batch, 0.03 is the *new* share"
STD = "the running value holds standard deviations; the variance was asked"


@exercise("04.1")
def batch_norm_step(answer: Callable, random: Random) -> None:
    """the same as torch's batch norm in training, output and both running values"""
    n, c, h, w = random.shape()
    x = 0.3 * random.tensor(n, c, h, w) + random.tensor(c, 1, 1)
    mean, var = random.tensor(c), 0.5 + random.uniform(c)
    new_mean, new_var = mean.clone(), var.clone()
    y = F.batch_norm(x, new_mean, new_var, training=True, momentum=MOMENTUM, eps=EPS)
    where = f"on a tensor of shape {tuple(x.shape)}"
    given = answer(x, mean, var)
    if not isinstance(given, tuple | list) or len(given) != 3:
        raise Wrong(f"{where}: three things were asked: y, the new mean, the new variance")
    same(given[0], y, f"{where}, y", _normalised(x, mean, var))
    batch, biased = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
    unbiased = x.var((0, 2, 3))
    faults = {ROUND: mean + (batch - mean) * (1 - MOMENTUM)}
    faults["this is the batch's own mean; the running mean moves there by 0.03 only"] = batch
    faults["momentum 0.1 is PyTorch's default; 0.03 was asked"] = mean + (batch - mean) * 0.1
    faults["the running mean has not moved"] = mean
    same(given[1], new_mean, f"{where}, the new mean", faults, atol=1e-6)
    small = "the variance that is kept divides by count - 1, only the one in y divides by count"
    faults = {
        ROUND: var + (unbiased - var) * (1 - MOMENTUM),
        "the other way round, and with the variance that divides by count": (
            var + (biased - var) * (1 - MOMENTUM)
        ),
        small: var + (biased - var) * MOMENTUM,
        STD: var + (unbiased.sqrt() - var) * MOMENTUM,
        "the running variance has not moved": var,
    }
    same(given[2], new_var, f"{where}, the new variance", faults, atol=1e-6)


def _normalised(x: Float[Tensor, "n c h w"], mean: Tensor, var: Tensor) -> dict[str, Tensor]:
    """What typical faults make of y."""

    def y(m: Tensor, v: Tensor, eps: float | int = EPS) -> Tensor:
        return (x - m.view(-1, 1, 1)) / (v.view(-1, 1, 1) + eps).sqrt()

    batch, spread = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
    centred = x - batch.view(-1, 1, 1)
    return {
        "eps is missing; it is added to the variance, inside the root": y(batch, spread, 0),
        "eps is 1e-5, PyTorch's default; YOLOX has 1e-3": y(batch, spread, 1e-5),
        "eps is added to the standard deviation; it belongs inside the root": (
            centred / (spread.sqrt() + EPS).view(-1, 1, 1)
        ),
        "this divides by the variance; take its square root": centred / (spread + EPS).view(-1, 1, 1),
        "this variance divides by count - 1; for y it divides by count": y(batch, x.var((0, 2, 3))),
        "this uses the running values; in training the batch's own are used": y(mean, var),
        "one mean for all channels came out; each channel has its own": (x - x.mean())
        / (x.var(correction=0) + EPS).sqrt(),
    }


@exercise("04.2", seeds=6)
def cbs(answer: Callable, random: Random) -> None:
    """the same as torch's own operators in training and then in use, and with the same parameters"""
    c_in, c_out = random.integer(2, 4), random.integer(5, 7)
    kernel, stride = 1 + random.seed % 4, random.integer(1, 2)  # 1, 2, 3, 4: even ones too
    where = f"for a kernel of {kernel} and stride {stride}"
    block = answer(c_in, c_out, kernel, stride)
    if not isinstance(block, nn.Module):
        raise Wrong(f"{where}: a class that inherits from nn.Module was asked")
    x = 0.1 * random.tensor(3, c_in, 8, 9)
    block.train()
    first = block(x)
    weight = _parameters(block, c_in, c_out, kernel, where)
    same(first, _cbs(x, weight, kernel, stride), f"{where}, in training", _other_cbs(x, weight, stride))
    block.eval()
    _in_use(block, x, weight, kernel, stride, where)


def _parameters(block: nn.Module, c_in: int, c_out: int, kernel: int, where: str) -> Tensor:
    """The convolution's weight, once the parameters are those of a CBS."""
    all_of_them = list(block.parameters())
    weights = [p for p in all_of_them if p.shape == (c_out, c_in, kernel, kernel)]
    if len(weights) != 1:
        shape = (c_out, c_in, kernel, kernel)
        raise Wrong(f"{where}: {len(weights)} weights of shape {shape} were found; one was asked")
    others = [p for p in all_of_them if p is not weights[0]]
    if len(others) == 3 and all(p.shape == (c_out,) for p in others):
        raise Wrong(f"{where}: the convolution has a bias; batch norm would subtract it again (bias=False)")
    if len(others) != 2 or any(p.shape != (c_out,) for p in others):
        sizes = [tuple(p.shape) for p in others]
        raise Wrong(f"{where}: besides the weight, batch norm's two of ({c_out},) were asked, not {sizes}")
    return weights[0].detach().clone()


def _cbs(
    x: Tensor,
    weight: Tensor,
    kernel: int,
    stride: int,
    eps: float | int = EPS,
    active: Callable = F.silu,
    pad: int | None = None,
) -> Tensor:
    """A CBS in training, from torch's functions; `pad` if it shall be wrong."""
    y = F.conv2d(x, weight, stride=stride, padding=(kernel - 1) // 2 if pad is None else pad)
    return active(F.batch_norm(y, None, None, training=True, eps=eps))


def _other_cbs(x: Tensor, weight: Tensor, stride: int) -> dict[str, Tensor]:
    """What typical faults give; for an odd kernel the two paddings are the same."""
    kernel = weight.shape[-1]
    faults = {
        "eps is 1e-5, PyTorch's default; YOLOX has 1e-3": _cbs(x, weight, kernel, stride, 1e-5),
        "ReLU came out; SiLU was asked": _cbs(x, weight, kernel, stride, active=F.relu),
        "the activation is missing": _cbs(x, weight, kernel, stride, active=lambda y: y),
        "SiLU stands before batch norm; it comes last": F.batch_norm(
            F.silu(F.conv2d(x, weight, stride=stride, padding=(kernel - 1) // 2)),
            None, None, training=True, eps=EPS,
        ),
        "there is no padding; (kernel - 1) // 2 was asked": _cbs(x, weight, kernel, stride, pad=0),
    }  # fmt: skip
    if kernel % 2 == 0:
        words = "padding is kernel // 2; (kernel - 1) // 2 was asked, which differs for even kernels"
        faults[words] = _cbs(x, weight, kernel, stride, pad=kernel // 2)
    if stride > 1:
        faults["the stride is not used"] = _cbs(x, weight, kernel, 1)
    return faults


def _in_use(block: nn.Module, x: Tensor, weight: Tensor, kernel: int, stride: int, where: str) -> None:
    """After one step of training the running values have moved by 0.03."""
    y = F.conv2d(x, weight, stride=stride, padding=(kernel - 1) // 2)
    c_out = len(weight)

    def after(momentum: float) -> Tensor:
        mean, var = torch.zeros(c_out), torch.ones(c_out)
        F.batch_norm(y, mean, var, training=True, momentum=momentum)
        return F.silu(F.batch_norm(y, mean, var, eps=EPS))

    faults = {
        "momentum is 0.1, PyTorch's default; YOLOX has 0.03": after(0.1),
        "momentum is 0.97, the wrong way round; PyTorch's momentum is the share of the *new* batch": after(
            0.97
        ),
        "the batch's own mean and variance are used in eval mode too; the running ones were asked": F.silu(
            F.batch_norm(y, None, None, training=True, eps=EPS)
        ),
    }
    same(block(x), after(MOMENTUM), f"{where}, in eval mode after one step", faults, atol=1e-6)


@exercise("04.3", seeds=6)
def fold(answer: Callable, random: Random) -> None:
    """the same as torch's own fusion, with and without a bias, full and depthwise"""
    own, groups = random.seed % 2 == 1, 3 if random.seed % 3 == 2 else 1
    conv = nn.Conv2d(3, 6, random.choice((1, 3)), groups=groups, bias=own).eval()
    bn = nn.BatchNorm2d(6, eps=EPS).eval()
    bn.weight.data, bn.bias.data = 0.5 + random.uniform(6), random.tensor(6)
    bn.running_mean, bn.running_var = random.tensor(6), 0.02 + 0.3 * random.uniform(6)
    conv.requires_grad_(False), bn.requires_grad_(False)
    fused = fuse_conv_bn_eval(conv, bn)
    where = f"for a convolution {'with' if own else 'without'} a bias and with {groups} group"
    where += "s" if groups > 1 else ""
    given = answer(conv, bn)
    if isinstance(given, nn.Module):
        raise Wrong(f"{where}: a module came out; the pair (weight, bias) was asked")
    wanted = fused.weight.detach(), fused.bias.detach()
    same(given, wanted, where, _other_folds(conv, bn))


def _other_folds(conv: nn.Conv2d, bn: nn.BatchNorm2d) -> dict[str, tuple[Tensor, Tensor]]:
    """What typical faults give."""
    own = torch.zeros(6) if conv.bias is None else conv.bias

    def folded(scale: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        return conv.weight * scale.view(-1, 1, 1, 1), bias

    def both(scale: Tensor) -> tuple[Tensor, Tensor]:
        return folded(scale, bn.bias + (own - bn.running_mean) * scale)

    std = (bn.running_var + bn.eps).sqrt()
    right = bn.weight / std
    faults = {
        "eps is missing; it is added to the variance, inside the root": both(
            bn.weight / bn.running_var.sqrt()
        ),
        "eps is 1e-5; this batch norm has its own (bn.eps)": both(bn.weight / (bn.running_var + 1e-5).sqrt()),
        "this divides by the variance; take its square root": both(bn.weight / std**2),
        "batch norm's own weight is left out": both(1 / std),
        "the weight is right; in the bias the sign of the running mean is not": folded(
            right, bn.bias + (own + bn.running_mean) * right
        ),
        "the weight is right; in the bias the running mean is not scaled": folded(
            right, bn.bias + own - bn.running_mean
        ),
        "the weight is right; batch norm's own bias is left out": folded(
            right, (own - bn.running_mean) * right
        ),
        "the running mean is left out": folded(right, bn.bias + own * right),
    }
    if conv.bias is not None:
        faults["the weight is right; the convolution's own bias is left out"] = folded(
            right, bn.bias - bn.running_mean * right
        )
        faults["the weight is right; the convolution's own bias must be scaled too"] = folded(
            right, bn.bias - bn.running_mean * right + own
        )
    return faults


@exercise("04.4", seeds=8)
def count(answer: Callable, random: Random) -> None:
    """the same as counted in torch's own layers"""
    c_in, c_out, k = random.integer(3, 40), random.integer(41, 90), random.choice((3, 5, 7))
    layers = nn.Sequential(
        nn.Conv2d(c_in, c_in, k, groups=c_in, bias=False, device="meta"),
        nn.BatchNorm2d(c_in, device="meta"),
        nn.Conv2d(c_in, c_out, 1, bias=False, device="meta"),
        nn.BatchNorm2d(c_out, device="meta"),
    )
    sizes = [math.prod(p.shape) for p in layers.parameters()]
    wanted, weights = sum(sizes), sizes[0] + sizes[3]
    where = f"for {c_in} → {c_out} channels and a kernel of {k}"
    faults = {
        "batch norm's parameters are missing: a weight and a bias for each channel, twice": weights,
        "only the second batch norm is counted; the first has 2 · c_in": weights + 2 * c_out,
        "only the first batch norm is counted; the second has 2 · c_out": weights + 2 * c_in,
        "both batch norms have c_out channels here; the first one stands behind c_in": weights + 4 * c_out,
        "batch norm has one parameter a channel here; it has two": weights + c_in + c_out,
        "the convolutions have a bias here; a CBS has none": wanted + c_in + c_out,
        "running mean and variance are counted too; they are not learned": wanted + 2 * (c_in + c_out),
        "this is the ordinary CBS, not the depthwise one": k * k * c_in * c_out + 2 * c_out,
        "the pointwise part is k × k here; it is 1 × 1": wanted + (k * k - 1) * c_in * c_out,
        "the kernel has k · k weights, not k": wanted - k * k * c_in + k * c_in,
        "the depthwise part is missing": c_in * c_out + 2 * c_out,
    }
    same(answer(c_in, c_out, k), wanted, where, faults, atol=0)
