"""The report card: every box has its word, crowds are left out, and what is drawn is what was counted."""

import matplotlib.pyplot as plt
import numpy as np

from yolox_edu.data.coco_json import coco_index
from yolox_edu.data.crossing import Crossing
from yolox_edu.evaluate import coco_figures, evaluate, predictions
from yolox_edu.report import FIGURES, Report
from yolox_edu.viz.card import report_card, sort_pictures
from yolox_edu.weights import load


class Two:
    """Two pictures of 100 x 100: in the first two things of class 7 and a crowd, in the second nothing."""

    names, category_ids, image_ids = ("thing", "other"), (7, 9), [3, 5]

    def __init__(self):
        truths = [([10, 10, 20, 20], 0), ([60, 10, 20, 20], 0), ([0, 50, 100, 50], 1)]
        self.coco = coco_index(
            {
                "images": [{"id": i, "height": 100, "width": 100, "file_name": f"{i}.png"} for i in (3, 5)],
                "categories": [{"id": 7, "name": "thing"}, {"id": 9, "name": "other"}],
                "annotations": [
                    {"id": n, "image_id": 3, "category_id": 7, "bbox": box, "iscrowd": crowd, "area": 400}
                    for n, (box, crowd) in enumerate(truths, 1)
                ],
            }
        )

    def __len__(self):
        return 2

    def __getitem__(self, i):
        return np.full((100, 100, 3), 200, np.uint8), {"file": f"{self.image_ids[i]}.png"}


def row(image_id, box, score, kind=7):
    return {"image_id": image_id, "category_id": kind, "bbox": box, "score": score}


FOUND = [
    row(3, [10, 10, 20, 20], 0.9),
    row(3, [11, 10, 20, 20], 0.8),  # the same thing again
    row(3, [10, 60, 20, 20], 0.7),  # in the crowd: neither right nor wrong
    row(3, [60, 10, 20, 20], 0.2),  # right, but not sure enough
    row(5, [60, 10, 20, 20], 0.6, 9),  # on nothing
]


def test_each_box_gets_its_word():
    marked = sort_pictures(FOUND, Two(), 0.25)
    assert [word for word, _ in marked[3]] == ["right", "doubled", "missed"]
    assert marked[3][-1][1]["bbox"] == [60, 10, 20, 20]
    assert [word for word, _ in marked[5]] == ["background"]
    assert [word for word, _ in sort_pictures(FOUND, Two(), 0.1)[3]] == ["right", "doubled", "right"]


def test_the_card_draws_what_was_counted():
    figures, per_class = coco_figures(Two().coco, FOUND, [3, 5])
    names = {"thing": per_class[7], "other": per_class[9]}
    rest = {"per_class": names, "images": 2, "unreadable": (), "size": (32, 32), "seconds": 1.0}
    report = Report(**dict(zip(FIGURES, figures)), **rest)
    fig = report_card(report, FOUND, Two(), title="A test")
    said = {text.get_text() for text in fig.findobj(plt.Text)}
    assert f"A test: AP {100 * report.AP:.1f} on 2 pictures" in said
    assert {f"{100 * report.AP50:.1f}", "–"} <= said, "a figure, and a dash where there is no truth"
    counts = [t.get_text() for t in fig.axes[2].texts]
    assert counts == ["1", "1", "1", "0", "0", "0", "1"], "right, missed, background, …, doubled"
    assert fig.axes[3].get_xlabel() == "3.png\n1 doubled, 1 missed", "the picture with most mistakes first"
    assert fig.axes[4].get_xlabel() == "5.png\n1 background"
    plt.close(fig)


def test_evaluate_hands_its_detections_over(one_thread):
    model, source, found = load("crossing"), Crossing.split("val", 3), []
    evaluate(model, source, progress=False, found=found)
    assert found == predictions(model, source)[0]
    assert {r["image_id"] for r in found} <= set(source.image_ids)
