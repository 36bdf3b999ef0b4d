"""Typical wrong answers to the exercises of chapter 04, and words of the message that each must get."""

import torch
import torch.nn.functional as F
from torch import nn


def step(x, mean, var, eps=1e-3, momentum=0.03, root=0.5, biased=0, kept=1):
    """A step of batch norm with one knob for each mistake."""
    m, v = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=biased, keepdim=True)
    batch, spread = m.flatten(), x.var((0, 2, 3), correction=kept)
    y = (x - m) / (v + eps) ** root
    return y, (1 - momentum) * mean + momentum * batch, (1 - momentum) * var + momentum * spread


def eps_outside(x, mean, var):
    m, v = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
    return (x - m) / (v.sqrt() + 1e-3), *step(x, mean, var)[1:]


def one_for_all(x, mean, var):
    return (x - x.mean()) / (x.var(correction=0) + 1e-3).sqrt(), *step(x, mean, var)[1:]


def keeps_deviations(x, mean, var):
    y, new_mean, _ = step(x, mean, var)
    return y, new_mean, 0.97 * var + 0.03 * x.std((0, 2, 3))


def in_use(x, mean, var):
    return F.batch_norm(x, mean, var, eps=1e-3), *step(x, mean, var)[1:]


def block(eps=1e-3, momentum=0.03, bias=False, pad=lambda k: (k - 1) // 2, active=F.silu, first=False):
    """A class like CBS with one knob for each mistake."""

    class Block(nn.Module):
        def __init__(self, c_in, c_out, kernel, stride=1):
            super().__init__()
            self.conv = nn.Conv2d(c_in, c_out, kernel, stride, pad(kernel), bias=bias)
            self.bn = nn.BatchNorm2d(c_out, eps=eps, momentum=momentum)

        def forward(self, x):
            return self.bn(active(self.conv(x))) if first else active(self.bn(self.conv(x)))

    return Block


class NoNorm(nn.Module):
    def __init__(self, c_in, c_out, kernel, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, (kernel - 1) // 2, bias=False)

    def forward(self, x):
        return F.silu(self.conv(x))


def fold(conv, bn, eps=None, power=0.5, weight=True, sign=1, scaled=True, shift=True, own="scaled"):
    """A fold with one knob for each mistake."""
    scale = (bn.weight if weight else 1) / (bn.running_var + (bn.eps if eps is None else eps)) ** power
    bias = (bn.bias if shift else 0) - sign * bn.running_mean * (scale if scaled else 1)
    if conv.bias is not None and own:
        bias = bias + conv.bias * (scale if own == "scaled" else 1)
    return conv.weight * scale[:, None, None, None], bias


def wrong_axis(conv, bn):
    scale = bn.weight / (bn.running_var + bn.eps).sqrt()
    return conv.weight * scale, torch.zeros(6)


def count(c_in, c_out, k):
    return k * k * c_in + c_in * c_out


WRONG = {
    "04.1": [
        (lambda *a: step(*a, eps=0), "eps is missing"),
        (lambda *a: step(*a, eps=1e-5), "1e-5"),
        (lambda *a: step(*a, root=1), "divides by the variance"),
        (lambda *a: step(*a, biased=1), "divides by count - 1; for y"),
        (lambda *a: step(*a, momentum=0.97), "wrong way round"),
        (lambda *a: step(*a, momentum=0.1), "PyTorch's default"),
        (lambda *a: step(*a, kept=0), "the variance that is kept"),
        (lambda *a: step(*a)[0], "three things were asked"),
        (eps_outside, "inside the root"),
        (one_for_all, "each channel has its own"),
        (keeps_deviations, "standard deviations"),
        (in_use, "uses the running values"),
    ],
    "04.2": [
        (block(eps=1e-5), "eps is 1e-5"),
        (block(momentum=0.1), "momentum is 0.1"),
        (block(momentum=0.97), "wrong way round"),
        (block(bias=True), "has a bias"),
        (block(pad=lambda k: k // 2), "kernel // 2"),
        (block(pad=lambda k: 0), "no padding"),
        (block(active=F.relu), "ReLU"),
        (block(active=lambda x: x), "activation is missing"),
        (block(first=True), "comes last"),
        (NoNorm, "batch norm's two"),
        (lambda c_in, c_out, k, stride: block()(c_in, c_out, k), "stride is not used"),
    ],
    "04.3": [
        (lambda c, b: fold(c, b, eps=0), "eps is missing"),
        (lambda c, b: fold(c, b, eps=1e-5), "eps is 1e-5"),
        (lambda c, b: fold(c, b, power=1), "divides by the variance"),
        (lambda c, b: fold(c, b, weight=False), "own weight is left out"),
        (lambda c, b: fold(c, b, sign=-1), "sign"),
        (lambda c, b: fold(c, b, scaled=False), "is not scaled"),
        (lambda c, b: fold(c, b, shift=False), "own bias is left out"),
        (lambda c, b: fold(c, b, sign=0), "running mean is left out"),
        (lambda c, b: fold(c, b, own=""), "convolution's own bias is left out"),
        (lambda c, b: fold(c, b, own="as it is"), "scaled too"),
        (lambda c, b: nn.Conv2d(3, 6, 1), "the pair (weight, bias)"),
        (wrong_axis, "the shape is"),
    ],
    "04.4": [
        (count, "parameters are missing"),
        (lambda i, o, k: count(i, o, k) + 2 * o, "only the second"),
        (lambda i, o, k: count(i, o, k) + 2 * i, "only the first"),
        (lambda i, o, k: count(i, o, k) + 4 * o, "stands behind c_in"),
        (lambda i, o, k: count(i, o, k) + i + o, "it has two"),
        (lambda i, o, k: count(i, o, k) + 3 * (i + o), "have a bias"),
        (lambda i, o, k: count(i, o, k) + 4 * (i + o), "not learned"),
        (lambda i, o, k: k * k * i * o + 2 * o, "ordinary CBS"),
        (lambda i, o, k: k * k * i * (1 + o) + 2 * (i + o), "it is 1 × 1"),
        (lambda i, o, k: k * i + i * o + 2 * (i + o), "not k"),
        (lambda i, o, k: i * o + 2 * o, "depthwise part is missing"),
    ],
}
