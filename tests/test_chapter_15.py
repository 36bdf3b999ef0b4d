"""Chapter 15: what was measured can be measured again, and its page and figures say what the rows say."""

import importlib.util
import inspect
import json
import math
import re
import sys

import notebooks
import numpy as np
import pytest
import torch

from yolox_edu import measured
from yolox_edu.logs import read_log
from yolox_edu.optim import learning_rate
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


def test_a_run_without_a_number_counts_as_twelve_and_so_does_one_above():
    """Each run for itself: one that ran away must not decide the mean of three."""
    made = [{"part": "grid", "name": "32 0.3", "unseen_raw": loss} for loss in (None, 9.0, 131.0)]
    assert ch15._line(made, 32) == [(0.3, pytest.approx(11.0))]


def test_every_run_has_its_name_and_the_clinic_knows_it(tricks):
    assert set(ch15.DISEASES) == set(tricks.CURVES)
    assert sorted(ch15.CLINIC) == sorted(ch15.DISEASES)
    for run, name in enumerate(ch15.CLINIC, 1):
        for diagnosis in ("let me look", *ch15.CLINIC):
            drawing = ch15.patient(ROWS, run, diagnosis)
            assert drawing.alt.startswith("Yes") == (diagnosis == name)
            assert drawing.alt.startswith("No") == (diagnosis not in (name, "let me look"))


def test_the_curves_of_the_clinic_are_the_measured_ones():
    drawing = ch15.patient(ROWS, ch15.CLINIC.index("healthy") + 1, "let me look")
    (row,) = ch15.rows_of(ROWS, "curves", "healthy")
    train, unseen = re.findall(r'<polyline points="([^"]*)"', drawing.svg)
    for points, losses in ((train, row["train"]), (unseen, row["unseen_every_5"])):
        heights = [float(p.split(",")[1]) for p in points.split()]
        back = [ch15.MOST * (1 - (y - ch15.TOP) / ch15.HIGH) for y in heights]
        assert back == pytest.approx(losses, abs=0.01)


# --- what decay leaves, and the step that the official warm-up is behind ------------------------------------


def test_what_decay_leaves_is_what_torch_leaves(cells):
    """The function of the page against torch's own SGD, momentum and Nesterov included."""
    (cell,) = [c.source for c in cells if "def left(" in c.source]
    names = {"learning_rate": learning_rate}
    exec(cell.partition("\n\n\n")[0], names)
    for steps, peak, momentum in ((100, 0.02, 0.9), (600, 0.5, 0.9), (300, 0.5, 0.0)):
        weight = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
        sgd = torch.optim.SGD([weight], peak, momentum, nesterov=momentum > 0, weight_decay=5e-4)
        for step in range(steps):
            sgd.param_groups[0]["lr"] = learning_rate(step, steps, peak, steps // 60, steps // 20)
            weight.grad = torch.zeros_like(weight)
            sgd.step()
        assert names["left"](steps, peak, momentum) == pytest.approx(weight.item(), rel=1e-9)
    assert names["left"](20_000, 0.02) == pytest.approx(names["left"](20_000, 0.2, 0), rel=0.01), "ten times"


def test_the_official_warm_up_is_one_step_behind():
    core = pytest.importorskip("yolox.core.trainer", reason="pixeltable-yolox is not installed")
    loop = inspect.getsource(core.Trainer.train_one_iter)
    assert loop.index("scaler.step(") < loop.index("update_lr(self.progress_in_iter + 1)")
    config = pytest.importorskip("yolox.config", reason="pixeltable-yolox is not installed")
    assert config.YoloxConfig.warmup_lr == 0


# --- what the page says -----------------------------------------------------------------------------------


def test_the_surprise():
    AP = {name: mean(name, "AP") for name in ch15.WORTH}
    full = ch15.values(ROWS, "full", "AP")
    plain = ch15.values(ROWS, "plain", "AP")
    assert AP["full"] < 1.4 * AP["plain"], "the full recipe hardly beats twenty lines"
    assert min(full) < max(plain), "they overlap"
    assert mean("plain", "unseen") < mean("full", "unseen"), "in loss the plain loop is ahead"
    assert max(AP, key=AP.get) == "plain, but EMA"
    assert min(ch15.values(ROWS, "plain, but EMA", "AP")) > max(full)
    assert AP["plain, but EMA"] > 1.8 * AP["plain"]


def test_cosine_and_average_do_the_same_work():
    assert abs(mean("no cosine", "AP") - mean("full", "AP")) < 0.01
    assert 0.4 < mean("no cosine, no EMA", "AP") / mean("no EMA", "AP") < 0.6


def test_what_luck_does():
    for name in ("decay on everything", "contiguous"):
        apart = [a - b for a, b in zip(ch15.values(ROWS, name, "AP"), ch15.values(ROWS, "full", "AP"))]
        assert max(map(abs, apart)) > 0.009
        assert min(apart) < 0 < max(apart), "one up, one down"


def test_random_weights_get_nowhere_and_muon_shows_in_the_loss():
    assert mean("from random weights", "AP") < 0.001
    assert mean("Muon", "unseen") < mean("full", "unseen") - 0.1
    assert abs(mean("Muon", "AP") - mean("full", "AP")) < 0.01


def test_the_linear_rule_holds_up_to_a_ceiling():
    best = {batch: ch15.best_rate(ROWS, batch) for batch in ch15.BATCHES}
    assert 4 < best[16] / best[4] < 8
    assert best[32] < 1.25 * best[16], "it hardly moves on"
    ends = [r["unseen_raw"] for b in ch15.BATCHES for r in ch15.rows_of(ROWS, "grid", f"{b} 0.3")]
    assert sum(end is None or end > 12 for end in ends) >= 7, "at 0.3 runs fall apart"
    lowest = [min(loss for _, loss in ch15._line(ROWS, batch)) for batch in ch15.BATCHES]
    assert lowest == sorted(lowest), "larger batches, fewer steps"
    assert any("stopped" in r for r in ch15.rows_of(ROWS, "grid", "32 0.3"))


def test_speeds():
    speed = {r["name"]: r["cpu_seconds"] for r in ch15.rows_of(ROWS, "speed")}
    assert 1.3 < speed["320 fp32 contiguous"] / speed["320 bf16 channels_last"] < 2
    assert 1.0 < speed["128 fp32 contiguous"] / speed["128 bf16 channels_last"] < 1.4


def test_the_signs_of_the_diseases():
    runs = {r["name"]: r for r in ch15.rows_of(ROWS, "curves")}
    well, shifted = runs["healthy"], runs["labels shifted"]
    apart = [abs(a - b) for a, b in zip(well["train"], shifted["train"])]
    assert max(apart) < 0.6, "training looks healthy"
    assert shifted["AP_raw"] < 0.1 * well["AP_raw"]
    assert runs["wrong statistics"]["train"] == well["train"]
    assert runs["wrong statistics"]["AP_raw"] < 0.001 < runs["wrong statistics"]["AP"]
    assert runs["no warm-up"]["AP_raw"] > 0.9 * well["AP_raw"], "the fever passes"
    assert runs["overfitting"]["train"][-5] < well["train"][-5] - 1
    assert runs["overfitting"]["unseen_every_5"][-1] > well["unseen_every_5"][-1] + 0.3
    assert runs["rate far too high"]["stopped"] < 10 < runs["zero_grad forgotten"]["stopped"]


def test_the_page_shows_equality_to_the_last_bit(cells):
    assert re.search(r"(\d+) of \1 tensors are equal to the last bit", printed(cells))
