"""What the figures of chapter 01 say is what the package says, also where JavaScript says it."""

import random
import re
import shutil
from html import unescape

import matplotlib.pyplot as plt
import notebooks
import numpy as np
import pytest
import torch
from torchvision.ops import generalized_box_iou

from yolox_edu.boxes import cxcywh_to_xyxy, iou, xyxy_to_cxcywh
from yolox_edu.data.crossing import Crossing
from yolox_edu.detect import Detector
from yolox_edu.viz import ch01
from yolox_edu.viz.two_boxes import HIGH, PLACES, STEP, WIDE, measure, scene, sentence, two_boxes

CHAPTER = notebooks.BOOK / "01_boxes_and_iou.ipynb"
NUMBERS = ("a", "b", "intersection", "union", "iou", "enclosing", "giou")


def wanted(a, b):
    """The seven numbers of two boxes (left, top, width, height): the areas in plain Python."""
    areas = [box[2] * box[3] for box in (a, b)]
    spans = [(box[i], box[i] + box[i + 2]) for i in (0, 1) for box in (a, b)]
    shared = hull = 1.0
    for (a0, a1), (b0, b1) in (spans[:2], spans[2:]):
        shared *= max(min(a1, b1) - max(a0, b0), 0)
        hull *= max(a1, b1) - min(a0, b0)
    corners = torch.tensor([a, b], dtype=torch.float64)
    corners[:, 2:] += corners[:, :2]
    overlap = iou(*xyxy_to_cxcywh(corners)).item()
    giou = generalized_box_iou(corners[:1], corners[1:]).item()
    values = (*areas, shared, sum(areas) - shared, overlap, hull, giou)
    return dict(zip(NUMBERS, values))


def some_boxes(count, seed=0):
    """Pairs of random boxes on the figure's squared paper, in its steps."""
    dice = random.Random(seed)

    def side(room):
        size = dice.randint(round(1 / STEP), round(room / STEP)) * STEP
        return dice.randint(0, round((room - size) / STEP)) * STEP, size

    for _ in range(count):
        (ax, aw), (ay, ah), (bx, bw), (by, bh) = side(WIDE), side(HIGH), side(WIDE), side(HIGH)
        yield (ax, ay, aw, ah), (bx, by, bw, bh)


# --- the drawing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", [*PLACES.values(), *some_boxes(20)])
def test_the_numbers_in_python(pair):
    found = measure(*pair)
    assert {k: found[k] for k in NUMBERS} == pytest.approx(wanted(*pair))


@pytest.mark.parametrize("pair", PLACES.values())
def test_the_drawing_shows_what_it_says(pair):
    drawing = scene(*pair)
    shared = re.search(r'<rect [^>]*width="([\d.]+)" height="([\d.]+)"[^>]*data-is="shared"', drawing.svg)
    area = float(shared.group(1)) * float(shared.group(2)) / 32**2
    assert area == pytest.approx(measure(*pair)["intersection"])
    assert drawing.alt == sentence(*pair)
    assert f'aria-label="{drawing.alt}"' in unescape(drawing.svg)


def test_the_committed_figure_is_the_one_of_the_package():
    outputs = [out for cell in notebooks.read(CHAPTER).cells for out in cell.get("outputs", [])]
    found = [h for out in outputs if "play-01-boxes" in (h := out.get("data", {}).get("text/html", ""))]
    assert found == [two_boxes().html]


# --- in a browser -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The figure alone on a page, in headless Chromium; at the end nothing may have gone wrong in it."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not (chromium := shutil.which("chromium") or shutil.which("google-chrome")):
        pytest.skip("no Chromium here")
    file = tmp_path_factory.mktemp("figure") / "page.html"
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Two boxes</title>'
    body = f"<body><main><h1>Two boxes</h1>{two_boxes().html}</main></body></html>"
    file.write_text(head + body, encoding="utf-8")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page, wrong = browser.new_page(viewport={"width": 900, "height": 1200}, has_touch=True), []
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(file.as_uri())
        yield page
        browser.close()
    assert wrong == []


def shown(page):
    """The boxes in the number fields, and the seven numbers as the page shows them."""
    fields = page.locator("input[data-box]").evaluate_all("all => all.map(i => Number(i.value))")
    said = page.evaluate(
        "names => names.map(n => document.querySelector(`[data-is=${n}]`).textContent.replace('−', '-'))",
        list(NUMBERS),
    )
    return (fields[:4], fields[4:]), dict(zip(NUMBERS, map(float, said)))


def put(page, a, b):
    """Type two boxes into the fields: sizes that fit anywhere first, then places, then the sizes."""
    page.evaluate(
        """boxes => {
            const all = [...document.querySelectorAll("input[data-box]")];
            const type = (i, value) => {
                all[i].value = value;
                all[i].dispatchEvent(new Event("input", { bubbles: true }));
            };
            for (const i of [2, 3, 6, 7]) type(i, 1);
            for (const i of [0, 1, 4, 5, 2, 3, 6, 7]) type(i, boxes[i]);
            all[0].dispatchEvent(new Event("change", { bubbles: true }));
        }""",
        [*a, *b],
    )


def test_the_script_counts_as_the_package_does(page):
    for pair in some_boxes(300, seed=1):
        put(page, *pair)
        boxes, numbers = shown(page)
        assert boxes == tuple(map(list, pair))
        assert numbers == pytest.approx(wanted(*pair), abs=0.00051), pair
        assert page.locator("[data-is=says]").inner_text() == sentence(*pair)


def test_what_is_drawn_is_what_is_counted(page):
    for pair in some_boxes(50, seed=2):
        put(page, *pair)
        place = "r => ['x', 'y', 'width', 'height'].map(k => r.getAttribute(k) / 32)"
        for name, box in zip("ab", pair):
            assert page.locator(f"g[data-box={name}] [data-part=body]").evaluate(place) == list(box)
        shared = page.locator("[data-is=shared]").evaluate(place)
        assert shared[2] * shared[3] == pytest.approx(wanted(*pair)["intersection"])


def test_buttons(page):
    for i, pair in enumerate(PLACES.values()):
        page.locator("button[data-boxes]").nth(i).click()
        assert shown(page)[0] == tuple(map(list, pair))


def test_keys_move_and_resize(page):
    put(page, (1, 1, 6, 5), (4, 3, 7, 5))
    page.locator("g[data-box=b]").focus()
    for key in ("ArrowLeft", "ArrowDown", "Shift+ArrowRight", "Shift+ArrowUp"):
        page.keyboard.press(key)
    assert shown(page)[0] == ([1, 1, 6, 5], [3.5, 3.5, 7.5, 4.5])


def drag(page, start, end):
    """Press at a place of the squared paper, go to another one, let go."""
    paper = page.locator("figure svg").bounding_box()
    side = paper["width"] / WIDE
    for at, action in ((start, page.mouse.down), (end, page.mouse.up)):
        page.mouse.move(paper["x"] + side * at[0], paper["y"] + side * at[1], steps=4)
        action()


def test_dragging_a_box_a_corner_and_the_box_inside(page):
    put(page, (1, 1, 6, 5), (4, 3, 7, 5))
    drag(page, (9, 5), (10, 4.5))
    assert shown(page)[0] == ([1, 1, 6, 5], [5, 2.5, 7, 5])
    drag(page, (7, 6), (8.5, 4))  # A's corner, which lies on B
    assert shown(page)[0] == ([1, 1, 7.5, 3], [5, 2.5, 7, 5])
    put(page, (5, 3, 4, 3), (2, 1, 10, 7))
    drag(page, (7, 4), (8, 4))  # A, wholly inside B, which is drawn over it
    assert shown(page)[0] == ([6, 3, 4, 3], [2, 1, 10, 7])
    drag(page, (3, 2), (30, 2))  # no further than the paper
    assert shown(page)[0] == ([6, 3, 4, 3], [4, 1, 10, 7])


def test_a_finger_drags_a_box(page):
    put(page, (1, 1, 6, 5), (4, 3, 7, 5))
    paper = page.locator("figure svg").bounding_box()
    side, fingers = paper["width"] / WIDE, page.context.new_cdp_session(page)
    for name, way in (("touchStart", 0), ("touchMove", 0.5), ("touchMove", 1), ("touchEnd", None)):
        at = (
            []
            if way is None
            else [{"x": paper["x"] + side * (9 + way), "y": paper["y"] + side * (5 - 2 * way)}]
        )
        fingers.send("Input.dispatchTouchEvent", {"type": name, "touchPoints": at})
    page.wait_for_timeout(100)
    assert shown(page)[0] == ([1, 1, 6, 5], [5, 1, 7, 5])


def test_half_typed_numbers_do_no_harm(page):
    put(page, (1, 1, 6, 5), (4, 3, 7, 5))
    field = page.locator("input[data-box]").first
    field.fill("")
    assert shown(page)[1]["intersection"] == 9
    field.press("Tab")
    assert field.input_value() == "1"
    field.fill("99")
    field.press("Tab")
    assert field.input_value() == str(WIDE - 6)


def test_axe_finds_nothing_serious(page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    found = axe.Axe().run(page).response["violations"]
    assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []


# --- the other figures ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def street():
    """The day picture of the chapter."""
    return Crossing.split("val", 60, size=640)[33]


def test_the_six_dogs_all_have_one_half():
    cells = [c.source for c in notebooks.read(CHAPTER).cells if c.cell_type == "code"]
    (cell,) = [c for c in cells if "guesses = torch.tensor" in c]
    names = {"torch": torch, "cxcywh": torch.tensor([177.5, 573.5, 117, 95])}
    exec(cell.partition("fig, axes")[0], names)
    assert torch.allclose(iou(names["guesses"], names["cxcywh"]), torch.tensor(0.5))
    assert (cxcywh_to_xyxy(names["guesses"]) >= 0).all()


def test_the_table_says_what_the_text_says(street):
    picture, target = street
    found, truth = Detector("crossing", device="cpu")(picture), torch.tensor(target["boxes"])
    table = iou(xyxy_to_cxcywh(found.boxes)[:, None], xyxy_to_cxcywh(truth)[None])
    best, column = table.max(1)
    right = (best >= 0.5) & (found.labels == torch.from_numpy(target["labels"])[column])
    assert sorted(column[right].tolist()) == list(range(len(truth))), "nothing was missed, nothing twice"
    (alone,) = torch.where(~right)[0].tolist()
    name, (left, _, _, _) = list(found)[alone].name, found.boxes[alone].tolist()
    assert (name, left > 500) == ("person", True)


def test_the_shy_cell_sits_on_the_man_in_the_yellow_jacket(street):
    picture, target = street
    text = "".join(o.get("text", "") for c in notebooks.read(CHAPTER).cells for o in c.get("outputs", []))
    assert re.search(r"^sure: objectness \S+ × car ", text, re.M)
    assert re.search(r"^shy: objectness 0\.00\d × person ", text, re.M)
    left, top, right, bottom = target["boxes"][6].tolist()
    jacket = picture[int(top + 0.3 * (bottom - top)), int((left + right) / 2)].astype(int)
    assert jacket[:2].min() > jacket[2] + 60, "yellow"


def test_a_view_near_a_box_ends_with_the_picture():
    _, ax = plt.subplots()
    picture = np.zeros((40, 60, 3), np.uint8)
    ch01.show(ax, picture, "edge", ch01.near(torch.tensor([50.0, 30, 60, 40]), 0.5))
    assert (ax.get_xlim(), ax.get_ylim()) == ((45, 60), (40, 25))
    plt.close("all")
