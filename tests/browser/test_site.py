"""Every page of the book in a real browser, from the disk, with the network cut, in light and dark.

The pages are those of _toc.yml and the search page. What is tested stands in browsing.py and looks.js;
test_looks.py proves that each of these looks can find fault.
"""

import pytest
from browsing import DESK, PAPER, PHONE, Visit, barriers, broken_links, clipped, sideways, unmoved
from build_site import toc_files

PAGES = [*toc_files(), "search"]
VIEWS = [(DESK, "light"), (DESK, "dark"), (PHONE, "light"), (PHONE, "dark")]


@pytest.fixture(scope="module", params=PAGES)
def visit(request, browser, site):
    """A page, loaded once for all tests of it; each test sets the width and theme that it needs."""
    visit = Visit(browser, site / f"{request.param}.html")
    yield visit
    visit.close()


def test_opens_without_a_network_and_without_complaint(visit):
    visit.page.wait_for_timeout(200)  # what a script does after loading
    assert visit.troubles == []
    broken = visit.page.evaluate(
        "() => [...document.images].filter((i) => !i.naturalWidth).map((i) => i.src)"
    )
    assert broken == []


def test_dark_opens_without_complaint(visit, browser):
    dark = Visit(browser, visit.page.url, theme="dark")
    try:
        assert dark.page.evaluate("() => document.documentElement.dataset.theme") == "dark"
        assert dark.troubles == []
    finally:
        dark.close()


@pytest.mark.parametrize(("width", "theme"), VIEWS)
def test_never_scrolls_sideways(visit, width, theme):
    visit.look(width, theme)
    assert sideways(visit.page) == []


@pytest.mark.parametrize(("width", "theme"), [(DESK, "light"), (DESK, "dark"), (PHONE, "dark")])
def test_axe_finds_no_serious_barrier(visit, width, theme):
    visit.look(width, theme)
    visit.page.wait_for_timeout(300)  # colours fade from one theme to the other
    assert barriers(visit.page) == []


def test_formulas_are_drawn(visit):
    formulas, drawn, faults = visit.page.evaluate(
        """() => [document.querySelectorAll(".bd-article .math").length,
                  document.querySelectorAll(".bd-article .math mjx-container svg").length,
                  [...document.querySelectorAll("[data-mjx-error], mjx-merror")].map((e) => e.textContent)]"""
    )
    assert drawn >= formulas
    assert faults == []


def test_nothing_is_cut_off_on_paper(visit):
    visit.look(PAPER, media="print")
    assert clipped(visit.page) == []


def test_every_control_moves_its_figure(visit):
    visit.look()
    for figure in visit.page.query_selector_all(".play"):
        figure.evaluate("figure => figure.scrollIntoView({block: 'nearest', behavior: 'instant'})")
        assert unmoved(visit.page, figure) == [], figure.get_attribute("id")
    assert visit.troubles == []


def test_the_site_was_built_without_complaint(built):
    assert built[1] == ""


def test_links_inside_the_site_lead_somewhere(site):
    assert broken_links(site) == []


def test_search_finds_a_word_without_a_network(browser, site):
    visit = Visit(browser, site / "book" / "index.html")
    try:
        page = visit.page
        page.keyboard.press("Control+k")
        page.keyboard.type("letterbox")
        page.keyboard.press("Enter")
        page.wait_for_selector("ul.search li .context", timeout=10_000)
        first = page.locator("ul.search li").first
        assert "letterbox" in first.inner_text().lower()
        first.locator("a").click()
        page.wait_for_load_state()
        assert "letterbox" in page.locator("article").inner_text().lower()
        assert visit.troubles == []
    finally:
        visit.close()


def test_launch_and_download_buttons_are_there(browser, site):
    visit = Visit(browser, site / "book" / "00_detect_in_a_minute.html")
    try:
        links = visit.page.evaluate(
            "() => [...document.querySelectorAll('.bd-header-article a')].map((a) => a.href)"
        )
        assert any("colab.research.google.com" in link for link in links)
        assert any(link.startswith("file:") and link.endswith(".ipynb") for link in links)
    finally:
        visit.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_code_can_be_read_in_both_themes(browser, site, theme):
    visit = Visit(browser, site / "book" / "00_detect_in_a_minute.html", theme)
    try:
        assert barriers(visit.page, ("color-contrast",), colours_of_code=True) == []
    finally:
        visit.close()
