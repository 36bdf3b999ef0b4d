"""Typical wrong answers to the exercises of chapter 18, and words of the message that each must get."""

import numpy as np
import torch

from yolox_edu.exercises import ch18

GRID = np.linspace(0, 1, 101)


def read(scores, right, truths, sort=-1, envelope=True, grid=GRID, of=None):
    ok = right.numpy()[np.argsort(sort * scores.numpy())] if sort else right.numpy()
    tp = ok.cumsum()
    precision = tp / np.arange(1, len(ok) + 1)
    if envelope:
        precision = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(tp / (of or truths), grid)
    return float(np.append(precision, 0)[at].mean())


def mean_at_hits(scores, right, truths):
    ok = right[scores.argsort(descending=True)]
    precision = ok.cumsum(0) / (1 + torch.arange(len(ok)))
    return precision[ok].sum().item() / truths


def area(scores, right, truths):
    ok = right[scores.argsort(descending=True)].numpy()
    precision = ok.cumsum() / np.arange(1, len(ok) + 1)
    return float(np.maximum.accumulate(precision[::-1])[::-1][ok].sum() / truths)


def region(**fault):
    return lambda table, crowd, at: ch18.with_regions(table.tolist(), crowd.tolist(), at, **fault)


def letters(**change):
    words = dict(zip("ABCDE", ("labels", "swapped", "fractions", "corners", "pictures")))
    return ", ".join({**words, **change}.values())


WRONG = {
    "18.1": [
        (lambda s, r, n: read(s, r, n, sort=0), "the order of the list"),
        (lambda s, r, n: read(s, r, n, sort=1), "the least sure came first"),
        (lambda s, r, n: read(s, r, n, envelope=False), "without its envelope"),
        (lambda s, r, n: read(s, r, n, grid=np.linspace(0, 1, 11)), "11 places"),
        (lambda s, r, n: read(s, r, n, of=r.sum().item()), "the missed ones belong"),
        (mean_at_hits, "averaged, without envelope"),
        (lambda s, r, n: read(s, r, n, grid=np.arange(0, 1, 0.01)), "the hundred-and-first"),
        (area, "the whole area"),
        (lambda s, r, n: r.sum().item() / len(r), "the precision of the whole list"),
        (lambda s, r, n: r.sum().item() / n, "the recall of the whole list"),
        (lambda s, r, n: 100 * read(s, r, n), "on "),
    ],
    "18.2": [
        (region(once=True), "it may take any number"),
        (region(first=True), "it comes last"),
        (region(name="right"), "it counted as right"),
        (region(name="wrong"), "it counted as wrong"),
        (lambda t, c, at: ch18.with_regions(t.tolist(), [False] * len(c), at), "neither right nor wrong"),
        (lambda t, c, at: ch18._blind(t.tolist(), c.tolist(), at), "it overlaps most"),
        (lambda t, c, at: ch18._own(t.tolist(), c.tolist(), at), "only the ordinary truth"),
        (lambda t, c, at: ch18._twice(t.tolist(), c.tolist(), at), "given twice"),
        (lambda t, c, at: t.amax(1) >= at, "a list of words"),
        (lambda t, c, at: ch18.with_regions(t.tolist(), c.tolist(), at + 1e-6), "equal to the threshold"),
    ],
    "18.3": [
        (letters(A="pictures"), "A has not the fault 'pictures': print the set of its category ids"),
        (letters(B="corners"), "number by number"),
        (letters(C="corners"), "how large is the largest"),
        (letters(D="swapped"), "width of the picture"),
        (letters(E="labels"), "smallest and the largest image id"),
        (letters(E="letterbox"), "is none of"),
        ("labels", "five words"),
    ],
}
