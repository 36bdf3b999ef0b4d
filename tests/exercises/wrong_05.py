"""Typical wrong answers to the exercises of chapter 05, and words of the message that each must get."""

import torch
from torch import nn

from yolox_edu.blocks import CBS


class Base(nn.Module):
    """The right layers; what is wrong is how they are used."""

    def __init__(self, c, shortcut=True):
        super().__init__()
        self.conv1, self.conv2, self.shortcut = CBS(c, c, 1), CBS(c, c, 3), shortcut


class NeverAdds(Base):
    def forward(self, x):
        return self.conv2(self.conv1(x))


class AlwaysAdds(Base):
    def forward(self, x):
        return x + self.conv2(self.conv1(x))


class AddsTheMiddle(Base):
    def forward(self, x):
        y = self.conv1(x)
        return y + self.conv2(y) if self.shortcut else self.conv2(y)


class OtherOrder(Base):
    def forward(self, x):
        y = self.conv1(self.conv2(x))
        return x + y if self.shortcut else y


class Narrow(Base):
    def __init__(self, c, shortcut=True):
        super().__init__(c, shortcut)
        self.conv1, self.conv2 = CBS(c, c // 2, 1), CBS(c // 2, c, 3)

    def forward(self, x):
        return x + self.conv2(self.conv1(x)) if self.shortcut else self.conv2(self.conv1(x))


class TwoThrees(AlwaysAdds):
    def __init__(self, c, shortcut=True):
        super().__init__(c, shortcut)
        self.conv1 = CBS(c, c, 3)


def skip_first(x, main, skip, blocks, fuse):
    return fuse(torch.cat((skip(x), blocks(main(x))), dim=1))


def other_road(x, main, skip, blocks, fuse):
    return fuse(torch.cat((main(x), blocks(skip(x))), dim=1))


def no_blocks(x, main, skip, blocks, fuse):
    return fuse(torch.cat((main(x), skip(x)), dim=1))


def no_fuse(x, main, skip, blocks, fuse):
    return torch.cat((blocks(main(x)), skip(x)), dim=1)


def main_twice(x, main, skip, blocks, fuse):
    y = main(x)
    return fuse(torch.cat((blocks(y), y), dim=1))


def knife(x, main, skip, blocks, fuse):
    left, right = x.chunk(2, dim=1)
    return fuse(torch.cat((blocks(left), right), dim=1))


def weights(c, n):
    return 2 * c * (c // 2) + c * c + n * 10 * (c // 2) ** 2


def made(c, n):
    return 2 * c + 2 * n * (c // 2)


WRONG = {
    "05.1": [
        (NeverAdds, "the input is not added"),
        (AlwaysAdds, "though the shortcut is off"),
        (AddsTheMiddle, "what conv1 gave is added"),
        (OtherOrder, "before conv1"),
        (Narrow, "channels;"),
        (TwoThrees, "the kernel of conv1"),
    ],
    "05.2": [
        (skip_first, "the skipped half stands first"),
        (other_road, "the other road"),
        (no_blocks, "no half goes through"),
        (no_fuse, "fuse, is missing"),
        (main_twice, "used again"),
        (knife, "given"),
    ],
    "05.3": [
        (weights, "batch norm is missing"),
        (lambda c, n: weights(c, n) + made(c, n), "not one"),
        (lambda c, n: weights(c, n) + 4 * made(c, n), "running mean"),
        (lambda c, n: 5 * n * c * c, "plain residual"),
        (lambda c, n: 2 * c * c + 10 * n * c * c, "c/2 channels"),
    ],
}
