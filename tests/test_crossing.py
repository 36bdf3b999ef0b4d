"""Crossing: the same bytes everywhere, honest boxes, and the statistics that the project promises."""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from yolox_edu.data import crossing_render as render
from yolox_edu.data.crossing import CATEGORY_IDS, NAMES, Crossing, contact_sheet, render_all, write_coco
from yolox_edu.data.crossing_scene import NOTHING, Scene, compose

PACKAGE = Path(render.__file__).parents[1]
COUNT = 400

# Run in a process of its own: it must paint the same bytes there, import nothing heavy, and is not slowed
# by the run-time type checks of these tests.
ALONE = """
import hashlib, json, pickle, random, sys, time, types
package = types.ModuleType("yolox_edu")
package.__path__ = [sys.argv[1]]
sys.modules["yolox_edu"] = package  # without the package's own imports, to see what drawing needs
import numpy as np
from yolox_edu.data.crossing import Crossing

random.seed(1), np.random.seed(1)
before = random.getstate(), np.random.get_state()[1].tobytes()
answer, source = {}, Crossing(50, seed=3, size=160)
answer["digests"] = {i: hashlib.sha256(source[i][0].tobytes()).hexdigest() for i in (41, 7, 0, 23)}
answer["heavy"] = sorted({"torch", "pycocotools", "cv2", "matplotlib"} & set(sys.modules))
source, answer["rate"] = Crossing(100, seed=8), 0.0
for part in range(4):
    start = time.process_time()
    for i in range(part * 25, part * 25 + 25):
        source[i]
    answer["rate"] = max(answer["rate"], 25 / (time.process_time() - start))
for name, count in (("train", 400), ("val", 200)):
    source = Crossing.split(name, count)
    answer[name] = [source.target(i) for i in range(count)]
    small = Crossing.split(name, 60, 64)
    answer[name + " digests"] = [hashlib.sha256(small[i][0].tobytes()).hexdigest() for i in range(60)]
answer["calm"] = before == (random.getstate(), np.random.get_state()[1].tobytes())
sys.stdout.buffer.write(pickle.dumps(answer))
"""


@pytest.fixture(scope="module")
def alone():
    """What a fresh process says of Crossing."""
    out = subprocess.run([sys.executable, "-c", ALONE, str(PACKAGE)], capture_output=True, timeout=120)
    assert out.returncode == 0, out.stderr.decode()
    return pickle.loads(out.stdout)


@pytest.fixture(scope="module")
def targets(alone):
    return alone["train"]


def digest(image: np.ndarray) -> str:
    return hashlib.sha256(image.tobytes()).hexdigest()


def geometric_mean(boxes: np.ndarray) -> np.ndarray:
    return np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))


# ---------------------------------------------------------------- the same bytes


def test_another_process_paints_the_same_bytes(alone):
    source = Crossing(50, seed=3, size=160)
    assert alone["digests"] == {i: digest(source[i][0]) for i in (0, 7, 23, 41)}


def test_drawing_imports_nothing_heavy(alone):
    assert alone["heavy"] == []


def test_no_global_random_state_is_touched(alone):
    assert alone["calm"]


def test_train_and_val_share_no_picture(alone):
    assert len({*alone["train digests"], *alone["val digests"]}) == 120


def test_sixty_pictures_a_second_and_core(alone):
    assert alone["rate"] >= 60


def test_a_picture_depends_on_its_index_alone():
    long, short = Crossing(1000, seed=5, size=96), Crossing(4, seed=5, size=96)
    for i in (3, 0, 2):
        (a, ta), (b, tb) = long[i], short[i]
        assert digest(a) == digest(b)
        assert ta.keys() == tb.keys()
        np.testing.assert_array_equal(ta["boxes"], tb["boxes"])


def test_workers_and_pickles_change_nothing():
    source = Crossing(5, seed=9, size=64)
    alone, together = render_all(source, 1), render_all(source, 2)
    assert [digest(a) for a, _ in alone] == [digest(b) for b, _ in together]
    again = pickle.loads(pickle.dumps(source))
    assert digest(again[4][0]) == digest(alone[4][0])


# ---------------------------------------------------------------- the contract of a source


@pytest.mark.parametrize("size", [64, 96, 320, 416, 640])
def test_any_multiple_of_32(size):
    source = Crossing(3, seed=2, size=size)
    for i in range(3):
        image, target = source[i]
        assert image.shape == (size, size, 3)
        assert image.dtype == np.uint8
        assert image.flags.writeable
        boxes = target["boxes"]
        assert boxes.dtype == np.float32
        assert target["labels"].dtype == np.int64
        assert target["visible"].dtype == np.float32
        assert len(boxes) == len(target["labels"]) == len(target["visible"]) == len(target["area"])
        assert ((boxes >= 0) & (boxes <= size)).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert target["image_id"] == i + 1


def test_the_target_alone_is_the_target_of_the_picture():
    source = Crossing(12, seed=4)
    for i in range(12):
        alone, painted = source.target(i), source[i][1]
        for key, value in painted.items():
            np.testing.assert_array_equal(alone[key], value)


def test_the_same_scene_at_another_size():
    small, large = Crossing(6, seed=2, size=320), Crossing(6, seed=2, size=640)
    again = []
    for i in range(6):
        a, b = small.target(i), large.target(i)
        for box, label in zip(a["boxes"], a["labels"], strict=True):
            same = b["boxes"][b["labels"] == label] / 2
            again.append(len(same) and np.abs(same - box).max(1).min() <= 2.5)
    assert np.mean(again) > 0.9, "nearly every thing is found again at twice the size"


WRONG = ({"count": 3, "size": 100}, {"count": 3, "size": 32}, {"count": -1}, {"count": 3, "seed": -1})


@pytest.mark.parametrize("wish", WRONG)
def test_wrong_wishes_are_refused_in_words(wish):
    with pytest.raises(ValueError, match="Crossing"):
        Crossing(**wish)
    with pytest.raises(ValueError, match="train, val; got 'test'"):
        Crossing.split("test", 3)


def test_an_index_outside_is_refused():
    with pytest.raises(IndexError, match=r"0\.\.2, not 3"):
        Crossing(3)[3]
    assert len(list(Crossing(3, size=64))) == 3


# ---------------------------------------------------------------- honest boxes


def scene_of(seed: int) -> Scene:
    """A scene with nothing left out by the rule, so that taking one thing away changes nothing else."""
    scene = compose(np.random.default_rng([99, seed]))
    sheets = [render.paint_thing(t, scene.street, 320) for t in scene.things]
    kept, _, _ = render.visible_things(scene.things, sheets, 320)
    return Scene(scene.street, tuple(scene.things[i] for i in kept))


def test_boxes_are_the_extent_of_the_visible_silhouette():
    """Truth by the painter's way: everything black, one thing white, pasted back to front."""
    for seed in range(25):
        scene = scene_of(seed)
        sheets = [render.paint_thing(t, scene.street, 320) for t in scene.things]
        kept, seen, _ = render.visible_things(scene.things, sheets, 320)
        labelled = [i for i in kept if scene.things[i].label != NOTHING]
        assert [scene.things[i].label for i in labelled] == [s.label for s in seen]
        for i, found in zip(labelled, seen, strict=True):
            canvas, whole = Image.new("L", (320, 320)), 0
            for j in kept:
                image, left, top, _ = sheets[j]
                alpha = image.getchannel(3).point(lambda a: 255 * (a > 127))
                canvas.paste(255 if i == j else 0, (left, top), alpha)
                whole = whole if i != j else int((np.asarray(alpha) > 0).sum())
            assert found.box == canvas.getbbox()
            area = int((np.asarray(canvas) > 0).sum())
            assert (found.area, found.visible) == (area, area / whole)


def test_taking_a_thing_away_changes_the_picture_inside_its_box(monkeypatch):
    monkeypatch.setattr(render, "_shadows", lambda *_: None)
    monkeypatch.setattr(render, "_reflection", lambda *_: None)
    monkeypatch.setattr(render, "add_lamps", lambda picture, _: picture)
    monkeypatch.setattr(render, "develop", lambda picture, _: np.array(picture))
    checked = 0
    for seed in range(12):
        scene = scene_of(seed)
        with_all, seen = render.paint(scene, 320, np.random.default_rng(0))
        labelled = [i for i, t in enumerate(scene.things) if t.label != NOTHING]
        for i, found in list(zip(labelled, seen, strict=True))[:4]:
            rest = Scene(scene.street, scene.things[:i] + scene.things[i + 1 :])
            without, _ = render.paint(rest, 320, np.random.default_rng(0))
            changed = np.abs(with_all.astype(int) - without).max(2) > 0
            rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
            truth = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
            assert (np.abs(truth - found.box) <= 2).all(), (
                f"{scene.things[i].kind}: {truth} is not {found.box}"
            )
            checked += 1
    assert checked > 30


def test_what_is_hardly_visible_is_not_there(targets):
    boxes = np.concatenate([t["boxes"] for t in targets])
    visible = np.concatenate([t["visible"] for t in targets])
    assert visible.min() >= render.SEEN
    assert visible.max() <= 1
    assert (boxes[:, 2:] - boxes[:, :2]).min() >= 5


# ---------------------------------------------------------------- the promised statistics


def test_busy_small_and_hidden(targets):
    boxes = np.concatenate([t["boxes"] for t in targets])
    visible = np.concatenate([t["visible"] for t in targets])
    assert len(boxes) / COUNT >= 6
    assert 0.25 <= (geometric_mean(boxes) < 320 / 20).mean() <= 0.34
    assert 0.15 <= (visible < 0.95).mean() <= 0.25


def test_every_class_in_a_tenth_of_the_pictures(targets):
    for label, name in enumerate(NAMES):
        share = np.mean([(t["labels"] == label).any() for t in targets])
        assert share >= 0.2, f"{name} only in {share:.2f} of the pictures"


def test_small_medium_and_large_in_every_200(alone, targets):
    for part in (targets[:200], targets[200:], alone["val"]):
        area = np.concatenate([t["area"] for t in part])
        side = geometric_mean(np.concatenate([t["boxes"] for t in part])) / 320
        for many in (area < 32**2, (area >= 32**2) & (area < 96**2), area >= 96**2, side < 0.05,
                     (side >= 0.05) & (side < 0.2), side >= 0.2):  # fmt: skip
            assert many.sum() >= 20


# ---------------------------------------------------------------- COCO and the contact sheet


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_written_and_read_again(tmp_path, suffix):
    source = Crossing(6, seed=1, size=128)
    path = write_coco(source, tmp_path, "val", suffix)
    data = json.loads(path.read_text())
    assert path == tmp_path / "annotations" / "instances_val.json"
    assert {"info", "licenses", "images", "annotations", "categories"} <= data.keys()
    assert [c["id"] for c in data["categories"]] == list(CATEGORY_IDS)
    assert sorted(p.name for p in (tmp_path / "val").iterdir()) == [f"{i + 1:012d}{suffix}" for i in range(6)]
    for record in data["images"]:
        image, target = source[record["id"] - 1]
        there = np.asarray(Image.open(tmp_path / "val" / record["file_name"]))
        assert there.shape == image.shape
        assert np.abs(there.astype(int) - image).mean() < (0.01 if suffix == ".png" else 6)
        mine = [a for a in data["annotations"] if a["image_id"] == record["id"]]
        boxes = np.array([a["bbox"] for a in mine]).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        np.testing.assert_array_equal(boxes, target["boxes"])
        assert [CATEGORY_IDS.index(a["category_id"]) for a in mine] == target["labels"].tolist()


def test_the_coco_reader_reads_the_same(tmp_path):
    coco = pytest.importorskip("yolox_edu.data.coco")
    source = Crossing(5, seed=6, size=128)
    write_coco(source, tmp_path, "train")
    read = coco.open_coco(tmp_path, "train")
    assert (len(read), read.names, read.category_ids) == (5, NAMES, CATEGORY_IDS)
    for i in range(5):
        (image, target), (theirs, answer) = source[i], read[i]
        np.testing.assert_array_equal(theirs, image)
        np.testing.assert_allclose(answer["boxes"], target["boxes"], atol=1e-4)
        np.testing.assert_array_equal(answer["labels"], target["labels"])
        assert answer["image_id"] == target["image_id"]


def test_the_ground_truth_for_pycocotools():
    pytest.importorskip("pycocotools")
    source = Crossing(4, seed=1, size=128)
    assert source.coco.getImgIds() == [1, 2, 3, 4]
    assert source.coco is source.coco
    for i in range(4):
        target = source.target(i)
        records = source.coco.loadAnns(source.coco.getAnnIds(imgIds=[i + 1]))
        assert len(records) == len(target["boxes"])
        for record, area in zip(records, target["area"], strict=True):
            assert record["area"] == area <= record["bbox"][2] * record["bbox"][3]
            assert record["iscrowd"] == 0
    assert "coco" not in pickle.loads(pickle.dumps(source)).__dict__


def test_contact_sheet():
    sheet = contact_sheet(Crossing(5, size=64), range(5), columns=3)
    assert sheet.size == (3 * 68 + 4, 2 * 68 + 4)
    plain = contact_sheet(Crossing(5, size=64), range(5), columns=3, boxes=False)
    assert sheet.tobytes() != plain.tobytes()
