"""The shape theatre: the published totals, the real model, the same numbers from Python and in a browser."""

import json
import re
import sys
from html import unescape

import notebooks
import pytest
import torch

from yolox_edu import build, viz
from yolox_edu.model import PRESETS
from yolox_edu.viz import theatre
from yolox_edu.viz.theatre import SIZES, itinerary, rows, says, stage, totals

sys.path.insert(0, str(notebooks.ROOT / "tests" / "browser"))
from browsing import PAPER, PHONE, Visit, barriers, chromium, clipped, sideways, unmoved

PAGE = notebooks.BOOK / "shape_theatre.ipynb"
# preset: parameters, convolution layers, side, GFLOPs of the convolutions; from the official code
PUBLISHED = {
    "nano": (912_159, 113, 416, 1.0451),
    "tiny": (5_055_855, 83, 416, 6.4125),
    "s": (8_968_255, 83, 640, 26.6855),
    "m": (25_326_495, 107, 640, 73.5303),
    "l": (54_208_895, 131, 640, 155.2927),
    "x": (99_071_455, 155, 640, 281.4098),
}
# L at 640, h w c of each stop: from a description of the official network, written by hand
STOPS = {
    "picture": (640, 640, 3),
    "Focus": (320, 320, 12),
    "stem |": (320, 320, 64),
    "dark2": (160, 160, 128),
    "C3": (80, 80, 256),
    "C4": (40, 40, 512),
    "C5": (20, 20, 1024),
    "lateral5": (20, 20, 512),
    "topdown4": (40, 40, 512),
    "reduced": (40, 40, 256),
    "P3": (80, 80, 256),
    "P4": (40, 40, 512),
    "P5": (20, 20, 1024),
    "stem of head.0": (80, 80, 256),
    "stem of head.1": (40, 40, 256),
    "stem of head.2": (20, 20, 256),
    "all predictions": (8400, 85),
}


def every(preset):
    return [row for part in rows(preset).values() for row in part]


# --- numbers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PUBLISHED)
def test_totals_are_the_published_ones(preset):
    parameters, convolutions, size, gflops = PUBLISHED[preset]
    assert PRESETS[preset].size == size
    counted, flops, predictions = totals(preset, size)
    assert counted == parameters
    assert flops / 1e9 == pytest.approx(gflops, rel=1e-4)
    assert predictions == {416: 3549, 640: 8400}[size]
    assert sum(row.macs > 0 for row in every(preset)) == convolutions


@pytest.mark.parametrize(
    ("preset", "size"), [*((preset, 416) for preset in PRESETS), ("l", 320), ("l", 640), ("nano", 640)]
)
def test_each_part_is_what_a_trace_at_that_size_finds(preset, size):
    with torch.device("meta"):
        layers = viz.trace(build(preset), (1, 3, size, size))
    assert list(rows(preset)) == [layer.name for layer in layers]
    for layer in layers:
        part = rows(preset)[layer.name]
        assert sum(row.parameters for row in part) == layer.parameters
        assert sum(row.flops(size) for row in part) == layer.flops
        last = part[-1]
        assert (last.output[1], last.field) == (layer.stride, layer.field)
        side = size // last.output[1]
        shapes = {(1, last.output[0], side, side), (1, side * side, last.output[0])}
        assert layer.output in shapes


@pytest.mark.parametrize("preset", PRESETS)
def test_every_layer_begins_where_an_earlier_one_ended(preset):
    known = {(3, 1)}
    for row in every(preset):
        assert set(row.inputs) <= known, row
        if row.kind == "join":
            assert row.output[0] == sum(channels for channels, _ in row.inputs)
            assert {stride for _, stride in row.inputs} == {row.output[1]}
        known.add(row.output)
    assert len({row.name for row in every(preset)}) == len(every(preset))


def test_shortcuts_are_noted_where_the_model_has_them():
    for preset in PRESETS:
        noted = [row.name for row in every(preset) if row.kind.endswith("+ input")]
        with torch.device("meta"):
            model = build(preset)
        assert len(noted) == sum(getattr(m, "shortcut", False) for m in model.modules())
        assert all(name.startswith(("dark2", "dark3", "dark4")) for name in noted)


# --- the page ---------------------------------------------------------------------------------------------


def output(kind, words):
    """The one output of this kind on the page that has these words in it."""
    found = [
        data[kind]
        for cell in notebooks.read(PAGE).cells
        for out in cell.get("outputs", [])
        if kind in (data := out.get("data", {})) and words in data[kind]
    ]
    assert len(found) == 1
    return found[0]


def test_the_page_is_small_and_shows_the_figure_as_it_is_now():
    assert PAGE.stat().st_size < 250_000
    assert output("text/html", 'id="shape-theatre"') == theatre.theatre("l", 640).html


def test_the_road_of_a_picture_has_the_right_shapes_and_leads_to_the_chapters():
    road = output("text/markdown", "| stop |")
    assert road == itinerary("l", 640)
    lines = road.replace("\N{NO-BREAK SPACE}", " ").splitlines()[2:]
    for words, shape in STOPS.items():
        (line,) = [line for line in lines if words in line]
        assert " × ".join(f"{n:,}" if len(shape) == 2 else str(n) for n in shape) in line
    for line in lines:
        links = re.findall(r"\[(\d\d)\]\((\S+)\)", line)
        assert links
        assert all(link.startswith(number) for number, link in links)
    linked = {link for _, link in re.findall(r"\[(\d\d)\]\((\S+)\)", road)}
    assert {link[:2] for link in linked} == {f"{i:02d}" for i in range(2, 11)}
    assert all((notebooks.BOOK / link).is_file() for link in linked)


# --- in a browser -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def visit(tmp_path_factory):
    """The figure on a page of its own, and nothing else."""
    path = chromium()
    if path is None:
        pytest.skip("no Chromium or Chrome here")
    from playwright.sync_api import sync_playwright

    page = tmp_path_factory.mktemp("theatre") / "page.html"
    html = output("text/html", 'id="shape-theatre"')
    page.write_text(
        f'<!DOCTYPE html><html lang="en"><head><title>A page</title><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"></head><body><main class="bd-article">'
        f"<h1>A page</h1>{html}</main></body></html>",
        encoding="utf-8",
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        seen = Visit(browser, page)
        yield seen
        seen.close()
        browser.close()


def choose(page, what, value):
    page.check(f'#shape-theatre label:text-is("{value}") input[name$="-{what}"]')


def text(html):
    """What is read in a piece of HTML, cell by cell."""
    words = re.sub(r"<wbr>", "", html)
    return [word for piece in re.split(r"<[^>]*>", words) if (word := unescape(piece).strip())]


@pytest.mark.parametrize("preset", PRESETS)
def test_the_script_writes_what_python_writes(visit, preset):
    page = visit.page
    visit.look()
    for size in SIZES:
        choose(page, "preset", preset)
        choose(page, "size", str(size))
        shown = page.evaluate("() => document.querySelector('.stage').innerHTML")
        assert text(shown) == text(stage(preset, size))
        shares = re.findall(r"--share: ?([\d.]+)%", shown)
        assert shares == re.findall(r"--share:([\d.]+)%", stage(preset, size))
        assert page.inner_text(".play-says") == says(preset, size)
    assert visit.troubles == []


def test_what_is_unfolded_stays_unfolded(visit):
    page = visit.page
    page.evaluate("() => { document.querySelector('[data-part=dark3]').open = true }")
    choose(page, "preset", "s")
    choose(page, "preset", "m")
    opened = "() => [...document.querySelectorAll('details[open]')].map((d) => d.dataset.part)"
    assert page.evaluate(opened) == ["dark3"]
    page.click("button")
    assert page.evaluate(opened) == list(rows("m"))
    page.wait_for_function("() => document.querySelector('button').textContent === 'fold all'")
    page.click("button")
    assert page.evaluate(opened) == []


def test_on_paper_everything_is_unfolded(visit):
    visit.look(PAPER, media="print")
    assert clipped(visit.page) == []
    assert visit.page.locator("td:visible").count() == 7 * len(every("m"))
    assert not visit.page.locator("button").is_visible()
    assert visit.page.inner_text(".play-words") == "preset: m · size: 640"
    visit.look()


@pytest.mark.parametrize("width", [1280, PHONE])
def test_it_can_be_used_by_everybody(visit, width):
    visit.look(width)
    visit.page.evaluate("() => document.querySelectorAll('details').forEach((d) => { d.open = true })")
    assert sideways(visit.page) == []
    assert barriers(visit.page) == []
    assert unmoved(visit.page, visit.page.query_selector(".play")) == []


def test_the_data_is_small():
    data = re.search(r'application/json">(.*?)</script>', output("text/html", 'id="shape-theatre"'), re.S)
    assert len(data.group(1)) < 80_000
    assert list(json.loads(data.group(1))["presets"]) == list(PRESETS)
