"""The reader's function, wrapped: what goes wrong in it is said in words. Chapters 00 to 23."""

from __future__ import annotations

import copy
import functools
import linecache
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from yolox_edu.exercises.compare import NothingYet, Wrong, first_line, number

PACKAGE = Path(__file__).resolve().parents[1]
LIBRARIES = tuple({sysconfig.get_paths()[k] for k in ("stdlib", "platstdlib", "purelib", "platlib")})


def guard(answer: Any, in_place: bool = False) -> Any:
    """A function, class or module that does the same as `answer` but raises only `Wrong` and `NothingYet`.

    A class is built as it is, and the module that comes out is guarded in turn. Anything that cannot be
    called (a number, a word) is given back unchanged.
    """
    if isinstance(answer, nn.Module):
        return _guard_module(copy.deepcopy(answer), type(answer).__name__, in_place)
    if not callable(answer):
        return answer
    name = getattr(answer, "__name__", "<nameless>")
    return _guard_call(answer, "your function" if name.startswith("<") else name, in_place)


def _guard_call(function: Callable, name: str, in_place: bool) -> Callable:
    """`function`, with everything that goes wrong inside it told in the reader's terms."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        inputs = [*args, *kwargs.values()]
        before = [copy.deepcopy(a.detach() if isinstance(a, Tensor) else a) for a in _arrays(inputs)]
        try:
            out = function(*args, **kwargs)
        except (Wrong, NothingYet):
            raise
        except NotImplementedError as error:
            raise NothingYet(f"{name} is not written yet") from error
        except (Exception, SystemExit) as error:
            raise Wrong(f"{_given(inputs)}{blame(error)}") from error
        if out is None or (isinstance(out, tuple) and out and all(o is None for o in out)):
            raise NothingYet(f"{name} returns nothing yet{_forgotten(function)}")
        if not in_place and any(not _equal(a, b) for a, b in zip(before, _arrays(inputs))):
            raise Wrong(f"{_given(inputs)}{name} changes its input; work on a copy (x = x.clone())")
        return _guard_module(out, name, in_place) if isinstance(out, nn.Module) else out

    return guarded


def _guard_module(module: nn.Module, name: str, in_place: bool) -> nn.Module:
    """The same module, its forward guarded."""
    module.forward = _guard_call(module.forward, name, in_place)
    return module


def blame(error: BaseException) -> str:
    """Which line of the reader's code raised what: 'line 3 of focus, "return x[0]", raised …'."""
    own = [f for f in traceback.extract_tb(error.__traceback__) if not _library(f.filename)]
    text = first_line(error)
    raised = f"raised {type(error).__name__}" + (f": {text}" if text != type(error).__name__ else "")
    if not own:
        return f"your answer {raised}"
    line = (own[-1].line or linecache.getline(own[-1].filename, own[-1].lineno or 0)).strip()
    return f"line {own[-1].lineno}{f', “{line}”,' if line else ''} {raised}"


def _library(filename: str) -> bool:
    """Whether a file belongs to Python, to an installed package, or to ours."""
    if filename.startswith("<frozen"):
        return True
    path = Path(filename)
    return PACKAGE in path.parents or filename.startswith(LIBRARIES) or "site-packages" in path.parts


def _forgotten(function: Callable) -> str:
    """A question for those who wrote something but returned nothing; a bare stub has no names in it."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if not isinstance(code, CodeType):
        return ""
    written = bool(code.co_names) or code.co_nlocals > code.co_argcount + code.co_kwonlyargcount
    return " (is `return` missing?)" if written else ""


def _given(inputs: list) -> str:
    """The inputs of one call, for the start of a sentence: "given (2, 3, 4, 4) and 0.5: "."""
    words = [_word(value) for value in inputs]
    return f"given {' and '.join(words)}: " if words else ""


def _word(value: Any) -> str:
    if isinstance(value, Tensor | np.ndarray):
        one = value.dtype in (torch.float32, np.float32)
        dtype = "" if one else f" {str(value.dtype).removeprefix('torch.')}"
        return f"{tuple(value.shape)}{dtype}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value if isinstance(value, str) and len(value) < 20 else type(value).__name__
    return number(value)


def _arrays(things: Any) -> Iterator[Tensor | np.ndarray]:
    """Every tensor and array among the arguments, also those inside lists, tuples and dicts."""
    if isinstance(things, Tensor | np.ndarray):
        yield things
    elif isinstance(things, list | tuple | dict):
        for thing in things.values() if isinstance(things, dict) else things:
            yield from _arrays(thing)


def _equal(a: Tensor | np.ndarray, b: Tensor | np.ndarray) -> bool:
    """Whether two are the same bit for bit, NaN equal to NaN."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if isinstance(a, np.ndarray):
        return a.tobytes() == b.tobytes()
    return torch.allclose(a, b, rtol=0, atol=0, equal_nan=True)
