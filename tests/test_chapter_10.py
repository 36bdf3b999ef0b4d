"""What chapter 10 shows is what the package computes, also where JavaScript decodes."""

import random
import re
import shutil
from itertools import pairwise

import notebooks
import pytest
import torch

from yolox_edu import build, decode
from yolox_edu.boxes import cxcywh_to_xyxy, decode_boxes, grid
from yolox_edu.data.crossing import Crossing
from yolox_edu.viz.decoding import NAME, decoding
from yolox_edu.weights import load

CHAPTER = notebooks.BOOK / "10_anchor_free.ipynb"
SIZE = (320, 320)
RAW = ("x", "y", "w", "h")


@pytest.fixture(scope="module")
def streets():
    """The chapter's 24 pictures, the trained network's raw numbers and scores."""
    source = Crossing.split("val", 24)
    pictures = [picture for picture, _ in source]
    batch = torch.stack([torch.from_numpy(p).permute(2, 0, 1) for p in pictures]).float() / 255
    with torch.inference_mode():
        raw = load("crossing").eval().raw(batch)
    return pictures, raw, decode(raw, SIZE)[1].amax(dim=-1)


def printed():
    """All that the chapter's cells print."""
    outputs = [out for cell in notebooks.read(CHAPTER).cells for out in cell.get("outputs", [])]
    return "".join(out.get("text", "") for out in outputs)


def html_with(words):
    """The one HTML output of the chapter that has these words in it."""
    found = [
        html
        for cell in notebooks.read(CHAPTER).cells
        for out in cell.get("outputs", [])
        if words in (html := out.get("data", {}).get("text/html", ""))
    ]
    assert len(found) == 1
    return found[0]


# --- what the text says -----------------------------------------------------------------------------------


def test_most_sure_cells_speak_of_a_neighbour(streets):
    _, raw, best = streets
    offset = raw[best >= 0.25][:, :2]
    own = ((offset >= 0) & (offset < 1)).all(dim=1).float().mean()
    assert 1 / 8 < own < 1 / 6  # "about one in seven"
    assert ((offset > -1) & (offset < 2)).all(dim=1).float().mean() > 0.98  # "next to nothing"
    each = [
        ((offset.floor() == torch.tensor([c, r])).all(dim=1)).float().mean()
        for r in (-1, 0, 1)
        for c in (-1, 0, 1)
    ]
    assert max(each) < 2.2 * min(each)  # "almost evenly"


def test_the_table_of_neighbours_is_the_networks(streets):
    _, raw, best = streets
    column, row = raw[best >= 0.25][:, :2].floor().clamp(-2, 2).T
    share = [
        100 * ((column == c) & (row == r)).float().mean().item() for r in range(-2, 3) for c in range(-2, 3)
    ]
    cells = re.findall(r'text-anchor="middle">(\d+)</text>', html_with("sure predictions"))
    assert [int(cell) for cell in cells] == pytest.approx(share, abs=0.6)


def test_boxes_measure_as_many_strides_on_each_level(streets):
    _, raw, best = streets
    strides = grid(SIZE)[1][:, 0]
    medians = []
    for stride in (8, 16, 32):
        mine = (best >= 0.25) & (strides == stride)
        medians.append(raw[mine][:, 2:4].mean(dim=1).exp().median().item())
    said = [float(m) for m in re.findall(r"px, ([\d.]+) strides", printed())]
    assert said == pytest.approx(medians, abs=0.06)
    assert all(2.4 <= m <= 3.5 for m in said)


def test_half_precision_ends_where_the_text_says():
    def half(number):
        return torch.tensor(number).half()

    assert half(11.0).exp().isfinite()
    assert half(11.1).exp().isinf()
    assert (half(7.5).exp() * 32).isfinite()
    assert (half(7.65).exp() * 32).isinf()
    cell, stride = torch.zeros(1, 2).half(), torch.full((1, 1), 32.0).half()
    assert decode_boxes(half([[0.0, 0.0, 12.0, 12.0]]), cell.float(), stride.float()).isfinite().all()


def test_three_anchors_cost_what_the_text_says():
    wide = torch.nn.Conv2d(build("l").head.levels[0].reg_pred.in_channels, 3 * 85, 1)
    three = 3 * sum(p.numel() for p in wide.parameters())
    head = sum(p.numel() for p in build("l").head.parameters())
    assert head == 7_609_855
    assert (
        f"last layers {three // 3:,} -> {three:,}: the head grows by {2 / 3 * three / head:.1%}" in printed()
    )


def test_the_counts_of_predictions():
    assert "together 8,400" in printed()
    assert f"{len(grid((416, 416))[0]):,} and {len(grid((736, 1280))[0]):,}" in printed()


def test_the_framed_predictions_hold_the_pixel():
    cells, strides = grid((64, 64))
    left_top = cells * strides
    inside = (left_top <= torch.tensor([40, 24])) & (torch.tensor([40, 24]) < left_top + strides)
    assert inside.all(dim=1).nonzero().flatten().tolist() == [29, 70, 81]
    assert "29, 70, 81 framed" in html_with("Predictions 0-63")


# --- the figure to play with ------------------------------------------------------------------------------


def test_the_committed_figure_knows_the_trained_networks_numbers(streets):
    _, raw, best = streets
    numbers, scores = (
        torch.tensor(
            [int(n) for n in re.search(rf'data-{key}="([^"]*)"', html_with(NAME)).group(1).split(",")]
        )
        for key in ("raw", "scores")
    )
    assert torch.allclose(numbers.view(-1, 4) / 100, raw[18, :, :4], atol=0.0051)
    assert torch.allclose(scores / 100, best[18], atol=0.0101)


@pytest.fixture(scope="module")
def page(streets, tmp_path_factory):
    """The figure alone on a page, in headless Chromium; at the end nothing may have gone wrong in it."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not (chromium := shutil.which("chromium") or shutil.which("google-chrome")):
        pytest.skip("no Chromium here")
    pictures, raw, _ = streets
    file = tmp_path_factory.mktemp("figure") / "page.html"
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Decoding</title>'
    figure = decoding(pictures[18], raw[18]).html
    file.write_text(f"{head}<body><main><h1>Decoding</h1>{figure}</main></body></html>", encoding="utf-8")
    with sync_api.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 900})
        wrong = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text))
        page.goto(file.as_uri())
        page.wait_for_function(f"document.getElementById('{NAME}').playing")
        yield page
        browser.close()
    assert wrong == []


def put(page, name, value):
    """Set one control and let it say so, as a hand would."""
    page.evaluate(
        "([key, value]) => { const i = document.getElementById(key); i.value = value;"
        " i.dispatchEvent(new Event('input', {bubbles: true})); }",
        [f"{NAME}-{name}", str(value)],
    )


def box(page):
    """Left, top, right and bottom of the drawn box."""
    x, y, w, h = (float(page.get_attribute(f"#{NAME} .box", a)) for a in ("x", "y", "width", "height"))
    return [x, y, x + w, y + h]


def out(page, name):
    return page.inner_text(f"#{NAME} [data-out={name}]")


def state(page):
    """All that the figure shows."""
    return page.evaluate(f"document.querySelector('#{NAME} .decoding').innerHTML")


def test_the_page_without_a_script_says_the_same(page, streets):
    pictures, raw, _ = streets
    still = page.context.browser.new_context(java_script_enabled=False).new_page()
    still.set_content(decoding(pictures[18], raw[18]).html)
    for name in ("cell", *RAW, "box", "score"):
        assert out(still, name) == out(page, name)
    assert box(still) == pytest.approx(box(page), abs=0.01)
    still.context.close()


@pytest.mark.parametrize("level", [0, 1, 2])
def test_the_script_decodes_as_the_package_does(page, level):
    dice = random.Random(level)
    cells, strides = grid(SIZE)
    page.check(f"#{NAME} input[value='{level}']")
    side = 320 // 8 // 2**level
    start = (0, 1600, 2000)[level]
    for _ in range(25):
        column, row = dice.randrange(side), dice.randrange(side)
        numbers = [round(dice.uniform(-2, 3), 2), round(dice.uniform(-2, 3), 2)]
        numbers += [round(dice.uniform(-3, 4), 2), round(dice.uniform(-3, 4), 2)]
        for name, value in zip(("column", "row", *RAW), (column, row, *numbers)):
            put(page, name, value)
        index = start + row * side + column
        assert out(page, "cell") == f"Prediction {index:,}: P{level + 3}, row {row}, column {column}"
        right = cxcywh_to_xyxy(decode_boxes(torch.tensor([numbers]), cells[[index]], strides[[index]]))[0]
        assert box(page) == pytest.approx(right.tolist(), abs=0.011)


def test_the_networks_numbers_come_cell_by_cell(page, streets):
    _, raw, best = streets
    boxes = decode(raw[18:19], SIZE)[0][0]
    put(page, "source", "trained")
    for index in best[18].topk(12).indices.tolist():
        level = 0 if index < 1600 else 1 if index < 2000 else 2
        side = 40 // 2**level
        row, column = divmod(index - (0, 1600, 2000)[level], side)
        page.check(f"#{NAME} input[value='{level}']")
        put(page, "column", column)
        put(page, "row", row)
        size = (boxes[index, 2:] - boxes[index, :2]).max().item()
        assert box(page) == pytest.approx(boxes[index].tolist(), abs=0.01 * (8 * 2**level + size))
        assert float(out(page, "score").split()[-1]) == pytest.approx(best[18, index].item(), abs=0.0101)


def test_all_zero_is_a_box_of_one_stride_around_the_corner(page):
    page.check(f"#{NAME} input[value='2']")
    put(page, "column", 4)
    put(page, "row", 5)
    put(page, "source", "zero")
    assert box(page) == [112, 144, 144, 176]


def test_a_click_on_the_picture_chooses_the_cell(page):
    page.check(f"#{NAME} input[value='1']")
    page.evaluate(f"document.querySelector('#{NAME}').scrollIntoView()")
    image = page.locator(f"#{NAME} image").bounding_box()
    page.mouse.click(image["x"] + image["width"] * 100 / 320, image["y"] + image["height"] * 200 / 320)
    assert out(page, "cell").endswith("row 12, column 6")


def test_every_control_changes_what_is_seen(page):
    page.check(f"#{NAME} input[value='0']")
    for name, values in {"column": (3, 9), "row": (3, 9), **dict.fromkeys(RAW, (0.1, 1.1))}.items():
        seen = []
        for value in values:
            put(page, name, value)
            seen.append(state(page))
        assert seen[0] != seen[1], name
    seen = []
    for source in ("zero", "trained", "by hand"):
        put(page, "source", source)
        seen.append((state(page), page.input_value(f"#{NAME}-source")))
    assert all(a != b for a, b in pairwise(seen))
