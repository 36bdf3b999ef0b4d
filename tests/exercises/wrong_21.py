"""Typical wrong answers to the exercises of chapter 21, and words of the message that each must get."""

import torch


def numbers(line, width, height):
    label, cx, cy, w, h = map(float, line.split())
    return int(label), cx * width, cy * height, w * width, h * height


def centre(line, width, height):
    label, *box = numbers(line, width, height)
    return label, torch.tensor(box)


def corner(line, width, height):
    label, cx, cy, w, h = numbers(line, width, height)
    return label, torch.tensor([cx, cy, cx + w, cy + h])


def coco(line, width, height):
    label, cx, cy, w, h = numbers(line, width, height)
    return label, torch.tensor([cx - w / 2, cy - h / 2, w, h])


def shares(line, width, height):
    label, cx, cy, w, h = numbers(line, 1, 1)
    return label, torch.tensor([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2])


def right(line, width, height):
    label, cx, cy, w, h = numbers(line, width, height)
    return label, torch.tensor([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2])


def turned(line, width, height):
    label, box = right(line, width, height)
    return label, box[[1, 0, 3, 2]]


def near(train, val, limit=4, cast=torch.float32, size=torch.abs):
    apart = size((train[:, None].to(cast) - val[None].to(cast)).float()).mean((2, 3))
    return [(int(i), int(j)) for i, j in (apart < limit).nonzero()]


def other_names(records):
    records = mend(records, classes=0)
    return {**records, "categories": [{**c, "id": c["id"] - 1} for c in records["categories"]]}


def mend(records, classes=1, ids=True, doubles=True, unknown=True, flat=True, clip="clip"):
    wide, kept = {i["id"]: i["width"] for i in records["images"]}, []
    for r in records["annotations"]:
        x, y, w, h = r["bbox"]
        if (unknown and r["image_id"] not in wide) or (flat and w <= 0):
            continue
        if x + w > wide.get(r["image_id"], 1e9):
            if clip == "drop":
                continue
            w = wide[r["image_id"]] - x if clip == "clip" else w
        new = r | {"bbox": [x, y, w, h], "area": w * h, "category_id": r["category_id"] + classes}
        same = [k for k in kept if {**k, "id": 0} == {**new, "id": 0}]
        if not (doubles and same):
            kept.append(new)
    if ids:
        kept = [r | {"id": i} for i, r in enumerate(kept, start=1)]
    return {**records, "annotations": kept}


WRONG = {
    "21.1": [
        (centre, "centre, width and height in pixels"),
        (corner, "the centre was taken for the corner"),
        (coco, "COCO's x, y, w, h"),
        (shares, "still shares"),
        (lambda line, w, h: right(line, h, w), "exchanged"),
        (turned, "x and y are exchanged"),
        (lambda line, w, h: right(line, w, h)[1], "two things were asked"),
    ],
    "21.2": [
        (lambda a, b: near(a, b, limit=100), "that is another picture"),
        (lambda a, b: near(a, b, cast=torch.uint8), "wraps round"),
        (lambda a, b: near(a, b, size=lambda x: x), "cancel"),
        (lambda a, b: near(a, b, limit=0.01), "Need pixels be equal"),
        (lambda a, b: [(j, i) for i, j in near(a, b)], "train comes first"),
        (lambda a, b: [], "was missed"),
        (lambda a, b: 3, "pairs (i of train, j of val) were asked"),
    ],
    "21.3": [
        (lambda r: r, "the checker still says"),
        (lambda r: mend(r, ids=False), "the same id"),
        (lambda r: mend(r, classes=0), "no class has this id"),
        (lambda r: mend(r, doubles=False), "stands there twice"),
        (lambda r: mend(r, clip="leave"), "reaches over"),
        (other_names, "under the names of other classes"),
        (lambda r: mend(r, clip="drop"), "a good box is gone"),
        (lambda r: [], "the records were asked"),
    ],
}
