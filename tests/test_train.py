"""The training loop: what must hold whatever happens to it."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_run import Squares, freeze_batch_norm, make_trainer

from yolox_edu import build
from yolox_edu.checkpoint import CheckpointError, load_checkpoint
from yolox_edu.data.errors import PictureError
from yolox_edu.logs import read_log
from yolox_edu.optim import EMA, learning_rate, optimizers, orthogonal, parameter_groups
from yolox_edu.recipe import Recipe, recipe_for
from yolox_edu.train import NotFinite, prepare
from yolox_edu.weightfile import WeightsError

SCRIPT = Path(__file__).parent / "tiny_run.py"
# Without the shape checks: a killed run must be like a reader's.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(SCRIPT.parents[1]), "OMP_NUM_THREADS": "1"}


def script(*arguments, launcher=(), **options):
    command = [sys.executable, *launcher, str(SCRIPT), *map(str, arguments)]
    return subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


def finish(process) -> str:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, (out + err).decode()
    return err.decode()


def same(a, b, path=""):
    """Every tensor and value of two checkpoints equal, bit for bit."""
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), f"{path} differs by {(a.float() - b.float()).abs().max()}"
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), path
        for key in a:
            same(a[key], b[key], f"{path}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), path
        for i, (x, y) in enumerate(zip(a, b)):
            same(x, y, f"{path}[{i}]")
    else:
        assert a == b, path


@pytest.mark.slow
def test_a_killed_and_resumed_run_ends_bit_identical(tmp_path):
    """SIGKILL at three random moments, with 0, 1 and 2 workers, in the middle of epochs and of saving."""
    whole = tmp_path / "whole"
    finish(script(whole, "--epochs", 8, "--optimizer", "muon"))
    want = load_checkpoint(whole / "last.pt")
    assert want["step"] == 20
    rng = random.Random(os.urandom(8))
    for workers in (0, 1, 2):
        folder = tmp_path / f"killed with {workers} workers"
        stops = sorted(rng.sample(range(1, 19), 2))
        for stop in stops:
            process = script(folder, "--epochs", 8, "--optimizer", "muon", "--workers", workers, "--resume")
            while process.poll() is None and (
                not (folder / "log.csv").exists()
                or len((folder / "log.csv").read_text().splitlines()) <= stop
            ):
                time.sleep(0.005)
            time.sleep(rng.random() * 0.05)
            process.kill()
            process.communicate()
        finish(script(folder, "--epochs", 8, "--optimizer", "muon", "--workers", workers, "--resume"))
        same(load_checkpoint(folder / "last.pt"), want, f"killed after steps {stops}: ")
        steps = [row["step"] for row in read_log(folder / "log.csv")]
        assert steps == list(range(20)), f"log.csv repeats or lacks steps: {steps}"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no signals to send")
def test_ctrl_c_finishes_the_step_and_saves_it(tmp_path):
    process = script(tmp_path, "--epochs", 40, "--save-every", 1000)
    while not (tmp_path / "log.csv").exists() or len((tmp_path / "log.csv").read_text().splitlines()) < 3:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in err.decode()
    assert load_checkpoint(tmp_path / "last.pt")["step"] == len(read_log(tmp_path / "log.csv"))


@pytest.mark.slow
def test_two_processes_train_like_one(tmp_path):
    """Same global batch, batch norm frozen: the same losses and, in the end, the same weights."""
    one, two = tmp_path / "one", tmp_path / "two"
    finish(script(one, "--frozen"))
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    finish(script(two, "--frozen", launcher=launcher))
    a, b = load_checkpoint(one / "last.pt"), load_checkpoint(two / "last.pt")
    for name, tensor in a["model"].items():
        torch.testing.assert_close(
            b["model"][name], tensor, atol=1e-5, rtol=1e-4, msg=lambda m, n=name: f"{n}: {m}"
        )
    for row, other in zip(read_log(one / "log.csv"), read_log(two / "log.csv"), strict=True):
        for name in ("box", "objectness", "class", "lr", "size"):
            assert other[name] == pytest.approx(row[name], rel=1e-4), (row["step"], name)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no RLIMIT_FSIZE")
def test_a_full_disk_stops_the_run_and_spares_the_checkpoint(tmp_path):
    """The kernel refuses to let files grow past a limit: what a full disk does, at a size we choose."""
    finish(script(tmp_path, "--epochs", 1))
    before = (tmp_path / "last.pt").read_bytes()
    process = script(tmp_path, "--epochs", 1, "--file-limit", 3_000_000)
    _, err = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "could not be written" in err.decode()
    assert "the one before it is intact" in err.decode()
    assert (tmp_path / "last.pt").read_bytes() == before
    load_checkpoint(tmp_path / "last.pt")
    assert not list(tmp_path.glob(".*partial")), "half a file was left behind"


def test_a_loss_that_is_not_finite_names_step_terms_and_pictures(tmp_path):
    trainer = make_trainer(tmp_path, multiscale=(1, 1))
    trainer.run(until=1)
    saved = (tmp_path / "last.pt").read_bytes()
    with torch.no_grad():
        trainer.model.head.levels[0].obj_pred.bias.fill_(float("nan"))
    with pytest.raises(NotFinite, match=r"step 1: .*objectness nan.*Pictures: \d\.png, \d\.png"):
        trainer.run()
    assert (tmp_path / "last.pt").read_bytes() == saved, "a poisoned model was saved"


def test_an_unreadable_picture_is_named_and_replaced(tmp_path):
    class Torn(Squares):
        def __getitem__(self, index):
            if index == 4:
                raise PictureError("4.png", "it is torn")
            return super().__getitem__(index)

    trainer = make_trainer(tmp_path, source=Torn(), epochs=1, batch=5, multiscale=(1, 1))
    with pytest.warns(UserWarning, match=r"4\.png cannot be read; another picture takes its place"):
        trainer.run()
    assert trainer.bad_pictures == {"4.png"}
    assert trainer.step == trainer.total == 2


@pytest.mark.slow
def test_it_learns_and_the_average_follows(tmp_path):
    options = ("--epochs", 40, "--accumulate", 2, "--optimizer", "muon", "--lr", 0.4, "--one-size")
    finish(script(tmp_path, *options))
    rows = read_log(tmp_path / "log.csv")
    assert [row["step"] for row in rows] == list(range(100))
    first, last = (np.mean([r["loss"] - r.get("l1", 0) for r in part]) for part in (rows[:10], rows[-10:]))
    assert last < 0.8 * first
    assert "l1" in rows[-1]
    assert "l1" not in rows[0]
    state = load_checkpoint(tmp_path / "last.pt")
    assert any(not torch.equal(state["model"][name], tensor) for name, tensor in state["ema"].items())
    assert (tmp_path / "curves.png").stat().st_size > 5000
    assert list(tmp_path.glob("events*")), "no TensorBoard events were written"


def test_accumulated_passes_see_the_same_pictures_as_one(tmp_path):
    keys = [key for part in Recipe(batch=8, accumulate=4, size=64, epochs=1).keys(20, 0) for key in part]
    whole = [key for part in Recipe(batch=8, size=64, epochs=1).keys(20, 0) for key in part]
    assert keys == whole


def test_every_picture_once_an_epoch_for_any_batch_and_any_number_of_processes():
    for pictures, batch, parts in ((20, 8, 1), (20, 8, 2), (7, 4, 4), (50, 6, 3)):
        recipe = Recipe(batch=batch, epochs=5, size=64)
        shares = [list(recipe.keys(pictures, 0, part, parts)) for part in range(parts)]
        assert {len(keys) for share in shares for keys in share} == {batch // parts}
        keys = [key for step in zip(*shares) for share in step for key in share]
        seen = {}
        for index, epoch, _ in keys:
            seen.setdefault(epoch, []).append(index)
        for epoch in range(4):  # the last one may be cut by rounding to whole steps
            assert sorted(seen[epoch]) == list(range(pictures)), (pictures, batch, parts, epoch)
        assert seen[0] != seen[1], "the order is the same in each epoch"


def test_mosaic_ends_where_the_final_steps_begin():
    recipe = Recipe(batch=4, epochs=10, final=0.2, size=64)
    allowed = [all(key[2] for key in keys) for keys in recipe.keys(20, 0)]
    assert allowed == [True] * 40 + [False] * 10


def test_the_schedule_is_the_official_one():
    """Against yolox_warm_cos_lr of the official code, at its own numbers: 300 epochs of 100 steps."""
    scheduler = pytest.importorskip("yolox.utils.lr_scheduler", reason="pixeltable-yolox is not installed")
    theirs = scheduler.LRScheduler(
        "yoloxwarmcos",
        0.01,
        100,
        300,
        warmup_epochs=5,
        warmup_lr_start=0,
        no_aug_epochs=15,
        min_lr_ratio=0.05,
    )
    for step in range(1, 30000, 7):
        ours = learning_rate(step - 1, 30000, 0.01, 500, 1500)  # theirs counts from 1
        assert ours == pytest.approx(theirs.update_lr(step), rel=2e-3, abs=1e-7), step


def test_the_average_is_the_official_one():
    ema = pytest.importorskip("yolox.utils.ema", reason="pixeltable-yolox is not installed")
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    theirs, ours = ema.ModelEMA(model, 0.9998), EMA(model)
    for _ in range(20):
        model(torch.randn(2, 3, 8, 8))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += torch.randn_like(parameter)
        theirs.update(model)
        ours.update()
    for a, b in zip(theirs.ema.state_dict().values(), ours.model.state_dict().values()):
        torch.testing.assert_close(a.float(), b.float()) if a.is_floating_point() else None


def test_only_convolution_weights_decay():
    model = build("pico", 2)
    decayed, free = parameter_groups(model, 5e-4)
    convs = {id(m.weight) for m in model.modules() if isinstance(m, torch.nn.Conv2d)}
    assert {id(p) for p in decayed["params"]} == convs
    assert len(decayed["params"]) + len(free["params"]) == len(list(model.parameters()))
    assert (decayed["weight_decay"], free["weight_decay"]) == (5e-4, 0.0)


def test_muon_makes_steps_orthogonal():
    """Against a real SVD: the same singular vectors, and all singular values near 1."""
    for shape in ((24, 216), (96, 24), (7, 7)):
        matrix = torch.randn(shape)
        u, _, vt = torch.linalg.svd(matrix, full_matrices=False)
        values = torch.diag(u.T @ orthogonal(matrix) @ vt.T)
        assert 0.5 < values.min() <= values.max() < 1.3
        rest = orthogonal(matrix) - u @ torch.diag(values) @ vt
        assert rest.norm() < 1e-3 * matrix.norm()


def test_muon_takes_filter_banks_and_adamw_the_rest():
    model = build("nano", 2)
    muon, adam = optimizers(model, "muon", 0.02, 0.95, 0.01)
    names = {id(p): name for name, p in model.named_parameters()}
    banks = {names[id(p)] for group in muon.param_groups for p in group["params"]}
    rest = {names[id(p)] for group in adam.param_groups for p in group["params"]}
    assert banks | rest == set(names.values())
    assert not banks & rest
    assert all(name.endswith("conv.weight") and ".depthwise." not in name for name in banks)
    assert "backbone.stem.cbs.conv.weight" in banks
    assert "head.levels.0.reg_pred.weight" in rest


def test_official_presets_get_the_official_recipe():
    recipe, augment = recipe_for("s", 118_287)
    assert (recipe.size, recipe.epochs, recipe.batch, recipe.lr, recipe.multiscale) == (
        640,
        300,
        64,
        0.01,
        (15, 25),
    )
    assert recipe.warmup_and_final(30000) == (500, 1500)
    assert (augment.mixup, augment.scale) == (1.0, (0.1, 2.0))
    recipe, augment = recipe_for("nano", 1000, epochs=10)
    assert (recipe.size, recipe.epochs, recipe.multiscale) == (416, 10, (10, 20))
    assert (augment.mixup, augment.mosaic, augment.scale) == (0.0, 0.5, (0.5, 1.5))


def test_the_recipe_of_minutes_scales_with_the_set():
    few, augment = recipe_for("pico", 120)
    assert (few.epochs, few.steps(120), augment.mosaic) == (45, 675, 0.5)
    many, augment = recipe_for("pico", 1800)
    assert (many.epochs, many.steps(1800), augment.mosaic) == (3, 675, 0.0)
    assert many.ema == pytest.approx(1 - 1 / 75)
    long, _ = recipe_for("pico", 1800, epochs=1000, size=256)
    assert (long.ema, long.ema_ramp, long.size, long.multiscale) == (0.9998, 2000.0, 256, (8, 8))


def test_sizes_change_every_ten_steps_within_the_range():
    recipe = Recipe(seed=3)
    sizes = [recipe.input_size(step) for step in range(400)]
    assert all(len(set(sizes[i : i + 10])) == 1 for i in range(0, 400, 10))
    assert {480, 800} <= set(sizes) <= set(range(480, 801, 32))


def test_a_resized_batch_takes_its_boxes_along():
    images = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    images[:, :, 16:48, 8:24] = 255
    target = {"boxes": torch.tensor([[8.0, 16, 24, 48]]), "labels": torch.tensor([0])}
    big, padded = prepare(images, [target], torch.device("cpu"), 1, 96)
    assert big.shape == (1, 3, 96, 96)
    torch.testing.assert_close(padded.boxes[0, 0], torch.tensor([24.0, 48, 24, 48]))
    assert big[0, 0, 30:66, 18:30].min() == 1
    assert big[0, 0, :, 40:].max() == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 100}, "multiple of 32"),
        ({"batch": 0}, "batch is 0"),
        ({"batch": 10, "accumulate": 4}, "cannot be split into 4"),
        ({"precision": "int8"}, "choose fp32, bf16 or fp16"),
    ],
)
def test_an_impossible_recipe_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**change)


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    make_trainer(tmp_path).run(until=1)
    with pytest.raises(
        CheckpointError, match=r"last\.pt: it is of a run with epochs 3; this one has epochs 9\."
    ):
        make_trainer(tmp_path, epochs=9).resume(tmp_path / "last.pt")
    data = (tmp_path / "last.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(data[: len(data) // 2])
    with pytest.raises(WeightsError, match=r"cut\.pt: the file is cut off or damaged"):
        make_trainer(tmp_path).resume(tmp_path / "cut.pt")
    with pytest.raises(WeightsError, match=r"none\.pt: no such file"):
        make_trainer(tmp_path).resume(tmp_path / "none.pt")


def test_bf16_trains_and_gives_float32_weights(tmp_path):
    trainer = make_trainer(tmp_path, precision="bf16", epochs=1, batch=10, multiscale=(1, 1))
    freeze_batch_norm(trainer)
    trainer.run()
    assert {p.dtype for p in trainer.model.parameters()} == {torch.float32}
    assert all(np.isfinite(row["loss"]) for row in read_log(tmp_path / "log.csv"))
