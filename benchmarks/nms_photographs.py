"""What chapter 17 says of drawn streets, on photographs: thresholds, softer ways, and what NMS loses.

    python benchmarks/nms_photographs.py [--quick] [--out DIR]

The official Nano looks at 178 pictures of COCO (50 of val2017; 128 of train2017, which it was trained on) at
416. Needs the test material ($YOLOX_EDU_SHARED, else ../shared). Twenty seconds on one core. Writes
yolox_edu/measured/nms_photographs.json, which chapter 17 shows. --quick: the 50 pictures alone.
"""

import argparse
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import batched_nms, box_iou
from torchvision.ops import nms as flat_nms

from yolox_edu.data.coco import CocoSource, open_coco
from yolox_edu.data.coco_json import coco_index
from yolox_edu.data.letterbox import boxes_to_picture, letterbox
from yolox_edu.evaluate import coco_figures
from yolox_edu.measured import FOLDER, keep
from yolox_edu.model import YOLOX
from yolox_edu.viz.ch17 import Pictures, fates, fits
from yolox_edu.weights import load_official

SIDE, CROWD = 416, 8  # a crowded picture has at least so many objects of one class
ROOT = Path(__file__).resolve().parents[1]
Kept = tuple[list[int], list[float]]  # indices, new scores


class Photographs(Pictures):
    """Photographs on square canvases, and what the network says of them."""

    def __init__(self, model: YOLOX, sources: list[CocoSource]):
        self.sources, self.scales = sources, []
        super().__init__(model, self._canvases())

    def _canvases(self) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
        for source in self.sources:
            for picture, target in source:
                canvas, scale = letterbox(picture, (SIDE, SIDE))
                self.scales.append((scale, *picture.shape[:2]))
                yield canvas.permute(1, 2, 0).numpy(), target | {"boxes": target["boxes"] * scale}

    def average_precision(self, way: Callable[..., Any], confidence: float) -> tuple[float, float]:
        """AP in per cent by pycocotools, crowd regions ignored, and boxes a picture."""
        rows, categories = [], self.sources[0].category_ids
        for i, (boxes, scores) in enumerate(zip(self.boxes, self.scores)):
            best, labels = scores.max(dim=1)
            cells = torch.where(best >= confidence)[0]
            index, best = way(boxes[cells], best[cells], labels[cells])
            found = boxes_to_picture(boxes[cells][index], *self.scales[i])
            found[:, 2:] -= found[:, :2]
            for box, score, label in zip(found.tolist(), best, labels[cells][index].tolist()):
                row = {"image_id": self.targets[i]["image_id"], "category_id": categories[label]}
                rows.append(row | {"bbox": box, "score": float(score)})
        figures, _ = coco_figures(self.truth(), rows, [t["image_id"] for t in self.targets])
        return round(100 * figures[0], 2), round(len(rows) / len(self.targets), 1)

    def truth(self):
        """The annotations of all sources as one, with ids of their own."""
        sets = [source.coco.dataset for source in self.sources]
        notes = [a for s in sets for a in s["annotations"]]
        data = {"images": [image for s in sets for image in s["images"]], "categories": sets[0]["categories"]}
        return coco_index(data | {"annotations": [a | {"id": i} for i, a in enumerate(notes, 1)]})


def soft_nms(boxes: Tensor, scores: list[float], sigma: float = 0.5, least: float = 0.01) -> Kept:
    """Soft-NMS with the Gaussian, as figure 2 of its paper: one box after the other, in plain numbers."""
    overlap, rest, kept, new = box_iou(boxes, boxes).tolist(), dict(enumerate(scores)), [], []
    while rest:
        surest = max(rest, key=rest.get)
        if rest[surest] < least:
            break
        kept.append(surest)
        new.append(rest.pop(surest))
        rest = {i: s * math.exp(-(overlap[surest][i] ** 2) / sigma) for i, s in rest.items()}
    return kept, new


def matrix_nms(boxes: Tensor, scores: list[float], sigma: float = 0.5, least: float = 0.01) -> Kept:
    """Matrix NMS with the Gaussian, as equations 4 and 5 of SOLOv2, in plain numbers."""

    def f(iou: float) -> float:
        return math.exp(-(iou**2) / sigma)

    overlap = box_iou(boxes, boxes).tolist()
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    kept, new, covered = [], [], {}
    for place, j in enumerate(order):
        surer = order[:place]
        covered[j] = min((f(overlap[k][j]) for k in surer), default=1.0)
        decay = min((f(overlap[i][j]) / covered[i] for i in surer), default=1.0)
        if scores[j] * decay >= least:
            kept.append(j)
            new.append(scores[j] * decay)
    return kept, new


def each_class(scheme: Callable[[Tensor, list[float]], Kept]) -> Callable:
    """The scheme for the boxes of each class on their own."""

    def way(boxes: Tensor, scores: Tensor, labels: Tensor) -> tuple[Tensor, list[float]]:
        index, new = [], []
        for c in labels.unique():
            mine = torch.where(labels == c)[0]
            kept, given = scheme(boxes[mine], scores[mine].tolist())
            index += mine[kept].tolist()
            new += given
        return torch.tensor(index, dtype=torch.long), new

    return way


def plain(threshold: float, every_class: bool = False) -> Callable:
    """NMS class by class, or over all classes together."""

    def way(boxes: Tensor, scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        heap = torch.zeros_like(labels) if every_class else labels
        kept = batched_nms(boxes, scores, heap, threshold)
        return kept, scores[kept]

    return way


def judged(photos: Photographs) -> list[dict[str, Any]]:
    """AP and boxes a picture of thresholds and ways."""
    ways = {
        "NMS 0.65": (plain(0.65), 0.01),
        "NMS 0.65, from 0.25": (plain(0.65), 0.25),
        "NMS 0.45": (plain(0.45), 0.01),
        "NMS 0.8": (plain(0.8), 0.01),
        "soft-NMS": (each_class(soft_nms), 0.01),
        "matrix NMS": (each_class(matrix_nms), 0.01),
    }
    rows = []
    for name, (way, confidence) in ways.items():
        ap, boxes = photos.average_precision(way, confidence)
        rows.append({"way": name, "AP": ap, "boxes": boxes})
        print(rows[-1], flush=True)
    return rows


def demo(photos: Photographs, confidence: float = 0.25, threshold: float = 0.45) -> dict[str, list[int]]:
    """Objects found and boxes left at the demo's settings, class by class and over all classes together."""
    out = {}
    for name, every in (("class by class", False), ("all together", True)):
        found = left = 0
        for i, (boxes, scores) in enumerate(zip(photos.boxes, photos.scores)):
            best, labels = scores.max(dim=1)
            cells = torch.where(best >= confidence)[0]
            kept = cells[plain(threshold, every)(boxes[cells], best[cells], labels[cells])[0]]
            found += (photos.overlap(i)[kept] >= 0.5).any(dim=0).sum().item()
            left += len(kept)
        out[name] = [found, left]
    return out


def offset_misses(photos: Photographs) -> dict[str, Any]:
    """Boxes on which batched_nms and a loop over classes part, at the settings for AP, of how many that stay.

    Of each that parts, the IoU with a box of its class that comes nearest to the threshold.
    """
    nearest, stayed = [], 0
    for boxes, scores in zip(photos.boxes, photos.scores):
        best, labels = scores.max(dim=1)
        cells = torch.where(best >= 0.01)[0]
        b, s, c = boxes[cells], best[cells], labels[cells]
        of = [torch.where(c == k)[0] for k in c.unique()]
        loop = {j for i in of for j in i[flat_nms(b[i], s[i], 0.65)].tolist()}
        for j in loop ^ set(batched_nms(b, s, c, 0.65).tolist()):
            iou = box_iou(b[j][None], b[c == c[j]])[0]
            nearest.append(round(iou[(iou - 0.65).abs().argmin()].item(), 4))
        stayed += len(loop)
    return {"parted": len(nearest), "stayed": stayed, "IoU": nearest}


def measured(photos: Photographs) -> dict[str, Any]:
    """All that does not need AP."""
    pairs = photos.pairs()
    stayed, there = fits(photos, 0.25, 0.45)
    most = [np.bincount(t["labels"], minlength=1).max() for t in photos.targets]
    crowded = [i for i, count in enumerate(most) if count >= CROWD]
    return {
        "pictures": len(photos.targets),
        "objects": sum(len(t["labels"]) for t in photos.targets),
        "pairs": len(pairs),
        "pairs above": {str(u): (pairs > u).sum().item() for u in (0.3, 0.45, 0.65)},
        "heaps": len(stayed),
        "heaps that lose a better box": (there > stayed).sum().item(),
        "fates": fates(photos),
        "crowded pictures": len(crowded),
        "fates in crowded pictures": fates(photos, crowded),
        "demo": demo(photos),
        "offset": offset_misses(photos),
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="50 pictures instead of 178")
    parser.add_argument("--out", type=Path, default=FOLDER, help="the folder to write to")
    args = parser.parse_args()
    torch.set_num_threads(1)
    shared = Path(os.environ.get("YOLOX_EDU_SHARED") or ROOT.parent / "shared").resolve()
    sources = [open_coco(shared / "coco-mini", "val2017")]
    if not args.quick:
        sources.append(open_coco(shared / "coco128", "train2017"))
    model = load_official(shared / "weights" / "yolox_nano_0.1.1.pth")
    photos = Photographs(model, sources)
    rows = measured(photos)
    print(rows, flush=True)
    print(keep("nms_photographs", rows | {"ways": judged(photos)}, [], args.out))


if __name__ == "__main__":
    main()
