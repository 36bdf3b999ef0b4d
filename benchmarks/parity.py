"""What is equal to the official model, and how nearly: every figure of the page "Parity and numbers".

    python benchmarks/parity.py [--quick] [--out DIR]

Runs the measuring functions of tests/test_model.py, test_parity.py, test_losses.py, test_onnx_twins.py and
test_real_ap.py, which assert the same, and writes yolox_edu/measured/parity.json. Needs what `make setup`
installs; the ONNX twins and the AP need the test material as well ($YOLOX_EDU_SHARED, else ../shared). Ten
minutes on one core. Each section is written as soon as it is measured. --quick: two presets, one size, no
photographs.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import test_losses  # noqa: E402  (the tests own the measuring functions)
import test_model  # noqa: E402
import test_onnx_twins  # noqa: E402
import test_parity  # noqa: E402
import test_real_ap  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from yolox_edu.measured import FOLDER, keep  # noqa: E402

Row = dict[str, float | int | str]


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


def assignments(blocks: int) -> list[Row]:
    """Random batches through both assigners and losses; the test raises where they part."""
    for block in range(blocks):
        test_losses.test_same_positives_losses_and_gradients_as_the_official_code(block)
    return [{"batches": 30 * blocks, "pictures": 120 * blocks, "other positives": 0}]


def twins(shared: Path) -> list[Row]:
    """Real weights on real pictures against the published ONNX files."""
    pictures = test_onnx_twins.photographs(shared)
    rows = []
    for release in ("0.1.1", "legacy"):
        found, seen = test_onnx_twins.twin_differences(shared, release, pictures)
        rows.append({"release": release, "pictures": len(found), "worst": max(found), "with objects": seen})
    return rows


def precision(shared: Path) -> list[Row]:
    """AP of both releases of Nano on three small real sets, and what the official code gives there."""
    rows = []
    for release, folder, split, count, official in test_real_ap.ROWS:
        report = test_real_ap.measure(shared, release, folder, split)
        ours = {name: round(getattr(report, name), 4) for name in test_real_ap.LIMITS}
        theirs = {f"official {name}": value for name, value in zip(ours, official)}
        rows.append({"release": release, "set": f"{folder} {split}", "pictures": count, **ours, **theirs})
        print(rows[-1], flush=True)
    return rows


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
        "counts": lambda: counts(presets),
        "gradients": lambda: gradients(("nano",) if args.quick else ("nano", "s")),
        "assignments": lambda: assignments(1 if args.quick else 7),
        "twins": lambda: twins(shared),
        "precision": lambda: precision(shared),
        "outputs": lambda: outputs(presets, sizes),
    }
    rows = {}
    for name, measure in sections.items():
        if name in ("twins", "precision") and (args.quick or not shared.is_dir()):
            print(f"{name}: left out, no test material in {shared} (or --quick)")
            continue
        rows[name] = measure()
        print(name, "done:", keep("parity", rows, [0, 1], args.out), flush=True)


if __name__ == "__main__":
    main()
