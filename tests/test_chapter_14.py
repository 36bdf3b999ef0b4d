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
from yolox_edu.data.augment import Augment, Layout, mosaic, mosaic_tile, quarters_in_sight, random_layout
from yolox_edu.data.crossing import Crossing
from yolox_edu.data.training import RamCache
from yolox_edu.data.warp import move_boxes
from yolox_edu.recipe import recipe_for
from yolox_edu.viz import ch14
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
        layout = Layout((int(setting.centre_x), int(setting.centre_y)), setting.view)
        rows, _ = ch14.fate(layout, [(np.zeros((*FRAME, 3), np.uint8), {"boxes": each}) for each in boxes])
        assert len(now.ghosts) == ((rows[:, 1] == 0) & (rows[:, 3] > 1)).sum()
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
    for kind, wanted in (("kept", now.kept), ("dropped", now.dropped), ("ghost", now.ghosts)):
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


def test_the_first_picture_fills_twice_the_others_and_grey_two_fifths():
    filled = {
        words: [int(n) for n in numbers]
        for words, *numbers in re.findall(
            r"^(S to X|Nano, Tiny) +1st .*?(\d+)%.*?(\d+)%.*?(\d+)%.*?(\d+)%", printed(), re.M
        )
    }
    assert len(filled) == 2
    for first, *others in filled.values():
        assert 1.7 < first / sum(others) < 2.4
    assert 37 <= 100 - sum(filled["S to X"]) <= 42


def test_two_labels_of_three_are_lost_and_some_are_ghosts():
    row = r"^(S to X|Nano, Tiny) +(\w+) +(\d+) +([\d.]+)% +([\d.]+)% +([\d.]+)% +(\d+) of (\d+)$"
    rows = re.findall(row, printed(), re.M)
    assert [name for _, name, *_ in rows] == ["small", "medium", "large", "all"] * 2
    for _, name, count, seen, official, ours, ghosts, kept in rows:
        assert 28 < float(ours) < 41
        assert round(100 * int(kept) / int(count), 1) == float(official)
        if name == "all":
            assert float(official) > float(seen), "more labels than there are things in sight"
            assert 36 <= int(kept) / int(ghosts) <= 37
            dropped = 1 - float(ours) / float(official)
            assert 0.035 < dropped < 0.055, "four or five of a hundred"
            assert int(ghosts) / int(kept) > dropped / 2, "more than half of those are ghosts"


def test_fate_against_the_official_affine(streets):
    """The turned corners and the official rule, by the official functions on the chapter's own layouts."""
    augmentation = pytest.importorskip("yolox.data.data_augment")
    rng, ghosts = np.random.default_rng(4), 0
    for _ in range(60):
        layout = random_layout(FRAME, Augment(), rng)
        rows, turned = ch14.fate(layout, streets)
        theirs = []
        for quarter, (_, target) in enumerate(streets):
            left, top = (c - SIDE * far for c, far in zip(layout.centre, (quarter % 2 == 0, quarter < 2)))
            boxes = (target["boxes"].astype(float) + [left, top, left, top]).clip(0, 2 * SIDE)
            theirs.append(augmentation.apply_affine_to_bboxes(boxes, FRAME, layout.view, 1))
        theirs = np.concatenate(theirs)
        assert np.allclose(np.concatenate([turned.min(1), turned.max(1)], 1).clip(0, SIDE), theirs)
        assert np.allclose(rows[:, 3], (theirs[:, 2:] - theirs[:, :2]).min(1))
        ghosts += ((rows[:, 3] > 1) & (rows[:, 1] == 0)).sum()
    assert ghosts > 10


def test_the_official_code_labels_what_the_canvas_cut_off():
    """A box pressed flat against the canvas's edge, 200 high: turned by 10° it is 200 · sin 10° wide."""
    augmentation = pytest.importorskip("yolox.data.data_augment")
    flat = np.array([[-60.0, 50, -10, 250, 3]])
    flat[:, :4] = flat[:, :4].clip(0, 640)
    grey = np.full((640, 640, 3), 114, np.uint8)
    still = {"translate": (0.0, 0.0), "scales": (1.0, 1.0), "shear": (0.0, 0.0)}
    for degrees, labels in ((0.0, 0), (10.0, 1)):
        image, target = augmentation.random_affine(grey, flat.copy(), FRAME, (degrees, degrees), **still)
        if not labels:
            assert target[0, 0] == target[0, 2], "upright it stays flat"
            continue
        _, padded = augmentation.TrainTransform(flip_prob=0.0)(image, target, FRAME)
        assert padded[0, 0] == 3
        assert padded[0, 3] == pytest.approx(200 * np.sin(np.deg2rad(10)), abs=0.01)  # width
        assert (padded[:, 3] > 1).sum() == labels
    picture = grey[:320, :320], {"boxes": np.array([[250.0, 60, 300, 260]]), "labels": np.array([3])}
    angle = np.deg2rad(10)
    view = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0]])
    for x, in_sight in ((200, True), (10, False)):  # at 10 the box comes to lie at -60 to -10, as above
        layout = Layout((x, 310), view)
        (row,), _ = ch14.fate(layout, [picture])
        assert (row[1] > 0) == in_sight
        assert in_sight or row[3] == pytest.approx(200 * np.sin(angle))
        assert len(mosaic([picture, None, None, None], layout, FRAME)[1]) == in_sight, "ours has no ghosts"


def test_where_no_label_stays_the_official_code_hands_out_flat_ones(monkeypatch):
    """Its own training set, with Tiny's settings and with L's: what the emulation in the chapter counts."""
    pytest.importorskip("yolox")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import augment as bench

    ((frames, of, back),) = re.findall(r"^mosaic: (\d+) frames of (\d+) .*; (\d+) flat", printed(), re.M)
    (kept,) = re.findall(r"^Nano, Tiny all .* of (\d+)$", printed(), re.M)
    assert 0.04 < int(frames) / int(of) < 0.06, "one of twenty"
    assert 34 < int(back) / int(frames) < 37, "all its labels"
    share = int(back) / (int(back) + int(kept))
    assert share > 0.1, "more than a tenth"
    source, flat = Crossing.split("train", 60), {}
    samples = [source[i] for i in range(60)]
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  the official code draws from the global generators
    for preset in ("tiny", "l"):
        _, official = bench.makers(samples, FRAME, Augment.for_preset(preset), False)
        labels = np.concatenate([official(i)[1] for i in range(250)])
        labels = labels[labels.sum(1) > 0]
        flat[preset] = (labels[:, 3:].min(1) <= 1).mean()
    assert flat["l"] == 0, "MixUp always leaves one"
    assert abs(flat["tiny"] - share) < 0.05


def test_where_the_sliders_leave_one_picture_and_where_four_are_equal(boxes):
    def shares(x, y, scale):
        return state(Setting(x, y, scale, 0, 0, 0, 0, 0), boxes).shares

    assert shares(160, 160, 2) == pytest.approx([1, 0, 0, 0])
    assert min(shares(480, 480, 0.66)) > 0
    assert shares(480, 480, 0.67)[3] < 1e-3
    assert shares(320, 320, 0.5) == pytest.approx([0.25] * 4)
    assert shares(160, 160, 1) == pytest.approx([0.25] * 4)


def test_where_the_sliders_make_ghosts(boxes):
    def ghosts(x, y, degrees):
        return len(state(Setting(x, y, 0.5, degrees, 0, 0, 0, 0), boxes).ghosts)

    assert ghosts(160, 480, 10) == 13
    assert ghosts(160, 480, 0) == 0
    assert [ghosts(320, 320, degrees) for degrees in range(-10, 11)] == [0] * 21


def test_nearly_half_of_the_cells_are_claimed_twice():
    ((left, none, count),) = re.findall(r"^([\d.]+) cells of 27 .* none to (\d+) of (\d+)$", printed(), re.M)
    assert 0.5 < float(left) / 27 < 0.57
    assert int(none) / int(count) < 0.035


@pytest.mark.parametrize("preset", ["nano", "tiny", "s", "m", "l", "x"])
def test_the_presets_are_those_of_the_official_configurations(preset):
    config = pytest.importorskip("yolox.config")
    theirs = getattr(config, f"Yolox{preset.title()}")()
    ours, (recipe, _) = Augment.for_preset(preset), recipe_for(preset, 118_287)
    assert ours.mosaic == theirs.mosaic_prob
    assert ours.mixup == (theirs.mixup_prob if theirs.enable_mixup else 0)
    assert ours.scale == theirs.mosaic_scale
    assert (ours.degrees, ours.shear, ours.translate) == (theirs.degrees, theirs.shear, theirs.translate)
    assert (ours.mixup_scale, ours.flip) == (theirs.mixup_scale, theirs.flip_prob)
    assert (recipe.size, recipe.size) == tuple(theirs.input_size)
    assert round(recipe.final * recipe.epochs) == theirs.no_aug_epochs
    assert recipe.epochs == theirs.max_epoch
    assert re.search(rf"^{preset.title()} .* {recipe.size} .*5% of 300$", printed(), re.M)


def test_more_than_a_third_of_the_quarters_are_out_of_sight():
    rng, augment = np.random.default_rng(0), Augment()
    seen = [quarters_in_sight(random_layout(FRAME, augment, rng), FRAME) for _ in range(1000)]
    assert 1 / 3 < 1 - np.mean(seen) < 1 / 2


# --- what it costs ----------------------------------------------------------------------------------------


def test_the_costs_are_those_of_the_command(monkeypatch):
    pytest.importorskip("yolox")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import augment as bench

    rows = {row["what"]: row for row in measured.recall("augment")["rows"]}
    plain, single, double = (r for name, r in rows.items() if "JPEG" not in name)
    assert 2 < plain["ours_per_s"] / single["ours_per_s"] < 3
    assert 3 < plain["ours_per_s"] / double["ours_per_s"] < 4
    assert all(3 < row["ratio"] < 4.2 for row in (single, double))
    assert all(2 < row["ratio"] < 3 for name, row in rows.items() if "JPEG" in name and "mosaic" in name)
    samples, _ = bench.load(None, 8)
    ours, official = (make(0)[0] for make in bench.makers(samples, (640, 640), Augment(), False))
    assert ours.shape == official.shape == (3, 640, 640), "both do the same work"


# --- the ends of training ---------------------------------------------------------------------------------

ENDS = ("at the fork", "off", "on", "on, upright", "never")


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
    for on in ("on", "on, upright"):
        assert all(rows[seed, "off"]["AP"] > rows[seed, on]["AP"] for seed in seeds)
    mean = {
        (e, key): np.mean([rows[s, e][key] for s in seeds]) for e in ENDS for key in ("AP", "AP50", "AP75")
    }
    assert mean["off", "AP75"] > 1.5 * mean["on", "AP75"]
    assert 1.1 < mean["off", "AP50"] / mean["on", "AP50"] < 1.2
    large = {end: np.mean([rows[s, end]["area_ratio"] for s in seeds]) for end in ENDS}
    assert 1.15 < large["on"] < 1.25, "a fifth"
    assert all(abs(rows[s, "never"]["area_ratio"] - 1) < 0.04 for s in seeds), "a few hundredths"
    assert all(rows[s, "never"]["AP"] == max(rows[s, end]["AP"] for end in ENDS) for s in seeds)
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
