"""Options that several sub-commands share, and what they stand for."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from yolox_edu import weights
from yolox_edu.data.findings import Finding, has_errors, report, to_json
from yolox_edu.model import YOLOX


def add_weights(parser: argparse.ArgumentParser) -> None:
    """--weights and --legacy."""
    parser.add_argument(
        "--weights",
        default="crossing",
        help="a name (crossing comes with the package; yolox-nano, -tiny, -s, -m, -l and -x, the official "
        "ones for COCO, are fetched at the first time), a file of ours, or an official YOLOX .pth",
    )
    parser.add_argument(
        "--legacy",
        action="store_true",
        help="the official .pth is of the first release (2021-07: Nano 25.3 AP)",
    )


def add_size(parser: argparse.ArgumentParser) -> None:
    """--size: SIDE or HEIGHTxWIDTH."""
    parser.add_argument(
        "--size",
        type=size,
        help="the network's input in pixels: a side or HEIGHTxWIDTH (default: what the weights are made for)",
    )


def size(text: str) -> int | tuple[int, int]:
    """ "416" or "384x640", for argparse."""
    try:
        sides = tuple(int(side) for side in text.lower().split("x"))
    except ValueError:
        sides = ()
    if len(sides) not in (1, 2) or any(side < 32 or side % 32 for side in sides):
        raise argparse.ArgumentTypeError(f"{text!r}: give 416 or 384x640 (height x width), multiples of 32")
    return sides[0] if len(sides) == 1 else sides


def positive(text: str) -> int:
    """A whole number from 1 on, for argparse."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def add_device(parser: argparse.ArgumentParser) -> None:
    """--device."""
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps … (default: a GPU if there is one)")


def check_device(name: str | None) -> str | None:
    """The same name, if this machine has such a device. Raises ValueError."""
    try:
        torch.empty(0, device=name or "cpu")
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"--device {name}: {str(error).splitlines()[0]}") from None
    return name


def write_text(path: Path, text: str) -> None:
    """Write a text file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")


def tell(findings: Sequence[Finding], file: Path | None) -> int:
    """Print what the checker or the doctor found, and write it as JSON; 1 if there is an error."""
    print(report(findings, shutil.get_terminal_size().columns if sys.stdout.isatty() else None))
    if file:
        write_text(file, to_json(findings))
    return 1 if has_errors(findings) else 0


def load_model(arguments: argparse.Namespace) -> YOLOX:
    """The model of --weights and --legacy. Raises WeightsError."""
    return weights.load(arguments.weights, legacy=arguments.legacy)


def add_data(parser: argparse.ArgumentParser, split: str = "val", count: int = 200) -> None:
    """--data, --split, --count and --picture-size: which pictures (see `open_source`)."""
    parser.add_argument(
        "--data",
        default="crossing",
        help="'crossing' (drawn on the spot), or a folder with annotations/instances_SPLIT.json and SPLIT/",
    )
    parser.add_argument("--split", default=split, help="which part: train or val, for COCO itself val2017")
    parser.add_argument(
        "--count", type=positive, help=f"only so many pictures (default: {count} of Crossing, else all)"
    )


def open_source(data: str, split: str, count: int | None, crossing_count: int = 200, side: int = 320) -> Any:
    """The pictures that --data, --split and --count mean. Raises DatasetError or ValueError."""
    if data == "crossing":
        from yolox_edu.data.crossing import Crossing

        return Crossing.split(split, count or crossing_count, side)
    from yolox_edu.data.coco import open_coco  # needs pycocotools

    return open_coco(Path(data), split, count)
