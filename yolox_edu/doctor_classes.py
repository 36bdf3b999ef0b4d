"""Classes of the weights and of the set, by name and by prediction. Chapter 21 and the error clinic."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from yolox_edu.data.findings import Findings, has_errors
from yolox_edu.doctor_run import ENOUGH, FOUND, Answer, Sample, as_asked, best
from yolox_edu.head import PRIOR
from yolox_edu.losses import losses
from yolox_edu.model import YOLOX
from yolox_edu.simota import pad_targets

UNSURE = 0.1  # predictions below this score do not count as an opinion about the class


def check_names(model: YOLOX, source: Any, say: Findings) -> list[int]:
    """For each class of the set the class of the model, by name; -1 where it has none, which is reported."""
    names, wanted = list(model.names), list(source.names)
    if names == [str(i) for i in range(len(names))]:
        if len(names) == len(wanted):
            what, mend = "the weights name no classes", "The set's order is taken; is it theirs?"
            say.add("note", "classes-unnamed", "names", what, mend)
            return list(range(len(wanted)))
        what = f"the weights have {len(names)} classes without names, the set has {len(wanted)}"
        mend = "Take weights of this set, or fine-tune: train --weights FILE --data DIR."
        say.add("error", "classes-number", "names", what, mend)
        return [-1] * len(wanted)
    missing = [name for name in wanted if name not in names]
    what = f"the weights (classes: {len(names)}) do not know this class of the set (classes: {len(wanted)})"
    mend = "Take weights of this set, or fine-tune (train --weights FILE --data DIR), or mend the spelling."
    say.each("error", "classes-missing", "names", missing, what, mend)
    more = [name for name in names if name not in wanted]
    what = "the set has no such class"
    say.each("note", "classes-more", "names", more, what, "Fine: evaluation leaves it out.")
    return [names.index(name) if name in names else -1 for name in wanted]


def check_classes(
    given: Answer, some: list[Sample], place: list[int], names: tuple[str, ...], say: Findings
) -> None:
    """Report where most classes are wrong, and a pattern in them."""
    scores, said, wanted = _answers(given, some, place)
    judged = (scores >= UNSURE) & (wanted >= 0)
    said, wanted = said[judged], wanted[judged]
    right = float((said == wanted).float().mean()) if len(said) else math.nan
    if len(said) < ENOUGH or right >= 0.5:
        return
    step, count = Counter((said - wanted).tolist()).most_common(1)[0]
    if abs(step) == 1 and count >= 0.6 * len(said):
        seen = f"predicted = label {'+' if step > 0 else '-'} 1 for {count} of {len(said)} boxes"
        what = f"the labels look shifted by one ({seen})"
        mend = (
            "Count classes from 0 in the order of the category ids, on both sides; 'background' is no class."
        )
        say.add("error", "classes-shifted", "labels", what, mend)
    elif pairs := _exchanged(said, wanted, names):
        mend = "Weights and set have another order of classes: give the weights the set's names."
        say.each("error", "classes-order", "names", pairs, "the class is predicted as another, always", mend)
    else:
        what = f"of {len(said)} boxes that were found the class is right for {right:.0%} only"
        say.add(
            "warning", "classes-wrong", "labels", what, "Look at some (data sheet): are the labels right?"
        )


def _exchanged(said: Int[Tensor, " g"], wanted: Int[Tensor, " g"], names: tuple[str, ...]) -> list[str]:
    """Classes that are predicted as one other class nearly always; none if only one is."""
    seen = defaultdict(Counter)
    for i, j in zip(wanted.tolist(), said.tolist()):
        seen[i][j] += 1
    tops = {i: counts.most_common(1)[0] for i, counts in seen.items() if counts.total() >= 2}
    pairs = [
        f"{names[i]} as {names[j]}" for i, (j, n) in tops.items() if i != j and n >= 0.7 * seen[i].total()
    ]
    return pairs if len(pairs) >= 2 else []


def untrained(raw: Float[Tensor, "n a d"]) -> Float[Tensor, "n a d"]:
    """What an untrained network says: boxes of one stride at their cells, and the prior everywhere."""
    start = torch.zeros_like(raw)
    start[..., 4:] = -math.log((1 - PRIOR) / PRIOR)
    return start


def check_losses(given: Answer, some: list[Sample], place: list[int], say: Findings) -> None:
    """The terms of the loss at sight, beside those of an untrained network."""
    targets = []
    for sample in some:
        labels = torch.tensor(place)[sample.labels]
        targets.append({"boxes": sample.truths(as_asked)[labels >= 0], "labels": labels[labels >= 0]})
    size = (some[0].canvas.shape[1], some[0].canvas.shape[2])
    padded = pad_targets(targets, size)
    if not padded.valid.any():
        return
    with torch.inference_mode():
        terms, start = losses(given.raw, padded, size), losses(untrained(given.raw), padded, size)
    words = ", ".join(
        f"{name} {float(v):.2f} (untrained {float(start[name]):.2f})" for name, v in terms.items()
    )
    say.add("note", "losses", "loss", words)
    high = float(sum(terms.values())) > 0.8 * float(sum(start.values()))
    if high and not has_errors(say):  # else the reason is named already
        what = "the loss is that of an untrained network, or worse"
        say.add(
            "warning",
            "loss-high",
            "loss",
            what,
            "The weights do not fit these pictures, or were not trained.",
        )


def _answers(
    given: Answer, some: list[Sample], place: list[int]
) -> tuple[Float[Tensor, " g"], Int[Tensor, " g"], Int[Tensor, " g"]]:
    """Of each ground truth: the score with which it is found, the class that is said, and the right one."""
    scores, said = best(given, [sample.truths(as_asked) for sample in some])
    return scores, said, torch.tensor(place)[torch.cat([sample.labels for sample in some])]


def check_found(given: Answer, some: list[Sample], place: list[int], say: Findings) -> None:
    """How many ground truths are found, how many of these with their class, and how sure the network is."""
    scores, said, wanted = _answers(given, some, place)
    found = int((scores >= FOUND).sum())
    known = (scores >= FOUND) & (wanted >= 0)
    what = f"{found} of {len(scores)} ground truths found in {len(some)} pictures (IoU 0.5, score {FOUND}); "
    what += f"scores up to {float(given.scores.max()):.2f}"
    if known.any():
        what += f"; the class is right for {int((said == wanted)[known].sum())} of {int(known.sum())} found"
    say.add("note", "found", "predictions", what)
    if found < 0.05 * len(scores) and len(scores) >= ENOUGH and not has_errors(say):
        mend = "Train longer, or look at the boxes (data sheet)."
        say.add("warning", "blind", "predictions", "it finds next to nothing", mend)
