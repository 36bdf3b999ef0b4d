"""Typical wrong answers to the exercises of chapter 00, and a piece of what each must be told."""

import torch

STRIDES = (8, 16, 32)


def _sides(x, y, w, h):
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


def in_cells(row, u, v, s):
    return _sides(row[0] + u, row[1] + v, row[2].exp(), row[3].exp())


def logs(row, u, v, s):
    return _sides((row[0] + u) * s, (row[1] + v) * s, row[2] * s, row[3] * s)


def swapped(row, u, v, s):
    return _sides((row[0] + v) * s, (row[1] + u) * s, row[2].exp() * s, row[3].exp() * s)


def no_cell(row, u, v, s):
    return _sides(row[0] * s, row[1] * s, row[2].exp() * s, row[3].exp() * s)


def middle(row, u, v, s):
    return _sides((row[0] + u + 0.5) * s, (row[1] + v + 0.5) * s, row[2].exp() * s, row[3].exp() * s)


def corner(row, u, v, s):
    x, y, w, h = centre(row, u, v, s)
    return torch.stack([x, y, x + w, y + h])


def centre(row, u, v, s):
    return (row[0] + u) * s, (row[1] + v) * s, row[2].exp() * s, row[3].exp() * s


def three(row, u, v, s):
    return centre(row, u, v, s)[:3]


def in_place(row, u, v, s):
    row[:2] += torch.tensor([u, v])
    row[2:4] = row[2:4].exp()
    return _sides(*(row[:4] * s))


def class_alone(row):
    p = row[5:].sigmoid()
    return p.max(), p.argmax()


def class_from_0(row):
    p = row.sigmoid()[5:] * row[4].sigmoid()
    return p.max(), p.argmax() + 5


def softmax(row):
    p = row[5:].softmax(0) * row[4].sigmoid()
    return p.max(), p.argmax()


def summed(row):
    p = (row[5:] + row[4]).sigmoid()
    return p.max(), p.argmax()


def raw(row):
    p = row[5:] * row[4]
    return p.max(), p.argmax()


def turned(row):
    p = row[5:].sigmoid() * row[4].sigmoid()
    return p.argmax(), p.max()


WRONG = {
    "00.1": [
        (lambda h, w: h // 8 * (w // 8), "the grid of stride 8 alone"),
        (lambda h, w: sum(h // s + w // s for s in STRIDES), "rows times columns"),
        (lambda h, w: sum((h // s) ** 2 for s in STRIDES), "the width is not used"),
        (lambda h, w: sum((w // s) ** 2 for s in STRIDES), "the height is not used"),
        (lambda h, w: [h // s * (w // s) for s in STRIDES], "a list of 3 things came out"),
        (lambda h, w: sum(h // s * w // s for s in ("8", "16")), "raised TypeError"),
        (21 * 100, "give the function itself"),
    ],
    "00.2": [
        (in_cells, "times the stride gives pixels"),
        (logs, "exp undoes them"),
        (swapped, "column and row are swapped"),
        (no_cell, "column and row are left out"),
        (middle, "0.5 is added to the centre"),
        (corner, "left and top are the centre itself"),
        (centre, "your box is centre, width, height"),
        (three, "3 things came out; 4 were asked"),
        (in_place, "in_place changes its input"),
    ],
    "00.3": [
        (class_alone, "multiply with the object's sigmoid"),
        (class_from_0, "class 0 stands in column 5"),
        (softmax, "each has a sigmoid of its own"),
        (summed, "not the product of two sigmoids"),
        (raw, "take the sigmoid of each first"),
        (turned, "the score comes first"),
        (lambda row: row[5:].max(), "2 things were asked"),
    ],
}
