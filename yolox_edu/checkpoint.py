"""Checkpoints that hold everything and are never half written. Explained in chapter 15."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from yolox_edu.weightfile import atomic, kind, read_torch
from yolox_edu.weights import CHECKPOINT

FIELDS = ("recipe", "step", "model", "ema", "ema_updates", "optimizers", "scaler", "best_ap")
SETTINGS = ("preset", "num_classes", "names", "pictures")


class CheckpointError(ValueError):
    """A checkpoint that cannot be written, read, or gone on from; the message names the file and the mend."""


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` to `path`, whole or not at all; what stood there before stays until then.

    Raises CheckpointError where it cannot be written (a full disk, say).
    """
    try:
        with atomic(path) as partial:
            torch.save({"format": CHECKPOINT, **state}, partial)
    except (OSError, RuntimeError) as error:  # torch's writer turns a full disk into a RuntimeError
        kept = "the one before it is intact" if path.exists() else "there was none before it"
        raise CheckpointError(
            f"{path}: the checkpoint could not be written ({_reason(error)}); {kept}. "
            "Make room, then go on with --resume"
        ) from error


def _reason(error: BaseException) -> str:
    causes = [error]
    while causes[-1].__context__ is not None:
        causes.append(causes[-1].__context__)
    systems = [e.strerror for e in causes if isinstance(e, OSError) and e.strerror]
    return systems[0] if systems else str(error).splitlines()[0]


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote: tensors and plain values on the CPU, never code.

    Raises WeightsError where the file is missing or damaged, CheckpointError where it is of another kind.
    """
    if kind(path) != "torch":
        raise CheckpointError(f"{path}: these are weights only; start from them with --weights, not --resume")
    state = read_torch(path)
    missing = [field for field in FIELDS if field not in state]
    if state.get("format") != CHECKPOINT or missing:
        what = f"it lacks {', '.join(missing)}" if missing else f"its format is {state.get('format')!r}"
        raise CheckpointError(
            f"{path}: not a checkpoint of our training ({what}); --resume wants a run's last.pt"
        )
    return state


def same_run(path: Path, its: dict[str, Any], mine: dict[str, Any]) -> None:
    """Raise CheckpointError, naming each setting that differs, where a checkpoint is of another run."""
    its, mine = ({**state["recipe"], **{name: state[name] for name in SETTINGS}} for state in (its, mine))
    other = [name for name in mine if its.get(name) != mine[name]]
    if other:
        theirs, ours = (", ".join(f"{name} {values.get(name)}" for name in other) for values in (its, mine))
        raise CheckpointError(
            f"{path}: it is of a run with {theirs}; this one has {ours}. Go on with the settings that it was "
            "made with, or start a new run from it with --weights"
        )
