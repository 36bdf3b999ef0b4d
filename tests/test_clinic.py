"""The error clinic: every switch plants what it says, every test on the page tells sick from healthy."""

import contextlib
import copy
import io
import re
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import notebooks
import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import clinic as bench

from yolox_edu import build, clinic, evaluate
from yolox_edu.clinic_reader import Reader, judge
from yolox_edu.clinic_source import Changed, only
from yolox_edu.data.crossing import Crossing, write_coco
from yolox_edu.data.training import RamCache, TrainSet
from yolox_edu.detect import Detector
from yolox_edu.doctor import examine
from yolox_edu.logs import read_log
from yolox_edu.measured import recall
from yolox_edu.recipe import recipe_for
from yolox_edu.train import Trainer
from yolox_edu.viz.clinic import curves, patient, shares, ward
from yolox_edu.weights import flip_channels, load

PAGE = notebooks.BOOK / "error_clinic.ipynb"
NAMES = list(clinic.FAULTS)


@pytest.fixture(scope="module")
def streets():
    return RamCache(Crossing.split("train", 6, 160))


@pytest.fixture(scope="module")
def parts(streets):
    """Something healthy of each kind."""
    recipe, _ = recipe_for("pico", 240, size=160, epochs=8)
    reader = Reader(load("crossing"))
    return {"source": streets, "recipe": recipe, "trainer": Trainer, "builder": build, "reader": reader}


# --- the page ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def said():
    """What each entry of the page prints now, by the fault's name."""
    cells = [c for c in notebooks.read(PAGE).cells if c.cell_type == "code"]
    plt.switch_backend("agg")
    space, found = {}, {}
    for cell in cells[1:]:
        if "costs = " in cell.source:
            break  # after the entries: the wall, and the doctor, which has tests of its own
        if "plt.show()" in cell.source or "viz.play(" in cell.source:
            continue
        out, tags = io.StringIO(), cell.metadata.get("tags", [])
        allowed = contextlib.suppress(Exception) if "raises-exception" in tags else contextlib.nullcontext()
        with contextlib.redirect_stdout(out), allowed:
            exec(cell.source, space)
        for name in re.findall(r'(?:visit|compare)\(\s*"([^"]+)"', cell.source):
            found[name] = out.getvalue()
    plt.close("all")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_test_of_an_entry_tells_sick_from_healthy(said, name):
    lines = said[name].splitlines()
    assert lines[0].startswith("healthy")
    assert lines[0].endswith("well")
    assert lines[1].startswith("planted")
    assert lines[1].endswith("SICK")


def test_triage_leads_to_entries():
    text = "\n".join(c.source for c in notebooks.read(PAGE).cells if c.cell_type == "markdown")
    targets, links = (
        set(re.findall(r"^\((clinic-\w+)\)=$", text, re.M)),
        re.findall(r"\]\((clinic-\w+)\)", text),
    )
    assert set(links) <= targets
    assert len(targets) >= len(NAMES)


def test_the_game_has_all_patients_and_hides_their_names():
    data = [
        o.get("data", {}).get("text/html", "")
        for c in notebooks.read(PAGE).cells
        for o in c.get("outputs", [])
    ]
    (html,) = [each for each in data if 'id="play-clinic"' in each]
    assert len(html) < 350_000
    said_now = re.search(r'class="play-says"[^>]*>(.*?)</p>', html, re.S).group(1)
    assert "Patient 1" in said_now
    assert not any(name in said_now for name in NAMES)
    assert all(f": {name}. Diagnosis" in html for name in NAMES if name != "two devices")


# --- the switch -------------------------------------------------------------------------------------------


def state(part):
    """Everything of a healthy part that planting could have changed."""
    if isinstance(part, Reader):
        return {"training": part.model.training, **{k: v.clone() for k, v in part.model.state_dict().items()}}
    if isinstance(part, RamCache):
        return {
            f"{i}{k}": torch.as_tensor(v)
            for i in range(3)
            for k, v in (
                ("image", part[i][0].copy()),
                *((k, part[i][1][k].copy()) for k in ("boxes", "labels")),
            )
        }
    return {"part": copy.copy(part) if not callable(part) else part}


@pytest.mark.parametrize("name", NAMES)
def test_planting_leaves_the_healthy_part_alone(parts, name):
    fault = clinic.FAULTS[name]
    before = state(parts[fault.part])
    sick = clinic.plant(name, parts[fault.part])
    if fault.part == "source":
        assert sick[0][0].shape == (160, 160, 3)
    if fault.part == "reader" and name != "two devices":
        sick(parts["source"][0][0])
    after = state(parts[fault.part])
    for key, value in before.items():
        assert torch.equal(value, after[key]) if isinstance(value, torch.Tensor) else value == after[key], key


def test_a_fault_has_words_and_a_place():
    assert len(clinic.FAULTS) >= 24
    for fault in clinic.FAULTS.values():
        assert fault.finding.endswith(".")
        assert fault.mend.endswith(".")
        assert fault.group in ("data", "weights", "training", "inference")


def test_what_cannot_be_planted_is_said(parts):
    with pytest.raises(KeyError, match="there are: boxes in 0 to 1"):
        clinic.plant("flu", parts["recipe"])
    with pytest.raises(TypeError, match="planted in a recipe, not in"):
        clinic.plant("no warm-up", parts["source"])


def test_sick_boxes_are_what_they_say(streets):
    image, target = streets[1]
    boxes = target["boxes"]

    def sick(name):
        return clinic.plant(name, streets)[1]

    assert np.allclose(sick("boxes in 0 to 1")[1]["boxes"] * 160, boxes)
    xywh = sick("xywh taken for xyxy")[1]["boxes"]
    assert np.allclose(xywh[:, :2] + xywh[:, 2:], boxes[:, 2:])
    swapped = sick("width and height swapped")[1]["boxes"]
    assert np.allclose(swapped[:, 2] - swapped[:, 0], boxes[:, 3] - boxes[:, 1])
    assert np.array_equal(sick("labels of another picture")[1]["boxes"], streets[2][1]["boxes"])
    mirrored, same = sick("mirror without its boxes")
    assert np.array_equal(mirrored[:, ::-1], image)
    assert np.array_equal(same["boxes"], boxes)
    assert np.isnan(sick("NaN boxes")[1]["boxes"]).any(1).tolist() == [True] + [False] * (len(boxes) - 1)
    trucks = only(streets, "truck")
    kept = clinic.plant("empty pictures dropped", trucks)
    assert len(kept) == sum(len(trucks[i][1]["labels"]) > 0 for i in range(len(trucks))) < len(trucks)


def test_official_weights_fed_0_to_1_are_ours_255_times_too_dark(parts):
    ours = parts["reader"].model
    official = copy.deepcopy(ours)
    stem = official.backbone.stem.cbs.conv.weight.data
    stem.copy_(flip_channels(stem) / 255)  # as save_official writes it
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(official.raw(x.flip(1)), ours.raw(x / 255), atol=1e-4)
        assert torch.allclose(official.raw(x.flip(1) * 255), ours.raw(x), atol=1e-3)


DOCTOR = {  # what the doctor calls each fault of the data, with weights at hand
    "boxes in 0 to 1": "box-normalised",
    "xywh taken for xyxy": "box-negative",
    "width and height swapped": "box-reading",
    "labels of another picture": "pairs-other",
    "mirror without its boxes": "pairs-mirrored",
    "NaN boxes": "box-not-finite",
    "empty pictures dropped": None,  # nothing in the set is wrong
    None: None,
}


@pytest.mark.parametrize("name", DOCTOR)
def test_the_doctor_names_faults_of_the_data(name, tmp_path):
    source = Crossing.split("val", 8)
    source = only(source, "car") if name == "empty pictures dropped" else source
    write_coco(clinic.plant(name, source) if name else source, tmp_path, "val")
    found = examine(tmp_path, weights="crossing")
    assert [f.code for f in found if f.severity == "error"] == ([DOCTOR[name]] if DOCTOR[name] else [])


# --- the reader -------------------------------------------------------------------------------------------


def test_a_healthy_reader_is_the_detector(streets):
    reader = Reader(load("crossing"), 0.25, 0.45)
    found, wanted = reader(streets[0][0]), Detector("crossing")(streets[0][0])
    assert torch.allclose(found["boxes"], wanted.boxes, atol=1e-3)
    assert torch.equal(found["labels"], wanted.labels)


def test_the_judge_agrees_with_evaluate():
    unseen, model = RamCache(Crossing.split("val", 4, 160)), load("crossing")
    result = judge(Reader(model), unseen)
    assert result["AP"] == pytest.approx(evaluate.evaluate(model, unseen, progress=False).AP, abs=1e-3)


# --- what was measured ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows():
    return recall("clinic")["rows"]


def row_of(rows, name):
    return next(each for each in rows if each["name"] == name)


def test_every_fault_was_measured(rows):
    assert set(ward(rows)) == set(NAMES) - {"two devices"}
    assert [r["seed"] for r in rows if r["name"] == "healthy"] == [0, 1, 2]


@pytest.fixture(scope="module")
def lazily():
    """The streets to learn from, drawn when they are needed, once."""
    return Changed(Crossing.split("train", bench.PICTURES, bench.SIZE), cache(lambda source, i: source[i]))


@pytest.mark.parametrize("name", ["healthy", "no warm-up"])
def test_the_first_steps_again(rows, name, lazily, monkeypatch):
    monkeypatch.setattr(bench, "streets", lambda split, count, size: lazily)
    monkeypatch.setattr(bench, "outcome", lambda reader, unseen, alone: {})
    now = bench.training(name, 0, until=5)["curve"]["loss"]
    assert np.mean(now) == pytest.approx(row_of(rows, name)["curve"]["loss"][0], rel=0.02)


@pytest.mark.parametrize("name", ["BGR for RGB", "NMS over all classes at once"])
def test_the_watched_street_again(rows, name):
    picture, _ = Crossing.split("val", bench.UNSEEN, 480)[bench.WATCHED]
    found = clinic.plant(name, Reader(load("crossing")))(picture)
    seen = [find for find in row_of(rows, name)["seen"] if find[5] > 0.3]
    for box, score, find in zip(found["boxes"].tolist(), found["scores"].tolist(), seen):
        assert score == pytest.approx(find[5], abs=0.01)
        assert np.allclose(np.array(box) / 0.48, find[:4], atol=2)


def test_a_tenth_of_a_rate_that_is_too_high_learns_faster(tmp_path):
    """The advice of the page: a few dozen steps with a tenth of the rate."""
    recipe, augment = recipe_for("pico", 240, size=64, epochs=12, multiscale=(2, 2))
    sick, losses = clinic.plant("learning rate × 100", recipe), []
    streets = RamCache(Crossing.split("train", 16, 64))
    for plan in (sick, replace(sick, lr=sick.lr / 10)):
        torch.manual_seed(1)
        folder = tmp_path / f"{plan.lr:g}"
        Trainer(build("pico", 8), TrainSet(streets, (64, 64), augment), plan, folder, progress=False).run(24)
        losses.append(np.mean([row["loss"] for row in read_log(folder / "log.csv")[-8:]]))
    assert losses[1] < 0.95 * losses[0]


def single(rows, name):
    return [row["AP"] for row in rows if row["name"] == name]


def test_what_the_page_says_was_measured(rows):
    patients = ward(rows)
    share = dict(shares(patients))
    assert len(single(rows, "no warm-up")) == 3
    assert min(single(rows, "no warm-up")) > max(single(rows, "healthy"))
    assert max(single(rows, "80 classes for 8")) > max(single(rows, "healthy"))
    assert min(single(rows, "80 classes for 8")) < min(single(rows, "healthy"))
    for name in ("classes from 1", "average without its ramp"):
        sick, healthy = patients[name]
        assert share[name] < 0.1
        assert sick["curve"]["loss"][-1] == pytest.approx(healthy["curve"]["loss"][-1], rel=0.05)
    assert patients["average without its ramp"][0]["curve"] == patients["no warm-up"][1]["curve"]
    assert share["sigmoid twice"] > 0.99
    assert patients["sigmoid twice"][0]["alarms"] > 1000
    quiet = ("NMS over all classes at once", "80 classes for 8", "NaN boxes", "forgotten eval")
    assert all(share[name] > 0.9 for name in (*quiet, "confidence 0.25 for AP"))
    assert 0.4 < share["learning rate × 100"] < 0.6
    assert 1.2 < share["no warm-up"] < 1.4
    pair = (each["curve"]["loss"][1:] for each in patients["frozen batch norm"])
    assert all(sick > healthy for sick, healthy in zip(*pair))
    sick, healthy = patients["empty pictures dropped"]
    assert sick["alarms"] > 0.5 > healthy["alarms"]


def test_a_curve_that_ends_in_nan_is_drawn():
    good = {"step": [4, 9], **{term: [2.0, 1.0] for term in ("box", "objectness", "class")}}
    bad = {"step": [4, 9], **{term: [2.0, float("nan")] for term in ("box", "objectness", "class")}}
    assert "NaN" in curves(bad, good, "stopped").alt
    assert "No curves" in curves(None, good, "").alt


def test_a_loud_patient_is_drawn_loudly(rows):
    """Sigmoid twice has the AP of health, and boxes everywhere: the picture shows all that were kept."""
    patients, (street, target) = ward(rows), Crossing.split("val", 2, 64)[0]
    loud = patient(1, *patients["sigmoid twice"], street, target["boxes"], Crossing.names)
    assert "draws 400 boxes or more" in loud.alt
    assert not any(f">{name}<" in loud.svg for name in Crossing.names)
    quiet = patient(1, *patients["mirror without its boxes"], street, target["boxes"], Crossing.names)
    assert "draws 1 box where" in quiet.alt
    assert any(f">{name}<" in quiet.svg for name in Crossing.names)
    assert "logarithmic" in quiet.svg


def test_shares_are_of_the_healthy_twin(rows):
    patients = ward(rows)
    found = dict(shares(patients))
    assert found["BGR for RGB"] == patients["BGR for RGB"][0]["AP"] / row_of(rows, "healthy reader")["AP"]
    assert patients["mosaic to the end"][1]["name"] == "healthy, with mosaic"


def test_a_source_with_faults_trains(streets):
    _, augment = recipe_for("pico", 240, size=160, epochs=8)
    _, target = TrainSet(clinic.plant("NaN boxes", streets), (160, 160), augment)[0, 0, False]
    assert len(target["boxes"]) == len(streets[0][1]["boxes"]) - 1
