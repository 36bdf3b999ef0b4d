"""Building and mending the site: what build_site.py refuses and what finish_site.py changes."""

import base64

import pytest
from build_site import outside_requests, toc_files
from finish_site import finish_page, inline_fonts, number_captions, plain


def test_pages_of_the_contents_in_order(tmp_path):
    toc = tmp_path / "_toc.yml"
    toc.write_text("root: a\nparts:\n- chapters:\n  - file: b\n    sections:\n    - file: c\n  - file: d\n")
    assert toc_files(toc) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    "part",
    [
        '<script src="https://example.org/a.js"></script>',
        '<img alt="" src="//example.org/a.png">',
        '<link rel="stylesheet" href="https://example.org/a.css">',
        "<style>@import url(https://example.org/a.css);</style>",
        "<style>p { background: url('https://example.org/a.png') }</style>",
    ],
)
def test_a_page_that_asks_another_machine_is_found(tmp_path, part):
    (tmp_path / "a.html").write_text(f'{part}<a href="https://example.org">a link asks for nothing</a>')
    assert len(outside_requests(tmp_path)) == 1


def test_fonts_move_into_the_style_sheet(tmp_path):
    (tmp_path / "new.woff2").write_bytes(b"font")
    sheet = tmp_path / "a.css"
    sheet.write_text(
        '@font-face{font-family:"Font Awesome 6 Free";src:url(new.woff2) format("woff2"),url(new.ttf)}'
        "@font-face{font-family:FontAwesome;src:url(new.woff2)}p{color:red}"
    )
    assert inline_fonts(sheet) == 1
    inside = f'src:url(data:font/woff2;base64,{base64.b64encode(b"font").decode()}) format("woff2")'
    assert sheet.read_text() == f'@font-face{{font-family:"Font Awesome 6 Free";{inside}}}p{{color:red}}'
    assert inline_fonts(sheet) == 0


SCRIPTS = "".join(f'<script src="../_static/vendor/{n}.js"></script>\n' for n in ("require", "embed-amd"))
WIDGET = '<script type="application/vnd.jupyter.widget-view+json">{}</script>'


def cell(tags: str, output: str = "") -> str:
    """A cell as the site has it."""
    folded = "<details><summary>\n<p>Show the code</p>\n<p>Hide the code</p></summary>"
    source = '<div class="cell_input docutils container">x</div></details>'
    return f'<div class="cell {tags} docutils container">\n{folded}{source}{output}</div>'


def test_a_live_cell_loses_its_dead_widget_and_others_keep_theirs():
    output = (
        f'<div class="cell_output docutils container"><div class="output"><div>{WIDGET}</div></div></div>'
    )
    page = finish_page(SCRIPTS + cell("tag_live tag_x", output) + "<p>after</p>")
    assert "cell_output" not in page
    assert "vendor/" not in page
    assert page.endswith("</details></div><p>after</p>")
    kept = finish_page(SCRIPTS + cell("tag_x", output))
    assert "cell_output" in kept
    assert kept.count("vendor/") == 2


def test_solutions_are_called_so():
    page = finish_page(cell("tag_hide-input") + cell("tag_hide-cell tag_solution") + cell("tag_hide-input"))
    assert page.count("Show the solution") == page.count("Hide the solution") == 1
    assert page.index("Show the code") < page.index("Show the solution") < page.rindex("Show the code")


def test_mending_twice_is_mending_once():
    page = (
        '<title>A &#8212; A</title><summary aria-label="Toggle hidden content"></summary>'
        '<script>const THEBE_JS_URL = "https://x"</script>\n' + cell("tag_hide-cell tag_solution")
    )
    once = finish_page(page)
    assert once != page
    assert finish_page(once) == once


def figure(name: str, number: str) -> str:
    """A figure with its caption as the site has it, and a figure to play with inside."""
    caption = f'<figcaption><span class="caption-number">{number} </span></figcaption>'
    inner = '<figure class="play" id="play-x"></figure>'
    return f'<figure class="align-default" id="{name}">{inner}{caption}</figure>'


def test_figures_are_counted_by_chapter():
    def refer(page, name, number):
        span = f'<span class="std std-numref">{number}</span>'
        return f'<a class="reference internal" href="{page}#{name}">{span}</a>'

    pages = {
        "book/00_a.html": figure("f1", "Fig. 1") + figure("f2", "Fig. 2"),
        "book/03_b.html": figure("f3", "Fig. 3")
        + refer("", "f3", "Fig. 3")
        + refer("00_a.html", "f2", "Fig. 2"),
        "book/more.html": figure("f4", "Fig. 4"),
    }
    counted = number_captions(pages)
    assert counted == {
        "book/00_a.html": figure("f1", "Fig. 00.1") + figure("f2", "Fig. 00.2"),
        "book/03_b.html": figure("f3", "Fig. 03.1")
        + refer("", "f3", "Fig. 03.1")
        + refer("00_a.html", "f2", "Fig. 00.2"),
        "book/more.html": figure("f4", "Fig. 1"),
    }
    assert number_captions(counted) == counted


def test_the_text_for_the_search_page_keeps_the_sections():
    page = (
        '<body>menu<article><section id="a"><h1>One<a class="headerlink">#</a></h1><p>1 &lt; 2</p>'
        '<section id="b"><p>Two</p><svg><text>3</text></svg></section></section>'
        '<dl><dt id="term-box">box</dt><dd>Four numbers.</dd></dl></article></body>'
    )
    inside = '<div id="a">One1 &lt; 2<div id="b">Two</div></div><div id="term-box">box Four numbers.</div>'
    inside += "Four numbers."
    assert plain(page) == f'<main role="main">{inside}</main>'
