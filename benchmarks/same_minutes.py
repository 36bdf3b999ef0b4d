"""Other ways to spend chapter 16's two minutes: about the same pixels, another recipe.

    python benchmarks/same_minutes.py [--threads N] [--to DIR]

Each try trains on at most as many pixels as the chapter's run (375 streets, 8 times, at 256 x 256) and is
judged on 64 unseen streets. What was expected of it was written down before the first try ran. Tries that
are done already are not run again.
"""

import argparse
import os
import time
from pathlib import Path

import torch

from yolox_edu import measured
from yolox_edu.tries import attempt

TRIES = {  # what was expected, and what differs from the chapter's run
    "as in the chapter": ("the run", {}),
    "batch 4": ("better", {"batch": 4}),
}
SEEDS = [0]


def main() -> None:
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--to", type=Path, default=measured.FOLDER, help="folder of the result")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows = measured.kept("same_minutes", arguments.to)
    done = {(row["try"], row["seed"]) for row in rows}
    for seed, name in ((seed, name) for seed in SEEDS for name in TRIES if (name, seed) not in done):
        began, (expected, changes) = time.perf_counter(), TRIES[name]
        ap, megapixels = attempt(seed=seed, **changes)
        row = {"try": name, "expected": expected, "AP": round(ap, 4), "megapixels": round(megapixels, 1)}
        rows.append({**row, "seed": seed})
        measured.keep("same_minutes", rows, SEEDS, arguments.to)
        print(rows[-1], f"{time.perf_counter() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
