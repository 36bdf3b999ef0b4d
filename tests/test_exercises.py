"""Every exercise of every chapter: card, stub, hint and solution; right answers pass, wrong ones are named.

An exercise's code must run without the rest of its chapter. Here its cells run in a fresh namespace that
holds the chapter's imports (wherever they stand), the cells tagged `setup`, and earlier solutions.
"""

import ast
import contextlib
import functools
import importlib.util
import io
import linecache
import re
import sys
from pathlib import Path

import notebooks
import pytest
from nbval_run import nbval
from tidying import tags

from yolox_edu import exercises

judge = sys.modules["yolox_edu.exercises.judge"]
WRONG = Path(__file__).parent / "exercises"
CARD = r"^\*\*{} · [^*]+\*\* ★{{1,3}}, \d+ minutes?\b[^.]*\. \S"
HINT = re.compile(r"^(`{3,}|:{3,})\{admonition\} Hint[^\n]*\n:class: [^\n]*\bdropdown\b.*?^\1", re.S | re.M)


def chapter_numbers():
    """The chapters that have checks, and those whose notebook has exercises."""
    modules = {p.stem[2:] for p in Path(exercises.__file__).parent.glob("ch[0-9][0-9].py")}
    books = {p.name[:2] for p in notebooks.chapters() if p.name[:2].isdecimal()}
    books = {n for n in books if any("exercise" in tags(c) for c in cells(n))}
    return sorted(modules | books)


@functools.cache
def cells(chapter):
    """The cells of a chapter's notebook."""
    (path,) = notebooks.chapters([f"{chapter}_"])
    return notebooks.read(path).cells


def checked(cell):
    """The calls `check("03.1", name)` in a cell: {number: the answer's syntax tree}."""
    calls = [n for n in ast.walk(tree(cell)) if isinstance(n, ast.Call)]
    named = [c for c in calls if getattr(c.func, "id", "") == "check" and len(c.args) == 2]
    return {c.args[0].value: c.args[1] for c in named if isinstance(c.args[0], ast.Constant)}


def tree(cell):
    """A code cell's syntax tree, without IPython's own syntax."""
    lines = [("pass" if re.match(r"\s*[%!]", line) else line) for line in cell.source.splitlines()]
    return ast.parse("\n".join(lines))


def tagged(chapter, tag, number):
    """Where the cells with this tag stand that check exercise `number`."""
    code = [(i, c) for i, c in enumerate(cells(chapter)) if c.cell_type == "code" and tag in tags(c)]
    return [i for i, c in code if number in checked(c)]


def run(code, namespace, name):
    """Execute code; its lines can be quoted in messages, as in a notebook."""
    source = ast.unparse(code) if isinstance(code, ast.AST) else code
    file = f"<{name}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(source, file, "exec"), namespace)
    return printed.getvalue()


def fresh(chapter):
    """A namespace with the chapter's imports and its cells tagged `setup`."""
    namespace = {"__name__": f"chapter_{chapter}"}
    code = [c for c in cells(chapter) if c.cell_type == "code" and "remove-cell" not in tags(c)]
    bodies = [(c, tree(c).body) for c in code if "raises-exception" not in tags(c) or "exercise" in tags(c)]
    for cell, body in bodies:
        keep = (
            body if "setup" in tags(cell) else [n for n in body if isinstance(n, ast.Import | ast.ImportFrom)]
        )
        if keep:
            try:
                run(ast.Module(keep, []), namespace, f"set-up of chapter {chapter}")
            except NameError as error:
                pytest.fail(f"chapter {chapter}: a cell tagged `setup` must run by itself, but {error}")
    return namespace


@functools.cache
def printed(chapter):
    """What stub and solution print: {(tag, number): verdict}. Each stub runs before its own solution."""
    namespace, said = fresh(chapter), {}
    for cell in cells(chapter):
        for tag in ("exercise", "solution"):
            if cell.cell_type == "code" and tag in tags(cell):
                out = run(cell.source, namespace, f"{tag} of chapter {chapter}")
                said |= {(tag, n): verdict(out, n) for n in checked(cell)}
    return said


def verdict(text, number):
    """The line that `check` printed for an exercise."""
    return next((line for line in text.splitlines() if line.startswith(f"{number} ")), text)


CHAPTERS = chapter_numbers()
NUMBERS = [n for c in CHAPTERS for n in judge.exercises(c)]


def of(number):
    """The chapter of an exercise."""
    return number.partition(".")[0]


@functools.cache
def wrong_answers(chapter):
    """WRONG of tests/exercises/wrong_NN.py: {number: [(answer, fragment of the message), …]}."""
    path = WRONG / f"wrong_{chapter}.py"
    assert path.is_file(), f"{path.name} is missing"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.WRONG


# --- the notebook -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_notebook_has_the_exercises_that_have_checks(chapter):
    asked = [n for c in cells(chapter) if "exercise" in tags(c) for n in checked(c)]
    assert asked == sorted(judge.exercises(chapter)), "once each, in order"
    assert asked == [f"{chapter}.{i}" for i in range(1, len(asked) + 1)]
    assert 3 <= len(asked) <= 6


@pytest.mark.parametrize("number", NUMBERS)
def test_an_exercise_has_card_stub_hint_and_solution(number):
    chapter = cells(of(number))
    (stub,), (solution,) = (tagged(of(number), tag, number) for tag in ("exercise", "solution"))
    assert stub < solution
    assert {"exercise", "nbval-ignore-output"} <= set(tags(chapter[stub]))
    assert {"solution", "hide-cell"} <= set(tags(chapter[solution]))
    before = "\n".join(c.source for c in chapter[:stub] if c.cell_type == "markdown")
    card = re.compile(CARD.format(re.escape(number)), re.M)
    assert card.search(before), f"no line **{number} · Name** ★★, 8 minutes. Task"
    between = "\n".join(c.source for c in chapter[stub:solution] if c.cell_type == "markdown")
    assert HINT.search(between), "no folded hint between stub and solution"


@pytest.mark.parametrize("number", NUMBERS)
def test_the_stub_is_not_right_and_the_solution_is(number):
    said = printed(of(number))
    assert said["exercise", number].startswith(f"{number} your turn: ")
    right = said["solution", number]
    assert right.startswith(f"{number} right: "), right
    (at,) = tagged(of(number), "solution", number)
    answer = checked(cells(of(number))[at])[number]
    # An answer that is no function (a word, a list of tries) has nothing to be tried on: one seed.
    value = isinstance(answer, ast.Constant) or judge.exercises(of(number))[number].seeds == 1
    assert value or re.search(r"on ([3-9]|\d\d+) random inputs$", right), "compare on at least three seeds"


# --- wrong answers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_exercise_has_a_wrong_answer(chapter):
    wrong = wrong_answers(chapter)
    assert set(wrong) == set(judge.exercises(chapter))
    assert all(wrong.values())


@pytest.mark.parametrize("number", NUMBERS)
def test_wrong_answers_are_named(number):
    for answer, fragment in wrong_answers(of(number))[number]:
        state, message = judge.judge(number, answer)
        name = getattr(answer, "__name__", answer)
        assert state == "not yet", f"{name}: {message}"
        assert fragment in message, f"{name}: {message}"
        assert "the check cannot use" not in message, f"{name}: {message}"
        assert len(fragment) >= 3


# --- a reader's wrong answer stops nothing ----------------------------------------------------------------

ANSWERS = ('return "nonsense"', "raise ValueError(1 / 0)", "return (1,, 2)  # not even Python")


def filled(chapter):
    """A chapter as a reader leaves it who wrote these lines into its stubs, in turn."""
    nb = notebooks.read(*notebooks.chapters([chapter]))
    for cell, body in zip((c for c in nb.cells if "exercise" in tags(c)), ANSWERS, strict=True):
        assert re.search(r"^ +\.\.\.$", cell.source, re.M), cell.source
        cell.source = re.sub(r"^( +)\.\.\.$", rf"\g<1>{body}", cell.source, count=1, flags=re.M)
    return nb


@pytest.mark.slow
def test_a_wrong_answer_stops_neither_run_all_nor_the_tests(tmp_path):
    path, nb = tmp_path / "00_filled.ipynb", filled("00")
    # the set-up, and everything from the exercises on: the rest does not read the reader's answers
    first = next(i for i, c in enumerate(nb.cells) if "exercise" in tags(c))
    nb.cells = [c for i, c in enumerate(nb.cells) if i >= first or {"setup", "remove-input"} & set(tags(c))]
    path.write_text(notebooks.to_json(nb), encoding="utf-8")
    done = nbval(tmp_path)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^\d+ passed", done.stdout, re.M), done.stdout
    notebooks.run(path)
    outputs = {
        tag: [c.outputs[0] for c in notebooks.read(path).cells if tag in tags(c)]
        for tag in ("exercise", "solution")
    }
    said = [out.get("text", out.get("ename")) for out in outputs["exercise"]]
    assert [re.search("not yet|SyntaxError", text).group() for text in said] == [
        *["not yet"] * 2,
        "SyntaxError",
    ]
    assert all(" right: " in out.text for out in outputs["solution"])
