"""Compare an answer with the truth and say in words what is off. Chapters 00 to 23."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class Wrong(Exception):
    """An answer that is not right yet; the text says what is off."""


class NothingYet(Exception):
    """There is no answer yet: a stub gave nothing back."""


def same(
    given: Any,
    wanted: Any,
    where: str,
    faults: Mapping[str, Any] | None = None,
    atol: float | int = 1e-5,
    any_dtype: bool = False,
) -> None:
    """Raise `Wrong` unless `given` equals `wanted`: a tensor, number, word, or tuple, list or dict of those.

    `where` says what was asked ("on a tensor of shape (2, 3, 6, 4)"). `faults` maps words to the value
    that this typical fault gives ("the order is TL, TR, BL, BR": …); they are named before anything else.
    Floats may differ by `atol` plus 1e-5 of their size.
    """
    try:
        off = _difference(given, wanted, atol, any_dtype)
        if off is None:
            return
        for words, value in (faults or {}).items():
            if _difference(given, value, atol, any_dtype) is None:
                raise Wrong(f"{where}: {words}")
    except RuntimeError as error:  # torch could not even compare the two, a sparse tensor for instance
        off = f"what came out cannot be compared: {first_line(error)}"
    raise Wrong(f"{where}: {off}")


def _difference(given: Any, wanted: Any, atol: float | int, any_dtype: bool) -> str | None:
    """What is off, in words; None if the two are the same."""
    if isinstance(wanted, Tensor):
        return _tensors(given, wanted, atol, any_dtype)
    if isinstance(wanted, Mapping):
        return _mappings(given, wanted, atol, any_dtype)
    if isinstance(wanted, tuple | list):
        return _sequences(given, wanted, atol, any_dtype)
    if isinstance(wanted, str):
        if not isinstance(given, str):
            return f"{kind(given)} came out; a word in quotes was asked"
        equal = given.strip().casefold() == wanted.strip().casefold()
        return None if equal else f"the answer {given[:40]!r} is not the one"
    if wanted is None or isinstance(wanted, bool):
        equal = type(given) is type(wanted) and given == wanted
        return None if equal else f"{kind(given)} came out; {wanted} is right"
    return _numbers(given, wanted, atol)


def _numbers(given: Any, wanted: Any, atol: float | int) -> str | None:
    """The same for two Python numbers; a tensor or array of one number counts as that number."""
    if isinstance(given, Tensor | np.ndarray | np.generic) and math.prod(given.shape) == 1:
        given = given.item()
    if isinstance(given, bool) or not isinstance(given, numbers.Real):
        return f"{kind(given)} came out; a number was asked"
    close = abs(given - wanted) <= atol + 1e-5 * abs(wanted)  # False for NaN and infinity
    return None if given == wanted or close else f"{number(given)} came out, which is not right"


def _tensors(given: Any, wanted: Tensor, atol: float | int, any_dtype: bool) -> str | None:
    """The same for a tensor: its type, shape, device and dtype, then its numbers."""
    if isinstance(given, np.ndarray):
        return "a numpy array came out; a torch tensor was asked (torch.from_numpy makes one)"
    if not isinstance(given, Tensor):
        return f"{kind(given)} came out; a tensor of shape {tuple(wanted.shape)} was asked"
    if given.shape != wanted.shape:
        return f"the shape is {tuple(given.shape)}; {tuple(wanted.shape)} is right"
    if given.device != wanted.device:
        return f"the result lies on {given.device}; {wanted.device} was asked"
    if given.dtype != wanted.dtype and not any_dtype:
        return f"the dtype is {_dtype(given)}; {_dtype(wanted)} is right"
    a, b = given.detach().to(torch.float64), wanted.detach().to(torch.float64)
    for word, test in {"NaN": torch.isnan, "infinite": torch.isinf}.items():
        if (bad := test(a) & ~test(b)).any():
            return f"{int(bad.sum()):,} of {a.numel():,} numbers are {word}"
    off = ~torch.isclose(a, b, rtol=1e-5, atol=atol, equal_nan=True)
    return _largest(a, b, off) if off.any() else None


def _largest(a: Tensor, b: Tensor, off: Tensor) -> str:
    """The place where two tensors of one shape differ most."""
    gap = torch.where(off, (a - b).abs().nan_to_num(nan=math.inf), 0.0)
    at = torch.unravel_index(gap.argmax(), gap.shape)
    place = f" at {[int(i) for i in at]}" if at else ""
    return (
        f"{int(off.sum()):,} of {off.numel():,} numbers are off, most{place}: "
        f"{number(a[at].item())} came out, {number(b[at].item())} is right"
    )


def _sequences(given: Any, wanted: tuple | list, atol: float | int, any_dtype: bool) -> str | None:
    """The same for a tuple or list; either will do for the other."""
    if not isinstance(given, tuple | list):
        return f"{kind(given)} came out; {len(wanted)} things were asked"
    if len(given) != len(wanted):
        return f"{len(given)} things came out; {len(wanted)} were asked"
    for i, (g, w) in enumerate(zip(given, wanted)):
        if off := _difference(g, w, atol, any_dtype):
            return f"in number {i} of the {len(wanted)} results {off}"
    return None


def _mappings(given: Any, wanted: Mapping, atol: float | int, any_dtype: bool) -> str | None:
    """The same for a dict: its keys, then what they hold."""
    if not isinstance(given, Mapping):
        return f"{kind(given)} came out; a dict with {', '.join(map(repr, wanted))} was asked"
    if missing := [key for key in wanted if key not in given]:
        return f"{missing[0]!r} is missing in the dict"
    for key, value in wanted.items():
        if off := _difference(given[key], value, atol, any_dtype):
            return f"under {key!r} {off}"
    return None


def kind(thing: Any) -> str:
    """What a thing is, for a sentence: "a list of 3 things", "a tensor of shape (2, 3)"."""
    if thing is None:
        return "nothing"
    if isinstance(thing, Tensor):
        return f"a tensor of shape {tuple(thing.shape)}"
    if isinstance(thing, np.ndarray):
        return f"a numpy array of shape {thing.shape}"
    if isinstance(thing, str):
        return f"the word {thing[:40]!r}"
    if isinstance(thing, bool):
        return str(thing)
    if isinstance(thing, numbers.Real):
        return f"the number {number(thing)}"
    if isinstance(thing, tuple | list | dict | set):
        count = len(thing)
        return f"a {type(thing).__name__} of {count} thing{'' if count == 1 else 's'}"
    if isinstance(thing, nn.Module):
        return f"the module {type(thing).__name__}"
    if callable(thing):
        return "a function, not its result,"
    return f"something of type {type(thing).__name__}"


def number(value: Any) -> str:
    """A number in few characters."""
    return f"{value:,}" if isinstance(value, int) and abs(value) < 10**15 else f"{float(value):.5g}"


def first_line(error: BaseException) -> str:
    """The first line of an error's text, cut where it gets long."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return text if len(text) <= 160 else f"{text[:157]}…"


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
