"""What chapter 02 says of the letterbox, against the package, the model and real photographs."""

import inspect
import re
from functools import partial
from itertools import pairwise

import notebooks
import numpy as np
import pytest
import torch
import torch.nn.functional as F

import yolox_edu.evaluate as evaluation
from yolox_edu import decode, nms, weights
from yolox_edu.data.coco import open_coco
from yolox_edu.data.crossing import Crossing
from yolox_edu.data.letterbox import PAD, _resize, fit, letterbox
from yolox_edu.exercises import ch02

CHAPTER = notebooks.BOOK / "02_letterbox.ipynb"


def figure(name):
    """The HTML of the one output of the chapter that holds the figure `name`."""
    found = [
        html
        for cell in notebooks.read(CHAPTER).cells
        for out in cell.get("outputs", [])
        if f'id="{name}"' in (html := out.get("data", {}).get("text/html", ""))
    ]
    assert len(found) == 1
    return found[0]


# --- the figures to play with -----------------------------------------------------------------------------


def test_every_shape_in_the_figure_is_what_the_letterbox_does():
    said = re.findall(
        r"Scale min\(320/(\d+), 320/(\d+)\) = ([\d.]+); new size (\d+) × (\d+), from row (\d+) and column "
        r"(\d+) on; (\d+)% of the canvas is grey",
        figure("play-02-letterbox"),
    )
    shapes = {tuple(map(int, each[:2])) for each in said}
    assert len(shapes) == 36
    for height, width, scale, new_height, new_width, top, left, grey in (map(float, each) for each in said):
        canvas, true_scale = letterbox(np.zeros((int(height), int(width), 3), np.uint8), (320, 320))
        picture = (canvas == 0).all(0)
        assert scale == pytest.approx(true_scale, rel=1e-3)
        assert (new_height, new_width) == (picture.any(1).sum(), picture.any(0).sum())
        assert grey == pytest.approx(100 * (canvas == PAD).float().mean().item(), abs=0.5)
        assert (top, left) in ((0, 0), ((320 - new_height) // 2, (320 - new_width) // 2))


def test_boxes_in_the_figure_move_by_scale_and_margin():
    moves = re.findall(
        r"= ([\d.]+); new size \d+ × \d+, from row (\d+) and column (\d+) on[^<]*'s box: \(([\d, ]+)\) → "
        r"\(([\d, ]+)\)",
        figure("play-02-letterbox").replace("&#x27;", "'"),
    )
    assert len(moves) > 20
    for scale, top, left, before, after in moves:
        before, after = ([float(n) for n in side.split(",")] for side in (before, after))
        margin = [float(left), float(top)] * 2
        for a, b, m in zip(before, after, margin):
            assert b == pytest.approx(a * float(scale) + m, abs=1.1 + float(scale))


def strip_of(street, height=320):
    """Rows of a street around its middle, as the chapter cuts them, on the upper half of a canvas."""
    top = 360 - height // 2
    return letterbox(street[top : top + height].copy(), (320, 320))[0][:, :160]


@pytest.fixture(scope="module")
def source():
    return Crossing.split("val", 40, size=640)


@pytest.fixture(scope="module")
def model():
    return weights.load("crossing")


@torch.inference_mode()
def test_the_bus_is_a_truck_every_few_pixels(source, model, one_thread):
    said = re.findall(
        r"Pushed down by (\d+) px. The framed thing scores as a bus ([\d.]+) and as a truck ([\d.]+)",
        figure("play-02-slide"),
    )
    scores = {int(down): (float(bus), float(truck)) for down, bus, truck in said}
    assert sorted(scores) == list(range(65))
    assert all(abs(a - b) < 0.02 for k in range(33) for a, b in zip(scores[k], scores[k + 32]))
    called = ["bus" if bus > truck else "truck" for bus, truck in map(scores.get, range(65))]
    assert sum(a != b for a, b in pairwise(called)) > 10
    strip, target = strip_of(source[37][0]), source.target(37)
    at = (target["labels"] == source.names.index("bus")).argmax()
    middle = torch.from_numpy(target["boxes"][at] - [0, 200, 0, 200]).view(2, 2).mean(0) / 2
    for down in (0, 3, 4):
        canvas = torch.full((3, 640, 320), PAD, dtype=torch.uint8)
        canvas[:, 192 + down : 352 + down] = strip
        boxes, every = decode(model.raw(canvas[None].float() / 255), (640, 320))
        off = boxes[0].view(-1, 2, 2).mean(1) - middle - torch.tensor([0, 192 + down])
        best = every[0][off.abs().amax(1) < 6].amax(0)
        for name, value in zip(("bus", "truck"), scores[down]):
            assert best[source.names.index(name)] == pytest.approx(value, abs=0.02)


@torch.inference_mode()
def test_black_padding_makes_ghosts_and_grey_does_not(source, model, one_thread):
    said = re.findall(
        r"Padding of (\d+): (\d+) finds, (\d+) of them reach down into", figure("play-02-ghosts")
    )
    ghosts = {int(grey): (int(finds), int(below)) for grey, finds, below in said}
    assert ghosts[0][1] >= 1
    assert ghosts[PAD][1] == ghosts[255][1] == 0
    for grey, (finds, below) in ghosts.items():
        canvas = torch.full((3, 320, 320), grey, dtype=torch.uint8)
        canvas[:, :160] = strip_of(source[4][0])
        found = nms(*decode(model.raw(canvas[None].float() / 255), (320, 320)))[0]
        assert (len(found["boxes"]), (found["boxes"][:, 3] > 176).sum()) == (finds, below)


# --- the three broken letterboxes -------------------------------------------------------------------------

MENDED = {
    "A": (ch02.broken_a, "scale = min(size[0] / h, size[1] / w)"),
    "B": (ch02.broken_b, "canvas = torch.full((3, *size), 114 / 255)"),
    "C": (ch02.broken_c, "return canvas / 255, boxes * scale + torch.tensor([left, top] * 2)"),
}


def lines_of(function):
    """The function's source, line by line, and where each numbered line stands."""
    lines = inspect.getsource(inspect.unwrap(function)).splitlines()
    numbered = {int(m.group(1)): i for i, line in enumerate(lines) if (m := re.search(r"  # (\d)$", line))}
    return lines, numbered


def right(letter, picture, boxes, size):
    """What a sound letterbox gives: the package's own, moved to the middle for C."""
    canvas, scale = letterbox(picture, size)
    scale, height, width = fit(*picture.shape[1:], size)
    top, left = ((size[0] - height) // 2, (size[1] - width) // 2) if letter == "C" else (0, 0)
    return canvas.roll((top, left), (1, 2)) / 255, boxes * scale + torch.tensor([left, top] * 2)


def is_right(letter, function):
    """Whether it does what a letterbox should: a wide and a tall picture, a canvas that is not square."""
    boxes = torch.tensor([[3.0, 5, 40, 30]])
    for height, width in ((60, 150), (150, 60)):
        picture = torch.randint(0, 256, (3, height, width), dtype=torch.uint8)
        try:
            canvas, moved = function(picture, boxes, (96, 128))
        except RuntimeError:  # a picture larger than its canvas
            return False
        truth, there = right(letter, picture, boxes, (96, 128))
        if not torch.allclose(canvas, truth, atol=1.5 / 255) or not torch.allclose(moved, there):
            return False
    return True


@pytest.mark.parametrize("letter", MENDED)
def test_one_line_mends_each_broken_letterbox(letter):
    function, line = MENDED[letter]
    number, last = ch02.BUGS[letter]
    lines, numbered = lines_of(function)
    assert sorted(numbered) == list(range(1, last + 1))
    assert max(map(len, lines)) <= 80, "longer lines are cut off on the page"
    assert not is_right(letter, function)
    lines[numbered[number]] = f"    {line}"
    namespace = {"torch": torch, "F": F, "Tensor": torch.Tensor, "Size": tuple}
    exec("\n".join(lines), namespace)
    assert is_right(letter, namespace[function.__name__])
    square = torch.zeros(3, 40, 40, dtype=torch.uint8)
    function(square, torch.zeros(1, 4), (64, 64))  # crashes nowhere


# --- the table of the official weights --------------------------------------------------------------------


def placed(image, size, at=None, pad=PAD, room=0, swap=False):
    """Letterboxed, then put at (row, column) or the "middle"; `room`: how much smaller its own canvas is."""
    inner = size[0] - room, size[1] - room
    canvas, scale = letterbox(image, inner)
    _, height, width = fit(*image.shape[:2], inner)
    at = ((size[0] - height) // 2, (size[1] - width) // 2) if at == "middle" else at or (0, 0)
    out = torch.full((3, *size), pad, dtype=torch.uint8)
    part = canvas if room else canvas[:, :height, :width]
    out[:, at[0] : at[0] + part.shape[1], at[1] : at[1] + part.shape[2]] = part
    return (out.flip(0) if swap else out), ((scale, scale), at)


def resized(image, size, squash):
    """Squashed to the whole canvas, or letterboxed with rounded sides."""
    height, width = image.shape[:2]
    scales = (size[0] / height, size[1] / width)
    new = size if squash else tuple(round(side * min(scales)) for side in (height, width))
    part = _resize(torch.from_numpy(image).permute(2, 0, 1), *new)
    out = torch.full((3, *size), PAD, dtype=torch.uint8)
    out[:, : new[0], : new[1]] = part
    return out, (scales if squash else (min(scales),) * 2, (0, 0))


def back(boxes, way, height, width):
    """The way back of all of them: margin off, each side by its own scale."""
    (down, across), (top, left) = way
    boxes = (boxes - boxes.new_tensor([left, top] * 2)) / boxes.new_tensor([across, down] * 2)
    return boxes.clamp(min=0).minimum(boxes.new_tensor([width, height] * 2))


ROWS = {
    "letterboxed top-left": (416, placed),
    "rounded": (416, partial(resized, squash=False)),
    "centred": (416, partial(placed, at="middle")),
    "black": (416, partial(placed, pad=0)),
    "squashed": (416, partial(resized, squash=True)),
    "red and blue": (416, partial(placed, swap=True)),
    "not pushed": (448, partial(placed, room=32)),
    "pushed by 5": (448, partial(placed, room=32, at=(5, 5))),
    "pushed by 8": (448, partial(placed, room=32, at=(8, 8))),
}


def table():
    """The rows of the chapter's table: (words, AP)."""
    said = "\n".join(c.source for c in notebooks.read(CHAPTER).cells if c.cell_type == "markdown")
    return [(words, float(ap)) for words, ap in re.findall(r"^\| (.+?) \| (\d\d\.\d) \|$", said, re.M)]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(ROWS)), ids=list(ROWS))
def test_the_official_nano_scores_what_the_chapter_says(number, shared, monkeypatch, one_thread):
    assert len(table()) == len(ROWS)
    (key, (size, way)), (words, ap) = list(ROWS.items())[number], table()[number]
    assert key in words
    monkeypatch.setattr(evaluation, "letterbox", way)
    monkeypatch.setattr(evaluation, "boxes_to_picture", back)
    model = weights.load_official(shared / "weights" / "yolox_nano_0.1.1.pth")
    report = evaluation.evaluate(model, open_coco(shared / "coco-mini", "val2017"), size, progress=False)
    assert pytest.approx(ap, abs=0.3) == 100 * report.AP
