"""The checks of chapter 13, the losses. The truths are loops over plain Python numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from yolox_edu.exercises.judge import Random, Wrong, exercise, same

BOX, STRIDES = 5.0, (8.0, 16.0, 32.0)


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _bce(x: float, t: float) -> float:
    return _softplus(x) - t * x


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _each(rule: Callable[..., float], *tensors: Tensor) -> Tensor:
    """A rule for numbers, applied place by place."""
    lists = (t.flatten().tolist() for t in tensors)
    values = [rule(*numbers) for numbers in zip(*lists)]
    return torch.tensor(values, dtype=tensors[0].dtype).view(tensors[0].shape)


def _iou(a: list[float], b: list[float]) -> float:
    """Of two cxcywh boxes, axis by axis."""
    shared = 1.0
    for i in (0, 1):
        start = max(a[i] - a[i + 2] / 2, b[i] - b[i + 2] / 2)
        end = min(a[i] + a[i + 2] / 2, b[i] + b[i + 2] / 2)
        shared *= max(end - start, 0.0)
    union = a[2] * a[3] + b[2] * b[3] - shared
    return shared / (union + 1e-16)


@exercise("13.1")
def bce(answer: Callable, random: Random) -> None:
    """values and gradients, for logits from -1,000 to 1,000"""
    n, m = random.shape(axes=2)
    small = 3 * random.tensor(n, m)
    t = random.uniform(n, m)
    faults = {
        "the targets of yes and no have changed places": _each(lambda x, t: _bce(x, 1 - t), small, t),
        "the sign is the wrong way round: a loss is not negative here": _each(
            lambda x, t: -_bce(x, t), small, t
        ),
        "only the part of the yes is there; (1 - t) needs its own": _each(
            lambda x, t: t * _softplus(-x), small, t
        ),
        "this is the loss against t = 0; the part with t is missing": _each(
            lambda x, t: _softplus(x), small, t
        ),
        "t x has the wrong sign": _each(lambda x, t: _softplus(x) + t * x, small, t),
        "the sigmoid was taken twice": _each(lambda x, t: _bce(_sigmoid(x), t), small, t),
        "one number for each logit was asked, not their mean": _each(_bce, small, t).mean(),
        "one number for each logit was asked, not their sum": _each(_bce, small, t).sum(),
    }
    same(answer(small, t), _each(_bce, small, t), f"on logits of shape {(n, m)}", faults)
    for size in (30.0, 100.0, 1000.0):
        x = torch.tensor([-size, size, -size, size, 0.5])
        t = torch.tensor([0.0, 1.0, 1.0, 0.0, random.integer(1, 9) / 10])
        where, wanted = f"for logits of ±{size:,.0f}", _each(_bce, x, t)
        at_once = F.binary_cross_entropy(x.sigmoid(), t, reduction="none")
        cut = {"the way leads through the probability, which is exactly 1 from about 17 on": at_once}
        given = answer(x, t)
        _ceiling(given, wanted, at_once, where)
        same(given, wanted, where, cut, atol=1e-4)
        leaf = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(_flows(answer(leaf, t), where).sum(), leaf)
        wanted = _each(lambda x, t: _sigmoid(x) - t, x, t)
        same(slope, wanted, f"{where} the values are right, but in the gradient")


def _ceiling(given: Tensor, wanted: Tensor, at_once: Tensor, where: str) -> None:
    """Name a logarithm that was cut off, or that a small number was added in: large losses come out low."""
    if not isinstance(given, Tensor) or given.shape != wanted.shape or torch.allclose(given, at_once):
        return
    low = (given > 1) & (given < 0.9 * wanted)
    if low.any():
        raise Wrong(
            f"{where}: {given[low].max().item():.4g} came out, {wanted[low].max().item():g} is right. A cut, "
            "or a small number added in the logarithm, puts a ceiling on the loss and takes the gradient"
        )


def _flows(given: Tensor, where: str) -> Tensor:
    """The answer itself; Wrong if it lets no gradient through."""
    if not given.requires_grad:
        raise Wrong(f"{where}: the values are right, but no gradient flows through them")
    return given


def _pairs(random: Random, count: int) -> tuple[Tensor, Tensor]:
    """cxcywh boxes and targets: some overlap, one pair lies apart along both axes, one pair is equal."""
    wanted = torch.cat(
        (random.uniform(count, 2, low=60, high=200), random.uniform(count, 2, low=20, high=90)), 1
    )
    boxes = wanted + random.tensor(count, 4) * 8
    boxes[0] = wanted[0] + torch.tensor([200.0, 150, 0, 0])
    boxes[1] = wanted[1]
    return boxes, wanted


@exercise("13.2")
def box_loss(answer: Callable, random: Random) -> None:
    """the same as with plain numbers, for boxes that overlap, lie apart, and are equal"""
    boxes, wanted = _pairs(random, random.integer(5, 9))
    ious = torch.tensor([_iou(a, b) for a, b in zip(boxes.tolist(), wanted.tolist())])

    def signed(a: list[float], b: list[float]) -> float:
        sides = [
            min(a[i] + a[i + 2] / 2, b[i] + b[i + 2] / 2) - max(a[i] - a[i + 2] / 2, b[i] - b[i + 2] / 2)
            for i in (0, 1)
        ]
        shared = sides[0] * sides[1]
        return shared / (a[2] * a[3] + b[2] * b[3] - shared)

    def ratio(a: list[float], b: list[float]) -> float:
        v = _iou(a, b)
        return v / (1 + v)  # shared / (area + area)

    def as_corners(a: list[float], b: list[float]) -> float:
        return _iou(*([(v[0] + v[2]) / 2, (v[1] + v[3]) / 2, v[2] - v[0], v[3] - v[1]] for v in (a, b)))

    pairs = list(zip(boxes.tolist(), wanted.tolist()))
    twice, corners = (torch.tensor([f(a, b) for a, b in pairs]) for f in (ratio, as_corners))
    unclamped = torch.tensor([signed(a, b) for a, b in zip(boxes.tolist(), wanted.tolist())])
    truth = BOX * (1 - ious**2)
    faults = {
        "this is 1 - IoU; the square is missing, and the 5": 1 - ious,
        "the 5 is missing": 1 - ious**2,
        "the square is missing": BOX * (1 - ious),
        "this is 5 (1 - IoU)², which is not 5 (1 - IoU²)": BOX * (1 - ious) ** 2,
        "this is (1 - IoU)², which is not 1 - IoU², and the 5 is missing": (1 - ious) ** 2,
        "this is a mark, not a loss: it is highest for the best box": BOX * ious**2,
        "this is the IoU; the loss is made of it": ious,
        "the shared part is counted twice: take it off the sum of the areas": BOX * (1 - twice**2),
        "the boxes are read as corners; they come as middle and size": BOX * (1 - corners**2),
        "boxes that lie apart along both axes seem to share something: clamp at 0": BOX * (1 - unclamped**2),
        "one number for each box was asked, not their mean": truth.mean(),
        "one number for each box was asked, not their sum": truth.sum(),
    }
    where = f"for {len(boxes)} boxes"
    same(answer(boxes, wanted), truth, where, faults, atol=1e-4)
    _flows(answer(boxes.clone().requires_grad_(), wanted), where)


@exercise("13.3")
def class_term(answer: Callable, random: Random) -> None:
    """the same as positive by positive and class by class"""
    p, k = random.shape(axes=2, low=3, high=9)
    logits, label, iou = 2 * random.tensor(p, k), random.integers(0, k - 1, p), random.uniform(p)

    def term(target: Callable[[int, int], float], read: Callable[[float], float] = float) -> float:
        terms = (_bce(read(logits[i, j].item()), target(i, j)) for i in range(p) for j in range(k))
        return sum(terms) / p

    def soft(i: int, j: int) -> float:
        return iou[i].item() if j == int(label[i]) else 0.0

    truth = term(soft)
    only = sum(_bce(logits[i, label[i]].item(), iou[i].item()) for i in range(p)) / p
    hard = -logits.double().log_softmax(1)[range(p), label].mean().item()
    softmax = -(logits.double().log_softmax(1)[range(p), label] * iou).mean().item()
    faults = {
        "the target of the true class is its IoU, not 1": term(lambda i, j: float(j == int(label[i]))),
        "the target of the wrong classes is 0, not 1 - IoU": term(
            lambda i, j: iou[i].item() if j == int(label[i]) else 1 - iou[i].item()
        ),
        "the target is not cut off by class: the wrong ones have target 0": term(lambda i, j: iou[i].item()),
        "only the true class is counted; the others must learn their 0": only,
        "the sigmoid was taken twice": term(soft, _sigmoid),
        "classes do not compete here: BCE for each, no softmax": softmax,
        "no softmax: BCE for each class, and the target of the true one is its IoU": hard,
        "this is the mean over the classes too; sum over them, divide by the positives": truth / k,
        "the sum is not divided by the number of positives": truth * p,
        "the IoU weighs the loss here; it should be the target": sum(
            iou[i].item() * _bce(logits[i, j].item(), float(j == int(label[i])))
            for i in range(p)
            for j in range(k)
        )
        / p,
    }
    where = f"for {p} positives of {k} classes"
    same(answer(logits, label, iou), torch.tensor(truth), where, faults, atol=1e-4)
    _flows(answer(logits.clone().requires_grad_(), label, iou), where)


def _wanted(box: list[float], cell: list[float], stride: float) -> list[float]:
    """The inverse of decoding, for one box."""
    place = [box[i] / stride - cell[i] for i in (0, 1)]
    return place + [math.log(box[i] / stride) for i in (2, 3)]


def _cells(random: Random, count: int) -> tuple[Tensor, Tensor]:
    """Cells (column, row) and their strides."""
    stride = torch.tensor([[STRIDES[random.integer(0, 2)]] for _ in range(count)])
    return random.integers(0, 9, count, 2).float(), stride


@exercise("13.4")
def raw_target(answer: Callable, random: Random) -> None:
    """the numbers that decode to the ground truth"""
    p = random.integer(4, 8)
    _, boxes = _pairs(random, p)
    cells, strides = _cells(random, p)
    truth = torch.tensor(
        [_wanted(b, c, s[0]) for b, c, s in zip(boxes.tolist(), cells.tolist(), strides.tolist())]
    )
    place, size = boxes[:, :2], boxes[:, 2:]

    def made(a: Tensor, b: Tensor) -> Tensor:
        return torch.cat((a, b), 1)

    faults = {
        "the sizes are right but for the logarithm": made(truth[:, :2], size / strides),
        "the cell is not taken off": made(place / strides, truth[:, 2:]),
        "the cell counts strides: divide first, then take it off": made(
            (place - cells) / strides, truth[:, 2:]
        ),
        "measured from the middle of the cell; decoding counts from its corner": made(
            truth[:, :2] - 0.5, truth[:, 2:]
        ),
        "the cell is added; on the way back it is taken off": made(place / strides + cells, truth[:, 2:]),
        "a cell is (column, row), so x first": made(place / strides - cells.flip(1), truth[:, 2:]),
        "the place is that of the middle; a corner was taken": made(
            truth[:, :2] - size / 2 / strides, truth[:, 2:]
        ),
        "multiplied by the stride; divide by it": made(place * strides - cells, (size * strides).log()),
        "the sizes are not divided by the stride": made(truth[:, :2], size.log()),
        "this is what decoding gives for the box; the way back was asked": made(
            (place + cells) * strides, size.exp() * strides
        ),
        "the sign is the wrong way round": -truth,
    }
    same(answer(boxes, cells, strides), truth, f"for {p} boxes", faults, atol=1e-4)


def example() -> tuple[Tensor, ...]:
    """The worked example of 13.5: three cells, two of them positive, two classes, in 64 bits."""
    raw = [
        [0.5, 0.5, 0.7, 0.2, 2.0, 1.0, -2.0],
        [0.1, 0.9, 0.0, 0.0, -1.0, 0.0, 0.0],
        [0.2, 0.3, 0.1, -0.1, 0.0, -3.0, 2.0],
    ]
    cells, strides = [[1, 1], [2, 1], [0, 0]], [[8.0], [8.0], [16.0]]
    boxes, label = [[12, 13, 18, 9], [0, 0, 1, 1], [5, 4, 14, 18]], [0, 0, 1]
    numbers = (torch.tensor(v, dtype=torch.float64) for v in (raw, cells, strides))
    positive = torch.tensor([True, False, True])
    return (*numbers, positive, torch.tensor(boxes, dtype=torch.float64), torch.tensor(label))


def _drawn(random: Random) -> tuple[Tensor, ...]:
    """A random case of the same kind, boxes near what the cells say."""
    a, k = random.integer(5, 8), random.integer(2, 4)
    cells, strides = _cells(random, a)
    raw = random.tensor(a, 5 + k) * 0.5
    boxes = torch.cat(
        (
            (cells + 0.5 + 0.2 * random.tensor(a, 2)) * strides,
            random.uniform(a, 2, low=0.8, high=2) * strides,
        ),
        1,
    )
    positive = torch.arange(a) % 2 == 0
    return (
        raw.double(),
        cells.double(),
        strides.double(),
        positive,
        boxes.double(),
        random.integers(0, k - 1, a),
    )


def _terms(
    case: tuple[Tensor, ...],
    box: Callable[[float], float] = lambda iou: BOX * (1 - iou**2),
    true_class: Callable[[float], float] = float,
    object_: Callable[[float], float] = lambda iou: 1.0,
) -> dict[str, float]:
    """The four sums over one picture before the division; the rules are functions of a positive's IoU."""
    raw, cells, strides, positive, boxes, label = (t.tolist() for t in case)
    terms = dict.fromkeys(("box", "objectness", "class", "L1"), 0.0)
    for i, row in enumerate(raw):
        if not positive[i]:
            terms["objectness"] += _bce(row[4], 0.0)
            continue
        overlap = _overlap(case, i)
        terms["box"] += box(overlap)
        terms["objectness"] += _bce(row[4], object_(overlap))
        for j, x in enumerate(row[5:]):
            terms["class"] += _bce(x, true_class(overlap) if j == label[i] else 0.0)
        wanted = _wanted(boxes[i], cells[i], strides[i][0])
        terms["L1"] += sum(abs(r - w) for r, w in zip(row[:4], wanted))
    return terms


def _faults(case: tuple[Tensor, ...]) -> dict[str, float]:
    """Totals that come out of typical mistakes, in words."""
    terms, count, cells = _terms(case), max(int(case[3].sum()), 1), len(case[0])
    k, value = case[0].shape[1] - 5, sum(terms.values())

    def other(**rules: Callable[[float], float]) -> float:
        return sum(_terms(case, **rules).values()) / count

    def times(**factors: float) -> float:
        return sum(factors.get(name, 1.0) * term for name, term in terms.items()) / count

    objects = sum(_bce(x, 1.0) for x in case[0][case[3], 4].tolist())
    found = {
        "the weight 5 of the box is missing": times(box=1 / BOX),
        "the box term is 5 (1 - IoU²); the square is missing": other(box=lambda iou: BOX * (1 - iou)),
        "1 - IoU stands for the box; the square is missing, and the 5": other(box=lambda iou: 1 - iou),
        "the box term is 5 (1 - IoU²), not 5 (1 - IoU)²": other(box=lambda iou: BOX * (1 - iou) ** 2),
        "the 5 is the box term's alone": BOX * times(box=1 / BOX),
        "the target of the true class is the IoU, not 1": other(true_class=lambda iou: 1.0),
        "the target of objectness is 1, not the IoU; the IoU is for the class": other(object_=float),
        "objectness asks every cell, not only the positives": (value - terms["objectness"] + objects) / count,
        "objectness is a mean over cells; a sum by the positives was asked": times(objectness=count / cells),
        "objectness is a mean, and is divided again; sum it": times(objectness=1 / cells),
        "the class term is a mean over the classes; sum over them": times(**{"class": 1 / k}),
        "the class term is a mean, and is divided again; sum it": times(**{"class": 1 / count / k}),
        "L1 sums the four numbers; a mean was taken": times(L1=1 / 4),
        "L1 has the weight 1, not 5": times(L1=BOX),
        "divided by all cells; divide by the positives": value / cells,
        "not divided by the number of positives": value,
    }
    return found | {f"the term {name} is missing": times(**{name: 0.0}) for name in terms}


@exercise("13.5", seeds=3)
def total(answer: Callable, random: Random) -> None:
    """the worked example and random cases to 1e-6, and the gradient"""
    none = list(_drawn(random))
    none[3] = torch.zeros_like(none[3])
    cases = {
        "in the worked example": example(),
        "in a random case": _drawn(random),
        "without positives": tuple(none),
    }
    for where, case in cases.items():
        terms, count = _terms(case), max(int(case[3].sum()), 1)
        given = answer(*case)
        wanted = torch.tensor(sum(terms.values()) / count, dtype=torch.float64)
        try:
            same(given, wanted, where, {w: wanted.new_tensor(v) for w, v in _faults(case).items()}, atol=1e-6)
        except Wrong as wrong:
            if "came out" not in str(wrong) or not isinstance(given, Tensor):
                raise
            by_term = ", ".join(f"{name} {term / count:.4f}" for name, term in terms.items())
            raise Wrong(f"{wrong}: {by_term}") from None
        if abs(given.item() - wanted.item()) > 1e-6:
            raise Wrong(f"{where}: {given.item():.7f} came out, {wanted.item():.7f} is right")
        _gradient(answer, case, where)


def _gradient(answer: Callable, case: tuple[Tensor, ...], where: str) -> None:
    """The gradient in a positive's raw numbers, by small steps, with the class target held still."""
    raw, positive, label = case[0], case[3], case[5]
    if not positive.any():
        return
    leaf = raw.clone().requires_grad_()
    (slope,) = torch.autograd.grad(_flows(answer(leaf, *case[1:]), where), leaf)
    i, step, count = int(positive.nonzero()[0]), 1e-5, max(int(case[3].sum()), 1)
    x = raw[i, 5 + int(label[i])].item()
    loose, of_box, of_target = (torch.zeros_like(raw[i]) for _ in range(3))
    for j in range(raw.shape[1]):
        for sign in (1, -1):
            moved = raw.clone()
            moved[i, j] += sign * step
            now = (moved, *case[1:])
            terms, scale = _terms(now), sign / (2 * step * count)
            loose[j] += scale * sum(terms.values())
            of_box[j] += scale * terms["box"]
            of_target[j] -= scale * _overlap(now, i) * x
    held = loose - of_target
    faults = {
        "the IoU that is the class target must be cut out of the gradient: detach()": loose,
        "no gradient comes from the box term: only the IoU of the class target is detached": held - of_box,
    }
    where = f"{where} the value is right, but in the gradient of a positive"
    same(slope[i], held, where, faults, atol=1e-4)


def _overlap(case: tuple[Tensor, ...], i: int) -> float:
    raw, cells, strides = (t[i].tolist() for t in case[:3])
    place = [(raw[j] + cells[j]) * strides[0] for j in (0, 1)]
    return _iou(place + [math.exp(raw[j]) * strides[0] for j in (2, 3)], case[4][i].tolist())
