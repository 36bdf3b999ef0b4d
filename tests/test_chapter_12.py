"""What chapter 12 says of SimOTA: its exact plans, its measurement, its counts."""

import importlib.util
import itertools
import re
from pathlib import Path

import notebooks
import numpy as np
import pytest
import torch
from tidying import tags

from yolox_edu import measured

CHAPTER = notebooks.BOOK / "12_simota.ipynb"
BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "simota_k.py"


@pytest.fixture(scope="module")
def chapter():
    """The names that the chapter's cells of set-up define."""
    names = {"__name__": "chapter_12"}
    for cell in notebooks.read(CHAPTER).cells:
        if cell.cell_type == "code" and "setup" in tags(cell):
            exec(cell.source, names)
    return names


@pytest.fixture(scope="module")
def rows():
    """The committed measurement by (seed, step, size)."""
    return {(r["seed"], r["step"], r["size"]): r for r in measured.recall("simota_k")["rows"]}


def cheapest_of_all(cost, k):
    """Every plan, tried."""
    g, m = cost.shape
    totals = {}
    for plan in itertools.product(range(-1, g), repeat=m):
        if all(plan.count(i) == k[i] for i in range(g)):
            totals[plan] = sum(cost[i, j] for j, i in enumerate(plan) if i >= 0)
    return min(totals, key=totals.get)


def test_the_best_plan_is_the_best_of_all_plans(chapter):
    dice = np.random.default_rng(0)
    for _ in range(30):
        g, m = int(dice.integers(1, 4)), int(dice.integers(6, 8))
        cost, k = dice.random((g, m)), dice.integers(1, 3, g)
        assert tuple(chapter["best_plan"](cost, k)) == cheapest_of_all(cost, k)


def test_the_best_plan_is_found_with_far_cells_and_ties(chapter):
    dice = np.random.default_rng(1)
    for _ in range(30):
        cost = dice.integers(0, 4, (3, 6)) + 1e6 * (dice.random((3, 6)) < 0.4)
        k = dice.integers(1, 3, 3)
        spent = chapter["spent"]
        best = spent(cost, cheapest_of_all(cost, k))
        assert spent(cost, chapter["best_plan"](cost, k)) == pytest.approx(best)


def test_scipy_finds_no_better_plan(chapter):
    """With each row repeated k times, as the chapter says."""
    optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed; the book needs none")
    dice = np.random.default_rng(2)
    for _ in range(30):
        g, m = int(dice.integers(1, 6)), int(dice.integers(20, 60))
        cost, k = dice.random((g, m)) * dice.random((1, m)), dice.integers(1, 5, g)  # all want the same
        loaves = np.repeat(cost, k, axis=0)
        theirs = loaves[optimize.linear_sum_assignment(loaves)].sum()
        owner = chapter["best_plan"](cost, k)
        assert [(owner == i).sum() for i in range(g)] == k.tolist()
        assert chapter["spent"](cost, owner) == pytest.approx(theirs)


# --- the chapter's SimOTA against the official code -------------------------------------------------------


@pytest.fixture
def official(monkeypatch):
    """(raw, boxes, labels, size) -> the official cells, cost, IoUs, k and owners of one picture."""
    head = pytest.importorskip("reference_head").Reference(8)
    matching, topk, seen = head.head.simota_matching, torch.topk, {}

    def record(cost, overlap, *others):
        seen.update(cost=cost.clone(), overlap=overlap.clone(), k=[])
        return matching(cost, overlap, *others)

    def counting(values, k, *args, **kwargs):
        if kwargs.get("largest") is False:
            seen["k"].append(int(k))
        return topk(values, k, *args, **kwargs)

    def ask(raw, boxes, labels, size):
        monkeypatch.setattr(torch, "topk", counting)
        corners = torch.cat((boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2), 1)
        head(raw[None], [{"boxes": corners, "labels": labels}], size)
        monkeypatch.setattr(torch, "topk", topk)
        cell, truth, _ = head.seen[0]
        return {**seen, "owner": dict(zip(cell.tolist(), truth.tolist()))}

    head.head.simota_matching = record
    return ask


def test_every_matrix_of_the_chapter_is_the_official_one(chapter, official):
    """On 12 streets, under the trained network and a fresh one: cost, IoU, k and owners."""
    torch.manual_seed(1)
    models = chapter["load"]("crossing").eval(), chapter["build"]("pico", 8).eval()
    pictures = torch.stack([torch.from_numpy(p).permute(2, 0, 1) for p, _ in chapter["streets"][6:18]])
    fights = 0
    for model in models:
        with torch.inference_mode():
            raws = model.raw(pictures.float() / 255)
        for raw, (boxes, labels) in zip(raws.clone(), chapter["truths"][6:18], strict=True):
            cell, overlap, cost, k, claimed, owner = chapter["simota"](raw, boxes, labels, (320, 320))
            theirs = official(raw, boxes, labels, (320, 320))
            assert overlap.shape == theirs["overlap"].shape
            assert torch.allclose(overlap, theirs["overlap"], atol=1e-5)
            assert torch.allclose(cost, theirs["cost"], rtol=1e-6, atol=1e-3)
            assert k.tolist() == theirs["k"]
            assert dict(zip(cell[owner >= 0].tolist(), owner[owner >= 0].tolist())) == theirs["owner"]
            fights += int((claimed.sum(0) > 1).sum())
    assert fights >= 4


def test_the_measurement_is_whole(rows):
    kept = measured.recall("simota_k")
    assert kept["seeds"] == [0, 1, 2]
    assert kept["command"].endswith("benchmarks/simota_k.py")
    assert len(rows) == 3 * 11 * 5


def test_the_first_steps_can_be_measured_again(rows):
    spec = importlib.util.spec_from_file_location("simota_k", BENCHMARK)
    simota_k = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(simota_k)
    source = simota_k.Crossing.split("train", simota_k.PICTURES, simota_k.SIDE)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        again = simota_k.measure(0, source, (0, 10), simota_k.streets_to_look_at())
    finally:
        torch.set_num_threads(threads)
    for row in again:
        kept = rows[row["seed"], row["step"], row["size"]]
        assert row["objects"] == kept["objects"]
        assert row["best"] == pytest.approx(kept["best"], abs=0.03)
        assert row["k"] == pytest.approx(kept["k"], abs=0.15)
        assert row["nothing"] == pytest.approx(kept["nothing"], abs=0.04)


def test_what_is_said_of_the_measurement_holds(rows):
    steps = sorted({step for _, step, _ in rows})

    def mean(step, size, what):
        return np.mean([rows[seed, step, size][what] for seed in (0, 1, 2)])

    first, last = steps[0], steps[-1]
    for size in ("under 16", "16 to 32", "32 to 64", "over 64"):
        assert mean(first, size, "k") < 1.3
        assert mean(last, size, "k") > 2 * mean(first, size, "k")
    assert mean(last, "over 64", "k") > 2 * mean(last, "under 16", "k")
    order = ("16 to 32", "over 64")
    assert all(mean(step, order[0], "k") > mean(step, order[1], "k") for step in (50, 75, 100))
    assert all(mean(step, "over 64", "k") > mean(step, "16 to 32", "k") for step in steps if step > 150)
    assert 0.02 < mean(first, "all", "nothing") < 0.035
    assert mean(last, "all", "nothing") < 0.01
    assert all(mean(last, size, "nothing") == 0 for size in ("16 to 32", "32 to 64", "over 64"))
    assert 3.5 < mean(last, "all", "got") / mean(first, "all", "got") < 4.2


def test_the_cells_that_say_how_often_say_it():
    """The sentences round the figures rest on these outputs."""
    text = "\n".join(
        out.get("text", "") for cell in notebooks.read(CHAPTER).cells for out in cell.get("outputs", [])
    )
    toys = int(re.search(r"the best plan: (\d+)% of 1000 toys", text)[1])
    streets = [int(n) for n in re.findall(r"equals the best plan on (\d+) of 24", text)]
    assert toys < 30
    assert all(n >= 18 for n in streets)
    assert re.search(r"claimants +changes 0 of", text)
    assert int(re.search(r"not decoded +changes (\d+) of", text)[1]) > 1000
