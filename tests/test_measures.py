"""The measures of a chapter count what they say they count, and a poor chapter misses each of them."""

import measures
import nbformat.v4 as v4
import notebooks
import pytest

DRAWN = {"text/html": '<svg viewBox="0 0 1 1" role="img" aria-label="a"></svg>', "text/plain": "Drawing"}


def code(source, *tags, data=None):
    """A code cell, with one output if there is data for it."""
    out = [v4.new_output("display_data", data)] if data else []
    return v4.new_code_cell(source, metadata={"tags": list(tags)}, outputs=out)


def measured(tmp_path, *cells):
    """The measures of a notebook made of these cells."""
    path = tmp_path / "99_made.ipynb"
    path.write_text(notebooks.to_json(v4.new_notebook(cells=list(cells))), encoding="utf-8")
    return measures.measure(path)


@pytest.mark.parametrize(
    ("prose", "count"),
    [
        ("One two-three, don't.", 3),
        ("a [link here](https://example.org/x) and `code here` and {cite}`key2021`", 5),
        ("$a + b$ is a sum\n\n$$\nx y z\n$$\n", 3),
        ("```{admonition} Hint\n:class: dropdown\nLook twice.\n```", 2),
        ("```python\nimport this\n```\nafter", 1),
        ("| **A** | 640 × 640 |\n|---|---|", 3),
    ],
)
def test_words(prose, count):
    assert measures.words(prose) == count


@pytest.mark.parametrize(
    "source",
    [
        "x = f(y)  # n 3 h w",
        "x = f(y)  # 1 3 320 320 -> 1 64 160 160",
        "p = [l for l in m]  # n 5+k h w",
        "w = a.sum(-1)  # h w, the mean of all channels",
        "print(tuple(x.shape))",
        "viz.table(layers)",
        'def f(x: Float[Tensor, "n c h w"]): ...',
    ],
)
def test_what_shows_a_shape(source):
    assert measures.SHAPE.search(source)


@pytest.mark.parametrize("source", ["x = 3  # three of them", "# a shape", "y = f(2, 3)", "n = 4  # 640 px"])
def test_what_shows_none(source):
    assert not measures.SHAPE.search(source)


def test_cells_figures_and_shares(tmp_path):
    m = measured(
        tmp_path,
        code(notebooks.COLAB_LINE, "remove-cell"),
        code('viz.network_map("stem")', "remove-input", data=DRAWN),
        code("a\n\nb\nc", data={"image/png": "AAAA"}),
        code("assert x", data=DRAWN),
        code("x.shape\ncheck('99.1', f)", data={"text/html": '<div class="play wide" id="p"></div>'}),
        v4.new_markdown_cell("```{figure} a.png\n:alt: b\nA caption\n```"),
    )
    assert (m.cells, m.median, m.p90, m.figures, m.words) == (3, 2, 3, 4, 2)
    assert (m.shapes, m.checks) == (1 / 3, 2 / 3)


def test_a_poor_chapter_misses_every_measure(tmp_path):
    long = [code("\n".join(f"x{i} = {i}" for i in range(21))) for _ in range(3)]
    short = measured(tmp_path, v4.new_markdown_cell("Two words."), *long)
    assert len(short.misses()) == 8
    wordy = measured(tmp_path, v4.new_markdown_cell("word " * 100_001), *long)
    assert any("100,001 words, 1,500" in m for m in wordy.misses())
    assert any("KB, less than 500 wanted" in m for m in wordy.misses())
    assert wordy.name in measures.table([short, wordy])
