"""What is equal to the official model, and how nearly: every figure of the page "Parity and numbers".

    python benchmarks/parity.py [--quick] [--out DIR]

Runs the measuring functions of tests/test_model.py, test_parity.py, test_losses.py, test_onnx_twins.py,
test_real_ap.py and official_ap.py, which assert the same, and writes yolox_edu/measured/parity.json. Needs
what `make setup` installs; the ONNX twins and the AP need the test material as well ($YOLOX_EDU_SHARED, else
../shared). Two minutes on one core. Each section is written as soon as it is measured. --quick: two presets,
one size, no photographs.
"""

import argparse
import os
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import official_ap  # noqa: E402  (the tests own the measuring functions)
import test_losses  # noqa: E402
import test_model  # noqa: E402
import test_onnx_twins  # noqa: E402
import test_parity  # noqa: E402
import test_real_ap  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from yolox_edu.boxes import grid  # noqa: E402
from yolox_edu.losses import losses  # noqa: E402
from yolox_edu.measured import FOLDER, keep  # noqa: E402
from yolox_edu.partfile import digest  # noqa: E402
from yolox_edu.simota import assign, pad_targets  # noqa: E402

Row = dict[str, float | int | str]
SETS = (("coco-mini", "val2017"), ("coco-mini", "train2017"), ("coco128", "train2017"))
PACKAGES = (
    *("torch", "torchvision", "numpy", "pixeltable-yolox", "pycocotools", "onnxruntime"),
    "opencv-python-headless",
)


def counts(presets: tuple[str, ...]) -> list[Row]:
    """Ours, and the official package's own network: parameters, tensors, convolutions, GFLOPs."""
    rows = []
    for name in presets:
        ours, side = test_model.on_meta(name), test_model.REFERENCE[name][3]
        with test_model.meta:
            theirs = test_parity.official(name).eval()
        with FlopCounterMode(display=False) as counter:
            ours.raw(torch.empty(1, 3, side, side, device=test_model.meta))
        convolutions = [sum(isinstance(m, torch.nn.Conv2d) for m in net.modules()) for net in (ours, theirs)]
        rows.append(
            {
                "preset": name,
                "side": side,
                "parameters": test_model.count(ours),
                "official parameters": test_model.count(theirs),
                "tensors": len(ours.state_dict()),
                "official tensors": len(theirs.state_dict()),
                "convolutions": convolutions[0],
                "official convolutions": convolutions[1],
                "gflops": round(counter.get_total_flops() / 1e9, 4),
            }
        )
    return rows


def outputs(presets: tuple[str, ...], sizes: tuple[tuple[int, int], ...]) -> list[Row]:
    """Largest differences on random pictures, both networks with the same random weights."""
    rows = []
    for name in presets:
        with tempfile.TemporaryDirectory() as folder:
            pair = test_parity.make_pair(name, Path(folder))
        for size in sizes:
            found = test_parity.output_differences(*pair, size)
            rows.append({"preset": name, "height": size[0], "width": size[1], **found})
            print(rows[-1], flush=True)
    return rows


def gradients(presets: tuple[str, ...]) -> list[Row]:
    """The worst parameter of each preset."""
    rows = []
    for name in presets:
        torch.manual_seed(0)
        with tempfile.TemporaryDirectory() as folder:
            found = test_parity.gradient_differences(name, Path(folder))
        worst = max(found, key=found.get)
        rows.append({"preset": name, "parameters": len(found), "worst": worst, "relative": found[worst]})
    return rows


def assignments(batches: int) -> list[Row]:
    """Random batches through both assigners and losses: what the other one chose otherwise, and lost."""
    positives = other = 0
    worst = 0.0
    for seed in range(batches):
        raw, targets, size = test_losses.make_batch(seed)
        reference = test_losses.Reference(raw.shape[2] - 5, use_l1=seed % 2 == 0)
        wanted = reference(raw, targets, size)
        padded = pad_targets(targets, size)
        found, given = assign(raw, padded, size, *grid(size)), losses(raw, padded, size, seed % 2 == 0)
        for n in range(len(targets)):
            cells, truths, _ = reference.seen.get(n, (torch.zeros(0), [], None))  # no object, no positive
            mine, matched, _ = test_losses.pairs(found, n)
            boxes, labels = targets[n]["boxes"], targets[n]["labels"]
            theirs = {(c, *boxes[t].tolist(), int(labels[t])) for c, t in zip(cells.tolist(), truths)}
            ours = {(c, *boxes[t].tolist(), int(labels[t])) for c, t in zip(mine.tolist(), matched)}
            positives, other = positives + len(theirs), other + len(theirs ^ ours)
        for name, value in wanted.items():
            value = float(value)
            worst = max(worst, abs(float(given[name]) - value) / max(abs(value), 1e-9))
    pictures = 4 * batches
    row = {"batches": batches, "pictures": pictures, "positives": positives, "other positives": other}
    return [{**row, "losses": worst}]


def twins(shared: Path) -> list[Row]:
    """Real weights on real pictures against the published ONNX files."""
    pictures = test_onnx_twins.photographs(shared)
    rows = []
    for release in ("0.1.1", "legacy"):
        found, seen = test_onnx_twins.twin_differences(shared, release, pictures)
        rows.append({"release": release, "pictures": len(found), "worst": max(found), "with objects": seen})
    return rows


def precision(shared: Path) -> list[Row]:
    """AP of both releases of Nano on three small real sets: ours, and the official code's, run beside it."""
    rows = []
    for release, folder, split, *_ in test_real_ap.ROWS:
        report = test_real_ap.measure(shared, release, folder, split)
        found = official_ap.measure(shared, release, folder, split)
        row = {"release": release, "set": f"{folder} {split}", "pictures": report.images}
        for i, name in enumerate(test_real_ap.LIMITS):
            row[name] = round(getattr(report, name), 4)
            row[f"official {name}"] = round(found["as it is"][i], 4)
            row[f"cut {name}"] = round(found["cut"][i], 4)
        rows.append(row)
        print(rows[-1], flush=True)
    return rows


def material(shared: Path) -> list[Row]:
    """The files that were compared, so that somebody else can tell whether theirs are the same."""
    files = [*sorted((shared / "weights").glob("yolox_nano_*"))]
    files += [shared / folder / "annotations" / f"instances_{split}.json" for folder, split in SETS]
    return [
        {"file": path.relative_to(shared).as_posix(), "bytes": path.stat().st_size, "sha256": digest(path)}
        for path in files
    ]


def versions() -> dict[str, str]:
    """Of everything that a number on the page can depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def main() -> None:
    """Measure and write, section by section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two presets, one size, no photographs")
    parser.add_argument("--out", type=Path, default=FOLDER, help="the folder to write to")
    args = parser.parse_args()
    torch.set_num_threads(1)
    shared = Path(os.environ.get("YOLOX_EDU_SHARED") or ROOT.parent / "shared").resolve()
    presets = ("nano", "tiny") if args.quick else test_parity.PRESETS
    sizes = test_parity.SIZES[: 1 if args.quick else None]
    sections = {
        "versions": versions,
        "counts": lambda: counts(presets),
        "gradients": lambda: gradients(("nano",) if args.quick else ("nano", "s")),
        "assignments": lambda: assignments(30 if args.quick else 210),
        "twins": lambda: twins(shared),
        "precision": lambda: precision(shared),
        "material": lambda: material(shared),
        "outputs": lambda: outputs(presets, sizes),
    }
    rows = {}
    for name, measure in sections.items():
        if name in ("twins", "precision", "material") and (args.quick or not shared.is_dir()):
            print(f"{name}: left out, no test material in {shared} (or --quick)")
            continue
        rows[name] = measure()
        print(name, "done:", keep("parity", rows, [0, 1], args.out), flush=True)


if __name__ == "__main__":
    main()
