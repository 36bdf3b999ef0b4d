"""`python -m yolox_edu doctor`: what is wrong with a set, with weights, with the two together, or here.

Explained in chapter 21 and in the error clinic.
"""

from __future__ import annotations

import argparse
from pathlib import Path

EPILOG = """\
examples:
  python -m yolox_edu doctor                                           this machine: versions, device, room
  python -m yolox_edu doctor --data my-pictures                        and a set: see `data check`
  python -m yolox_edu doctor --weights runs/mine/best.pt               and weights: what they are, what is odd
  python -m yolox_edu doctor --data coco --split val2017 --weights yolox_s.pth      and how they fit together

The last one shows 8 pictures to the network: are colours exchanged, pictures mirrored, boxes in another
format or another picture's, classes shifted?
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `doctor`."""
    parser.epilog = EPILOG
    parser.add_argument(
        "--data", metavar="DIR|crossing", help="a folder in COCO's layout, or the drawn crossing"
    )
    parser.add_argument(
        "--split", help="which part (default: all; the network looks at val, else at the first)"
    )
    parser.add_argument(
        "--weights", metavar="FILE", help="a file of ours, an official YOLOX .pth, or crossing"
    )
    parser.add_argument("--legacy", action="store_true", help="the official .pth is of the first release")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the findings as JSON")


def main(arguments: argparse.Namespace) -> int:
    """Examine and print; 1 if there is an error."""
    from yolox_edu.cli_options import tell
    from yolox_edu.doctor import examine

    if arguments.split and not arguments.data:
        raise ValueError("--split: say of which set, with --data DIR or --data crossing")
    if arguments.legacy and not arguments.weights:
        raise ValueError("--legacy: say which file is of the first release, with --weights FILE")
    findings = examine(arguments.data, arguments.split, arguments.weights, arguments.legacy)
    return tell(findings, arguments.json)
