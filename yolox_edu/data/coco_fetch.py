"""COCO 2017 from the net: its archives (`coco_pictures` takes single pictures). Explained in chapter 19.

    fetch_coco("data/coco", "annotations")                  0.25 GB, then two JSON files
    fetch_coco("data/coco", "val2017")                      0.8 GB, 5,000 pictures
    fetch_coco("data/coco", "train2017")                    19 GB, 118,287 pictures

The addresses are those of the storage behind images.cocodataset.org, since over TLS that name does not
match its certificate. The annotations are CC BY 4.0, the pictures under their Flickr licences.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from yolox_edu.fetch import FetchError, Patience, Remote, alone, fetch, require_space
from yolox_edu.partfile import Part
from yolox_edu.unpack import unpack

BASE = "https://s3.amazonaws.com/images.cocodataset.org"


@dataclass(frozen=True)
class Archive:
    """One of COCO's archives: where, its size and sum; which files we take, and their bytes (about)."""

    path: str
    size: int
    md5: str
    wanted: str
    files: int
    unpacked: int

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.rpartition("/")[2]


ARCHIVES = {
    "annotations": Archive(
        "annotations/annotations_trainval2017.zip",
        252_907_541,
        "f4bbac642086de4f52a3fdda2de5fa2c",
        wanted=r"annotations/instances_(train|val)2017\.json",  # captions and key points stay in the archive
        files=2,
        unpacked=500_000_000,
    ),
    "val2017": Archive(
        "zips/val2017.zip",
        815_585_330,
        "442b8da7639aecaf257c1dceb8ba8c80",
        wanted=r"val2017/\d{12}\.jpg",
        files=5_000,
        unpacked=820_000_000,
    ),
    "train2017": Archive(
        "zips/train2017.zip",
        19_336_861_798,
        "cced6f7f71b7629ddf16f17bbcfab6b2",
        wanted=r"train2017/\d{12}\.jpg",
        files=118_287,
        unpacked=19_500_000_000,
    ),
}


def base(mirror: str | None) -> str:
    """Where COCO's paths begin: at the mirror, if one is given. Chapter 19."""
    return (mirror or BASE).rstrip("/")


def fetch_coco(
    folder: Path | str,
    part: str,
    *,
    mirror: str | None = None,
    keep: bool = False,
    progress: bool = True,
    patience: Patience | None = None,
) -> Path:
    """Fetch, check and unpack a part of COCO, unless it is there; returns the part's folder. Chapter 19.

    Args:
        folder: COCO's folder, with `annotations/`, `val2017/` … in the end. An archive that lies there
            already, brought by hand, is used. Interrupted, the same call goes on.
        part: "annotations", "val2017" or "train2017".
        mirror: another server with the same files under the same paths; the sums must still be COCO's.
        keep: leave the archive there after it was unpacked.

    Raises:
        FetchError: no network (Offline), no room, wrong bytes … with what to do.
        UnpackError: the archive is unsafe or damaged.
        ValueError: there is no such part.
    """
    if part not in ARCHIVES:
        raise ValueError(f"no part {part!r} of COCO; there are {', '.join(ARCHIVES)}")
    folder = Path(folder).expanduser()
    if _complete(folder, part):
        return folder / part
    with alone(folder / part):
        if not _complete(folder, part):
            _bring(folder, part, base(mirror), keep, progress, patience)
    return folder / part


def _bring(
    folder: Path, part: str, server: str, keep: bool, progress: bool, patience: Patience | None
) -> None:
    """Fetch the archive, unless it lies there; unpack it; count; delete it."""
    archive = ARCHIVES[part]
    path = folder / archive.name
    if not path.exists():  # `unpack` knows what is missing
        require_space(folder, archive.size - Part(path).size + archive.unpacked)
    remote = Remote(f"{server}/{archive.path}", archive.size, archive.md5)
    fetch(remote, path, progress=progress, patience=patience, lock=False)
    found = unpack(path, folder, archive.wanted, 2 * archive.unpacked, progress)
    if found != archive.files:
        raise FetchError(f"{path}: {found:,} files of {part} are in it, not {archive.files:,}")
    if not keep:
        path.unlink()


def _complete(folder: Path, part: str) -> bool:
    """Whether all files are there; they come under their names only when they are whole.

    Empty ones do not count: a power cut leaves such.
    """
    if not (folder / part).is_dir():
        return False
    files = (entry for entry in os.scandir(folder / part) if entry.is_file() and entry.stat().st_size)
    wanted = [re.fullmatch(ARCHIVES[part].wanted, f"{part}/{file.name}") for file in files]
    return sum(match is not None for match in wanted) == ARCHIVES[part].files
