"""The official weights by name, "yolox-nano" to "yolox-x": fetched once, then in a folder. Chapter 20.

They lie in the release 0.1.1rc0 of Megvii-BaseDetection/YOLOX. No sums were published with them, so what
can be checked is this: the connection (TLS, to the release's own address), the length that the server
declares, and the content, which must be exactly the tensors of the preset for COCO's 80 classes, read
without running any code. The sha256 of the first download is written beside the file, in the form that
`sha256sum -c` reads, and every later load is compared with it: that tells of damage and of a change, not
of a wrong first download.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from yolox_edu.official import load_official
from yolox_edu.partfile import FetchError, digest
from yolox_edu.weightfile import WeightsError, atomic

RELEASE = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"
RELEASED = ("nano", "tiny", "s", "m", "l", "x")


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
    note = path.with_name(path.name + ".sha256")
    found = digest(path)
    if not note.is_file():
        if fault := _fault(path, preset):  # brought by hand
            raise WeightsError(path, fault)
        with atomic(note) as partial:
            partial.write_text(f"{found}  {path.name}\n", encoding="utf-8")
    elif note.read_text(encoding="utf-8").split()[:1] != [found]:
        problem = f"it is not what was fetched at first (its sha256 is {found}, {note.name} says another)"
        raise WeightsError(path, f"{problem}; delete both files, and it is fetched anew")
    return path


def _fetch(preset: str, path: Path) -> None:
    from yolox_edu.fetch import fetch  # needs requests

    url = f"{RELEASE}/{path.name}"
    print(f"yolox_edu: fetching {url} into {path.parent}", file=sys.stderr)
    try:
        fetch(url, path, check=lambda file: _fault(file, preset))
    except FetchError as error:
        raise WeightsError(f"yolox-{preset}", str(error)) from error


def _fault(path: Path, preset: str) -> str | None:
    """What is wrong with a file that should be the official one, in words."""
    try:
        found = load_official(path, 80).preset.name
    except WeightsError as error:
        return error.problem
    return None if found == preset else f"it holds a yolox-{found}, not a yolox-{preset}"
