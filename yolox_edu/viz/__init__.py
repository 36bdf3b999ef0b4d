"""The figures of the book: `from yolox_edu import viz`. Needs the extra `book`, which the model does not."""

from yolox_edu.viz.blocks import blocks
from yolox_edu.viz.matrix import matrix
from yolox_edu.viz.network import network_map
from yolox_edu.viz.picture import image
from yolox_edu.viz.play import figure, live, play
from yolox_edu.viz.style import source, style
from yolox_edu.viz.svg import PALETTE, Drawing, row
from yolox_edu.viz.table import table
from yolox_edu.viz.trace import Layer, trace

__all__ = [
    "PALETTE",
    "Drawing",
    "Layer",
    "blocks",
    "figure",
    "image",
    "live",
    "matrix",
    "network_map",
    "play",
    "row",
    "source",
    "style",
    "table",
    "trace",
]
