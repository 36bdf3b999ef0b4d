"""`python -m yolox_edu train` from beginning to end, as a user runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from yolox_edu import weights
from yolox_edu.__main__ import main
from yolox_edu.data.crossing import Crossing, write_coco

ROOT = Path(__file__).resolve().parents[1]
TINY = ["--count", "12", "--val-count", "3", "--size", "64", "--epochs", "1", "--batch", "4", "--quiet"]


def train(*arguments, launcher=()):
    return subprocess.run(
        [sys.executable, *launcher, "-m", "yolox_edu", "train", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of three steps, and what it printed."""
    folder = tmp_path_factory.mktemp("run") / "tiny"
    done = train(*TINY, "--out", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


@pytest.mark.slow
def test_a_run_leaves_what_its_help_promises(run):
    folder, said = run
    for name in ("last.pt", "weights.safetensors", "log.csv", "curves.png", "report.json", "results.png"):
        assert (folder / name).stat().st_size > 0, name
    assert "12 pictures to learn from, 3 to be measured on" in said
    assert "3 steps" in said
    assert json.loads((folder / "report.json").read_text())["images"] == 3
    model = weights.load(folder / "weights.safetensors")
    assert (model.preset.name, model.num_classes, model.size) == ("pico", 8, (64, 64))
    assert model.category_ids == (1, 2, 3, 6, 8, 10, 13, 18)
    checkpoint = weights.load(folder / "last.pt")  # a checkpoint is as good, and gives the same network
    assert all((a == b).all() for a, b in zip(model.state_dict().values(), checkpoint.state_dict().values()))


@pytest.mark.slow
def test_a_run_is_not_overwritten_but_resumed(run):
    folder, _ = run
    again = train(*TINY, "--out", folder)
    assert again.returncode == 1
    assert "holds a run already: go on with --resume" in again.stderr
    assert "Traceback" not in again.stderr
    resumed = train("--resume", folder, "--quiet")
    assert resumed.returncode == 0, resumed.stderr
    assert "going on at step 3" in resumed.stdout


@pytest.mark.slow
def test_two_processes_under_torchrun_write_one_run(tmp_path):
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = train(*TINY, "--weights", "crossing", "--out", tmp_path / "two", launcher=launcher)
    assert done.returncode == 0, done.stderr
    assert "Warning:" not in done.stderr
    assert done.stdout.count("from crossing") == 1, "one of them speaks"
    assert done.stdout.count("weights, report and pictures") == 1
    assert json.loads((tmp_path / "two" / "report.json").read_text())["images"] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resume", "nowhere"], "--resume takes the folder of a run"),
        (["--data", "nowhere", "--out", "x"], "nowhere"),
        (
            ["--weights", "nothing.pth", "--count", "2", "--val-count", "1", "--out", "x"],
            "nothing.pth: no such file",
        ),
        (
            ["--size", "100", "--count", "2", "--val-count", "1", "--out", "x"],
            "size is 100, but must be a multiple",
        ),
    ],
)
def test_user_errors_are_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_classes_that_could_not_be_evaluated_stop_the_run_before_it_starts(tmp_path, capsys):
    for split in ("train", "val"):
        write_coco(Crossing(1, size=64), tmp_path, split)
    path = tmp_path / "annotations" / "instances_val.json"
    path.write_text(path.read_text().replace('"person"', '"Person"'))
    assert main(["train", "--data", str(tmp_path), "--out", str(tmp_path / "run"), "--quiet"]) == 1
    assert "the model does not know Person" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
