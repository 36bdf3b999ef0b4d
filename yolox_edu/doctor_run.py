"""What the doctor sees when the network looks at pictures of the set. Chapter 21 and the error clinic."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torchvision.ops import box_convert, box_iou

from yolox_edu.blocks import space_to_depth
from yolox_edu.boxes import decode
from yolox_edu.data.errors import PictureError
from yolox_edu.data.findings import Findings
from yolox_edu.data.letterbox import letterbox
from yolox_edu.model import YOLOX
from yolox_edu.weights import is_legacy, normalise

PICTURES = 8  # so many are looked at
ENOUGH = 5  # ground truths from which on a share says something
FOUND = 0.25  # the score from which on `detect` shows a box
Reading = Callable[[Float[Tensor, "g 4"]], Float[Tensor, "g 4"]]


class Sample(NamedTuple):
    """A picture on its canvas, and its boxes as the file writes them."""

    canvas: UInt8[Tensor, "3 h w"]
    scale: float
    width: int
    height: int
    bbox: Float[Tensor, "g 4"]  # x, y, width, height, if the file is right
    labels: Int[Tensor, " g"]
    file: str

    def truths(self, reading: Reading) -> Float[Tensor, "g 4"]:
        """The boxes read as another format, `xyxy` on the canvas."""
        limit = torch.tensor([self.width, self.height] * 2)
        return reading(self.bbox).clamp(min=0).minimum(limit) * self.scale


def as_asked(bbox: Float[Tensor, "g 4"]) -> Float[Tensor, "g 4"]:
    """COCO's x, y, width, height as `xyxy`."""
    return box_convert(bbox, "xywh", "xyxy")


READINGS: dict[str, Reading] = {
    "corners (x1, y1, x2, y2)": lambda bbox: bbox,
    "centre, width, height": lambda bbox: box_convert(bbox, "cxcywh", "xyxy"),
    "x, y, height, width": lambda bbox: box_convert(bbox[:, [0, 1, 3, 2]], "xywh", "xyxy"),
    "y, x, height, width": lambda bbox: box_convert(bbox[:, [1, 0, 3, 2]], "xywh", "xyxy"),
}


def samples(source: Any, size: tuple[int, int]) -> list[Sample]:
    """The first pictures that can be read and have boxes, on canvases of the network's input size."""
    found, label = [], {category: i for i, category in enumerate(source.category_ids)}
    for index in range(min(len(source), 8 * PICTURES)):
        try:
            picture, target = source[index]
        except PictureError:  # the checker named it
            continue
        records = [a for a in source.coco.imgToAnns[target["image_id"]] if not a.get("iscrowd")]
        if records:
            bbox = torch.tensor([a["bbox"] for a in records], dtype=torch.float32)
            labels = torch.tensor([label[a["category_id"]] for a in records])
            canvas, scale = letterbox(picture, size)
            height, width = picture.shape[:2]
            found.append(Sample(canvas, scale, width, height, bbox, labels, target["file"]))
        if len(found) == PICTURES:
            break
    return found


class Answer(NamedTuple):
    """What the network says of a batch: `xyxy` boxes on the canvas, scores, and the raw numbers."""

    boxes: Float[Tensor, "n a 4"]
    scores: Float[Tensor, "n a k"]
    raw: Float[Tensor, "n a d"]


def answer(model: YOLOX, images: Float[Tensor, "n 3 h w"]) -> Answer:
    """The model's answer in eval mode."""
    with torch.inference_mode():
        raw = model.eval().raw(images)
        return Answer(*decode(raw, (images.shape[2], images.shape[3])), raw)


def best(given: Answer, truths: list[Float[Tensor, "_ 4"]]) -> tuple[Float[Tensor, " g"], Int[Tensor, " g"]]:
    """For each ground truth the surest prediction (IoU above 0.5, any class): its score or 0, its label."""
    scores, labels = [torch.zeros(0)], [torch.zeros(0, dtype=torch.long)]
    for boxes, score, some in zip(given.boxes, given.scores, truths):
        score, label = score.max(1)  # a
        score, place = (score * (box_iou(some, boxes) > 0.5)).max(1)  # g
        scores.append(score)
        labels.append(label[place])
    return torch.cat(scores), torch.cat(labels)


def check_scale(model: YOLOX, images: Float[Tensor, "n 3 h w"], say: Findings) -> bool:
    """Whether the stem's batch norm sees about what it saw in training; a factor 255 shows there at once."""
    stem = model.backbone.stem
    with torch.inference_mode():
        seen = stem.cbs.conv(space_to_depth(normalise(stem, (images,)) if is_legacy(model) else images))
    norm = stem.cbs.bn
    if not stem.cbs.conv.weight.any() or (norm.running_var <= 0).any():
        return True  # nothing to judge by; the tensors' findings say so
    ratio = float(
        (seen.var((0, 2, 3)) / norm.running_var.clamp(min=1e-12)).median()
    )  # about 1 if all is well
    if 1 / 1000 < ratio < 300 or math.isnan(ratio):  # dull pictures vary little, none varies so much
        return True
    times = ratio**0.5
    if times > 1:
        what = f"the stem's numbers are about {times:.0f} times larger than in training"
        mend = "The factor 255 is in twice, or the file is of the first release: give --legacy."
    else:
        what = f"the stem's numbers are about {1 / times:.0f} times smaller than in training"
        mend = "Load the official file with yolox_edu.weights.load, which folds 255 into the stem. "
        mend += "If you did: leave out --legacy."
    say.add("error", "stem-scale", "backbone.stem", what, mend)
    return False


class Rule(NamedTuple):
    """Another way to feed pictures: what it would mean if the network found clearly more that way."""

    name: str
    images: Float[Tensor, "n 3 h w"]
    mend: str
    times: float  # so many times more is "clearly"


def rules(model: YOLOX, images: Float[Tensor, "n 3 h w"], right_scale: bool) -> list[Rule]:
    """The input rules that are worth a try: other colours, or, if the scale is wrong, other scales."""
    if right_scale:
        mend = "weights for BGR: flip the stem's input channels (chapter 20)"
        return [Rule("with red and blue exchanged", images.flip(1), mend, 1.15)]
    tried = [
        Rule("with values 255 times larger", images * 255, "multiply the stem's weights by 255", 1.5),
        Rule("with values 255 times smaller", images / 255, "divide the stem's weights by 255", 1.5),
    ]
    if is_legacy(model):  # what its own normalisation turns into BGR, 0-255
        shift, spread = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        newer = images.flip(1) * 255 * spread.view(3, 1, 1) + shift.view(3, 1, 1)
        return [*tried, Rule("by the newer input rule", newer, "leave out --legacy", 1.5)]
    older = normalise(model, (images,)).flip(1) / 255  # the stem has BGR and 255 folded in
    return [*tried, Rule("by the first release's input rule", older, "add --legacy", 1.5)]


def check_input(
    model: YOLOX,
    images: Float[Tensor, "n 3 h w"],
    given: Answer,
    some: list[Sample],
    right_scale: bool,
    say: Findings,
) -> None:
    """Report an input rule under which the network finds clearly more than by ours, which gave `given`."""
    truths = [sample.truths(as_asked) for sample in some]
    usual = float(best(given, truths)[0].mean())
    tried = [
        (float(best(answer(model, rule.images), truths)[0].mean()), rule)
        for rule in rules(model, images, right_scale)
    ]
    score, rule = max(tried, key=lambda pair: pair[0])
    if score > rule.times * usual and score > usual + 0.03:
        what = f"{rule.name} it finds clearly more (mean score of the truths {score:.2f}, not {usual:.2f})"
        say.add("error", "input-rule", "input", what, f"Mend: {rule.mend}.")


def check_reading(given: Answer, some: list[Sample], say: Findings) -> bool:
    """Whether the boxes fit best as COCO means them; another reading that fits clearly better is reported."""
    usual = float(best(given, [sample.truths(as_asked) for sample in some])[0].mean())
    for name, reading in READINGS.items():
        other = float(best(given, [sample.truths(reading) for sample in some])[0].mean())
        if other > 1.5 * usual and other > usual + 0.1:
            what = (
                f"read as {name} the boxes fit the network's better (mean score {other:.2f}, not {usual:.2f})"
            )
            mend = "COCO asks for x, y, width, height, x and y of the upper left corner: write them so."
            say.add("error", "box-reading", "annotations.bbox", what, mend)
            return False
    return True
