"""What chapter 19's table can say of this machine: latency of the six presets, training speed, one AP.

    python benchmarks/coco_table.py [--shared ../shared] [--runs 3] [--quick]

Latency: one picture of the preset's size through network, decoding and NMS, on one thread, the least of a
few runs, in CPU seconds, which other users of the machine disturb less than the clock. Training: a step on
two pictures of the same size with their losses, forward and backward, without the optimiser. AP: the official
Nano on the 50 pictures of coco-mini's val2017, where those are at hand; fifty pictures are no benchmark.
Rows that are there already are not measured again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from yolox_edu.evaluate import evaluate
from yolox_edu.measured import keep, kept
from yolox_edu.model import PRESETS, build

OFFICIAL = ("nano", "tiny", "s", "m", "l", "x")
TRAINED = ("nano", "tiny", "s")  # larger ones want more memory than this machine can spare
NAME = "coco_table"


def least(work: Callable[[], Any], runs: int) -> float:
    """CPU seconds of the quickest of a few calls; the first call is not counted."""
    seconds = []
    for _ in range(runs + 1):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    return min(seconds[1:])


def latency(preset: str, runs: int, size: int | None = None) -> float:
    """CPU seconds from a picture to its boxes."""
    model, side = build(preset).eval(), size or PRESETS[preset].size
    picture = torch.rand(1, 3, side, side)
    with torch.inference_mode():
        return least(lambda: model(picture), runs)


def training(preset: str, runs: int, size: int | None = None) -> float:
    """Pictures a second of forward and backward pass, two at a time."""
    model, side = build(preset).train(), size or PRESETS[preset].size
    pictures = torch.rand(2, 3, side, side)
    box = torch.tensor([[0.1, 0.1, 0.3, 0.4], [0.5, 0.5, 0.9, 0.9]]) * side
    targets = [{"boxes": box, "labels": torch.tensor([1, 2])}] * 2

    def step() -> None:
        model.zero_grad(set_to_none=True)
        sum(model(pictures, targets).values()).backward()

    return 2 / least(step, runs)


def average_precision(shared: Path) -> dict[str, Any] | None:
    """The official Nano on coco-mini's val2017; None where the material is not at hand."""
    weights, pictures = shared / "weights" / "yolox_nano_0.1.1.pth", shared / "coco-mini"
    if not weights.is_file():
        return None
    from yolox_edu.data.coco import open_coco
    from yolox_edu.weights import load_official

    report = evaluate(load_official(weights), open_coco(pictures, "val2017"), progress=False)
    return {"AP": report.AP, "AP50": report.AP50, "pictures": report.images, "set": "coco-mini val2017"}


def main() -> None:
    """Measure what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="Nano only, at 64 pixels; nothing is kept")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if args.quick:
        print(f"{latency('nano', 1, 64):.4f} s, {training('nano', 1, 64):.1f} pictures/s")
        return
    rows = kept(NAME)
    there = {row["preset"] for row in rows}
    for preset in OFFICIAL:
        if preset in there:
            continue
        row = {"preset": preset, "size": PRESETS[preset].size, "latency": latency(preset, args.runs)}
        if preset in TRAINED:
            row["training"] = training(preset, args.runs)
        if preset == "nano" and (found := average_precision(args.shared)):
            row |= found
        rows.append(row)
        keep(NAME, rows, [0])
        print(row, flush=True)


if __name__ == "__main__":
    main()
