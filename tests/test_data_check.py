"""The data checker: each planted fault is named by file and field, and a sound set is called sound."""

import gzip
import json
import re
import shutil
import unicodedata
from copy import deepcopy
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from yolox_edu.__main__ import main
from yolox_edu.data import DatasetError, PictureError
from yolox_edu.data.check import check
from yolox_edu.data.coco import open_coco
from yolox_edu.data.crossing import Crossing, write_coco
from yolox_edu.data.findings import Finding, has_errors, report

W, H = 96, 64
NAMES = ("cat", "dog", "bird")


def picture(seed):
    """Coarse squares, so that no two seeds look alike."""
    coarse = np.random.default_rng(seed).integers(0, 256, (H // 8, W // 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse.repeat(8, 0).repeat(8, 1))


class Set:
    """A sound set of six pictures and twelve boxes, to plant faults in."""

    def __init__(self, root, split="train", seed=0):
        self.root, self.folder = root, root / split
        self.json = root / "annotations" / f"instances_{split}.json"
        self.folder.mkdir(parents=True)
        self.json.parent.mkdir(exist_ok=True)
        self.images = [
            {"id": i, "file_name": f"{split}{i}.png", "width": W, "height": H} for i in range(1, 7)
        ]
        for image in self.images:
            picture(100 * seed + image["id"]).save(self.folder / image["file_name"])
        boxes = ([3 + 5 * (i % 6), 4, 20 + i, 30 + i] for i in range(12))
        self.annotations = [
            {"id": i + 1, "image_id": 1 + i % 6, "category_id": 1 + i % 3, "bbox": box, "iscrowd": 0}
            for i, box in enumerate(boxes)
        ]
        self.categories = [{"id": i, "name": name} for i, name in enumerate(NAMES, 1)]

    def write(self):
        parts = {name: getattr(self, name) for name in ("images", "annotations", "categories")}
        self.json.write_text(json.dumps({k: v for k, v in parts.items() if v is not None}))

    def boxes(self, change):
        for record in self.annotations:
            record["bbox"] = change(*record["bbox"])

    def save(self, place, image, **options):
        image.save(self.folder / self.images[place]["file_name"], **options)


@pytest.fixture
def sound(tmp_path):
    return Set(tmp_path / "set")


def findings(made):
    made.write()
    return check(made.root)


def serious(found):
    return [f for f in found if f.severity != "note"]


def test_a_sound_set(sound):
    found = findings(sound)
    assert serious(found) == []
    assert {f.code for f in found} == {"counts", "category-rare"}
    assert open_coco(sound.root, "train")[5]


# --- faults of the annotation file: name -> (plant, code, severity, field, words) -------------------


def box(*values):
    return lambda s: s.annotations[4].update(bbox=list(values))


def record(part, place, **values):
    return lambda s: getattr(s, part)[place].update(values)


def drop(part, place, field):
    return lambda s: getattr(s, part)[place].pop(field)


def again(part, place, **values):
    return lambda s: getattr(s, part).append(getattr(s, part)[place] | values)


def empty(part, value):
    return lambda s: setattr(s, part, value)


def normalised(s):
    s.boxes(lambda x, y, w, h: [x / W, y / H, w / W, h / H])


def many(s):
    s.annotations += [
        {"id": 100 + i, "image_id": 1, "category_id": 1, "bbox": [i % 40, i // 8, 8 + i % 9, 8]}
        for i in range(130)
    ]


def outlined(change):
    """Outlines for all boxes, as tools write them; then the boxes are changed, or some of them."""

    def plant(s):
        for one in s.annotations:
            x, y, w, h = one["bbox"]
            one["segmentation"] = [[x, y, x + w, y + h / 2, x + w / 3, y + h]]
        change(s)

    return plant


def some_normalised(s):
    for one in s.annotations[:4]:
        x, y, w, h = one["bbox"]
        one["bbox"] = [x / W, y / H, w / W, h / H]


def all_crowds(s):
    for one in s.annotations:
        one["iscrowd"] = 1


def shifted(s):
    for one in s.annotations:
        one["category_id"] -= 1


def corners_inside(s):
    """None leaves its picture, but the areas tell."""
    for one in s.annotations:
        x, y, w, h = one["bbox"]
        one.update(bbox=[x / 3, y / 3, (x + w) / 3, (y + h) / 3], area=w * h / 9)


A, I, C = "annotations", "images", "categories"
FAULTS = {
    "no list": (empty(A, None), "list-missing", "error", A, "no list 'annotations'"),
    "no pictures": (empty(I, []), "list-empty", "error", I, "'images' is empty"),
    "no boxes": (empty(A, []), "boxes-none-at-all", "error", A, "no box that can be used"),
    "no field": (
        drop(A, 4, "bbox"),
        "field-missing",
        "error",
        "annotations.bbox",
        "annotations[4] with id 5",
    ),
    "no width": (drop(I, 2, "width"), "field-missing", "error", "images.width", "images[2] with id 3"),
    "text id": (record(A, 1, image_id="2"), "field-type", "error", "annotations.image_id", 'has "2"'),
    "no file name": (record(I, 1, file_name=" "), "field-type", "error", "images.file_name", "name of a pic"),
    "names of classes": (
        empty(C, ["cat", "dog", "bird"]),
        *(
            "field-type",
            "error",
            C,
            '[0] is "cat"; categories[1] is "dog"',
        ),
    ),
    "a dict of classes": (empty(C, {"1": "cat"}), "list-missing", "error", C, "'categories' is no list"),
    "captions": (
        lambda s: [one.pop("bbox") for one in s.annotations],
        *("field-missing", "error", "annotations.bbox", "Add it to every record."),
    ),
    "zero width": (record(I, 1, width=0), "field-type", "error", "images.width", "pixels from 1 on"),
    "true as id": (record(A, 1, id=True), "field-type", "error", "annotations.id", "whole number"),
    "no object": (lambda s: s.annotations.append(7), "field-type", "error", A, "annotations[12] is 7"),
    "null in box": (box(1, None, 3, 4), "field-type", "error", "annotations.bbox", "[1, null, 3, 4]"),
    "text in box": (box(1, "2", 3, 4), "field-type", "error", "annotations.bbox", "four numbers"),
    "five numbers": (box(1, 2, 3, 4, 5), "field-type", "error", "annotations.bbox", "four numbers"),
    "nan": (
        box(1, float("nan"), 3, 4),
        "box-not-finite",
        "error",
        "annotations.bbox",
        "annotation 5 of train5",
    ),
    "infinite": (box(1, 2, float("inf"), 4), "box-not-finite", "error", "annotations.bbox", "train5.png"),
    "absurd": (box(1, 2, 10**400, 4), "box-not-finite", "error", "annotations.bbox", "absurd"),
    "negative": (box(30, 30, -9, 5), "box-negative", "error", "annotations.bbox", "[30, 30, -9, 5]"),
    "xywh taken for xyxy": (
        lambda s: s.boxes(lambda x, y, w, h: [x + 35, y + 35, w - x - 35, h - y - 35]),
        *("box-negative", "error", "annotations.bbox", "xywh taken for xyxy"),
    ),
    "no area": (box(30, 30, 0, 5), "box-flat", "warning", "annotations.bbox", "[30, 30, 0, 5]"),
    "outside": (box(W, 3, 9, 9), "box-outside", "error", "annotations.bbox", "outside its picture"),
    "over the edge": (box(W - 9, 3, 30, 9), "box-over-edge", "warning", "annotations.bbox", "over the pic"),
    "tiny": (box(5, 5, 0.1, 9), "box-tiny", "note", "annotations.bbox", "at 640 x 640"),
    "normalised": (normalised, "box-normalised", "error", "annotations.bbox", "normalised to 0-1"),
    "corners": (
        lambda s: s.boxes(lambda x, y, w, h: [x + 35, y, x + 35 + w, y + h]),
        *("box-corners", "error", "annotations.bbox", "x1, y1, x2 - x1, y2 - y1"),
    ),
    "corners inside": (corners_inside, "box-corners", "error", "annotations.bbox", "look like corners"),
    "some normalised": (some_normalised, "box-normalised", "error", "annotations.bbox", "others are in pix"),
    "centres, normalised": (
        lambda s: s.boxes(lambda x, y, w, h: [(x + w / 2) / W, (y + h / 2) / H, w / W, h / H]),
        *("box-normalised", "error", "annotations.bbox", "also subtract half of width and height"),
    ),
    "one normalised": (box(0.1, 0.2, 0.5, 0.5), "box-normalised", "warning", "annotations.bbox", "[0.1, 0.2"),
    "centres inside": (
        outlined(lambda s: s.boxes(lambda x, y, w, h: [x + w / 2, y + h / 2, w, h])),
        *("box-centres", "error", "annotations.bbox", "look like centre"),
    ),
    "y before x": (
        outlined(lambda s: s.boxes(lambda x, y, w, h: [y, x, h, w])),
        *("box-turned", "error", "annotations.bbox", "Exchange the first two"),
    ),
    "box astray": (
        outlined(box(60, 4, 24, 34)),
        *("box-outline", "warning", "annotations.bbox", "annotation 5 of train5.png: [60, 4, 24, 34]"),
    ),
    "outlines of larger pictures": (
        outlined(lambda s: s.boxes(lambda x, y, w, h: [x / 2, y / 2, w / 2, h / 2])),
        *("box-outline", "error", "annotations.bbox", "12 times"),
    ),
    "boxes of larger pictures": (
        lambda s: s.boxes(lambda x, y, w, h: [2 * x, 2 * y, 2 * w, 2 * h]),
        *("box-over-edge", "warning", "annotations.bbox", "So do most boxes"),
    ),
    "crowds only": (all_crowds, "boxes-none-at-all", "error", A, "all stand for crowds"),
    "area nought": (record(A, 4, area=0), "area-wrong", "warning", "annotations.area", "annotation 5"),
    "area absurd": (record(A, 4, area=10**400), "area-wrong", "warning", "annotations.area", "annotation 5"),
    "area of another": (record(A, 4, area=5000), "area-wrong", "warning", "annotations.area", ": 5000"),
    "centres": (
        lambda s: s.boxes(lambda x, y, w, h: [W - w / 2 - x, y + h / 2, w, h]),
        *("box-centres", "error", "annotations.bbox", "x - width / 2"),
    ),
    "double box": (again(A, 3, id=99), "box-twice", "warning", "annotations.bbox", "annotation 99 of"),
    "two classes": (
        again(A, 3, id=99, category_id=3),
        *("box-two-classes", "note", "annotations.category_id", "two classes"),
    ),
    "many boxes": (many, "boxes-many", "warning", A, "train1.png: 132"),
    "unknown class": (
        record(A, 3, category_id=9),
        "category-unknown",
        "error",
        "annotations.category_id",
        "-> 9",
    ),
    "shifted": (shifted, "category-unknown", "error", "annotations.category_id", "add 1 in every"),
    "unknown picture": (
        record(A, 3, image_id=77),
        "image-unknown",
        "error",
        "annotations.image_id",
        "4 -> 77",
    ),
    "two names": (
        again(C, 0, name="cow"),
        "categories-id-twice",
        "error",
        "categories.id",
        "id 1 is cat, cow",
    ),
    "name twice": (
        again(C, 0, id=8, name="Cat "),
        "category-name-twice",
        "warning",
        "categories.name",
        "Cat",
    ),
    "no name": (record(C, 0, name=" "), "category-unnamed", "warning", "categories.name", "id 1"),
    "background": (
        again(C, 0, id=0, name="background"),
        "category-background",
        "warning",
        "categories.name",
        "no",
    ),
    "unused class": (again(C, 0, id=8, name="cow"), "category-unused", "note", C, "cow"),
    "picture id twice": (
        again(I, 0, file_name="train2.png"),
        "images-id-twice",
        "error",
        "images.id",
        "id 1",
    ),
    "box id twice": (
        again(A, 0, bbox=[50, 9, 9, 9]),
        "annotations-id-twice",
        "error",
        "annotations.id",
        "id 1",
    ),
    "file twice": (again(I, 0, id=9), "file-twice", "warning", "images.file_name", "train1.png"),
    "absolute": (record(I, 0, file_name="/etc/passwd"), "file-unsafe", "error", "images.file_name", "/etc"),
    "drive": (record(I, 0, file_name="C:\\a.png"), "file-unsafe", "error", "images.file_name", "not opened"),
    "out of it": (
        record(I, 0, file_name="a/../../b.png"),
        "file-unsafe",
        "error",
        "images.file_name",
        "not op",
    ),
    "backslash": (
        record(I, 0, file_name="a\\b.png"),
        "file-backslash",
        "error",
        "images.file_name",
        "Write '/'",
    ),
    "crowd": (record(A, 0, iscrowd=1), "crowd", "note", "annotations.iscrowd", "annotation 1"),
    "odd flag": (record(A, 0, iscrowd="no"), "crowd-flag", "warning", "annotations.iscrowd", "'no'"),
    "no box": (lambda s: s.annotations.__delitem__(slice(5, None, 6)), "boxes-none", "note", I, "train6.png"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_annotation_file(name, sound):
    plant, code, severity, field, words = FAULTS[name]
    plant(sound)
    found = findings(sound)
    (one,) = [f for f in found if f.code == code]
    assert (one.severity, one.field, one.file) == (severity, field, "annotations/instances_train.json")
    assert words in str(one)
    assert one.mend
    assert "\n" not in str(one)
    others = {f.code for f in serious(found)} - {code}
    expected = {
        "no pictures": "image-unknown",
        "no list": "boxes-none-at-all",
        "backslash": "picture-missing",
    }
    expected["picture id twice"] = "file-twice"
    assert others <= {expected.get(name)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty. Export"),
        ('{"images": [', "ends too early"),
        ('{"images": "a', "ends too early"),
        ("[1, 2]", "holds a JSON list"),
        ("\ufeff{}", "Save it as UTF-8 without one."),
        ('{"images": [1, 2, ]}', "Delete the comma"),
        ('{"images": [], }', "Delete the comma"),
        ("{'images': []}", "double quotes: write the file with json.dump"),
        ("{}\n{}", "after the end"),
        ('{"images" = []}', "at line 1, column 11"),
        ('{"images": []}'.encode("utf-16"), "is not UTF-8"),
        ('{"name": "Käfer"}'.encode("latin-1"), "is not UTF-8 (byte 11"),
        ("version https://git-lfs.github.com/spec/v1", "Run `git lfs pull`"),
        ("<annotation><object/></annotation>", "begins with '<annotation><object/'"),
        ('{"iscrowd": None}', "JSON writes null"),
        (gzip.compress(b"{}", mtime=0), "unpack it with gzip -d"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("1" * 5000, "cannot be read as JSON"),
    ],
)
def test_no_json(text, words, sound):
    sound.json.write_bytes(text if isinstance(text, bytes) else text.encode())
    (one,) = serious(check(sound.root))
    assert (one.code, one.file) == ("json", "annotations/instances_train.json")
    assert words in str(one)
    with pytest.raises(DatasetError, match=re.escape(one.what)):
        open_coco(sound.root, "train")


def test_coco_names_with_other_ids(sound):
    from yolox_edu.data.coco_names import COCO_NAMES

    sound.categories = [{"id": i, "name": name} for i, name in enumerate(COCO_NAMES, 1)]
    assert "category-coco-ids" in {f.code for f in findings(sound)}


def test_many_tiny_boxes_are_a_warning(sound):
    sound.boxes(lambda x, y, w, h: [x, y, 1.2, h])
    sound.write()
    (one,) = serious(check(sound.root, size=64))
    assert (one.code, one.count) == ("box-tiny", 12)
    assert "100.0% of all" in one.what


# --- faults of the picture files --------------------------------------------------------------------------


def cut(s):
    path = s.folder / "train3.png"
    path.write_bytes(path.read_bytes()[:300])


def with_exif(s):
    exif = Image.Exif()
    exif[0x0112] = 6
    s.save(2, picture(3), exif=exif)


def faint(s):
    """Values of 0 to 1 written as bytes."""
    s.save(2, Image.fromarray(np.asarray(picture(3)) // 255))


def twelve_bits(s):
    s.save(2, Image.fromarray(np.asarray(picture(3).convert("L")).astype(np.uint16) * 16))


def sixteen_bits(s):
    s.save(2, Image.fromarray(np.asarray(picture(3).convert("L")).astype(np.uint16) * 256))


def see_through(s):
    hidden = picture(3)
    hidden.putalpha(0)
    s.save(2, hidden)


def decomposed(s):
    """A Mac's file system takes accents apart."""
    s.images[2]["file_name"] = "é.png"
    (s.folder / "train3.png").rename(s.folder / unicodedata.normalize("NFD", "é.png"))


def copy(s):
    shutil.copy(s.folder / "train1.png", s.folder / "train3.png")


PICTURES = {
    "missing": (lambda s: (s.folder / "train3.png").unlink(), "picture-missing", "error", "train3.png"),
    "case": (
        lambda s: (s.folder / "train3.png").rename(s.folder / "Train3.PNG"),
        *("picture-missing", "error", "There is Train3.PNG: only the name differs"),
    ),
    "suffix": (
        lambda s: (s.folder / "train3.png").rename(s.folder / "train3.jpg"),
        *("picture-missing", "error", "There is train3.jpg"),
    ),
    "folder before the name": (
        lambda s: s.images[2].update(file_name="train/train3.png"),
        *("picture-missing", "error", "There is train3.png: only the name differs"),
    ),
    "no suffix": (
        lambda s: s.images[2].update(file_name="train3"),
        *("picture-missing", "error", "There is train3.png: only the name differs"),
    ),
    "a pointer of Git LFS": (
        lambda s: (s.folder / "train3.png").write_text("version https://git-lfs.github.com/spec/v1"),
        *("picture-broken", "error", "run `git lfs pull`"),
    ),
    "an iPhone's": (
        lambda s: (s.folder / "train3.png").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
        *("picture-broken", "error", "save it as JPEG"),
    ),
    "truncated": (cut, "picture-broken", "error", "train3.png"),
    "a web page": (
        lambda s: (s.folder / "train3.png").write_text("<html>"),
        *("picture-broken", "error", "cannot be read"),
    ),
    "32 bits": (
        lambda s: s.save(2, Image.fromarray(np.zeros((H, W), np.float32)), format="TIFF"),
        *("picture-broken", "error", "8 or 16 bits"),
    ),
    "scaled": (
        lambda s: s.save(2, picture(3).resize((48, 32))),
        *("picture-size", "error", "48 x 32, but its entry says 96 x 64"),
    ),
    "turned": (
        lambda s: s.save(2, picture(3).rotate(90, expand=True)),
        "picture-size-turned",
        "error",
        "64 x 96",
    ),
    "exif": (with_exif, "picture-exif", "warning", "train3.png: 64 x 96, but its entry says 96 x 64"),
    "grey": (lambda s: s.save(2, picture(3).convert("L")), "picture-kind", "note", "a grey picture"),
    "alpha": (lambda s: s.save(2, picture(3).convert("RGBA")), "picture-kind", "note", "a transparent"),
    "16 bits": (sixteen_bits, "picture-kind", "note", "Read by its high byte"),
    "values 0 to 1": (faint, "picture-blank", "warning", "train3.png"),
    "12 bits in 16": (twelve_bits, "picture-blank", "warning", "12 bits in 16"),
    "nothing but transparent": (see_through, "picture-blank", "warning", "train3.png"),
    "accents": (decomposed, "picture-missing", "error", r"There is 'e\u0301.png' (not '\xe9.png'"),
    "a folder": (
        lambda s: ((s.folder / "train3.png").unlink(), (s.folder / "train3.png").mkdir()),
        *("picture-missing", "error", "train3.png"),
    ),
    "link to nowhere": (
        lambda s: ((s.folder / "train3.png").unlink(), (s.folder / "train3.png").symlink_to("away")),
        *("picture-broken", "error", "a link to away, which is not there"),
    ),
    "cmyk": (
        lambda s: s.save(2, picture(3).convert("CMYK"), format="JPEG"),
        *("picture-kind", "note", "a CMYK picture"),
    ),
    "not named": (
        lambda s: picture(77).save(s.folder / "extra.png"),
        "picture-unlisted",
        "note",
        "extra.png",
    ),
    "twice": (copy, "picture-twice", "warning", "train/train1.png = train/train3.png"),
    "nearly twice": (
        lambda s: s.save(2, picture(1), format="JPEG", quality=80),
        *("picture-twice-near", "note", "train/train1.png ~ train/train3.png"),
    ),
    "no folder": (lambda s: shutil.rmtree(s.folder), "folder-missing", "error", "images/train/"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_fault_of_a_picture(name, sound):
    plant, code, severity, words = PICTURES[name]
    plant(sound)
    found = findings(sound)
    (one,) = [f for f in found if f.code == code]
    assert one.severity == severity
    assert words in str(one)
    assert one.file == ("set" if "twice" in code else "train/")
    assert {f.code for f in serious(found)} <= {code}


@pytest.mark.parametrize(
    ("change", "code", "severity"),
    [
        ({}, "leak", "error"),
        ({"format": "JPEG", "quality": 85}, "leak-near", "warning"),
    ],
)
def test_a_picture_in_two_parts(change, code, severity, sound):
    other = Set(sound.root, "val", seed=1)
    other.write()
    assert serious(findings(sound)) == []
    other.save(4, picture(2), **change)
    (one,) = serious(check(sound.root))
    assert (one.code, one.severity) == (code, severity)
    assert "train/train2.png" in str(one)
    assert "val/val5.png" in str(one)
    assert serious(check(sound.root, "val")) == []


def test_layouts_and_what_lies_there_instead(sound):
    sound.write()
    (sound.root / "images").mkdir()
    sound.folder.rename(sound.root / "images" / "train")
    assert serious(check(sound.root)) == []
    (one,) = check(sound.root, "test")
    assert (one.code, one.file) == ("annotations-missing", "annotations/instances_test.json")
    assert "There is instances_train.json" in one.mend
    sound.json.unlink()
    (sound.root / "labels").mkdir()
    (sound.root / "labels" / "a.txt").write_text("0 0.5 0.5 0.1 0.1")
    (one,) = check(sound.root)
    assert "labels/a.txt is a YOLO label" in one.mend
    assert f"data convert yolo {sound.root} --to NEW" in one.mend
    (sound.root / "valid").mkdir()
    (sound.root / "valid" / "_annotations.coco.json").write_text("{}")
    (one,) = check(sound.root)
    assert "Move valid/_annotations.coco.json to annotations/instances_valid.json." in one.mend
    sound.folder = sound.root / "images" / "train"
    for name in ("labels", "valid"):
        shutil.rmtree(sound.root / name)
    sound.write()
    sound.json.rename(sound.root / "instances_train.json")
    (one,) = check(sound.root)
    assert one.mend == "Move instances_train.json into annotations/."
    (sound.root / "instances_train.json").rename(sound.root / "annotations" / "mine.json")
    (one,) = check(sound.root)
    assert one.mend == "There is mine.json: rename it to instances_train.json."
    (sound.root / "annotations" / "mine.json").rename(sound.json)
    sound.folder.rename(sound.root / "Photos")
    (one,) = serious(check(sound.root))
    assert (one.code, "train1.png lies in Photos/." in one.mend) == ("folder-missing", True)
    with pytest.raises(DatasetError, match="no such folder"):
        check(sound.root / "nowhere")
    with pytest.raises(DatasetError, match="is a file, not a folder"):
        check(sound.json)


def test_a_folder_too_deep_and_labels_in_a_folder_of_their_own(sound, tmp_path):
    sound.write()
    for folder in (sound.json.parent, sound.folder):
        (one,) = check(folder)
        assert "Give the folder above, set." in one.mend
    deep = tmp_path / "other" / "my set" / "Annotations"
    deep.mkdir(parents=True)
    (deep / "a.xml").write_text("<annotation/>")
    (one,) = check(tmp_path / "other")
    assert "my set/Annotations/a.xml is a VOC label" in one.mend
    assert f"data convert voc '{deep.parent}' --to NEW" in one.mend


@pytest.mark.parametrize(
    ("change", "code", "severity", "words"),
    [
        (record("categories", 1, name="Dog"), "classes-unknown", "error", "(Dog)"),
        (again("categories", 0, id=9, name="cow"), "classes-unknown", "error", "(cow)"),
        (
            lambda s: [c.update(name=n) for c, n in zip(s.categories, ("dog", "cat", "bird"))],
            *("classes-ids", "warning", "dog: 1, there 2; cat: 2, there 1"),
        ),
        (lambda s: s.categories.pop(), "category-unknown", "error", "annotation 3 -> 3"),
    ],
)
def test_classes_of_two_parts(change, code, severity, words, sound):
    other = Set(sound.root, "val", seed=1)
    change(other)
    other.write()
    (one,) = serious(findings(sound))
    assert (one.code, one.severity, one.file) == (code, severity, "annotations/instances_val.json")
    assert words in str(one)


def test_a_class_that_only_the_test_shows(sound):
    Set(sound.root, "val", seed=1).write()
    sound.annotations = [a for a in sound.annotations if a["category_id"] != 2]
    (one,) = [f for f in findings(sound) if f.code == "classes-unlearnt"]
    assert (one.severity, one.file) == ("note", "annotations/instances_val.json")
    assert "(dog: 4 here)" in str(one)


def test_a_broken_entry_still_names_its_picture(sound):
    sound.images[0]["width"] = "96"
    assert "picture-unlisted" not in {f.code for f in findings(sound)}


# --- no false alarm ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "pictures"), [("coco-mini", 100), ("coco128", 128)])
def test_real_sets(name, pictures, shared):
    found = check(shared / name)
    assert serious(found) == []
    assert {f.code for f in found} <= {
        *("counts", "category-unused", "category-rare", "crowd", "boxes-none", "picture-kind"),
        "classes-unlearnt",
    }
    assert sum(int(f.what.split()[0]) for f in found if f.code == "counts") == pictures


def test_crossing_on_disk_and_drawn(tmp_path, monkeypatch):
    for split in ("train", "val"):
        write_coco(Crossing.split(split, 4), tmp_path, split)
    assert serious(check(tmp_path)) == []
    assert serious(check(Crossing.split("val", 2))) == []
    assert serious(check(open_coco(tmp_path, "val"))) == []
    monkeypatch.setattr("yolox_edu.data.check.DRAWN", 3)
    drawn = check("crossing")
    assert serious(drawn) == []
    assert [f.file for f in drawn if f.code == "counts"] == ["crossing train", "crossing val"]


# --- never a traceback ------------------------------------------------------------------------------------

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from([10**400, -1, 0, "\0", "\ud800", "../x", "a" * 5000, [], {}, [[]], [1, 2, 3, 4]]),
    st.lists(st.floats(), min_size=4, max_size=4),
)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    made = Set(tmp_path_factory.mktemp("fuzz") / "set")
    made.write()
    return made, json.loads(made.json.read_text())


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_the_file_says_nothing_is_raised_and_what_is_called_sound_can_be_read(fuzzed, data):
    made, content = fuzzed
    content = json.loads(json.dumps(content))
    for _ in range(data.draw(st.integers(1, 4))):
        mutate(content, data.draw)
    made.json.write_text(json.dumps(content))
    found = check(made.root)
    lines = report(found).splitlines()
    assert all(line[:7].strip() in ("error", "warning", "note") for line in lines[:-1])
    try:
        source = open_coco(made.root, "train")
        assert all(len(source[i][1]["boxes"]) >= 0 for i in range(len(source)))
    except (DatasetError, PictureError):
        assert has_errors(found)


def mutate(content, draw):
    """Put something odd in one place of the tree, or take the place away."""
    holder = content
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            return
        key = draw(st.sampled_from(keys))
        deeper = holder[key]
        if not isinstance(deeper, dict | list) or draw(st.integers(0, 3)) == 0:
            break
        holder = deeper
    action = draw(st.sampled_from(["replace", "replace", "delete", "repeat"]))
    if action == "replace":
        holder[key] = deepcopy(draw(ODD))  # it may be changed next
    elif action == "delete":
        del holder[key]
    elif isinstance(holder, list):
        holder.append(holder[key])


# --- the command line -------------------------------------------------------------------------------------


def test_help(capsys):
    with pytest.raises(SystemExit):
        main(["data", "check", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "(default: 640)" in text
    assert "(default: None)" not in text


def test_in_a_terminal_lines_are_wrapped(sound, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    sound.annotations[4]["bbox"] = [30, 30, -9, 5]
    sound.write()
    main(["data", "check", str(sound.root)])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 60
    assert {line[:9].strip() for line in lines[:-1]} == {"error", "note", ""}
    assert report(check(sound.root)).split() == " ".join(lines).split()


def test_all_examples_are_named_or_some_and_the_last_line_counts(sound):
    sound.annotations[3]["bbox"] = sound.annotations[4]["bbox"] = [30, 30, 0, 5]
    lines = report(findings(sound)).splitlines()
    assert "(2 times, namely annotation 4 of train4.png: [30, 30, 0, 5]; annotation 5" in lines[0]
    assert lines[-1] == "0 errors, 1 warning, 2 notes: look at the warning"
    sound.boxes(lambda *_: [30, 30, 0, 5])
    lines = report(findings(sound)).splitlines()
    assert "(12 times, e.g. annotation 1 of train1.png: [30, 30, 0, 5]; annotation 2" in lines[0]


def test_the_command(sound, tmp_path, capsys):
    sound.write()
    assert main(["data", "check", str(sound.root)]) == 0
    assert (
        capsys.readouterr().out.splitlines()[-1] == "0 errors, 0 warnings, 2 notes: nothing stands in the way"
    )
    box(30, 30, -9, 5)(sound)
    sound.write()
    out = tmp_path / "out" / "findings.json"
    assert main(["data", "check", str(sound.root), "--size", "320x320", "--json", str(out)]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(
        "error    annotations/instances_train.json: annotations.bbox: width or height is neg"
    )
    assert said[-1] == "1 error, 0 warnings, 2 notes: mend the errors first"
    records = json.loads(out.read_text())
    assert [r["code"] for r in records if r["severity"] == "error"] == ["box-negative"]
    assert set(records[0]) == {field.name for field in fields(Finding)}
    assert main(["data", "check", str(tmp_path / "nowhere")]) == 1
    assert "no such folder" in capsys.readouterr().err
