"""`python -m yolox_edu export`: weights in another format. Explained in chapter 20."""

from __future__ import annotations

import argparse
from pathlib import Path

from yolox_edu import weights
from yolox_edu.cli_options import add_weights, load_model

EPILOG = """\
examples:
  python -m yolox_edu export --weights runs/mine/best.pt --format official --out mine.pth
  python -m yolox_edu export --weights yolox_nano.pth --format safetensors --half --out nano.safetensors

formats:
  official      {"model": ...} as the official YOLOX code saves and loads it
  safetensors   ours: knows its preset, its classes and its input size, and holds no code
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `export`."""
    parser.epilog = EPILOG
    add_weights(parser)
    parser.add_argument("--format", choices=("official", "safetensors"), required=True, help="see below")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file to write")
    parser.add_argument("--half", action="store_true", help="safetensors only: float16, half the size")


def main(arguments: argparse.Namespace) -> int:
    """Load and write."""
    if arguments.half and arguments.format != "safetensors":
        raise ValueError("--half: the official format has float32 only; use --format safetensors")
    model = load_model(arguments)
    if arguments.format == "official":
        weights.save_official(model, arguments.out)
    else:
        weights.save(model, arguments.out, half=arguments.half)
    size = arguments.out.stat().st_size / 1e6
    print(f"{arguments.out}: {model.preset.name}, {model.num_classes} classes, {size:.1f} MB")
    return 0
