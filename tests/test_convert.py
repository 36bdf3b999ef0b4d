"""Labels of YOLO and VOC: hand-worked boxes, there and back again, and each fault named by file and field."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from yolox_edu.__main__ import main
from yolox_edu.data import DatasetError
from yolox_edu.data.check import check
from yolox_edu.data.coco import open_coco
from yolox_edu.data.convert_voc import voc_to_coco
from yolox_edu.data.convert_yolo import label_path, parse_line, yolo_to_coco
from yolox_edu.data.crossing import Crossing
from yolox_edu.data.findings import has_errors

NAMES = ["dog", "cat"]


def picture(path, size=(100, 80), exif=None):
    """A picture of width x height; `exif`: its orientation."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(path.name)).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    extra = {}
    if exif:
        extra["exif"] = Image.Exif()
        extra["exif"][0x0112] = exif
    Image.fromarray(pixels).save(path, **extra)


def yolo(folder, labels="1 0.5 0.5 0.2 0.5\n", yaml="names: [dog, cat]\ntrain: images/train\n"):
    """A set of one picture, 100 x 80."""
    picture(folder / "images/train/a.jpg")
    (folder / "labels/train").mkdir(parents=True)
    (folder / "labels/train/a.txt").write_text(labels)
    (folder / "data.yaml").write_text(yaml)
    return folder


def an_object(name="cat", box=(1, 1, 50, 80), difficult=0):
    sides = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), box))
    return f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>{sides}</bndbox></object>"


def voc(folder, objects=None, size="<size><width>100</width><height>80</height></size>", head=""):
    picture(folder / "JPEGImages/a.jpg")
    (folder / "Annotations").mkdir()
    inside = an_object() if objects is None else objects
    xml = f"{head}<annotation><filename>a.jpg</filename>{size}{inside}</annotation>"
    (folder / "Annotations/a.xml").write_text(xml)
    return folder


def written(out, split="train"):
    return json.loads((out / "annotations" / f"instances_{split}.json").read_text())


def boxes(out, split="train"):
    return [(a["category_id"], *a["bbox"]) for a in written(out, split)["annotations"]]


# --- what comes out, worked by hand


def test_a_yolo_line_by_hand(tmp_path):
    lines = "1 0.5 0.5 0.2 0.5\n\n0 0.05 0.1 0.1 0.2\n0 0.1 0.2 0.4 0.2 0.4 0.6\n"
    assert yolo_to_coco(yolo(tmp_path / "in", lines), tmp_path / "out") == {"train": 1}
    # 100 wide, 80 high: 0.5 +- 0.1 -> 40..60; 0.5 +- 0.25 -> 20..60. The last line is a triangle's outline.
    wanted = [(2, 40, 20, 20, 40), (1, 0, 0, 10, 16), (1, 10, 16, 30, 32)]
    np.testing.assert_allclose(boxes(tmp_path / "out"), wanted, atol=1e-9)
    assert [c["name"] for c in written(tmp_path / "out")["categories"]] == NAMES


def test_a_voc_box_by_hand(tmp_path):
    objects = an_object("cat", (1, 1, 50, 80)) + an_object("dog", (11, 21, 11, 21), difficult=1)
    assert voc_to_coco(voc(tmp_path / "in", objects), tmp_path / "out") == {"train": 1}
    # Counted from 1, both ends inside: 1..50 are the first 50 pixels; 11..11 is one pixel at x 10.
    assert boxes(tmp_path / "out") == [(1, 0, 0, 50, 80), (2, 10, 20, 1, 1)]
    assert [a["iscrowd"] for a in written(tmp_path / "out")["annotations"]] == [0, 1]


def test_voc_from_zero(tmp_path):
    voc_to_coco(voc(tmp_path / "in", an_object(box=(0, 0, 50, 80))), tmp_path / "out", from_zero=True)
    assert boxes(tmp_path / "out") == [(1, 0, 0, 50, 80)]


def test_a_picture_that_its_camera_turned(tmp_path):
    folder = yolo(tmp_path / "in", "0 0.5 0.5 1 1\n")
    picture(folder / "images/train/a.jpg", (100, 80), exif=6)  # a viewer shows it 80 wide, 100 high
    yolo_to_coco(folder, tmp_path / "out")
    assert boxes(tmp_path / "out") == [(1, 0, 0, 80, 100)]
    image, target = open_coco(tmp_path / "out", "train")[0]
    assert image.shape == (100, 80, 3)
    assert target["boxes"].tolist() == [[0, 0, 80, 100]]


def test_pictures_without_objects_stay(tmp_path):
    folder = yolo(tmp_path / "in")
    picture(folder / "images/train/deep/b.png")
    picture(folder / "images/val/c.jpg")
    (folder / "data.yaml").write_text("names: {0: dog, 1: cat}\ntrain: images/train\nval: images/val\n")
    assert yolo_to_coco(folder, tmp_path / "out") == {"train": 2, "val": 1}
    assert [i["file_name"] for i in written(tmp_path / "out")["images"]] == ["a.jpg", "deep/b.png"]
    assert (tmp_path / "out/train/deep/b.png").read_bytes() == (
        folder / "images/train/deep/b.png"
    ).read_bytes()


@pytest.mark.parametrize(
    "yaml",
    [
        "names: [dog, cat]\npath: /somewhere/else\ntrain: images/train\n",
        "names: [dog, cat]\ntrain: ../images/train\n",  # as Roboflow writes it
        "names: [dog, cat]\ntrain: list.txt\n",
        "names: [dog, cat]\ntrain: [images/train]\n",
        "names: [dog, cat]\n",
    ],
)
def test_the_ways_of_naming_the_pictures(tmp_path, yaml):
    folder = yolo(tmp_path / "in", yaml=yaml)
    (folder / "list.txt").write_text("./images/train/a.jpg\n")
    assert yolo_to_coco(folder, tmp_path / "out") == {"train": 1}
    np.testing.assert_allclose(boxes(tmp_path / "out"), [(2, 40, 20, 20, 40)])


def test_names_from_a_text_file_or_given(tmp_path):
    folder = yolo(tmp_path / "in")
    (folder / "data.yaml").unlink()
    (folder / "classes.txt").write_text("dog\ncat\n")
    yolo_to_coco(folder, tmp_path / "out")
    yolo_to_coco(folder, tmp_path / "other", names=["x", "y"])
    assert [c["name"] for c in written(tmp_path / "other")["categories"]] == ["x", "y"]


def test_where_labels_lie():
    assert label_path(Path("images/set/images/train/a.jpg")) == Path("images/set/labels/train/a.txt")
    assert label_path(Path("flat/a.jpg")) == Path("flat/a.txt")


# --- there and back again


def lay_out(folder, kind):
    """Crossing in another layout, by this test's own few lines; what the boxes were, picture by picture."""
    source, truth = Crossing.split("val", 4, 160), []
    for i, (pixels, target) in enumerate(source):
        truth.append((target["labels"], target["boxes"]))
        place = folder / ("images/train" if kind == "yolo" else "JPEGImages") / f"{i}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place)
        rows = list(zip(target["labels"].tolist(), target["boxes"].tolist()))
        if kind == "yolo":
            lines = [
                f"{k} {(a + c) / 320:.8f} {(b + d) / 320:.8f} {(c - a) / 160:.8f} {(d - b) / 160:.8f}"
                for k, (a, b, c, d) in rows
            ]
            text, file = "\n".join(lines), folder / f"labels/train/{i}.txt"
        else:
            things = [an_object(source.names[k], (a + 1, b + 1, c, d)) for k, (a, b, c, d) in rows]
            text, file = f"<annotation>{''.join(things)}</annotation>", folder / f"Annotations/{i}.xml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return source, truth


@pytest.mark.parametrize("kind", ["yolo", "voc"])
def test_there_and_back(tmp_path, kind, capsys):
    source, truth = lay_out(tmp_path / "in", kind)
    command = ["data", "convert", kind, str(tmp_path / "in"), "--to", str(tmp_path / "out")]
    assert main([*command, "--names", *source.names]) == 0
    said = capsys.readouterr().out
    assert f"in this order: {', '.join(source.names)}" in said
    assert "data check" in said
    again = open_coco(tmp_path / "out", "train")
    assert again.names == tuple(source.names)
    for (pixels, target), (labels, wanted), (drawn, _) in zip(again, truth, source, strict=True):
        assert (pixels == drawn).all()
        assert (target["labels"] == labels).all()
        np.testing.assert_allclose(target["boxes"], wanted, atol=2e-3)
    findings = check(tmp_path / "out")
    assert not has_errors(findings), findings


# --- what is wrong, by name


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1 0.5 0.5 0.2", "4 fields"),
        ("1 0.5 0.5 0.2 0.5 0.9", "its score"),
        ("1 0.5 0.5 0.2 wide", "no number"),
        ("2 0.5 0.5 0.2 0.5", "class 2; there are 2 names"),
        ("-1 0.5 0.5 0.2 0.5", "class -1"),
        ("0.5 0.5 0.5 0.2 0.5", "class 0.5"),
        ("1 50 40 20 40", "pixels"),
        ("1 nan 0.5 0.2 0.5", "not finite"),
        ("1 0.5 0.5 0 0.5", "no area"),
        ("1 0.5 0.5 -0.2 0.5", "outside"),
        ("1 0.1 0.1 0.1 0.1 0.1 0.1", "no area"),
    ],
)
def test_bad_lines(tmp_path, line, words):
    folder = yolo(tmp_path / "in", f"0 0.5 0.5 0.2 0.5\n{line}\n")
    with pytest.raises(DatasetError, match=r"a\.txt:2") as error:
        yolo_to_coco(folder, tmp_path / "out")
    assert words in str(error.value)
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda f: (f / "images/train/a.jpg").write_bytes(b"no"), "a.jpg: cannot be read"),
        (lambda f: (f / "images/train/a.jpg").unlink(), "no picture was found"),
        (lambda f: (f / "labels/train/z.txt").write_text(""), "there is no picture z"),
        (lambda f: (f / "data.yaml").write_text("names: [dog\n"), "is not YAML"),
        (lambda f: (f / "data.yaml").write_text("- dog\n"), "expected `names:`"),
        (lambda f: (f / "data.yaml").write_text("names: {1: dog, 2: cat}\n"), "numbered 0 to 1"),
        (lambda f: (f / "data.yaml").unlink(), "nothing names the classes"),
        (lambda f: (f / "data.yaml").write_text("names: [a, b]\ntrain: images/test\n"), "no such folder"),
        (
            lambda f: (f / "data.yaml").write_text("names: [a, b]\ntrain: [images/train, images/train]\n"),
            "same name",
        ),
    ],
)
def test_bad_sets_of_yolo(tmp_path, break_it, words):
    folder = yolo(tmp_path / "in")
    break_it(folder)
    with pytest.raises(DatasetError) as error:
        yolo_to_coco(folder, tmp_path / "out")
    assert words in str(error.value)
    assert not list(tmp_path.glob("out*"))


BOMB = '<!DOCTYPE a [<!ENTITY b "lol"><!ENTITY c "&b;&b;">]>'


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"objects": an_object(box=(0, 1, 50, 80))}, "counts from 1"),
        ({"objects": an_object(box=(50, 1, 10, 80))}, "swapped"),
        ({"objects": an_object(box=(1, 1, 150, 80))}, "outside the 100 x 80"),
        ({"objects": an_object(box=(1, 1, "wide", 80))}, "bndbox: needs the numbers"),
        ({"objects": an_object(box=(1, 1, "nan", 80))}, "not finite"),
        ({"objects": "<object><name>cat</name></object>"}, "bndbox: needs"),
        ({"objects": an_object("bird")}, "name: 'bird' is none of dog, cat"),
        ({"size": "<size><width>640</width><height>480</height></size>"}, "was the picture resized"),
        ({"objects": "<object>"}, "is not plain XML"),
        ({"head": BOMB}, "is not plain XML"),
    ],
)
def test_bad_xml(tmp_path, parts, words):
    with pytest.raises(DatasetError, match=r"a\.xml") as error:
        voc_to_coco(voc(tmp_path / "in", **parts), tmp_path / "out", names=NAMES)
    assert words in str(error.value)
    assert not list(tmp_path.glob("out*"))


def test_lists_and_pictures_that_are_not_there(tmp_path):
    folder = voc(tmp_path / "in")
    (folder / "ImageSets/Main").mkdir(parents=True)
    (folder / "ImageSets/Main/train.txt").write_text("a\nb  1\n")
    with pytest.raises(DatasetError, match=r"b\.xml: no such file, but ImageSets/Main names it"):
        voc_to_coco(folder, tmp_path / "out")
    (folder / "ImageSets/Main/train.txt").write_text("a\n")
    assert voc_to_coco(folder, tmp_path / "out") == {"train": 1}
    (folder / "JPEGImages/a.jpg").unlink()
    with pytest.raises(DatasetError, match=r"a\.xml: filename: there is no picture"):
        voc_to_coco(folder, tmp_path / "other")


def test_nothing_is_overwritten_and_every_fault_is_told(tmp_path, capsys):
    folder = yolo(tmp_path / "in", "7 0 0 1 1\n" * 25)
    with pytest.raises(DatasetError, match="and 15 more"):
        yolo_to_coco(folder, tmp_path / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("years of work")
    (folder / "labels/train/a.txt").write_text("")
    assert main(["data", "convert", "yolo", str(folder), "--to", str(tmp_path / "out")]) == 1
    assert "is not empty" in capsys.readouterr().err
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_random_damage_never_raises_anything_else(tmp_path):
    """300 damaged label files each: converted, or told by a DatasetError."""
    dice = random.Random(0)
    folder, other = yolo(tmp_path / "yolo"), voc(tmp_path / "voc")
    for file, root, convert in (
        (folder / "labels/train/a.txt", folder, yolo_to_coco),
        (folder / "data.yaml", folder, yolo_to_coco),
        (other / "Annotations/a.xml", other, voc_to_coco),
    ):
        whole, told = file.read_bytes(), 0
        for number in range(100):
            damaged = bytearray(whole)
            for _ in range(dice.randint(1, 4)):
                place = dice.randrange(len(damaged))
                damaged[place : place + dice.randint(0, 3)] = bytes([dice.randrange(256)])
            file.write_bytes(bytes(damaged))
            try:
                convert(root, tmp_path / f"{file.name}{number}")
            except DatasetError:
                told += 1
        file.write_bytes(whole)
        assert told > 0


def test_a_line_alone():
    assert parse_line("1 0.5 0.5 1 1", 2) == (1, (0, 0, 1, 1))
    with pytest.raises(ValueError, match="class 2"):
        parse_line("2 0.5 0.5 1 1", 2)
