"""Reading and writing files of weights safely: what can be wrong with one, said in words. Chapter 20.

A `.pth` file is a zip (before PyTorch 1.6: a bare stream) around a Python pickle, and unpickling may run
any code. So everything here goes through `torch.load(weights_only=True)`, which knows tensors and plain
containers and nothing else. Safetensors holds numbers and a table of contents only.
"""

from __future__ import annotations

import os
import pickle
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor


class WeightsError(ValueError):
    """A file of weights cannot be used; the message names the file, what was found, and what to do."""

    def __init__(self, path: Path | str, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = path, problem

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


# What people save by mistake under the name of weights: first bytes (lower case), and what that means.
LOOKALIKES = (
    (b"\xff\xd8\xff", "a JPEG picture, not weights"),
    (b"\x89png", "a PNG picture, not weights"),
    (b"<!doctype", "an HTML page, not weights: the download saved a web page; take the file's direct link"),
    (b"<html", "an HTML page, not weights: the download saved a web page; take the file's direct link"),
    (b"version https://git-lfs", "a Git LFS pointer, not the weights themselves: run `git lfs pull`"),
    (
        b"\x08",
        "an ONNX network, which does not hold the layers one by one; take the .pth file it was made from",
    ),
)
NO_CHECKPOINT = "no checkpoint: expected an official YOLOX .pth, our .safetensors, or a .pt of our training"


def kind(path: Path) -> str:
    """ "safetensors" or "torch", by the file's content, whatever it is called.

    Raises WeightsError where the file is missing, empty, cut off or something else altogether.
    """
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "no such file"
        raise WeightsError(path, f"{what}; chapter 20 says where the official weights can be had")
    with path.open("rb") as file:
        head = file.read(64)
    if not head:
        raise WeightsError(path, "the file is empty; download or copy it again")
    if head[:4] == b"PK\x03\x04":
        if not zipfile.is_zipfile(path):  # a zip's table of contents stands at its end
            raise WeightsError(path, _cut_off(path))
        with zipfile.ZipFile(path) as archive:
            names = {name.rpartition("/")[2] for name in archive.namelist()}
        if "data.pkl" not in names or "constants.pkl" in names:
            raise WeightsError(path, f"{NO_CHECKPOINT}; this is another zip archive, or TorchScript")
        return "torch"
    if head[8:9] == b"{" and head[6:8] == b"\0\0":  # the length of the header, 8 bytes, then JSON
        return "safetensors"
    for start, what in LOOKALIKES:
        if head.lstrip().lower().startswith(start):
            raise WeightsError(path, f"this is {what}")
    if head[:1] != b"\x80":  # a bare pickle
        text = head.decode("utf-8", "replace").split("\n")[0][:20]
        raise WeightsError(
            path, NO_CHECKPOINT + (f"; this begins with {text!r}" if text.isprintable() else "")
        )
    return "torch"


def _cut_off(path: Path) -> str:
    size = f"{path.stat().st_size:,} bytes"
    return f"the file is cut off or damaged ({size}); download it again and compare its size"


def _refused(message: str) -> str:
    if found := re.search(r"GLOBAL (\S+)", message):
        return (
            f"refused: besides tensors it names the Python code {found[1]}, and loading it would run that, "
            "whatever it does. If you trust the file, open it in the program that wrote it and save only "
            '{"model": model.state_dict()}'
        )
    return (
        "refused: damaged, or an ordinary Python pickle, which could run any code while it is read. Only "
        "tensors in plain dicts, as torch.save writes them, are loaded"
    )


def read_torch(path: Path) -> dict:
    """The dict in a file of `torch.save`, on the CPU, without running any code that hides in it.

    Raises WeightsError: no dict, damaged, or Python objects other than tensors and plain containers.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(path, _refused(str(error))) from error
    except (EOFError, RuntimeError, KeyError, ValueError, IndexError, AttributeError) as error:
        raise WeightsError(path, _cut_off(path)) from error
    if not isinstance(content, dict):
        raise WeightsError(path, f"{NO_CHECKPOINT}; this holds one {type(content).__name__}")
    return content


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a .safetensors file, on the CPU, and its metadata (empty if there are none).

    Raises WeightsError where it is cut off or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise WeightsError(path, _cut_off(path)) from error


def _umask() -> int:
    mask = os.umask(0)  # the only way to read it is to set it
    os.umask(mask)
    return mask


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A path to write to, which becomes `path` only once all is on the disk.

    So a crash or a full disk leaves the older file, whole, and no half of a new one. Makes the folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.chmod(0o666 & ~_umask())  # safetensors writes files that only their owner may read
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
