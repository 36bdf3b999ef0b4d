"""What chapter 08 says of the neck, against the model, real photographs and a browser."""

import json
import os
import re
import shutil
from html import unescape
from itertools import pairwise

import notebooks
import pytest
import torch

from yolox_edu import build, neck, weights
from yolox_edu.data.coco import open_coco
from yolox_edu.evaluate import evaluate
from yolox_edu.viz import neck_walk, trace
from yolox_edu.viz.neck_walk import PARTS, STEPS

CHAPTER = notebooks.BOOK / "08_pafpn.ipynb"
PATHS = {
    "lateral5 doubled": ("topdown4", 0),
    "C4": ("topdown4", 1),
    "lateral4 doubled": ("topdown3", 0),
    "C3": ("topdown3", 1),
    "down3": ("bottomup4", 0),
    "lateral4 kept": ("bottomup4", 1),
    "down4": ("bottomup5", 0),
    "lateral5 kept": ("bottomup5", 1),
}


def prose():
    return "\n".join(c.source for c in notebooks.read(CHAPTER).cells if c.cell_type == "markdown")


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


def walked():
    """What the figure's script reads."""
    return json.loads(re.search(r"json\">(.*?)</script>", html_with('id="play-08-walk"'), re.S).group(1))


@pytest.fixture(scope="module")
def watched():
    """What flows through the neck of M at 640: {part: (its inputs, its output)}, from hooks of our own."""
    with torch.device("meta"):
        model, maps = build("m").eval(), [torch.empty(1, 192 << i, 80 >> i, 80 >> i) for i in range(3)]
    seen = {}
    for name, part in model.neck.named_children():
        part.register_forward_hook(lambda _, x, y, name=name: seen.update({name: (x[0].shape, y.shape)}))
    model.neck(*maps)
    return seen


def written(shape):
    _, c, h, w = shape
    return f"{h} × {w} × {c}"


def test_the_walk_shows_the_shapes_of_the_real_neck(watched):
    shapes = walked()["m"]["shapes"]
    for before, step in pairwise(STEPS):
        if step.name in watched and before.name.startswith("join"):
            assert shapes[before.name] == written(watched[step.name][0])
    for name, (_, out) in watched.items():
        assert shapes[name] == written(out)


def test_the_walk_runs_in_the_order_of_the_real_neck(watched):
    assert list(watched) == PARTS


@pytest.mark.parametrize("preset", ["nano", "l", "x"])
def test_the_walk_counts_every_parameter_and_flop_of_the_neck(preset):
    says = walked()[preset]["says"]
    with torch.device("meta"):
        model = build(preset)
    side = model.size[0]
    counted = [int(re.search(r"([\d,]+) parameters", s).group(1).replace(",", "")) for s in says]
    assert sum(counted) == sum(p.numel() for p in model.neck.parameters())
    work = [float(re.search(r"([\d.]+) (?:G)?FLOPs", s).group(1)) for s in says]
    whole = sum(x.flops for x in trace(model, (1, 3, side, side), parts=PARTS)) / 1e9
    assert sum(work) == pytest.approx(whole, rel=5e-3)


def test_the_halves_of_each_join_are_equally_wide(watched):
    for name in ("topdown4", "topdown3", "bottomup4", "bottomup5"):
        assert watched[name][0][1] % 2 == 0
    assert watched["lateral5"][1][1] * 2 == watched["topdown4"][0][1]
    assert watched["lateral4"][1][1] * 2 == watched["topdown3"][0][1] == watched["bottomup4"][0][1]


def test_without_a_script_the_page_shows_the_first_step():
    figure = html_with('id="play-08-walk"')
    first = walked()["l"]["says"][0]
    assert f'aria-live="polite">{first}</p>' in unescape(figure)


def test_crossed_out_boxes_are_as_many_as_the_sentence_says():
    picture = torch.zeros(8, 8, 3, dtype=torch.uint8).numpy()
    boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [2.0, 2.0, 8.0, 8.0], [1.0, 1.0, 3.0, 3.0]])
    drawing = neck_walk.fates(picture, boxes, [True, False, False], "C3 cut")
    assert drawing.alt == "C3 cut: 1 of 3 still found, 2 lost."
    assert drawing.svg.count("ZM") == 2 * 2  # a dark line under each coloured one


def test_in_a_browser_slider_click_and_preset_change_the_figure(tmp_path, chromium):
    page = tmp_path / "walk.html"
    page.write_text("<meta charset=utf-8>" + html_with('id="play-08-walk"'), encoding="utf-8")
    tab = chromium.new_page()
    errors = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(page.as_uri())
    plan = walked()
    says = tab.locator(".play-says")
    tab.locator("input[type=range]").press("End")
    assert says.inner_text() == plan["l"]["says"][11]
    for step in (1, 6, 8):
        tab.locator(f'[data-step="{step}"] > text').last.click()
        assert says.inner_text() == plan["l"]["says"][step - 1]
        assert tab.locator(".now").count() == 1
        assert tab.locator(".later").count() == 12 - step
    tab.locator("input[value=nano]").check()
    assert says.inner_text() == plan["nano"]["says"][7]
    arrows = tab.locator('[data-shape="C5"][data-what="channels"]')
    assert arrows.first.text_content() == "× 256"
    assert not errors


@pytest.fixture(scope="module")
def chromium():
    """A browser for this module; without one the test is skipped."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = os.environ.get("BROWSER_PATH") or shutil.which("chromium") or shutil.which("google-chrome")
    if not path:
        pytest.skip("no Chromium or Chrome here")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


# --- what the chapter says of the official Nano on photographs ---------------------------------------------


def table():
    """The chapter's table: {what was cut: AP, small, middle, large}."""
    rows = re.findall(r"^\| ([\w ]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", prose(), re.M)
    return {name: tuple(map(float, numbers)) for name, *numbers in rows}


def silence(model, path, fill=torch.zeros_like):
    """A hook that fills one half of a join, with zeros if nothing else is asked."""
    part, half = PATHS[path]

    def hook(_, inputs):
        halves = list(inputs[0].chunk(2, dim=1))
        halves[half] = fill(halves[half])
        return torch.cat(halves, dim=1)

    return getattr(model.neck, part).register_forward_pre_hook(hook)


@pytest.mark.slow
def test_the_official_nano_without_a_path_scores_what_the_table_says(shared, one_thread):
    model = weights.load_official(shared / "weights" / "yolox_nano_0.1.1.pth")
    source = open_coco(shared / "coco-mini", "val2017")
    said = table()
    assert len(said) == 4
    for path, wanted in said.items():
        handle = None if path == "nothing" else silence(model, path)
        report = evaluate(model, source)
        if handle:
            handle.remove()
        scores = [100 * x for x in (report.AP, report.APs, report.APm, report.APl)]
        assert scores == pytest.approx(wanted, abs=0.5), path


@pytest.mark.slow
def test_another_picture_in_the_place_of_zeros_costs_the_official_nano_the_same(shared, one_thread):
    model = weights.load_official(shared / "weights" / "yolox_nano_0.1.1.pth")
    silence(model, "lateral5 kept", lambda half: half.roll(1, dims=0))
    report = evaluate(model, open_coco(shared / "coco-mini", "val2017"))
    said = float(re.search(r"it is the same: ([\d.]+) are left", prose()).group(1))
    assert 100 * report.APl == pytest.approx(said, abs=0.5)


@pytest.mark.slow
@pytest.mark.parametrize("place", [("coco-mini", "val2017", 0), ("coco128", "train2017", 1)])
def test_bilinear_costs_the_official_nano_what_the_chapter_says(shared, monkeypatch, one_thread, place):
    folder, split, which = place
    model = weights.load_official(shared / "weights" / "yolox_nano_0.1.1.pth")
    source = open_coco(shared / folder, split)
    pairs = re.search(r"from ([\d.]+) to ([\d.]+) AP .*? from ([\d.]+) to ([\d.]+)", prose()).groups()
    before, after = map(float, pairs[2 * which : 2 * which + 2])
    nearest = 100 * evaluate(model, source).AP
    monkeypatch.setattr(neck, "_double", torch.nn.Upsample(scale_factor=2, mode="bilinear"))
    bilinear = 100 * evaluate(model, source).AP
    assert (nearest, bilinear) == pytest.approx((before, after), abs=0.3)
