"""Marks for a class: notebooks are run, and what `check` says becomes a table. Chapters 00 to 23.

    python -m yolox_edu.exercises.grade handed-in/*.ipynb
    python -m yolox_edu.exercises.grade handed-in/*.ipynb --csv marks.csv

Each notebook is run from its first cell to its last in a kernel of its own, and is not changed. It is the
code of other people: run it where you would run theirs. Needs the extra `book`.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbclient import NotebookClient

from yolox_edu.exercises.judge import RIGHT, YOUR_TURN, exercises

CHECK = re.compile(r"""^\s*check\(\s*["'](\d\d\.\d+)["']""", re.M)
CARD = re.compile(r"^\*\*(\d\d\.\d+) · [^*]+\*\* (★+)", re.M)


class Mark(NamedTuple):
    """An exercise of a notebook: number, stars, "right", "your turn" or "not yet", and the sentence."""

    number: str
    stars: int
    state: str
    message: str


def attempts(book: nbformat.NotebookNode) -> dict[str, nbformat.NotebookNode]:
    """The cells with the reader's answers by exercise; of several the last one, and never the solution.

    Where an editor has lost the tags, the last cell that checks an exercise is taken for its solution.
    """
    checking: dict[str, list[nbformat.NotebookNode]] = {}
    for cell in (c for c in book.cells if c.cell_type == "code"):
        for number in CHECK.findall(cell.source):
            checking.setdefault(number, []).append(cell)
    if any("exercise" in tags(cell) for cells in checking.values() for cell in cells):
        own = {n: [c for c in cells if "solution" not in tags(c)] for n, cells in checking.items()}
    else:
        own = {n: cells[:-1] for n, cells in checking.items()}
    return {number: cells[-1] for number, cells in sorted(own.items()) if cells}


def tags(cell: nbformat.NotebookNode) -> list[str]:
    """A cell's tags."""
    return cell.metadata.get("tags", [])


def said(cell: nbformat.NotebookNode, number: str) -> str:
    """The last line about an exercise that a cell has printed, or its error, or nothing."""
    text = "".join(out.get("text", "") for out in cell.outputs if out.output_type == "stream")
    lines = [line for line in text.splitlines() if line.startswith(f"{number} ")]
    errors = [f"{number} not yet: {out.ename}: {out.evalue}" for out in cell.outputs if "ename" in out]
    return (lines or errors or [""])[-1]


def grade(path: Path, timeout: int = 600) -> list[Mark]:
    """Run a notebook and give a mark for each exercise of its chapter; one that is not there is "your turn".

    Raises ValueError where the notebook checks nothing, or cannot be read.
    """
    book = nbformat.read(path, as_version=4)
    cells = attempts(book)
    if not cells:
        raise ValueError(f'{path} has no cell with an answer, such as check("03.1", …)')
    where = {"metadata": {"path": str(path.parent)}}
    goes_on = {"allow_errors": True, "interrupt_on_timeout": True}  # after an error, and an endless loop
    NotebookClient(book, timeout=timeout, kernel_name="python3", resources=where, **goes_on).execute()
    prose = "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    stars = {number: len(drawn) for number, drawn in CARD.findall(prose)}
    marks = []
    for number in exercises(next(iter(cells)).partition(".")[0]):
        line = said(cells[number], number) if number in cells else ""
        state, _, message = line.removeprefix(f"{number} ").partition(": ")
        marks.append(Mark(number, stars.get(number, 1), state or YOUR_TURN, message or "no answer yet"))
    return marks


def main(argv: list[str] | None = None) -> int:
    """The command line described at the top of this file."""
    parser = argparse.ArgumentParser(prog="python -m yolox_edu.exercises.grade")
    parser.add_argument("notebooks", nargs="+", type=Path, metavar="NOTEBOOK")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="also write a line for each exercise")
    options = parser.parse_args(argv)
    rows, code = [["notebook", *Mark._fields]], 0
    for path in options.notebooks:
        try:
            marks = grade(path)
        except (ValueError, OSError, RuntimeError) as error:  # RuntimeError: the kernel died
            print(f"{path}: {error}", file=sys.stderr)
            code = 1
            continue
        print(path)
        for number, stars, state, message in marks:
            print(f"  {number} {'★' * stars:3} {state}" + ("" if state == RIGHT else f": {message}"))
        print(f"  {sum(m.stars for m in marks if m.state == RIGHT)} of {sum(m.stars for m in marks)} stars")
        rows += [[str(path), *mark] for mark in marks]
    if options.csv:
        with open(options.csv, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
    return code


if __name__ == "__main__":
    sys.exit(main())
