"""Typical wrong answers to the exercises of chapter 21, and words of the message that each must get."""

import torch


def line(make):
    """An answer to 21.1 from the four shares and the picture's sides."""

    def answer(text, width, height):
        label, *shares = map(float, text.split())
        return int(label), torch.tensor(make(*shares, width, height))

    return answer


def right_line(cx, cy, w, h, width, height):
    return [(cx - w / 2) * width, (cy - h / 2) * height, (cx + w / 2) * width, (cy + h / 2) * height]


def near(train, val, limit=4.0, signed=False):
    apart = train[:, None].float() - val[None].float()  # n m 16 16
    apart = (apart if signed else apart.abs()).mean((2, 3)).abs()
    return [(int(i), int(j)) for i, j in (apart < limit).nonzero()]


def bytes_wrap(train, val):
    apart = (train[:, None] - val[None]).float().mean((2, 3))
    return [(int(i), int(j)) for i, j in (apart < 4).nonzero()]


def equal_bytes(train, val):
    return [(i, j) for i, a in enumerate(train) for j, b in enumerate(val) if torch.equal(a, b)]


def mend(leave=(), drop=()):
    """An answer to 21.3 that leaves some faults as they are, and deletes some that it could mend."""

    def answer(records):
        wide = {image["id"]: image["width"] for image in records["images"]}
        kept = {}
        for number, old in enumerate(records["annotations"]):
            x, y, w, h = old["bbox"]
            over = x + w - wide.get(old["image_id"], 10**6)
            lost = old["image_id"] not in wide and "picture" not in leave
            if lost or (w <= 0 and "flat" not in leave) or (over > 0 and "over" in drop):
                continue
            if "over" not in leave and over > 0:
                w -= over
            kind = old["category_id"] + ("class" not in leave)
            if "class" in drop:
                if old["category_id"] == 0:
                    continue
                kind = old["category_id"]
            key = (old["image_id"], kind, x, y, w, h) + ((number,) if "double" in leave else ())
            kept[key] = old | {"bbox": [x, y, w, h], "category_id": kind, "area": w * h}
        rows = list(kept.values())
        if "id" in drop:
            rows = list({row["id"]: row for row in rows}.values())
        if "id" not in leave:
            rows = [row | {"id": i} for i, row in enumerate(rows, start=1)]
        return records | {"annotations": rows}

    return answer


def everything_away(records):
    """Silent, but nothing is left of the set."""
    answer = mend()(records)
    rows = answer["annotations"][:1]
    return (
        answer
        | {"images": [i for i in records["images"] if i["id"] == rows[0]["image_id"]]}
        | {"annotations": rows}
    )


WRONG = {
    "21.1": [
        (
            line(lambda cx, cy, w, h, W, H: [cx * W, cy * H, w * W, h * H]),
            "centre, width and height in pixels",
        ),
        (
            line(lambda cx, cy, w, h, W, H: [cx * W, cy * H, (cx + w) * W, (cy + h) * H]),
            "taken for the corner",
        ),
        (line(lambda cx, cy, w, h, W, H: right_line(cx, cy, w, h, H, W)), "exchanged"),
        (line(lambda cx, cy, w, h, W, H: right_line(cx, cy, w, h, 1, 1)), "still shares"),
        (
            line(lambda cx, cy, w, h, W, H: [(cx - w / 2) * W, (cy - h / 2) * H, w * W, h * H]),
            "COCO's x, y, w, h",
        ),
        (lambda text, W, H: line(right_line)(text, W, H)[1], "two things were asked"),
        (lambda text, W, H: (0, line(right_line)(text, W, H)[1]), "on the line"),
    ],
    "21.2": [
        (bytes_wrap, "wraps round"),
        (equal_bytes, "was missed"),
        (lambda train, val: [(j, i) for i, j in near(train, val)], "wrong way round"),
        (lambda train, val: near(train, val, limit=1e3), "that is another picture"),
        (lambda train, val: near(train, val, signed=True), "that is another picture"),
        (lambda train, val: len(near(train, val)), "pairs (i of train, j of val)"),
    ],
    "21.3": [
        (lambda records: records, "the checker still says: error"),
        (mend(leave=["class"]), "add 1 in every annotation"),
        (mend(leave=["picture"]), "no picture has this id"),
        (mend(leave=["flat"]), "no area"),
        (mend(leave=["over"]), "over the picture's edge"),
        (mend(leave=["double"]), "stands there twice"),
        (mend(leave=["id"]), "the same id"),
        (mend(drop=["over"]), "a good box is gone"),
        (mend(drop=["id"]), "a good box is gone"),
        (mend(drop=["class"]), "a good box is gone"),
        (everything_away, "a good box is gone"),
        (lambda records: records["annotations"], "the records were asked"),
    ],
}
