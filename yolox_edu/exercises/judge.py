"""Exercises and their verdicts: the checks of chapter NN stand in `chNN.py`. Chapters 00 to 23.

A check is a function of the answer and of a seeded `Random`. It calls the answer and compares what comes
out with a truth that does not come from the package where that is possible (loops, torch's own operator)::

    @exercise("03.1")
    def focus(answer: Any, random: Random) -> None:
        \"\"\"the same as a loop over all pixels\"\"\"
        x = random.tensor(2, 3, 2 * random.integer(1, 5), 2 * random.integer(1, 5))
        same(answer(x), loops(x), f"on a tensor of shape {tuple(x.shape)}")
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from yolox_edu.exercises.compare import NothingYet, Wrong, first_line, same
from yolox_edu.exercises.guard import guard
from yolox_edu.exercises.inputs import Random

__all__ = ["Exercise", "Random", "Verdict", "Wrong", "exercise", "exercises", "judge", "same"]

RIGHT, YOUR_TURN, NOT_YET = "right", "your turn", "not yet"
STUBS = ("", "...", "…", "your answer")


class Verdict(NamedTuple):
    """What `judge` says: the state ("right", "your turn" or "not yet") and the whole sentence."""

    state: str
    message: str


@dataclass(frozen=True)
class Exercise:
    """One exercise: its number, its check, how many seeds it is run on, whether inputs may be changed."""

    number: str
    run: Callable[[Any, Random], None]
    seeds: int
    in_place: bool

    @property
    def compared(self) -> str:
        """What was compared, from the check's docstring."""
        return (self.run.__doc__ or "as asked").strip().splitlines()[0].strip().rstrip(".")


_EXERCISES: dict[str, Exercise] = {}


def exercise(number: str, seeds: int = 5, in_place: bool = False) -> Callable[[Callable], Callable]:
    """Register a check under a number, "03.1". Its docstring's first line completes "03.1 right: …".

    It is run once for each seed. `in_place=True` allows the answer to change its inputs.
    """

    def register(run: Callable[[Any, Random], None]) -> Callable[[Any, Random], None]:
        _EXERCISES[number] = Exercise(number, run, seeds, in_place)
        return run

    return register


def exercises(chapter: str) -> dict[str, Exercise]:
    """All exercises of a chapter ("03"), by number; LookupError if there are none."""
    name = f"yolox_edu.exercises.ch{chapter}"
    if not chapter.isdecimal() or importlib.util.find_spec(name) is None:
        raise LookupError(f'there are no exercises for chapter {chapter!r}; a number looks like "03.1"')
    importlib.import_module(name)
    return {n: e for n, e in sorted(_EXERCISES.items()) if n.partition(".")[0] == chapter}


def judge(number: str, answer: Any) -> Verdict:
    """The verdict on an answer, silently; LookupError if there is no exercise of this number."""
    known = exercises(str(number).partition(".")[0])
    if number not in known:
        raise LookupError(f"there is no exercise {number}; this chapter has {', '.join(known)}")
    task = known[number]
    if answer is None or answer is ... or (isinstance(answer, str) and answer.strip() in STUBS):
        return Verdict(YOUR_TURN, f"{number} your turn: no answer yet")
    guarded, draws = guard(answer, task.in_place), 0
    for seed in range(task.seeds):
        random = Random(seed)
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                task.run(guarded, random)
        except NothingYet as nothing:
            return Verdict(YOUR_TURN, f"{number} your turn: {nothing}")
        except Wrong as wrong:
            return Verdict(NOT_YET, f"{number} not yet: {wrong}")
        except Exception as error:  # the check itself stumbled over what the answer gave
            return Verdict(NOT_YET, f"{number} not yet: {_stumbled(error, answer)}")
        draws += random.draws
    on = f", on {task.seeds} random inputs" if draws else ""
    return Verdict(RIGHT, f"{number} right: {task.compared}{on}")


def _stumbled(error: Exception, answer: Any) -> str:
    """In words: the check could not go on with what it was given."""
    if not callable(answer) and "not callable" in str(error):
        return "give the function itself, without calling it"
    return f"the check cannot use what came out ({type(error).__name__}: {first_line(error)})"
