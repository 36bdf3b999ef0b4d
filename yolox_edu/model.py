"""The six presets and the whole network. Explained in chapters 07 to 10."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from yolox_edu.backbone import CSPDarknet
from yolox_edu.boxes import decode, nms
from yolox_edu.head import DecoupledHead
from yolox_edu.losses import losses
from yolox_edu.neck import PAFPN
from yolox_edu.simota import Targets, pad_targets


@dataclass(frozen=True)
class Preset:
    """One size of the family: two multipliers, and the input's side in pixels it is meant for."""

    name: str
    depth: float  # times the number of bottlenecks
    width: float  # times the number of channels
    depthwise: bool
    size: int


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("nano", 0.33, 0.25, True, 416),
        Preset("tiny", 0.33, 0.375, False, 416),
        Preset("s", 0.33, 0.50, False, 640),
        Preset("m", 0.67, 0.75, False, 640),
        Preset("l", 1.0, 1.0, False, 640),
        Preset("x", 1.33, 1.25, False, 640),
        # Not official: the same architecture, small enough to train on a laptop's CPU in minutes.
        Preset("pico", 0.33, 0.1875, False, 320),
    )
}


class YOLOX(nn.Module):
    """Backbone, neck and head, with torchvision's detection interface.

    In training `model(images, targets)` returns a dict of losses; in eval `model(images)` returns for
    each picture a dict of `boxes`, `scores` and `labels` (see `boxes.nms`). To look inside, call the
    parts one by one::

        c3, c4, c5 = model.backbone(images)
        p3, p4, p5 = model.neck(c3, c4, c5)
        raw = model.head(p3, p4, p5)  # n a 5+k
        boxes, scores = decode(raw, images.shape[-2:])

    `confidence` and `iou_threshold` are those of the NMS in eval; set them as you like.
    """

    def __init__(self, preset: Preset, num_classes: int = 80, names: Sequence[str] | None = None):
        super().__init__()
        self.preset = preset
        self.num_classes = num_classes
        self.names = tuple(names or map(str, range(num_classes)))
        if len(self.names) != num_classes:
            raise ValueError(
                f"names has {len(self.names)} entries, num_classes is {num_classes}: give one each"
            )
        self.size = (preset.size, preset.size)  # the input's (height, width) that it was trained for
        self.category_ids: tuple[int, ...] | None = None  # COCO's ids of the classes, where they have some
        self.confidence, self.iou_threshold = 0.25, 0.45
        self.use_l1 = False  # switched on for the last epochs, see `losses`
        self.backbone = CSPDarknet(preset.depth, preset.width, preset.depthwise)
        self.neck = PAFPN(preset.depth, preset.width, preset.depthwise)
        self.head = DecoupledHead(num_classes, preset.width, preset.depthwise)

    def raw(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n a d"]:
        """The undecoded output, n a 5+k. Raises ValueError where the input's shape does not fit."""
        if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] % 32 or images.shape[3] % 32:
            raise ValueError(
                f"images have shape {tuple(images.shape)}: expected n 3 h w with h and w multiples of 32 "
                "(letterbox first, or use Detector, which does)"
            )
        return self.head(*self.neck(*self.backbone(images)))

    def forward(
        self, images: Float[Tensor, "n 3 h w"], targets: Targets | Sequence[dict[str, Tensor]] | None = None
    ) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        """Losses in training, detections in eval.

        Images are RGB in [0, 1], sides multiples of 32. A target is a dict of `boxes` (g 4, `xyxy`
        in pixels of the input) and `labels` (g, int64, 0 to k-1); boxes of no area, outside the picture
        or not finite are left out. `Targets`, padded beforehand, spares a GPU many small copies.
        Raises ValueError for images of another shape (see `raw`), and in training without targets.
        """
        if self.training and targets is None:
            raise ValueError("in training the model needs targets; call model.eval() to detect")
        raw = self.raw(images)
        size = (images.shape[2], images.shape[3])
        if self.training:
            if not isinstance(targets, Targets):
                targets = pad_targets(targets, size, self.num_classes)
            return losses(raw, targets, size, use_l1=self.use_l1)
        return nms(*decode(raw, size), self.confidence, self.iou_threshold)

    def extra_repr(self) -> str:
        return f"preset={self.preset.name}, num_classes={self.num_classes}"


def build(name: str, num_classes: int = 80, names: Sequence[str] | None = None) -> YOLOX:
    """A freshly initialised YOLOX: "nano", "tiny", "s", "m", "l" or "x" (or our own "pico").

    Raises ValueError for a name that is not a preset. Chapter 07.
    """
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}: choose one of {', '.join(PRESETS)}")
    return YOLOX(PRESETS[name], num_classes, names)
