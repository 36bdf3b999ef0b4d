"""What chapter 13 says of the losses: its figures, its claims, and the measurement that it quotes."""

import ast
import html
import importlib.util
import json
import math
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import notebooks
import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torchvision.ops import generalized_box_iou

from yolox_edu import measured
from yolox_edu.boxes import cxcywh_to_xyxy, grid
from yolox_edu.exercises import ch13 as ch13_exercises
from yolox_edu.losses import losses, positives
from yolox_edu.simota import assign, pad_targets, rows
from yolox_edu.viz import ch13, sliding_box
from yolox_edu.weights import load

CHAPTER = notebooks.BOOK / "13_losses.ipynb"
SIZE = (320, 320)


@cache
def source(kind="code"):
    return "\n".join(c.source for c in notebooks.read(CHAPTER).cells if c.cell_type == kind)


@cache
def printed():
    outputs = [out for c in notebooks.read(CHAPTER).cells for out in c.get("outputs", [])]
    return "\n".join(out.get("text", "") for out in outputs)


def page():
    """The figure to play with, as it was committed."""
    outputs = [out for c in notebooks.read(CHAPTER).cells for out in c.get("outputs", [])]
    found = [h for out in outputs if 'id="play-13-slide"' in (h := out.get("data", {}).get("text/html", ""))]
    assert len(found) == 1
    return html.unescape(found[0])


# --- the figure to play with ------------------------------------------------------------------------------


def by_hand(raw):
    """The four losses of raw x, y, log w, log h in plain arithmetic, and torchvision's GIoU."""
    (gx, gy, gw, gh), s = sliding_box.GOAL, sliding_box.STRIDE
    box = (raw[0] * s, raw[1] * s, math.exp(raw[2]) * s, math.exp(raw[3]) * s)
    corners = [[x - w / 2, y - h / 2, x + w / 2, y + h / 2] for x, y, w, h in (box, (gx, gy, gw, gh))]
    across, down = (
        max(min(corners[0][i + 2], corners[1][i + 2]) - max(corners[0][i], corners[1][i]), 0) for i in (0, 1)
    )
    iou = across * down / (box[2] * box[3] + gw * gh - across * down)
    a, b = torch.tensor(corners, dtype=torch.float64).split(1)
    l1 = sum(abs(r - w) for r, w in zip(raw, (gx / s, gy / s, math.log(gw / s), math.log(gh / s))))
    return {
        "1 − IoU²": 1 - iou**2,
        "1 − IoU": 1 - iou,
        "1 − GIoU": 1 - generalized_box_iou(a, b).item(),
        "L1": l1,
    }


def pull(raw, name, i, step=1e-6):
    """Minus the slope, from both sides: at a kink any value between the two will do."""
    now = by_hand(raw)[name]
    moved = [list(raw), list(raw)]
    moved[0][i] -= step
    moved[1][i] += step
    before, after = (by_hand(m)[name] for m in moved)
    return sorted(((before - now) / step, (now - after) / step))


def test_every_sentence_of_the_figure_is_what_arithmetic_says():
    sentences = set(re.findall(r"(\d+) pixels away, ([\w. ]+): (1 − IoU² is [^\n<]*?log w)\.", page()))
    assert len(sentences) == 45
    for away, size, words in sentences:
        raw = sliding_box.raw_at(int(away), sliding_box.SIZES[size])[0].tolist()
        for name, *numbers in re.findall(r"([^;]+?) is (\S+) and pulls (\S+) at x, (\S+) at log w", words):
            value, x, w = (float(n.replace("−", "-")) for n in numbers)
            name = name.strip()
            assert value == pytest.approx(by_hand(raw)[name], abs=0.011), (away, size, name)
            for given, i in ((x, 0), (w, 2)):
                low, high = pull(raw, name, i)
                assert low - 0.011 <= given <= high + 0.011, (away, size, name, i)


def test_the_pulls_are_the_gradients_for_boxes_anywhere():
    square = {"square": lambda raw: (raw**2).sum(-1)}
    raw = torch.randn(7, 4)
    ((value, slope),) = sliding_box.pulls(square, raw).values()
    torch.testing.assert_close(value, (raw**2).sum(-1))
    torch.testing.assert_close(slope, 2 * raw)
    drawing = sliding_box.sliding_box(square, 16, "equal")
    assert drawing.alt.startswith("16 pixels away, equal: square is ")


# --- claims -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def said():
    """Of the trained network's positives: probability of the true class, of objectness, and IoU, p each."""
    images, wanted = ch13.streets(24, 320)
    with torch.inference_mode():
        raw = load("crossing").eval().raw(images)
    found = assign(raw, wanted, SIZE, *grid(SIZE))
    mine = rows(raw, found.cell)
    label = wanted.labels.gather(1, found.truth)
    of_class = mine[..., 5:].gather(2, label[..., None])[..., 0]
    parts = [t[found.positive] for t in (of_class.sigmoid(), mine[..., 4].sigmoid(), found.iou)]
    return (*parts, losses(raw, wanted, SIZE))


def test_the_class_says_the_iou_and_objectness_does_not(said):
    of_class, objectness, real, terms = said
    p, iou = map(
        float, re.search(r"where it says ([\d.]+), the mean IoU is (\d\.\d+)", source("markdown")).groups()
    )
    some = (of_class >= 0.8) & (of_class < 0.9)
    assert of_class[some].mean().item() == pytest.approx(p, abs=0.01)
    assert real[some].mean().item() == pytest.approx(iou, abs=0.01)
    for low in (0.6, 0.7, 0.8, 0.9):  # where there are many dots
        some = (of_class >= low) & (of_class < low + 0.1)
        assert abs(of_class[some].mean() - real[some].mean()) < 0.05
    means = [real[(objectness >= low) & (objectness < low + 0.2)].mean() for low in (0.2, 0.4, 0.6)]
    assert max(means) - min(means) < 0.05  # nearly level
    floor = F.binary_cross_entropy(real, real)
    assert 0.8 < floor / terms["class"] < 0.95


def test_low_classes_are_about_what(said):
    """As printed: of the positives whose class is below 0.25 most have another class on top."""
    count, share = map(int, re.search(r"below 0.25: (\d+) of them; .*? (\d+)%", printed()).groups())
    assert int((said[0] < 0.25).sum()) == pytest.approx(count, abs=2)
    assert share > 60


def test_where_the_sigmoid_becomes_one():
    """24 log 2 in 32 bits, as the chapter says; 9 is enough in 16."""
    border = 24 * math.log(2)
    assert border == pytest.approx(16.6, abs=0.05)
    x = torch.tensor([border - 0.3, border + 0.3])
    assert (1 + (-x).exp() == 1).tolist() == [False, True]
    assert torch.tensor([4.0, 9.0]).half().sigmoid().eq(1).tolist() == [False, True]


def test_the_first_loss_with_a_pencil():
    """Cells times the cost of a no, by the objects, and one yes each: for every printed line of step 0."""
    lines = re.findall(
        r"([\d,]+) cells, (\d+) objects, a no costs (\S+)\n.*?objectness +([\d.]+)\| *([\d.]+)", printed()
    )
    assert len(lines) == 4
    for cells, objects, cost, guess, measured_ in lines:
        by_hand, n = int(cells.replace(",", "")) * -math.log(0.99) / int(objects) + math.log(99), float(cost)
        assert float(guess) == pytest.approx(by_hand, abs=0.006)
        # what is off is the cost of a no, and how many positives an object gets: 1, give or take a few
        better = int(cells.replace(",", "")) * n / int(objects) + math.log(99)
        assert float(measured_) == pytest.approx(better, rel=0.08)
    assert f"{8400 * 0.01005 / 26 + 4.595:.2f}" == "7.84" == f"{float(lines[0][3]):.2f}"
    assert "8{,}400 \\cdot 0.01005 / 26 + 4.595 = 7.84" in source("markdown")


def test_two_processes_divide_by_their_mean_count(monkeypatch):
    """What the chapter computes by hand: 30 positives here, 10 there."""
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(dist, "all_reduce", lambda count: count.add_(10))
    assert positives(torch.ones(2, 15, dtype=torch.bool)).item() == 20


HALF = """
import sys, torch, torch.distributed as dist
from yolox_edu.losses import losses
from yolox_edu.simota import Targets
meeting, given, rank = sys.argv[1:]
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=int(rank), world_size=2)
raw, *fields = torch.load(given)
mine = slice(0, 1) if rank == "0" else slice(1, 4)
shift = torch.zeros(raw.shape[-1], requires_grad=True)  # the weights that both processes share
sum(losses(raw[mine] + shift, Targets(*(f[mine] for f in fields)), (64, 64), True).values()).backward()
dist.all_reduce(shift.grad)
torch.save(shift.grad / 2, f"{given}.{rank}")
"""


@pytest.mark.skipif(not dist.is_gloo_available(), reason="torch without gloo")
def test_two_real_processes_give_the_gradient_of_the_whole_batch(tmp_path):
    """One picture here, three there, very different numbers of positives; gradients averaged, as DDP does."""
    rng = torch.Generator().manual_seed(1)
    truths = []
    for count in (1, 6, 5, 7):
        middle, side = torch.rand(count, 2, generator=rng) * 64, torch.rand(count, 2, generator=rng) * 30 + 6
        boxes = torch.cat((middle - side / 2, middle + side / 2), 1)
        truths.append({"boxes": boxes, "labels": torch.randint(0, 3, (count,), generator=rng)})
    raw, targets = torch.randn(4, 84, 8, generator=rng), pad_targets(truths, (64, 64))
    shift = torch.zeros(8, requires_grad=True)
    sum(losses(raw + shift, targets, (64, 64), use_l1=True).values()).backward()
    torch.save([raw, *targets], tmp_path / "given")
    command = [sys.executable, "-c", HALF, str(tmp_path / "meeting"), str(tmp_path / "given")]
    pair = [subprocess.Popen([*command, rank]) for rank in "01"]
    try:
        assert [half.wait(timeout=120) for half in pair] == [0, 0]
    finally:
        for half in pair:
            half.kill()
    for rank in "01":
        both = torch.load(tmp_path / f"given.{rank}")
        torch.testing.assert_close(both, shift.grad, rtol=1e-4, atol=1e-5)


def test_the_drawings_of_the_chapter_take_what_they_say():
    plt.close("all")  # another file's tests may have left a figure
    losses_ = {"a": lambda raw: raw.sum(-1)}
    ch13.journey(losses_)
    x = torch.linspace(-3, 3, 50)
    ch13.soft_targets(x.sigmoid(), {0.5: F.softplus(x) - 0.5 * x})
    ch13.meaning(("p", torch.rand(2000), "truth", torch.rand(2000)))
    ch13.fled({"one": (x, x), "two": (x, x)}, measured.recall("detach")["rows"])
    assert len(plt.get_fignums()) == 4
    plt.close("all")


# --- the official code ------------------------------------------------------------------------------------


def test_the_printed_terms_are_those_of_the_official_code():
    """Its get_losses on what the trained network said of 24 streets, with L1; and the gradients."""
    reference = pytest.importorskip("reference_head", reason="pixeltable-yolox is not installed").Reference
    images, wanted = ch13.streets(24, 320)
    with torch.inference_mode():
        raw = load("crossing").eval().raw(images)
    truths = [
        {"boxes": cxcywh_to_xyxy(boxes[valid]), "labels": labels[valid]}
        for boxes, labels, valid in zip(wanted.boxes, wanted.labels, wanted.valid)
    ]
    theirs, ours = (raw.clone().requires_grad_() for _ in range(2))
    want, got = reference(8, use_l1=True)(theirs, truths, SIZE), losses(ours, wanted, SIZE, use_l1=True)
    in_print = ast.literal_eval(re.search(r"\{'box': .*?\}", printed()).group())
    assert in_print.keys() == want.keys() == got.keys()
    for name, term in want.items():
        assert term.item() == pytest.approx(in_print[name], abs=0.006), name
        torch.testing.assert_close(got[name], term, rtol=1e-5, atol=1e-6)
    slopes = [torch.autograd.grad(sum(v.values()), t)[0] for v, t in ((want, theirs), (got, ours))]
    torch.testing.assert_close(*slopes, atol=1e-6, rtol=1e-4)


def test_the_worked_example_of_the_total_by_the_official_pieces():
    """To 1e-6, from the official IoU loss and torch's own losses."""
    official = pytest.importorskip("yolox.models.losses", reason="pixeltable-yolox is not installed")
    raw, cells, strides, positive, wanted, label = ch13_exercises.example()
    r, c, s, w = (t[positive] for t in (raw, cells, strides, wanted))
    boxes = torch.cat(((r[:, :2] + c) * s, r[:, 2:4].exp() * s), 1)
    iou = (1 - official.IouLoss()(boxes, w)).sqrt()
    bce = torch.nn.BCEWithLogitsLoss(reduction="sum")
    goal = torch.cat((w[:, :2] / s - c, (w[:, 2:] / s).log()), 1)
    terms = {
        "box": 5 * (1 - iou**2).sum(),
        "objectness": bce(raw[:, 4], positive.double()),
        "class": bce(r[:, 5:], F.one_hot(label[positive], 2) * iou[:, None]),
        "L1": F.l1_loss(r[:, :4], goal, reduction="sum"),
    }
    mine = ch13_exercises._terms(ch13_exercises.example())
    assert mine.keys() == terms.keys()
    for name, term in terms.items():
        assert mine[name] == pytest.approx(term.item(), abs=1e-6), name
    assert sum(terms.values()).item() / 2 == pytest.approx(4.3656, abs=5e-5)


# --- the measurement --------------------------------------------------------------------------------------


@cache
def benchmark():
    path = Path(__file__).parents[1] / "benchmarks" / "detach.py"
    spec = importlib.util.spec_from_file_location("detach", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_measured_runs_say_what_the_chapter_says():
    kept = measured.recall("detach")
    assert kept["seeds"] == sorted({run["seed"] for run in kept["rows"]})
    for run in kept["rows"]:
        end = run["steps"][-1]
        if run["detach"]:
            assert end["iou"] > 0.5
        else:
            assert end["iou"] < 0.01
            assert end["class"] < 0.1  # and lower than the finished detector's, printed in the chapter
    assert float(re.search(r"'class': ([\d.]+)", printed()).group(1)) > 0.3


def test_the_first_steps_measured_again():
    kept = next(r for r in measured.recall("detach")["rows"] if r["seed"] == 0 and not r["detach"])
    again = benchmark().train(detach=False, seed=0, steps=20)
    # The start is the same everywhere; after 20 steps at this rate processors drift apart by 0.05.
    for old, new, apart in zip(kept["steps"], again, (0.01, 0.15)):
        assert new["iou"] == pytest.approx(old["iou"], abs=apart)
        assert new["class"] == pytest.approx(old["class"], abs=3 * apart)
    assert again[1]["iou"] < again[0]["iou"]


def test_a_forgotten_detach_adds_a_gradient_and_no_value():
    bench = benchmark()
    x, targets = bench.streets()
    raw = torch.zeros(len(x), sum((bench.SIZE // s) ** 2 for s in (8, 16, 32)), 13)
    raw[..., 4:] = -math.log(99)
    raw.requires_grad_()
    term, overlap = bench.leak(raw, targets)
    assert term.item() == 0
    assert 0.1 < overlap.item() < 0.6
    (slope,) = torch.autograd.grad(term, raw)
    home = torch.autograd.grad(losses(raw, targets, (bench.SIZE, bench.SIZE))["box"], raw)[0]
    touched = slope[..., :4].abs().sum(-1) > 0
    cosine = F.cosine_similarity(slope[..., :4][touched], home[..., :4][touched], dim=-1)
    assert (cosine < -0.999).all()  # exactly away from the truth
    assert not slope[..., 4:].any()


def test_the_chapter_keeps_its_measures():
    from measures import measure

    found = measure(CHAPTER)
    print(json.dumps(found.__dict__, default=str))
    assert not found.misses()
