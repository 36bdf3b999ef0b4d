"""Fetch a file: whole, checked and under its name, or not at all. Explained in chapters 19 and 20.

    fetch("https://…/file.zip", "folder/file.zip")
    fetch(Remote(url, size=815585330, md5="442b…"), "folder/val2017.zip")

What is interrupted (Ctrl-C, a cut, a crash) goes on where it stopped when the same is asked for again.
`yolox_edu.transfer` makes one try; here stand the pauses between tries, the checks, the lock and the name.
Proxies are those of the environment (HTTPS_PROXY, NO_PROXY), certificates are always verified
(REQUESTS_CA_BUNDLE names others to trust).
"""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from yolox_edu.partfile import FetchError, Part, Remote, digest, on_disk, require_space
from yolox_edu.progress import Progress
from yolox_edu.transfer import Again, Session, transfer

__all__ = ["FetchError", "Offline", "Patience", "Remote", "alone", "digest", "fetch", "require_space"]
STEP = 1 << 20  # a try that brought less does not count as progress
LARGE = 1 << 30  # a sum over more than this takes long enough to say so
Check = Callable[[Path], str | None]  # what is wrong with a file, in words, or None


class Offline(FetchError):
    """No server answered at all. `problem`: which, and why."""

    def __init__(self, message: str, problem: str) -> None:
        super().__init__(message)
        self.problem = problem


@dataclass(frozen=True)
class Patience:
    """Tries in a row that may bring nothing new; the first pause; seconds to connect, and between bytes."""

    tries: int = 5
    pause: float = 1.0
    timeout: tuple[float, float] = (15.0, 60.0)


PATIENCE = Patience()


def fetch(
    remote: Remote | str,
    path: Path | str,
    *,
    check: Check | None = None,
    progress: bool = True,
    patience: Patience | None = None,
    session: Session | None = None,
    lock: bool = True,
) -> Path:
    """Bring a file to `path`, unless it is there already; returns `path`. Chapter 19.

    `check` sees the file before it gets its name and says what is wrong with it. With `session` several
    calls share connections. `lock` makes a second process wait and then find the file.

    Raises:
        Offline: nothing could be reached.
        FetchError: anything else. What came so far is kept where that helps.
    """
    remote = Remote(remote) if isinstance(remote, str) else remote
    path, patience = Path(path).expanduser(), patience or PATIENCE
    if _is_there(remote, path, check):
        return path
    with on_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with alone(path) if lock else contextlib.nullcontext():
        if not _is_there(remote, path, check):
            _download(remote, path, check, progress, patience, session or Session())
    return path


def _is_there(remote: Remote, path: Path, check: Check | None) -> bool:
    """Whether `path` is the file. Raises FetchError where another lies in its place, which stays there."""
    if not path.exists():
        return False
    if wrong := _wrong(remote, path, check):
        raise FetchError(f"{path}: {wrong}. Move it away, and it is fetched anew")
    return True


def _wrong(remote: Remote, path: Path, check: Check | None) -> str | None:
    """What is wrong with a file, in words."""
    if not path.is_file():
        return "it is no file"
    size = path.stat().st_size
    if size == 0 or remote.size not in (None, size):
        return f"it has {size:,} bytes" + (f" instead of {remote.size:,}" if remote.size else "")
    if size > LARGE and (remote.md5 or remote.sha256):
        print(f"yolox_edu: comparing the sum of {path.name}, {size / 1e9:.0f} GB", file=sys.stderr)
    for name in ("md5", "sha256"):
        if (wanted := getattr(remote, name)) and (found := digest(path, name)) != wanted.lower():
            return f"its {name} is {found} instead of {wanted}"
    return check(path) if check else None


def _download(
    remote: Remote, path: Path, check: Check | None, progress: bool, patience: Patience, session: Session
) -> None:
    """Try until the file is whole and right, or patience ends."""
    part, best, failed, spoilt = Part(path), 0, 0, 0
    with Progress(path.name, "B", shown=progress) as shown:
        while True:
            try:
                _complete(session, remote, part, patience, shown)
                if wrong := _wrong(remote, part.path, check):
                    part.discard()
                    spoilt += 1
                    if spoilt == 2:
                        what = "what lies there, or stands in between, is not what this program knows"
                        raise FetchError(f"{remote.url}: fetched twice, and both times {wrong}; {what}")
                    raise Again(wrong)
                return part.finish(path)
            except Again as again:
                failed, best = (0 if part.size >= best + STEP else failed + 1), max(best, part.size)
                if failed >= patience.tries:
                    raise _given_up(remote, path, part, again, failed) from again
                seconds = _seconds(patience.pause, failed, again.after)
                shown.say(f"{again}; trying again in {seconds:.0f} s")
                session.pause(seconds)


def _complete(session: Session, remote: Remote, part: Part, patience: Patience, progress: Progress) -> None:
    """One try, unless all bytes are there from before (killed between the last byte and the name)."""
    if remote.size is not None and part.size > remote.size:
        part.discard()
    if not part.size or part.size != remote.size:
        transfer(session, remote, part, patience.timeout, progress)


def _seconds(first: float, failed: int, after: float) -> float:
    """Twice as long each time, up to a minute, and by chance, lest a thousand clients come at once."""
    return max(min(60.0, first * 2 ** max(failed - 1, 0)) * random.uniform(0.5, 1.5), min(after, 120.0))


def _given_up(remote: Remote, path: Path, part: Part, again: Again, tries: int) -> FetchError:
    if again.offline:
        problem = f"{again.offline} cannot be reached ({again})"
        return Offline(
            f"{problem}: is this machine online, and does it need a proxy (HTTPS_PROXY)? Fetch {remote.url} "
            f"where there is a network, put it at {path}, and run this again.",
            problem,
        )
    kept = f"what came so far is kept in {part.path.name}, so run this again to go on"
    return FetchError(
        f"{remote.url}: {again}, {tries} times in a row; {kept if part.size else 'try again later'}"
    )


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """No other process is in here with the same `path`; a killed one leaves nothing locked. Chapter 19."""
    lock = path.with_name(f".{path.name}.lock")
    turn = FileLock(lock)
    try:
        with on_disk(lock):
            lock.parent.mkdir(parents=True, exist_ok=True)
            turn.acquire(timeout=0.5)
    except Timeout:
        print(f"yolox_edu: another process is fetching {path}; waiting for it", file=sys.stderr)
        turn.acquire()
    try:
        yield
    finally:
        turn.release()
    with contextlib.suppress(OSError):
        lock.unlink()  # only after success: whoever waits for it finds the file, whoever comes later too
