"""What the doctor sees of the machine: versions, devices, threads, room. Chapter 21 and the error clinic."""

from __future__ import annotations

import os
import platform
import re
import shutil
from importlib import util
from importlib.metadata import PackageNotFoundError, version

import torch
from torchvision.ops import nms

from yolox_edu.data.findings import Findings

NEEDS = {  # the oldest release that will do; tests keep this equal to pyproject.toml
    "torch": "2.6",
    "torchvision": "0.21",
    "numpy": "1.26",
    "pillow": "10.1",
    "jaxtyping": "0.2.36",
    "safetensors": "0.4.5",
}
EXTRAS = {  # what is imported: (what it is for, whether nothing can be trained without it)
    "pycocotools": ("reading COCO files and AP", True),
    "cv2": ("mosaic and MixUp, videos", True),
    "tqdm": ("progress bars", True),
    "matplotlib": ("figures and training curves", False),
    "tensorboard": ("training logs in the browser", False),
}
INSTALL_EXTRAS = (
    "pip install 'yolox-edu[train] @ git+https://github.com/yolox-layer-by-layer/yolox-layer-by-layer'"
)
ROOM = 2e9  # bytes: a few checkpoints of a middling network


def check_environment(say: Findings) -> None:
    """Report what is missing or too old, and what there is. Chapter 21 and the error clinic."""
    say.add(
        "note", "machine", "", f"Python {platform.python_version()}, torch {torch.__version__}, {_device()}"
    )
    for name, least in NEEDS.items():
        found = installed(name)
        if found is None:
            say.add(
                "error", "package-missing", name, "it is not installed", f"pip install '{name}>={least}'."
            )
        elif _numbers(found) < _numbers(least):
            mend = f"pip install -U '{name}>={least}'."
            say.add("error", "package-old", name, f"version {found}, at least {least} is needed", mend)
    for name, (purpose, needed) in EXTRAS.items():
        if util.find_spec(name) is None:
            what = f"it is not installed; it is for {purpose}"
            severity = "warning" if needed else "note"
            say.add(severity, "extra-missing", name, what, f"{INSTALL_EXTRAS}.")
    _operators(say)
    _room_and_threads(say)


def installed(name: str) -> str | None:
    """The version of an installed package, or None. Chapter 21 and the error clinic."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _numbers(text: str) -> tuple[int, ...]:
    """ "2.6.0+cpu" as (2, 6, 0), which can be compared."""
    return tuple(int(part) for part in re.findall(r"\d+", text.partition("+")[0])[:3])


def _device() -> str:
    if torch.cuda.is_available():
        half = "bf16" if torch.cuda.is_bf16_supported() else "fp16 (no bf16)"
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        return f"{torch.cuda.device_count()} GPU ({torch.cuda.get_device_name()}, {memory:.0f} GiB), {half}"
    if torch.backends.mps.is_available():
        return "Apple GPU (mps)"
    capability = torch.backends.cpu.get_cpu_capability()
    return f"no GPU; CPU with {capability}, {torch.get_num_threads()} threads, fp32"


def _operators(say: Findings) -> None:
    """torch and torchvision of different builds import well and fail at the first NMS."""
    try:
        nms(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.ones(1), 0.5)
    except (RuntimeError, NotImplementedError) as error:
        what = f"it does not fit torch {torch.__version__} ({str(error).splitlines()[0]})"
        say.add("error", "torchvision-build", "torchvision", what, "Install both in one command.")


def _room_and_threads(say: Findings) -> None:
    free = shutil.disk_usage(".").free
    if free < ROOM:
        what = f"{free / 1e9:.1f} GB free in this folder; a run writes checkpoints"
        say.add("warning", "disk-full", "disk", what, "Make room, or train with --out on another disk.")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if torch.get_num_threads() > cores:
        what = f"torch uses {torch.get_num_threads()} threads on {cores} cores: they wait for each other"
        say.add("warning", "threads", "OMP_NUM_THREADS", what, f"Set OMP_NUM_THREADS={cores}.")
