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


def ceiling(eps):
    return lambda x, t: -(t * (x.sigmoid() + eps).log() + (1 - t) * (1 - x.sigmoid() + eps).log())


def twice(boxes, wanted):
    v = overlaps(boxes, wanted)
    return 5 * (1 - (v / (1 + v)) ** 2)


def corners(boxes, wanted):
    a, b = (torch.cat(((v[:, :2] + v[:, 2:]) / 2, v[:, 2:] - v[:, :2]), 1) for v in (boxes, wanted))
    return 5 * (1 - overlaps(a, b) ** 2)


def smooth(x, label, iou):
    onehot = F.one_hot(label, x.shape[1]).to(x)
    wanted = onehot * iou[:, None] + (1 - onehot) * (1 - iou[:, None])
    return with_logits(x, wanted, reduction="sum") / len(x)


def shifted(boxes, cell, stride):
    corner = boxes[:, :2] - boxes[:, 2:] / 2
    return torch.cat((corner / stride - cell, (boxes[:, 2:] / stride).log()), 1)


def total(weight=5, held=True, one=False, l1=1.0, by=None, rule=lambda v: 1 - v**2, **means):
    """The total with a mistake; `means` says of a term how it is summed, or what its target is."""

    def answer(raw, cell, stride, positive, wanted, label):
        r, c, s, w = (v[positive] for v in (raw, cell, stride, wanted))
        iou = overlaps(torch.cat(((r[:, :2] + c) * s, r[:, 2:4].exp() * s), 1), w)
        asked = positive.to(raw)
        if means.get("soft_object"):
            asked = asked.masked_scatter(positive, iou.detach())
        said = (raw[positive], asked[positive]) if means.get("few") else (raw, asked)
        value = means.get("object_", 1) * with_logits(
            said[0][:, 4], said[1], reduction=means.get("object_by", "sum")
        )
        value = value + weight * rule(iou.detach() if means.get("still") else iou).sum()
        t = torch.ones_like(iou) if one else iou.detach() if held else iou
        onehot = F.one_hot(label[positive], raw.shape[1] - 5).to(raw)
        x = r[:, 5:]
        classes = F.softplus(x, threshold=50) - onehot * t[:, None] * x
        value = value + (classes.mean(1) if means.get("class_mean") else classes).sum()
        value = value + l1 * (r[:, :4] - target(w, c, s)).abs().sum()
        value = value * means.get("all_", 1)
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
        (ceiling(1e-8), "puts a ceiling on the loss"),
        (lambda x, t: F.softplus(x), "the part with t is missing"),
        (lambda x, t: F.softplus(x) + t * x, "wrong sign"),
        (lambda x, t: with_logits(x, t, reduction="sum"), "not their sum"),
        (lambda x, t: with_logits(x.detach(), t, reduction="none"), "no gradient flows"),
    ],
    "13.2": [
        (box(lambda v: 1 - v), "the square is missing, and the 5"),
        (box(lambda v: 1 - v**2), "the 5 is missing"),
        (box(lambda v: 5 * (1 - v)), "the square is missing"),
        (box(lambda v: 5 * (1 - v) ** 2), "which is not"),
        (box(lambda v: (1 - v) ** 2), "and the 5 is missing"),
        (box(lambda v: v), "this is the IoU"),
        (twice, "counted twice"),
        (corners, "read as corners"),
        (lambda b, w: box(lambda v: 5 * (1 - v**2))(b.detach(), w), "no gradient flows"),
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
        (lambda x, label, iou: F.cross_entropy(x, label), "no softmax: BCE for each"),
        (smooth, "not 1 - IoU"),
    ],
    "13.4": [
        (lambda b, c, s: target(b, c, s, log=lambda v: v), "the logarithm"),
        (without_cell, "not taken off"),
        (cell_first, "divide first"),
        (lambda b, c, s: target(b, c, s, shift=0.5), "from its corner"),
        (lambda b, c, s: target(b, -c, s), "is added"),
        (lambda b, c, s: target(b, c.flip(1), s), "x first"),
        (shifted, "a corner was taken"),
        (lambda b, c, s: target(b, c, 1 / s), "divide by it"),
        (pixels, "not divided by the stride"),
        (decoded, "the way back"),
        (lambda b, c, s: target(b, c, s, sign=-1), "wrong way round"),
    ],
    "13.5": [
        (total(weight=1), "weight 5"),
        (total(held=False), "detach()"),
        (total(one=True), "the IoU, not 1"),
        (total(l1=0), "the term L1 is missing"),
        (total(weight=0), "the term box is missing"),
        (total(object_=0), "the term objectness is missing"),
        (total(l1=5), "L1 has the weight 1"),
        (total(l1=0.25), "L1 sums the four"),
        (total(l1=2), "box 2.5554, objectness 0.5667, class 0.7775, L1 0.4660"),
        (total(weight=1, all_=5), "the box term's alone"),
        (total(rule=lambda v: 1 - v), "the square is missing"),
        (total(rule=lambda v: 1 - v, weight=1), "the square is missing, and the 5"),
        (total(rule=lambda v: (1 - v) ** 2), "not 5 (1 - IoU)²"),
        (total(soft_object=True), "the IoU is for the class"),
        (total(few=True), "asks every cell"),
        (total(object_by="mean"), "is divided again"),
        (total(class_mean=True), "mean over the classes"),
        (total(still=True), "only the IoU of the class target is detached"),
        (lambda *case: total()(case[0].detach(), *case[1:]), "no gradient flows"),
        (total(by=len), "divide by the positives"),
        (total(by=lambda p: 1), "not divided by the number"),
        (total(by=lambda p: p.sum()), "without positives"),
    ],
}
