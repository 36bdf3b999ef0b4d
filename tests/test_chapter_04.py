"""What chapter 04 draws and says of CBS, against torch and the model; the sliding kernel in a browser."""

import re
import shutil
from html import unescape

import notebooks
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from yolox_edu import build
from yolox_edu.blocks import CBS, DepthwiseCBS
from yolox_edu.viz.ch04 import SLOPES, VALUES, activation
from yolox_edu.viz.kernel import PADDINGS, STRIDES, sentence, sliding, window
from yolox_edu.weights import load

CHAPTER = notebooks.BOOK / "04_cbs.ipynb"
KERNEL = [[-1, 0, 1]] * 3
HOUSE = [[int(d) for d in line] for line in (
    "00000000", "00011000", "00122100", "01233210", "00333300", "00311300", "00311300", "22222222",
)]  # fmt: skip


def outputs():
    """All outputs of the chapter."""
    return [out for cell in notebooks.read(CHAPTER).cells for out in cell.get("outputs", [])]


def html_with(words):
    """The one HTML output of the chapter that has these words in it."""
    found = [h for out in outputs() if words in (h := out.get("data", {}).get("text/html", ""))]
    assert len(found) == 1
    return found[0]


def convolved(stride, padding):
    """What torch makes of the house: rows of whole numbers."""
    house, kernel = (torch.tensor(grid, dtype=torch.float32)[None, None] for grid in (HOUSE, KERNEL))
    return F.conv2d(house, kernel, stride=stride, padding=padding)[0, 0].int().tolist()


# --- numbers and drawings ---------------------------------------------------------------------------------


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("padding", PADDINGS)
def test_the_window_adds_up_as_torch_does(stride, padding):
    wanted = convolved(stride, padding)
    at = window(HOUSE, KERNEL, stride, padding, 0, 0)
    assert at.size == len(wanted)
    made = [
        [window(HOUSE, KERNEL, stride, padding, r, c).total for c in range(at.size)] for r in range(at.size)
    ]
    assert made == wanted
    last = (at.size - 1) * stride + 3  # the first row of the padded picture that no window reaches
    assert at.over == 8 + 2 * padding - last


def test_the_committed_figure_slides_over_the_house():
    assert html_with('id="play-04-kernel"') == sliding(HOUSE, KERNEL).html


@pytest.mark.parametrize("x", [-5.0, -1.25, 0.0, 0.25, 4.0])
def test_the_activations_are_those_of_torch(x):
    t = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    for name, f in {"SiLU": F.silu, "ReLU": F.relu}.items():
        value = f(t)
        (slope,) = torch.autograd.grad(value, t)
        assert VALUES[name](x) == pytest.approx(value.item())
        assert SLOPES[name](x) == pytest.approx(slope.item())
    assert activation(x).alt in unescape(html_with('id="play-04-silu"'))


def test_all_but_nine_convolutions_are_bricks():
    large = build("l")
    bricks, convolutions = (sum(isinstance(m, c) for m in large.modules()) for c in (CBS, nn.Conv2d))
    assert (bricks, convolutions - bricks) == (122, 9)
    assert any(f"{bricks} CBS, " in out.get("text", "") for out in outputs())


def test_the_table_counts_the_real_block():
    table = re.sub(r"<[^>]+>", " ", html_with("DepthwiseCBS(64, 128, 3), traced"))
    parameters = sum(p.numel() for p in DepthwiseCBS(64, 128, 3).parameters())
    assert f" {parameters:,} " in table


def test_half_is_forgotten_after_23_steps_and_all_but_a_hundredth_after_152():
    assert 0.97**23 < 0.5 < 0.97**22
    assert 0.97**152 < 0.01 < 0.97**151


def test_notes_heal_by_looking_whatever_they_were(one_thread):
    pictures = torch.rand(2, 3, 64, 64)
    model = load("crossing").requires_grad_(False)
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    ends = []
    for start in (0.0, 5.0):
        for norm in norms:
            norm.reset_running_stats()
            norm.running_mean += start
        model.train()
        for _ in range(60):
            model.raw(pictures)
        ends.append(torch.cat([norm.running_mean for norm in norms]))
    assert (ends[0] - ends[1]).abs().max() < 1.1 * 5 * 0.97**60


# --- in a browser -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The figure alone on a page, in headless Chromium; at the end nothing may have gone wrong in it."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not (chromium := shutil.which("chromium") or shutil.which("google-chrome")):
        pytest.skip("no Chromium here")
    file = tmp_path_factory.mktemp("figure") / "page.html"
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>A kernel</title>'
    body = f"<body><main><h1>A kernel</h1>{sliding(HOUSE, KERNEL).html}</main></body></html>"
    file.write_text(head + body, encoding="utf-8")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page, wrong = browser.new_page(viewport={"width": 390, "height": 1200}), []
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(file.as_uri())
        yield page
        browser.close()
    assert wrong == []


def put(page, stride, padding, row, column):
    """Move all four controls."""
    page.locator(f"input[data-of=stride][value='{stride}']").check()
    page.locator(f"input[data-of=padding][value='{padding}']").check()
    page.locator("input[data-of=row]").fill(str(row))
    page.locator("input[data-of=column]").fill(str(column))


def numbers(page):
    """The output as the page shows it, rows of whole numbers."""
    cells = page.locator("[data-is=out] > g:not([visibility=hidden])").evaluate_all(
        "all => all.map(g => [...g.dataset.at.split(' '), g.textContent.replace('−', '-')].map(Number))"
    )
    size = max(r for r, _, _ in cells) + 1
    values = {(r, c): value for r, c, value in cells}
    return [[values[r, c] for c in range(size)] for r in range(size)]


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("padding", PADDINGS)
def test_the_script_says_what_torch_says(page, stride, padding):
    put(page, stride, padding, 0, 0)
    wanted = convolved(stride, padding)
    assert numbers(page) == wanted
    for row, column in ((0, 0), (1, 2 % len(wanted)), (len(wanted) - 1,) * 2):
        put(page, stride, padding, row, column)
        at = window(HOUSE, KERNEL, stride, padding, row, column)
        assert page.locator(".play-says").inner_text() == sentence(at, 8, stride, padding)
        total = page.locator("[data-is=total]").inner_text()
        assert total.endswith(f" = {wanted[row][column]}".replace("-", "−"))
        for i, (words, _) in enumerate(at.rows):
            assert page.locator(f"[data-is=row{i}]").inner_text().startswith(f"{words} = ")


def test_a_smaller_output_pulls_the_place_inside(page):
    put(page, 1, 1, 7, 7)
    page.locator("input[data-of=stride][value='3']").check()
    assert page.locator("input[data-of=row]").input_value() == "2"
    assert page.locator(".play-says").inner_text() == sentence(window(HOUSE, KERNEL, 3, 1, 2, 2), 8, 3, 1)


def test_a_click_on_the_output_chooses_it(page):
    put(page, 2, 1, 0, 0)
    page.locator("[data-at='3 2']").click()
    assert page.locator("input[data-of=row]").input_value() == "3"
    assert page.locator("input[data-of=column]").input_value() == "2"


def test_the_start_is_the_same_with_and_without_the_script(page):
    page.reload()
    before = re.search(r'<p class="play-says"[^>]*>(.*?)</p>', sliding(HOUSE, KERNEL).html).group(1)
    assert page.locator(".play-says").inner_text() == before
    assert numbers(page) == convolved(2, 1)


def test_axe_finds_nothing_serious(page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    found = axe.Axe().run(page).response["violations"]
    assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []
