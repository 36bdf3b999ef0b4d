"""What took too long for a chapter: measured beforehand by a command, kept with it. Chapters 12 to 15 and on.

Each `name.json` here was written by `benchmarks/name.py` through `keep`, with the command, seeds, date and
machine; a test measures a small part of it again.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import date
from pathlib import Path
from typing import Any

import torch

FOLDER = Path(__file__).parent


def recall(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """What was measured: `rows`, and how: `command`, `seeds`, `date`, `machine`.

    Raises FileNotFoundError, naming what there is, for a name that was never measured.
    """
    path = folder / f"{name}.json"
    if not path.is_file():
        there = ", ".join(sorted(p.stem for p in folder.glob("*.json"))) or "nothing yet"
        raise FileNotFoundError(f"no measurement is called {name!r}; there are: {there}")
    return json.loads(path.read_text())


def kept(name: str, folder: Path = FOLDER) -> list[dict[str, Any]]:
    """The rows that are there already, for a command that goes on where it stopped; [] at first."""
    return recall(name, folder)["rows"] if (folder / f"{name}.json").is_file() else []


def keep(name: str, rows: Any, seeds: list[int], folder: Path = FOLDER) -> Path:
    """Write `rows` (lists, dicts, numbers, text) with what a reader needs to measure them again."""
    processor = platform.processor() or platform.machine()
    about = {
        "command": " ".join(["python", *sys.argv]),
        "date": date.today().isoformat(),
        "seeds": seeds,
        "machine": f"{os.cpu_count()} cores of {processor}, torch {torch.__version__}",
    }
    path = folder / f"{name}.json"
    half = path.with_suffix(".half")
    half.write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n")
    half.replace(path)  # whole or not at all
    return path
