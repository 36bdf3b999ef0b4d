"""The training set: the same sample whoever asks, whatever is wrong with a picture named, not fatal."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from yolox_edu.data import DatasetError, PictureError
from yolox_edu.data.augment import Augment
from yolox_edu.data.coco import open_coco
from yolox_edu.data.letterbox import letterbox
from yolox_edu.data.training import RamCache, TrainSet, collate, start_worker

SIZE = (96, 128)
PLAIN = Augment(hsv=(0, 0, 0), flip=0.0, mosaic=0.0)


class Source:
    """Noise pictures of odd sizes with a few boxes; `broken` ones cannot be read."""

    names, category_ids = ("a", "b", "c"), (1, 5, 9)

    def __init__(self, n=12, broken=(), boxes=None):
        self.n, self.broken, self.boxes, self.reads = n, set(broken), boxes, 0

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        self.reads += 1
        if i in self.broken:
            raise PictureError(f"{i}.jpg", "cut off")
        rng = np.random.default_rng(i)
        height, width = rng.integers(40, 200, 2).tolist()
        image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        if self.boxes is None:
            a, b = rng.uniform([[[0, 0]], [[0.4, 0.4]]], [[[0.3, 0.3]], [[1, 1]]], (2, 5, 2))
            boxes = np.hstack([a, b]) * [width, height, width, height]
        else:
            boxes = np.array(self.boxes).reshape(-1, 4)
        labels = np.arange(len(boxes)) % 3
        return image, {
            "boxes": boxes.astype(np.float32),
            "labels": labels,
            "image_id": 100 + i,
            "file": f"{i}.jpg",
        }


def same(a, b):
    (x, s), (y, t) = a, b
    tensors = (
        torch.equal(x, y) and torch.equal(s["boxes"], t["boxes"]) and torch.equal(s["labels"], t["labels"])
    )
    return tensors and {**s, "boxes": 0, "labels": 0} == {**t, "boxes": 0, "labels": 0}


def keys(n, epoch=0, mosaic=True):
    return [(i, epoch, mosaic) for i in range(n)]


def test_what_a_sample_is():
    image, target = TrainSet(Source(), SIZE, Augment())[3, 0, True]
    assert image.dtype == torch.uint8
    assert image.shape == (3, *SIZE)
    assert image.is_contiguous()
    assert target["boxes"].dtype == torch.float32
    assert target["labels"].dtype == torch.int64
    assert target["boxes"].shape == (len(target["labels"]), 4)
    assert (target["image_id"], target["file"], target["bad"], target["cut"]) == (103, "3.jpg", [], 0)


def test_a_sample_depends_on_its_key_and_the_seed_only():
    one, other = TrainSet(Source(), SIZE, Augment(), seed=1), TrainSet(Source(), SIZE, Augment(), seed=1)
    forward = [one[key] for key in keys(12)]
    backward = [other[key] for key in reversed(keys(12))][::-1]
    assert all(map(same, forward, backward))
    assert not any(same(one[key], sample) for key, sample in zip(keys(12, epoch=1), forward, strict=True))
    seeded = TrainSet(Source(), SIZE, Augment(), seed=2)
    assert not any(same(seeded[key], sample) for key, sample in zip(keys(12), forward, strict=True))


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_workers_change_no_byte(workers):
    train = TrainSet(Source(broken=[4]), SIZE, Augment(), seed=5)
    loader = DataLoader(
        train,
        batch_size=5,
        sampler=keys(12),
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=start_worker,
    )
    batches = list(loader)
    assert [len(images) for images, _ in batches] == [5, 5, 2]
    found = [sample for images, targets in batches for sample in zip(images, targets, strict=True)]
    assert all(map(same, found, [train[key] for key in keys(12)]))


def test_every_box_is_a_proper_one():
    train = TrainSet(Source(), SIZE, Augment(), seed=0)
    total = 0
    for epoch in range(10):
        for key in keys(12, epoch):
            boxes = train[key][1]["boxes"]
            total += len(boxes)
            assert (boxes >= 0).all()
            assert (boxes <= torch.tensor([128, 96, 128, 96])).all()
            assert (boxes[:, 2:] - boxes[:, :2] > 1).all()
    assert total > 300


def test_without_augmentation_it_is_the_letterbox():
    source = Source()
    for key in (*keys(12), *keys(12, mosaic=False)):
        image, target = TrainSet(source, SIZE, PLAIN)[key]
        picture, truth = source[key[0]]
        canvas, scale = letterbox(picture, SIZE)
        assert (image.int() - canvas.int()).abs().max() <= 1
        assert np.abs(target["boxes"].numpy() - truth["boxes"] * scale).max() < 1e-4
        assert target["labels"].tolist() == truth["labels"].tolist()


def test_colour_and_mirror_leave_the_padding_of_a_single_picture_alone():
    train = TrainSet(Source(), SIZE, Augment(flip=1.0, hsv=(0, 0, 200)), seed=1)
    for key in keys(12, mosaic=False):
        picture, truth = train.source[key[0]]
        scale = min(SIZE[0] / picture.shape[0], SIZE[1] / picture.shape[1])
        height, width = int(picture.shape[0] * scale), int(picture.shape[1] * scale)
        image, target = train[key]
        assert (image[:, height:] == 114).all()
        assert (image[:, :, width:] == 114).all()
        assert np.allclose(target["boxes"][:, 0], width - truth["boxes"][:, 2] * scale, atol=1e-3)


def test_mosaic_happens_when_it_is_allowed_and_as_often_as_asked():
    source = Source(n=40)
    train = TrainSet(source, SIZE, Augment(mosaic=0.5, mixup=0.0), seed=0)

    def mosaics(allowed):
        count = 0
        for key in keys(40, mosaic=allowed) + keys(40, 1, allowed) + keys(40, 2, allowed):
            source.reads = 0
            train[key]
            count += source.reads > 1
        return count

    assert mosaics(False) == 0
    assert 35 <= mosaics(True) <= 70  # of 120; a few layouts show one picture only


def test_if_every_label_is_lost_the_plain_picture_is_given():
    """Boxes in the far corner of each picture, and a view of the near corner only."""
    boxes = [[0.0, 0.0, 1.5, 1.5]]
    train = TrainSet(Source(boxes=boxes), SIZE, Augment(mixup=0.0, scale=(0.1, 0.15), min_visible=1.0))
    for key in keys(12):
        image, target = train[key]
        picture, _ = train.source[key[0]]
        canvas, scale = letterbox(picture, SIZE)
        assert (image.int() - canvas.int()).abs().max() <= 1
        side = 1.5 * scale
        assert target["boxes"].tolist() == (
            [[0, 0, pytest.approx(side), pytest.approx(side)]] if side > 1 else []
        )


def test_a_set_without_any_label_still_gives_mosaics():
    train = TrainSet(Source(boxes=[]), SIZE, Augment())
    for key in keys(12):
        image, target = train[key]
        assert target["boxes"].shape == (0, 4)
        assert image.shape == (3, *SIZE)


def test_too_many_boxes_are_cut_and_counted():
    boxes = [[0.0, 0.0, 30.0, 30.0]] * 130
    _, target = TrainSet(Source(boxes=boxes), SIZE, PLAIN)[0, 0, False]
    assert (len(target["boxes"]), target["cut"]) == (120, 10)


def test_poisonous_boxes_are_left_out():
    nan, inf = float("nan"), float("inf")
    boxes = [[nan, 0, 30, 30], [0, 0, inf, 30], [5, 5, 5, 30], [30, 30, 5, 5], [3, 3, 30, 30]]
    for augment in (PLAIN, Augment()):
        train = TrainSet(Source(boxes=boxes), SIZE, augment)
        labels = torch.cat([train[key][1]["labels"] for key in keys(12)])
        assert set(labels.tolist()) == {4 % 3}


def test_an_unreadable_picture_is_replaced_by_the_next_and_named():
    train = TrainSet(Source(broken=[3, 4]), SIZE, PLAIN)
    image, target = train[3, 0, False]
    assert torch.equal(image, train[5, 0, False][0])
    assert (target["file"], target["image_id"], target["bad"]) == ("5.jpg", 105, ["3.jpg", "4.jpg"])
    assert train[5, 0, False][1]["bad"] == []
    wrapped = TrainSet(Source(broken=[11]), SIZE, PLAIN)[11, 0, False][1]
    assert (wrapped["file"], wrapped["bad"]) == ("0.jpg", ["11.jpg"])


def test_unreadable_pictures_in_a_mosaic_are_named():
    train = TrainSet(Source(broken=range(1, 12)), SIZE, Augment())
    named = [name for key in keys(12) for name in train[key][1]["bad"]]
    assert set(named) <= {f"{i}.jpg" for i in range(1, 12)}
    assert len(named) > 20


def test_twenty_bad_pictures_in_a_row_stop_the_run():
    with pytest.raises(DatasetError, match=r"20 pictures in a row .* 19\.jpg: cut off"):
        TrainSet(Source(n=30, broken=range(30)), SIZE, PLAIN)[0, 0, False]
    with pytest.raises(DatasetError, match="12 pictures in a row"):
        TrainSet(Source(n=12, broken=range(12)), SIZE, PLAIN)[0, 0, False]
    with pytest.raises(DatasetError, match="empty"):
        TrainSet(Source(n=0), SIZE, PLAIN)


def test_ram_cache_is_the_source_read_once():
    source = Source(broken=[2])
    cached = RamCache(source)
    assert source.reads == len(cached) == 12
    train, again = TrainSet(source, SIZE, Augment()), TrainSet(cached, SIZE, Augment())
    assert all(same(train[key], again[key]) for key in keys(12))
    with pytest.raises(PictureError, match=r"2\.jpg: cut off"):
        cached[2]
    assert cached.names == source.names
    assert cached.category_ids == source.category_ids


def test_on_real_pictures(shared):
    source = open_coco(shared / "coco-mini", "train2017", limit=16)
    train = TrainSet(source, (320, 320), Augment(), seed=3)
    for key in keys(16):
        image, target = train[key]
        assert target["bad"] == []
        assert len(target["boxes"])
        assert image.float().std() > 5
