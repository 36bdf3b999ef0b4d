"""What chapter 11 says of the rules, against loops, the package and its own printed numbers."""

import ast
import html
import math
import re
from functools import cache

import notebooks
import pytest
import torch
from torchvision.ops import box_iou

from yolox_edu.boxes import STRIDES, cxcywh_to_xyxy, grid, iou, xyxy_to_cxcywh
from yolox_edu.data.crossing import Crossing
from yolox_edu.simota import assign, candidate_cells, pad_targets
from yolox_edu.viz.assigners import positives
from yolox_edu.weights import load

CHAPTER = notebooks.BOOK / "11_who_is_positive.ipynb"
SIZE = (320, 320)
SCENES = {"bus": 97, "crowd": 24, "lights": 17}
CELLS = [
    (s, (u + 0.5) * s, (v + 0.5) * s) for s in STRIDES for v in range(320 // s) for u in range(320 // s)
]  # stride, x, y


@cache
def printed():
    """All that the chapter's cells print."""
    outputs = [out for cell in notebooks.read(CHAPTER).cells for out in cell.get("outputs", [])]
    return "".join(out.get("text", "") for out in outputs)


@cache
def page():
    """All HTML that the chapter's cells show."""
    outputs = [out for cell in notebooks.read(CHAPTER).cells for out in cell.get("outputs", [])]
    return html.unescape("".join(out.get("data", {}).get("text/html", "") for out in outputs))


@cache
def streets():
    """The boxes (g 4, xyxy) of the 200 streets."""
    view = Crossing.split("val", 200)
    return [torch.as_tensor(view.target(i)["boxes"]) for i in range(200)]


@pytest.fixture(scope="module")
def chapter():
    """The functions and the constants of the cells tagged `rule`, without their figures."""
    cells, strides = grid(SIZE)
    names = {"torch": torch, "iou": iou, "candidate_cells": candidate_cells, "SIZE": SIZE}
    names |= {"cells": cells, "strides": strides, "xy": (cells + 0.5) * strides}
    for cell in notebooks.read(CHAPTER).cells:
        if "rule" in cell.metadata.get("tags", []):
            for node in ast.parse(cell.source).body:
                constant = isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in (
                    "ANCHORS",
                    "ENDS",
                    "level",
                )
                if constant or isinstance(node, ast.FunctionDef):
                    exec(compile(ast.unparse(node), "chapter 11", "exec"), names)
    return names


@pytest.fixture(scope="module")
def boxes():
    """Boxes of all sizes, some hanging over the rim, some centred on a corner: g 4, cxcywh."""
    torch.manual_seed(0)
    made = torch.rand(40, 4) * torch.tensor([320.0, 320, 1, 1])
    made[:, 2:] = 4 + 250 * made[:, 2:] ** 3
    made[:5, :2] = (made[:5, :2] / 32).round() * 32
    return made


def looped(boxes, wants):
    """g a: `wants(box, stride, x, y)` for every object and every cell."""
    return torch.tensor([[wants(box, *cell) for cell in CELLS] for box in boxes.tolist()])


# --- the rules, by loops ----------------------------------------------------------------------------------


def level_for(reach):
    """FCOS's ranges at 320 pixels: a stride."""
    return 8 if reach <= 64 * 0.4 else 16 if reach <= 128 * 0.4 else 32


@pytest.mark.parametrize("steps", [0, 1])
def test_cells_around_the_centre(chapter, boxes, steps):
    def wants(box, s, x, y):
        x0, y0, w, h = box
        home_x, home_y = (x0 // s + 0.5) * s, (y0 // s + 0.5) * s
        near = abs(x - home_x) <= steps * s and abs(y - home_y) <= steps * s
        return near and s == level_for(max(w, h) / 2)

    assert torch.equal(chapter["around"](boxes, steps)[..., 0], looped(boxes, wants))


def test_cells_inside_the_box(chapter, boxes):
    def inside(box, s, x, y):
        x0, y0, w, h = box
        return abs(x - x0) < w / 2 and abs(y - y0) < h / 2

    def ranged(box, s, x, y):
        x0, y0, w, h = box
        reach = max(w / 2 + abs(x - x0), h / 2 + abs(y - y0))
        return inside(box, s, x, y) and s == level_for(reach)

    assert torch.equal(chapter["by_inside"](boxes, False)[..., 0], looped(boxes, inside))
    assert torch.equal(chapter["by_inside"](boxes)[..., 0], looped(boxes, ranged))


def test_anchors_overlap_by_half(chapter, boxes):
    mine = chapter["by_anchor"](boxes[:6])  # g a 3
    flat = chapter["ANCHORS"].tolist()
    for g, (x0, y0, w, h) in enumerate(boxes[:6].tolist()):
        for a in range(0, len(CELLS), 7):
            s, x, y = CELLS[a]
            for b, (aw, ah) in enumerate(flat[STRIDES.index(s)]):
                wide = min(x + aw / 2, x0 + w / 2) - max(x - aw / 2, x0 - w / 2)
                high = min(y + ah / 2, y0 + h / 2) - max(y - ah / 2, y0 - h / 2)
                both = max(wide, 0) * max(high, 0)
                assert bool(mine[g, a, b]) == (both / (aw * ah + w * h - both) >= 0.5)


def test_the_anchors_of_retinanet(chapter):
    """Areas of 32 x 32 times 1, 2^(2/3) and 2^(4/3) on stride 8, doubled from level to level; 2:1 to 1:2."""
    places = {s: [(i + 0.5) * s for i in range(math.ceil(320 / s))] for s in (8, 16, 32, 64, 128)}
    mine = chapter["retina"]()
    assert len(mine) == 9 * sum(len(at) ** 2 for at in places.values())
    start = 0
    for s, at in places.items():
        level = mine[start : start + 9 * len(at) ** 2]
        start += len(level)
        area = (level[:, 2] * level[:, 3]).sqrt() * 800 / 320
        assert sorted({round(a, 2) for a in area.tolist()}) == [
            round(4 * s * 2 ** (k / 3), 2) for k in range(3)
        ]
        assert {round(r, 3) for r in (level[:, 3] / level[:, 2]).tolist()} == {0.5, 1, 2}
        assert sorted({x for x in level[:, 0].tolist()}) == at
        assert len({tuple(round(n, 3) for n in a) for a in level.tolist()}) == len(level)  # none twice


def test_candidates_of_objects_one_by_one(chapter, boxes):
    def near(box, s, x, y):
        return abs(x - box[0]) < 1.5 * s and abs(y - box[1]) < 1.5 * s

    each = chapter["by_candidates"](boxes)[..., 0]
    assert torch.equal(each, looped(boxes, near))
    together = candidate_cells(boxes[None], torch.ones(1, len(boxes)) > 0, SIZE)
    assert torch.equal(each.any(0), together[0])


def test_the_smallest_gets_what_several_want(chapter, boxes):
    wants = chapter["by_candidates"](boxes)
    mine = chapter["settle"](wants, boxes)
    assert torch.equal(mine.sum(0), wants.any(0).int())
    assert not (mine & ~wants).any()
    for a in wants.any(0)[:, 0].nonzero().flatten().tolist():
        claimants = wants[:, a, 0].nonzero().flatten()
        smallest = claimants[boxes[claimants, 2:].prod(1).argmin()]
        assert mine[smallest, a, 0]


def test_a_slim_light_gets_none_to_three(chapter):
    assert "a light of 7 × 20 in 64 places: 0 to 3 cells" in printed()
    centre = 100 + torch.stack(torch.meshgrid(*2 * (torch.arange(0, 8, 0.25),), indexing="ij"), -1)
    lights = torch.cat((centre.view(-1, 2), torch.tensor([7.0, 20.0]).expand(1024, 2)), dim=1)
    counts = chapter["by_inside"](lights, False)[:, :1600].sum((1, 2))
    assert (counts.min(), counts.max()) == (0, 3)


# --- the figure -------------------------------------------------------------------------------------------


def scene(name):
    picture, truth = Crossing.split("val", 200)[SCENES[name]]
    return picture, torch.as_tensor(truth["boxes"]), torch.as_tensor(truth["labels"])


def test_a_drawing_counts_what_it_is_given():
    picture, corners, labels = scene("bus")
    mine = torch.zeros(len(corners), 2100, 1) > 0
    mine[0, :7] = mine[1, 1600:1604] = mine[2, 2000] = True
    names = [Crossing.names[k] for k in labels.tolist()]
    drawn = positives(picture, corners, names, mine, title="a rule")
    assert drawn.alt.startswith("a rule: 12 positives for 10 objects, of 2,100 predictions. None for dog 4, ")
    assert [len(re.findall(rf"h{stride - 1}[M\"]", drawn.body)) for stride in STRIDES] == [7, 4, 1]
    one = positives(picture, corners, names, mine, level=1)
    assert one.alt.startswith("4 positives of stride 16 for 10 objects")


@pytest.mark.parametrize("name", SCENES)
def test_every_sentence_of_the_figure_to_play_with(chapter, name):
    picture, corners, labels = scene(name)
    boxes = xyxy_to_cxcywh(corners)
    rules = {
        "anchors": chapter["by_anchor"](boxes),
        "centre cell": chapter["around"](boxes, 0),
        "3 × 3": chapter["around"](boxes, 1),
        "inside": chapter["by_inside"](boxes),
        "candidates": chapter["by_candidates"](boxes),
    }
    mine = {rule: chapter["settle"](wants, boxes) for rule, wants in rules.items()}
    with torch.inference_mode():
        raw = load("crossing").eval().raw(torch.from_numpy(picture).permute(2, 0, 1)[None] / 255)
    found = assign(raw, pad_targets([{"boxes": corners, "labels": labels}], SIZE), SIZE, *grid(SIZE))
    mine["SimOTA"] = torch.zeros(len(boxes), 2100, 1) > 0
    kept = found.positive[0]
    mine["SimOTA"][found.truth[0][kept], found.cell[0][kept]] = True
    names = [Crossing.names[k] for k in labels.tolist()]
    levels = torch.stack([part.any(dim=(1, 2)) for part in mine["SimOTA"].split([1600, 400, 100], dim=1)])
    assert (levels.sum(0) > 1).any()  # "on two levels at once"
    for rule, m in mine.items():
        for level in (None, 0, 1, 2):
            assert positives(picture, corners, names, m, level, rule).alt in page()


def test_what_the_text_sees_in_the_three_streets(chapter):
    _, corners, labels = scene("bus")
    boxes = xyxy_to_cxcywh(corners)
    bus = boxes[:, 2:].prod(1).argsort(descending=True)[:2].tolist()
    bus = next(i for i in bus if Crossing.names[labels[i]] == "bus")
    fed = chapter["by_anchor"](boxes).sum((1, 2))
    assert (fed[bus], (fed == 0).sum()) == (2, 4)
    sign = next(i for i, k in enumerate(labels) if Crossing.names[k] == "stop sign" and boxes[i, 0] < 160)
    home = chapter["around"](boxes, 0)[bus, :, 0].nonzero().item()
    left, top, right, bottom = cxcywh_to_xyxy(boxes[sign]).tolist()
    _, x, y = CELLS[home]
    assert left < x < right
    assert top < y < bottom  # the bus's one cell lies on the stop sign
    fed = chapter["settle"](chapter["by_inside"](boxes), boxes).sum((1, 2))
    assert (fed.min(), fed.max()) == (2, 11)
    assert fed[bus] < fed[sign]
    few = chapter["settle"](chapter["by_candidates"](boxes), boxes)[bus].sum()
    assert few <= 3  # of up to 27

    _, corners, labels = scene("crowd")
    boxes = xyxy_to_cxcywh(corners)
    fed = chapter["settle"](chapter["around"](boxes, 1), boxes).sum((1, 2))
    assert sorted(Crossing.names[k] for k in labels[fed <= 3]) == ["bicycle", "person", "person"]

    _, corners, labels = scene("lights")
    boxes = xyxy_to_cxcywh(corners)[labels == Crossing.names.index("traffic light")]
    assert len(boxes) == 4
    assert (chapter["by_anchor"](boxes).sum((1, 2)) == 0).sum() == 2
    assert (chapter["by_inside"](boxes).sum((1, 2)) == 0).sum() == 1


# --- the numbers of the text ------------------------------------------------------------------------------


def table():
    """{rule: the numbers of its line in the table of 200 streets}."""
    text = printed()[printed().index("positives     each") :]
    lines = re.findall(r"^(\S.{10}) +([\d.]+ [\d.,%\t ]+)$", text, re.M)[:7]
    return {
        name.strip(): [float(n.strip("%").replace(",", "")) for n in numbers.split()]
        for name, numbers in lines
    }


def taught():
    """{teacher: (loss, boxes, objects found)}."""
    found = re.findall(r"^(.{12}) loss ([\d.]+): +([\d,]+) boxes, +(\d+) of 141", printed(), re.M)
    return {n.strip(): (float(l), int(b.replace(",", "")), int(f)) for n, l, b, f in found}


def test_all_or_none_is_no_teacher():
    loss, boxes, found = taught()["nobody"]
    assert (loss, boxes, found) == (0, 0, 0)
    loss, boxes, found = taught()["everybody"]
    assert loss == 0
    assert found > 130
    assert 9 < boxes / 141 < 11  # "ten boxes for one object"


def test_better_anchors_do_not_help_much():
    (coco, own) = re.findall(
        r"([\d.]+) in shape, +(\d+) misfits;\s+(\d+) of 1797 .* (\d+) of the 15", printed()
    )
    assert (coco[3], own[3]) == ("15", "2")  # "every", "nearly all"
    assert float(own[0]) > float(coco[0]) + 0.05
    assert int(own[1]) < 0.4 * int(coco[1])  # "only a third"
    assert 0.9 < int(own[2]) / int(coco[2]) < 1  # "nearly as many"
    found = (
        r"anchors: (\d+) objects have none, (\d+) of .*\n.*shape: (\d+) have none, (\d+) narrow ones;\s+(\d+)"
    )
    retina, long, below, narrow, either = map(int, re.search(found, printed()).groups())
    assert long == 0  # "every long vehicle is served"
    assert round(1797 / retina) == 6  # "one object in six"
    assert below > 200
    assert narrow > 0.95 * below
    assert either > 0.6 * retina  # "most of these fail with a perfect shape too"


def test_who_has_no_anchor_by_the_iou_of_torchvision(chapter):
    found = r"anchors: (\d+) objects have none, .*\n.*shape: (\d+) have none, .*;\s+(\d+)"
    said = list(map(int, re.search(found, printed()).groups()))
    fixed = cxcywh_to_xyxy(chapter["retina"]())
    places = torch.tensor([(x, y) for s, x, y in CELLS if s == 8])
    dense, own = [], []
    for boxes in streets():
        dense.append(box_iou(boxes, fixed).amax(1) < 0.5)
        size = (boxes[:, 2:] - boxes[:, :2])[:, None]  # g 1 2
        away = ((boxes[:, :2] + boxes[:, 2:])[:, None] / 2 - places).abs()  # g m 2
        both = (size - away).clamp(min=0).prod(2)  # g m: of two boxes of one shape
        own.append((both / (2 * size.prod(2) - both)).amax(1) < 0.5)
    dense, own = torch.cat(dense), torch.cat(own)
    counts = [int(dense.sum()), int(own.sum()), int((dense & own).sum())]
    assert counts == pytest.approx(said, abs=2)  # just one half may round either way


def test_how_many_centres_lie_on_a_line():
    sums = [(x1 + x2, y1 + y2) for boxes in streets() for x1, y1, x2, y2 in boxes.tolist()]
    on = sum(x % 16 == 0 or y % 16 == 0 for x, y in sums)
    assert f"{on} of {len(sums)} objects are centred on a line of stride 8" in printed()


def test_the_table_says_what_the_text_says():
    rows = table()
    assert len(rows) == 7
    for_each, light, bus, crowd, most, none, many, share, *on = range(11)
    assert 0.3 < rows["anchors"][none] / 1797 < 0.35  # "a third"
    assert rows["no ranges"][most] == 720
    assert 11 <= rows["no ranges"][bus] / rows["no ranges"][light] < 12
    assert 2 < rows["inside"][bus] / rows["inside"][light] < 3
    assert rows["SimOTA"][bus] == pytest.approx(rows["SimOTA"][light], abs=0.3)
    assert rows["SimOTA"][none] == 1
    assert rows["SimOTA"][many] == 0
    assert round(rows["SimOTA"][for_each]) == 7
    assert rows["candidates"][share] > 20
    assert (rows["3 × 3"][crowd], rows["3 × 3"][for_each]) == (6.5, 8.4)  # of nine, and of all
    assert rows["SimOTA"][crowd] > 0.97 * rows["SimOTA"][for_each]  # "a crowd has what all have"
    for rule in rows:
        assert sum(rows[rule][i] for i in on) == pytest.approx(100, abs=1)
    assert max(abs(rows["SimOTA"][i] - rows["3 × 3"][i]) for i in on) <= 3  # "nearly the shares of 3 × 3"


def test_the_pupils_rank_as_the_text_says():
    pupils = taught()
    assert pupils["centre cell"][2] < 0.75 * 141
    assert pupils["3 × 3"][2] > 0.9 * 141
    assert abs(pupils["SimOTA"][2] - pupils["3 × 3"][2]) <= 3
    assert pupils["SimOTA"][1] < 0.9 * pupils["3 × 3"][1]
