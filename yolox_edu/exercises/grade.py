"""Marks for a class: notebooks are run, and what `check` says becomes a table. Chapters 00 to 23.

    python -m yolox_edu.exercises.grade anna.ipynb
    python -m yolox_edu.exercises.grade handed-in --csv marks.csv

A folder means the notebooks in it and in its folders. Each notebook is run from its first cell to its last
in a kernel of its own, and is not changed. It is the code of other people: run it where you would run
theirs. Needs the extra `book`.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import sys
from pathlib import Path
from typing import NamedTuple, TextIO

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

    Where an editor has lost the tags and every exercise is checked at least twice, the last cell of each is
    taken for its solution.
    """
    checking: dict[str, list[nbformat.NotebookNode]] = {}
    for cell in (c for c in book.cells if c.cell_type == "code"):
        for number in CHECK.findall(cell.source):
            checking.setdefault(number, []).append(cell)
    tagged = {tag for cells in checking.values() for cell in cells for tag in tags(cell)}
    if {"exercise", "solution"} & tagged or any(len(cells) == 1 for cells in checking.values()):
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

    Raises ValueError where the notebook checks nothing or cannot be read, RuntimeError where its kernel dies.
    """
    try:
        book = nbformat.read(path, as_version=4)
        cells = attempts(book)
        if not cells:
            raise ValueError('it has no cell with an answer, such as check("03.1", …)')
        numbers = exercises(next(iter(cells)).partition(".")[0])
    except (ValueError, AttributeError, LookupError, nbformat.ValidationError) as error:
        raise ValueError((str(error) or "no notebook").splitlines()[0]) from None
    client = NotebookClient(
        book,
        timeout=timeout,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        allow_errors=True,  # what a reader typed may fail, and the next cell is run all the same
        interrupt_on_timeout=True,  # so is the one after an endless loop
        extra_arguments=["--log-level=ERROR"],  # without a warning of the kernel's for each notebook
    )
    try:
        client.execute()
    except AssertionError as error:  # nbclient has taken Ctrl-C for itself, and let its kernel go
        raise KeyboardInterrupt from error
    prose = "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    stars = {number: len(drawn) for number, drawn in CARD.findall(prose)}
    marks = []
    for number in numbers:
        line = said(cells[number], number) if number in cells else ""
        state, _, message = line.removeprefix(f"{number} ").partition(": ")
        marks.append(Mark(number, stars.get(number, 1), state or YOUR_TURN, message or "no answer yet"))
    return marks


def notebooks(places: list[Path]) -> list[Path]:
    """The files among the places, and the notebooks in the folders among them.

    Raises FileNotFoundError for what is not there, and for a folder without any.
    """
    files: list[Path] = []
    for place in places:
        found = sorted(place.rglob("*.ipynb")) if place.is_dir() else [place]
        found = [path for path in found if path.parent.name != ".ipynb_checkpoints"]  # Jupyter's own copies
        if not found:
            raise FileNotFoundError(f"{place} has no notebooks (*.ipynb)")
        for path in found:
            if not path.is_file():
                raise FileNotFoundError(f"{path} is not there")
            files.append(path)
    return files


def main(argv: list[str] | None = None) -> int:
    """The command line described at the top of this file."""
    parser = argparse.ArgumentParser(prog="python -m yolox_edu.exercises.grade")
    parser.add_argument("places", nargs="+", type=Path, metavar="NOTEBOOK_OR_FOLDER")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="also write a line for each exercise")
    options = parser.parse_args(argv)
    try:
        paths = notebooks(options.places)  # these, and the file, before anything is run
        with open(options.csv or os.devnull, "w", newline="", encoding="utf-8", buffering=1) as file:
            return mark(paths, file)
    except OSError as error:
        print(f"grade: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "grade: stopped" + (f"; {options.csv} has the marks so far" if options.csv else ""),
            file=sys.stderr,
        )
        return 130


def mark(paths: list[Path], file: TextIO) -> int:
    """Print the marks of each notebook and write them as CSV, one by one; 1 if one could not be marked."""
    rows, code = csv.writer(file), 0
    rows.writerow(["notebook", *Mark._fields])
    for path in paths:
        try:
            marks = grade(path)
            print(table(path, marks), flush=True)
        except (ValueError, OSError, RuntimeError) as error:  # RuntimeError: the kernel died
            print(f"{path}: {error}", file=sys.stderr)
            marks, code = [Mark("", 0, "not marked", str(error))], 1
        rows.writerows([str(path), *line] for line in marks)
    return code


def table(path: Path, marks: list[Mark]) -> str:
    """What is printed for a notebook: a line for each exercise, and the stars of those that are right."""
    lines = [str(path)]
    for number, stars, state, message in marks:
        lines.append(f"  {number} {'★' * stars:3} {state}" + ("" if state == RIGHT else f": {message}"))
    right = sum(mark.stars for mark in marks if mark.state == RIGHT)
    return "\n".join([*lines, f"  {right} of {sum(mark.stars for mark in marks)} stars"])


if __name__ == "__main__":
    sys.exit(main())
