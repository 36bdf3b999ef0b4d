"""The building blocks: CBS, Focus, Bottleneck, CSPLayer and SPP. Explained in chapters 03 to 06.

Shape letters used throughout the package: n pictures, c channels, h height, w width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

BN_EPS = 1e-3  # the official model's values; PyTorch's defaults are 1e-5 and 0.1
BN_MOMENTUM = 0.03


class CBS(nn.Module):
    """Convolution, batch norm, SiLU: the atom of the network. Explained in chapter 04.

    The convolution has no bias, for batch norm would subtract it again. Padding is (kernel - 1) // 2,
    so that a stride of 1 keeps h and w and a stride of 2 halves them.

    Source: official `yolox/models/network_blocks.py`, `BaseConv`.
    """

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(c_out, eps=BN_EPS, momentum=BN_MOMENTUM)

    def forward(self, x: Float[Tensor, "n c_in h w"]) -> Float[Tensor, "n c_out h_out w_out"]:
        return F.silu(self.bn(self.conv(x)))


class DepthwiseCBS(nn.Module):
    """A k x k CBS on each channel alone, then a 1 x 1 CBS that mixes channels. Explained in chapter 04.

    Only YOLOX-Nano uses it. Source: official `network_blocks.py`, `DWConv`.
    """

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int = 1):
        super().__init__()
        self.depthwise = CBS(c_in, c_in, kernel, stride, groups=c_in)
        self.pointwise = CBS(c_in, c_out, 1)

    def forward(self, x: Float[Tensor, "n c_in h w"]) -> Float[Tensor, "n c_out h_out w_out"]:
        return self.pointwise(self.depthwise(x))


def spatial_conv(depthwise: bool) -> type[CBS] | type[DepthwiseCBS]:
    """The class that stands where a preset may trade a full k x k CBS for a depthwise one."""
    return DepthwiseCBS if depthwise else CBS


def space_to_depth(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 4*c h/2 w/2"]:
    """Move each 2 x 2 block of pixels into channels; nothing is lost. Explained in chapter 03.

    The four phases stand in the order top-left, bottom-left, top-right, bottom-right. Official weights
    were trained with this order, so it must not change. h and w must be even.
    """
    top_left, top_right = x[..., 0::2, 0::2], x[..., 0::2, 1::2]
    bottom_left, bottom_right = x[..., 1::2, 0::2], x[..., 1::2, 1::2]
    return torch.cat((top_left, bottom_left, top_right, bottom_right), dim=1)


class Focus(nn.Module):
    """Space to depth, then a 3 x 3 CBS: the stem of the network. Explained in chapter 03.

    The same function as one 6 x 6 convolution with stride 2 and padding 2.
    Source: official `network_blocks.py`, `Focus`.
    """

    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        self.cbs = CBS(4 * c_in, c_out, 3)

    def forward(self, x: Float[Tensor, "n c_in h w"]) -> Float[Tensor, "n c_out h/2 w/2"]:
        return self.cbs(space_to_depth(x))


class Bottleneck(nn.Module):
    """1 x 1 CBS, 3 x 3 CBS, and the input added back where `shortcut` is on. Explained in chapter 05.

    Inside a CSPLayer input and output are equally wide, and so is the middle.
    Source: official `network_blocks.py`, `Bottleneck` with expansion 1.
    """

    def __init__(self, c: int, shortcut: bool = True, depthwise: bool = False):
        super().__init__()
        self.conv1 = CBS(c, c, 1)
        self.conv2 = spatial_conv(depthwise)(c, c, 3)
        self.shortcut = shortcut

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        y = self.conv2(self.conv1(x))
        return x + y if self.shortcut else y


class CSPLayer(nn.Module):
    """Two 1 x 1 projections to half the width; one goes through n bottlenecks. Explained in chapter 05.

    Both projections see every input channel: nothing is split. The result is the concatenation
    (transformed, skipped), mixed by a last 1 x 1 CBS.
    Source: Wang et al. 2019 (arXiv 1911.11929); official `network_blocks.py`, `CSPLayer`.
    """

    def __init__(self, c_in: int, c_out: int, n: int = 1, shortcut: bool = True, depthwise: bool = False):
        super().__init__()
        half = c_out // 2
        self.main = CBS(c_in, half, 1)
        self.skip = CBS(c_in, half, 1)
        self.blocks = nn.Sequential(*(Bottleneck(half, shortcut, depthwise) for _ in range(n)))
        self.fuse = CBS(2 * half, c_out, 1)

    def forward(self, x: Float[Tensor, "n c_in h w"]) -> Float[Tensor, "n c_out h w"]:
        transformed = self.blocks(self.main(x))  # n c_out/2 h w
        return self.fuse(torch.cat((transformed, self.skip(x)), dim=1))


class SPP(nn.Module):
    """Max pools of 5, 9 and 13 beside the input: context at no loss of resolution. Explained in chapter 06.

    The 9 and 13 pools are written as a 5 pool of a 5 pool (of a 5 pool): equal, exactly, and cheaper.
    Source: He et al. 2014 (arXiv 1406.4729); official `network_blocks.py`, `SPPBottleneck`.
    """

    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        half = c_in // 2
        self.reduce = CBS(c_in, half, 1)
        self.pool = nn.MaxPool2d(5, stride=1, padding=2)
        self.fuse = CBS(4 * half, c_out, 1)

    def forward(self, x: Float[Tensor, "n c_in h w"]) -> Float[Tensor, "n c_out h w"]:
        x = self.reduce(x)  # n c_in/2 h w
        pool5 = self.pool(x)
        pool9 = self.pool(pool5)
        pool13 = self.pool(pool9)
        return self.fuse(torch.cat((x, pool5, pool9, pool13), dim=1))  # from 4 * c_in/2
