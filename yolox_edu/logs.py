"""What a run leaves beside its weights: a table, TensorBoard events, a picture of curves. Chapter 15."""

from __future__ import annotations

import csv
from pathlib import Path

from yolox_edu.weightfile import atomic

COLUMNS = (
    "step",
    "epoch",
    "lr",
    "size",
    "loss",
    "box",
    "objectness",
    "class",
    "l1",
    "images_per_second",
    "AP",
)


class Logs:
    """One row a step in `log.csv`, the same numbers for TensorBoard where that is installed.

    A run that goes on at step s drops the rows from s on, for it writes them again.
    """

    def __init__(self, folder: Path, start: int):
        self.path = folder / "log.csv"
        old = [row for row in read_log(self.path) if row["step"] < start] if self.path.exists() else []
        folder.mkdir(parents=True, exist_ok=True)
        with atomic(self.path) as partial, partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(old)
        self.file = self.path.open("a", newline="")
        self.writer = csv.DictWriter(self.file, COLUMNS)
        self.board = _tensorboard(folder, start)

    def add(self, row: dict[str, float | int]) -> None:
        """Append a row; the keys are among COLUMNS."""
        self.writer.writerow(row)
        self.file.flush()
        if self.board:
            for name, value in row.items():
                if name not in ("step", "epoch"):
                    self.board.add_scalar(f"train/{name}", value, int(row["step"]))

    def close(self) -> None:
        """Close the files."""
        self.file.close()
        if self.board:
            self.board.close()


def _tensorboard(folder: Path, start: int):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:  # an extra; the table is there without it
        return None
    return SummaryWriter(str(folder), purge_step=start or None)


def read_log(path: Path) -> list[dict[str, float]]:
    """The rows of a `log.csv` as numbers; what a row does not have is left out."""
    with path.open(newline="") as file:
        rows = [{k: float(v) for k, v in row.items() if k and v} for row in csv.DictReader(file)]
    return [row for row in rows if "step" in row]


def curves(path: Path, out: Path) -> None:
    """Draw a `log.csv`: the loss terms, the learning rate and, where it was measured, AP; to a PNG."""
    from matplotlib.figure import Figure

    rows = read_log(path)
    figure = Figure(figsize=(8, 6), layout="constrained")
    losses, rate = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    colours = {"box": "#0072B2", "objectness": "#D55E00", "class": "#009E73", "l1": "#CC79A7"}
    for name, colour in colours.items():
        points = [(row["step"], row[name]) for row in rows if name in row]
        if points:
            steps, values = zip(*points)
            losses.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
            losses.plot(steps, _smooth(values), color=colour, label=name)
    losses.set(title="Loss terms (thin: each step, thick: smoothed)", ylabel="loss", yscale="log")
    measured = [(row["step"], row["AP"]) for row in rows if "AP" in row]
    if measured:
        twin = losses.twinx()
        twin.plot(*zip(*measured), "k.--", label="AP")
        twin.set(ylabel="AP on the validation set", ylim=(0, 1))
    losses.legend(loc="upper right")
    rate.plot([r["step"] for r in rows], [r["lr"] for r in rows], color="#56B4E9")
    rate.set(title="Learning rate", xlabel="step", ylabel="rate")
    with atomic(out) as partial:
        figure.savefig(partial, dpi=110, format="png")


def _smooth(values: tuple[float, ...], keep: float = 0.95) -> list[float]:
    """An average in which older values fade."""
    out, total, weight = [], 0.0, 0.0
    for value in values:
        total, weight = keep * total + (1 - keep) * value, keep * weight + (1 - keep)
        out.append(total / weight)
    return out
