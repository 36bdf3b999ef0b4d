"""The decoupled head: one branch says what, another says where. Explained in chapter 09."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from yolox_edu.blocks import CBS, spatial_conv

PRIOR = 0.01  # at the start each cell believes in an object, and in each class, with this probability


class HeadLevel(nn.Module):
    """The head of one level. The levels share no weights.

    A 1 x 1 stem brings any width to `256 * width`; two 3 x 3 CBS lead to the classes and two others to
    the box and the objectness.
    """

    def __init__(self, c_in: int, c: int, num_classes: int, depthwise: bool = False):
        super().__init__()
        conv = spatial_conv(depthwise)
        self.stem = CBS(c_in, c, 1)
        self.cls_convs = nn.Sequential(conv(c, c, 3), conv(c, c, 3))
        self.reg_convs = nn.Sequential(conv(c, c, 3), conv(c, c, 3))
        self.cls_pred = nn.Conv2d(c, num_classes, 1)
        self.reg_pred = nn.Conv2d(c, 4, 1)
        self.obj_pred = nn.Conv2d(c, 1, 1)
        for prediction in (self.cls_pred, self.obj_pred):
            nn.init.constant_(prediction.bias, -math.log((1 - PRIOR) / PRIOR))

    def forward(self, x: Float[Tensor, "n c_in h w"]) -> Float[Tensor, "n h*w d"]:
        x = self.stem(x)  # n c h w
        what, where = self.cls_convs(x), self.reg_convs(x)
        out = torch.cat((self.reg_pred(where), self.obj_pred(where), self.cls_pred(what)), dim=1)
        return out.flatten(2).transpose(1, 2)  # n 5+k h w -> n h·w 5+k, row by row


class DecoupledHead(nn.Module):
    """P3, P4, P5 in, one row of raw numbers a cell out.

    A row holds x, y, log w, log h (undecoded, see `boxes.decode`), the objectness logit and k class
    logits: d = 5 + k numbers. Rows run over P3 first, then P4, P5; within a level line by line.

    Source: arXiv 2107.08430, section 2.1 and figure 2; official `yolox/models/yolo_head.py`.
    """

    def __init__(self, num_classes: int, width: float, depthwise: bool = False):
        super().__init__()
        c = int(256 * width)
        widths = (int(256 * width), int(512 * width), int(1024 * width))
        self.levels = nn.ModuleList(HeadLevel(c_in, c, num_classes, depthwise) for c_in in widths)

    def forward(
        self,
        p3: Float[Tensor, "n c3 h3 w3"],
        p4: Float[Tensor, "n c4 h4 w4"],
        p5: Float[Tensor, "n c5 h5 w5"],
    ) -> Float[Tensor, "n a d"]:
        return torch.cat([level(p) for level, p in zip(self.levels, (p3, p4, p5), strict=True)], dim=1)
