"""Chapter 21: its set is what it says, its faults are found, its numbers are the measured ones."""

import json
import re
from types import SimpleNamespace

import notebooks
import numpy as np
import own_data
import pytest
from PIL import Image

from yolox_edu import measured
from yolox_edu.data.check import check
from yolox_edu.data.check_pictures import ALIKE, thumbnail
from yolox_edu.data.coco import open_coco
from yolox_edu.data.crossing import Crossing, write_coco
from yolox_edu.data.findings import report
from yolox_edu.data.furniture import KINDS, NAMES, Furniture
from yolox_edu.exercises import ch21 as checks
from yolox_edu.viz import ch21

pytestmark = pytest.mark.usefixtures("one_thread")
CHAPTER = notebooks.BOOK / "21_your_own_data.ipynb"


def code():
    return [cell for cell in notebooks.read(CHAPTER).cells if cell.cell_type == "code"]


def printed():
    return "".join(out.get("text", "") for cell in code() for out in cell.outputs)


def prose():
    return "\n".join(cell.source for cell in notebooks.read(CHAPTER).cells if cell.cell_type == "markdown")


# --- the set ------------------------------------------------------------------------------------------------


def test_only_the_furniture_is_labelled_and_every_class_occurs():
    source = Furniture.split("train", 60, 128)
    labels = np.concatenate([source.target(i)["labels"] for i in range(60)])
    assert set(labels.tolist()) == {0, 1, 2}
    assert min(np.bincount(labels)) > 20
    assert source.names == NAMES == tuple(kind.replace("_", " ") for kind in KINDS)
    assert not set(NAMES) & set(Crossing.names)


def test_a_thing_is_painted_where_its_box_is(tmp_path):
    """Written and read again: the same boxes, and classes by their own names."""
    source = Furniture.split("val", 6, 96)
    write_coco(source, tmp_path, "val")
    again = open_coco(tmp_path, "val")
    assert (again.names, again.category_ids) == (NAMES, (1, 2, 3))
    for (pixels, target), (drawn, truth) in zip(again, source):
        np.testing.assert_array_equal(pixels, drawn)
        np.testing.assert_allclose(target["boxes"], truth["boxes"], atol=1e-3)
        assert target["labels"].tolist() == truth["labels"].tolist()
    theirs, ours = again.coco.dataset, source.coco.dataset
    assert [a["bbox"] for a in theirs["annotations"]] == [a["bbox"] for a in ours["annotations"]]
    assert [c["name"] for c in ours["categories"]] == list(NAMES)
    assert not [finding for finding in check(tmp_path, size=96) if finding.severity == "error"]


def test_no_picture_is_in_both_parts_or_in_crossing():
    parts = [Furniture.split(name, 12, 64) for name in ("train", "val")]
    parts += [Crossing.split(name, 12, 64) for name in ("train", "val")]
    seen = [source[i][0].tobytes() for source in parts for i in range(12)]
    assert len(set(seen)) == len(seen)
    with pytest.raises(ValueError, match="train, val"):
        Furniture.split("test", 3)
    with pytest.raises(IndexError, match=r"0\.\.2"):
        Furniture.split("val", 3)[3]


# --- the figure to play with --------------------------------------------------------------------------------

FOUND = {
    "none": None,
    "corners as widths": ("error", "box-corners"),
    "shares of the side": ("error", "box-normalised"),
    "classes from 0": ("error", "category-unknown"),
    "labelled twice": ("warning", "box-twice"),
    "a box without width": ("warning", "box-flat"),
    "a picture lost": ("error", "picture-missing"),
    "a train picture in val": ("warning", "leak-near"),
}


@pytest.mark.parametrize("fault", ch21.FAULTS)
def test_every_planted_fault_is_found_and_nothing_else(fault, tmp_path):
    _, findings = ch21.plant(tmp_path / "streets", fault)
    serious = [(f.severity, f.code) for f in findings if f.severity != "note"]
    assert serious == [FOUND[fault]] * bool(FOUND[fault])
    drawing = ch21.board(fault)
    assert report(findings).splitlines()[-1] in drawing.alt
    for finding in findings:
        if finding.severity != "note":
            word = finding.what.split()[0]
            assert word in drawing.svg if hasattr(drawing, "svg") else word in drawing._repr_html_()


def test_a_leaked_picture_has_no_byte_in_common_and_is_recognised(tmp_path):
    write_coco(Furniture.split("train", 2, 128), tmp_path, "train")
    one, other = sorted((tmp_path / "train").glob("*.png"))
    ch21.leak(one, tmp_path / "copy.png")
    assert one.read_bytes() != (tmp_path / "copy.png").read_bytes()
    small = [thumbnail(Image.open(path)).astype(int) for path in (one, tmp_path / "copy.png", other)]
    assert abs(small[0] - small[1]).mean() < ALIKE < abs(small[0] - small[2]).mean()


def test_the_chapter_s_figure_is_there_and_light():
    (html,) = (
        out.data["text/html"]
        for cell in code()
        for out in cell.outputs
        if "play-21-checker" in out.get("data", {}).get("text/html", "")
    )
    assert len(html) < 400_000
    for fault in ch21.FAULTS:
        assert f"Fault: {fault}." in html


# --- the exercises ------------------------------------------------------------------------------------------


def test_the_broken_set_has_six_kinds_of_faults_and_can_be_mended():
    for seed in (0, 1, 9):
        bad, good = checks.broken(seed)
        assert len(checks.findings_of(bad)) == 6
        assert checks.findings_of(good) == []
        assert len(good["annotations"]) < len(bad["annotations"])


# --- what was measured --------------------------------------------------------------------------------------


def rows():
    return measured.recall("own_data")["rows"]


def test_every_run_is_there_once():
    keys = [(row["start"], row["pictures"], row["seed"]) for row in rows()]
    wanted = {(s, p, k) for s in own_data.STARTS for p in own_data.PICTURES for k in own_data.SEEDS}
    assert set(keys) == wanted
    assert len(keys) == len(wanted)
    assert measured.recall("own_data")["seeds"] == list(own_data.SEEDS)
    assert measured.recall("own_data")["command"] == "python benchmarks/own_data.py"


def test_the_quick_command_measures_and_keeps_nothing(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("sys.argv", ["benchmarks/own_data.py", "--quick", "--to", str(tmp_path)])
    own_data.main()
    row = json.loads(capsys.readouterr().out)
    assert set(row) == set(rows()[0]) - {"start", "pictures", "seed", "cpu_seconds"}
    assert all(0 <= value <= 1 for value in row.values())
    assert not list(tmp_path.iterdir())


def test_a_leaking_set_holds_a_third_of_learnt_streets(monkeypatch):
    """A detector that knows its streets by heart and nothing else gets what a third of the set is worth."""
    learnt, unseen = Furniture(10, 21, own_data.SIDE), Furniture.split("val", 20, own_data.SIDE)

    def by_heart(model, source, size):
        truth = own_data._truth(source).dataset["annotations"]
        known = [{**row, "score": 0.9} for row in truth] if source is learnt else []
        return known, [source.target(i)["image_id"] for i in range(len(source))], None

    monkeypatch.setattr(own_data, "predictions", by_heart)
    row = own_data.judge(SimpleNamespace(), learnt, unseen)
    assert (row["learnt"], row["unseen"]) == (1, 0)
    assert 0.2 < row["leaking"] < 0.5


def test_more_pictures_help_on_unseen_streets_and_turn_the_order_on_leaking_ones():
    for seed in own_data.SEEDS:
        runs = {row["pictures"]: row for row in rows() if (row["start"], row["seed"]) == ("crossing", seed)}
        few, some, many = (runs[count] for count in own_data.PICTURES)
        assert few["unseen"] < some["unseen"] < many["unseen"]
        assert few["leaking"] > max(some["leaking"], many["leaking"])
        assert few["learnt"] > some["learnt"] > many["learnt"]
    assert all(row["unseen"] < 0.01 for row in rows() if row["start"] == "scratch")


# --- what the page says -------------------------------------------------------------------------------------


def test_the_same_box_in_three_notations():
    numbers = {
        name: [float(word) for word in line.split()]
        for name, line in re.findall(r"^(COCO|YOLO|VOC) +([-\d. ]+)$", printed(), re.M)
    }
    x, y, w, h = numbers["COCO"]
    assert numbers["VOC"] == [x + 1, y + 1, x + w, y + h]
    cx, cy, sw, sh = (320 * share for share in numbers["YOLO"])
    np.testing.assert_allclose([cx - sw / 2, cy - sh / 2, sw, sh], [x, y, w, h], atol=0.5)


def test_another_order_of_names_changes_every_label():
    (one, other) = re.findall(r"^(?:sorted|typed) +\(.*\) labels ([\d ]+)$", printed(), re.M)
    assert len(one.split()) == 3
    assert all(a != b for a, b in zip(one.split(), other.split(), strict=True))


def test_every_subject_of_the_chapter_is_computed():
    source = "\n".join(cell.source for cell in code())
    for call in (
        "yolo_to_coco(", "voc_to_coco(", "contact_sheet(", "check_set(", "ch21.shapes_of(", "ch21.leak(",
        'load_for_finetune("crossing"', "save_official(", 'measured.recall("own_data")', "evaluate(",
    ):  # fmt: skip
        assert call in source, call
    for words in ("data convert", "data sheet", "data check", "error_clinic", "20_official_weights"):
        assert words in prose() + source, words
