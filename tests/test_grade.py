"""Marks for a class; and the page for instructors, whose minutes and commands are those of the book."""

import csv
import re
import shlex
import subprocess
import sys

import nbformat
import notebooks
import pytest
from landing_road import card, written
from nbformat import v4
from test_exercises import wrong_answers

from yolox_edu.exercises import grade

PAGE = (notebooks.BOOK / "for_instructors.md").read_text(encoding="utf-8")
CARDS = re.compile(r"^\*\*(\d\d\.\d) · [^*]+\*\* (★+), (\d+) minutes", re.M)


def stub(code, *tags):
    return v4.new_code_cell(code, metadata={"tags": list(tags)})


def chapter_06(*cells):
    """Something like chapter 06: its cards, then these cells."""
    text = "**06.1 · The pool** ★★, 10 minutes.\n\n**06.2 · The pyramid** ★, 5 minutes."
    start = v4.new_code_cell(
        "import torch\nimport torch.nn.functional as F\nfrom yolox_edu.exercises import check"
    )
    return v4.new_notebook(cells=[v4.new_markdown_cell(text), start, *cells])


RIGHT = """def pyramid(x):
    y = [x]
    for _ in range(3):
        y.append(F.max_pool2d(y[-1], 5, 1, 2))
    return torch.cat(y, 1)
check("06.2", pyramid)"""
LAST = RIGHT.replace("torch.cat(y, 1)", "torch.cat(y[::-1], 1)")
SOLUTION = stub(RIGHT, "solution")


def marks_of(tmp_path, *cells, timeout=120):
    path = tmp_path / "anna.ipynb"
    nbformat.write(chapter_06(*cells), path)
    before = path.read_bytes()
    marks = {mark.number: mark for mark in grade.grade(path, timeout)}
    assert path.read_bytes() == before  # what was handed in is not changed
    return marks


@pytest.mark.slow
def test_right_wrong_broken_and_missing(tmp_path):
    endless = stub('while True: pass\ncheck("06.3", 1)', "exercise")
    marks = marks_of(
        tmp_path, stub("def broken(:\n  ", "exercise"), stub(RIGHT, "exercise"), endless, timeout=15
    )
    assert [(m.number, m.stars, m.state) for m in marks.values()] == [
        ("06.1", 2, "your turn"),
        ("06.2", 1, "right"),
        ("06.3", 1, "not yet"),
    ]
    assert "KeyboardInterrupt" in marks["06.3"].message


@pytest.mark.slow
def test_a_solution_is_never_the_answer(tmp_path):
    wrong = marks_of(tmp_path, stub(LAST, "exercise"), SOLUTION)["06.2"]
    assert wrong.state == "not yet"
    assert wrong.message != ""
    assert (
        marks_of(tmp_path, stub("...", "exercise"), SOLUTION, stub(LAST, "exercise"))["06.2"].state
        == "not yet"
    )


def test_which_cells_are_answers():
    empty = 'check("06.2", ...)'
    for cells, chosen in (
        ([stub(empty, "exercise"), SOLUTION], empty),
        ([stub(empty, "exercise"), stub(LAST), SOLUTION], LAST),  # tried again in a cell of one's own
        ([stub(empty), stub(RIGHT)], empty),  # the tags are lost: the last one is the solution
    ):
        assert grade.attempts(chapter_06(*cells))["06.2"].source == chosen
    bare = chapter_06(stub(RIGHT), stub(LAST.replace("06.2", "06.1")))  # no tags, and no solutions either
    assert [cell.source for cell in grade.attempts(bare).values()][1] == RIGHT
    assert grade.attempts(chapter_06(SOLUTION)) == {}
    assert grade.attempts(chapter_06(stub('text = "check"'))) == {}


@pytest.mark.slow
def test_the_command_writes_a_line_for_each_exercise(tmp_path):
    folder = tmp_path / "handed-in" / "anna"
    folder.mkdir(parents=True)
    nbformat.write(chapter_06(stub(RIGHT, "exercise")), folder / "good.ipynb")
    nbformat.write(chapter_06(stub("import os; os._exit(1)"), stub(RIGHT, "exercise")), folder / "died.ipynb")
    words = [sys.executable, "-m", "yolox_edu.exercises.grade", "handed-in", "--csv", "marks.csv"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 1
    assert re.fullmatch(r"handed-in.anna.died\.ipynb: Kernel died\n", done.stderr)
    assert "  06.2 ★   right\n" in done.stdout
    assert "\n  1 of 4 stars\n" in done.stdout
    rows = list(csv.reader((tmp_path / "marks.csv").read_text(encoding="utf-8").splitlines()))
    assert [row[1:4] for row in rows[1:]] == [
        ["", "0", "not marked"],
        ["06.1", "2", "your turn"],
        ["06.2", "1", "right"],
        ["06.3", "1", "your turn"],
    ]


def write(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_what_is_no_chapter_is_named_and_the_others_are_marked(tmp_path, capsys, monkeypatch):
    """Whatever was handed in has a line in the file, and nothing stops the class."""
    monkeypatch.setattr(grade, "NotebookClient", None)  # nothing is to be run
    other = v4.new_notebook(cells=[stub('check("99.1", ...)', "exercise")])
    for name, text, says in (
        ("a", "", "does not appear to be JSON"),
        ("b", '{"cells": [', "does not appear to be JSON"),
        ("c", b"\xff\xfe", "codec can't decode"),
        ("d", '{"a": 1}', "missing a key: cells"),
        ("e", '{"nbformat": 4, "nbformat_minor": 5}', "cells"),
        ("f", nbformat.writes(v4.new_notebook()), "no cell with an answer"),
        ("g", nbformat.writes(other), "no exercises for chapter '99'"),
    ):
        path = write(tmp_path / "in" / f"{name}.ipynb", text)
        with pytest.raises(ValueError, match=re.escape(says)):
            grade.grade(path)
    write(tmp_path / "in" / ".ipynb_checkpoints" / "a.ipynb", "")
    marks = tmp_path / "marks.csv"
    assert grade.main([str(tmp_path / "in"), "--csv", str(marks)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 7
    rows = list(csv.reader(marks.read_text(encoding="utf-8").splitlines()))
    assert [row[3] for row in rows[1:]] == ["not marked"] * 7


def test_a_place_without_notebooks_is_named_before_anything_is_run(tmp_path, capsys):
    void = tmp_path / "void"
    void.mkdir()
    good = write(tmp_path / "good.ipynb", nbformat.writes(chapter_06(stub(RIGHT, "exercise"))))
    for words, says in (
        ([good, void], "void has no notebooks (*.ipynb)"),
        ([good, tmp_path / "no.ipynb"], "no.ipynb is not there"),
        ([good, "--csv", tmp_path / "no" / "marks.csv"], "No such file or directory"),
    ):
        assert grade.main([str(word) for word in words]) == 1
        printed = capsys.readouterr()
        assert says in printed.err
        assert printed.out == ""


def test_who_stops_it_keeps_the_marks_so_far(tmp_path, capsys, monkeypatch):
    """nbclient takes Ctrl-C for itself, and then fails in its own clearing up."""

    class Stopped:
        def __init__(self, *_, **__): ...

        def execute(self):
            raise AssertionError

    monkeypatch.setattr(grade, "NotebookClient", Stopped)
    write(tmp_path / "in" / "a.ipynb", "")
    write(tmp_path / "in" / "b.ipynb", nbformat.writes(chapter_06(stub(RIGHT, "exercise"))))
    marks = tmp_path / "marks.csv"
    assert grade.main([str(tmp_path / "in"), "--csv", str(marks)]) == 130
    assert "stopped" in capsys.readouterr().err
    assert [row[3] for row in csv.reader(marks.read_text(encoding="utf-8").splitlines())][1:] == [
        "not marked"
    ]


# --- the page ---------------------------------------------------------------------------------------------


def minutes():
    """({chapter: minutes on its card}, {exercise: minutes on its card})"""
    pages = written()
    cells = [c for name in pages.values() for c in notebooks.read(notebooks.BOOK / f"{name}.ipynb").cells]
    found = CARDS.findall("\n".join(c.source for c in cells if c.cell_type == "markdown"))
    return {n: card(name)[2] for n, name in pages.items()}, {number: int(m) for number, _, m in found}


def test_the_plans_add_up():
    reading, solving = minutes()
    rows = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if re.match(r"\| \d+ \|", line)]
    assert [len(row) for row in rows] == [5] * 12 + [6] * 6
    for session, chapters, in_class, *home, exercises, at_home in rows:
        chapters, read = (re.findall(r"\[(\d\d)\]", text) for text in (chapters, "".join(home)))
        assert int(in_class) == sum(reading[c] for c in chapters) <= 90, session
        assert int(at_home) == sum(reading[c] for c in read) + sum(solving[e] for e in exercises.split(", "))
        assert {e[:2] for e in exercises.split(", ")} <= {*chapters, *read}
    twelve = [c for row in rows[:12] for c in re.findall(r"\[(\d\d)\]", row[1])]
    assert sorted(twelve) == sorted(reading)


def test_what_people_get_wrong_is_what_the_checker_says():
    rows = re.findall(r'^\| \[(\d\d)\]\(\w+\) \| .+ \| (\d\d\.\d) \| "… (.+) …" \|$', PAGE, re.M)
    assert [chapter for chapter, _, _ in rows] == sorted(written())
    for chapter, number, says in rows:
        assert number.startswith(f"{chapter}.")
        assert any(says in piece or piece in says for _, piece in wrong_answers(chapter)[number]), (
            number,
            says,
        )


@pytest.mark.slow
def test_the_handout_has_no_solutions(tmp_path):
    command = re.search(r"^python (-m nbconvert .*?)\n```", PAGE, re.S | re.M)[1].replace("\\\n", " ")
    words = [str(tmp_path) if word == "handout" else word for word in shlex.split(command)]
    subprocess.run([sys.executable, *words], cwd=notebooks.ROOT, check=True, capture_output=True)
    cells = notebooks.read(tmp_path / "12_simota.ipynb").cells
    tagged = [tag for cell in cells for tag in cell.metadata.get("tags", [])]
    assert tagged.count("exercise") == 4
    assert "solution" not in tagged
