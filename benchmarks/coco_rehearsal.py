"""The commands of chapter 19, run on fifty real pictures of COCO: what each of them answered.

    python benchmarks/coco_rehearsal.py [--shared ../shared] [--quick]

coco-mini has COCO's layout, 50 pictures of train2017 and 50 of val2017; the weights are the official Nano's.
Both belong to the test material, which is not in git. Each command is a process of its own, or several under
torchrun; "two machines" are two launchers on this one, which meet at an address. Only the folder's name and
the length differ from what the chapter tells its reader to type. Fine-tuning runs with three seeds; `--lr
1e-9` learns nothing, and shows what the moving averages of batch norm do alone.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from yolox_edu.measured import keep

NAME = "coco_rehearsal"
MODULE = ("-m", "yolox_edu")
LAUNCHER = ("-m", "torch.distributed.run")
WEIGHTS = "weights/yolox_nano_0.1.1.pth"
SETS = "--data coco-mini --train-split train2017 --val-split val2017"
SHORT = f"train {SETS} --epochs 2 --batch 8 --workers 0 --quiet"
ALWAYS = r"--\S*(data|split|batch|workers|epochs) \S+ ?|--quiet ?|weights/"  # what all commands share
TUNE = f"{SHORT} --weights {WEIGHTS} --lr"
RATES, SEEDS = ("1e-9", "0.001", "0.01"), (0, 1, 2)


def run(shared: Path, *words: str) -> str:
    """What one process, or one launcher and its processes, printed; raises if it failed."""
    return finish(start(shared, *words))


def start(shared: Path, *words: str) -> subprocess.Popen:
    """In the folder of the test material, on one thread, on the CPU."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    root = str(Path(__file__).resolve().parents[1])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([sys.executable, *words], cwd=shared, env=environment, **pipes)


def finish(process: subprocess.Popen) -> str:
    """All that it printed."""
    said, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(process.args[1:])} ended with {process.returncode}:\n{said}")
    return said


def titled(row: dict[str, Any]) -> dict[str, Any]:
    """The same row with a short title: what its command does not share with the others."""
    crew, machines = row.get("processes", 1), row.get("machines", 1)
    many = f", {machines} launchers" if machines > 1 else f", {crew} processes" * (crew > 1)
    return {"title": re.sub(ALWAYS, "", row["command"]).strip() + many, **row}


def average_precision(said: str) -> float:
    """The first figure under the heading AP, in percent."""
    return float(re.search(r"^ +AP .*\n +([\d.]+)", said, re.M)[1])


def trained(shared: Path, command: str, processes: int = 1, machines: int = 1) -> float:
    """AP of the weights that a run of `train` leaves."""
    with tempfile.TemporaryDirectory() as folder:
        words = [*MODULE, *command.split(), "--out", folder]
        if machines == 1:
            launch = [*LAUNCHER, "--standalone", "--nproc-per-node", str(processes)]
            run(shared, *(launch if processes > 1 else ()), *words)
        else:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = str(free.getsockname()[1])
            meet = ["--nnodes", str(machines), "--master-addr", "127.0.0.1", "--master-port", port]
            each = [
                [*meet, "--node-rank", str(i), "--nproc-per-node", str(processes)] for i in range(machines)
            ]
            for process in [start(shared, *LAUNCHER, *launch, *words) for launch in each]:
                finish(process)
        return 100 * json.loads((Path(folder) / "report.json").read_text())["AP"]


def rehearse(shared: Path, short: str = "", seeds: tuple[int, ...] = SEEDS) -> list[dict[str, Any]]:
    """All commands, with their answers. `short`: more options for `train`, to be done sooner."""
    rows = [{"command": "data check coco-mini"}]
    said = run(shared, *MODULE, *rows[0]["command"].split())
    rows[0]["says"] = said.strip().splitlines()[-1]
    for processes in 1, 2:
        command = f"evaluate --weights {WEIGHTS} --data coco-mini --split val2017"
        launch = [*LAUNCHER, "--standalone", "--nproc-per-node", "2"] if processes == 2 else []
        ap = average_precision(run(shared, *launch, *MODULE, *command.split()))
        rows.append({"command": command, "processes": processes, "AP": [ap]})
        print(rows[-1], flush=True)
    for rate in RATES:
        aps = [trained(shared, f"{TUNE} {rate} --seed {seed} {short}") for seed in seeds]
        rows.append({"command": f"{TUNE} {rate}", "rate": rate, "AP": aps})
        print(rows[-1], flush=True)
    for processes, machines in (2, 1), (1, 2):
        ap = trained(shared, f"{TUNE} 0.001 {short}", processes, machines)
        rows.append(
            {"command": f"{TUNE} 0.001", "processes": processes * machines, "machines": machines, "AP": [ap]}
        )
        print(rows[-1], flush=True)
    ap = trained(shared, f"{SHORT} --preset nano {short}")
    return [*rows, {"command": f"{SHORT} --preset nano", "AP": [ap]}]


def main() -> None:
    """Run them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--quick", action="store_true", help="eight pictures at 64 pixels; nothing is kept")
    args = parser.parse_args()
    if args.quick:
        rehearse(args.shared, "--count 8 --val-count 2 --size 64", (0,))
    else:
        keep(NAME, [titled(row) for row in rehearse(args.shared)], list(SEEDS))


if __name__ == "__main__":
    main()
