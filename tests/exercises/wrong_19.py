"""Typical wrong answers to the exercises of chapter 19, and words of the message that each must get."""

import math
import statistics


def read(rows, middle=statistics.median, limit=None, index=False, last=False, nan=False, score=False, late=0):
    steps, wrong = [row for row in rows if "loss" in row], None
    for i in range(0 if limit else 10, len(steps)):
        loss = steps[i]["loss"]
        most = limit or 3 * middle([row["loss"] for row in steps[i - 10 + late : i + late]])
        if math.isnan(loss) if nan else not loss <= most:
            wrong = i if index else int(steps[i]["step"])
            break
    aps = [row for row in rows if "AP" in row]
    best = max(reversed(aps) if last else aps, key=lambda row: row["AP"])
    return wrong, best["AP"] if score else int(best["epoch"])


def resume(step, pictures, epochs, batch, rank, world, total=None, after=0, whole=False, stride=False):
    share = batch // world
    numbers = range((step + after) * batch, (step + after + 1) * batch)
    part = numbers[rank::world] if stride else numbers[rank * share : (rank + 1) * share]
    left = (round(epochs * pictures / batch) if total is None else total) - step
    return left, [divmod(i, pictures) for i in (numbers if whole else part)]


def stays(step, pictures, epochs, batch, rank, world):
    """Place by place, but all in the epoch in which the step begins."""
    left, places = resume(step, pictures, epochs, batch, rank, world)
    return left, [(step * batch // pictures, place) for _, place in places]


def job(speed, batch, share, price, pictures, epochs, deadline, **fault):
    for gpus in range(fault.get("least", 1), batch + 1):
        hours = pictures * epochs / speed / gpus / 3600
        if (gpus > 1 or fault.get("alone")) and not fault.get("perfect"):
            hours /= share
        if hours <= deadline and (fault.get("any") or batch % gpus == 0):
            return gpus, hours * fault.get("unit", 1), hours * price * (1 if fault.get("one") else gpus)
    return None


def wasteful(speed, batch, share, price, pictures, epochs, deadline):
    gpus, _, _ = job(speed, batch, share, price, pictures, epochs, deadline)
    return job(speed, batch, share, price, pictures, epochs, deadline, least=gpus + 1)


WRONG = {
    "19.1": [
        (lambda rows: read(rows, index=True), "begins elsewhere: use the row's step"),
        (lambda rows: read(rows, last=True), "take the first epoch"),
        (lambda rows: read(rows, middle=statistics.fmean), "compares with the mean"),
        (lambda rows: read(rows, limit=30), "not a fixed height"),
        (lambda rows: read(rows, score=True), "not its epoch"),
        (lambda rows: read(rows, late=1), "is not among them"),
        (lambda rows: (None, read(rows)[1]), "on a log of the steps"),
    ],
    "19.2": [
        (lambda *a: resume(*a, whole=True), "a process takes its part"),
        (lambda *a: resume(*a, stride=True), "not every n-th picture"),
        (lambda *a: resume(*a, after=1), "counts the steps that are done"),
        (lambda *a: (a[0], resume(*a)[1]), "not those left"),
        (lambda *a: resume(*a, total=a[2] * -(-a[1] // a[3])), "none is short"),
        (lambda *a: resume(*a, total=a[2] * (a[1] // a[3])), "no picture is left out"),
        (lambda *a: resume(*a, total=a[2] * a[1] // a[3]), "not cut off"),
        (lambda *a: (resume(*a)[0], [pair[::-1] for pair in resume(*a)[1]]), "the epoch stands first"),
        (stays, "of the next epoch"),
    ],
    "19.3": [
        (lambda *a: job(*a, one=True), "all of them must be paid"),
        (lambda *a: job(*a, unit=3600), "hours were asked"),
        (lambda *a: job(*a, any=True), "equally"),
        (lambda *a: job(*a, perfect=True), "their speed"),
        (lambda *a: (1, a[4] * a[5] / a[0] / 3600, a[4] * a[5] / a[0] / 3600 * a[3]), "too late"),
        (wasteful, "with fewer GPUs"),
        (lambda *a: job(*a, alone=True), "one GPU alone"),
    ],
}
