"""The looks of browsing.py find the fault on a page that has it, and none on a page that has not."""

import pytest
from browsing import DESK, PAPER, PHONE, Visit, barriers, broken_links, clipped, sideways, unmoved

GOOD = """<!DOCTYPE html><html lang="en" data-theme="light"><head><title>A page</title>
<meta name="viewport" content="width=device-width"></head><body>
<main class="bd-article"><h1>A page</h1>{}</main></body></html>"""


@pytest.fixture
def visit(browser, tmp_path):
    """Write a page with this body, open it."""
    opened = []

    def open_page(body: str, theme: str = "light") -> Visit:
        path = tmp_path / "page.html"
        path.write_text(GOOD.format(body), encoding="utf-8")
        opened.append(Visit(browser, path, theme))
        return opened[-1]

    yield open_page
    for each in opened:
        each.close()


def test_a_good_page_has_no_fault(visit):
    seen = visit("<p>Words.</p>")
    for width in (DESK, PHONE):
        seen.look(width)
        assert sideways(seen.page) == clipped(seen.page) == barriers(seen.page) == []
    assert seen.troubles == []


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ('<img src="https://example.org/a.png" alt="">', "asked the network"),
        ("<script>fetch('https://example.org/a').catch(() => 0)</script>", "asked the network"),
        ('<img src="missing.png" alt="">', "request failed"),
        ("<script>console.warn('careful')</script>", "careful"),
        ("<script>console.error('oh')</script>", "oh"),
        ("<script>nowhere()</script>", "nowhere"),
    ],
)
def test_trouble_is_written_down(visit, body, word):
    assert any(word in trouble for trouble in visit(body).troubles)


def test_a_page_that_scrolls_sideways_is_seen(visit):
    seen = visit('<p id="wide" style="width: 600px">Words.</p>')
    assert sideways(seen.page) == []
    seen.look(PHONE)
    assert any("#wide" in line for line in sideways(seen.page))


def test_what_scrolls_inside_itself_is_no_fault(visit):
    seen = visit('<div style="overflow-x: auto"><p style="width: 600px">Words.</p></div>')
    seen.look(PHONE)
    assert sideways(seen.page) == []


@pytest.mark.parametrize("overflow", ["auto", "hidden", "visible"])
def test_a_figure_cut_off_on_paper_is_seen(visit, overflow):
    drawing = '<svg viewBox="0 0 900 9" width="900" height="9" role="img" aria-label="A line"></svg>'
    seen = visit(f'<div style="overflow-x: {overflow}">{drawing}</div>')
    seen.look(PAPER, media="print")
    assert any("svg" in line for line in clipped(seen.page))


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ('<p style="color: #bbb">Words.</p>', "color-contrast"),
        ('<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">', "image-alt"),
        ("<input>", "label"),
    ],
)
def test_a_barrier_is_found(visit, body, rule):
    assert any(rule in line for line in barriers(visit(body).page))


CONTROLS = {
    "range": '<label>x <input id="c" type="range" min="0" max="3" value="1"></label>',
    "number": '<label>x <input id="c" type="number" value="1"></label>',
    "select": '<label>x <select id="c"><option>1</option><option>2</option></select></label>',
    "radio": '<label><input type="radio" name="r" value="1" checked> 1</label>'
    '<label><input id="c" type="radio" name="r" value="2"> 2</label>',
    "checkbox": '<label><input id="c" type="checkbox" value="2"> x</label>',
    "button": '<button id="c" type="button" value="2">x</button>',
}
FIGURE = """<figure class="play"><form><div class="play-row">{control}<output id="o">0</output></div></form>
<svg viewBox="0 0 9 9" role="img" aria-label="A square"><rect id="r" width="1" height="1"/></svg></figure>
<script>for (const kind of ["input", "click"]) document.getElementById("c").addEventListener(kind, () => {{
  const o = document.getElementById("o"), r = document.getElementById("r");
  {what} }});</script>"""


@pytest.mark.parametrize("kind", CONTROLS)
def test_a_control_that_moves_its_figure(visit, kind):
    seen = visit(FIGURE.format(control=CONTROLS[kind], what='r.setAttribute("width", Math.random());'))
    assert unmoved(seen.page, seen.page.query_selector(".play")) == []


@pytest.mark.parametrize("kind", CONTROLS)
def test_a_control_that_only_tells_its_own_value_is_dead(visit, kind):
    seen = visit(FIGURE.format(control=CONTROLS[kind], what="o.value = Math.random();"))
    assert len(unmoved(seen.page, seen.page.query_selector(".play"))) == 1


def test_a_figure_without_controls_is_no_figure_to_play_with(visit):
    seen = visit('<figure class="play"><p>Words.</p></figure>')
    assert unmoved(seen.page, seen.page.query_selector(".play")) == [
        "it has no control that one can see and use"
    ]


def test_broken_links_are_found(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "a.html").write_text(
        '<a href="in/b.html#here">1</a> <a href="in/b.html#gone">2</a> <a href="c.html">3</a>'
        '<a href="https://example.org">4</a> <a id="top" href="#top">5</a> <a href="#no">6</a>'
    )
    (tmp_path / "in" / "b.html").write_text('<p id="here">Words.</p> <a href="../a.html?q=1#top">1</a>')
    assert broken_links(tmp_path) == [
        "a.html -> #no: no such place in it",
        "a.html -> c.html: no such file",
        "a.html -> in/b.html#gone: no such place in it",
    ]


def test_code_is_looked_at_with_its_colours_when_asked(visit):
    seen = visit('<div class="highlight"><pre><span style="color: #bbb">x = 1</span></pre></div>')
    assert barriers(seen.page) == []
    assert len(barriers(seen.page, ("color-contrast",), colours_of_code=True)) == 1
