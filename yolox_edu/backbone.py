"""CSPDarknet: three feature maps from one picture. Explained in chapter 07."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from yolox_edu.blocks import SPP, CSPLayer, Focus, spatial_conv


def _dark(c_in: int, c_out: int, n: int, depthwise: bool) -> nn.Sequential:
    """One stage: halve h and w, double c, then a CSPLayer of n bottlenecks."""
    return nn.Sequential(
        spatial_conv(depthwise)(c_in, c_out, 3, stride=2),
        CSPLayer(c_out, c_out, n, depthwise=depthwise),
    )


class CSPDarknet(nn.Module):
    """The backbone: Focus, then four stages, each half as large and twice as wide.

    Returns C3, C4 and C5 with strides 8, 16 and 32 and `256 * width`, `512 * width`, `1024 * width`
    channels. In dark5 the SPP stands before the CSPLayer, which has no shortcuts.

    Source: official `yolox/models/darknet.py`, `CSPDarknet`.
    """

    def __init__(self, depth: float, width: float, depthwise: bool = False):
        super().__init__()
        c1, c2, c3, c4, c5 = (int(c * width) for c in (64, 128, 256, 512, 1024))
        n = max(round(depth * 3), 1)
        self.stem = Focus(3, c1)
        self.dark2 = _dark(c1, c2, n, depthwise)
        self.dark3 = _dark(c2, c3, 3 * n, depthwise)
        self.dark4 = _dark(c3, c4, 3 * n, depthwise)
        self.dark5 = nn.Sequential(
            spatial_conv(depthwise)(c4, c5, 3, stride=2),
            SPP(c5, c5),
            CSPLayer(c5, c5, n, shortcut=False, depthwise=depthwise),
        )

    def forward(
        self, x: Float[Tensor, "n 3 h w"]
    ) -> tuple[
        Float[Tensor, "n c3 h/8 w/8"], Float[Tensor, "n c4 h/16 w/16"], Float[Tensor, "n c5 h/32 w/32"]
    ]:
        x = self.stem(x)  # n 64·width h/2 w/2
        x = self.dark2(x)  # n 128·width h/4 w/4
        c3 = self.dark3(x)
        c4 = self.dark4(c3)
        c5 = self.dark5(c4)
        return c3, c4, c5
