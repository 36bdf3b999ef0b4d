"""Chapter 15: what was measured can be measured again, and its page and figures say what the rows say."""

import importlib.util
import json
import math
import re
import sys

import notebooks
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from yolox_edu import measured
from yolox_edu.logs import read_log
from yolox_edu.viz import ch15

CHAPTER = notebooks.BOOK / "15_training_loop.ipynb"
ROWS = measured.recall("tricks")["rows"]


@pytest.fixture(scope="module")
def tricks():
    path = notebooks.ROOT / "benchmarks" / "tricks.py"
    spec = importlib.util.spec_from_file_location("tricks", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def cells():
    return [c for c in notebooks.read(CHAPTER).cells if c.cell_type == "code"]


def printed(cells):
    return "\n".join(o.text for c in cells for o in c.outputs if o.output_type == "stream")


def mean(name, key):
    numbers = ch15.values(ROWS, name, key)
    return sum(numbers) / len(numbers)


# --- the measurement --------------------------------------------------------------------------------------


def test_every_row_is_there_once(tricks):
    there = sorted((r["part"], r["name"], r["seed"]) for r in ROWS)
    wanted = [("recipe", name, seed) for name in tricks.RECIPE for seed in (0, 1, 2)]
    wanted += [("grid", name, seed) for name in tricks.GRID for seed in (0, 1, 2)]
    wanted += [("curves", name, 0) for name in tricks.CURVES]
    wanted += [("speed", name, 0) for name in tricks.SPEEDS]
    assert there == sorted(wanted)


def test_the_first_steps_of_a_row_come_out_again(tricks):
    (row,) = [r for r in ch15.rows_of(ROWS, "recipe", "full") if r["seed"] == 0]
    run = tricks.trainer(tricks.streets(tricks.PICTURES, 2), seed=0, **tricks.RECIPE["full"])
    assert run.total == row["steps"]
    run.run(until=6)
    losses = [r["loss"] for r in read_log(run.folder / "log.csv")]
    assert losses == pytest.approx(row["first_losses"][:6], rel=0.01)


def test_the_quick_command_measures_and_keeps_nothing(tricks, monkeypatch, capsys):
    before = (measured.FOLDER / "tricks.json").read_bytes()
    monkeypatch.setattr(sys, "argv", ["benchmarks/tricks.py", "--quick"])
    tricks.main()
    row = json.loads(capsys.readouterr().out)
    assert row["steps"] == 8
    assert 9 < row["unseen"] < 14
    assert before == (measured.FOLDER / "tricks.json").read_bytes()


def test_shifted_sources_keep_their_pictures(tricks):
    train, _, _ = tricks.streets(3, 1)
    labels, boxes = tricks.Shifted(train, "labels"), tricks.Shifted(train, "boxes")
    for i in range(3):
        image, target = train[i]
        assert np.array_equal(labels[i][0], image)
        assert ((labels[i][1]["labels"] - target["labels"]) % 8 == 1).all()
        assert np.array_equal(boxes[i][1]["boxes"], train[(i + 1) % 3][1]["boxes"])


# --- what the figures do ----------------------------------------------------------------------------------


def test_raw_weights_are_the_recipe_without_an_average():
    made = [
        {"part": "recipe", "name": n, "AP": i / 10, "AP_raw": i / 10 + 0.05}
        for i, n in enumerate(("full", "no cosine", "plain"))
    ]
    assert ch15.values(made, "full", "AP") == [0.0]
    assert ch15.values(made, "no EMA", "AP") == [0.05]
    assert ch15.values(made, "no cosine, no EMA", "AP") == pytest.approx([0.15])
    assert ch15.values(made, "plain", "AP") == pytest.approx([0.25])
    assert ch15.values(made, "plain, but EMA", "AP") == pytest.approx([0.2])


def test_the_best_rate_is_the_parabolas_lowest_point():
    made = [
        {"part": "grid", "name": f"8 {rate}", "unseen_raw": 5 + (math.log(rate) - math.log(0.005)) ** 2}
        for rate in ch15.RATES
    ]
    assert ch15.best_rate(made, 8) == pytest.approx(0.005, rel=0.01)
    figure = Figure()
    with pytest.raises(ValueError, match="unpack"):
        ch15.rates(figure.subplots(), made)  # the other batches are missing, and it says so


def test_every_run_has_its_name_and_the_clinic_knows_it(cells, tricks):
    assert set(ch15.DISEASES) == set(tricks.CURVES)
    (source,) = [c.source for c in cells if "ORDER = [" in c.source]
    order = re.findall(r'"([^"]+)"', source[source.index("[") : source.index("]")])
    assert sorted(order) == sorted(ch15.DISEASES)
    for run, name in enumerate(order, 1):
        for diagnosis in ("let me look", *order):
            drawing = ch15.patient(ROWS, order, run, diagnosis)
            assert drawing.alt.startswith("Yes") == (diagnosis == name)
            assert name not in drawing.alt or diagnosis == name or name in ch15.DISEASES[diagnosis][0]


def test_the_curves_of_the_clinic_are_the_measured_ones():
    order = list(ch15.DISEASES)
    drawing = ch15.patient(ROWS, order, 1, "let me look")
    (row,) = ch15.rows_of(ROWS, "curves", order[0])
    train, unseen = re.findall(r'<polyline points="([^"]*)"', drawing.svg)
    for points, losses in ((train, row["train"]), (unseen, row["unseen_every_5"])):
        heights = [float(p.split(",")[1]) for p in points.split()]
        back = [ch15.MOST * (1 - (y - ch15.TOP) / ch15.HIGH) for y in heights]
        assert back == pytest.approx(losses, abs=0.01)
