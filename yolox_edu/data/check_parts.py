"""The classes of one part of a set against those of another: train and val. Explained in chapter 21."""

from __future__ import annotations

from collections import Counter

from .check_records import Table
from .findings import Findings


def check_parts(parts: dict[str, Table], findings: Findings) -> None:
    """Report classes that the part to learn from has not, or has under another id. Chapter 21.

    The part to learn from is the first with "train" in its name, else the first.
    """
    train = next((part for part in parts if "train" in part), next(iter(parts), ""))
    for part in parts:
        if part != train:
            findings += _compare(train, parts[train], part, parts[part])


def _compare(train: str, learnt: Table, part: str, other: Table) -> Findings:
    say = Findings(f"annotations/instances_{part}.json")
    ids, theirs = ({c["name"]: c["id"] for c in table.categories} for table in (learnt, other))
    unknown = [name if name == name.strip() else repr(name) for name in theirs if name not in ids]
    what = f"{train} has no such class: it is not learnt, and evaluation stops at it"
    mend = "Give all parts the same list of categories: look at spelling and capitals."
    say.each("error", "classes-unknown", "categories.name", unknown, what, mend)
    moved = [f"{name}: {i}, there {ids[name]}" for name, i in theirs.items() if ids.get(name, i) != i]
    what = f"the class has another id than in {train}"
    mend = "Give all parts the same list: we go by the names, others by the ids."
    say.each("warning", "classes-ids", "categories.id", moved, what, mend)
    there, here = (Counter(a["category_id"] for a in table.annotations) for table in (learnt, other))
    never = [f"{n}: {here[i]} here" for n, i in theirs.items() if n in ids and here[i] and not there[ids[n]]]
    mend = "So it cannot be learnt: label some there."
    say.each("note", "classes-unlearnt", "categories", never, f"{train} has no box of this class", mend)
    return say
