"""Chapter 21: its set is what it says, its faults are found, its numbers are the measured ones."""

import json
import re
from collections import defaultdict
from types import SimpleNamespace

import matplotlib.pyplot as plt
import notebooks
import numpy as np
import own_data
import pytest
from PIL import Image

from yolox_edu import measured
from yolox_edu.data.check import check
from yolox_edu.data.check_pictures import ALIKE, thumbnail
from yolox_edu.data.coco import open_coco
from yolox_edu.data.convert_voc import voc_to_coco
from yolox_edu.data.convert_yolo import yolo_to_coco
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


# --- there and back with photographs ----------------------------------------------------------------------


def yolo(record, kind, width, height):
    x, y, w, h = record["bbox"]
    return f"{kind} {(x + w / 2) / width:.6f} {(y + h / 2) / height:.6f} {w / width:.6f} {h / height:.6f}"


def voc(record, name):
    x, y, w, h = record["bbox"]
    numbers = {"xmin": x + 1, "ymin": y + 1, "xmax": x + w, "ymax": y + h}
    box = "".join(f"<{side}>{number:.2f}</{side}>" for side, number in numbers.items())
    return f"<object><name>{name}</name><bndbox>{box}</bndbox></object>"


@pytest.mark.parametrize("layout", ["yolo", "voc"])
def test_every_box_of_128_photographs_comes_back_from_both_layouts(layout, shared, tmp_path):
    truth = json.loads((shared / "coco128/annotations/instances_train2017.json").read_text())
    names = {kind["id"]: kind["name"] for kind in truth["categories"]}
    records = defaultdict(list)
    for record in truth["annotations"]:
        if not record["iscrowd"]:
            records[record["image_id"]].append(record)
    pictures, labels = {"yolo": ("images", "labels"), "voc": ("JPEGImages", "Annotations")}[layout]
    for folder in (pictures, labels):
        (tmp_path / "theirs" / folder).mkdir(parents=True)
    for image in truth["images"]:
        name, own = image["file_name"], records[image["id"]]
        (tmp_path / "theirs" / pictures / name).symlink_to((shared / "coco128/train2017" / name).resolve())
        file = (tmp_path / "theirs" / labels / name).with_suffix(".txt" if layout == "yolo" else ".xml")
        if layout == "yolo":
            size = image["width"], image["height"]
            file.write_text("\n".join(yolo(r, list(names).index(r["category_id"]), *size) for r in own))
        else:
            things = "".join(voc(r, names[r["category_id"]]) for r in own)
            file.write_text(f"<annotation>{things}</annotation>")
    convert = {"yolo": yolo_to_coco, "voc": voc_to_coco}[layout]
    assert convert(tmp_path / "theirs", tmp_path / "ours", list(names.values())) == {"train": 128}
    ours = json.loads((tmp_path / "ours/annotations/instances_train.json").read_text())
    assert boxes_of(ours) == boxes_of(truth)
    assert len(ours["annotations"]) > 900


def boxes_of(records):
    names = {kind["id"]: kind["name"] for kind in records["categories"]}
    files = {image["id"]: image["file_name"] for image in records["images"]}
    rows = [r for r in records["annotations"] if not r["iscrowd"]]
    return sorted(
        (files[r["image_id"]], names[r["category_id"]], *np.round(r["bbox"], 2).tolist()) for r in rows
    )


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
    keys = [(row["start"], row["pictures"], row["steps"], row["seed"]) for row in rows()]
    wanted = {(*run, seed) for run in own_data.RUNS for seed in own_data.SEEDS}
    assert set(keys) == wanted
    assert len(keys) == len(wanted)
    assert measured.recall("own_data")["seeds"] == list(own_data.SEEDS)
    assert measured.recall("own_data")["command"] == "python benchmarks/own_data.py"


def test_the_quick_command_measures_and_keeps_nothing(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("sys.argv", ["benchmarks/own_data.py", "--quick", "--to", str(tmp_path)])
    own_data.main()
    row = json.loads(capsys.readouterr().out)
    assert set(row) == set(rows()[0]) - {"start", "pictures", "steps", "seed", "cpu_seconds"}
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


def test_a_leak_hides_which_is_best_even_in_longer_runs():
    for steps in (100, 400):
        mean = {
            key: [ch21.average(rows(), key, "crossing", count, steps) for count in own_data.PICTURES]
            for key in ("unseen", "leaking")
        }
        assert np.argmax(mean["unseen"]) == 2
        assert np.argmax(mean["leaking"]) != 2


def runs(start, seed, **fixed):
    """The runs of a start and a seed with so many steps or pictures, by what varies."""
    some = [row for row in rows() if (row["start"], row["seed"]) == (start, seed)]
    some = [row for row in some if all(row[key] == value for key, value in fixed.items())]
    (varies,) = {"pictures", "steps"} - set(fixed)
    return [row for _, row in sorted((row[varies], row) for row in some)]


def test_more_pictures_help_on_unseen_streets_and_turn_the_order_on_leaking_ones():
    for seed in own_data.SEEDS:
        few, some, many = runs("crossing", seed, steps=100)
        assert few["unseen"] < some["unseen"] < many["unseen"]
        assert few["leaking"] > max(some["leaking"], many["leaking"])
        assert few["learnt"] > some["learnt"] > many["learnt"]


def test_more_steps_help_and_scratch_stays_behind():
    for seed in own_data.SEEDS:
        for start in ("crossing", "official"):
            some, more, most = runs(start, seed, pictures=30)
            assert some["unseen"] < more["unseen"] < most["unseen"]
            for row, scratch in zip((some, more, most), runs("scratch", seed, pictures=30), strict=True):
                assert scratch["unseen"] < row["unseen"] / 2


def test_folded_weights_learn_nothing_and_the_official_stem_hardly_moves():
    for seed in own_data.SEEDS:
        (folded,), (unfolded,) = runs("folded", seed, steps=100), runs("official", seed, steps=100)[1:2]
        assert folded["AP50"] < 0.01 < 0.3 < unfolded["AP50"]
        assert unfolded["stem"] < unfolded["others"] / 5
        for row in runs("crossing", seed, steps=100):
            assert row["stem"] > row["others"] / 2, "it moves where it has an ordinary size"


def test_the_figures_draw_what_was_measured(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: None)
    ch21.worth(rows())
    left, right = plt.gcf().axes
    (line,) = [line for line in right.lines if line.get_label() == "official Nano"]
    by_hand = [
        np.mean([runs("official", seed, pictures=30)[i]["unseen"] for seed in (0, 1)]) for i in range(3)
    ]
    np.testing.assert_allclose(line.get_ydata(), by_hand)
    assert line.get_xdata().tolist() == [25, 100, 400]
    assert len(left.lines) == 3
    ch21.leaking(rows())
    leaky = [bar.get_height() for bar in plt.gcf().axes[0].containers[1]]
    by_hand = [
        np.mean([runs("crossing", seed, steps=100)[i]["leaking"] for seed in (0, 1)]) for i in range(3)
    ]
    np.testing.assert_allclose(leaky, by_hand)
    plt.close("all")


def test_pictures_and_their_distance(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: None)
    grey = {
        name: Image.new("RGB", (40, 30), (level,) * 3) for name, level in (("a", 0), ("b", 3), ("c", 255))
    }
    assert ch21.alike(grey) == {"a": 0, "b": 3, "c": 255}
    plt.close("all")


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
        "ch21.alike(", "ch21.worth(", "ch21.leaking(", "report_card(", "unfold(",
        'load_for_finetune("crossing"', "save_official(", 'measured.recall("own_data")', "evaluate(",
    ):  # fmt: skip
        assert call in source, call
    for words in ("data convert", "data sheet", "data check", "error_clinic", "20_official_weights"):
        assert words in prose() + source, words
