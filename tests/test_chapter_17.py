"""What chapter 17 shows is what the package computes, also where JavaScript runs NMS."""

import json
import math
import random
import re
import shutil

import nms_photographs
import notebooks
import pytest
import torch
from torchvision.ops import batched_nms, box_iou

from yolox_edu import measured, viz
from yolox_edu.boxes import nms
from yolox_edu.data.coco import open_coco
from yolox_edu.viz import ch17, sifted
from yolox_edu.weights import load, load_official

CHAPTER = notebooks.BOOK / "17_nms.ipynb"
CROWD = 7


@pytest.fixture(scope="module")
def scene():
    """The chapter's crowd: target, boxes, scores, and the figure made anew."""
    picture, target = ch17.crowd(CROWD)
    _, boxes, scores = ch17.look(load("crossing"), [picture])
    figure = sifted.sifted(ch17.crowd(CROWD, size=640)[0], boxes[0], scores[0], target, top=90)
    return target, boxes, scores, figure


@pytest.fixture(scope="module")
def data(scene):
    """The numbers inside the figure."""
    return json.loads(re.search(r'data-is="boxes">(.*?)</script>', scene[3].html).group(1))


def printed():
    """All that the chapter's cells print."""
    outputs = [out for cell in notebooks.read(CHAPTER).cells for out in cell.get("outputs", [])]
    return "".join(out.get("text", "") for out in outputs)


# --- what the text says -----------------------------------------------------------------------------------


def test_what_is_said_of_the_numbers():
    text = printed()
    _, of_class, product = map(int, re.search(r"product: \[(\d+), (\d+), (\d+)\]", text).groups())
    assert of_class > 5 * product
    share, kept, there = re.search(r"(\d+)% of \d+ heaps .* IoU ([\d.]+) instead of ([\d.]+)", text).groups()
    assert 78 <= int(share) <= 87, "five heaps out of six"
    assert float(there) > float(kept)
    by_score, by_oracle = map(float, re.search(r"^AP ([\d.]+) by the oracle ([\d.]+)", text, re.M).groups())
    assert 2.5 < by_oracle - by_score < 3, "nearly three points"
    fates = [int(n) for n in re.search(r"'found': (\d+).*?: (\d+).*?: (\d+).*?: (\d+)\}", text).groups()]
    assert 8 < sum(fates[1:]) / fates[1] < 10, "one in nine"
    assert fates[3] / (fates[2] + fates[3]) == pytest.approx(1 / 3, abs=0.03)
    assert re.search(r"streets: [\d,]+ pairs; 0 above 0.3; 0 above 0.45; 0 above", text)


def test_the_curve_over_nms_iou_is_level():
    rows = re.search(r"^NMS IoU +(.*)\nAP +(.*)$", printed(), re.M).groups()
    ap = dict(zip(*(map(float, row.split()) for row in rows)))
    level = [ap[at] for at in (0.1, 0.3, 0.45, 0.65, 0.8)]
    assert max(level) - min(level) < 0.6
    assert ap[1.0] < 40


def test_the_share_of_wrong_offsets():
    rows = dict(re.findall(r"^(side|float\d\d) +([\d., ]+)$", printed(), re.M))
    sides = [int(side) for side in rows.pop("side").replace(",", "").split()]
    wrong = {name: dict(zip(sides, map(float, row.split()))) for name, row in rows.items()}
    assert [wrong["float32"][side] for side in (320, 1280, 5120)] == [0, 0, 0]
    assert wrong["float32"][20480] > 0
    assert wrong["float16"][320] > 0.5


def test_what_is_said_of_the_figure(data):
    """The answer to the question under which the reader moves the sliders."""

    def counts(*settings):
        found = sifted.sift(*sifted.tensors(data), *settings)
        return len(found.right), len(found.again), len(found.wrong)

    assert counts(0.60, 0.45) == (15, 0, 0)
    assert counts(0.01, 0.45) == (20, 0, 31)
    assert counts(0.25, 0.3) == (17, 0, 4)
    assert counts(0.25, 0.3, True) == (16, 0, 2)


# --- softer ways ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cells():
    """`soft` and `matrix` as the chapter defines them."""
    names = {"torch": torch, "box_iou": box_iou}
    for cell in notebooks.read(CHAPTER).cells:
        if cell.cell_type == "code" and re.search(r"^def (soft|matrix)\(", cell.source, re.M):
            exec(cell.source, names)
    return names


@pytest.mark.parametrize("name", ["soft", "matrix"])
def test_softer_ways_are_their_papers(cells, name):
    """Against loops over plain numbers that follow the papers' formulas."""
    random = torch.Generator().manual_seed(3)
    for _ in range(5):
        boxes, scores, _ = ch17.heaps(100, random, count=6)
        kept, new = cells[name](boxes, scores)
        wanted = getattr(nms_photographs, f"{name}_nms")(boxes, scores.tolist())
        assert kept.tolist() == wanted[0]
        assert new.tolist() == pytest.approx(wanted[1], rel=1e-4)
        assert len(kept) > 12


@pytest.mark.parametrize(
    ("name", "scores"),
    [("soft", (0.9, 0.8 / math.e**2 * math.exp(-2 / 9), 0.7 * math.exp(-2 / 9))), ("matrix", None)],
)
def test_softer_ways_by_hand(cells, name, scores):
    """A twin of A (IoU 1), and a box that shares a third with both: the order and the scores by hand."""
    boxes = torch.tensor([[0.0, 0, 4, 6], [0, 0, 4, 6], [2, 0, 6, 6]])
    kept, new = cells[name](boxes, torch.tensor([0.9, 0.8, 0.7]))
    got = dict(zip(kept.tolist(), new.tolist()))
    # matrix: the twin is covered wholly, f = e^-2, so that what it does to the third is divided by e^-2
    wanted = scores or (0.9, 0.8 / math.e**2, 0.7 * math.exp(-2 / 9))
    assert [got[i] for i in range(3)] == pytest.approx(wanted)


# --- photographs ------------------------------------------------------------------------------------------


def test_what_is_said_of_photographs():
    rows = measured.recall("nms_photographs")["rows"]
    ap = {row["way"]: row["AP"] for row in rows["ways"]}
    assert 4.5 < ap["NMS 0.65"] - ap["NMS 0.65, from 0.25"] < 5, "nearly five points"
    assert max(ap["soft-NMS"], ap["matrix NMS"]) - ap["NMS 0.65"] < 0.1, "nothing gained"
    assert 0 < ap["NMS 0.65"] - max(ap["NMS 0.45"], ap["NMS 0.8"]) < 1, "best, by little"
    assert 0.78 < rows["heaps that lose a better box"] / rows["heaps"] < 0.87, "five of six"
    missing = sum(rows["fates"].values()) - rows["fates"]["found"]
    assert 27 < missing / rows["fates"]["lost by NMS"] < 32, "one in thirty"
    crowds = rows["fates in crowded pictures"]
    assert round((sum(crowds.values()) - crowds["found"]) / crowds["lost by NMS"]) == 24
    assert nms_photographs.CROWD == 8
    (found, left), (found_all, left_all) = rows["demo"].values()
    assert (left - left_all, found - found_all) == (53, 17)
    assert (rows["pictures"], rows["offset"]) == (178, {"parted": 1, "stayed": 9010, "IoU": [0.6499]})


def test_photographs_are_measured_again(shared, one_thread):
    """The 50 of val2017: AP is the official code's (0.3196 on them), and no loss is counted twice."""
    model = load_official(shared / "weights" / "yolox_nano_0.1.1.pth")
    photos = nms_photographs.Photographs(model, [open_coco(shared / "coco-mini", "val2017")])
    ap, _ = photos.average_precision(nms_photographs.plain(0.65), 0.01)
    assert ap == pytest.approx(31.96, abs=0.3)
    rows, kept = nms_photographs.measured(photos), measured.recall("nms_photographs")["rows"]
    assert sum(rows["fates"].values()) == rows["objects"]
    assert all(rows["fates"][end] < kept["fates"][end] for end in rows["fates"])
    assert rows["fates"]["lost by NMS"] < 0.1 * (rows["objects"] - rows["fates"]["found"])


# --- the helpers ------------------------------------------------------------------------------------------


def test_crowds_are_the_same_at_any_size_and_are_no_streets(scene):
    target = scene[0]
    assert (target["labels"] == ch17.crowd(CROWD, size=640)[1]["labels"]).all()
    assert len(target["boxes"]) > 15
    again = ch17.crowd(CROWD)[0]
    assert (again == ch17.crowd(CROWD)[0]).all()


def test_plain_nms_is_the_package_s(scene):
    _, boxes, scores, _ = scene
    best, labels = scores[0].max(dim=1)
    for confidence, threshold in ((0.25, 0.45), (0.01, 0.65)):
        alive = best >= confidence
        kept = batched_nms(boxes[0][alive], best[alive], labels[alive], threshold)
        assert torch.equal(boxes[0][alive][kept], nms(boxes, scores, confidence, threshold)[0]["boxes"])


def test_judged_takes_all_three_kinds_of_answers():
    pictures = ch17.Pictures(load("crossing"), [ch17.crowd(CROWD)])

    def plain(b, s, c, *_):
        return batched_nms(b, s, c, 0.65)

    def with_scores(b, s, c, *_):
        kept = plain(b, s, c)
        return kept, s[kept]

    def with_labels(b, s, c, *_):
        kept = plain(b, s, c)
        return kept, s[kept], c[kept]

    first = ch17.judged(plain, pictures)
    assert first == ch17.judged(with_scores, pictures) == ch17.judged(with_labels, pictures)
    assert 30 < first[0] < 100
    by_class = ch17.each_class(lambda b, s: (k := batched_nms(b, s, s.long() * 0, 0.65), s[k]))
    assert ch17.judged(by_class, pictures) == pytest.approx(first)
    perfect = pictures.overlap(0).amax(dim=0)
    stayed, there = ch17.fits(pictures, 0.25, 0.45)
    assert (there >= stayed).all()
    assert there.max() <= perfect.max()


def test_the_board_says_what_it_shows():
    boxes = torch.tensor([[1.0, 1, 5, 7], [2, 1, 6, 7], [9, 2, 13, 8]])
    drawing = ch17.board(boxes, torch.tensor([0.9, 0.8, 0.95]), [2, 0], [1], (), "keep A")
    assert drawing.alt == "keep A. Kept C, A. Dropped now B."
    assert drawing.svg.count("stroke-dasharray") == 1


def test_two_people_and_a_double():
    """IoU of A with B and C by hand: 14 of 20 columns, 15 x 19 squares of all that the two cover."""
    boxes = torch.tensor([[3.0, 1, 20, 25], [6, 1, 23, 25], [1, 6, 18, 27]])
    shared = 15 * 19
    wanted = [14 / 20, shared / (17 * 24 + 17 * 21 - shared)]
    assert box_iou(boxes, boxes)[0, 1:].tolist() == pytest.approx(wanted)
    low, middle, high = (
        ch17.after_nms(boxes, torch.tensor([0.9, 0.8, 0.7]), at) for at in (0.45, 0.65, 0.75)
    )
    assert low.alt.endswith("2 people, in boxes A and B. Kept A. Dropped now B, C.")
    assert middle.alt.endswith("Kept A, C. Dropped now B.")
    assert high.alt.endswith("Kept A, B, C.")
    assert low.svg.count("<path") == middle.svg.count("<path") == 3, "the paper and two people"


def test_a_matrix_has_names():
    drawing = viz.matrix(torch.tensor([[1, 2], [3, 4], [5, 6]]), names=("ABC", "PQ"))
    assert drawing.alt == "columns P Q; A: 1 2; B: 3 4; C: 5 6."
    plain = viz.matrix(torch.tensor([[1, 2], [3, 4], [5, 6]]))
    assert plain.alt == "1 2; 3 4; 5 6."
    assert drawing.size[0] > plain.size[0]
    assert drawing.size[1] == plain.size[1] + 20


# --- the figure -------------------------------------------------------------------------------------------


def test_the_committed_figure_is_this_one(scene):
    outputs = [out for cell in notebooks.read(CHAPTER).cells for out in cell.get("outputs", [])]
    (found,) = [h for o in outputs if sifted.NAME in (h := o.get("data", {}).get("text/html", ""))]
    start = re.search(r'class="play-says"[^>]*>(.*?)</p>', found).group(1)
    assert start == re.search(r'class="play-says"[^>]*>(.*?)</p>', scene[3].html).group(1)


@pytest.fixture(scope="module")
def page(scene, tmp_path_factory):
    """The figure alone on a page, in headless Chromium; at the end nothing may have gone wrong in it."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not (chromium := shutil.which("chromium") or shutil.which("google-chrome")):
        pytest.skip("no Chromium here")
    file = tmp_path_factory.mktemp("figure") / "page.html"
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>NMS</title>'
    file.write_text(f"{head}<body><main><h1>NMS</h1>{scene[3].html}</main></body></html>", encoding="utf-8")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page, wrong = browser.new_page(viewport={"width": 900, "height": 1000}), []
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(file.as_uri())
        yield page
        browser.close()
    assert wrong == []


SET = """([confidence, iou, all]) => {
    const root = document.querySelector("figure");
    const put = (name, value) => { root.querySelector(`[data-of=${name}]`).value = value; };
    put("confidence", confidence);
    put("iou", iou);
    const radio = root.querySelector(`input[value=${all ? "all" : "own"}]`);
    radio.checked = true;
    radio.dispatchEvent(new Event("input", { bubbles: true }));
    return [root.sifted, root.querySelector(".play-says").textContent,
            [...root.querySelectorAll("[data-count]")].map((b) => [b.dataset.count, Number(b.textContent)])];
}"""


def test_the_script_is_torchvision(page, data):
    dice, tensors = random.Random(0), sifted.tensors(data)
    settings = [(0.25, 0.45, False), (0.01, 0.65, False), (0.01, 0.0, True), (0.01, 1.0, False)]
    settings += [
        (dice.randint(1, 95) / 100, dice.randint(0, 100) / 100, dice.random() < 0.4) for _ in range(60)
    ]
    for confidence, threshold, every in settings:
        wanted = sifted.sift(*tensors, confidence, threshold, every)
        found, says, counts = page.evaluate(SET, [confidence, threshold, every])
        for kind, indices in wanted._asdict().items():
            given = found[kind]
            if kind == "gone":
                given, indices = sorted(given), sorted(indices)
            assert given == indices, (confidence, threshold, every, kind)
        assert says == sifted.sentence(wanted, data, confidence, threshold)
        assert dict(counts) == {kind: len(indices) for kind, indices in wanted._asdict().items()}


def test_the_paths_are_the_boxes(page, data):
    boxes, _, _, truths, _ = sifted.tensors(data)
    found, _, _ = page.evaluate(SET, [0.1, 0.6, False])
    for kind in ("right", "wrong", "gone", "missed"):
        wanted = sifted.outline((truths if kind == "missed" else boxes)[found[kind]])
        assert page.locator(f"path[data-kind={kind}]").first.get_attribute("d") == wanted
    page.locator("[data-of=gone]").uncheck()
    assert page.locator("path[data-kind=gone]").get_attribute("d") == ""
    page.locator("[data-of=gone]").check()


def test_axe_finds_nothing_serious(page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    found = axe.Axe().run(page).response["violations"]
    assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []
