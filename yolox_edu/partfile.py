"""The unfinished file, its note, its sum, and the room for it on the disk. Explained in chapter 19.

What came so far of `FILE` lies in `FILE.part`; `FILE.part.json` says of which file it is the beginning.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SPARE = 64 << 20  # bytes that stay free on the disk
FULL = (errno.ENOSPC, errno.EDQUOT)
CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR)


class FetchError(OSError):
    """A file could not be fetched; the message says why, and what to do."""


class DiskError(FetchError):
    """There is no room for it, or the folder cannot be written to."""


@dataclass(frozen=True)
class Remote:
    """A file on the net, and what is known of it beforehand (sums in hex)."""

    url: str
    size: int | None = None
    md5: str | None = None
    sha256: str | None = None

    @property
    def host(self) -> str:
        """The name of the server."""
        return urlsplit(self.url).hostname or self.url


class Part:
    """The unfinished `path`, and the note beside it."""

    def __init__(self, path: Path) -> None:
        self.path, self._note = path.with_name(path.name + ".part"), path.with_name(path.name + ".part.json")

    @property
    def size(self) -> int:
        """How many bytes are there."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def note(self) -> dict[str, Any]:
        """What the bytes are the beginning of; empty if that is not known."""
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(self._note.read_text(encoding="utf-8"))
            return found if isinstance(found, dict) else {}
        return {}

    def start(self, note: dict[str, Any]) -> None:
        """From the first byte. The old bytes go first, so that a crash in between mixes nothing."""
        self.path.write_bytes(b"")
        self._note.write_text(json.dumps(note), encoding="utf-8")

    def discard(self) -> None:
        """Forget everything."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def finish(self, path: Path) -> None:
        """It is whole: give it its name."""
        self.path.replace(path)
        self._note.unlink(missing_ok=True)


def require_space(folder: Path, need: int) -> None:
    """Raises DiskError unless `need` bytes, and some to spare, are free where `folder` is or will be."""
    there = next(f for f in (folder.absolute(), *folder.absolute().parents) if f.exists())
    free = shutil.disk_usage(there).free
    if free < need + SPARE:
        raise DiskError(
            f"{folder}: {(need + SPARE) / 1e9:,.2f} GB are needed, but {free / 1e9:,.2f} GB are free on the "
            "disk. Make room, or give a folder on another disk; what came so far is kept"
        )


@contextlib.contextmanager
def on_disk(path: Path) -> Iterator[None]:
    """Says in words why `path` cannot be written. Raises DiskError."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            problem = f"{path.parent}: the disk is full; make room and run this again to go on"
        elif error.errno == errno.EFBIG:
            problem = f"{path}: this disk takes no file so large (FAT32 ends at 4 GB); give another folder"
        elif error.errno in CLOSED:
            problem = f"{path.parent}: cannot be written to ({error.strerror}); give another folder"
        else:
            raise
        raise DiskError(problem) from error


def digest(path: Path, name: str = "sha256") -> str:
    """The checksum of a file, in hex. Chapter 19."""
    with path.open("rb") as file:
        # not for secrecy: says so, since some machines refuse md5 otherwise
        return hashlib.file_digest(file, lambda: hashlib.new(name, usedforsecurity=False)).hexdigest()
