"""The official Nano on a drawn street, and what each planted fault costs it on photographs.

    python benchmarks/official_nano.py [--quick] [--out DIR]

Both releases look at one street of Crossing at 416. Then the first release is
evaluated on 50 pictures of val2017 with its mean folded into the stem, and the release 0.1.1 with each fault
of yolox_edu/viz/ch20.py in turn. Needs the test material
($YOLOX_EDU_SHARED, else ../shared). Three minutes on one core. Writes yolox_edu/measured/official_nano.json,
which chapter 20 shows. --quick: the street alone.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import torch

from yolox_edu.data.coco import CocoSource, open_coco
from yolox_edu.data.crossing import Crossing
from yolox_edu.detect import Detector
from yolox_edu.evaluate import evaluate
from yolox_edu.measured import FOLDER, keep
from yolox_edu.model import YOLOX
from yolox_edu.viz.ch20 import FAULTS, activations, differences, mean_folded, planted
from yolox_edu.weights import load_official

STREET, SIDE = 7, 640
ROOT = Path(__file__).resolve().parents[1]


def street() -> np.ndarray:
    """The street that both are shown: h w 3."""
    return Crossing.split("val", STREET + 1, SIDE)[STREET][0]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the street alone")
    parser.add_argument("--out", type=Path, default=FOLDER, help="the folder to write to")
    args = parser.parse_args()
    torch.set_num_threads(1)
    shared = Path(os.environ.get("YOLOX_EDU_SHARED") or ROOT.parent / "shared").resolve()
    models = {
        release: load_official(shared / "weights" / f"yolox_nano_{release}.pth", legacy=release == "legacy")
        for release in ("0.1.1", "legacy")
    }
    rows = {
        "street": {
            release: Detector(model, confidence=0.25)(street()).to_dicts()
            for release, model in models.items()
        }
    }
    if not args.quick:
        source = open_coco(shared / "coco-mini", "val2017")
        rows["folded"] = folded(models["legacy"], source)
        rows["faults"] = faults(models["0.1.1"], source)
    print(keep("official_nano", rows, [], args.out))


def folded(model: YOLOX, source: CocoSource) -> list[dict[str, float | str]]:
    """AP of the first release, and with its mean folded into a stem that pads with zeros."""
    pairs = (("normalised", model), ("mean folded", mean_folded(model)))
    return [{"way": way, "AP": round(evaluate(m, source, 416, progress=False).AP, 4)} for way, m in pairs]


def faults(model: YOLOX, source: CocoSource) -> list[dict[str, float | str]]:
    """AP with each fault, and by how much the output of the P3 head differs on a part of the street."""
    rows = []
    x = torch.from_numpy(street()[:416, :416].copy()).permute(2, 0, 1)[None] / 255  # 1 3 416 416
    right = activations(model, x)
    for name in ("none", *FAULTS):
        wrong = model if name == "none" else planted(model, name)
        report = evaluate(wrong, source, 416, progress=False)
        off = differences(right, activations(wrong, x))["head.levels.0"]
        rows.append({"fault": name, "AP": round(report.AP, 4), "head": round(off, 5)})
        print(rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    main()
