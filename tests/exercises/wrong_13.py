"""Typical wrong answers to the exercises of chapter 13, and words of the message that each must get."""

import torch
import torch.nn.functional as F

with_logits = F.binary_cross_entropy_with_logits


def by_probability(x, t):
    p = x.sigmoid()
    return -t * p.log() - (1 - t) * (1 - p).log()


def clamped(x, t):
    return F.binary_cross_entropy(x.sigmoid(), t, reduction="none")


def naive_softplus(x, t):
    return (1 + x.exp()).log() - t * x


def trapped(x, t):
    softplus = torch.where(x > 0, x + (1 + (-x).exp()).log(), (1 + x.exp()).log())
    return softplus - t * x


def overlaps(boxes, wanted, clamp=True):
    start = (boxes[:, :2] - boxes[:, 2:] / 2).maximum(wanted[:, :2] - wanted[:, 2:] / 2)
    end = (boxes[:, :2] + boxes[:, 2:] / 2).minimum(wanted[:, :2] + wanted[:, 2:] / 2)
    sides = (end - start).clamp(min=0) if clamp else end - start
    shared = sides.prod(-1)
    return shared / (boxes[:, 2:].prod(-1) + wanted[:, 2:].prod(-1) - shared)


def box(rule, clamp=True):
    return lambda boxes, wanted: rule(overlaps(boxes, wanted, clamp))


def class_(target, **how):
    def term(x, label, iou):
        onehot = F.one_hot(label, x.shape[1]).to(x)
        reduction = how.get("reduction", "sum")
        value = with_logits(
            how.get("read", lambda v: v)(x), target(onehot, iou[:, None]), reduction=reduction
        )
        return value / how.get("by", len(x))

    return term


def soft(onehot, iou):
    return onehot * iou


def only_true(x, label, iou):
    return with_logits(x[range(len(x)), label], iou, reduction="mean")


def softmax(x, label, iou):
    return (F.cross_entropy(x, label, reduction="none") * iou).mean()


def weighted(x, label, iou):
    onehot = F.one_hot(label, x.shape[1]).to(x)
    return (with_logits(x, onehot, reduction="none") * iou[:, None]).sum() / len(x)


def target(boxes, cell, stride, log=torch.log, shift=0.0, sign=1):
    place = boxes[:, :2] / stride - cell - shift
    return sign * torch.cat((place, log(boxes[:, 2:] / stride)), 1)


def without_cell(boxes, cell, stride):
    return target(boxes, 0, stride)


def cell_first(boxes, cell, stride):
    return torch.cat(((boxes[:, :2] - cell) / stride, (boxes[:, 2:] / stride).log()), 1)


def pixels(boxes, cell, stride):
    return torch.cat((boxes[:, :2] / stride - cell, boxes[:, 2:].log()), 1)


def decoded(boxes, cell, stride):
    return torch.cat(((boxes[:, :2] + cell) * stride, boxes[:, 2:].exp() * stride), 1)


def total(weight=5, held=True, one=False, l1=True, by=None):
    def answer(raw, cell, stride, positive, wanted, label):
        value = with_logits(raw[:, 4], positive.to(raw), reduction="sum")
        r, c, s, w = (v[positive] for v in (raw, cell, stride, wanted))
        iou = overlaps(torch.cat(((r[:, :2] + c) * s, r[:, 2:4].exp() * s), 1), w)
        value = value + weight * (1 - iou**2).sum()
        t = torch.ones_like(iou) if one else iou.detach() if held else iou
        onehot = F.one_hot(label[positive], raw.shape[1] - 5).to(raw)
        x = r[:, 5:]
        value = value + (F.softplus(x, threshold=50) - onehot * t[:, None] * x).sum()
        if l1:
            value = value + (r[:, :4] - target(w, c, s)).abs().sum()
        return value / (by(positive) if by else positive.sum().clamp(min=1))

    return answer


WRONG = {
    "13.1": [
        (by_probability, "are NaN"),
        (clamped, "through the probability"),
        (naive_softplus, "infinite"),
        (trapped, "in the gradient"),
        (lambda x, t: with_logits(x, 1 - t, reduction="none"), "changed places"),
        (lambda x, t: -with_logits(x, t, reduction="none"), "wrong way round"),
        (lambda x, t: t * F.softplus(-x), "needs its own"),
        (lambda x, t: with_logits(x.sigmoid(), t, reduction="none"), "taken twice"),
        (with_logits, "not their mean"),
        (lambda x, t: with_logits(x, t, reduction="sum"), "not their sum"),
        (lambda x, t: with_logits(x.detach(), t, reduction="none"), "no gradient flows"),
    ],
    "13.2": [
        (box(lambda v: 1 - v), "the square is missing, and the 5"),
        (box(lambda v: 1 - v**2), "the 5 is missing"),
        (box(lambda v: 5 * (1 - v)), "the square is missing"),
        (box(lambda v: 5 * (1 - v) ** 2), "which is not"),
        (box(lambda v: 5 * v**2), "a mark, not a loss"),
        (box(lambda v: 5 * (1 - v**2), clamp=False), "clamp at 0"),
        (box(lambda v: 5 * (1 - v**2).mean()), "not their mean"),
        (box(lambda v: 5 * (1 - v**2).sum()), "not their sum"),
    ],
    "13.3": [
        (class_(lambda onehot, iou: onehot), "is its IoU, not 1"),
        (class_(lambda onehot, iou: iou.expand_as(onehot)), "the wrong ones have target 0"),
        (only_true, "must learn their 0"),
        (class_(soft, read=torch.sigmoid), "taken twice"),
        (softmax, "no softmax"),
        (class_(soft, reduction="mean", by=1), "mean over the classes"),
        (class_(soft, by=1), "not divided"),
        (weighted, "should be the target"),
    ],
    "13.4": [
        (lambda b, c, s: target(b, c, s, log=lambda v: v), "the logarithm"),
        (without_cell, "not taken off"),
        (cell_first, "divide first"),
        (lambda b, c, s: target(b, c, s, shift=0.5), "from its corner"),
        (pixels, "not divided by the stride"),
        (decoded, "the way back"),
        (lambda b, c, s: target(b, c, s, sign=-1), "wrong way round"),
    ],
    "13.5": [
        (total(weight=1), "weight 5"),
        (total(held=False), "detach()"),
        (total(one=True), "the IoU, not 1"),
        (total(l1=False), "L1 is missing"),
        (total(by=len), "divide by the positives"),
        (total(by=lambda p: 1), "not divided by the number"),
        (total(by=lambda p: p.sum()), "without positives"),
    ],
}
