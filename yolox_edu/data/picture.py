"""One picture file of whatever kind -> RGB, 8 bits, the right way up. Explained in chapter 21."""

import struct
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from .errors import PictureError
from .letterbox import PAD

_ORIENTATION = 0x0112  # the EXIF tag
_TURN = {  # its values -> what brings the picture upright (EXIF 2.32, 4.6.4)
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What Pillow raises for a broken file depends on the format's decoder.
_BROKEN = (OSError, SyntaxError, ValueError, TypeError, EOFError, LookupError, struct.error)
_BROKEN += (Image.DecompressionBombError,)


def read_picture(path: str | Path, expected: tuple[int, int] | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """Read a picture file as RGB `h w 3`, uint8. Explained in chapter 21.

    Grey, palette, transparent, CMYK and 16-bit pictures are converted (see `to_rgb`); of an animation the
    first frame counts. A picture with an EXIF rotation is turned upright, as a viewer, a labelling tool and
    the official code (through OpenCV) show it, unless only the unturned pixels have the expected size.

    Args:
        path: the file.
        expected: (height, width) that the annotations speak of; None accepts any size.

    Raises:
        PictureError: missing, unreadable, truncated, or of neither size.
    """
    try:
        with Image.open(path) as image:
            image.load()  # decodes everything now, so that a truncated file fails here
            turn = _TURN.get(image.getexif().get(_ORIENTATION))
            if turn is not None and not (expected and _only_unturned_fits(image, turn, expected)):
                image = image.transpose(turn)
            pixels = to_rgb(image)
    except FileNotFoundError:
        raise PictureError(str(path), "no such file") from None
    except _BROKEN as error:
        raise PictureError(str(path), f"cannot be read as a picture ({reason(error, path)})") from error
    if expected and pixels.shape[:2] != tuple(expected):
        is_, said = "{} x {}".format(*pixels.shape[:2]), "{} x {}".format(*expected)
        raise PictureError(
            str(path), f"is {is_} (height x width) but its annotations say {said}; wrong file, or resized"
        )
    return pixels


def reason(error: BaseException, path: str | Path) -> str:
    """Why a file is no picture, in words that are the same at each run. Chapter 21."""
    if isinstance(error, Image.DecompressionBombError):
        most = 2 * Image.MAX_IMAGE_PIXELS / 1e6
        return f"more than {most:.0f} million pixels, too many to open: scale it down"
    if not isinstance(error, UnidentifiedImageError):
        return str(error) or type(error).__name__
    with open(path, "rb") as file:
        start = file.read(16)
    if start.startswith(b"version https://"):
        return "a Git LFS pointer, not the picture: run `git lfs pull`"
    if start[4:10] in (b"ftyphe", b"ftypmi"):
        return "HEIC, as iPhones write it, which Pillow does not know: save it as JPEG"
    return f"of no kind that Pillow knows; it begins with {start!r}" if start else "the file is empty"


def _only_unturned_fits(image: Image.Image, turn: Image.Transpose, expected: tuple[int, int]) -> bool:
    unturned = (image.height, image.width)
    upright = unturned if turn in (_TURN[2], _TURN[3], _TURN[4]) else unturned[::-1]
    return tuple(expected) == unturned != upright


def to_rgb(image: Image.Image) -> UInt8[np.ndarray, "h w 3"]:
    """Any PIL image -> RGB `h w 3`, uint8, without turning it.

    16-bit grey keeps its high byte; what is transparent is laid over the letterbox's grey (114), because
    the colours hidden there are arbitrary; CMYK and the rest follow Pillow's conversion.

    Raises:
        ValueError: 32-bit integer or float pixels, whose range only their maker knows.
    """
    if image.mode.startswith("I;16"):
        high = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
        return np.repeat(high[..., None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise ValueError(f"mode {image.mode!r}: 32-bit pixels of unknown range; save it with 8 or 16 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        grey = Image.new("RGBA", image.size, (PAD, PAD, PAD, 255))
        image = Image.alpha_composite(grey, image)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))
