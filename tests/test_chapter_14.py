"""What chapter 14 says of mosaic and MixUp, against the package, outlines and trained networks."""

import random
import re
import shutil
import sys
from pathlib import Path

import notebooks
import numpy as np
import pytest

from yolox_edu import measured
from yolox_edu.data.augment import Augment, mosaic_tile, quarters_in_sight, random_layout
from yolox_edu.data.crossing import Crossing
from yolox_edu.data.training import RamCache
from yolox_edu.data.warp import move_boxes
from yolox_edu.viz.mosaicked import PRESETS, SEEDS, SIDE, SLIDERS, Setting, drawn, mosaicked, state

CHAPTER = notebooks.BOOK / "14_mosaic_and_mixup.ipynb"
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PICTURES = (3, 7, 11, 19)
FRAME = (SIDE, SIDE)


@pytest.fixture(scope="module")
def streets():
    source = Crossing.split("train", 60)
    return [source[i] for i in PICTURES]


@pytest.fixture(scope="module")
def boxes(streets):
    return [target["boxes"] for _, target in streets]


def printed():
    return "".join(o.get("text", "") for c in notebooks.read(CHAPTER).cells for o in c.get("outputs", []))


# --- the figure to play with ------------------------------------------------------------------------------


def some_settings(count, seed):
    """Random places of all sliders, and the corners of their ranges."""
    dice = random.Random(seed)
    for _ in range(count):
        values = (
            low + dice.randint(0, round((high - low) / step)) * step
            for low, high, step, _ in SLIDERS.values()
        )
        yield Setting(*(round(value, 2) for value in values))


@pytest.mark.parametrize("preset", PRESETS.values())
@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_seeds_of_the_figure_are_what_the_package_draws(seed, preset):
    setting = drawn(seed, preset)
    layout = random_layout(FRAME, Augment.for_preset(preset), np.random.default_rng(seed))
    assert (setting.centre_x, setting.centre_y) == layout.centre
    corners = np.array([[0, 0, 1], [640, 0, 1], [0, 640, 1], [640, 640, 1]])
    off = corners @ (setting.view - layout.view).T
    assert abs(off).max() < 6, "rounded to the steps of the sliders, no more"


def test_a_state_is_what_move_boxes_says(boxes):
    for setting in some_settings(30, seed=3):
        now, kept = state(setting, boxes), 0
        for quarter, source in enumerate(boxes):
            tile = mosaic_tile(quarter, FRAME, FRAME, (int(setting.centre_x), int(setting.centre_y)))
            moved, share = move_boxes(source.astype(float), tile, setting.view, FRAME)
            kept += ((share >= 0.1) & ((moved[:, 2:] - moved[:, :2]).min(1) > 1)).sum()
        assert len(now.kept) == kept
        assert sum(now.shares) <= 1 + 1e-9


def test_the_committed_figure_is_the_one_of_the_package(streets, boxes):
    outputs = [out for cell in notebooks.read(CHAPTER).cells for out in cell.get("outputs", [])]
    found = [h for out in outputs if "play-14-mosaic" in (h := out.get("data", {}).get("text/html", ""))]
    assert found == [mosaicked([picture for picture, _ in streets], boxes, seed=3).html]


@pytest.fixture(scope="module")
def page(tmp_path_factory, streets, boxes):
    """The figure alone on a page, in headless Chromium; at the end nothing may have gone wrong in it."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not (chromium := shutil.which("chromium") or shutil.which("google-chrome")):
        pytest.skip("no Chromium here")
    file = tmp_path_factory.mktemp("figure") / "page.html"
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Mosaic</title>'
    html = mosaicked([picture for picture, _ in streets], boxes, seed=3).html
    file.write_text(f"{head}<body><main><h1>Mosaic</h1>{html}</main></body></html>", encoding="utf-8")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page, wrong = browser.new_page(viewport={"width": 900, "height": 1200}), []
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(file.as_uri())
        yield page
        browser.close()
    assert wrong == []


SHOWN = """() => ({
    words: document.querySelector(".play-says").textContent,
    boxes: [...document.querySelectorAll("[data-box]")].map(r => [r.dataset.box,
        ...["x", "y", "width", "height"].map(k => Number(r.getAttribute(k)))]),
    values: [...document.querySelectorAll("input[data-of]")].map(i => Number(i.value)),
    matrix: document.querySelector("[data-is=frame]").getAttribute("transform"),
})"""


def same_as(shown, setting, boxes):
    """What the page shows is what the package computes for this setting."""
    now = state(setting, boxes)
    for kind, wanted in (("kept", now.kept), ("dropped", now.dropped)):
        wanted = [[x1, y1, x2 - x1, y2 - y1] for _, (x1, y1, x2, y2) in wanted]
        given = [row[1:] for row in shown["boxes"] if row[0] == kind]
        assert len(given) == len(wanted), setting
        assert np.allclose(np.reshape(given, (-1, 4)), np.array(wanted).reshape(-1, 4), atol=0.006), setting
    assert shown["words"] == now.words
    numbers = [float(n) for n in re.findall(r"-?[\d.]+(?:e-\d+)?", shown["matrix"])]
    assert numbers == pytest.approx(setting.view.T.ravel().tolist(), abs=1e-5)


def test_the_script_computes_as_the_package_does(page, boxes):
    rounded = [np.round(each.astype(float), 1) for each in boxes]
    for setting in some_settings(80, seed=1):
        page.evaluate(
            """values => {
                const all = [...document.querySelectorAll("input[data-of]")].slice(1);
                all.forEach((input, i) => { input.value = values[i]; });
                all[0].dispatchEvent(new Event("input", { bubbles: true }));
            }""",
            list(setting),
        )
        shown = page.evaluate(SHOWN)
        assert shown["values"][1:] == pytest.approx(list(setting))
        same_as(shown, setting, rounded)


def test_seed_preset_and_button(page, boxes):
    rounded = [np.round(each.astype(float), 1) for each in boxes]
    page.locator("input[data-of=seed]").fill("7")
    same_as(page.evaluate(SHOWN), drawn(7, "l"), rounded)
    page.locator("input[type=radio]").nth(1).check()
    same_as(page.evaluate(SHOWN), drawn(7, "tiny"), rounded)
    page.get_by_role("button").click()
    x, y = drawn(7, "tiny")[:2]
    same_as(page.evaluate(SHOWN), Setting(x, y, 0.5, 0, 0, 0, 0, 0), rounded)


def test_axe_finds_nothing_serious(page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    found = axe.Axe().run(page).response["violations"]
    assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []


# --- what the text says -----------------------------------------------------------------------------------


def test_a_person_turned_by_ten_degrees_has_a_label_a_third_too_large():
    (row,) = re.findall(r"^person .*$", printed(), re.M)
    upright, *_, at_ten = (float(n) for n in re.findall(r"\d\.\d\d", row))
    assert upright == 1
    assert 1.3 < 1 / at_ten < 1.4
    (light,) = re.findall(r"^traffic light .*$", printed(), re.M)
    assert float(light.split()[-1]) > 0.99


def test_two_labels_of_three_are_lost():
    shares = [
        float(n) for n in re.findall(r"^(?:S to X|Nano, Tiny) +\w+ +\d+ .* ([\d.]+)%$", printed(), re.M)
    ]
    assert len(shares) == 6
    assert 28 < min(shares) < max(shares) < 41


def test_more_than_a_third_of_the_quarters_are_out_of_sight():
    rng, augment = np.random.default_rng(0), Augment()
    seen = [quarters_in_sight(random_layout(FRAME, augment, rng), FRAME) for _ in range(1000)]
    assert 1 / 3 < 1 - np.mean(seen) < 1 / 2


# --- the ends of training ---------------------------------------------------------------------------------

ENDS = ("at the fork", "off", "on", "on, upright")


@pytest.fixture(scope="module")
def bench():
    sys.path.insert(0, str(BENCHMARKS))
    import mosaic_end

    sys.path.remove(str(BENCHMARKS))
    return mosaic_end


def test_the_kept_rows_are_those_of_the_command(bench):
    kept = measured.recall("mosaic_end")
    assert len(kept["seeds"]) >= 3
    assert [(row["seed"], row["end"]) for row in kept["rows"]] == [
        (s, e) for s in kept["seeds"] for e in ENDS
    ]
    small = bench.measure(0, 64, 8, 2, RamCache(Crossing.split("val", 2, 64)))
    assert [row["end"] for row in small] == list(ENDS)
    assert [set(row) for row in small] == [set(row) for row in kept["rows"][: len(ENDS)]]
    for row in kept["rows"]:
        total = round(bench.EPOCHS * bench.PICTURES / 8)
        assert row["fork"] == total - round(0.15 * total)
        assert row["steps"] == (row["fork"] if row["end"] == "at the fork" else total)


def test_the_plain_ending_wins_as_the_text_says():
    rows = {(row["seed"], row["end"]): row for row in measured.recall("mosaic_end")["rows"]}
    seeds = sorted({seed for seed, _ in rows})
    assert all(rows[seed, "off"]["AP"] > rows[seed, "on"]["AP"] for seed in seeds)
    mean = {
        (e, key): np.mean([rows[s, e][key] for s in seeds]) for e in ENDS for key in ("AP", "AP50", "AP75")
    }
    assert mean["off", "AP75"] > 1.5 * mean["on", "AP75"]
    assert 1.1 < mean["off", "AP50"] / mean["on", "AP50"] < 1.2
    large = {end: np.mean([rows[s, end]["area_ratio"] for s in seeds]) for end in ENDS}
    assert large["on"] > 1.15
    assert large["off"] - 1 < 0.5 * (large["on"] - 1), "more than half is mended"
    gain, upright = (mean[end, "AP"] - mean["on", "AP"] for end in ("off", "on, upright"))
    assert abs(upright) < 0.1 * gain, "next to nothing"


def test_always_means_always(bench, streets):
    import torch

    plain = bench.TrainSet(streets, FRAME, bench.STRONG, 0)
    always = bench.Always(streets, FRAME, bench.STRONG, 0)
    assert torch.equal(always[1, 0, False][0], plain[1, 0, True][0])
    assert not torch.equal(always[1, 0, False][0], plain[1, 0, False][0])


@pytest.mark.slow
def test_seed_0_again(bench):
    """The first seed once more, some minutes: the same in kind, and on a machine like the kept one in AP."""
    kept = {row["end"]: row for row in measured.recall("mosaic_end")["rows"] if row["seed"] == 0}
    val = RamCache(Crossing.split("val", bench.VAL, bench.SIZE))
    again = {row["end"]: row for row in bench.measure(0, bench.SIZE, bench.PICTURES, bench.EPOCHS, val)}
    for end in ENDS:
        assert again[end]["AP"] == pytest.approx(kept[end]["AP"], abs=0.03)
