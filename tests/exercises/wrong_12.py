"""Typical wrong answers to the exercises of chapter 12, and words of the message that each must get."""

import torch
import torch.nn.functional as F


def cost(raw, labels, overlap, near, p=None, weight=3.0, outside=1e6, mean=False, yes_only=False):
    p = (raw[:, 5:].sigmoid() * raw[:, 4:5].sigmoid()).sqrt() if p is None else p(raw)
    one_hot = F.one_hot(labels, p.shape[1]).float()
    p, one_hot = torch.broadcast_tensors(p, one_hot[:, None])
    bce = F.binary_cross_entropy(p, one_hot, reduction="none")
    bce = bce * one_hot if yes_only else bce
    bce = bce.mean(-1) if mean else bce.sum(-1)
    return bce - weight * (overlap + 1e-8).log() + outside * ~near


def no_epsilon(raw, labels, overlap, near):
    return cost(raw, labels, overlap, near, weight=0) - 3 * overlap.log()


def claimants_only(cost, claimed):
    owner = cost.masked_fill(~claimed, torch.inf).argmin(0)
    return torch.where(claimed.any(0), owner, -1)


def first_claimant(cost, claimed):
    return torch.where(claimed.any(0), claimed.int().argmax(0), -1)


def dearest_claimant(cost, claimed):
    owner = cost.masked_fill(~claimed, -torch.inf).argmax(0)
    return torch.where(claimed.any(0), owner, -1)


def always_cheapest(cost, claimed):
    return torch.where(claimed.any(0), cost.argmin(0), -1)


def nobody_is_zero(cost, claimed):
    return torch.where(claimed.sum(0) > 1, cost.argmin(0), claimed.int().argmax(0))


def top(overlap, least=1, rounded=torch.floor, n=10):
    best = overlap.sort(dim=1, descending=True).values[:, :n]
    return rounded(best.sum(1)).clamp(min=least).long()


def rounding_unseen(suspect):
    for fault, overlap in {"zero": torch.full((1, 1), 0.1), "all": torch.full((1, 20), 0.11)}.items():
        owners = suspect(overlap, torch.zeros_like(overlap), overlap > 0)
        if (owners >= 0).sum() != 1:
            return fault
    return "claimants"


WRONG = {
    "12.1": [
        (lambda *a: cost(*a, p=lambda raw: raw[:, 5:].sigmoid().sqrt()), "forgets the objectness"),
        (lambda *a: cost(*a, p=lambda r: r[:, 5:].sigmoid() * r[:, 4:5].sigmoid()), "square root"),
        (lambda *a: cost(*a, weight=1.0), "weighs 1"),
        (lambda *a: cost(*a, weight=-3.0), "wrong sign"),
        (lambda *a: cost(*a, outside=0), "no million"),
        (lambda r, b, o, n: cost(r, b, o, ~n), "belongs on the far ones"),
        (lambda *a: cost(*a, mean=True), "averaged"),
        (lambda *a: cost(*a, yes_only=True), "only the true class"),
        (lambda *a: cost(*a, p=lambda raw: raw[:, 5:].sigmoid()), "sigmoid first"),
        (lambda *a: cost(*a, outside=1e5), "first release"),
        (
            lambda *a: cost(*a, p=lambda r: (r[:, 5:].sigmoid() * r[:, 4:5].sigmoid()).sqrt().sigmoid()),
            "too many",
        ),
        (lambda *a: cost(*a) + 2 * cost(*a, weight=0, outside=0), "weighed by 3, too"),
        (lambda r, b, o, n: cost(r, b, o, n, weight=0) + 3 * (1 - o), "1 − IoU stands"),
        (no_epsilon, "infinite"),
        (lambda *a: cost(*a).T, "the shape is"),
    ],
    "12.2": [
        (lambda o: top(o, rounded=torch.round), "to the nearest"),
        (lambda o: top(o, rounded=torch.ceil), "rounded up"),
        (lambda o: top(o, least=0), "one is the minimum"),
        (lambda o: top(o, n=99), "all IoUs vote"),
        (lambda o: o[:, :10].sum(1).floor().clamp(min=1), "the first ten"),
        (lambda o: o.sort(dim=1, descending=True).values[:, :10].sum(1).clamp(min=1), "not rounded"),
        (lambda o: top(o, n=99).clamp(max=10), "all IoUs vote"),
        (lambda o: o.sort(dim=1).values[:, -10:].mean(1).int().clamp(min=1), "averaged"),
        (lambda o: o.topk(10, dim=1).values.sum(1).int().clamp(min=1), "topk"),
    ],
    "12.3": [
        (claimants_only, "among the claimants"),
        (first_claimant, "the first got"),
        (always_cheapest, "even if another truth is cheaper"),
        (nobody_is_zero, "should be -1"),
        (lambda cost, claimed: cost.argmin(0), "given away"),
        (dearest_claimant, "the dearest"),
        (lambda c, claimed: claimants_only(c, claimed).masked_fill(claimed.sum(0) > 1, -1), "to nobody"),
    ],
    "12.4": [
        (lambda suspect: "zero", "was charged with 'zero'"),
        (rounding_unseen, "a suspect that rounds k to the nearest was charged with 'claimants'"),
        (lambda suspect: "everything", "is none of"),
        (lambda suspect: suspect(*[torch.ones(1, 3)] * 3), "one of 'rounds'"),
    ],
}
