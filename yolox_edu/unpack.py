"""Unpack a zip archive that a stranger made. Explained in chapter 19.

A name in an archive is only a string, and may lead out of the folder (`../../.bashrc`); an entry may be a
link, so that the next entry is written through it; a few kilobytes may swell to fill the disk. So the whole
table of contents is read and judged before a byte is written, only the files that we came for are taken,
and they appear under their names when all of them are there and right.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from yolox_edu.partfile import on_disk, require_space
from yolox_edu.progress import Progress

RATIO = 100  # no honest archive of pictures or JSON is packed tighter than this
SMALL = 10 << 20  # below this no ratio is alarming
CHUNK = 1 << 20


class UnpackError(ValueError):
    """An archive that is refused or damaged; the message names the entry."""


def unpack(archive: Path, folder: Path, wanted: str, most: int | None = None, progress: bool = True) -> int:
    """Take the files whose whole names match `wanted` out of `archive` into `folder`. Chapter 19.

    Files that lie in `folder` already with the right size are kept. Interrupted, it goes on where it
    stopped. Returns the number of files that match.

    Args:
        wanted: a regular expression, for names such as "val2017/000000000139.jpg".
        most: refuse archives whose wanted files are larger than so many bytes.

    Raises:
        UnpackError: the archive is unsafe or damaged; `folder` is as it was.
        FetchError: there is no room.
    """
    aside = folder / f".{archive.stem}.unpacking"
    with _readable(archive, aside), zipfile.ZipFile(archive) as source:
        members = judge(archive, source.infolist(), wanted, most)
        missing = [m for m in members if not _same_size(folder / m.filename, m)]
        require_space(folder, sum(m.file_size for m in missing if not _same_size(aside / m.filename, m)))
        with Progress(archive.name, "files", len(missing), progress) as shown:
            for member in missing:
                if not _same_size(aside / member.filename, member):
                    with on_disk(folder / member.filename):
                        _extract(source, member, aside / member.filename)
                shown.add()
    _move(missing, aside, folder)
    return len(members)


def judge(
    archive: Path, entries: list[zipfile.ZipInfo], wanted: str, most: int | None = None
) -> list[zipfile.ZipInfo]:
    """The entries that are wanted, if all the archive's entries are safe. Raises UnpackError. Chapter 19."""
    seen: set[str] = set()
    for entry in entries:
        name = entry.filename.rstrip("/").casefold()  # two names may be one file on this disk
        problem = fault(entry) or ("occurs twice" if name in seen else None)
        if problem:
            raise UnpackError(f"{archive}: refused: the entry {entry.orig_filename!r:.80} {problem}")
        seen.add(name)
    members = [e for e in entries if not e.is_dir() and re.fullmatch(wanted, e.filename)]
    total, packed = sum(m.file_size for m in members), archive.stat().st_size
    allowed = max(SMALL, RATIO * packed) if most is None else most
    if total > allowed:
        raise UnpackError(
            f"{archive}: refused: {packed:,} bytes would become {total:,}, where at most {allowed:,} were "
            "expected; this looks like a bomb"
        )
    return members


def fault(entry: zipfile.ZipInfo) -> str | None:
    """Why an entry must not be unpacked, or None. Chapter 19."""
    name, mode = entry.orig_filename, entry.external_attr >> 16
    if "\\" in name or "\0" in name or re.match(r"[A-Za-z]:|/", name):
        return "is no relative path"
    if any(step in ("", ".", "..") for step in name.removesuffix("/").split("/")):
        return "leads out of the folder"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device, no file"
    if entry.flag_bits & 1:
        return "is encrypted"
    return None


def _same_size(path: Path, member: zipfile.ZipInfo) -> bool:
    return path.is_file() and path.stat().st_size == member.file_size


def _extract(source: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    """One file, which gets its name when it is whole; its checksum is compared while it is read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with source.open(member) as packed, part.open("wb") as file:
        shutil.copyfileobj(packed, file, CHUNK)  # never more than file_size: zipfile stops there
    part.replace(path)


def _move(members: list[zipfile.ZipInfo], aside: Path, folder: Path) -> None:
    """From the folder aside to the right one: whole folders at a stroke where nothing is in the way."""
    for top in sorted({m.filename.partition("/")[0] for m in members}):
        if not os.path.lexists(folder / top):
            (aside / top).replace(folder / top)
    for member in members:
        if (aside / member.filename).is_file():
            (folder / member.filename).parent.mkdir(parents=True, exist_ok=True)
            (aside / member.filename).replace(folder / member.filename)
    shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def _readable(archive: Path, aside: Path) -> Iterator[None]:
    """Say in words what is damaged, and leave nothing of it."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise UnpackError(
            f"{archive}: damaged, or no zip archive ({error}); delete it and fetch it again"
        ) from error
