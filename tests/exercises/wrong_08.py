"""Typical wrong answers to the exercises of chapter 08, and words of the message that each must get."""

import torch
import torch.nn.functional as F


def neck(swap="", smooth=False, lateral4_from_c4=False, down4_from_top=False, twice="", back=False):
    def wire(parts, c3, c4, c5):
        def join(name, a, b):
            return torch.cat((b, a) if name == swap else (a, b), dim=1)

        def up(x):
            mode = {"mode": "bilinear", "align_corners": False} if smooth else {"mode": "nearest"}
            return F.interpolate(x, scale_factor=2, **mode)

        lateral5 = parts["lateral5"](c5)
        top4 = parts["topdown4"](join("topdown4", up(lateral5), c4))
        lateral4 = parts["lateral4"](c4 if lateral4_from_c4 else top4)
        p3 = parts["topdown3"](join("topdown3", up(lateral4), c3))
        d3 = parts["down3"](p3)
        p4 = parts["bottomup4"](join("bottomup4", d3, d3 if twice == "bottomup4" else lateral4))
        d4 = parts["down4"](top4 if down4_from_top else p4)
        p5 = parts["bottomup5"](join("bottomup5", d4, d4 if twice == "bottomup5" else lateral5))
        return (p5, p4, p3) if back else (p3, p4, p5)

    return wire


def added(parts, c3, c4, c5):
    return parts["topdown4"](F.interpolate(parts["lateral5"](c5), scale_factor=2) + c4)


def only_two(parts, c3, c4, c5):
    return neck()(parts, c3, c4, c5)[:2]


def by_results(suspect, right, maps):
    """Looks at P3, P4 and P5 alone."""
    for name, a, b in zip(("topdown3", "bottomup4", "bottomup5"), suspect(*maps), right(*maps)):
        if not torch.equal(a, b):
            return name
    return "none"


def last(suspect, right, maps):
    """The last input that is off, not the first."""
    off = [name for name, same in _inputs(suspect, right, maps) if not same]
    return off[-1] if off else "none"


def sorted_sums(suspect, right, maps):
    """Sums forget the order."""
    for name, same in _inputs(suspect, right, maps, lambda a, b: torch.isclose(a.sum(), b.sum(), atol=1e-3)):
        if not same:
            return name
    return "none"


def always_there(suspect, right, maps):
    """Blames the join with the right fault even where there is none."""
    off = [name for name, same in _inputs(suspect, right, maps) if not same]
    return off[0] if off else "topdown4"


def _inputs(suspect, right, maps, equal=torch.equal):
    names = ("topdown4", "topdown3", "bottomup4", "bottomup5")
    seen = []
    for model in (suspect, right):
        got = {}
        hooks = [
            getattr(model, name).register_forward_pre_hook(lambda _, a, n=name, g=got: g.update({n: a[0]}))
            for name in names
        ]
        model(*maps)
        [hook.remove() for hook in hooks]
        seen.append(got)
    return [(name, bool(equal(seen[0][name], seen[1][name]))) for name in names]


WRONG = {
    "08.1": [
        *((neck(swap=name), f"in front of {name}") for name in ("topdown4", "topdown3")),
        (neck(swap="bottomup4"), "lateral4 comes first; down3 should"),
        (neck(swap="bottomup5"), "lateral5 comes first; down4 should"),
        (neck(smooth=True), "nearest was asked"),
        (neck(lateral4_from_c4=True), "lateral4 takes C4 itself"),
        (neck(down4_from_top=True), "down4 takes the map of topdown4"),
        (neck(twice="bottomup4"), "down3 comes twice"),
        (neck(twice="bottomup5"), "down4 comes twice"),
        (neck(back=True), "the finest comes first"),
        (added, "raised RuntimeError"),
        (only_two, "2 things came out; 3 were asked"),
    ],
    "08.2": [
        (by_results, "for a neck in which"),
        (last, "only because topdown3, before it, is"),
        (sorted_sums, "C3 comes first"),
        (always_there, "nothing is wrong"),
        (lambda s, r, m: "P3", "was asked"),
        (lambda s, r, m: "none", "nothing was found"),
        (lambda s, r, m: "topdown4", "what enters it is right"),
    ],
    "08.3": [
        (512, "L's width"),
        (256, "the neck does not"),
        (192, "P3's width"),
        (768, "P5's width"),
        (400, "not right"),
    ],
    "08.4": [
        (lambda w: int(1024 * w) * int(512 * w), "batch norm is missing"),
        (lambda w: (int(1024 * w) + 3) * int(512 * w), "has no bias"),
        (lambda w: (int(1024 * w) + 1) * int(512 * w), "two numbers, not one"),
        (lambda w: (int(1024 * w) + 4) * int(512 * w), "not learned"),
        (lambda w: int(1024 * w) * int(512 * w) + 2 * int(1024 * w), "each channel that comes out"),
        (lambda w: 9 * int(1024 * w) * int(512 * w) + 2 * int(512 * w), "lateral5 is 1 × 1"),
        (lambda w: 1024 * 512 + 1024, "width multiplier"),
        (lambda w: 1024 * w * 512 * w + 2 * 512 * w, "cut to whole numbers"),
    ],
}
