"""A picture of any kind and size in, boxes in its own pixels out: a network with a known answer tells."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from planted import planted_model, red_finder

from yolox_edu import weights
from yolox_edu.data import PictureError
from yolox_edu.data.letterbox import letterbox
from yolox_edu.detect import Detector
from yolox_edu.draw import COLOURS, draw, ink

EXIF_ORIENTATION = 0x0112


pytestmark = pytest.mark.usefixtures("one_thread")


def street(height, width, box):
    """A grey picture with one red rectangle (left, top, right, bottom)."""
    picture = np.full((height, width, 3), 128, np.uint8)
    left, top, right, bottom = box
    picture[top:bottom, left:right] = (255, 0, 0)
    return picture


@pytest.mark.parametrize(
    ("height", "width", "box"),
    [
        (320, 320, (40, 60, 200, 120)),
        (240, 960, (700, 30, 950, 200)),  # wide, made smaller
        (1000, 250, (20, 800, 230, 990)),  # tall
        (40, 30, (5, 10, 25, 35)),  # made larger
        (333, 517, (101, 7, 333, 222)),  # nothing divides
    ],
)
def test_boxes_come_out_in_the_picture_s_own_pixels(height, width, box):
    found = Detector(red_finder())(street(height, width, box))
    assert found.names == ("red",)
    pixel = max(height, width) / 320  # of the canvas, in pixels of the picture
    assert found.boxes[0].tolist() == pytest.approx(box, abs=0.51 + pixel)


@pytest.mark.parametrize(("height", "width"), [(200, 100), (100, 700), (33, 17), (2000, 3000)])
def test_planted_boxes_come_back_to_a_hundredth_of_a_pixel(height, width):
    scale = min(320 / height, 320 / width)
    boxes = [[0.1 * width, 0.2 * height, 0.5 * width, 0.9 * height], [0, 0, 0.3 * width, 0.1 * height]]
    answer = ([[side * scale for side in box] for box in boxes], [1, 0])
    found = Detector(planted_model([answer]))(np.zeros((height, width, 3), np.uint8))
    by_name = {name: box for box, _, _, name in found}
    tolerance = 0.01 * max(1, 1 / scale)
    assert by_name["dog"] == pytest.approx(boxes[0], abs=tolerance)
    assert by_name["cat"] == pytest.approx(boxes[1], abs=tolerance)


def test_boxes_are_clipped_and_the_padding_holds_no_objects():
    """A picture 320 wide and 100 high fills the canvas's top; a box below it is not in the picture."""
    answer = ([[250.0, 50.0, 350.0, 200.0], [40.0, 150.0, 90.0, 250.0]], [0, 1])
    found = Detector(planted_model([answer]))(np.zeros((100, 320, 3), np.uint8))
    assert found.names == ("cat",)
    assert found.boxes[0].tolist() == pytest.approx([250, 50, 320, 100], abs=0.01)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (20, 5000), (5000, 20), (31, 33)])
def test_odd_sizes_neither_crash_nor_leave_the_picture(shape):
    picture = np.full((*shape, 3), (255, 0, 0), np.uint8)
    detector = Detector(red_finder())
    for box, *_ in detector(picture):
        assert 0 <= box[0] < box[2] <= shape[1]
        assert 0 <= box[1] < box[3] <= shape[0]
    assert draw(picture, detector(picture)).size == shape[::-1]


# How to store an upright picture so that a viewer, following the EXIF tag, shows it upright (EXIF 2.32).
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: np.rot90(a, 2),
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a),  # the viewer turns it clockwise
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", STORED)
def test_rotated_photographs_are_seen_as_a_viewer_shows_them(tmp_path, orientation):
    box = (30, 20, 110, 60)
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    stored = np.ascontiguousarray(STORED[orientation](street(200, 320, box)))
    Image.fromarray(stored).save(tmp_path / "photo.png", exif=exif)
    detector = Detector(red_finder())
    with Image.open(tmp_path / "photo.png") as image:
        pair = detector([tmp_path / "photo.png", image])
        drawn = draw(image, pair[1])
    for found in pair:
        assert found.boxes[0].tolist() == pytest.approx(box, abs=1.6)
    assert drawn.size == (320, 200)


def test_every_kind_of_picture_gives_the_same(tmp_path):
    picture = street(150, 200, (30, 40, 110, 120))
    Image.fromarray(picture).save(tmp_path / "a.png")
    channels_first = torch.from_numpy(picture).permute(2, 0, 1)
    kinds = [
        str(tmp_path / "a.png"),
        tmp_path / "a.png",
        Image.fromarray(picture),
        picture,
        picture[:, ::-1][:, ::-1],  # a mirrored view, negative strides
        channels_first,
        channels_first.float() / 255,
        channels_first.double() / 255,
    ]
    detector = Detector(red_finder())
    for found in [detector(kind) for kind in kinds] + detector(kinds):
        assert found.to_dicts() == detector(picture).to_dicts()
        assert len(found) == 1
    assert detector([]) == []


@pytest.mark.parametrize("mode", ["RGBA", "P", "CMYK", "L", "LA", "1", "I;16"])
def test_other_colour_modes(tmp_path, mode):
    red = Image.fromarray(street(150, 200, (30, 40, 110, 120)))
    image = Image.fromarray(np.full((150, 200), 40000, np.uint16)) if mode == "I;16" else red.convert(mode)
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    image.save(path)
    found = Detector(red_finder())([path, image])
    assert [len(each) for each in found] == ([1, 1] if mode in ("RGBA", "P", "CMYK") else [0, 0])


def test_what_is_no_picture_is_refused_in_words(tmp_path):
    detector = Detector(red_finder())
    (tmp_path / "notes.jpg").write_text("milk, eggs")
    Image.fromarray(street(90, 90, (1, 2, 50, 60))).save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:700])
    for name, why in (("none.jpg", "no such file"), ("notes.jpg", "cannot be read"), ("cut.jpg", "cannot")):
        with pytest.raises(PictureError, match=f"{name}: {why}"):
            detector(tmp_path / name)
    for bad, why in (
        (np.zeros((4, 4), np.uint8), "shape h w 3"),
        (np.zeros((4, 4, 3), np.float32), "uint8"),
        (np.zeros((0, 4, 3), np.uint8), "h w 3"),
        (torch.zeros(4, 4, 3), "3 h w"),
        (torch.full((3, 4, 4), 200.0), r"lies in \[0, 1\]; this one in \[200, 200\]"),
        (torch.full((3, 4, 4), float("nan")), r"in \[0, 1\]"),
        (torch.zeros(3, 4, 4, dtype=torch.int64), "uint8 or float"),
    ):
        with pytest.raises(ValueError, match=why):
            detector(bad)
    with pytest.raises(TypeError):
        detector(42)


def test_confidence_and_overlap_are_heeded():
    heap = [[50.0, 50.0, 90.0, 90.0], [58.0, 50.0, 98.0, 90.0], [200.0, 200.0, 230.0, 240.0]]
    picture = np.zeros((320, 320, 3), np.uint8)  # the first two have IoU 32/48 = 0.67

    def count(**settings):
        return len(Detector(planted_model([(heap, [0, 0, 0])]), **settings)(picture))

    assert count() == 2
    assert count(iou_threshold=0.7) == 3
    assert count(confidence=0.995) == 0


def test_the_input_s_size():
    model = red_finder(size=(96, 128))
    assert Detector(model).size == (96, 128)
    assert Detector(model, 64).size == (64, 64)
    assert Detector(model, (64, 32)).size == (64, 32)
    with pytest.raises(ValueError, match="multiples of 32"):
        Detector(model, 100)
    found = Detector(model)(street(96, 128, (40, 20, 90, 70)))
    assert found.boxes[0].tolist() == pytest.approx([40, 20, 90, 70], abs=0.1)


def test_results_read_well():
    found = Detector(planted_model([([[10.0, 10.0, 60.0, 70.0]], [1])]))(np.zeros((320, 320, 3), np.uint8))
    (box, score, label, name), *_ = found
    assert (label, name, found.labels.dtype) == (1, "dog", torch.int64)
    assert json.loads(json.dumps(found.to_dicts())) == [
        {"name": "dog", "label": 1, "score": 0.99, "box": [10.0, 10.0, 60.0, 70.0]}
    ]
    assert box == pytest.approx((10, 10, 60, 70), abs=1e-3)
    assert score == pytest.approx(0.99, abs=1e-5)


def test_drawing():
    picture = street(200, 300, (60, 80, 200, 160))
    found = Detector(red_finder())(picture)
    before = picture.copy()
    image = np.asarray(draw(picture, found))
    assert np.array_equal(picture, before)
    orange = np.array([int(COLOURS[0][i : i + 2], 16) for i in (1, 3, 5)])
    left, top, right, bottom = found.boxes[0].round().int().tolist()
    assert (image[bottom - 1, left:right] == orange).all()
    assert (image[top:bottom, right - 1] == orange).all()
    assert (image[top - 2, left + 1 : left + 30] == orange).any()  # the label stands on the box
    assert np.array_equal(image[190:], picture[190:])
    nothing = Detector(red_finder())(np.zeros((9, 9, 3), np.uint8))
    assert np.array_equal(np.asarray(draw(picture, nothing)), picture)


def test_labels_can_be_read():
    """Contrast of letters and their background at least 4.5, which WCAG 2 asks of small text."""

    def luminance(colour):
        c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        return float(
            np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]
        )

    for colour in COLOURS:
        light, dark = sorted((luminance(colour), luminance(ink(colour))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, colour


def test_the_official_code_finds_the_same(shared):
    """The real Nano on real pictures: their model, decoding and `postprocess` on the canvas that we made."""
    config = pytest.importorskip("yolox.config", reason="pixeltable-yolox is not installed")
    from yolox.utils.boxes import postprocess

    file = shared / "weights" / "yolox_nano_0.1.1.pth"
    official = config.YoloxConfig.get_named_config("yolox_nano").get_model()
    official.load_state_dict(torch.load(file, weights_only=True)["model"])
    official.eval()
    detector = Detector(weights.load_official(file))
    total = 0
    for path in sorted((shared / "coco-mini" / "val2017").glob("*.jpg"))[:8]:
        picture = np.asarray(Image.open(path).convert("RGB"))
        canvas, scale = letterbox(picture, (416, 416))
        with torch.inference_mode():
            (theirs,) = postprocess(official(canvas[None].flip(1).float()), 80, 0.25, 0.45)
        ours = detector(path)
        theirs = torch.zeros(0, 7) if theirs is None else theirs
        assert ours.labels.tolist() == theirs[:, 6].int().tolist()
        limits = torch.tensor(picture.shape[1::-1] * 2)
        expected = (theirs[:, :4] / scale).clamp(min=0).minimum(limits)
        assert torch.allclose(ours.boxes, expected, atol=0.02)
        assert torch.allclose(ours.scores, theirs[:, 4] * theirs[:, 5], atol=1e-4)
        total += len(ours)
    assert total > 20
