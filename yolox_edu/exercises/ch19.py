"""The checks of chapter 19, train and evaluate on COCO."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from yolox_edu.exercises.judge import Random, Wrong, exercise, same

Row = dict[str, float]


@exercise("19.1", seeds=8)
def read_log(answer: Callable, random: Random) -> None:
    """the step and the epoch, in logs that begin anywhere, with and without an accident"""
    rows, wrong, best = _log(random)
    steps = [row for row in rows if "loss" in row]
    at = None if wrong is None else wrong - int(steps[0]["step"])
    aps = [row for row in rows if "AP" in row]
    top = max(row["AP"] for row in aps)
    last = max(int(row["epoch"]) for row in aps if row["AP"] == top)
    where = f"on a log of the steps {steps[0]['step']:.0f} to {steps[-1]['step']:.0f}"
    means = _first(steps, statistics.fmean)
    itself = _first(steps, statistics.median, 1)
    early = next((int(s["step"]) for s in steps if not s["loss"] <= 30), None)
    faults: dict[str, Any] = {
        "the step counts rows; a run that was resumed begins elsewhere: use the row's step": (at, best),
        "of equal APs take the first epoch; it is also the shorter run": (wrong, last),
        "epochs are those of the rows, not places in the list of APs": (
            wrong,
            [row["AP"] for row in aps].index(top),
        ),
        "the ten losses before it: the loss that is judged is not among them": (itself, best),
        "this compares with the mean: one high loss lifts it, the median hardly": (means, best),
        "the threshold is three times the median, not a fixed height": (early, best),
        "the last epoch is not the best one": (wrong, int(aps[-1]["epoch"])),
        "this is the AP, not its epoch": (wrong, top),
        "nothing went wrong in this log, so the first part is None": (int(steps[0]["step"]), best)
        if wrong is None
        else None,
        "a loss that is not a number compares as False with everything; ask for it by name": (None, best),
    }
    faults = {words: value for words, value in faults.items() if value not in (None, (wrong, best))}
    same(answer([dict(row) for row in rows]), (wrong, best), where, faults)


def _log(random: Random) -> tuple[list[Row], int | None, int]:
    """Rows as `read_log` gives them, the step of the accident that was planted, the best epoch."""
    start, per, epochs = random.integer(3, 90) * 10, random.integer(7, 11), random.integer(5, 7)
    number, first = per * epochs, start // 10
    losses = [12 * 0.99**i * (0.9 + 0.2 * float(random.uniform(1))) for i in range(number)]
    losses[4] = 30.0  # a high one, but too early to judge; it lifts means
    wrong = None
    if random.seed % 4:
        at = random.integer(12, number - 3)
        if random.seed == 5:  # where one place more or less in the ten makes another median
            at = random.integer(16, number - 3)
            low = min(losses[at - 15 : at])
            losses[at - 10 :] = [low] * 5 + [2.4 * low] * 5 + [6 * low] * (number - at)
        else:
            losses[at:] = [loss * 40 for loss in losses[at:]]
        if random.seed % 4 == 2:
            losses[at:] = [float("nan")] * len(losses[at:])
        if random.seed % 4 == 3:
            losses[4], at = 90.0, 13
            losses[at:] = [3.5 * statistics.median(losses[3:13])] * (number - at)
        wrong = start + at
    aps = [0.01 * random.integer(5, 25) for _ in range(epochs)]
    top = random.integer(0, epochs - 3)
    aps[top] = aps[top + 1] = 0.4
    rows: list[Row] = []
    for i, loss in enumerate(losses):
        row = {"step": float(start + i), "epoch": float(first + i // per)}
        rows.append({**row, "loss": loss})
        if i % per == per - 1:
            rows.append({**row, "AP": aps[i // per]})
    return rows, wrong, first + top


def _first(steps: list[Row], middle: Callable, late: int = 0) -> int | None:
    """The first step above three times the `middle` of the ten before it, or of ten that begin `late`."""
    for i in range(10, len(steps)):
        if not steps[i]["loss"] <= 3 * middle([row["loss"] for row in steps[i - 10 + late : i + late]]):
            return int(steps[i]["step"])
    return None


@exercise("19.2")
def resume(answer: Callable, random: Random) -> None:
    """the steps left and the places, against the whole stream written out"""
    world, share = random.integer(2, 4), random.integer(2, 5)
    batch, pictures, epochs = world * share, random.integer(13, 29), random.integer(4, 9)
    stream = [(epoch, place) for epoch in range(epochs + 2) for place in range(pictures)]
    total = round(epochs * pictures / batch)
    step, rank = random.integer(2, total - 1), random.integer(1, world - 1)
    mine = stream[step * batch : (step + 1) * batch][rank * share : (rank + 1) * share]
    where = f"at step {step} of {pictures} pictures, batch {batch}, process {rank} of {world}"
    left, whole = total - step, stream[step * batch : (step + 1) * batch]
    epoch = step * batch // pictures
    again = stream[epoch * pictures + rank * share :][:share]
    large = stream[step * batch * world + rank * batch :][:batch]
    number = step * batch + rank * share
    same_epoch = [(step * batch // pictures, (number + i) % pictures) for i in range(share)]
    faults = {
        "this is the whole step; a process takes its part of it": (left, whole),
        "each process takes neighbours, not every n-th picture": (left, whole[rank::world]),
        "this begins the epoch again; the run goes on in the middle of it": (left, again),
        "the batch is over all processes: it does not grow with their number": (left, large),
        "step counts the steps that are done; the next one has this number": (
            left,
            stream[(step + 1) * batch :][rank * share : (rank + 1) * share],
        ),
        "these are the steps done, not those left": (step, mine),
        "batches run on over the end of an epoch, so none is short": (
            epochs * -(-pictures // batch) - step,
            mine,
        ),
        "no picture is left out at the end of an epoch": (epochs * (pictures // batch) - step, mine),
        "the number of processes does not change the number of steps": (round(total / world) - step, mine),
        "steps are rounded, neither down nor up": (-(-epochs * pictures // batch) - step, mine),
        "the steps are rounded, not cut off": (epochs * pictures // batch - step, mine),
        "the epoch stands first, then the place": (left, [(place, epoch) for epoch, place in mine]),
        "where a batch runs on over the end, its later pictures are of the next epoch": (left, same_epoch),
    }
    faults = {words: value for words, value in faults.items() if value != (left, mine)}
    same(answer(step, pictures, epochs, batch, rank, world), (left, mine), where, faults)


@exercise("19.3")
def size_a_job(answer: Callable, random: Random) -> None:
    """GPUs, hours and money for a deadline"""
    batch = random.choice((24, 32, 48, 64))
    speed, price, share = 20 + random.integer(0, 60), 0.5 + random.integer(0, 40) / 10, 0.85
    pictures, epochs = 1000 * random.integer(5, 120), random.integer(20, 300)
    able = [g for g in range(1, batch + 1) if batch % g == 0]
    fewer = random.choice(
        [g for g in able[:-2] if g + 1 not in able]
    )  # fewer + 1 would do, but do not divide

    def hours(g: int, loss: float = share) -> float:
        return pictures * epochs / (g * speed * (loss if g > 1 else 1.0)) / 3600

    if random.seed == 0:
        fewer = 0  # one GPU will do, if nobody takes its share from it
    deadline = hours(fewer + 1) * 1.0001
    gpus = next(g for g in able if hours(g) <= deadline)
    where = f"with {speed} pictures/s on one GPU, batch {batch}, {deadline:,.1f} hours at most"
    wanted = (gpus, hours(gpus), hours(gpus) * gpus * price)
    any_number = next(g for g in range(1, batch + 1) if hours(g) <= deadline)
    kind = next(g for g in able if hours(g, 1.0) <= deadline)
    more = able[able.index(gpus) + 1]
    alone = "; one GPU alone reaches all of its speed" if gpus == 1 else ""
    faults = {
        "the price is for one GPU and one hour: all of them must be paid": (*wanted[:2], wanted[1] * price),
        "these are seconds; hours were asked": (gpus, 3600 * wanted[1], wanted[2]),
        "seconds were paid as hours": (gpus, wanted[1], 3600 * wanted[2]),
        "the batch must divide among the GPUs": _job(any_number, hours, price),
        "together GPUs reach only the given share of their speed": (
            kind,
            hours(kind, 1.0),
            hours(kind, 1.0) * kind * price,
        ),
        f"with fewer GPUs it would end in time as well, and cost less{alone}": _job(more, hours, price),
        "each picture is seen once an epoch": (gpus, wanted[1] / epochs, wanted[2] / epochs),
        "this is a single GPU; it comes too late": _job(1, hours, price),
    }
    faults = {words: value for words, value in faults.items() if value != wanted}
    given = answer(speed, batch, share, price, pictures, epochs, deadline)
    if isinstance(given, tuple | list) and len(given) == 3 and given[0] and batch % int(given[0]):
        raise Wrong(f"{where}: {given[0]} GPUs cannot share a batch of {batch} equally")
    same(given, wanted, where, faults, atol=1e-6)


def _job(gpus: int, hours: Callable, price: float) -> tuple[int, float, float]:
    return gpus, hours(gpus), hours(gpus) * gpus * price
