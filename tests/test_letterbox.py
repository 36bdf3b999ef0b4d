"""Letterbox: OpenCV's resize is the independent truth for the pixels, arithmetic for the boxes."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from yolox_edu.data.letterbox import boxes_to_canvas, boxes_to_picture, fit, letterbox

SIDES = st.integers(1, 700)


def by_opencv(image, size):
    """The official preproc's rule, in its own words."""
    height, width = image.shape[:2]
    r = min(size[0] / height, size[1] / width)
    canvas = np.full((*size, 3), 114, dtype=np.uint8)
    new = (max(int(width * r), 1), max(int(height * r), 1))
    canvas[: new[1], : new[0]] = cv2.resize(image, new, interpolation=cv2.INTER_LINEAR)
    return canvas, r


@settings(max_examples=120, deadline=None)
@given(SIDES, SIDES, st.sampled_from([(416, 416), (640, 640), (384, 640), (96, 160), (33, 7)]))
def test_as_opencv_within_one_grey_level(height, width, size):
    image = np.random.default_rng([height, width]).integers(0, 256, (height, width, 3), dtype=np.uint8)
    canvas, scale = letterbox(image, size)
    truth, r = by_opencv(image, size)
    assert scale == r
    assert np.abs(canvas.permute(1, 2, 0).numpy().astype(int) - truth).max() <= 1


@pytest.mark.parametrize("shape", [(1, 5000), (5000, 1), (3, 4000), (1, 1)])
def test_a_thin_picture_leaves_a_line_not_nothing(shape):
    image = np.zeros((*shape, 3), dtype=np.uint8)
    canvas, scale = letterbox(image, (320, 320))
    black = (canvas == 0).all(0)
    assert black.any(1).sum() == max(int(shape[0] * scale), 1)
    assert black.any(0).sum() == max(int(shape[1] * scale), 1)


def test_arrays_tensors_and_odd_memory_give_the_same():
    image = np.random.default_rng(0).integers(0, 256, (61, 97, 3), dtype=np.uint8)
    truth, _ = letterbox(image, (64, 64))
    frozen = image.copy()
    frozen.flags.writeable = False
    mirrored = np.ascontiguousarray(image[:, ::-1])[:, ::-1]
    for same in (torch.from_numpy(image).permute(2, 0, 1), frozen, mirrored, np.asfortranarray(image)):
        assert torch.equal(letterbox(same, (64, 64))[0], truth)


def test_the_canvas_is_new_memory_even_when_nothing_is_resized():
    image = np.full((32, 32, 3), 7, dtype=np.uint8)
    canvas, scale = letterbox(image, (32, 32))
    canvas[:] = 0
    assert scale == 1
    assert (image == 7).all()


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 8000), st.integers(1, 8000), st.integers(0, 2**31))
def test_boxes_come_back(height, width, seed):
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.rand(2, 20, 2, generator=generator) * torch.tensor([width, height])
    boxes = torch.cat([torch.minimum(a, b), torch.maximum(a, b)], dim=1)
    scale, _, _ = fit(height, width, (640, 640))
    back = boxes_to_picture(boxes_to_canvas(boxes, scale), scale, height, width)
    assert (back - boxes).abs().max() < 1e-3


def test_boxes_are_clipped_to_the_picture():
    boxes = torch.tensor([[-5.0, -5.0, 900.0, 900.0], [700.0, 10.0, 800.0, 20.0]])
    back = boxes_to_picture(boxes, 2.0, height=100, width=200)
    assert back.tolist() == [[0, 0, 200, 100], [200, 5, 200, 10]]


def test_what_is_no_picture_is_refused_in_words():
    with pytest.raises(TypeError, match="uint8"):
        letterbox(np.zeros((4, 4, 3), dtype=np.float32), (8, 8))
    with pytest.raises(ValueError, match="h w 3"):
        letterbox(np.zeros((4, 4, 4), dtype=np.uint8), (8, 8))
    with pytest.raises(ValueError, match="3 h w"):
        letterbox(torch.zeros(4, 4, 3, dtype=torch.uint8), (8, 8))
    with pytest.raises(ValueError, match="no pixels"):
        letterbox(np.zeros((0, 4, 3), dtype=np.uint8), (8, 8))
    with pytest.raises(ValueError, match="no room"):
        letterbox(np.zeros((4, 4, 3), dtype=np.uint8), (0, 8))


def test_reading_and_fitting_need_neither_opencv_nor_pycocotools():
    code = (
        "import sys, yolox_edu.data, yolox_edu.data.letterbox, yolox_edu.data.picture;"
        "sys.exit(bool({'cv2', 'pycocotools', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
