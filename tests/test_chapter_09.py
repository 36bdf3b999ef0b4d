"""What chapter 09 says of the head, against the model."""

import html
import json
import re
from functools import cache

import notebooks
import pytest
import torch

from yolox_edu import build
from yolox_edu.boxes import decode, grid
from yolox_edu.data.crossing import Crossing
from yolox_edu.losses import losses
from yolox_edu.simota import assign, pad_targets, rows
from yolox_edu.viz import trace
from yolox_edu.viz.ch09 import spoken, two_branches
from yolox_edu.weights import load

CHAPTER = notebooks.BOOK / "09_head.ipynb"
SIZE = (320, 320)


@cache
def source(kind="code"):
    return "\n".join(c.source for c in notebooks.read(CHAPTER).cells if c.cell_type == kind)


def html_with(words):
    """The one HTML output of the chapter that has these words in it."""
    found = [
        page
        for cell in notebooks.read(CHAPTER).cells
        for out in cell.get("outputs", [])
        if words in (page := out.get("data", {}).get("text/html", ""))
    ]
    assert len(found) == 1
    return found[0]


@pytest.fixture(scope="module")
def streets():
    """The 24 streets of the chapter: images n 3 h w and padded targets."""
    pictures, truths = zip(*Crossing.split("val", 24))
    images = torch.stack([torch.from_numpy(p).permute(2, 0, 1) for p in pictures]).float() / 255
    parts = [{k: torch.from_numpy(t[k]) for k in ("boxes", "labels")} for t in truths]
    return images, pad_targets(parts, SIZE)


@pytest.fixture(scope="module")
def raw(streets):
    with torch.inference_mode():
        return load("crossing").eval().raw(streets[0])


def test_the_blocks_have_the_shapes_of_the_real_level():
    level = build("l").head.levels[1]
    x = torch.zeros(1, 512, 40, 40)
    with torch.inference_mode():
        stem = level.stem(x)
        maps = {"cls_pred": level.cls_convs(stem), "reg_pred": level.reg_convs(stem)}
        maps["obj_pred"] = maps["reg_pred"]
        shapes = [getattr(level, name)(y).shape for name, y in maps.items()] + [x.shape, stem.shape]
    page = html_with("goes through a 1 × 1 stem")
    for _, c, h, w in shapes:
        assert f">{h} × {w} × {c}<" in page


def test_the_fork_is_drawn_for_any_level():
    layers = trace(build("nano", 3).head.levels[0], (1, 64, 52, 52))
    alt = two_branches(layers).alt
    assert "52 × 52 × 3;" in alt
    assert "52 × 52 × 4," in alt
    assert alt.endswith("52 × 52 × 1.")


def test_every_sentence_of_the_figure_is_what_the_model_says(streets, raw):
    """Level, row, column, box and score of all 18 frames."""
    page = html.unescape(html_with('id="play-09-cell"'))
    said = set(re.findall(r"P\d, row \d+, column \d+: a box of [^\n]*?(?:count|counts)\.", page))
    assert len(said) == 18
    boxes, scores = decode(raw[18:19], SIZE)
    for sentence in said:
        level, row, column, w, h, x, y = map(int, re.findall(r"\d+", sentence)[:7])
        stride, start = {3: (8, 0), 4: (16, 1600), 5: (32, 2000)}[level]
        left, top, right, bottom = boxes[0, start + row * (320 // stride) + column].tolist()
        given = right - left, bottom - top, (left + right) / 2, (top + bottom) / 2
        assert (w, h, x, y) == pytest.approx(given, abs=0.51)
        score = scores[0, start + row * (320 // stride) + column].max().item()
        words = re.search(r"Score (<1|>99|\d+) %", sentence).group(1)
        assert float(words.strip("<>")) == pytest.approx(100 * score, abs=1.01)
        assert ("It counts" in sentence) == (score >= 0.25)


def test_a_cell_is_read_from_its_own_row():
    raw = torch.zeros(84, 7)
    raw[64 + 1 * 4 + 2] = torch.tensor([0.5, -0.5, 0.0, 0.0, 9.0, -9.0, 9.0])
    street = torch.zeros(64, 64, 3, dtype=torch.uint8).numpy()
    alt = spoken(street, raw, ("cat", "dog"), 1, 1, 2).alt
    assert "a box of 16 × 16 pixels around (40, 8)" in alt
    assert "a dog: >99 %" in alt
    assert alt.endswith("It counts.")


def test_the_windows_show_0_and_1_for_objectness_and_an_iou_for_the_class(streets, raw):
    targets = streets[1]
    one = type(targets)(*(t[18:19] for t in targets))
    found = assign(raw[18:19], one, SIZE, *grid(SIZE))
    p4 = {
        int(c): round(100 * float(v)) for c, v in zip(found.cell[found.positive], found.iou[found.positive])
    }
    page = html_with("objectness: wanted")
    names = [m.group(1) for m in re.finditer(r">([^<>]+)</text>", page)]
    at = [names.index(title) for title in ("objectness: wanted", "car: wanted")]
    asked, class_ = (names[i + 1 : i + 65] for i in at)
    for i in range(64):
        cell = 1600 + (8 + i // 8) * 20 + 1 + i % 8
        assert asked[i] == ("100" if cell in p4 else "0")
        assert class_[i] in ({str(p4[cell]), "0"} if cell in p4 else {"·"})


def test_the_correlations_that_the_chapter_names(streets, raw):
    targets = streets[1]
    found = assign(raw, targets, SIZE, *grid(SIZE))
    picked = rows(raw, found.cell).sigmoid()  # n p 5+k
    label = targets.labels.gather(1, found.truth)
    of_class = picked[..., 5:].gather(2, label[..., None])[..., 0]
    three = torch.stack([t[found.positive] for t in (found.iou, of_class, picked[..., 4])])
    class_, objectness = torch.corrcoef(three)[0, 1:].tolist()
    said = re.search(
        r"correlation of ([\d.]+) with the class.*? of ([\d.]+) with objectness", source("markdown")
    )
    assert (class_, objectness) == pytest.approx(tuple(map(float, said.groups())), abs=0.02)


def test_the_prior_changes_the_loss_fiftyfold_and_the_pull_far_less():
    """For several seeds, so that the chapter's surprise is no accident of one."""
    source = Crossing.split("val", 24, size=640)
    pairs = [source[i] for i in (18, 20)]
    images = torch.stack([torch.from_numpy(p).permute(2, 0, 1) for p, _ in pairs]).float() / 255
    wanted = pad_targets(
        [{k: torch.from_numpy(t[k]) for k in ("boxes", "labels")} for _, t in pairs], (640, 640)
    )
    for seed in (0, 1):
        torch.manual_seed(seed)
        model = build("pico", 8).train()
        with torch.no_grad():
            neck = model.neck(*model.backbone(images))
        neck = [p.requires_grad_() for p in neck]
        with_prior = _objectness(model, neck, wanted)
        for level in model.head.levels:
            torch.nn.init.zeros_(level.obj_pred.bias)
            torch.nn.init.zeros_(level.cls_pred.bias)
        without = _objectness(model, neck, wanted)
        assert 40 < without[0] < 65
        assert with_prior[0] < 3
        assert 1.2 < without[1] < 2.5
        assert 0.4 < with_prior[1] < 0.6


def _objectness(model, neck, wanted):
    """Its loss beside the other two together, and its gradient at the neck beside the box's."""
    terms = losses(model.head(*neck), wanted, (640, 640))
    pull = {
        name: torch.cat([g.flatten() for g in torch.autograd.grad(term, neck, retain_graph=True)])
        .norm()
        .item()
        for name, term in terms.items()
    }
    loss = {name: term.item() for name, term in terms.items()}
    return loss["objectness"] / (loss["box"] + loss["class"]), pull["objectness"] / pull["box"]


def test_the_work_of_the_head_is_nearly_twice_its_parameters_and_mostly_p3():
    for name, size in (("nano", 416), ("s", 640), ("x", 640)):
        layers = trace(build(name), (1, 3, size, size))
        parameters, flops = ([getattr(layer, what) for layer in layers] for what in ("parameters", "flops"))
        share = sum(flops[-3:]) / sum(flops) / (sum(parameters[-3:]) / sum(parameters))
        assert 1.7 < share < 2.1
        assert flops[-3] > 0.7 * sum(flops[-3:])
        assert parameters[-3] == min(parameters[-3:])


def test_the_chapter_keeps_its_measures():
    from measures import measure

    found = measure(CHAPTER)
    print(json.dumps(found.__dict__, default=str))
    assert not found.misses()
