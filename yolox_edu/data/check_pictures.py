"""The picture files: there, whole, of the size that the annotations say, and each only once. Chapter 21."""

from __future__ import annotations

import hashlib
import io
import os
import unicodedata
import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from .check_records import Table, unsafe
from .findings import Findings
from .picture import _BROKEN, _ORIENTATION, _TURN, reason, to_rgb

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif"}
SIDE = 16  # of the thumbnail by which two pictures are compared
ALIKE = 4.0  # mean difference of two thumbnails (0-255) below which they show the same
ONE, DARK = 2, 16  # a thumbnail's greys: at most so far apart, or nowhere so bright: nothing is to be seen
PLAIN = 8.0  # deviation of a thumbnail below which it shows nothing that could be compared
KINDS = {"L": "grey", "1": "grey", "LA": "grey", "CMYK": "CMYK", "P": "palette", "RGBA": "transparent"}
FINE = {  # what becomes of them, if it is not only read as RGB
    "16-bit": "Read by its high byte: 12 bits in 16 would come out nearly black.",
    "transparent": "Fine: laid over the grey of the letterbox.",
}


@dataclass(frozen=True)
class Look:
    """What was seen of one picture; `fault` says why it cannot be used, and then the rest is empty."""

    file: str
    fault: str = ""
    stored: tuple[int, int] = (0, 0)  # width, height
    upright: tuple[int, int] = (0, 0)  # the same after the EXIF rotation
    kind: str = ""
    digest: bytes = b""
    thumb: UInt8[np.ndarray, "16 16"] | None = None


def look(path: Path, file: str) -> Look:
    """Read a picture once: size, kind, digest, and a thumbnail, decoded small if that can be. Chapter 21."""
    if path.is_symlink() and not path.exists():
        return Look(file, fault=f"a link to {os.readlink(path)}, which is not there")
    try:
        data = path.read_bytes()
        with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as image:
            warnings.simplefilter("ignore")
            stored, mode = image.size, image.mode
            turn = _TURN.get(image.getexif().get(_ORIENTATION))
            sideways = turn not in (None, _TURN[2], _TURN[3], _TURN[4])
            kind = "16-bit" if mode.startswith("I;16") else KINDS.get(mode, "")
            if mode in ("I", "F"):
                raise ValueError("32-bit pixels of unknown range; save it with 8 or 16 bits")
            image.draft("L", (4 * SIDE, 4 * SIDE))  # a JPEG is decoded at an eighth of its size
            image.load()
            plain = not image.has_transparency_data and not image.mode.startswith("I;16")
            thumb = thumbnail(image if plain else Image.fromarray(to_rgb(image)))
    except _BROKEN as error:
        return Look(file, fault=reason(error, path))
    digest = hashlib.blake2b(data, digest_size=16).digest()
    return Look(file, "", stored, stored[::-1] if sideways else stored, kind, digest, thumb)


def thumbnail(image: Image.Image) -> UInt8[np.ndarray, "16 16"]:
    """A picture as 16 x 16 greys. Chapter 21."""
    grey = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(grey)


def look_at_array(picture: UInt8[np.ndarray, "h w 3"], file: str) -> Look:
    """The same of a picture that is drawn, not read. Chapter 21."""
    size = (picture.shape[1], picture.shape[0])
    digest = hashlib.blake2b(np.ascontiguousarray(picture).tobytes(), digest_size=16).digest()
    return Look(file, "", size, size, "", digest, thumbnail(Image.fromarray(picture)))


def check_files(table: Table, folder: Path, say: Findings) -> list[Look]:
    """Compare the files of a folder with the entries, and look at each that is there. Chapter 21."""
    there = _listing(folder)
    images = [image for image in table.images if not unsafe(image["file_name"])]
    missing = [image["file_name"] for image in images if _plain(image["file_name"]) not in there]
    mend = _hint(missing, there) or f"Copy it into {folder.name}/, or delete its entry."
    say.each("error", "picture-missing", "images.file_name", missing, "the picture is missing", mend)
    named = {_plain(name) for name in table.named}
    others = sorted(f for f in there - named if Path(f).suffix.lower() in SUFFIXES)
    mend = "Fine if meant; it is not used. Else the export left it out."
    say.each("note", "picture-unlisted", "images", others, "no entry names this picture", mend)
    found = {i["file_name"]: folder / i["file_name"] for i in images if _plain(i["file_name"]) in there}
    with ThreadPool(min(8, os.cpu_count() or 1)) as pool:
        looks = pool.starmap(look, [(path, file) for file, path in found.items()])
    _judge(table, {seen.file: seen for seen in looks}, say)
    return [seen for seen in looks if not seen.fault]


def _plain(file: str) -> str:
    """A name as `_listing` writes it: "./a//b.png" is "a/b.png"."""
    return os.path.normpath(file).replace(os.sep, "/")


def _listing(folder: Path) -> set[str]:
    """All files under a folder, as names relative to it with '/'."""
    return {
        (Path(top) / name).relative_to(folder).as_posix()
        for top, _, names in os.walk(folder, followlinks=True)
        for name in names
    }


def _hint(missing: Sequence[str], there: set[str]) -> str:
    """What lies there instead of the first missing picture, under nearly its name."""
    if not missing:
        return ""
    for plain in (_composed, _base, _stem):
        for name in sorted(there):
            if plain(name) == plain(missing[0]):
                if _composed(name) == _composed(missing[0]) and name.casefold() != missing[0].casefold():
                    name = f"{name!a} (not {missing[0]!a}: é as one letter, or as e and an accent)"
                return f"There is {name}: only the name differs. Write it so in 'images', or rename the file."
    return ""


def _composed(name: str) -> str:
    """Without capitals, and each letter with its accent as one character."""
    return unicodedata.normalize("NFC", name).casefold()


def _base(name: str) -> str:
    return _composed(name.replace("\\", "/").rpartition("/")[2])


def _stem(name: str) -> str:
    base = _base(name)
    return base.rpartition(".")[0] if Path(base).suffix in SUFFIXES else base


def _judge(table: Table, looks: dict[str, Look], say: Findings) -> None:
    broken = [f"{seen.file}: {seen.fault}" for seen in looks.values() if seen.fault]
    mend = "Copy or save it again, or delete its entry."
    say.each("error", "picture-broken", "the file", broken, "the picture cannot be read", mend)
    other, turned, unturned = [], [], []
    for image in table.images:
        seen, said = looks.get(image["file_name"]), (image["width"], image["height"])
        if seen is None or seen.fault or said == seen.upright:
            continue
        words = "{}: {} x {}, but its entry says {} x {}".format(seen.file, *seen.upright, *said)
        (unturned if said == seen.stored else turned if said == seen.upright[::-1] else other).append(words)
    mend = "Write the picture's own size; if it was scaled after labelling, scale its boxes too."
    say.each(
        "error", "picture-size", "images.width, images.height", other, "the picture has another size", mend
    )
    what, mend = "width and height are exchanged", "Exchange them, and look whether the boxes are turned too."
    say.each("error", "picture-size-turned", "images.width, images.height", turned, what, mend)
    what = "the picture is turned by its EXIF rotation, the annotations speak of it unturned"
    mend = "Look at one with its boxes (data sheet): if they do not fit, turn the pixels and drop the tag."
    say.each("warning", "picture-exif", "images.width, images.height", unturned, what, mend)
    kinds = defaultdict(list)
    for seen in looks.values():
        kinds[seen.kind].append(seen.file)
    for kind in sorted(set(kinds) - {""}):
        mend = FINE.get(kind, "Fine: read as RGB.")
        say.each("note", "picture-kind", "the file", kinds[kind], f"a {kind} picture", mend)
    empty = [seen.file for seen in looks.values() if seen.thumb is not None and _blank(seen.thumb)]
    what = "nothing is to be seen: one colour, or nearly black"
    mend = "Look at it: if values of 0 to 1 were written, or 12 bits in 16, scale them to 0-255."
    say.each("warning", "picture-blank", "the file", empty, what, mend)


def _blank(thumb: UInt8[np.ndarray, "16 16"]) -> bool:
    low, high = int(thumb.min()), int(thumb.max())
    return high - low <= ONE or high < DARK


def check_doubles(parts: dict[str, list[Look]], say: Findings) -> None:
    """Pictures that occur twice, in one part or in two: evaluation tests what was learnt then. Chapter 21."""
    looks = [(part, seen) for part, some in parts.items() for seen in some]
    first: dict[bytes, tuple[str, Look]] = {}
    exact, near = defaultdict(list), defaultdict(list)
    for part, seen in looks:
        if seen.digest in first:
            before = first[seen.digest]
            exact[before[0] == part].append(f"{before[0]}/{before[1].file} = {part}/{seen.file}")
        else:
            first[seen.digest] = (part, seen)
    single = list(first.values())
    for a, b in _alike([seen for _, seen in single]):
        (one, left), (two, right) = single[a], single[b]
        near[one == two].append(f"{one}/{left.file} ~ {two}/{right.file}")
    mend = "Keep it in one part only: a detector tested on what it learnt looks better than it is."
    say.each("error", "leak", "images", exact[False], "the same picture is in two parts", mend)
    say.each("warning", "leak-near", "images", near[False], "nearly the same picture is in two parts", mend)
    what, mend = "the same picture stands there twice", "Delete one, and merge the annotations."
    say.each("warning", "picture-twice", "images", exact[True], what, mend)
    mend = "Frames of one film? Then keep them in one part."
    say.each("note", "picture-twice-near", "images", near[True], "two pictures are nearly the same", mend)


def _alike(looks: list[Look]) -> list[tuple[int, int]]:
    """Pairs whose thumbnails agree. Sorted by their coarse structure, such pictures stand close together."""
    if len(looks) < 2:
        return []
    thumbs = np.stack([seen.thumb for seen in looks]).astype(np.float32)  # n 16 16
    coarse = thumbs.reshape(-1, 8, 2, 8, 2).mean((2, 4))  # n 8 8
    bits = np.packbits(np.diff(coarse, axis=2) > 0, axis=2)[..., 0]  # n 8: a byte for each row
    busy = thumbs.std((1, 2)) > PLAIN
    pairs: set[tuple[int, int]] = set()
    for turn in range(0, 8, 2):  # each time other rows lead, so that a few bits that differ hide no pair
        order = np.lexsort(np.roll(bits, turn, axis=1).T)
        order = order[busy[order]]
        for step in range(1, 9):
            a, b = order[:-step], order[step:]
            same = np.abs(thumbs[a] - thumbs[b]).mean((1, 2)) < ALIKE
            pairs |= {(min(i, j), max(i, j)) for i, j in zip(a[same].tolist(), b[same].tolist())}
    return sorted(pairs)
