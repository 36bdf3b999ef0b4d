"""Typical wrong answers to the exercises of chapter 09, and words of the message that each must get."""

import math

import torch
from torch import nn

from yolox_edu.blocks import CBS

PRIOR = -math.log(99)


class Level(nn.Module):
    """The right level, with a switch for each thing that goes wrong."""

    order, obj_on, biases, start, padded = "boc", "where", "oc", PRIOR, 3

    def __init__(self, c_in, c, k):
        super().__init__()
        self.stem = CBS(c_in, c, 1)
        self.what = nn.Sequential(CBS(c, c, self.padded), CBS(c, c, 3))
        self.where = nn.Sequential(CBS(c, c, self.padded), CBS(c, c, 3))
        self.b, self.o, self.c = (nn.Conv2d(c, outputs, 1) for outputs in (4, 1, k))
        for name in self.biases:
            nn.init.constant_(getattr(self, name).bias, self.start)

    def maps(self, x):
        x = self.stem(x)
        branch = {"what": self.what(x), "where": self.where(x)}
        out = {"b": self.b(branch["where"]), "o": self.o(branch[self.obj_on]), "c": self.c(branch["what"])}
        return torch.cat([out[name] for name in self.order], dim=1)

    def forward(self, x):
        return self.maps(x).flatten(2).transpose(1, 2)


def level(name, **switches):
    return type(name, (Level,), switches)


class OnlyMaps(Level):
    def forward(self, x):
        return self.maps(x)


class NotTransposed(Level):
    def forward(self, x):
        return self.maps(x).flatten(2)


class Viewed(Level):
    def forward(self, x):
        maps = self.maps(x)
        n, d, h, w = maps.shape
        return maps.reshape(n, h * w, d)


class Columns(Level):
    def forward(self, x):
        return self.maps(x).transpose(2, 3).flatten(2).transpose(1, 2)


class Coupled(Level):
    def maps(self, x):
        x = self.where(self.stem(x))
        return torch.cat((self.b(x), self.o(x), self.c(x)), dim=1)


class OwnBranch(Level):
    def __init__(self, c_in, c, k):
        super().__init__(c_in, c, k)
        self.whether = nn.Sequential(CBS(c, c, 3), CBS(c, c, 3))

    def maps(self, x):
        x = self.stem(x)
        out = self.b(self.where(x)), self.o(self.whether(x)), self.c(self.what(x))
        return torch.cat(out, dim=1)


class TwoStems(Level):
    def __init__(self, c_in, c, k):
        super().__init__(c_in, c, k)
        self.second = CBS(c_in, c, 1)

    def maps(self, x):
        where, what = self.where(self.stem(x)), self.what(self.second(x))
        return torch.cat((self.b(where), self.o(where), self.c(what)), dim=1)


class NoBatchNorm(Level):
    def __init__(self, c_in, c, k):
        super().__init__(c_in, c, k)
        for cbs in (self.stem, *self.what, *self.where):
            cbs.bn = nn.Identity()


class NoObjectness(Level):
    order = "bc"


def softmax_together(obj, cls):
    return torch.cat((obj[..., None], cls), -1).softmax(-1)[..., 1:]


def counted(c_in, c, k, stem=1, norm=2, branches=4, bias=1, outputs=5, area=9, extra=0):
    cbs = stem * (c_in * c + norm * c) + branches * (area * c * c + norm * c)
    return cbs + (c + bias) * (outputs + k) + extra * c


def count(**switches):
    return lambda c_in, c, k: counted(c_in, c, k, **switches)


WRONG = {
    "09.1": [
        (OnlyMaps, "one row a cell was asked"),
        (NotTransposed, "transpose(1, 2) is missing"),
        (Viewed, "reshape mix cells"),
        (Columns, "line by line"),
        (Coupled, "a coupled head"),
        (OwnBranch, "a branch of its own"),
        (TwoStems, "share no stem"),
        (NoBatchNorm, "batch norm is missing"),
        (NoObjectness, "one number a cell is missing"),
        (level("ClassesFirst", order="cbo"), "the order is box (4)"),
        (level("ObjectnessLast", order="bco"), "objectness comes last"),
        (level("OnClasses", obj_on="what"), "hangs on the class branch"),
        (level("NoPrior", biases=""), "should give -log(99)"),
        (level("OnlyObjectness", biases="o"), "the classes do not"),
        (level("OnlyClasses", biases="c"), "objectness does not"),
        (level("AllOfThem", biases="boc"), "the box starts at -log(99) too"),
        (level("WrongSign", start=-PRIOR), "the sign is wrong"),
        (level("SmallKernel", padded=1), "5 × 5 cells"),
        (lambda c_in, c, k: 5 + k, "a torch.nn.Module was asked"),
    ],
    "09.2": [
        (lambda p: math.log((1 - p) / p), "the sign is wrong"),
        (lambda p: math.log(p), "that is log p"),
        (lambda p: -math.log(p), "a loss"),
        (lambda p: 1 / (1 + math.exp(-p)), "the other way"),
        (lambda p: PRIOR, "whatever the prior"),
    ],
    "09.3": [
        (lambda obj, cls: (obj[..., None] + cls).sigmoid(), "a sum of logits"),
        (lambda obj, cls: (obj[..., None] * cls).sigmoid(), "a product of logits"),
        (lambda obj, cls: obj.sigmoid()[..., None] * cls.softmax(-1), "add up to 1"),
        (softmax_together, "softmax over objectness and classes"),
        (lambda obj, cls: (obj[..., None] + cls).softmax(-1), "softmax of a sum"),
        (lambda obj, cls: cls.sigmoid(), "objectness is missing"),
        (lambda obj, cls: (obj.sigmoid()[..., None] * cls.sigmoid()).sqrt(), "square root"),
        (lambda obj, cls: obj.sigmoid()[..., None] * cls, "its sigmoid too"),
        (lambda obj, cls: obj.sigmoid() * cls.sigmoid(), "raised RuntimeError"),
    ],
    "09.4": [
        (count(norm=0), "batch norm is missing"),
        (count(norm=1), "a weight and a bias"),
        (count(norm=4), "running mean"),
        (count(extra=5), "have no bias"),
        (count(bias=0), "have a bias"),
        (count(branches=2), "four together"),
        (count(outputs=4), "objectness is missing"),
        (count(stem=0), "the stem is missing"),
        (count(area=3), "not 3"),
        (count(branches=6), "which is not right"),
    ],
}
