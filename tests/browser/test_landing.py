"""The first page: its living picture can be stopped, read part by part, and leads to the chapters."""

import pytest
from browsing import Visit
from landing_road import written


@pytest.fixture
def visit(browser, site):
    visit = Visit(browser, site / "book" / "index.html")
    yield visit
    visit.close()


def moving(page) -> int:
    """How many things on the page move by themselves."""
    return page.evaluate("() => document.getAnimations().filter((a) => a.playState === 'running').length")


def test_the_light_runs_and_can_be_stopped(visit):
    page, button = visit.page, visit.page.locator(".network button")
    assert moving(page) >= 19
    button.press("Enter")
    assert moving(page) == 0
    assert button.inner_text() == "Let the light run"
    button.press("Enter")
    assert moving(page) >= 19


def test_who_wants_no_motion_gets_none(visit):
    visit.page.emulate_media(reduced_motion="reduce")
    visit.page.reload()
    assert moving(visit.page) == 0
    assert visit.page.locator(".network .wide .part").count() == 19


@pytest.mark.parametrize("width", [1280, 390])
def test_each_part_says_its_shape(visit, width):
    visit.look(width)
    parts = visit.page.locator(".network .part:visible")
    assert parts.count() == 19
    for index, words in ((1, "7,040 parameters"), (3, "80 × 80 × 256"), (16, "400 × 85")):
        parts.nth(index).focus()
        assert words in visit.page.locator(".network .says").inner_text()
    parts.nth(2).hover()
    assert "dark2" in visit.page.locator(".network .says").inner_text()


def test_parts_lead_to_the_chapters_that_are_written(visit):
    ways = "() => [...document.querySelectorAll('.wide a.part')].map((a) => a.getAttribute('href'))"
    links = visit.page.evaluate(ways)
    assert len(links) == 19 - visit.page.locator(".wide g.part").count()
    assert set(links) <= {f"{name}.html" for name in written().values()}
