"""The official Nano on a drawn street and a portrait; what wrong releases and planted faults cost its AP.

    python benchmarks/official_nano.py [--quick] [--out DIR]

Both releases look at one street of Crossing and at a photograph, at 416. Then each is evaluated on 50
pictures of val2017, as what it is, as the other release, and with its mean folded into the stem; and the
release 0.1.1 with each fault of yolox_edu/viz/ch20.py in turn, and with its dark5 silent. Needs the test
material ($YOLOX_EDU_SHARED, else ../shared). One minute on one core. Writes
yolox_edu/measured/official_nano.json, which chapter 20 shows. --quick: street and photograph alone.
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
from yolox_edu.viz.ch20 import FAULTS, activations, differences, mean_folded, photograph, planted, silent
from yolox_edu.weights import load_official

STREET, SIDE = 7, 640
RELEASES = ("0.1.1", "legacy")
ROOT = Path(__file__).resolve().parents[1]


def street() -> np.ndarray:
    """The street that both are shown: h w 3."""
    return Crossing.split("val", STREET + 1, SIDE)[STREET][0]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="street and photograph alone")
    parser.add_argument("--out", type=Path, default=FOLDER, help="the folder to write to")
    args = parser.parse_args()
    torch.set_num_threads(1)
    shared = Path(os.environ.get("YOLOX_EDU_SHARED") or ROOT.parent / "shared").resolve()
    files = {release: shared / "weights" / f"yolox_nano_{release}.pth" for release in RELEASES}
    models = {release: load_official(files[release], legacy=release == "legacy") for release in RELEASES}
    rows = {"street": {release: looked(model) for release, model in models.items()}}
    rows["photograph"] = {release: looked(model, photograph()) for release, model in models.items()}
    if not args.quick:
        source = open_coco(shared / "coco-mini", "val2017")
        rows["releases"] = releases(files, source)
        rows["faults"] = faults(models["0.1.1"], source)
    print(keep("official_nano", rows, [], args.out))


def looked(model: YOLOX, picture: Path | None = None) -> list[dict]:
    """What a model finds in a picture, or on the street."""
    return Detector(model, confidence=0.25)(picture or street()).to_dicts()


def releases(files: dict[str, Path], source: CocoSource) -> list[dict[str, float | str]]:
    """AP of each release read as each, and of the first with its mean folded into a stem that pads with 0."""
    rows = []
    for file, path in files.items():
        ways = {way: load_official(path, legacy=way == "legacy") for way in RELEASES}
        if file == "legacy":
            ways["legacy, mean folded"] = mean_folded(ways["legacy"])
        for way, model in ways.items():
            report = evaluate(model, source, 416, progress=False)
            rows.append({"file": file, "read as": way, "AP": round(report.AP, 4)})
            print(rows[-1], flush=True)
    return rows


def faults(model: YOLOX, source: CocoSource) -> list[dict[str, float | str]]:
    """AP with each fault and without dark5; how far the P3 head is off on a part of the street."""
    rows = []
    x = torch.from_numpy(street()[:416, :416].copy()).permute(2, 0, 1)[None] / 255  # 1 3 416 416
    right = activations(model, x)
    wrongs = {"none": model, **{name: planted(model, name) for name in FAULTS}}
    for name, wrong in {**wrongs, "dark5 silent": silent(model, "backbone.dark5")}.items():
        report = evaluate(wrong, source, 416, progress=False)
        off = differences(right, activations(wrong, x))["head.levels.0"]
        rows.append({"fault": name, "AP": round(report.AP, 4), "head": round(off, 5)})
        print(rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    main()
