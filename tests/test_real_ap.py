"""AP of the official Nano on real pictures, with our own letterbox, decoding, NMS and evaluation."""

from collections import defaultdict
from pathlib import Path

import pytest

from yolox_edu import weights
from yolox_edu.data.coco import open_coco
from yolox_edu.evaluate import evaluate
from yolox_edu.report import Report

# Measured with the official code at 416, confidence 0.01, NMS 0.65: AP, AP50, AP75.
ROWS = [
    ("0.1.1", "coco-mini", "val2017", 50, (0.3196, 0.4755, 0.3346)),
    ("0.1.1", "coco-mini", "train2017", 50, (0.2655, 0.4071, 0.2794)),
    ("0.1.1", "coco128", "train2017", 128, (0.3328, 0.5115, 0.3305)),
    ("legacy", "coco-mini", "val2017", 50, (0.2795, 0.4323, 0.3107)),
    ("legacy", "coco-mini", "train2017", 50, (0.2464, 0.3805, 0.2650)),
    ("legacy", "coco128", "train2017", 128, (0.3396, 0.5014, 0.3575)),
]
LIMITS = {"AP": 0.003, "AP50": 0.006, "AP75": 0.006}


pytestmark = pytest.mark.usefixtures("one_thread")


def measure(shared: Path, release: str, folder: str, split: str, found: list | None = None) -> Report:
    """The report on one of the three sets with our own evaluation; `found` is filled with the boxes."""
    model = weights.load_official(
        shared / "weights" / f"yolox_nano_{release}.pth", legacy=release == "legacy"
    )
    return evaluate(model, open_coco(shared / folder, split), 416, progress=False, found=found)


@pytest.mark.parametrize(("release", "folder", "split", "count", "official"), ROWS)
def test_ap_of_the_official_weights(shared, release, folder, split, count, official):
    report = measure(shared, release, folder, split)
    assert report.images == count
    for name, wanted in zip(LIMITS, official, strict=True):
        assert getattr(report, name) == pytest.approx(wanted, abs=LIMITS[name]), name


@pytest.mark.parametrize(("release", "folder", "split", "count", "official"), [ROWS[1], ROWS[3]])
def test_cut_at_the_edges_the_official_boxes_give_our_ap(shared, release, folder, split, count, official):
    """The official code leaves boxes that reach out of the picture; that is all in which the two differ."""
    official_ap = pytest.importorskip(
        "official_ap", reason="the official model: pip install pixeltable-yolox"
    )
    coco, rows = official_ap.found(shared, release, folder, split)
    assert official_ap.figures(coco, rows) == pytest.approx(official, abs=2e-4)  # anew, against the row above
    theirs, mine = official_ap.cut(coco, rows), []
    ours = measure(shared, release, folder, split, mine)
    assert [getattr(ours, name) for name in LIMITS] == pytest.approx(
        official_ap.figures(coco, theirs), abs=2e-4
    )
    assert len(mine) == len(theirs) > 2000
    assert sum(box["bbox"] != old["bbox"] for box, old in zip(theirs, rows)) > 100  # cutting is not idle

    def same(a, b):
        near = max(abs(x - y) for x, y in zip(a["bbox"], b["bbox"])) < 0.1  # of a pixel
        return near and abs(a["score"] - b["score"]) < 1e-3 and a["category_id"] == b["category_id"]

    of = defaultdict(list)
    for row in theirs:
        of[row["image_id"]].append(row)
    alone = [row for row in mine if not any(same(row, other) for other in of[row["image_id"]])]
    assert not alone
