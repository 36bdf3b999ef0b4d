"""What `build_site.py check` finds: missing, old and large pages, and requests to other machines."""

import build_site
import pytest


def test_a_missing_page_is_found(tmp_path):
    missing = build_site.check(html=tmp_path)
    assert sum("no page was built for" in f for f in missing) == len(build_site.toc_files())
    for page in build_site.toc_files():
        (tmp_path / page).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{page}.html").write_text("<p>here</p>")
    (tmp_path / "index.html").write_text("")
    assert build_site.check(html=tmp_path) == []
    assert len(build_site.check(4e9, tmp_path)) == len(build_site.toc_files())
    (tmp_path / f"{build_site.toc_files()[1]}.html").write_text("x" * (build_site.MAX_PAGE + 1))
    assert [f for f in build_site.check(html=tmp_path) if "at most" in f]


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ('<script src="https://cdn.example/x.js"></script>', 1),
        ('<script defer="defer" src="//cdn.example/x.js"></script>', 1),
        ('<link href="https://cdn.example/x.css" rel="stylesheet">', 1),
        ('<link rel="preload" as="font" href="https://cdn.example/x.woff2">', 1),
        ('<img alt="a" src="http://example.org/a.png">', 1),
        ("<style>@import url('https://fonts.example/css');</style>", 1),
        ('<a href="https://example.org">a link asks for nothing</a>', 0),
        ('<link rel="canonical" href="https://example.org/here.html">', 0),
        ('<script src="../_static/vendor/mathjax.js"></script><p>see https://example.org</p>', 0),
    ],
)
def test_requests_to_other_machines_are_found(tmp_path, text, asks):
    (tmp_path / "page.html").write_text(text)
    assert len(build_site.outside_requests(tmp_path)) == asks


def test_requests_from_style_sheets_are_found(tmp_path):
    (tmp_path / "a.css").write_text(
        "/* url(https://no) */ b { background: url('https://cdn.example/x.png') }"
    )
    assert len(build_site.outside_requests(tmp_path)) == 1


def test_the_site_if_built_needs_no_network():
    if not build_site.HTML.is_dir():
        pytest.skip("no site built here yet: make book")
    assert build_site.outside_requests(build_site.HTML) == []
