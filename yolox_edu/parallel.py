"""Several processes: one model on several GPUs or machines, under torchrun. Chapter 19."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor


@contextmanager
def processes(device: str | None = None) -> Iterator[torch.device]:
    """Join the processes that torchrun started (if it did) and yield this one's device.

    NCCL on GPUs, gloo on the CPU. Without torchrun: cuda, else mps, else cpu, or the `device` asked for.
    """
    world = int(os.environ.get("WORLD_SIZE", 1))
    if device is None:
        device = (
            "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        )
    if device == "cuda" and world > 1:
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    if world > 1:
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield torch.device(device)
    finally:
        if world > 1:
            dist.destroy_process_group()


@contextmanager
def stop_requests() -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM fill the list instead of stopping Python at once; a second one does stop it.

    So a step is finished and saved before the run ends. Without effect outside the main thread.
    """
    asked: list[int] = []

    def note(number: int, frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def rank_and_world() -> tuple[int, int]:
    """(0, 1) without torchrun."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def mean_over_processes(values: Float[Tensor, " terms"]) -> Float[Tensor, " terms"]:
    """The mean of a tensor over all processes; without torchrun the tensor itself."""
    _, world = rank_and_world()
    if world > 1:
        dist.all_reduce(values)
        values /= world
    return values
