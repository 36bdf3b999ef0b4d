"""Chapter 18: its judge is pycocotools' on real pictures, its figures show its numbers, its prose is true."""

import ast
import re
import warnings

import notebooks
import numpy as np
import pytest

from yolox_edu import weights
from yolox_edu.data.coco import open_coco
from yolox_edu.data.crossing import Crossing
from yolox_edu.evaluate import coco_figures, predictions
from yolox_edu.exercises import ch18 as checks
from yolox_edu.measured import recall
from yolox_edu.viz import ch18, mending

pytestmark = pytest.mark.usefixtures("one_thread")
CHAPTER = notebooks.BOOK / "18_coco_ap.ipynb"


def code():
    return [cell for cell in notebooks.read(CHAPTER).cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def own():
    """The functions that the chapter's cells define, as a namespace."""
    names = {"overlap", "match", "judge", "Ledger", "ledger", "precision", "twelve", "IOUS", "SIZES"}
    space, wanted = {"np": np}, []
    for cell in code():
        if {"exercise", "solution"} & set(cell.metadata.get("tags", [])):
            continue
        for node in ast.parse(cell.source).body:
            named = {getattr(node, "name", None)}
            if isinstance(node, ast.Assign):
                named = {n.id for n in ast.walk(node.targets[0]) if isinstance(n, ast.Name)}
            if named & names:
                wanted.append(node)
    exec("from typing import NamedTuple", space)
    exec(compile(ast.Module(wanted, []), "chapter 18", "exec"), space)
    return space


def prose():
    return "\n".join(cell.source for cell in notebooks.read(CHAPTER).cells if cell.cell_type == "markdown")


def printed():
    return "".join(out.get("text", "") for cell in code() for out in cell.outputs)


# --- the chapter's judge and the official one ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "split", "limit"),
    [("coco-mini", "val2017", None), ("coco-mini", "train2017", None), ("coco128", "train2017", 64)],
)
def test_the_chapter_s_judge_is_pycocotools_on_coco_with_official_weights(shared, own, folder, split, limit):
    source = open_coco(shared / folder, split, limit)
    model = weights.load_official(shared / "weights" / "yolox_nano_0.1.1.pth")
    rows, images, _ = predictions(model, source, 416)
    images, truths = sorted(images), source.coco.dataset["annotations"]
    assert any(t["iscrowd"] for t in truths), "crowds are put to the test too"
    official, _ = coco_figures(source.coco, rows, images)
    found, real = mending.group(rows), mending.group(truths)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # means of classes without truths
        ours = own["twelve"](found, real, images, source.category_ids)
        np.testing.assert_allclose(ours, official, rtol=0, atol=1e-6)
    if limit is None:  # small sets flatter, here too
        books = [own["ledger"](found, real, images, c) for c in source.category_ids]
        books = [book for book in books if book.truths.sum()]
        parts = [_ap(own, books, piece) for piece in mending.cut_up(len(images), 10, 4)]
        assert np.mean(parts) > official[0] + 0.02
        random = np.random.default_rng(0)
        draws = [np.bincount(random.integers(0, 50, 50), minlength=50) for _ in range(300)]
        said = re.search(rf"of {split}(?: give anything)? from (\d\d) to (\d\d)", prose())
        drawn = 100 * np.percentile([_ap(own, books, times) for times in draws], [2.5, 97.5])
        np.testing.assert_allclose(drawn, [float(n) for n in said.groups()], atol=0.7)
        few = sum(book.truths.sum() <= 5 for book in books) + 80 - len(books)
        assert few > 50, "most classes have a handful of things or none"


def test_what_is_said_of_the_official_nano_was_measured():
    rows = recall("parity")["rows"]["precision"]
    measured = {row["set"]: row for row in rows if row["release"] == "0.1.1"}
    for place, name in (
        (r"gets ([\d.]+) on fifty pictures of COCO's val2017", "coco-mini val2017"),
        (r"and ([\d.]+) on fifty of train2017", "coco-mini train2017"),
        (r"128 pictures of train2017, with ([\d.]+);", "coco128 train2017"),
    ):
        assert float(re.search(place, prose()).group(1)) == round(100 * measured[name]["official AP"], 1)


def _ap(own, books, times):
    values = np.array([own["precision"](b, times).mean() for b in books if times @ b.truths])
    return values.mean()


def truth(x, y, w, h, crowd=0, area=None, image=1):
    box = {"image_id": image, "category_id": 1, "bbox": [x, y, w, h]}
    return box | {"iscrowd": crowd, "area": w * h if area is None else area}


def found(x, y, w, h, score, kind=1, image=1):
    return {"image_id": image, "category_id": kind, "bbox": [x, y, w, h], "score": score, "area": w * h}


def test_a_large_thing_is_ignored_among_the_small_and_so_is_what_takes_it(own):
    truths = [truth(0, 0, 10, 10), truth(50, 50, 60, 60)]
    rows = [found(50, 50, 60, 60, 0.9), found(0, 0, 10, 10, 0.8), found(200, 0, 50, 50, 0.7)]
    _, right, wrong, count = own["judge"](rows, truths, area=(0, 32**2))
    assert (right[0].tolist(), wrong.any(), count) == ([False, True, False], False, 1)


def test_a_crowd_takes_any_number_by_their_share_and_after_the_others(own):
    truths = [truth(0, 0, 100, 100, crowd=1), truth(10, 10, 20, 20)]
    rows = [found(10, 10, 20, 20, 0.9), found(40, 40, 10, 10, 0.8), found(60, 60, 10, 10, 0.7)]
    _, right, wrong, count = own["judge"](rows, truths)
    assert (right[0].tolist(), wrong.any(), count) == ([True, False, False], False, 1)


def test_only_the_best_hundred_of_a_class_and_picture_count(own):
    rows = [found(3 * i, 0, 2, 2, 1 - i / 1000) for i in range(120)]
    scores, right, _, _ = own["judge"](rows, [truth(3 * 110, 0, 2, 2)])
    assert (len(scores), right.any()) == (100, False)


# --- words and mending --------------------------------------------------------------------------------------


def test_rows_that_are_shy_or_sloppy_and_truths_called_crowds():
    rows = [found(10, 11, 12, 13, 0.5), found(1, 2, 3, 4, 0.49)]
    assert mending.shy(rows) == rows[:1]
    assert [row["bbox"] for row in mending.sloppy(rows)] == [[9, 12, 12, 12], [0, 3, 3, 3]]
    assert rows[0]["bbox"] == [10, 11, 12, 13], "the real rows stay as they are"
    data = {"images": [], "annotations": [{"id": i, "iscrowd": 0} for i in range(1, 11)]}
    assert [t["id"] for t in mending.with_crowds(data)["annotations"] if t["iscrowd"]] == [5, 10]
    assert not any(t["iscrowd"] for t in data["annotations"])


def test_every_word():
    truths = [truth(0, 0, 10, 10), truth(100, 0, 10, 10)]
    rows = [
        found(0, 0, 10, 10, 0.9),
        found(1, 0, 10, 10, 0.8),
        found(100, 0, 10, 10, 0.7, kind=2),
        found(100, 5, 10, 10, 0.6),
        found(106, 0, 10, 10, 0.5, kind=2),
        found(200, 0, 10, 10, 0.4),
    ]
    verdicts = mending.sort_out(rows, truths)
    words = ["right", "doubled", "wrong class", "loose box", "both wrong", "background"]
    assert [word for word, *_ in verdicts] == words
    assert [j for *_, j in verdicts] == [0, None, 1, 1, None, None]
    assert mending.unseen(verdicts, truths) == 0
    for kind, left in zip(words[1:], (5, 6, 6, 5, 5)):
        after, _ = mending.mend(kind, verdicts, truths)
        again = [word for word, *_ in mending.sort_out(after, truths)]
        assert len(again) == left
        assert kind not in again
        assert again.count("right") == 1 + (kind in ("wrong class", "loose box"))
    assert len(mending.mend("missed", verdicts[:2], truths)[1]) == 1


def test_what_is_said_of_classes_and_of_mending(own):
    """Person and dog are last and lose most from AP50 to AP; one missed thing weighs twenty loose boxes."""
    source = Crossing.split("val", 100)
    rows, images, _ = predictions(weights.load("crossing"), source)
    notes = source.coco.dataset["annotations"]

    def table(rows, notes):
        sets = mending.group(rows), mending.group(notes)
        books = [own["ledger"](*sets, images, c) for c in source.category_ids]
        return np.array([own["precision"](b).mean(axis=1) for b in books])  # 8 10

    before = table(rows, notes)
    np.testing.assert_allclose(before.mean(axis=0)[[0, 5, 9]], [0.92, 0.79, 0.08], atol=0.006)
    ap50, ap = before[:, 0], before.mean(axis=1)
    last = {source.names[k] for k in np.argsort(ap)[:2]}
    assert last == {source.names[k] for k in np.argsort(ap - ap50)[:2]} == {"person", "dog"}
    things = [[[r for r in some if r["image_id"] == i] for i in images] for some in (rows, notes)]
    words = [mending.sort_out(*both) for both in zip(*things, strict=True)]
    each = {}
    for kind in ("missed", "loose box"):
        many = sum(word == kind for verdicts in words for word, *_ in verdicts)
        many = many or sum(map(mending.unseen, words, things[1]))
        parts = zip(*map(mending.mend, [kind] * 100, words, things[1]), strict=True)
        after = table(*([row for rows in part for row in rows] for part in parts))
        each[kind] = (after[:, 0].mean() - ap50.mean()) / many
    assert 20 < each["missed"] / each["loose box"] < 40


# --- the figure to play with --------------------------------------------------------------------------------


def test_the_threshold_s_numbers_are_the_ledger_s(own):
    source = Crossing.split("val", 4)
    rows, images, _ = predictions(weights.load("crossing"), source)
    rows_of, truths = mending.group(rows), mending.group(source.coco.dataset["annotations"])
    frame = ch18.Threshold(rows_of, truths, {"Left": 1, "Right": 2}, 4)
    for kind in ("person", "car"):
        book = own["ledger"](rows_of, truths, images, source.category_ids[source.names.index(kind)])
        scores, right, count = frame.curve(kind)
        assert right.tolist() == book.right[0].tolist()
        assert count == book.truths.sum()
        said = frame(kind, 0.3).alt
        kept = (scores >= 0.3).sum()
        assert f"{kept} boxes, {right[:kept].sum()} right" in said
        assert f"of {count} found" in said
        for i, side in ((1, "Left"), (2, "Right")):
            three = re.search(rf"{side}: (\d+) right, (\d+) wrong, (\d+) missed", said).groups()
            key = (i, source.category_ids[source.names.index(kind)])
            assert int(three[0]) + int(three[2]) == len(truths.get(key, []))
            assert int(three[0]) + int(three[1]) == sum(r["score"] >= 0.3 for r in rows_of.get(key, []))


def test_a_threshold_that_leaves_no_box_has_no_precision():
    frame = ch18.Threshold({}, {(1, 1): [truth(0, 0, 10, 10)]}, {"Here": 1}, 1)
    silent = frame("person", 0.5)
    assert "0 boxes, 0 right: no precision" in silent.alt
    assert "Here: 0 right, 0 wrong, 1 missed" in silent.alt
    assert "<circle" not in silent.svg


def test_the_chapter_s_figure_is_light_and_says_both_shares():
    (html,) = (
        out.data["text/html"]
        for cell in code()
        for out in cell.outputs
        if "play-18-threshold" in out.get("data", {}).get("text/html", "")
    )
    assert len(html) < 250_000
    said = r"Person, scores from 0.{}: \d+ boxes, \d+ right: precision ([\d.]+); .*?recall ([\d.]+)\."
    (high, found_high), (low, found_low) = (
        map(float, re.search(said.format(cut), html).groups()) for cut in ("25", "01")
    )
    assert 0.4 < low / high < 0.6, "precision halves"
    assert 0 < found_low - found_high < 0.1, "a few more people"
    steps = re.findall(r"Person, scores from ([\d.]+): (\d+) boxes, (\d+) right.*?of (\d+) found", html)
    cost = {float(cut): 10 * (int(g) - int(tp)) + int(m) - int(tp) for cut, m, tp, g in steps}
    assert min(cost, key=cost.get) == 0.25, "the cheapest stop at ten to one"
    assert cost[0.25] == 475
    for cut, missed in (("25", 0), ("3", 1)):
        assert re.search(
            rf"Person, scores from 0.{cut}: .*?By night: \d+ right, \d+ wrong, {missed} missed", html
        )


# --- what the prose says ------------------------------------------------------------------------------------


def test_what_is_said_of_the_numbers():
    text = printed()
    interval = [
        [
            float(n)
            for n in re.search(rf"^{n} pictures: 95 % between ([\d.]+) and ([\d.]+)", text, re.M).groups()
        ]
        for n in (50, 100)
    ]
    widths = [high - low for low, high in interval]
    assert 4.5 < widths[0] < 5.5, "five points are noise"
    assert 3 < widths[1] < 4, "more than three"
    one, mean = map(float, re.search(r"one class ([\d.]+), AP ([\d.]+)", text).groups())
    root = float(re.search(r"3\.5/√8 = (\d\.\d)", prose()).group(1))
    assert (one, root) == (3.5, pytest.approx(3.5 / 8**0.5, abs=0.05))
    assert abs(mean - root) < 0.2, "as √8 lets one expect"
    low, high = map(float, re.search(r"same 50 streets: 95 % between ([\d.]+) and ([\d.]+)", text).groups())
    assert 0 < low < high < widths[0] / 4, "the streets' luck cancels"
    pieces = {
        name: {int(n): float(v) for n, v in re.findall(r"(\d+): ([\d.]+)", line)}
        for name, line in re.findall(r"^(AP|without envelope) +(5: .*)$", text, re.M)
    }
    ap, plain = pieces["AP"], pieces["without envelope"]
    assert [ap[n] for n in (5, 10, 20, 50, 100)] == sorted(ap.values(), reverse=True)
    assert ap[20] - ap[100] > 0.5
    assert max(plain[20], plain[50]) <= plain[100] + 0.05, "from 20 on nothing leans without the envelope"
    assert plain[5] - plain[100] > 1
    right, above, corners, labels = map(
        float, re.findall(r"^([\d.]{5}) (?:right|from|xyxy|labels)", text, re.M)
    )
    assert 0.003 < right - above < 0.007, "half a point"
    assert max(corners, labels) < 0.002
    figures = {
        who: list(map(float, line.split()))
        for who, line in re.findall(r"^(\w+) +((?:[\d.]{5} ?){12})$", text, re.M)
    }
    shy, sloppy = figures["shy"], figures["sloppy"]
    assert shy[0] > sloppy[0] + 0.05, "AP is for the exact one"
    assert shy[1] < sloppy[1] - 0.02, "AP50 for the one that finds more"
    silent, small, struck = map(float, re.findall(r"^([\d.]{5}) (?:silent|small)", text, re.M))
    assert silent > right
    assert small - struck == pytest.approx(0.18, abs=0.005)
    more, same = zip(*re.findall(r"(\d+) rows more, AP ([\d.]{8})$", text, re.M))
    assert [int(n) for n in more] == [0, 0, 8000]
    assert len(set(same)) == 1


def test_the_patients_are_ill():
    """Each file is a perfect detector's but for its fault; all get next to nothing."""
    truth_, files = checks.patients(4)
    for rows in files.values():
        assert coco_figures(truth_, rows, truth_.getImgIds())[0][0] < 0.05
