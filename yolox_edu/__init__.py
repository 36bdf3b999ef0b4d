"""YOLOX, layer by layer: the detector that the book explains. `build("s")` gives the network."""

from yolox_edu.boxes import decode, nms
from yolox_edu.model import PRESETS, YOLOX, Preset, build

__version__ = "0.1.0"
__all__ = ["PRESETS", "YOLOX", "Preset", "build", "decode", "nms"]
