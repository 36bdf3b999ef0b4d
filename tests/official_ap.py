"""AP as the official code (pixeltable-yolox) has it: its network, letterbox, post-processing; pycocotools."""

import contextlib
import io
from pathlib import Path

import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

yolox = pytest.importorskip("yolox.config", reason="the official model: pip install pixeltable-yolox")
cv2 = pytest.importorskip("cv2", reason="the official code reads pictures with OpenCV")

from yolox.data.data_augment import ValTransform  # noqa: E402
from yolox.utils.boxes import postprocess  # noqa: E402

SIDE, CONFIDENCE, IOU = 416, 0.01, 0.65


@torch.no_grad()
def boxes(weights: Path, annotations: Path, pictures: Path, legacy: bool) -> tuple[COCO, list[dict]]:
    """The set, and what the official Nano finds in it, as rows of COCO results."""
    model = yolox.YoloxConfig.get_named_config("yolox_nano").get_model().eval()
    model.load_state_dict(torch.load(weights, weights_only=True)["model"])
    prepare = ValTransform(legacy=legacy)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(annotations))
    classes, rows = sorted(coco.getCatIds()), []
    for about in coco.loadImgs(sorted(coco.getImgIds())):
        picture = cv2.imread(str(pictures / about["file_name"]))  # h w 3, BGR
        canvas, _ = prepare(picture, None, (SIDE, SIDE))
        (found,) = postprocess(model(torch.from_numpy(canvas[None]).float()), 80, CONFIDENCE, IOU)
        scale = min(SIDE / picture.shape[0], SIDE / picture.shape[1])
        for x0, y0, x1, y1, objectness, class_score, label in [] if found is None else found.tolist():
            xywh = [x0 / scale, y0 / scale, (x1 - x0) / scale, (y1 - y0) / scale]
            row = {"bbox": xywh, "score": objectness * class_score, "category_id": classes[int(label)]}
            rows.append({"image_id": about["id"], **row})
    return coco, rows


def cut(coco: COCO, rows: list[dict]) -> list[dict]:
    """The same boxes, cut at the edges of their pictures: ours are, the official code's are not."""
    out = []
    for row in rows:
        side, (x, y, w, h) = coco.imgs[row["image_id"]], row["bbox"]
        right, bottom = min(x + w, side["width"]), min(y + h, side["height"])
        x, y = max(x, 0), max(y, 0)
        out.append({**row, "bbox": [x, y, right - x, bottom - y]})
    return out


def figures(coco: COCO, rows: list[dict]) -> tuple[float, float, float]:
    """AP, AP50, AP75."""
    with contextlib.redirect_stdout(io.StringIO()):
        judge = COCOeval(coco, coco.loadRes([dict(row) for row in rows]), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return tuple(float(figure) for figure in judge.stats[:3])


def found(shared: Path, release: str, folder: str, split: str) -> tuple[COCO, list[dict]]:
    """`boxes` of one of the sets in the test material."""
    pictures = next(p for p in (shared / folder / split, shared / folder / "images" / split) if p.is_dir())
    file = shared / "weights" / f"yolox_nano_{release}.pth"
    annotations = shared / folder / "annotations" / f"instances_{split}.json"
    return boxes(file, annotations, pictures, legacy=release == "legacy")


def measure(shared: Path, release: str, folder: str, split: str) -> dict[str, tuple[float, float, float]]:
    """AP, AP50, AP75 of the official code as it is, and with its boxes cut at the edges."""
    coco, rows = found(shared, release, folder, split)
    return {"as it is": figures(coco, rows), "cut": figures(coco, cut(coco, rows))}
