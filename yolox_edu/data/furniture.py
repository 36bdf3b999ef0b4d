"""A small set of somebody's own: the crossing's street furniture, which Crossing paints but never labels.

Explained in chapter 21. The weights "crossing" have seen benches, prams and mail boxes in training, always as
background; here these are the three classes, and people and cars are background.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from .crossing import Crossing
from .crossing_scene import NOTHING, Cast, Scene, Thing, compose

NAMES = ("bench", "mail box", "pram")
KINDS = {"bench": 0, "mail_box": 1, "pram": 2}  # as the painter calls them
SEEDS = {"train": 21, "val": 22}  # no picture is shared with Crossing's splits


class _Furniture(Thing):
    """A thing whose class counts here."""

    @property
    def label(self) -> int:
        """Its class (an index into NAMES), or NOTHING."""
        return KINDS.get(self.kind, NOTHING)


class Furniture(Crossing):
    """`count` pictures of a crossing with more furniture on it, labelled by three classes. Chapter 21.

    A source like Crossing: `source[i]` gives uint8 [size, size, 3] and a target with boxes, labels 0-2, …
    """

    names = NAMES
    category_ids = (1, 2, 3)

    @classmethod
    def split(cls, name: str, count: int, size: int = 320) -> Furniture:
        """The pictures of "train" or "val", which share none, also not with Crossing's.

        Raises ValueError for another name.
        """
        if name not in SEEDS:
            raise ValueError(f"Furniture has the splits {', '.join(SEEDS)}; got {name!r}")
        return cls(count, SEEDS[name], size)

    def _scene(self, index: int | np.integer) -> tuple[Scene, np.random.Generator]:
        if not 0 <= index < self.count:
            raise IndexError(f"{self!r} has the pictures 0..{self.count - 1}, not {index}")
        rng = np.random.default_rng([self.seed, int(index)])
        scene = compose(rng)
        cast, street = Cast(scene.street, rng), scene.street
        for kind in KINDS:
            for _ in range(int(cast.dice(0, 2.6))):
                z = max(street.kerb + cast.dice(-2.0, 7.0), 1.05 * street.near)
                cast.put(kind, cast.somewhere(z, 0.1), z, deep=0.3)
        things = sorted([*scene.things, *cast.things], key=lambda thing: -thing.z)
        counted = tuple(_Furniture(*_values(thing)) for thing in things)
        return Scene(street, counted), rng


def _values(thing: Thing) -> tuple:
    """The values of a thing's fields."""
    return tuple(getattr(thing, field.name) for field in fields(thing))
