"""PAFPN: the three maps inform each other, first downwards, then upwards. Explained in chapter 08."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from yolox_edu.blocks import CBS, CSPLayer, spatial_conv


def _join(a: Tensor, b: Tensor) -> Tensor:
    return torch.cat((a, b), dim=1)


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


class PAFPN(nn.Module):
    """The neck: a top-down path (meaning to detail) and a bottom-up path (detail to meaning).

    Takes C3, C4, C5 and returns P3, P4, P5 of the same sizes and widths.

    Source: Lin et al. 2016 (arXiv 1612.03144), Liu et al. 2018 (arXiv 1803.01534);
    official `yolox/models/yolo_pafpn.py`.
    """

    def __init__(self, depth: float, width: float, depthwise: bool = False):
        super().__init__()
        c3, c4, c5 = (int(c * width) for c in (256, 512, 1024))
        n = round(3 * depth)
        conv = spatial_conv(depthwise)

        def csp(c_in: int, c_out: int) -> CSPLayer:
            return CSPLayer(c_in, c_out, n, shortcut=False, depthwise=depthwise)

        self.lateral5 = CBS(c5, c4, 1)
        self.topdown4 = csp(2 * c4, c4)
        self.lateral4 = CBS(c4, c3, 1)
        self.topdown3 = csp(2 * c3, c3)
        self.down3 = conv(c3, c3, 3, stride=2)
        self.bottomup4 = csp(2 * c3, c4)
        self.down4 = conv(c4, c4, 3, stride=2)
        self.bottomup5 = csp(2 * c4, c5)

    def forward(
        self,
        c3: Float[Tensor, "n c3 h3 w3"],
        c4: Float[Tensor, "n c4 h4 w4"],
        c5: Float[Tensor, "n c5 h5 w5"],
    ) -> tuple[Float[Tensor, "n c3 h3 w3"], Float[Tensor, "n c4 h4 w4"], Float[Tensor, "n c5 h5 w5"]]:
        lateral5 = self.lateral5(c5)  # n c4 h5 w5
        top4 = self.topdown4(_join(_double(lateral5), c4))  # n 2·c4 h4 w4 -> n c4 h4 w4
        lateral4 = self.lateral4(top4)  # n c3 h4 w4
        p3 = self.topdown3(_join(_double(lateral4), c3))  # n 2·c3 h3 w3 -> n c3 h3 w3
        p4 = self.bottomup4(_join(self.down3(p3), lateral4))  # n 2·c3 h4 w4 -> n c4 h4 w4
        p5 = self.bottomup5(_join(self.down4(p4), lateral5))  # n 2·c4 h5 w5 -> n c5 h5 w5
        return p3, p4, p5
