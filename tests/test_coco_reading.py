"""Reading sets in COCO's format: one test for each thing that real sets get wrong."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from yolox_edu.data import DatasetError, PictureError
from yolox_edu.data.coco import CocoSource, open_coco
from yolox_edu.data.picture import read_picture

W, H = 60, 40
CATEGORIES = [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"}, {"id": 3, "name": "car"}]


def picture(height=H, width=W, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def annotation(i, bbox=(10, 5, 20, 10), **more):
    return {"id": i, "image_id": 1, "category_id": 1, "bbox": list(bbox), "iscrowd": 0, "area": 1.0} | more


@pytest.fixture
def make(tmp_path):
    """make(annotations, images, categories) writes a set with two PNG pictures; returns the JSON's path."""

    def write(annotations=(), images=None, categories=CATEGORIES):
        folder = tmp_path / "val"
        folder.mkdir(exist_ok=True)
        for i in (1, 2):
            Image.fromarray(picture(seed=i)).save(folder / f"{i}.png")
        if images is None:
            images = [{"id": i, "file_name": f"{i}.png", "width": W, "height": H} for i in (1, 2)]
        data = {"images": images, "annotations": list(annotations), "categories": categories}
        path = tmp_path / "annotations" / "instances_val.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(data))
        return path

    return write


@pytest.fixture
def one(tmp_path):
    """one(name, save) puts one odd file into a set that says it is H x W, and reads it."""

    def read(name, save, height=H, width=W):
        save(tmp_path / name)
        images = [{"id": 1, "file_name": name, "width": width, "height": height}]
        data = {"images": images, "annotations": [], "categories": CATEGORIES}
        (tmp_path / "one.json").write_text(json.dumps(data))
        return CocoSource(tmp_path, tmp_path / "one.json")[0][0]

    return read


def test_a_plain_set(make, tmp_path):
    make([annotation(1), annotation(2, (0, 0, 60, 40), category_id=18)])
    source = open_coco(tmp_path, "val")
    assert len(source) == 2
    assert source.names == ("person", "car", "dog")
    assert source.category_ids == (1, 3, 18)
    image, target = source[0]
    assert image.dtype == np.uint8
    assert (image == picture(seed=1)).all()
    assert target["boxes"].tolist() == [[10, 5, 30, 15], [0, 0, 60, 40]]
    assert target["boxes"].dtype == np.float32
    assert target["labels"].tolist() == [0, 2]
    assert target["labels"].dtype == np.int64
    assert (target["image_id"], target["file"]) == (1, "1.png")
    assert source.dropped == []


def test_a_picture_without_objects(make, tmp_path):
    make([annotation(1)])
    _, target = open_coco(tmp_path, "val")[1]
    assert target["boxes"].shape == (0, 4)
    assert target["labels"].shape == (0,)


def test_targets_are_copies(make, tmp_path):
    make([annotation(1)])
    source = open_coco(tmp_path, "val")
    source[0][1]["boxes"][:] = -1
    assert source[0][1]["boxes"].tolist() == [[10, 5, 30, 15]]


def test_crowds_are_no_targets_but_stay_for_evaluation(make, tmp_path):
    make([annotation(1), annotation(2, iscrowd=1)])
    source = open_coco(tmp_path, "val")
    assert len(source[0][1]["boxes"]) == 1
    assert source.dropped == []
    assert source.coco.anns[2]["iscrowd"] == 1


def test_useless_boxes_are_dropped_and_counted(make, tmp_path):
    nan = float("nan")
    bad = [(5, 5, 0, 9), (5, 5, 9, -1), (nan, 5, 9, 9), (5, 5, float("inf"), 9), (60, 5, 9, 9), (5, -9, 9, 9)]
    make([annotation(1), *(annotation(i, box) for i, box in enumerate(bad, 2))])
    source = open_coco(tmp_path, "val")
    assert source[0][1]["boxes"].tolist() == [[10, 5, 30, 15]]
    assert [(file, i) for file, i, _ in source.dropped] == [("1.png", i) for i in range(2, 8)]
    words = ("no area", "no area", "not finite", "not finite", "outside", "outside")
    assert all(word in why for word, (_, _, why) in zip(words, source.dropped, strict=True))
    assert sorted(source.coco.anns) == [1, 2, 3, 6, 7]  # evaluation sees all that is finite, as the file says


def test_boxes_partly_outside_are_clipped(make, tmp_path):
    make([annotation(1, (-10, -10, 200, 25))])
    source = open_coco(tmp_path, "val")
    assert source[0][1]["boxes"].tolist() == [[0, 0, 60, 15]]
    assert source.coco.anns[1]["bbox"] == [-10, -10, 200, 25]


def test_area_and_iscrowd_may_be_missing(make, tmp_path):
    record = annotation(1)
    del record["area"], record["iscrowd"]
    make([record, annotation(2, area=None)])
    truth = open_coco(tmp_path, "val").coco.anns
    assert (truth[1]["area"], truth[1]["iscrowd"]) == (200, 0)
    assert truth[2]["area"] == 200


def test_annotation_id_zero_counts_in_evaluation(make, tmp_path, capsys):
    from pycocotools.cocoeval import COCOeval

    make([annotation(0)])
    coco = open_coco(tmp_path, "val").coco
    found = [{"image_id": 1, "category_id": 1, "bbox": [10, 5, 20, 10], "score": 0.9}]
    run = COCOeval(coco, coco.loadRes(found), "bbox")
    run.evaluate()
    run.accumulate()
    run.summarize()
    assert run.stats[0] == pytest.approx(1)


def test_pycocotools_keeps_quiet(make, tmp_path, capsys):
    make([annotation(1)])
    assert len(open_coco(tmp_path, "val").coco.anns) == 1
    assert capsys.readouterr() == ("", "")


def test_limit_and_subset(make, tmp_path):
    make([annotation(1, (0, 0, 0, 0)), annotation(2, image_id=2)])
    source = open_coco(tmp_path, "val")
    assert len(open_coco(tmp_path, "val", limit=1)) == 1
    part = source.subset([1])
    assert (len(part), part.files, part.dropped) == (1, ["2.png"], [])
    assert part[0][1]["image_id"] == 2
    assert list(part.coco.imgs) == [2]
    assert list(part.coco.anns) == [2]
    assert len(source.coco.imgs) == 2


# --- pictures of every kind


def test_grey(one):
    grey = picture()[..., 0]
    image = one("a.png", Image.fromarray(grey).save)
    assert (image == grey[..., None]).all()
    assert image.shape == (H, W, 3)


def test_palette(one):
    flat = Image.new("RGB", (W, H), (200, 30, 40))
    image = one("a.gif", flat.convert("P", palette=Image.Palette.ADAPTIVE).save)
    assert (image == (200, 30, 40)).all()


def test_what_is_transparent_becomes_grey(one):
    rgba = np.dstack([picture(), np.where(np.arange(W) < 30, 255, 0) * np.ones((H, 1), int)]).astype(np.uint8)
    image = one("a.png", Image.fromarray(rgba).save)
    assert (image[:, :30] == picture()[:, :30]).all()
    assert (image[:, 30:] == 114).all()


def test_cmyk(one):
    red = Image.new("CMYK", (W, H), (0, 255, 255, 0))
    assert np.abs(one("a.jpg", red.save).astype(int) - (255, 0, 0)).max() < 8


def test_sixteen_bits(one):
    deep = picture()[..., 0].astype(np.uint16) * 257
    image = one("a.png", Image.fromarray(deep).save)
    assert (image == picture()[..., :1]).all()


def test_float_pixels_are_refused(one):
    with pytest.raises(PictureError, match=r"a\.tiff.*8 or 16 bits"):
        one("a.tiff", Image.fromarray(picture()[..., 0].astype(np.float32)).save)


TURNS = {  # EXIF orientation -> how the stored pixels must be turned, in numpy
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


def with_exif(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return lambda path: Image.fromarray(picture()).save(path, exif=exif)


@pytest.mark.parametrize("orientation", TURNS)
def test_exif_rotation_is_applied(one, orientation):
    upright = TURNS[orientation](picture())
    image = one("a.png", with_exif(orientation), *upright.shape[:2])
    assert (image == upright).all()


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_exif_rotation_is_left_alone_if_the_annotations_mean_the_stored_pixels(one, orientation):
    assert (one("a.png", with_exif(orientation), H, W) == picture()).all()


def test_exif_without_annotations_is_applied(tmp_path):
    with_exif(6)(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").shape == (W, H, 3)


def test_truncated(one):
    def half(path):
        Image.fromarray(picture()).save(path)
        path.write_bytes(path.read_bytes()[:2000])

    for name in ("a.jpg", "a.png", "a.webp"):
        with pytest.raises(PictureError, match="cannot be read as a picture") as caught:
            one(name, half)
        assert caught.value.file == name


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"<html>404</html>", b"\xff\xd8\xff\xe0\0"]
)
def test_no_picture_at_all(one, content):
    with pytest.raises(PictureError, match="cannot be read as a picture"):
        one("a.jpg", lambda path: path.write_bytes(content))


def test_another_size_than_the_annotations_say(one):
    with pytest.raises(PictureError, match=r"a\.png: is 40 x 60 .* say 41 x 60"):
        one("a.png", Image.fromarray(picture()).save, height=41)


def test_a_picture_that_vanishes_after_opening(make, tmp_path):
    make()
    source = open_coco(tmp_path, "val")
    (tmp_path / "val" / "2.png").unlink()
    with pytest.raises(PictureError, match=r"2\.png: no such file"):
        source[1]


def test_a_picture_error_survives_pickling():
    import pickle

    error = pickle.loads(pickle.dumps(PictureError("a.jpg", "cut off")))
    assert (error.file, error.why, str(error)) == ("a.jpg", "cut off", "a.jpg: cut off")


# --- sets that cannot be used: refused at once, by name


def refuse(path, words):
    with pytest.raises(DatasetError, match=words) as caught:
        CocoSource(path.parent.parent / "val", path)
    assert str(path) in str(caught.value) or str(path.parent.parent) in str(caught.value)


def test_missing_pictures(make):
    images = [{"id": i, "file_name": f"{i}.png", "width": W, "height": H} for i in range(1, 12)]
    refuse(make(images=images), r"9 of the 11 pictures .* 3\.png, 4\.png, 5\.png, 6\.png, 7\.png and 4 more")


def test_pictures_in_sub_folders(make, tmp_path):
    path = make(images=[{"id": 1, "file_name": "val/1.png", "width": W, "height": H}])
    assert len(CocoSource(tmp_path, path)) == 1


def test_unknown_category(make):
    refuse(
        make([annotation(7, category_id=2)]),
        "whose category_id is not in 'categories': annotation 7 -> 2",
    )


def test_unknown_image(make):
    refuse(
        make([annotation(7, image_id=99)]),
        "whose image_id is not in 'images': annotation 7 -> 99",
    )


@pytest.mark.parametrize("part", ["images", "annotations", "categories"])
def test_ids_used_twice(make, part):
    images = [{"id": 1, "file_name": "1.png", "width": W, "height": H}] * (2 if part == "images" else 1)
    records = [annotation(1)] * (2 if part == "annotations" else 1)
    categories = [{"id": 1, "name": "person"}] * (2 if part == "categories" else 1)
    refuse(make(records, images, categories), f"ids in '{part}' that occur more than once: 1")


@pytest.mark.parametrize("field", ["id", "image_id", "category_id", "bbox"])
def test_missing_field_of_an_annotation(make, field):
    record = annotation(5)
    del record[field]
    refuse(make([record]), rf"annotations\[0\] .* has no field '{field}'")


@pytest.mark.parametrize("field", ["id", "file_name", "width", "height"])
def test_missing_field_of_an_image(make, field):
    image = {"id": 1, "file_name": "1.png", "width": W, "height": H}
    del image[field]
    refuse(make(images=[image]), rf"images\[0\] .* has no field '{field}'")


@pytest.mark.parametrize("part", ["images", "annotations", "categories"])
def test_missing_list(make, part):
    path = make()
    data = json.loads(path.read_text())
    del data[part]
    path.write_text(json.dumps(data))
    refuse(path, f"no list '{part}'")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bbox": [1, 2, 3]}, re.escape("bbox is [1, 2, 3]; [x, y, width, height] was expected")),
        ({"bbox": [1, 2, "3", 4]}, "bbox is"),
        ({"bbox": None}, "bbox is None; list was expected"),
        ({"image_id": "1"}, "image_id is '1'; int was expected"),
    ],
)
def test_fields_of_the_wrong_type(make, change, words):
    refuse(make([annotation(1) | change]), words)


def test_no_pictures_or_no_classes(make):
    refuse(make(images=[]), "'images' is empty")
    refuse(make(categories=[]), "'categories' is empty")


@pytest.mark.parametrize(
    "text", ['{"images": [', "", "[1, 2]", '{"images": [3]}', "\ud800".encode("utf-16", "surrogatepass")]
)
def test_malformed_json(make, text):
    path = make()
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    refuse(path, "not valid JSON|is empty|holds a JSON list|object was expected|is not UTF-8")


def test_layouts_and_what_was_looked_for(make, tmp_path):
    make()
    with pytest.raises(DatasetError, match=r"instances_train\.json; there is instances_val\.json"):
        open_coco(tmp_path, "train")
    with pytest.raises(DatasetError, match="no such folder"):
        open_coco(tmp_path / "nowhere", "val")
    (tmp_path / "images").mkdir()
    (tmp_path / "val").rename(tmp_path / "images" / "val")
    assert open_coco(tmp_path, "val")[0][0].shape == (H, W, 3)
    (tmp_path / "images" / "val").rename(tmp_path / "elsewhere")
    with pytest.raises(DatasetError, match="val/ and images/val/; neither exists"):
        open_coco(tmp_path, "val")


def test_real_coco_agrees_with_pycocotools(shared, capsys):
    from pycocotools.coco import COCO

    truth = COCO(str(shared / "coco-mini/annotations/instances_val2017.json"))
    source = open_coco(shared / "coco-mini", "val2017")
    assert len(source) == len(truth.imgs)
    assert len(source.names) == 80
    assert source.coco.anns.keys() == truth.anns.keys()
    for i in range(len(source)):
        image, target = source[i]
        info = truth.imgs[target["image_id"]]
        assert image.shape == (info["height"], info["width"], 3)
        records = truth.loadAnns(truth.getAnnIds([info["id"]], iscrowd=False))
        boxes = np.array([r["bbox"] for r in records]).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        assert np.abs(target["boxes"] - boxes).max(initial=0) < 0.01
        assert [source.category_ids[k] for k in target["labels"]] == [r["category_id"] for r in records]
