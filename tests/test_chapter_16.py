"""Chapter 16: what its page says is what its run and its figures say; its functions do what they promise."""

import base64
import io
import json
import math
import re

import notebooks
import numpy as np
import pytest
import rates
import torch
from PIL import Image
from same_minutes import TRIES
from torch import nn

from yolox_edu import build, measured
from yolox_edu.data.crossing import Crossing
from yolox_edu.data.training import TrainSet, collate
from yolox_edu.detect import Detections
from yolox_edu.draw import colour
from yolox_edu.recipe import recipe_for
from yolox_edu.train import prepare
from yolox_edu.tries import attempt
from yolox_edu.tries import rates as said
from yolox_edu.viz.film import frame, glow, squares

CHAPTER = notebooks.BOOK / "16_train_it_here_now.ipynb"
WATCHED = [2, 10, 19, 3, 13]


@pytest.fixture(scope="module")
def cells():
    return [c for c in notebooks.read(CHAPTER).cells if c.cell_type == "code"]


def printed(cells, start):
    """What the cell printed whose output has a line that starts like this."""
    texts = [o.text for c in cells for o in c.outputs if o.output_type == "stream"]
    return next(line for text in texts for line in text.splitlines() if line.startswith(start))


def numbers(line):
    return [float(n) for n in re.findall(r"\d+\.\d+", line)]


def defined(cells, name, **others):
    """A function of the chapter, with the chapter's imports and these other names."""
    namespace = {}
    (setup,) = [c.source for c in cells if c.source.startswith("import copy")]
    exec(setup.partition("viz.style")[0], namespace)
    namespace |= others
    (cell,) = [c.source for c in cells if f"def {name}(" in c.source and "check(" not in c.source]
    exec(re.search(rf"^def {name}\(.*?(?=^\S|\Z)", cell, re.S | re.M).group(), namespace)
    return namespace[name]


# --- what the page says -----------------------------------------------------------------------------------


def test_the_committed_run_learnt_and_shows_the_surprise(cells):
    ap = numbers(printed(cells, "AP "))
    assert len(ap) == 9
    assert max(ap[:4]) < 0.01, "the text says that AP stands at zero for a third of the run"
    assert ap[-1] > 0.25
    assert ap[-1] == max(ap)


def test_the_first_loss_was_predicted(cells):
    for term in ("box", "objectness", "class"):
        by_hand, measured = numbers(printed(cells, f"{term} "))
        assert measured == pytest.approx(by_hand, rel=0.05)


def test_what_the_first_loss_hears_and_what_it_does_not():
    """The prose beside the first loss: a forgotten bias and wrong corners are loud, two others silent."""
    torch.manual_seed(0)
    streets = Crossing.split("train", 375, 256)
    recipe, augment = recipe_for("pico", 375, size=256, epochs=8)
    source = TrainSet(streets, (256, 256), augment, recipe.seed)
    images, targets = collate([source[key] for key in next(recipe.keys(375, start=0))])
    model = build("pico", 8, streets.names).train()

    def first(images, targets):
        x, truths = prepare(images, targets, torch.device("cpu"), 8)
        with torch.no_grad():
            return [term.item() for term in model(x, truths).values()]

    def corners(boxes):
        return torch.cat((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), dim=1)

    healthy = first(images, targets)
    shifted = [t | {"labels": (t["labels"] + 1) % 8} for t in targets]
    assert first(images, shifted) == pytest.approx(healthy, rel=0.06)
    x, truths = prepare(images, targets, torch.device("cpu"), 8)
    with torch.no_grad():
        bright = [term.item() for term in model(255 * x, truths).values()]
    assert bright == pytest.approx(healthy, rel=0.06)
    assert first(images, [t | {"boxes": corners(t["boxes"])} for t in targets])[1] > 100
    for name, bias in model.named_parameters():
        if name.endswith("bias") and (bias + math.log(99)).abs().max() < 1e-4:
            nn.init.zeros_(bias)
    assert first(images, targets)[1] == pytest.approx(90, abs=8)


def test_the_plan_is_the_recipes(cells):
    recipe, augment = recipe_for("pico", 375, size=256, epochs=8)
    total = recipe.steps(375)
    warm_up, final = recipe.warmup_and_final(total)
    assert (
        printed(cells, f"{total} steps") == f"{total} steps: {warm_up} to warm up, {final} at the end with L1"
    )
    assert augment.mosaic == 0, "the text says that there is none"


# --- the film ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def film(cells):
    data = [o.get("data", {}).get("text/html", "") for c in cells for o in c.outputs]
    (html,) = [html for html in data if 'id="play-16-film"' in html]
    return html


def test_the_film_has_every_epoch_street_and_view(film):
    plan = json.loads(re.search(r'<script type="text/plain">\n(.*)', film).group(1))
    assert len(plan["order"]) == 9 * 5 * 3
    # The sentence of a frame stands in its drawing too: each counts once.
    said = set(re.findall(r"Street (\d) after epoch (\d): (\d+) things are there, (\d+ [bc]|light)", film))
    val = Crossing.split("val", 64, 256)
    things = [len(val.target(i)["labels"]) for i in WATCHED]
    assert {(int(s), int(n)) for s, _, n, _ in said} == set(enumerate(things, start=1))
    assert sum(what == "light" for *_, what in said) == 9 * 5


def test_night_comes_later_and_a_street_gets_worse(film):
    said = re.findall(
        r"Street (\d) after epoch (\d): (\d+) things are there, (\d+) boxes\. ([^\"<\n]*)", film
    )
    boxes = {(int(s), int(e)): (int(things), int(found), names) for s, e, things, found, names in said}
    assert boxes[2, 5][:2] == (13, 12)
    assert boxes[5, 5][:2] == (13, 6)
    assert ["car" in boxes[4, epoch][2] for epoch in (5, 6, 7, 8)] == [True, True, True, False]


def test_more_cells_are_positive_when_boxes_are_better(cells, film):
    sentence = r"Street (\d) after epoch (\d): \d+ things are there, (\d+) cells are positive"
    positive = set(re.findall(sentence, film))
    total = [sum(int(n) for _, at, n in positive if at == epoch) for epoch in "08"]
    first, last = re.findall(r"\d+", printed(cells, "positives in the five streets"))
    assert total == [int(first), int(last)]
    assert total[1] > 1.5 * total[0]


def test_the_start_frame_shows_what_it_says(film):
    start = re.search(r'<div class="play-frame">(.*?)</div>\n<p', film, re.S).group(1)
    truth, found = re.search(r"(\d+) things are there, (\d+) boxes", start).groups()
    ways = re.findall(r'<path d="([^"]*)"[^>]*stroke="([^"]*)"', start)
    assert sum(way.count("z") for way, stroke in ways if stroke == "#fff") == int(truth)
    assert sum(way.count("z") for way, stroke in ways if stroke != "#fff") == int(found)
    assert start.count("<text") == int(found)


def veil(drawn):
    """The opacity of the last picture's pixels, 0 to 1."""
    data = re.findall(r"data:image/png;base64,([^\"]+)", drawn.svg)[-1]
    rgba = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))
    return rgba[..., 3] / 255


def test_light_falls_where_values_are_high():
    values = np.zeros((4, 4), np.float32)
    values[1, 2], values[3, 3] = 1, 0.25
    dark = veil(glow(np.zeros((64, 64, 3), np.uint8), [], values, "Night."))
    assert dark.shape == (4, 4)
    assert dark[1, 2] == 0
    assert dark[0, 0] > 0.85
    assert dark[3, 3] == pytest.approx(dark[0, 0] / 2, abs=0.05), "the root of 0.25 is one half"


def test_positive_cells_take_the_colour_of_their_class():
    drawn = squares(np.zeros((64, 64, 3), np.uint8), [], [[0, 0, 8, 8], [8, 0, 16, 8]], [2, 5], "Two.", 128)
    found = re.findall(r'<path d="([^"]*)" stroke="([^"]*)"[^>]* fill="([^"]*)"', drawn.svg)
    assert found == [("M0 0H16V16H0z", *[colour(2)] * 2), ("M16 0H32V16H16z", *[colour(5)] * 2)]


def test_a_frame_scales_boxes_and_keeps_names_inside():
    picture = np.zeros((100, 200, 3), np.uint8)
    names = ("person", "traffic light")
    drawn = frame(
        picture, [[0, 0, 50, 50]], [[190, 2, 200, 20], [20, 40, 60, 80]], [1, 0], names, "Two.", 400
    )
    assert drawn.size == (400, 200)
    assert drawn.alt == "Two."
    assert re.findall(r'd="([^"]*)"', drawn.svg) == [
        "M0 0H100V100H0z",
        "M40 80H120V160H40z",
        "M380 4H400V40H380z",
    ]
    places = {
        name: (int(x), int(y)) for x, y, name in re.findall(r'x="(\d+)" y="(\d+)">([a-z ]+)', drawn.svg)
    }
    assert places["person"] == (40, 76)
    x, y = places["traffic light"]
    assert x < 330
    assert 4 < y < 40, "there is no room above, so it stands inside"


def test_an_empty_frame_is_the_picture_alone():
    drawn = frame(np.zeros((32, 32, 3), np.uint8), np.zeros((0, 4)), torch.zeros(0, 4), [], (), "Nothing.")
    assert "<path" not in drawn.svg
    assert "<text" not in drawn.svg


# --- the chapter's functions ------------------------------------------------------------------------------


def test_fresh_statistics_change_no_weight(cells):
    torch.manual_seed(0)
    model = build("pico", 8)
    measure = defined(cells, "with_fresh_statistics", pictures=torch.rand(16, 3, 64, 64))
    fresh = measure(model)
    assert not any(m.training for m in fresh.modules())
    for old, new in zip(model.parameters(), fresh.parameters()):
        assert torch.equal(old, new)
    norms = [m for m in fresh.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(int(m.num_batches_tracked) == 2 for m in norms)
    assert not torch.equal(norms[0].running_var, torch.ones_like(norms[0].running_var))
    assert all(m.momentum == 0.03 for m in model.modules() if isinstance(m, nn.BatchNorm2d))


def test_every_kind_of_mistake_gets_its_word(cells):
    sort_out = defined(cells, "sort_out")
    truth = {
        "boxes": np.array([[0, 0, 10, 10], [100, 0, 140, 40], [200, 0, 220, 20]], np.float32),
        "labels": np.array([1, 2, 3]),
    }
    boxes = [
        [0, 0, 10, 9],  # right
        [0, 1, 10, 10],  # the same thing again
        [100, 0, 140, 38],  # a good box, another name
        [100, 20, 140, 60],  # half beside it
        [100, 20, 140, 60],  # half beside it, and another name
        [300, 0, 320, 20],  # nothing there
    ]
    labels = torch.tensor([1, 1, 0, 2, 4, 3])
    found = Detections(torch.tensor(boxes).float(), torch.ones(6), labels, tuple("abcde"))
    words, taken = sort_out(found, truth)
    assert words == ["right", "doubled", "wrong class", "loose box", "both wrong", "background"]
    assert taken.tolist() == [True, False, False]
    none = Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64), ())
    assert sort_out(none, truth)[0] == []


# --- the same minutes, spent otherwise --------------------------------------------------------------------


def test_the_kept_tries_are_whole_and_as_dear_as_the_run():
    kept = measured.recall("same_minutes")
    assert {(row["try"], row["seed"]) for row in kept["rows"]} == {
        (t, s) for t in TRIES for s in kept["seeds"]
    }
    assert all(row["expected"] == TRIES[row["try"]][0] for row in kept["rows"])
    assert all(0.85 * 196.6 < row["megapixels"] <= 196.7 for row in kept["rows"])


def test_a_small_try_runs_again(one_thread):
    """The path that the command takes, on eight streets; twice the same is the same."""
    ap, megapixels = attempt(streets=8, size=64, epochs=2, batch=4)
    assert megapixels == pytest.approx(8 * 64 * 64 * 2 / 1e6)
    assert 0 <= ap < 0.1
    assert attempt(streets=8, size=64, epochs=2, batch=4)[0] == ap


# --- the rate, divided and multiplied ---------------------------------------------------------------------


def kept_rates(part, key):
    """(times, side, seed) -> a number of `benchmarks/rates.py`."""
    rows = measured.recall("rates")["rows"]
    return {(r["times"], r["side"], r["seed"]): r[key] for r in rows if r["part"] == part}


def test_every_rate_was_measured_once():
    rows = measured.recall("rates")["rows"]
    there = [(r["part"], r["side"], r["times"], r["seed"]) for r in rows]
    assert sorted(there) == sorted(rates.WORK)


def test_a_short_run_of_the_rates_comes_out_again(one_thread):
    rows = measured.recall("rates")["rows"]
    (row,) = [r for r in rows if (r["part"], r["side"], r["times"], r["seed"]) == ("30 steps", 96, 1, 2)]
    loss = rates.losses(30, 96, 1, 2)
    assert loss[:4] == pytest.approx(row["first_losses"], rel=0.01)
    assert np.mean(loss[-5:]) == pytest.approx(row["end"], rel=0.05)
    assert np.mean(loss[:5]) - np.mean(loss[-5:]) > 0.2


def test_the_first_minute_says_little_of_a_rate(cells):
    """Of ours a tenth and a half in short runs; a hundred times, which flatters; and what whole runs say."""
    fell = kept_rates("30 steps", "fall")
    ratio = {run: fall / fell[1, *run[1:]] for run, fall in fell.items()}
    half, tenth = ([v for run, v in ratio.items() if run[0] == times] for times in (0.5, 0.1))
    assert len(half) == len(tenth) == 6
    assert max(tenth) < 0.5, "less than half as far, each time"
    assert min(half) == pytest.approx(1 / 5, abs=0.03)
    assert max(half) == pytest.approx(4 / 5, abs=0.03)
    ends = kept_rates("60 steps", "end")
    assert all(ends[100, 96, seed] < ends[1, 96, seed] for seed in (0, 1, 2))
    ap = {times: ap for (times, *_), ap in kept_rates("whole run", "AP").items()}
    assert {t: round(v, 2) for t, v in ap.items()} == {0.5: 0.25, 1: 0.30, 2: 0.32, 10: 0.29, 100: 0.07}
    assert ap[100] < ap[1] / 4
    shown = "".join(o.text for c in cells for o in c.outputs if o.output_type == "stream")
    assert said("60 steps") in shown
    assert said("30 steps") in shown
    assert said("60 steps").endswith("8.5 8.0 8.8, AP of a whole run 0.07")
    assert "0.65 0.63 0.21 0.46 0.82 0.59" in said("30 steps")
