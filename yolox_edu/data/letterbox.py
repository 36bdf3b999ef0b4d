"""Fit a picture of any size into the fixed canvas of the network. Explained in chapter 02."""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

PAD = 114  #: the grey of everything that is not picture; the official code's value


def fit(height: int, width: int, size: tuple[int, int]) -> tuple[float, int, int]:
    """The largest scale at which a `height x width` picture fits into `size = (H, W)`.

    Returns the scale and the picture's new height and width in whole pixels: truncated, as in the
    official `preproc` (yolox/data/data_augment.py), but at least 1, so that a picture of 1 x 5000
    still leaves a line on the canvas instead of an empty array.

    Raises:
        ValueError: a side of the picture or of the canvas is less than 1.
    """
    canvas_height, canvas_width = size
    if min(height, width) < 1:
        raise ValueError(f"a picture of {height} x {width} (height x width) has no pixels")
    if min(canvas_height, canvas_width) < 1:
        raise ValueError(
            f"a canvas of {canvas_height} x {canvas_width} has no room; give sides of at least 1"
        )
    scale = min(canvas_height / height, canvas_width / width)
    return scale, max(int(height * scale), 1), max(int(width * scale), 1)


def letterbox(image: np.ndarray | Tensor, size: tuple[int, int]) -> tuple[UInt8[Tensor, "3 H W"], float]:
    """Scale a picture to fit `size = (H, W)`, lay it top-left, fill the rest with grey 114.

    Bilinear, without antialiasing, half-pixel centres, in integers: what `cv2.resize(INTER_LINEAR)` does,
    but by torch, so that detecting needs no OpenCV. The rounding matters: torch's own resize of bytes is
    off by one in a fifth of all pixels, and that moves AP by up to 0.014. Explained in chapter 02.

    Args:
        image: uint8 RGB, an array `h w 3` or a tensor `3 h w`.
        size: the canvas, (height, width) in pixels.

    Returns:
        the canvas (uint8 `3 H W`) and the scale: boxes on the canvas = boxes in the picture x scale.

    Raises:
        TypeError: not uint8. ValueError: not three channels, or a side of 0.
    """
    picture = _channels_first(image)
    scale, new_height, new_width = fit(picture.shape[1], picture.shape[2], size)
    canvas = torch.full((3, *size), PAD, dtype=torch.uint8, device=picture.device)
    canvas[:, :new_height, :new_width] = _resize(picture, new_height, new_width)
    return canvas, scale


def _resize(picture: UInt8[Tensor, "3 h w"], height: int, width: int) -> UInt8[Tensor, "3 H W"]:
    if picture.shape[1:] == (height, width):
        return picture
    (y0, y1, top, bottom), (x0, x1, left, right) = (
        _neighbours(old, new, picture.device) for old, new in zip(picture.shape[1:], (height, width))
    )
    picture = picture.int()
    lines = picture[:, :, x0] * left + picture[:, :, x1] * right  # 3 h W, times 2^11
    upper = ((lines[:, y0] >> 4) * top[:, None]) >> 16  # 3 H W, times 2^2
    lower = ((lines[:, y1] >> 4) * bottom[:, None]) >> 16
    return ((upper + lower + 2) >> 2).to(torch.uint8)


def _neighbours(old: int, new: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """For each new pixel along one side: the two old ones beside it, and their weights in 2048ths."""
    place = ((torch.arange(new, dtype=torch.float64, device=device) + 0.5) * (old / new) - 0.5).float()
    place = place.clamp(0, old - 1)
    before = place.floor().long()
    weight = ((place - before) * 2048).round().int()
    return before, (before + 1).clamp(max=old - 1), 2048 - weight, weight


def _channels_first(image: np.ndarray | Tensor) -> UInt8[Tensor, "3 h w"]:
    """A view of the picture as a `3 h w` tensor; refuses anything that is not 8-bit RGB."""
    array, shape = isinstance(image, np.ndarray), tuple(image.shape)
    if image.dtype != (np.uint8 if array else torch.uint8):
        raise TypeError(
            f"letterbox takes uint8, 0-255, not {image.dtype}; from [0, 1]: (x * 255).round() first"
        )
    if len(shape) != 3 or shape[-1 if array else 0] != 3:
        wanted = "an array h w 3" if array else "a tensor 3 h w"
        raise ValueError(f"letterbox takes {wanted}, not one of shape {shape}")
    if not array:
        return image
    if not image.flags.writeable or min(image.strides) < 0:
        image = image.copy()  # torch warns about arrays it must not write to and cannot view mirrored ones
    return torch.from_numpy(image).permute(2, 0, 1)


def boxes_to_canvas(boxes: Float[Tensor, "n 4"], scale: float) -> Float[Tensor, "n 4"]:
    """xyxy boxes from the picture's own pixels to canvas pixels. Explained in chapter 02."""
    return boxes * scale


def boxes_to_picture(
    boxes: Float[Tensor, "n 4"], scale: float, height: int, width: int
) -> Float[Tensor, "n 4"]:
    """The way back: xyxy boxes on the canvas -> the pixels of a `height x width` picture, clipped to it.

    Undoes `boxes_to_canvas` within 1e-3 px. Explained in chapter 02.
    """
    limit = boxes.new_tensor([width, height, width, height])
    return (boxes / scale).clamp(min=0).minimum(limit)
