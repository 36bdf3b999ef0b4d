"""The chapters as they lie in git, the tools that keep them so, and proof that each guard can fail."""

import re
import subprocess
import sys
from pathlib import Path

import build_site
import guards
import measures
import nbformat.v4 as v4
import notebooks
import pytest
from nbformat import from_dict
from nbval_run import nbval
from tidying import WIDGET

CHAPTERS = notebooks.chapters()


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_a_chapter_is_ready(path):
    assert notebooks.faults(path) == []


def test_chapters_meet_the_measures(capsys):
    measured = [measures.measure(path) for path in CHAPTERS if path.name[:2].isdecimal()]
    with capsys.disabled():
        print(f"\n{measures.table(measured)}")
    misses = [miss for m in measured for miss in m.misses()]
    assert not misses, "\n".join(misses)


def test_every_notebook_is_a_page_of_the_book():
    pages = build_site.toc_files()
    assert sorted(p.stem for p in CHAPTERS) == sorted(Path(f).name for f in pages if _is_notebook(f))
    for page in pages:
        assert any((notebooks.ROOT / f"{page}{suffix}").is_file() for suffix in (".ipynb", ".md")), page


def _is_notebook(page):
    return (notebooks.ROOT / f"{page}.ipynb").is_file()


# --- the guards can fail ----------------------------------------------------------------------------------


def picture(**metadata):
    """A code cell that shows a picture."""
    data = {"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>"}
    return v4.new_code_cell("plt.show()", metadata=metadata, outputs=[v4.new_output("display_data", data)])


def html(text):
    """A code cell whose output is HTML."""
    return v4.new_code_cell("show()", outputs=[v4.new_output("display_data", {"text/html": text})])


def stream(name, text):
    """A code cell that prints."""
    return v4.new_code_cell("f()", outputs=[v4.new_output("stream", name=name, text=text)])


def error(*tags):
    """A code cell that raises."""
    out = v4.new_output("error", ename="ValueError", evalue="no", traceback=["ValueError: no"])
    return v4.new_code_cell("f()", metadata={"tags": list(tags)} if tags else {}, outputs=[out])


def said(text, *tags, source='check("99.1", f)'):
    """A code cell with these tags that prints one line."""
    out = v4.new_output("stream", name="stdout", text=f"{text}\n")
    return v4.new_code_cell(source, metadata={"tags": list(tags)} if tags else {}, outputs=[out])


def widget(*tags):
    """A code cell that shows a live widget."""
    data = {WIDGET: {"model_id": "1"}, "text/plain": "interactive(…)"}
    shown = v4.new_output("display_data", data)
    return v4.new_code_cell("live()", metadata={"tags": list(tags)} if tags else {}, outputs=[shown])


def notebook(*cells):
    """A chapter that is ready, and these cells after its title; counted from top to bottom, tidied."""
    first = v4.new_code_cell(notebooks.COLAB_LINE, metadata={"tags": ["remove-cell"]})
    nb = v4.new_notebook(cells=[first, v4.new_markdown_cell("# 99 · A title"), *cells])
    for count, cell in enumerate((c for c in nb.cells if c.cell_type == "code"), start=1):
        cell.execution_count = count
    return notebooks.tidy(nb)


def faults(tmp_path, nb):
    """The faults of a notebook once it is written to a file as it is."""
    path = tmp_path / "99_made_for_a_test.ipynb"
    path.write_text(notebooks.to_json(nb), encoding="utf-8")
    return notebooks.faults(path)


ALT = {"mystnb": {"image": {"alt": "A street with three boxes"}}}
GOOD = {
    "text": v4.new_markdown_cell(
        "One, two: $a/b$, ![a car](../data/sample/car.png), https://example.org/home/x"
    ),
    "print": stream("stdout", "torch.Size([1, 3, 416, 416])\n"),
    "picture": picture(**ALT),
    "expected error": error("raises-exception"),
    "drawing": html(
        '<svg viewBox="0 0 1 1" role="img" aria-label="a grid"></svg><img src="x.png" alt="a box">'
    ),
    "figure": v4.new_markdown_cell("```{figure} a.png\n:alt: the map\nThe map\n```"),
    "stub": said("99.1 your turn: f returns nothing yet", "exercise"),
    "solution": said("99.1 right: the same, on 5 random inputs", "solution"),
    "live": widget("live"),
    "time, not compared": said("it took 12.3 ms", "nbval-ignore-output", source="f()"),
    "no time": said("[1, 2] sides of 3 samples, 100 msgs", source="f()"),
}
BAD = {
    "stderr": (stream("stderr", "Warning: slow\n"), "prints to stderr"),
    "error": (error(), "raises ValueError without the tag"),
    "no alt": (picture(), "picture without alt text"),
    "empty alt": (picture(mystnb={"image": {"alt": " "}}), "picture without alt text"),
    "markdown alt": (v4.new_markdown_cell("![](a.png)"), "picture without alt text"),
    "html alt": (html('<img src="a.png">'), "picture without alt text"),
    "html empty alt": (v4.new_markdown_cell('<img alt="" src="a.png">'), "picture without alt text"),
    "svg": (html('<svg viewBox="0 0 1 1"></svg>'), "drawing without aria-label"),
    "directive": (v4.new_markdown_cell("```{figure} a.png\nThe map\n```"), "figure directive without :alt:"),
    "path in text": (v4.new_markdown_cell("See /home/" + "me/x.png"), "absolute path"),
    "path in code": (v4.new_code_cell('open("/tmp/' + 'x.png")'), "absolute path"),
    "path in output": (stream("stdout", "saved /Users/" + "me/x.png\n"), "absolute path"),
    "windows path": (stream("stdout", "C:\\Users" + "\\me\n"), "absolute path"),
    "size": (stream("stdout", "x" * (guards.MAX_BYTES + 1)), "bytes, more than"),
    "empty": (v4.new_code_cell(""), "empty code cell"),
    "long line": (v4.new_code_cell("x = " + "1 + " * 20 + "1"), "the page shows 80"),
    "semicolon": (v4.new_code_cell("plt.plot(x);"), "ends with ';'"),
    "star": (v4.new_code_cell("from yolox_edu.boxes import *"), "import *"),
    "time": (said("it took 12.3 ms", source="f()"), "prints a time (12.3 ms)"),
    "widget": (widget(), "tag the cell `live`"),
    "stub without check": (said("your turn", "exercise", source="f()"), "exercise without a line check("),
    "stub solved": (said("99.1 right: the same", "exercise"), "a stub must print 'your turn'"),
    "stub failing": (error("exercise"), "exercise without a line check("),
    "solution wrong": (said("99.1 not yet: the shape is", "solution"), "1 checks, but 0 printed 'right'"),
    "check outside": (said("99.1 your turn: f returns nothing yet"), "1 checks, but 0 printed 'right'"),
    "two checks": (
        said("99.1 right: x", "solution", source='check("99.1", f)\ncheck("99.2", g)'),
        "2 checks, but 1 printed",
    ),
    "magic": (v4.new_code_cell("# NBVAL_" + "SKIP\nf()"), "magic comment"),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_cell_passes(tmp_path, name):
    assert faults(tmp_path, notebook(GOOD[name])) == []


@pytest.mark.parametrize("name", BAD)
def test_a_fault_in_a_cell_is_found(tmp_path, name):
    cell, message = BAD[name]
    found = faults(tmp_path, notebook(cell))
    assert len(found) == 1
    assert message in found[0]


def changed(change):
    """A good chapter after one change to the notebook itself."""
    nb = notebook(v4.new_code_cell("1"), v4.new_code_cell("2"))
    change(nb)
    return nb


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda nb: nb.cells[2].update(execution_count=None), "execution count None"),
        (lambda nb: nb.cells[2].update(execution_count=3), "execution count 3, should be 2"),
        (lambda nb: nb.cells.insert(0, nb.cells.pop(1)), "the first cell is not COLAB_LINE"),
        (lambda nb: nb.cells[0].metadata.pop("tags"), "with the tag remove-cell"),
        (lambda nb: nb.metadata.update(widgets={}), "not tidy"),
        (lambda nb: nb.cells[2].metadata.update(execution={"iopub.status.busy": "2026"}), "not tidy"),
        (lambda nb: nb.cells[2].update(id="12345678"), "not tidy"),
    ],
)
def test_a_fault_of_the_file_is_found(tmp_path, change, message):
    found = faults(tmp_path, changed(change))
    assert any(message in f for f in found), found


def test_a_missing_title_is_found(tmp_path):
    nb = notebook()
    nb.cells[1].source = "no title"
    assert any("does not start with a title" in f for f in faults(tmp_path, notebooks.tidy(nb)))


# --- the tools --------------------------------------------------------------------------------------------


def test_tidy_twice_is_tidy_once():
    split = v4.new_code_cell(
        "f()", outputs=[v4.new_output("stream", name="stdout", text=t) for t in ("a\n", "b\n")]
    )
    same = [v4.new_code_cell("x"), v4.new_code_cell("x")]
    once = notebook(split, picture(**ALT), *same)
    assert notebooks.to_json(notebooks.tidy(once)) == notebooks.to_json(once)
    assert [o.text for o in once.cells[2].outputs] == ["a\nb\n"]
    assert len({c.id for c in once.cells}) == len(once.cells)


def test_tidy_adds_the_tags_that_others_imply():
    cells = [v4.new_code_cell("f()", metadata={"tags": [tag]}) for tag in ("exercise", "solution", "live")]
    stub, solution, live = notebook(*cells).cells[2:]
    assert stub.metadata["tags"] == ["exercise", "nbval-ignore-output", "raises-exception"]
    assert solution.metadata["tags"] == ["solution", "hide-cell"]
    assert live.metadata["tags"] == ["live", "nbval-ignore-output"]


def test_tidy_drops_what_a_live_widget_showed():
    assert notebook(widget("live")).cells[2].outputs == []
    assert len(notebook(widget()).cells[2].outputs) == 1


def test_the_colab_line_is_silent_and_fetches_nothing_that_is_there():
    code = f"get_ipython = None\n{notebooks.COLAB_LINE}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
def test_running_in_place_tidies_and_prints_no_path(tmp_path):
    path = tmp_path / "99_run.ipynb"
    nb = notebook(v4.new_code_cell("x = 20\nx + 1"))
    nb.cells[2].execution_count = None
    path.write_text(notebooks.to_json(nb))
    notebooks.run(path)
    assert notebooks.faults(path) == []
    assert notebooks.read(path).cells[2].outputs[0].data["text/plain"] == "21"


@pytest.mark.slow
def test_outputs_are_compared_strictly_except_in_the_lax_chapters(tmp_path):
    wrong = v4.new_code_cell("1 + 1", outputs=[v4.new_output("execute_result", {"text/plain": "3"})])
    tagged = from_dict({**wrong, "metadata": {"tags": ["nbval-check-output"]}})
    cells = {"15_strict": wrong, "16_lax": wrong, "16_tagged": tagged}
    cells |= {f"14_{word}": inline(word) for word in ("same", "other")}
    for name, cell in cells.items():
        (tmp_path / f"{name}.ipynb").write_text(notebooks.to_json(notebook(cell)))
    done = nbval(tmp_path)
    failed = set(re.findall(r"^FAILED (\S+)\.ipynb", done.stdout, re.M))
    assert {Path(f).name for f in failed} == {"14_other", "15_strict", "16_tagged"}, done.stdout


def inline(word):
    """A cell whose picture inside HTML has other bytes when it is run; its words are the same or not."""
    html = '<img alt="{}" src="data:image/png;base64,{}">'
    code = f"from IPython.display import HTML\nHTML('{html.format('same', 'BBBB')}')"
    data = {"text/html": html.format(word, "AAAA"), "text/plain": "<IPython.core.display.HTML object>"}
    return v4.new_code_cell(code, outputs=[v4.new_output("execute_result", data)])


@pytest.mark.slow
def test_diff_shows_changed_lines_and_names_changed_pictures(tmp_path, monkeypatch, capsys):
    cells = [
        said("one\ntwo", source='print("one\\nTWO")'),
        from_dict({**picture(**ALT), "source": 'from PIL import Image\nImage.new("L", (2, 2))'}),
        said("3", "nbval-ignore-output", source="print(4)"),
        inline("same"),
    ]
    path = tmp_path / "99_changed.ipynb"
    path.write_text(notebooks.to_json(notebook(*cells)))
    monkeypatch.setattr(notebooks, "chapters", lambda names: [path])
    before = path.read_bytes()
    assert notebooks.main(["diff", "99"]) == 1
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line in ("-one", "-two", "+TWO", "-3", "+4")] == [
        "-two",
        "+TWO",
    ]
    assert re.findall(r"cell (\d+): the picture's bytes differ", out) == ["3", "5"]
    assert path.read_bytes() == before
