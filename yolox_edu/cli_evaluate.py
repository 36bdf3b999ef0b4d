"""`python -m yolox_edu evaluate`: COCO AP of any weights on any set. Explained in chapters 18-19."""

from __future__ import annotations

import argparse
from pathlib import Path

from yolox_edu.cli_options import (
    add_data,
    add_device,
    add_size,
    add_weights,
    check_device,
    load_model,
    open_source,
    positive,
    write_text,
)
from yolox_edu.evaluate import evaluate
from yolox_edu.parallel import processes, rank_and_world

EPILOG = """\
examples:
  python -m yolox_edu evaluate                                  our small weights on 200 unseen street scenes
  python -m yolox_edu evaluate --weights yolox_s.pth --data coco --split val2017 --json s.json
  python -m yolox_edu evaluate --weights runs/mine/best.pt --data my-pictures --split val --card card.png
  torchrun --nproc-per-node 2 -m yolox_edu evaluate --data coco --split val2017 --weights yolox_s.pth

Confidence 0.01 and NMS at IoU 0.65 are the settings of the published figures.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `evaluate`."""
    parser.epilog = EPILOG
    add_weights(parser)
    add_data(parser)
    add_size(parser)
    parser.add_argument("--batch", type=positive, default=8, help="pictures at a time")
    parser.add_argument(
        "--workers", type=int, default=0, help="processes that read pictures; 0: none but this one"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the report as JSON")
    parser.add_argument(
        "--card",
        type=Path,
        metavar="FILE",
        help="also draw the report card: figures, classes, kinds of mistakes, the pictures with most of them",
    )
    add_device(parser)


def main(arguments: argparse.Namespace) -> int:
    """Evaluate and print the table; under torchrun the first process does the printing."""
    check_device(arguments.device)
    model = load_model(arguments)
    source = open_source(arguments.data, arguments.split, arguments.count)
    found = []
    with processes(arguments.device) as device:
        report = evaluate(
            model.to(device),
            source,
            arguments.size,
            arguments.batch,
            workers=arguments.workers,
            device=device,
            found=found,
        )
        if rank_and_world()[0] == 0:
            print(report)
            if arguments.json:
                write_text(arguments.json, report.to_json())
            if arguments.card:
                from yolox_edu.viz.card import report_card  # matplotlib, only where it is asked for

                arguments.card.parent.mkdir(parents=True, exist_ok=True)
                title = f"{Path(arguments.weights).name} on {Path(arguments.data).name}"
                report_card(report, found, source, title=title).savefig(arguments.card, dpi=150)
    return 0
