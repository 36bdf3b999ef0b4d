"""COCO AP: run the detector over a set of pictures and let pycocotools judge. Explained in chapters 18-19.

The settings are the official ones: letterbox, confidence 0.01, class-aware NMS at IoU 0.65.
"""

from __future__ import annotations

import contextlib
import io
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch.utils.data import DataLoader
from tqdm import tqdm

from yolox_edu.boxes import decode, nms
from yolox_edu.data import PictureError
from yolox_edu.data.coco_json import coco_index
from yolox_edu.data.letterbox import boxes_to_picture, letterbox
from yolox_edu.detect import input_size
from yolox_edu.model import YOLOX
from yolox_edu.parallel import rank_and_world
from yolox_edu.report import FIGURES, Report

T = TypeVar("T")
# COCO looks at the best 100 boxes of each class and picture; more than this many in all change nothing
# that can be measured, and an untrained network cannot fill the memory.
MAX_DETECTIONS = 2000


class _Letterboxed:
    """A source as the data loader wants it: each picture on its canvas, or the reason why there is none."""

    def __init__(self, source, size: tuple[int, int]):
        self.source, self.size = source, size

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, i: int):
        try:
            image, target = self.source[i]
        except PictureError as error:
            return str(error)
        canvas, scale = letterbox(image, self.size)
        return canvas, (target["image_id"], scale, image.shape[0], image.shape[1])


def _collate(items: list) -> tuple[torch.Tensor | None, list[tuple], list[str]]:
    """Readable pictures as one uint8 batch n 3 H W, what is known of each, and the others' errors."""
    good = [item for item in items if not isinstance(item, str)]
    canvases = torch.stack([canvas for canvas, _ in good]) if good else None
    return canvases, [known for _, known in good], [item for item in items if isinstance(item, str)]


def class_map(names: Sequence[str], source: Any) -> list[int | None]:
    """For each class of a model the COCO category id in `source`, or None where the source has no such class.

    Unnamed classes ("0", "1", …) of the right number are taken in the source's order. Raises ValueError
    where the source has classes that the model cannot name: their AP would be 0 for a reason that the
    table does not show.
    """
    ids = list(source.category_ids)
    unnamed = tuple(names) == tuple(map(str, range(len(names))))
    if tuple(names) == tuple(source.names) or (unnamed and len(names) == len(ids)):
        return ids
    missing = [name for name in source.names if name not in names]
    if missing:
        raise ValueError(
            f"the model has {len(names)} classes ({_some(names)}), the pictures have {len(ids)}; the model "
            f"does not know {_some(missing)}: evaluate a model that was trained on these classes"
        )
    return [ids[source.names.index(name)] if name in source.names else None for name in names]


def _some(names: Sequence[str], limit: int = 5) -> str:
    return ", ".join(names[:limit]) + (", …" if len(names) > limit else "")


@contextlib.contextmanager
def _evaluating(model: torch.nn.Module):
    """Eval mode and no gradients; afterwards each part of the model is in the mode that it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, training in modes:
            module.training = training


def predictions(
    model: YOLOX,
    source: Any,
    size: int | Sequence[int] | None = None,
    batch: int = 8,
    confidence: float = 0.01,
    iou_threshold: float = 0.65,
    device: torch.device | str | None = None,
    workers: int = 0,
    progress: bool = False,
) -> tuple[list[dict], list[int], list[str]]:
    """What the model finds in a source, as COCO result rows. Explained in chapter 18.

    Returns three lists: rows `{"image_id", "category_id", "bbox": [x, y, w, h], "score"}` in the pictures'
    own pixels; the ids of the pictures seen; and one message for each picture that could not be read.
    Under torch.distributed each process takes its share of the batches, so that the batches (and with
    them the numbers, to the last bit) do not depend on the number of processes.

    Raises ValueError for a size that does not fit or classes that do not match.
    """
    size, categories = input_size(model, size), class_map(model.names, source)
    device = torch.device(device) if device is not None else next(model.parameters()).device
    rank, world = rank_and_world()
    batches = [range(i, min(i + batch, len(source))) for i in range(0, len(source), batch)][rank::world]
    loader = DataLoader(
        _Letterboxed(source, size),
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=device.type == "cuda",
    )
    rows, seen, bad = [], [], []
    with _evaluating(model):
        quiet = None if progress and rank == 0 else True  # None: a bar on a terminal only
        for canvases, known, errors in tqdm(loader, "evaluate", disable=quiet):
            bad += errors
            if canvases is None:
                continue
            seen += [image_id for image_id, *_ in known]
            canvases = canvases.to(device, non_blocking=True)
            images = canvases.to(memory_format=torch.channels_last).float() / 255
            boxes, scores = decode(model.raw(images), size)  # n a 4, n a k
            found = nms(boxes, scores, confidence, iou_threshold, MAX_DETECTIONS)
            for detections, (image_id, scale, height, width) in zip(found, known):
                detections["boxes"] = boxes_to_picture(detections["boxes"], scale, height, width)
                rows += _rows(detections, image_id, categories)
    return rows, seen, bad


def _rows(detections: dict[str, torch.Tensor], image_id: int, categories: list[int | None]) -> list[dict]:
    """One picture's detections (`xyxy`) as COCO rows (`xywh`), without classes that the source has not."""
    boxes = detections["boxes"].clone()
    boxes[:, 2:] -= boxes[:, :2]
    found = zip(boxes.tolist(), detections["scores"].tolist(), detections["labels"].tolist())
    return [
        {"image_id": image_id, "category_id": categories[label], "bbox": box, "score": score}
        for box, score, label in found
        if categories[label] is not None
    ]


def coco_figures(coco: COCO, rows: list[dict], image_ids: list[int]) -> tuple[list[float], dict[int, float]]:
    """The twelve COCO figures (NaN: no ground truth) and AP by category id, over `image_ids`. Chapter 18."""
    boxes = [
        {**row, "id": i, "area": row["bbox"][2] * row["bbox"][3], "iscrowd": 0}
        for i, row in enumerate(rows, 1)  # from 1: to pycocotools the id 0 means "not matched"
    ]
    shared = {name: coco.dataset[name] for name in ("images", "categories")}
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints
        judge = COCOeval(coco, coco_index({**shared, "annotations": boxes}), "bbox")
        judge.params.imgIds = sorted(image_ids)
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    # IoU threshold, recall, class, area (0: all), boxes a picture (-1: 100); -1 where there is no truth
    precision = judge.eval["precision"][..., 0, -1]
    per_class = {int(c): _mean(precision[..., i]) for i, c in enumerate(judge.params.catIds)}
    return [float(figure) if figure >= 0 else math.nan for figure in judge.stats], per_class


def _mean(values: np.ndarray) -> float:
    values = values[values >= 0]
    return float(values.mean()) if values.size else math.nan


def evaluate(
    model: YOLOX,
    source: Any,
    size: int | Sequence[int] | None = None,
    batch: int = 8,
    confidence: float = 0.01,
    iou_threshold: float = 0.65,
    device: torch.device | str | None = None,
    workers: int = 0,
    progress: bool = True,
    found: list[dict] | None = None,
) -> Report:
    """COCO AP of a model on a source (see yolox_edu.data). Explained in chapters 18 and 19.

    `size` is the network's input: a side, (height, width), or None for what the model was made for.
    `device` is that of the model's weights if None. The model is left in the mode that it was in.
    A list given as `found` is filled with the detections, as COCO result rows (see `predictions`).
    Under torch.distributed the processes share the pictures and every one of them returns the same report.

    Raises ValueError for a size that is no multiple of 32, for classes that do not match, and where not a
    single picture could be read.
    """
    start = time.perf_counter()
    size = input_size(model, size)
    rows, seen, bad = _gather(
        predictions(model, source, size, batch, confidence, iou_threshold, device, workers, progress)
    )
    if found is not None:
        found += rows
    if not seen:
        raise ValueError(f"no picture could be read: {_some(bad, 3) or 'the set is empty'}")
    figures, per_category = _on_first_process(lambda: coco_figures(source.coco, rows, seen))
    return Report(
        **dict(zip(FIGURES, figures)),
        per_class={name: per_category[c] for name, c in zip(source.names, source.category_ids)},
        images=len(seen),
        unreadable=tuple(sorted(bad)),
        size=size,
        seconds=time.perf_counter() - start,
    )


def _gather(share: tuple[list, list, list]) -> tuple[list, list, list]:
    """The lists of all processes, joined, on every process; rows in the order of their pictures."""
    shares = [share]
    if rank_and_world()[1] > 1:
        shares = [None] * dist.get_world_size()
        dist.all_gather_object(shares, share)
    rows, seen, bad = ([item for part in parts for item in part] for parts in zip(*shares))
    return sorted(rows, key=lambda row: row["image_id"]), seen, bad


def _on_first_process(compute: Callable[[], T]) -> T:
    """The value of `compute()`, run on rank 0 only and handed to every process."""
    rank, world = rank_and_world()
    value = [compute() if rank == 0 else None]
    if world > 1:
        dist.broadcast_object_list(value, src=0)
    return value[0]
