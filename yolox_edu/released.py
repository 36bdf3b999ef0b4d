"""The official weights by name, "yolox-nano" to "yolox-x": fetched once, then in a folder. Chapter 20.

They lie in the release 0.1.1rc0 of Megvii-BaseDetection/YOLOX. Megvii published no sums with them. Those
below are what several public projects, each on its own, found for the files of that release and wrote
into their code: they tell of damage and of a change since, not of what Megvii meant to publish. Besides,
the content is read without running any code, and must be exactly the tensors of a preset (`official`).
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from yolox_edu.partfile import DiskError, FetchError, Remote, digest
from yolox_edu.weightfile import WeightsError

RELEASE = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"
SHA256 = {
    "nano": "cd28f55fbbc1829f99d9ac9b38a16d259a22889739c8728ea877610201feff7b",
    "tiny": "9de513de589ac98bb92d3bca53b5af7b9acfa9b0bacb831f7999d0f7afaee8f0",
    "s": "f55ded7181e1b0c13285c56e7790b8f0e8f8db590fe4edb37f0b7f345c913a30",
    "m": "60076992b32da82951c90cfa7bd6ab70eba9eda243e08b940a396f60ac2d19b6",
    "l": "1e6b7fa6240375370b2a8a8eab9066b3cdd43fd1d0bfa8d2027fd3a51def2917",
    "x": "5652330b6ae860043f091b8f550a60c10e1129f416edfdb65c259be6caf355cf",
}
RELEASED = tuple(SHA256)


def cache() -> Path:
    """Where fetched weights are kept: $YOLOX_EDU_CACHE, else ~/.cache/yolox_edu. Chapter 20."""
    return Path(os.environ.get("YOLOX_EDU_CACHE") or "~/.cache/yolox_edu").expanduser()


def released_preset(name: str) -> str | None:
    """ "s" for "yolox-s" (or "yolox_s"); None if it is no name of official weights. Chapter 20."""
    found = re.fullmatch(rf"yolox[-_]({'|'.join(RELEASED)})", name.lower())
    return found[1] if found else None


def released(preset: str) -> Path:
    """The official file of a preset, fetched if it is not in the cache yet, and checked. Chapter 20.

    Raises WeightsError: no network (it says where to put a file that was fetched elsewhere), or a file
    that is damaged, changed or something else.
    """
    if preset not in RELEASED:
        raise WeightsError(preset, f"no official weights of that name; there are {', '.join(RELEASED)}")
    path = cache() / f"yolox_{preset}.pth"
    if not path.exists():
        _fetch(preset, path)
    elif (found := digest(path)) != SHA256[preset]:
        raise WeightsError(
            path,
            f"not the official yolox-{preset}, or damaged: its sha256 is {found} instead of "
            f"{SHA256[preset]}. Delete it, and it is fetched anew; weights of your own go by their path",
        )
    return path


def _fetch(preset: str, path: Path) -> None:
    from yolox_edu.fetch import fetch  # needs requests

    url = f"{RELEASE}/{path.name}"
    print(f"yolox_edu: fetching {url} into {path.parent}", file=sys.stderr)
    try:
        fetch(Remote(url, sha256=SHA256[preset]), path)
    except FetchError as error:
        where = "; YOLOX_EDU_CACHE names one" if isinstance(error, DiskError) else ""
        raise WeightsError(f"yolox-{preset}", f"{error}{where}") from error
