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
    assert grade.attempts(chapter_06(SOLUTION)) == {}
    assert grade.attempts(chapter_06(stub('text = "check"'))) == {}


@pytest.mark.slow
def test_the_command_writes_a_line_for_each_exercise(tmp_path):
    good, bad = tmp_path / "good.ipynb", tmp_path / "bad.ipynb"
    nbformat.write(chapter_06(stub(RIGHT, "exercise")), good)
    nbformat.write(v4.new_notebook(), bad)
    words = [sys.executable, "-m", "yolox_edu.exercises.grade", str(bad), str(good), "--csv", "marks.csv"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "bad.ipynb has no cell with an answer" in done.stderr
    assert "  06.2 ★   right\n" in done.stdout
    assert "\n  1 of 4 stars\n" in done.stdout
    rows = list(csv.reader((tmp_path / "marks.csv").read_text(encoding="utf-8").splitlines()))
    assert [row[1:4] for row in rows[1:]] == [
        ["06.1", "2", "your turn"],
        ["06.2", "1", "right"],
        ["06.3", "1", "your turn"],
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
