"""COCO AP: hand-worked figures, hard cases, and the same numbers from one process and from two."""

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from planted import planted_model

import yolox_edu
from yolox_edu.data import PictureError
from yolox_edu.data.coco_json import coco_index
from yolox_edu.data.crossing import Crossing
from yolox_edu.evaluate import class_map, evaluate, predictions
from yolox_edu.report import FIGURES

IDS = (17, 18)  # COCO's cat and dog


pytestmark = pytest.mark.usefixtures("one_thread")


class Pictures:
    """A source in memory: grey pictures of given (height, width) with given (xyxy boxes, labels)."""

    def __init__(self, sizes, truths, names=("cat", "dog"), category_ids=IDS, broken=()):
        self.sizes, self.truths, self.broken = sizes, truths, broken
        self.names, self.category_ids = names, category_ids

    def __len__(self):
        return len(self.sizes)

    def __getitem__(self, i):
        if i in self.broken:
            raise PictureError(f"{i}.jpg", "cut off")
        boxes, labels = self.truths[i]
        target = {
            "boxes": np.array(boxes, np.float32).reshape(-1, 4),
            "labels": np.array(labels, np.int64),
            "image_id": i + 1,
            "file": f"{i}.jpg",
        }
        return np.full((*self.sizes[i], 3), 90, np.uint8), target

    @property
    def coco(self):
        annotations = [
            {"image_id": i + 1, "category_id": self.category_ids[label], "iscrowd": 0}
            | {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
            for i, (boxes, labels) in enumerate(self.truths)
            for (x1, y1, x2, y2), label in zip(boxes, labels)
        ]
        return coco_index(
            {
                "images": [{"id": i + 1} for i in range(len(self))],
                "categories": [{"id": c, "name": n} for c, n in zip(self.category_ids, self.names)],
                "annotations": [a | {"id": i + 1} for i, a in enumerate(annotations)],
            }
        )


def on_canvas(source, side=320):
    """The truths as a perfect network would see them: times min(side / height, side / width)."""
    answers = []
    for (height, width), (boxes, labels) in zip(source.sizes, source.truths):
        scale = min(side / height, side / width)
        answers.append(([[side_ * scale for side_ in box] for box in boxes], labels))
    return answers


CAT, DOG = [20.0, 30.0, 120.0, 150.0], [150.0, 20.0, 190.0, 60.0]
TWO = Pictures([(200, 200), (160, 400)], [([CAT, DOG], [0, 1]), ([[300.0, 10.0, 390.0, 90.0]], [0])])


def figures(report):
    return [getattr(report, name) for name in FIGURES]


def test_a_perfect_detector_gets_everything():
    report = evaluate(planted_model(on_canvas(TWO)), TWO, progress=False)
    known = [figure for figure in figures(report) if not math.isnan(figure)]
    assert known == pytest.approx([1.0] * 10)
    assert math.isnan(report.APs)  # no object below 32² here, nor anything for ARs
    assert report.per_class == pytest.approx({"cat": 1.0, "dog": 1.0})
    assert (report.images, report.unreadable, report.size) == (2, (), (320, 320))


def test_half_of_the_cats_found_is_51_of_101_points():
    """Recall reaches 0.5 at precision 1: of the 101 recall points 0, 0.01 … 0.50 count, the rest are 0."""
    source = Pictures([(200, 200)] * 2, [([CAT], [0])] * 2)
    answers = on_canvas(source)
    report = evaluate(planted_model([answers[0], ([], [])]), source, progress=False)
    assert pytest.approx(51 / 101) == report.AP
    assert math.isnan(report.per_class["dog"])


def test_the_right_box_of_the_wrong_class_is_nothing():
    source = Pictures([(200, 200)], [([CAT], [0])])
    boxes, _ = on_canvas(source)[0]
    assert evaluate(planted_model([(boxes, [1])]), source, progress=False).AP == 0


def test_shifted_boxes_count_up_to_their_iou():
    """A box moved by a fifth of its width has IoU 0.8/1.2 = 2/3: right at 0.50 … 0.65, 4 of 10 thresholds."""
    source = Pictures([(320, 320)], [([[100.0, 100.0, 200.0, 200.0]], [0])])
    report = evaluate(planted_model([([[120.0, 100.0, 220.0, 200.0]], [0])]), source, progress=False)
    assert pytest.approx(0.4) == report.AP
    assert (round(report.AP50, 9), report.AP75) == (1.0, 0.0)


def test_rows_are_coco_rows_in_the_picture_s_own_pixels():
    rows, seen, bad = predictions(planted_model(on_canvas(TWO)), TWO, batch=1)
    assert seen == [1, 2]
    assert bad == []
    assert sorted((row["image_id"], row["category_id"]) for row in rows) == [(1, 17), (1, 18), (2, 17)]
    (wide,) = (row for row in rows if row["image_id"] == 2)
    assert wide["bbox"] == pytest.approx([300, 10, 90, 80], abs=0.01)  # x y w h
    assert wide["score"] == pytest.approx(0.99, abs=1e-5)


def test_nothing_found_is_zero_and_pictures_without_truth_are_fine():
    source = Pictures([(200, 200), (50, 60)], [([CAT], [0]), ([], [])])
    report = evaluate(planted_model([([], [])] * 2), source, progress=False)
    assert (report.AP, report.AR, report.images) == (0, 0, 2)


def test_no_truth_at_all_is_nan_and_null_in_json():
    source = Pictures([(50, 60)], [([], [])])
    report = evaluate(planted_model([([CAT], [0])]), source, progress=False)
    assert math.isnan(report.AP)
    assert json.loads(report.to_json())["AP"] is None
    assert "-" in str(report)


def test_unreadable_pictures_are_named_and_left_out():
    broken = Pictures(TWO.sizes + [(9, 9)], TWO.truths + [([[0.0, 0.0, 9.0, 9.0]], [1])], broken={2})
    report = evaluate(planted_model(on_canvas(TWO)), broken, progress=False)
    assert (round(report.AP, 9), report.images, report.unreadable) == (1.0, 2, ("2.jpg: cut off",))
    assert "1 could not be read: 2.jpg: cut off" in str(report)
    with pytest.raises(ValueError, match=r"no picture could be read: 0.jpg: cut off"):
        evaluate(planted_model([]), Pictures([(9, 9)], [([], [])], broken={0}), progress=False)
    with pytest.raises(ValueError, match="empty"):
        evaluate(planted_model([]), Pictures([], []), progress=False)


def test_the_model_is_left_in_the_mode_it_was_in():
    model = planted_model(on_canvas(TWO)).train()
    model.backbone.stem.eval()  # frozen in part, as in fine-tuning
    before = [module.training for module in model.modules()]
    evaluate(model, TWO, progress=False)
    assert [module.training for module in model.modules()] == before
    assert not torch.is_inference_mode_enabled()


def test_classes_are_matched_by_name():
    assert class_map(("cat", "dog"), TWO) == [17, 18]
    assert class_map(("0", "1"), TWO) == [17, 18]
    assert class_map(("dog", "house", "cat"), TWO) == [18, None, 17]
    with pytest.raises(ValueError, match="does not know dog: evaluate a model"):
        class_map(("cat", "house"), TWO)
    answers = [([CAT], [2])]
    source = Pictures([(320, 320)], [([CAT], [0])])
    report = evaluate(planted_model(answers, ("dog", "house", "cat")), source, progress=False)
    assert report.per_class["cat"] == pytest.approx(1.0)


@pytest.mark.parametrize("size", [100, 0, (320, 333)])
def test_sizes_that_do_not_fit_are_refused(size):
    with pytest.raises(ValueError, match="multiples of 32"):
        evaluate(planted_model([]), TWO, size, progress=False)


def test_a_size_may_be_wide():
    source = Pictures([(160, 400)], [([[300.0, 10.0, 390.0, 90.0]], [0])])
    model = planted_model([([[240.0, 8.0, 312.0, 72.0]], [0])])  # times 320 / 400
    report = evaluate(model, source, (128, 320), progress=False)
    assert (round(report.AP, 9), report.size) == (1.0, (128, 320))


def test_worker_processes_change_nothing():
    model, source = talkative(), Crossing(5, seed=3, size=64)
    assert predictions(model, source, 64, batch=2, workers=2) == predictions(model, source, 64, batch=2)


def talkative():
    """A random network that is sure of very much, so that there is something to compare."""
    torch.manual_seed(7)
    model = yolox_edu.build("pico", len(Crossing.names), Crossing.names).eval()
    for level in model.head.levels:
        torch.nn.init.constant_(level.obj_pred.bias, 3.0)
        torch.nn.init.normal_(level.cls_pred.bias, -2.0, 2.0)
    return model


SCRIPT = """
import json, os, sys
import torch
from test_evaluate import talkative
from yolox_edu.data.crossing import Crossing
from yolox_edu.evaluate import evaluate, predictions
from yolox_edu.parallel import processes, rank_and_world

torch.set_num_threads(1)
with processes("cpu"):
    source = Crossing(7, seed=3, size=96)
    rows, seen, _ = predictions(talkative(), source, batch=2)
    report = evaluate(talkative(), source, batch=2, progress=False)
    with open(f"{sys.argv[1]}/{rank_and_world()[0]}.json", "w") as file:
        json.dump([rows, seen, json.loads(report.to_json())], file)
"""


def test_two_processes_give_the_numbers_of_one(tmp_path):
    """Seven pictures in batches of two: four batches, two each; compared to the last bit."""
    (tmp_path / "share.py").write_text(SCRIPT)
    run = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", tmp_path / "share.py", tmp_path]
    paths = [os.path.dirname(__file__), os.path.dirname(os.path.dirname(__file__))]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", *map(str, run)], check=True, env=env, timeout=120)
    (rows0, seen0, report0), (rows1, seen1, report1) = (
        json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)
    )
    assert (seen0, seen1) == ([1, 2, 5, 6], [3, 4, 7])  # each picture exactly once

    source = Crossing(7, seed=3, size=96)
    rows, _, _ = predictions(talkative(), source, batch=2)
    report = json.loads(evaluate(talkative(), source, batch=2, progress=False).to_json())
    assert len(rows) > 100
    assert sorted(rows0 + rows1, key=lambda row: row["image_id"]) == rows
    for one in (report, report0, report1):
        del one["seconds"]
    assert report == report0 == report1
    assert report["AR"] > 0
