"""The controls of a figure to play with: lists of values as sliders and radio buttons. Chapters 00 to 23."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from numbers import Real
from typing import Any


@dataclass(frozen=True)
class Control:
    """One control: a list of values and the place in it where the figure starts."""

    name: str
    values: tuple[Any, ...]
    start: int

    @property
    def label(self) -> str:
        """The name as the reader sees it."""
        return self.name.replace("_", " ")

    @property
    def is_range(self) -> bool:
        """Numbers are slid along; everything else is picked from radio buttons."""
        return all(isinstance(v, Real) and not isinstance(v, bool) for v in self.values)

    @property
    def texts(self) -> list[str]:
        """The values as the reader sees them."""
        short = [_text(v) for v in self.values]
        return short if len(set(short)) == len(short) else [str(v) for v in self.values]

    def html(self, figure_name: str) -> str:
        """Its row of the form."""
        if self.is_range:
            return self._range(f"{figure_name}-{self.name}")
        radios = "".join(
            f'<label><input type="radio" name="{figure_name}-{self.name}" value="{i}"'
            f"{' checked' if i == self.start else ''}>{escape(text)}</label>"
            for i, text in enumerate(self.texts)
        )
        return f"<fieldset><legend>{escape(self.label)}</legend>{radios}</fieldset>"

    def _range(self, key: str) -> str:
        """A slider over the places of the list; its text is the value at that place."""
        now, wide = escape(self.texts[self.start]), max(map(len, self.texts))
        return (
            f'<div class="play-row"><label for="{key}">{escape(self.label)}</label><span class="play-slide">'
            f'<input type="range" id="{key}" min="0" max="{len(self.values) - 1}" value="{self.start}"'
            f' aria-valuetext="{now}" data-texts="{escape(json.dumps(self.texts, ensure_ascii=False))}">'
            f'<output for="{key}" style="min-width:{wide}ch">{now}</output></span></div>'
        )


def _text(value: Any) -> str:
    """A value in words: yes and no, numbers without needless digits."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def read_controls(controls: Mapping[str, Iterable[Any]], start: Mapping[str, Any] | None) -> list[Control]:
    """The controls, checked."""
    start = dict(start or {})
    if not controls:
        raise ValueError("no controls: give at least one list of values, such as phase=[0, 1, 2, 3]")
    if strange := sorted(start.keys() - controls.keys()):
        raise ValueError(f"start names {', '.join(strange)}; the controls are {', '.join(controls)}")
    return [_control(name, values, start) for name, values in controls.items()]


def _control(name: str, values: Iterable[Any], start: Mapping[str, Any]) -> Control:
    """One control from its list of values."""
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise ValueError(f"{name} is {values!r}; a list of values is needed, such as {name}=[1, 2, 3]")
    values = tuple(values.tolist() if hasattr(values, "tolist") else values)
    if len(values) < 2:
        raise ValueError(f"{name} has {'one value' if values else 'no values'}; a control needs two or more")
    keys = [(type(v) is bool, v) for v in values]  # True == 1, yet they are two values
    if any(key in keys[:i] for i, key in enumerate(keys)):
        raise ValueError(f"{name} names a value twice: {list(values)}")
    first = start.get(name, values[0])
    if (type(first) is bool, first) not in keys:
        raise ValueError(f"{name} cannot start at {first!r}: its values are {list(values)}")
    return Control(name, values, keys.index((type(first) is bool, first)))
