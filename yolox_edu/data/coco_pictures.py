"""A few pictures of COCO, one by one, without an archive. Explained in chapter 19.

fetch_pictures("data/coco", "val2017", 50, ["dog"])     the annotations (0.25 GB) and 50 pictures
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from tqdm import tqdm

from yolox_edu.data.coco_choose import Choice, choose, picture_fault, write_part
from yolox_edu.data.coco_fetch import ARCHIVES, base, fetch_coco
from yolox_edu.data.coco_json import read_coco_json
from yolox_edu.fetch import Offline, Patience, alone, fetch
from yolox_edu.transfer import Session


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

    Fetches the annotations first where they are missing (0.25 GB). With `classes`, pictures that show at
    least one of them are drawn by `seed`, by turns for each class, and only boxes of these classes are
    kept. The same call with a larger `count` takes the same pictures and more.

    Returns:
        The name of the new part, e.g. "val2017_dog_50": its pictures lie in a folder of that name, its
        boxes in `annotations/instances_val2017_dog_50.json`.

    Raises:
        DatasetError: no such class, or too few pictures that show one.
        FetchError: as `fetch_coco`.
    """
    if split not in ("val2017", "train2017"):
        raise ValueError(f"no split {split!r} of COCO; there are val2017 and train2017")
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
    session = Session(connections=workers)

    def one(image: dict[str, Any]) -> None:
        def check(path: Path) -> str | None:
            return picture_fault(path, image["width"], image["height"])

        url, path = f"{server}/{image['file_name']}", folder / image["file_name"]
        fetch(url, path, check=check, progress=False, patience=patience, session=session, lock=False)

    _each(one, choice.images, workers, f"{choice.name}/", progress)


def _by_hand(error: Offline, folder: Path, split: str, mirror: str | None) -> Offline:
    """Nobody fetches fifty pictures by hand; the archive can be."""
    return Offline(
        f"{error.problem}: is this machine online, and does it need a proxy (HTTPS_PROXY)? Or fetch "
        f"{base(mirror)}/{ARCHIVES[split].path} where there is a network, put it into {folder}, and unpack "
        f"it with `python -m yolox_edu data coco {folder} --parts {split}`.",
        error.problem,
    )


def _each(do: Callable[[dict], Any], records: list[dict], workers: int, title: str, progress: bool) -> None:
    """Do it for every record, several at a time; the first failure (or Ctrl-C) ends it all."""
    pool = ThreadPoolExecutor(workers)
    try:
        jobs = [pool.submit(do, record) for record in records]
        shown = None if progress else True
        for job in tqdm(as_completed(jobs), title, len(jobs), unit=" pictures", disable=shown):
            job.result()
    finally:
        pool.shutdown(cancel_futures=True)
