"""A few pictures of COCO, one by one, without an archive. Explained in chapter 19.

fetch_pictures("data/coco", "val2017", 50, ["dog"])     the annotations (0.25 GB) and 50 pictures
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from yolox_edu.data.coco_choose import Choice, choose, picture_fault, write_part
from yolox_edu.data.coco_fetch import ARCHIVES, base, fetch_coco
from yolox_edu.data.coco_json import read_coco_json
from yolox_edu.fetch import Offline, Patience, alone, fetch
from yolox_edu.progress import Progress
from yolox_edu.transfer import Session
from yolox_edu.weightfile import atomic

LEAVE = 2.0  # seconds to wait for the others when one failed; who hangs on a silent server is left behind


def fetch_pictures(
    folder: Path | str,
    split: str,
    count: int,
    classes: Sequence[str] = (),
    seed: int = 0,
    *,
    mirror: str | None = None,
    workers: int = 8,
    progress: bool = True,
    patience: Patience | None = None,
) -> str:
    """A few pictures of `split` one by one, and their annotations: a set that `open_coco` reads. Chapter 19.

    Fetches the annotations first where they are missing (0.25 GB); pictures that lie in the folder `split`
    already, from the archive, are copied. With `classes`, pictures that show at least one of them are drawn
    by `seed`, by turns for each class, and only boxes of these classes are kept. The same call with a
    larger `count` takes the same pictures and more. At most `workers` connections are open at a time.

    Returns:
        The name of the new part, e.g. "val2017_dog_50": its pictures lie in a folder of that name, its
        boxes in `annotations/instances_val2017_dog_50.json`.

    Raises:
        DatasetError: no such class, or too few pictures that show one.
        FetchError: as `fetch_coco`.
        ValueError: there is no such split, or there are no workers.
    """
    if split not in ("val2017", "train2017"):
        raise ValueError(f"no split {split!r} of COCO; there are val2017 and train2017")
    if workers < 1:
        raise ValueError(f"{workers} workers fetch nothing; give 1 or more")
    folder = Path(folder).expanduser()
    annotations = folder / "annotations" / f"instances_{split}.json"
    if not annotations.is_file():
        fetch_coco(folder, "annotations", mirror=mirror, progress=progress, patience=patience)
    choice = choose(read_coco_json(annotations), split, count, tuple(classes), seed)
    with alone(folder / choice.name):
        try:
            _bring(folder / choice.name, choice, f"{base(mirror)}/{split}", workers, progress, patience)
        except Offline as error:
            raise _by_hand(error, folder, split, mirror) from error
        write_part(folder, choice)
    return choice.name


def _bring(
    folder: Path, choice: Choice, server: str, workers: int, progress: bool, patience: Patience | None
) -> None:
    """All pictures of a choice, several at a time over the same connections."""
    session, unpacked = Session(connections=workers), folder.parent / server.rpartition("/")[2]

    def one(image: dict[str, Any]) -> None:
        def check(path: Path) -> str | None:
            return picture_fault(path, image["width"], image["height"])

        name = image["file_name"]
        path, known = folder / name, unpacked / name
        if known.is_file() and not path.exists() and not check(known):
            with atomic(path) as partial:
                shutil.copyfile(known, partial)
        fetch(
            f"{server}/{name}", path,
            check=check, progress=False, patience=patience, session=session, lock=False,
        )  # fmt: skip

    with Progress(f"{choice.name}/", "pictures", len(choice.images), progress) as shown:
        _each(one, choice.images, workers, session.stop, shown)


def _by_hand(error: Offline, folder: Path, split: str, mirror: str | None) -> Offline:
    """Nobody fetches fifty pictures by hand; the archive can be."""
    return Offline(
        f"{error.problem}: is this machine online, and does it need a proxy (HTTPS_PROXY)? Or fetch "
        f"{base(mirror)}/{ARCHIVES[split].path} where there is a network, put it into {folder}, and unpack "
        f"it with `python -m yolox_edu data coco {folder} --parts {split}` before you run this again.",
        error.problem,
    )


def _each(
    do: Callable[[dict], Any], records: list[dict], workers: int, stop: threading.Event, progress: Progress
) -> None:
    """Do it for every record, several at a time; the first failure (or Ctrl-C) ends it all, at once."""
    todo: SimpleQueue[dict] = SimpleQueue()
    done: SimpleQueue[BaseException | None] = SimpleQueue()
    for record in records:
        todo.put(record)

    def work() -> None:
        while not stop.is_set():
            try:
                do(todo.get_nowait())
                done.put(None)
            except Empty:
                return
            except BaseException as error:
                done.put(error)
                stop.set()

    # daemons, since nobody can wake a thread that waits for a silent server; see `Session.stop`
    threads = [threading.Thread(target=work, name="pictures", daemon=True) for _ in range(workers)]
    try:
        for thread in threads:
            thread.start()
        for _ in records:
            if (error := done.get()) is not None:
                raise error
            progress.add()
    finally:
        stop.set()
        for thread in filter(threading.Thread.is_alive, threads):  # Ctrl-C may come before all are started
            thread.join(LEAVE / workers)
