"""The command line: what it writes, what it says, and how it fails. Mostly in this process, to be quick."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import yolox_edu
from yolox_edu import weights
from yolox_edu.__main__ import COMMANDS, main
from yolox_edu.data.crossing import Crossing

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A file of weights for Crossing: random, but sure of a few things."""
    torch.manual_seed(3)
    model = yolox_edu.build("pico", len(Crossing.names), Crossing.names).eval()
    model.category_ids, model.size = Crossing.category_ids, (64, 64)
    for level in model.head.levels:
        torch.nn.init.constant_(level.obj_pred.bias, 3.0)
        torch.nn.init.normal_(level.cls_pred.bias, -1.0, 1.0)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    weights.save(model, path)
    return str(path)


@pytest.fixture
def photos(tmp_path):
    """A folder with two pictures, one of them deeper."""
    (tmp_path / "in" / "deep").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 255, (60, 90, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "in" / "a.png")
    Image.fromarray(noise[:40]).save(tmp_path / "in" / "deep" / "a.jpg")
    return tmp_path / "in"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Run in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def one_line_error(capsys):
    """What stderr says, which must be one line in our form."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("yolox_edu: error: ")
    return lines[0]


def usage_error(argv, capsys):
    with pytest.raises(SystemExit) as left:
        main(argv)
    assert left.value.code == 2
    return capsys.readouterr().err


# --- help -------------------------------------------------------------------------------------------------


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    assert all(f"    {name} " in text for name in COMMANDS)
    assert "examples:" in text
    assert main([]) == 2
    assert main(["--version"]) == 0
    assert yolox_edu.__version__ in capsys.readouterr().out


@pytest.mark.parametrize("command", ["detect", "evaluate", "data", "data crossing", "data sheet", "export"])
def test_each_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as left:
        main([*command.split(), "--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    assert "(default: None)" not in text
    assert "==SUPPRESS==" not in text
    if " " not in command:
        assert "examples:\n" in text


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["fly"], "invalid choice: 'fly'"),
        (["detect", "--size", "100"], "'100': give 416 or 384x640"),
        (["detect", "--size", "64x64x64"], "multiples of 32"),
        (["detect", "--confidence", "2"], "no number from 0 to 1"),
        (["evaluate", "--batch", "0"], "no whole number from 1 on"),
        (["data"], "required: ACTION"),
        (["export", "--format", "onnx", "--out", "x"], "invalid choice: 'onnx'"),
    ],
)
def test_wrong_usage(argv, says, capsys):
    assert says in usage_error(argv, capsys)


# --- detect -----------------------------------------------------------------------------------------------


def test_detect_pictures_and_folders(trained, photos, here, capsys):
    argv = ["detect", str(photos), str(photos / "*.png"), "--weights", trained, "--json", "out/all.json"]
    assert main(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith(f"{photos / 'a.png'}: ")
    assert "3 in runs" in lines[-1]
    drawn = sorted(path.name for path in (here / "runs" / "detect").iterdir())
    assert drawn == ["a-2.jpg", "a-3.jpg", "a.jpg"]  # nothing overwritten
    assert Image.open(here / "runs" / "detect" / "a-2.jpg").size == (90, 40)
    records = json.loads((here / "out" / "all.json").read_text())
    assert [(r["width"], r["height"]) for r in records] == [(90, 60), (90, 40), (90, 60)]
    assert records[0]["detections"]
    for found in records[0]["detections"]:
        assert found["name"] in Crossing.names
        assert found["score"] >= 0.25
        assert 0 <= found["box"][0] < found["box"][2] <= 90


def test_detect_without_input_draws_its_own_pictures(trained, here, capsys):
    assert main(["detect", "--weights", trained, "--no-draw", "--confidence", "0.99"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" (")[0] for line in lines] == [f"crossing-1-{i}: nothing found" for i in range(4)]
    assert not (here / "runs").exists()


def test_json_on_stdout_is_nothing_but_json(trained, photos, here, capsys):
    assert (
        main(["detect", str(photos / "a.png"), "--weights", trained, "--json", "-", "--size", "64x96"]) == 0
    )
    said = capsys.readouterr()
    assert json.loads(said.out)[0]["file"].endswith("a.png")
    assert "a.png: " in said.err


def test_a_bad_picture_is_reported_and_the_rest_is_done(trained, photos, here, capsys):
    (photos / "b.jpg").write_text("no picture")
    (here / "empty").mkdir()
    argv = ["detect", "none.png", str(photos), "empty", "--weights", trained, "--out", "drawn"]
    assert main(argv) == 1
    said = capsys.readouterr()
    errors = said.err.splitlines()
    assert len(errors) == 3
    assert all(line.startswith("yolox_edu: error: ") for line in errors)
    for line, words in zip(
        errors, ("none.png: no such file", "b.jpg: cannot be read", "empty: no picture in")
    ):
        assert words in line
    assert len(list((here / "drawn").iterdir())) == 2


def test_video_in_video_out(trained, here, capsys):
    cv2 = pytest.importorskip("cv2")
    writer = cv2.VideoWriter("in.mp4", cv2.VideoWriter_fourcc(*"mp4v"), 10, (96, 64))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no MP4")
    for i in range(5):
        writer.write(np.full((64, 96, 3), 40 * i, np.uint8))
    writer.release()
    assert main(["detect", "in.mp4", "--weights", trained, "--out", "drawn", "--frames", "3"]) == 0
    assert "in.mp4: 3 frames" in capsys.readouterr().out
    lines = [json.loads(line) for line in (here / "drawn" / "in.jsonl").read_text().splitlines()]
    assert [(line["frame"], line["seconds"]) for line in lines] == [(0, 0.0), (1, 0.1), (2, 0.2)]
    assert all("detections" in line for line in lines)
    drawn = cv2.VideoCapture("drawn/in.mp4")
    ok, frame = drawn.read()
    assert ok
    assert frame.shape == (64, 96, 3)


def test_videos_and_webcams_that_are_not_there(trained, here, capsys):
    pytest.importorskip("cv2")
    (here / "fake.mp4").write_text("no video")
    assert main(["detect", "fake.mp4", "none.avi", "97", "--weights", trained]) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("yolox_edu: error: ")]
    for line, words in zip(
        errors, ("fake.mp4: no video that", "none.avi: no such file", "webcam 97: is there")
    ):
        assert words in line
    assert len(errors) == 3


# --- evaluate, data, export -------------------------------------------------------------------------------


def test_write_a_set_and_evaluate_on_it(trained, here, capsys):
    argv = ["data", "crossing", "set", "--count", "3", "--split", "val", "--size", "96"]
    assert main(argv) == 0
    assert "3 pictures in set/val" in capsys.readouterr().out.replace(os.sep, "/")
    assert len(list((here / "set" / "val").glob("*.png"))) == 3

    argv = ["evaluate", "--weights", trained, "--data", "set", "--json", "out/report.json", "--batch", "2"]
    argv += ["--card", "out/card.png"]
    assert main(argv) == 0
    table = capsys.readouterr().out
    assert "3 pictures at 64 x 64" in table
    assert "   APs" in table
    assert "person" in table
    report = json.loads((here / "out" / "report.json").read_text())
    assert report["images"] == 3
    assert Image.open(here / "out" / "card.png").size == (1110, 1110)
    assert list(report["per_class"]) == list(Crossing.names)

    assert main(["data", "sheet", "set", "--out", "s/sheet.png", "--columns", "2"]) == 0
    assert "3 pictures on" in capsys.readouterr().out
    assert Image.open(here / "s" / "sheet.png").size == (2 * 96 + 12, 2 * 96 + 12)


def test_evaluate_on_crossing_as_it_is_drawn(trained, capsys):
    assert main(["evaluate", "--weights", trained, "--count", "2"]) == 0
    assert "2 pictures at 64 x 64" in capsys.readouterr().out


def test_a_sheet_of_crossing(here, capsys):
    assert main(["data", "sheet", "crossing", "--first", "2", "--count", "2", "--columns", "2"]) == 0
    assert Image.open(here / "sheet.png").width == 2 * 320 + 12


def test_export_there_and_back(trained, here, capsys):
    assert main(["export", "--weights", trained, "--format", "official", "--out", "a/official.pth"]) == 0
    assert main(["export", "--weights", "a/official.pth", "--format", "safetensors", "--out", "b.st"]) == 0
    assert "b.st: pico, 8 classes, " in capsys.readouterr().out
    first, second = weights.load(trained), weights.load(here / "b.st")
    picture = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(first.raw(picture), second.raw(picture), atol=1e-4)
    assert set(torch.load("a/official.pth", weights_only=True)) == {"model"}


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["detect", "--weights", "none.pth"], "none.pth: no such file"),
        (["detect", "--weights", "nosuchname"], "nosuchname: no such file, nor weights that come with"),
        (["detect", "--device", "nonsense"], "--device nonsense: "),
        (["evaluate", "--weights", "{w}", "--data", "nowhere"], "nowhere: no such folder"),
        (["evaluate", "--weights", "{w}", "--split", "val2017"], "splits train, val; got 'val2017'"),
        (["data", "crossing", "d", "--size", "100"], "must be a multiple of 32"),
        (["data", "crossing", "d", "--split", "test"], "--split test: give a --seed too"),
        (["data", "sheet", "crossing", "--first", "-1"], "--first -1"),
        (["export", "--weights", "{w}", "--format", "official", "--half", "--out", "x"], "--half: "),
        (["export", "--weights", "{w}", "--format", "official", "--out", "file/x.pth"], "file"),
    ],
)
def test_errors_are_one_line(argv, words, trained, here, capsys):
    (here / "file").write_text("in the way of a folder")
    assert main([word.format(w=trained) for word in argv]) == 1
    assert words in one_line_error(capsys)


def test_classes_that_do_not_match(trained, here, capsys):
    (here / "set" / "annotations").mkdir(parents=True)
    (here / "set" / "val").mkdir()
    Image.new("RGB", (40, 30)).save(here / "set" / "val" / "a.png")
    (here / "set" / "annotations" / "instances_val.json").write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 30}],
                "annotations": [],
                "categories": [{"id": 7, "name": "zebra"}],
            }
        )
    )
    assert main(["evaluate", "--weights", trained, "--data", "set"]) == 1
    assert "does not know zebra" in one_line_error(capsys)


def test_debugging_shows_where_an_error_comes_from(monkeypatch):
    monkeypatch.setenv("YOLOX_EDU_DEBUG", "1")
    with pytest.raises(weights.WeightsError):
        main(["detect", "--weights", "none.pth"])


def test_ctrl_c(trained, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("yolox_edu.cli_detect.Job.picture", interrupted)
    assert main(["detect", "--weights", trained]) == 130
    assert capsys.readouterr().err == "yolox_edu: stopped\n"


def test_as_a_program_of_its_own(trained, photos, here):
    """The exit code reaches the shell, and a user's mistake shows no traceback."""
    run = [
        sys.executable,
        "-m",
        "yolox_edu",
        "detect",
        str(photos / "a.png"),
        "none.jpg",
        "--weights",
        trained,
    ]
    root = os.path.dirname(os.path.dirname(yolox_edu.__file__))
    done = subprocess.run(run, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": root})
    assert done.returncode == 1
    assert "a.png: " in done.stdout
    assert "none.jpg: no such file" in done.stderr
    assert "Traceback" not in done.stderr
