"""The doctor: each symptom is planted in the shipped weights or in their pictures, and must be named."""

import copy
import json
import re
import zipfile
from types import SimpleNamespace

import pytest
import torch

import yolox_edu
from yolox_edu import doctor, doctor_environment, doctor_run, weights
from yolox_edu.__main__ import main
from yolox_edu.checkpoint import save_checkpoint
from yolox_edu.data.coco import open_coco
from yolox_edu.data.coco_json import coco_index
from yolox_edu.data.crossing import Crossing
from yolox_edu.data.findings import Finding, Findings
from yolox_edu.doctor import examine

pytestmark = pytest.mark.usefixtures("one_thread")


class Some:
    """A few pictures of Crossing, drawn once; `change` alters each annotation, in place."""

    def __init__(self, samples, records, names=Crossing.names, change=lambda record: None):
        self.samples, self.names, self.category_ids = samples, tuple(names), Crossing.category_ids
        records = copy.deepcopy(records)
        for record in records["annotations"]:
            change(record)
        self.coco = coco_index(records)

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, i):
        return self.samples[i]


@pytest.fixture(scope="module")
def drawn():
    """What Some takes: samples, and the ground truth."""
    source = Crossing.split("val", 4)
    return [source[i] for i in range(len(source))], source.coco.dataset


@pytest.fixture(scope="module")
def healthy():
    return weights.load("crossing")


@pytest.fixture
def saved(tmp_path, healthy):
    """saved(change) writes the shipped weights after `change(model)`; returns the file."""

    def write(change):
        model = copy.deepcopy(healthy)
        with torch.no_grad():
            model = change(model) or model
        model.size, model.category_ids = healthy.size, healthy.category_ids
        weights.save(model, tmp_path / "w.safetensors")
        return tmp_path / "w.safetensors"

    return write


@pytest.fixture(autouse=True)
def _only_what_the_doctor_adds(monkeypatch, drawn):
    """The checker and the machine have tests of their own; and nothing is drawn twice."""
    monkeypatch.setattr(doctor, "check", lambda *_: [])
    monkeypatch.setattr(doctor, "check_environment", lambda say: None)
    monkeypatch.setattr(doctor_run, "PICTURES", 4)
    monkeypatch.setattr(doctor, "Crossing", SimpleNamespace(split=lambda *_: Some(*drawn)))


def codes(found):
    return {f.code for f in found if f.severity != "note"}


def line(found, code):
    (one,) = [f for f in found if f.code == code]
    return str(one)


# --- all is well ------------------------------------------------------------------------------------------


def test_a_healthy_pair(drawn):
    found = examine(Some(*drawn), weights="crossing")
    assert codes(found) == set()
    assert {f.code for f in found} == {"weights", "losses", "found"}
    assert "pico, 8 classes (person, bicycle, car, …), input 320 x 320" in line(found, "weights")
    said = line(found, "found")
    count = re.search(r"(\d+) of \d+ ground truths found", said)[1]
    assert f"the class is right for {count} of {count} found" in said


def test_healthy_weights_alone():
    assert codes(examine(weights="crossing")) == set()


@pytest.mark.parametrize(("name", "legacy"), [("yolox_nano_0.1.1", False), ("yolox_nano_legacy", True)])
def test_official_weights_on_real_pictures(name, legacy, shared):
    found = examine(shared / "coco-mini", "val2017", shared / "weights" / f"{name}.pth", legacy)
    assert codes(found) == set()
    assert "official file" in line(found, "weights")


@pytest.mark.parametrize(
    ("name", "legacy", "mend"),
    [("yolox_nano_0.1.1", True, "leave out --legacy"), ("yolox_nano_legacy", False, "add --legacy")],
)
def test_the_wrong_release(name, legacy, mend, shared):
    found = examine(shared / "coco-mini", "val2017", shared / "weights" / f"{name}.pth", legacy)
    assert codes(found) == {"stem-scale", "input-rule"}
    assert mend in line(found, "input-rule")


# --- the file of weights ----------------------------------------------------------------------------------


def nan(model):
    model.neck.lateral5.conv.weight[0, 0] = float("nan")


def zero(model):
    model.neck.lateral5.conv.weight.zero_()


def half_loaded(model):
    model.neck.lateral5.bn.reset_running_stats()


def dead_stem(model):
    model.backbone.stem.cbs.conv.weight.zero_()


def negative(model):
    model.backbone.stem.cbs.bn.running_var.neg_()


def absurd(model):
    model.neck.lateral5.bn.running_var[2] = 1e12


def fresh(model):
    return yolox_edu.build("pico", 8, Crossing.names)


def fresh_classes(model):
    start = yolox_edu.build("pico", 8).head
    for level, other in zip(model.head.levels, start.levels):
        level.cls_pred.load_state_dict(other.cls_pred.state_dict())


WEIGHTS = {
    "nan": (nan, {"weights-nan"}, "neck.lateral5.conv.weight: "),
    "zero": (zero, {"weights-zero"}, "neck.lateral5.conv.weight"),
    "dead stem": (dead_stem, {"weights-zero"}, "backbone.stem.cbs.conv.weight"),
    "negative": (negative, {"bn-absurd"}, "backbone.stem.cbs.bn"),
    "half loaded": (half_loaded, {"bn-partly"}, "neck.lateral5.bn"),
    "absurd": (absurd, {"bn-absurd"}, "neck.lateral5.bn"),
    "never trained": (fresh, {"bn-untouched", "head-fresh"}, "never trained"),
    "new classes": (fresh_classes, {"classes-fresh"}, "not trained on them yet"),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_odd_weights(name, saved):
    change, expected, words = WEIGHTS[name]
    found = examine(weights=saved(change))
    assert codes(found) == expected
    assert all(words in str(f) for f in found if f.severity != "note")


def test_files_that_are_no_weights(tmp_path):
    (tmp_path / "a.pth").write_bytes(b"\xff\xd8\xff\xe0")
    torch.save({"conv.weight": torch.ones(2)}, tmp_path / "b.pth")
    assert "a JPEG picture" in line(examine(weights=tmp_path / "a.pth"), "weights-unreadable")
    assert "another network" in line(examine(weights=tmp_path / "b.pth"), "weights-unreadable")
    assert "no such file" in line(examine(weights="nowhere.pth"), "weights-unreadable")


def test_a_file_that_was_damaged_on_its_way(tmp_path, healthy):
    """torch loads it without a word: numbers are numbers."""
    path = checkpoint(tmp_path / "a.pt", healthy)
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda info: info.file_size)
    data = bytearray(path.read_bytes())
    data[largest.header_offset + largest.file_size // 2] ^= 1
    path.write_bytes(data)
    found = examine(weights=path)
    assert codes(found) == {"weights-damaged"}
    assert largest.filename in line(found, "weights-damaged")


def checkpoint(path, healthy, **change):
    raw = healthy.state_dict()
    state = {**weights.description(healthy), "model": raw, "ema": raw, "ema_updates": 40, "step": 40}
    save_checkpoint(path, state | change)
    return path


def test_checkpoints_of_our_training(tmp_path, healthy):
    found = examine(weights=checkpoint(tmp_path / "a.pt", healthy))
    assert codes(found) == set()
    assert "a checkpoint of our training at step 40, weights averaged" in line(found, "weights")
    run = {"recipe": {"batch": 5, "epochs": 30}, "pictures": 80}
    found = examine(weights=checkpoint(tmp_path / "b.pt", healthy, **run))
    assert "at step 40 (epoch 2.5 of 30), " in line(found, "weights")
    found = examine(weights=checkpoint(tmp_path / "b.pt", healthy, ema_updates=0))
    assert codes(found) == {"ema-idle"}
    found = examine(weights=checkpoint(tmp_path / "c.pt", healthy, ema=None))
    assert codes(found) == {"ema-missing"}
    broken = copy.deepcopy(healthy)
    with torch.no_grad():
        nan(broken)
    found = examine(weights=checkpoint(tmp_path / "d.pt", healthy, model=broken.state_dict()))
    assert "model.neck.lateral5.conv.weight" in line(found, "weights-nan")


# --- the two together -------------------------------------------------------------------------------------


def stem(model):
    return model.backbone.stem.cbs.conv.weight


@pytest.mark.parametrize(
    ("factor", "stem_says", "rule_says"),
    [
        (255, "times larger than in training", "255 times smaller it finds clearly more"),
        (1 / 255, "times smaller than in training", "255 times larger it finds clearly more"),
    ],
)
def test_255_in_twice_or_not_at_all(factor, stem_says, rule_says, saved, drawn):
    def change(model):
        stem(model).mul_(factor)

    path = saved(change)
    assert codes(examine(weights=path)) == {"stem-scale"}
    found = examine(Some(*drawn), weights=path)
    assert codes(found) == {"stem-scale", "input-rule"}
    assert stem_says in line(found, "stem-scale")
    assert rule_says in line(found, "input-rule")


def test_red_and_blue_exchanged(saved, drawn):
    def change(model):
        stem(model).copy_(weights.flip_channels(stem(model)))

    found = examine(Some(*drawn), weights=saved(change))
    assert codes(found) == {"input-rule"}
    assert "with red and blue exchanged it finds clearly more" in line(found, "input-rule")


def as_corners(record):
    x, y, w, h = record["bbox"]
    record["bbox"] = [x, y, x + w, y + h]


def as_centres(record):
    x, y, w, h = record["bbox"]
    record["bbox"] = [x + w / 2, y + h / 2, w, h]


def as_rows(record):
    x, y, w, h = record["bbox"]
    record["bbox"] = [y, x, h, w]


def turned(record):
    x, y, w, h = record["bbox"]
    record["bbox"] = [x, y, h, w]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (as_corners, "corners (x1, y1"),
        (as_centres, "centre, width"),
        (as_rows, "y, x, height, width"),
        (turned, "x, y, height, width"),
    ],
)
def test_boxes_in_another_format(change, words, drawn):
    found = examine(Some(*drawn, change=change), weights="crossing")
    assert codes(found) == {"box-reading"}
    assert f"read as {words}" in line(found, "box-reading")


def test_pictures_mirrored_without_their_boxes(drawn):
    """Two of four, as an augmentation does it; one alone may be chance."""
    samples, records = drawn
    for many in (1, 2):
        odd = [(p[:, ::-1].copy() if i < many else p, target) for i, (p, target) in enumerate(samples)]
        found = examine(Some(odd, records), weights="crossing")
        assert codes(found) == ({"pairs-mirrored"} if many == 2 else set())
    said = line(found, "pairs-mirrored")
    assert "in 2 of 4 pictures" in said
    assert samples[0][1]["file"] in said
    assert samples[2][1]["file"] not in said


def test_boxes_of_another_picture(drawn):
    samples, records = drawn
    pictures, targets = zip(*samples)
    found = examine(Some([*zip(pictures[1:] + pictures[:1], targets)], records), weights="crossing")
    assert codes(found) == {"pairs-other"}
    said = line(found, "pairs-other")
    assert "in 4 of 4 pictures" in said
    assert f"those of {targets[1]['file']} fit {targets[0]['file']}" in said


@pytest.mark.parametrize(("turn", "code"), [(False, "pairs-other"), (True, "pairs-mirrored")])
def test_pairs_on_real_pictures(turn, code, shared, monkeypatch):
    """A weak detector, and things that are hard to see."""
    monkeypatch.setattr(doctor_run, "PICTURES", 8)
    source = open_coco(shared / "coco-mini", "val2017")
    some = [source[i] for i in range(9)]
    if turn:
        some = [(p[:, ::-1].copy() if i % 2 else p, target) for i, (p, target) in enumerate(some)]
    else:
        pictures, targets = zip(*some)
        some = [*zip(pictures[1:] + pictures[:1], targets)]
    set_ = Some(some, source.coco.dataset, source.names)
    set_.category_ids = source.category_ids
    found = examine(set_, weights=shared / "weights" / "yolox_nano_0.1.1.pth")
    assert codes(found) == {code}


def rolled(step):
    """The class branch tells each class under the number `step` further on."""

    def change(model):
        for level in model.head.levels:
            level.cls_pred.weight.copy_(level.cls_pred.weight.roll(step, 0))
            level.cls_pred.bias.copy_(level.cls_pred.bias.roll(step, 0))

    return change


@pytest.mark.parametrize(("step", "words"), [(1, "predicted = label + 1"), (-1, "predicted = label - 1")])
def test_labels_shifted_by_one(step, words, saved, drawn):
    found = examine(Some(*drawn), weights=saved(rolled(step)))
    assert codes(found) == {"classes-shifted"}
    assert words in line(found, "classes-shifted")


def test_another_order_of_classes(saved, drawn):
    found = examine(Some(*drawn), weights=saved(rolled(3)))
    assert codes(found) == {"classes-order"}
    assert "person as bus" in line(found, "classes-order")


def test_labels_without_any_pattern(drawn):
    def change(record):
        record["category_id"] = Crossing.category_ids[record["id"] * 7 % 8]

    assert "classes-wrong" in codes(examine(Some(*drawn, change=change), weights="crossing"))


def test_classes_that_the_weights_do_not_know(drawn):
    names = ("Person", *Crossing.names[1:])
    found = examine(Some(*drawn, names=names), weights="crossing")
    assert codes(found) == {"classes-missing"}
    assert "(Person)" in line(found, "classes-missing")
    assert "(person)" in line(found, "classes-more")


def unnamed(classes):
    def change(model):
        other = yolox_edu.build("pico", classes)
        kept = {k: v for k, v in model.state_dict().items() if classes == 8 or ".cls_pred." not in k}
        other.load_state_dict(kept, strict=False)
        return other.eval()

    return change


def test_classes_without_names(saved, drawn):
    def write(classes):
        path = saved(lambda model: None)
        model = unnamed(classes)(weights.load(path))
        model.category_ids, model.size = None, (320, 320)
        weights.save(model, path)
        return path

    found = examine(Some(*drawn), weights=write(8))
    assert codes(found) == set()
    assert "the weights name no classes" in line(found, "classes-unnamed")
    found = examine(Some(*drawn), weights=write(5))
    assert "5 classes without names, the set has 8" in line(found, "classes-number")


def test_an_untrained_network(saved, drawn):
    found = examine(Some(*drawn), weights=saved(fresh))
    assert {"loss-high", "blind", "head-fresh"} <= codes(found)


def test_a_network_that_answers_nan(saved, drawn):
    def change(model):
        model.head.levels[0].cls_pred.bias.fill_(3e38)
        model.head.levels[0].cls_pred.weight.fill_(3e38)

    assert "output-nan" in codes(examine(Some(*drawn), weights=saved(change)))


def test_a_set_that_cannot_be_opened(tmp_path):
    found = examine(tmp_path, weights="crossing")
    assert "the network did not look at the set" in line(found, "run-skipped")


# --- the machine, and the command -------------------------------------------------------------------------


def machine():
    say = Findings("machine")
    doctor_environment.check_environment(say)
    return say


def test_this_machine():
    found = machine()
    assert [f for f in found if f.severity == "error"] == []
    assert "torch" in line(found, "machine")


def test_a_machine_that_lacks_things(monkeypatch):
    versions = {"torch": "2.4.1+cpu", "numpy": None}
    monkeypatch.setattr(doctor_environment, "installed", lambda name: versions.get(name, "99"))
    monkeypatch.setattr(doctor_environment.util, "find_spec", lambda name: None if name == "cv2" else 1)
    monkeypatch.setattr(doctor_environment, "ROOM", 1e18)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 10_000)

    def no_nms(*_):
        raise RuntimeError("Couldn't load custom C++ ops.\nmore")

    monkeypatch.setattr(doctor_environment, "nms", no_nms)
    found = machine()
    assert codes(found) == {
        *("package-old", "package-missing", "extra-missing", "torchvision-build", "disk-full", "threads")
    }
    assert "torch: version 2.4.1+cpu, at least 2.6 is needed" in line(found, "package-old")
    assert "cv2: it is not installed" in line(found, "extra-missing")


def test_the_needs_are_those_of_the_package(root):
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    for name, least in doctor_environment.NEEDS.items():
        assert f'"{name}>={least}"' in text


def test_no_guess_where_the_checker_has_named_the_reason(saved, drawn, monkeypatch):
    source, weights_ = Some(*drawn), saved(fresh)
    assert {"loss-high", "blind"} <= codes(examine(source, weights=weights_))
    reason = Finding("error", "picture-missing", "a", "b", "c")
    monkeypatch.setattr(doctor, "check", lambda *_: [reason])
    found = codes(examine(source, weights=weights_))
    assert {"picture-missing", "head-fresh"} <= found
    assert not found & {"loss-high", "blind"}


def test_help(capsys):
    with pytest.raises(SystemExit):
        main(["doctor", "--help"])
    assert "--legacy" in capsys.readouterr().out


def test_the_command(capsys, tmp_path, saved, monkeypatch):
    monkeypatch.setattr(doctor, "Crossing", Crossing)
    out = tmp_path / "findings.json"
    assert main(["doctor", "--weights", "crossing", "--json", str(out)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("0 errors, 0 warnings, 1 note")
    assert json.loads(out.read_text())[0]["code"] == "weights"
    assert main(["doctor", "--weights", str(saved(zero))]) == 1
    assert capsys.readouterr().out.startswith("error    ")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--split", "val"], "--split: say of which set"),
        (["--legacy"], "--legacy: say which file"),
        (["--data", "crossing", "--split", "test", "--weights", "crossing"], "splits train, val; got 'test'"),
    ],
)
def test_wrong_usage_is_one_line(argv, words, capsys, monkeypatch):
    monkeypatch.setattr(doctor, "Crossing", Crossing)
    assert main(["doctor", *argv]) == 1
    assert words in capsys.readouterr().err
