"""The SimOTA laboratory: its script decides as the package does, and every way to move it moves it.

The package runs in float64 here (its boxes are decoded in float32, and handed to the script as they are):
beside a million float32 knows sixteenths only, and a sum of IoUs near a whole number could fall on either
side of it. The ready-made states hold in float32 too, as training runs it.
"""

import json
import math
import re
import shutil
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

from yolox_edu.boxes import decode_boxes, grid, iou
from yolox_edu.simota import Assignment, Targets, assign, candidate_cells, class_cost, match
from yolox_edu.viz import simota_lab as lab
from yolox_edu.viz.simota_lab import CLASSES, COLUMNS, LETTERS, NAME, ROWS, SIZE, STRIDE, sentence, simota_lab
from yolox_edu.viz.simota_scenes import SPARE, Scene, decide, scenes

SCRIPT = Path(lab.__file__).with_name("simota.js")
RULES = {"radius": 1.5, "top": 10, "weight": 3.0}
READY = scenes()


# --- the same in Python -----------------------------------------------------------------------------------


def draw(seed: int) -> dict:
    """A random scene as the script takes it, with the raw numbers that gave its predictions."""
    dice = Random(seed)
    columns, rows, count = dice.randint(3, 9), dice.randint(3, 6), dice.choice([1, 2, 2, 3, 3, 4])
    wide, high = 32 * columns, 32 * rows
    x, y = dice.uniform(0, wide), dice.uniform(0, high)
    truths = []
    for _ in range(count):
        near = dice.random() < 0.6  # crowded, so that truths fight
        x, y = (x + dice.uniform(-60, 60), y + dice.uniform(-60, 60)) if near else (dice.uniform(0, wide), 40)
        box = [min(max(x, 0), wide), min(max(y, 0), high), dice.uniform(12, 200), dice.uniform(12, 160)]
        truths.append({"box": [round(4 * b) / 4 for b in box], "label": dice.randrange(3)})
    skill = dice.uniform(0, 1)
    raw = []
    for cell in range(columns * rows):
        own = [(cell % columns + 0.5) * 32, (cell // columns + 0.5) * 32, 40, 40]
        aim = dice.choice(truths)["box"]
        part = skill * dice.random() ** 0.3
        x, y, w, h = (part * a + (1 - part) * o for a, o in zip(aim, own))
        box = [x / 32 - cell % columns, y / 32 - cell // columns, math.log(w / 32), math.log(h / 32)]
        raw.append([b + dice.gauss(0, 0.1) for b in box] + [dice.gauss(-1 + 2 * skill, 2) for _ in range(4)])
    raw = torch.tensor(raw)
    where, strides = (part[-columns * rows :] for part in grid((high, wide)))
    boxes = decode_boxes(raw, where, strides).double()
    return scene_of(columns, rows, truths, boxes, raw.double()) | RULES


def scene_of(columns, rows, truths, boxes, raw) -> dict:
    """For the script; `raw` stays here."""
    scores = raw[:, 4:].sigmoid().tolist()
    predictions = [
        {"box": box, "objectness": objectness, "scores": classes}
        for box, (objectness, *classes) in zip(boxes.tolist(), scores)
    ]
    size = {"columns": columns, "rows": rows, "stride": 32}
    return {**size, "truths": truths, "predictions": predictions, "raw": raw}


def by_package(scene: dict) -> dict:
    """The package's own steps, on the one level of the scene."""
    size = (32 * scene["rows"], 32 * scene["columns"])
    last = scene["rows"] * scene["columns"]
    boxes = torch.tensor([truth["box"] for truth in scene["truths"]], dtype=torch.float64)
    labels = torch.tensor([truth["label"] for truth in scene["truths"]])
    near = candidate_cells(boxes[None], torch.ones(1, len(boxes), dtype=torch.bool), size)[0, -last:]
    where = (grid(size)[0][-last:][near] + 0.5) * 32
    inside = ((where[None] - boxes[:, None, :2]).abs() < 48).all(dim=-1)
    predicted = torch.tensor([p["box"] for p in scene["predictions"]], dtype=torch.float64)[near]
    overlap = iou(boxes[:, None], predicted[None])
    cls = class_cost(scene["raw"][near][None], labels[None])[0]
    cost = cls - 3 * (overlap + 1e-8).log() + 1e6 * ~inside
    positive, truth = match(cost[None], overlap[None])
    k = overlap.topk(min(10, overlap.shape[1])).values.sum(1).int().clamp(min=1)
    return {
        "cells": near.nonzero().flatten().tolist(),
        "overlap": overlap.tolist(),
        "cls": cls.tolist(),
        "cost": cost.tolist(),
        "k": k.tolist(),
        "owners": [int(t) if p else -1 for t, p in zip(truth[0], positive[0])],
    }


def by_loops(scene: dict) -> dict:
    """SimOTA with any rules, as one would write it without a library."""
    truths, found = (
        scene["truths"],
        {"cells": [], "overlap": [], "cls": [], "cost": [], "k": [], "owners": []},
    )

    def centre(cell):
        return (cell % scene["columns"] + 0.5) * 32, (cell // scene["columns"] + 0.5) * 32

    def inside(truth, cell):
        return all(abs(a - b) < 32 * scene["radius"] for a, b in zip(centre(cell), truth["box"]))

    cells = range(scene["columns"] * scene["rows"])
    found["cells"] = [cell for cell in cells if any(inside(truth, cell) for truth in truths)]
    claims = {}
    for number, truth in enumerate(truths):
        overlap, cls, cost = [], [], []
        for cell in found["cells"]:
            prediction = scene["predictions"][cell]
            overlap.append(loop_iou(truth["box"], prediction["box"]))
            cls.append(0.0)
            for label, score in enumerate(prediction["scores"]):
                p = math.sqrt(score * prediction["objectness"])
                cls[-1] -= math.log(p) if label == truth["label"] else math.log1p(-p)
            cost.append(cls[-1] - scene["weight"] * math.log(overlap[-1] + 1e-8))
            cost[-1] += 0 if inside(truth, cell) else 1e6
        k = max(int(sum(sorted(overlap, reverse=True)[: scene["top"]])), 1)
        for place in sorted(range(len(cost)), key=lambda j, cost=cost: cost[j])[:k]:
            claims.setdefault(place, []).append(number)
        for key, value in (("overlap", overlap), ("cls", cls), ("cost", cost), ("k", k)):
            found[key].append(value)
    for place in range(len(found["cells"])):
        who = claims.get(place, [])
        if len(who) > 1:
            who = [min(range(len(truths)), key=lambda i, j=place: found["cost"][i][j])]
        found["owners"].append(who[0] if who else -1)
    return found | {"claims": claims}


def loop_iou(a, b):
    """Corners, by hand."""
    wide, high = (
        max(
            0.0, min(a[i] + a[i + 2] / 2, b[i] + b[i + 2] / 2) - max(a[i] - a[i + 2] / 2, b[i] - b[i + 2] / 2)
        )
        for i in (0, 1)
    )
    return wide * high / (a[2] * a[3] + b[2] * b[3] - wide * high)


def agree(one: dict, other: dict):
    """The same candidates, numbers, k and owners."""
    for key in ("cells", "k", "owners"):
        assert one[key] == other[key], key
    for key in ("overlap", "cls", "cost"):
        assert np.allclose(one[key], other[key], rtol=0, atol=1e-4), key


# --- the browser ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not (chromium := shutil.which("chromium") or shutil.which("google-chrome")):
        pytest.skip("no Chromium here")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def compute(browser):
    """simota.js alone, without a figure: a list of scenes in, what it decides out."""
    page = browser.new_page()
    program = """([source, scenes]) => new Function("scenes", source + `;
        const part = (rows, key) => rows.map((row) => row.map((pair) => pair[key]));
        return JSON.stringify(scenes.map((scene) => { const r = assign(scene);
          return { cells: r.cells, owners: r.owners,
          overlap: part(r.rows, "overlap"), cls: part(r.rows, "cls"), cost: part(r.rows, "cost"),
          k: r.votes.map((vote) => vote.k), best: r.votes.map((vote) => vote.best),
          claimants: r.claimants }; }));`)(JSON.parse(scenes))"""

    def run(all_scenes: list[dict]) -> list[dict]:
        bare = [{key: value for key, value in scene.items() if key != "raw"} for scene in all_scenes]
        return json.loads(page.evaluate(program, [SCRIPT.read_text(encoding="utf-8"), json.dumps(bare)]))

    yield run
    page.close()


@pytest.fixture(scope="module")
def html():
    figure = simota_lab().html
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>The laboratory</title>'
    ground = (
        "<style>body { margin: 8px } [data-theme=dark] { --pst-color-background: #151a1e; "
        "background: #151a1e; color: #d8dfe3 }</style>"
    )
    return (
        f"{head}{ground}<body><main class='bd-article'><h1>The laboratory</h1>{figure}</main></body></html>"
    )


@pytest.fixture(scope="module")
def opened(browser, html, tmp_path_factory):
    """A page, its address, and what has gone wrong in it."""
    file = tmp_path_factory.mktemp("figure") / "page.html"
    file.write_text(html, encoding="utf-8")
    page, wrong = browser.new_page(has_touch=True), []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda r: wrong.append(r.url) if not r.url.startswith(("file:", "data:")) else None)
    yield page, file.as_uri(), wrong
    page.close()


@pytest.fixture
def page(opened):
    """The figure alone on a page, as at the start; at the end nothing may have gone wrong in it."""
    page, address, wrong = opened
    page.set_viewport_size({"width": 860, "height": 1300})
    page.emulate_media(media="screen")
    page.goto(address)
    yield page
    assert wrong == []


def says(page):
    return page.inner_text(f"#{NAME} [data-is=says]")


def put(page, name, value):
    """Set one control and let it say so, as a hand would."""
    page.evaluate(
        "([key, value]) => { const i = document.getElementById(key); i.value = value;"
        " i.dispatchEvent(new Event('input', {bubbles: true})); }",
        [f"{NAME}-{name}", str(value)],
    )


def value(page, name):
    return float(page.input_value(f"#{NAME}-{name}"))


# --- equal to the package ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crowd(compute):
    """240 random scenes, each with what the script decides."""
    drawn = [draw(seed) for seed in range(240)]
    return list(zip(drawn, compute(drawn), strict=True))


def test_the_script_decides_as_the_package_does(crowd):
    seen = {"fights": 0, "empty": 0, "k > 1": 0, "a third": 0, "outside": 0}
    for scene, found in crowd:
        agree(found, by_package(scene))
        agree(found, by_loops(scene))
        pairs = list(zip(found["claimants"], found["owners"]))
        seen["fights"] += any(len(who) > 1 for who, _ in pairs)
        seen["a third"] += any(len(who) > 1 and owner not in who for who, owner in pairs)
        seen["empty"] += len(set(found["owners"]) - {-1}) < len(scene["truths"])
        seen["k > 1"] += max(found["k"]) > 1
        seen["outside"] += any(found["cost"][i][j] > 1e5 for j, (who, _) in enumerate(pairs) for i in who)
    assert min(seen.values()) >= 3, seen


def test_the_script_decides_as_the_whole_of_assign_does(crowd):
    """With the two finer levels there, which predict nothing: every pair of theirs costs 155 or more."""
    compared = 0
    for scene, found in crowd:
        if any(found["cost"][i][j] > 155 for j, who in enumerate(found["claimants"]) for i in who):
            continue  # more claims than cells in the region: the finer levels would come before a million
        compared += 1
        assert owners(whole(scene, torch.float64)) == {
            cell: truth for cell, truth in zip(found["cells"], found["owners"]) if truth >= 0
        }
    assert compared >= 200


def whole(scene: dict, dtype: torch.dtype) -> Assignment:
    """`assign` over all three levels of a picture of the scene's size."""
    size = (32 * scene["rows"], 32 * scene["columns"])
    cells, strides = grid(size)
    silent = torch.tensor([0.0, 0, -20, -20, -110, -110, -110, -110])
    raw = torch.cat([silent.expand(len(cells) - len(scene["raw"]), -1), scene["raw"]]).to(dtype)
    boxes = torch.tensor([[truth["box"] for truth in scene["truths"]]], dtype=dtype)
    labels = torch.tensor([[truth["label"] for truth in scene["truths"]]])
    targets = Targets(boxes, labels, torch.ones_like(labels, dtype=torch.bool))
    found = assign(raw[None], targets, size, cells, strides)
    return found._replace(cell=found.cell - (len(cells) - len(scene["raw"])))


def owners(found: Assignment) -> dict[int, int]:
    there = found.positive[0]
    return dict(zip(found.cell[0][there].tolist(), found.truth[0][there].tolist()))


def test_other_rules(compute):
    drawn = []
    for seed in range(120):
        dice = Random(seed)
        rules = {"radius": dice.choice([0.5, 0.75, 1, 2, 2.5, 3]), "top": dice.randint(1, 15)}
        drawn.append(draw(1000 + seed) | rules | {"weight": dice.choice([0, 0.5, 1, 2, 4.5, 6])})
    for scene, found in zip(drawn, compute(drawn), strict=True):
        agree(found, by_loops(scene))


# --- the ready-made states --------------------------------------------------------------------------------


def as_script_takes_it(scene: Scene) -> dict:
    """A ready-made state with the raw numbers that a head would have to give."""
    numbers = torch.tensor(scene.numbers).float()
    where = grid(SIZE)[0][-COLUMNS * ROWS :]
    raw = torch.cat(
        [numbers[:, :2] / 32 - where, (numbers[:, 2:4] / 32).log(), (numbers[:, 4:] / 100).logit()], 1
    )
    truths = [{"box": list(box), "label": label} for box, label in scene.truths]
    return scene_of(COLUMNS, ROWS, truths, numbers[:, :4].double(), raw) | RULES


@pytest.mark.parametrize("title", READY)
def test_the_ready_made_states_are_what_the_package_decides(title, compute, page):
    scene = as_script_takes_it(READY[title])
    (found,) = compute([scene])
    result = decide(READY[title])
    positive = {cell: truth for cell, truth in zip(found["cells"], found["owners"]) if truth >= 0}
    assert result.owners == positive == owners(whole(scene, torch.float32))
    assert (result.cells, result.k) == (found["cells"], found["k"])
    for best, cost, k in zip(found["best"], found["cost"], found["k"]):  # nothing that rounding could decide
        assert abs(sum(best) - round(sum(best))) > 0.01
        assert sorted(cost)[k] - sorted(cost)[k - 1] > 0.01
    page.click(f'#{NAME} [data-scene="{title}"]')
    assert says(page) == sentence(READY[title], result)
    assert page.inner_text(f"#{NAME} [data-is=words]") == READY[title].words


def test_the_words_of_the_states_are_true(compute):
    found = dict(zip(READY, compute([as_script_takes_it(scene) for scene in READY.values()])))
    claims = {
        title: {cell: who for cell, who in zip(r["cells"], r["claimants"]) if who}
        for title, r in found.items()
    }
    owner = {title: dict(zip(r["cells"], r["owners"])) for title, r in found.items()}

    assert all(len(who) == 1 for who in claims["start"].values())
    assert claims["two want one cell"][34] == [0, 1]
    assert owner["two want one cell"][34] == 0
    assert set(owner["one ends with nothing"].values()) == {-1, 0}
    assert found["one ends with nothing"]["k"][1] == 1
    assert claims["it goes to a third"] == {24: [2], 34: [0, 1]}
    assert found["it goes to a third"]["k"] == [1, 1, 1]
    assert [cell for cell, i in owner["it goes to a third"].items() if i >= 0] == [24, 34]
    assert owner["it goes to a third"][24] == owner["it goes to a third"][34] == 2
    assert found["untrained"]["k"] == [1, 1]
    for _, _, w, h, *scores in READY["untrained"].numbers:
        assert abs(w - STRIDE) <= 3
        assert abs(h - STRIDE) <= 3
        assert scores == [1, 1, 1, 1]
    assert READY["untrained"].truths == READY["start"].truths == READY["trained"].truths
    for less, more in (("untrained", "start"), ("start", "trained")):
        assert all(a < b for a, b in zip(found[less]["k"], found[more]["k"]))
    outside, place = found["outside the region"], found["outside the region"]["cells"].index(35)
    assert outside["overlap"][0][place] == max(outside["overlap"][0]) > 0.95
    assert outside["cost"][0][place] > 1e6
    assert owner["outside the region"][35] == -1
    rest = sorted(outside["overlap"][0][:place] + outside["overlap"][0][place + 1 :])[-10:]
    assert outside["k"][0] == 4 > int(sum(rest))  # "Its IoU still counts for A's k."


def test_two_that_fight_part_when_one_moves_away(page):
    page.click(f'#{NAME} [data-scene="two want one cell"]')
    assert "cell 34, claimed by A and B, goes to A" in page.inner_text(f"#{NAME} [data-is=step]")
    put(page, "moved", "B")
    put(page, "x", 226)
    assert "No cell is claimed twice" in page.inner_text(f"#{NAME} [data-is=step]")


def test_the_small_one_gets_a_cell_when_a_cell_predicts_it(page):
    page.click(f'#{NAME} [data-scene="one ends with nothing"]')
    assert "Truth B: k = 1, ends with nothing." in says(page)
    (x, y, w, h), _ = READY["one ends with nothing"].truths[1]
    put(page, "moved", "cell")
    for name, number in {"x": x, "y": y, "w": w, "h": h, "score0": 80, "score3": 80, "score2": 3}.items():
        put(page, name, number)
    assert re.search(r"Truth B: k = 2, positive cells? .*35", says(page))


# --- as a figure ------------------------------------------------------------------------------------------


def test_light_enough_and_the_same_each_time():
    made = simota_lab()
    assert made.html == simota_lab().html
    assert len(made.html.encode()) < 120_000
    addresses = made.html.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|//\w|@import|url\((?!#)|\ssrc=", addresses)  # asks for nothing
    with pytest.raises(ValueError, match="no scene 'stort'; there are start, "):
        simota_lab("stort")


def test_it_can_begin_elsewhere(browser):
    page = browser.new_page()
    page.set_content(simota_lab("trained", step=2, name="play-12-other").html)
    page.wait_for_selector("#play-12-other table")
    assert page.inner_text("[data-is=says]") == sentence(READY["trained"], decide(READY["trained"]))
    assert page.inner_text("[data-is=step]").startswith("Step 2. ")
    assert page.get_attribute("[data-scene=trained]", "aria-pressed") == "true"
    page.close()


def test_without_a_script_the_start_is_drawn_and_said(browser, html, page):
    still = browser.new_context(java_script_enabled=False).new_page()
    still.set_content(html)
    assert says(still) == says(page) == sentence(READY["start"], decide(READY["start"]))
    drawn = "all => all.map((e) => [e.dataset.is, e.getAttribute('x'), e.getAttribute('d')])"
    for part in ("[data-is=body]", "[data-is=shape]", "[data-is=region]"):
        assert still.eval_on_selector_all(part, drawn) == page.eval_on_selector_all(part, drawn)
    letters = "all => all.map((e) => [e.textContent, e.getAttribute('x')])"
    assert still.eval_on_selector_all("text.own", letters) == page.eval_on_selector_all("text.own", letters)
    assert not still.locator("button").first.is_visible()
    still.context.close()


def test_paper_shows_picture_and_sentence(page):
    browsing = pytest.importorskip("browsing", reason="playwright and axe are not installed")
    page.add_script_tag(path=browsing.SCRIPTS)
    page.emulate_media(media="print")
    page.set_viewport_size({"width": browsing.PAPER, "height": 900})
    assert browsing.clipped(page) == []
    assert page.locator(f"#{NAME} .lab-scene svg").is_visible()
    assert says(page).startswith("Truth A: k = ")
    assert not page.locator("button").first.is_visible()
    assert not page.get_by_text("Truths and rules").is_visible()
    values = "step: 4 one truth each · box of: A · centre x: 112 ·"
    assert page.inner_text(f"#{NAME} .play-words").startswith(values)


def test_every_control_moves_it(page):
    browsing = pytest.importorskip("browsing", reason="playwright and axe are not installed")
    page.add_script_tag(path=browsing.SCRIPTS)
    assert browsing.unmoved(page, page.query_selector(f"#{NAME}")) == []


def test_each_input_changes_what_is_seen(page):
    """One by one from the start, so that none hides behind what another has moved."""
    moves = {
        "moved": "cell",
        "cell": 22,
        "x": 80,
        "y": 60,
        "w": 90,
        "h": 100,
        "label": "dog",
        "radius": 2,
        "top": 3,
    }
    moves |= {"weight": 1, **{f"score{i}": 70 for i in range(1 + len(CLASSES))}}
    shown = "document.querySelector('.lab').innerHTML"
    for i, (name, new) in enumerate(moves.items()):
        page.check(f"#{NAME} input[data-of=step][value='{1 + i % 4}']")
        page.click(f"#{NAME} [data-scene=start]")
        before = page.evaluate(shown)
        put(page, name, new)
        assert page.evaluate(shown) != before, name
    for number in (1, 3):
        page.check(f"#{NAME} input[data-of=count][value='{number}']")
        assert says(page).count("Truth") == number


def test_the_steps_light_their_parts(page):
    seen, lit = [], []
    for step in (1, 2, 3, 4):
        page.check(f"#{NAME} input[data-of=step][value='{step}']")
        seen.append(page.inner_html(f"#{NAME} [data-layer=cells]"))
        parts = "all => all.map((e) => e.dataset.is || e.querySelector('th').textContent)"
        lit.append(page.eval_on_selector_all(f"#{NAME} .lit", parts))
    assert len(set(seen)) == 4
    assert [len(parts) for parts in lit] == [1, 3, 2, 1]
    assert lit[2] == ["votes", "claimed by"]


@pytest.mark.parametrize(("width", "theme"), [(860, "light"), (390, "dark")])
def test_axe_finds_nothing_serious(page, width, theme):
    browsing = pytest.importorskip("browsing", reason="playwright and axe are not installed")
    page.add_script_tag(path=browsing.SCRIPTS)
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate("t => document.documentElement.dataset.theme = t", theme)
    for title, step in (("it goes to a third", 3), ("outside the region", 2)):
        page.click(f'#{NAME} [data-scene="{title}"]')
        page.check(f"#{NAME} input[data-of=step][value='{step}']")
        assert browsing.barriers(page) == []
        assert browsing.sideways(page) == []


# --- every control at random, against loops ----------------------------------------------------------------


def shuffled(page, dice: Random) -> dict:
    """All controls of the page set at random; the scene that they ask for, kept here beside the page."""
    ready = READY[title := dice.choice(list(READY))]
    page.click(f'#{NAME} [data-scene="{title}"]')
    count = dice.randint(1, 3)
    page.check(f"#{NAME} input[data-of=count][value='{count}']")
    page.check(f"#{NAME} input[data-of=step][value='{dice.randint(1, 4)}']")
    truths = [{"box": list(box), "label": label} for box, label in [*ready.truths, SPARE][:3]]
    numbers = [list(line) for line in ready.numbers]

    def new_box() -> list[int]:
        box = [dice.randint(100, 190), dice.randint(70, 120), dice.randint(8, 200), dice.randint(8, 192)]
        for name, number in zip("xywh", box):
            put(page, name, number)
        return box

    for letter, truth in zip(LETTERS[:count], truths):
        put(page, "moved", letter)
        truth |= {"box": new_box(), "label": dice.randrange(3)}
        put(page, "label", CLASSES[truth["label"]])
    put(page, "moved", "cell")
    for cell in dice.sample(range(COLUMNS * ROWS), 6):
        put(page, "cell", cell)
        numbers[cell] = new_box() + [dice.randint(1, 99) for _ in range(4)]
        for i, score in enumerate(numbers[cell][4:]):
            put(page, f"score{i}", score)
    rules = {"radius": dice.randint(2, 12) / 4, "top": dice.randint(1, 15), "weight": dice.randint(0, 12) / 2}
    for name, number in rules.items():
        put(page, name, number)
    scores = torch.tensor(numbers)[:, 4:].double() / 100
    boxes = torch.tensor(numbers)[:, :4].double()
    return scene_of(COLUMNS, ROWS, truths[:count], boxes, torch.cat([boxes, scores.logit()], 1)) | rules


def test_all_controls_at_random_show_what_loops_decide(page):
    fights = 0
    for seed in range(10):
        scene = shuffled(page, Random(seed))
        right = by_loops(scene)
        row = "all => all.map((e) => [...e.cells].slice(1).map((c) => c.innerText))"
        heads, *costs, claimed, learns = page.eval_on_selector_all(f"#{NAME} .lab-matrix tr", row)
        assert [int(cell) for cell in heads] == right["cells"], seed
        for shown, cost in zip(costs, right["cost"], strict=True):
            assert [c == "10⁶" for c in shown] == [c > 5e5 for c in cost]
            near = [(float(s.replace("−", "-")), c) for s, c in zip(shown, cost) if c < 5e5]
            assert all(abs(s - c) < 0.051 for s, c in near), seed
        claims = [right["claims"].get(place, []) for place in range(len(heads))]
        assert claimed == [" ".join(LETTERS[i] for i in who) or "·" for who in claims], seed
        assert learns == ["·" if i < 0 else LETTERS[i] for i in right["owners"]], seed
        k = page.locator(f"#{NAME} .lab-vote b").all_inner_texts()
        assert [int(n) for n in k] == right["k"], seed
        assert all(f"Truth {LETTERS[i]}: k = {n}, " in says(page) for i, n in enumerate(right["k"]))
        fights += any(len(who) > 1 for who in claims)
    assert fights >= 3


# --- hands ------------------------------------------------------------------------------------------------


def screen(page, x, y):
    """Where a pixel of the picture lies on the screen."""
    return page.evaluate(
        "([id, x, y]) => { const s = document.querySelector(`#${id} .lab-scene svg`);"
        " const p = new DOMPoint(x, y).matrixTransform(s.getScreenCTM()); return [p.x, p.y]; }",
        [NAME, x, y],
    )


def drag(page, start, end):
    page.mouse.move(*screen(page, *start))
    page.mouse.down()
    page.mouse.move(*screen(page, *end), steps=4)
    page.mouse.up()


def box(page):
    return [value(page, name) for name in "xywh"]


def test_dragging_truths_a_corner_and_a_prediction(page):
    (a, _), (b, _) = READY["start"].truths
    drag(page, (70, 90), (60, 60))  # in A, beside the chosen prediction
    assert box(page) == pytest.approx([a[0] - 10, a[1] - 30, *a[2:]], abs=1)
    drag(page, (b[0] + 10, b[1] - 50), (b[0] + 70, b[1] - 30))
    assert page.input_value(f"#{NAME}-moved") == "B"
    assert box(page) == pytest.approx([b[0] + 60, b[1] + 20, *b[2:]], abs=1)
    x, y, w, h = box(page)
    drag(page, (x + w / 2, y + h / 2), (x + w / 2 - 12, y + h / 2 - 20))
    assert box(page) == pytest.approx([x - 6, y - 10, w - 12, h - 20], abs=1.1)
    put(page, "moved", "cell")
    x, y, w, h = box(page)
    drag(page, (x, y), (x + 40, y + 12))
    assert box(page) == pytest.approx([x + 40, y + 12, w, h], abs=1)
    assert page.input_value(f"#{NAME}-moved") == "cell"


def test_a_finger_drags_on_a_phone(page):
    page.set_viewport_size({"width": 390, "height": 844})
    fingers = page.context.new_cdp_session(page)
    for start, way, letter in (((70, 90), (16, 30), "A"), ((186, 42), (20, 24), "B")):
        put(page, "moved", letter)
        old = box(page)
        page.evaluate(f"document.querySelector('#{NAME} .lab-scene').scrollIntoView({{behavior: 'instant'}})")
        scrolled = page.evaluate("scrollY")
        for name, part in (("touchStart", 0), ("touchMove", 0.5), ("touchMove", 1), ("touchEnd", None)):
            at = [] if part is None else [screen(page, *(a + part * b for a, b in zip(start, way)))]
            touch = {"type": name, "touchPoints": [{"x": x, "y": y} for x, y in at]}
            fingers.send("Input.dispatchTouchEvent", touch)
        there = "([id, x]) => Math.abs(document.getElementById(id).value - x) < 1.5"
        page.wait_for_function(there, arg=[f"{NAME}-x", old[0] + way[0]])
        assert box(page) == pytest.approx([old[0] + way[0], old[1] + way[1], *old[2:]], abs=1)
        assert page.input_value(f"#{NAME}-moved") == letter
        assert page.evaluate("scrollY") == scrolled  # the page stays where it is


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1366, 650), (1920, 1000)])
def test_the_picture_stays_in_sight_while_the_last_slider_moves(page, width, height):
    page.set_viewport_size({"width": width, "height": height})
    frame, slider = page.locator(f"#{NAME} .lab-scene"), page.locator(f"#{NAME}-weight")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    scene, moved = frame.bounding_box(), slider.bounding_box()
    assert scene["y"] >= 0
    assert scene["y"] + scene["height"] < moved["y"] < height
    page.set_viewport_size({"width": 844, "height": 390})  # on its side: no room for both
    assert (
        page.evaluate(f"getComputedStyle(document.querySelector('#{NAME} .lab-scene')).position") == "static"
    )


def test_boxes_stay_on_the_picture(page):
    (a, _), *_ = READY["start"].truths
    drag(page, (70, 90), (-400, -300))
    assert box(page) == pytest.approx([0, 0, *a[2:]], abs=1)


def test_a_tap_chooses_a_cell_and_a_letter_its_truth(page):
    page.touchscreen.tap(*screen(page, 32 * 7 + 16, 32 * 4 + 16))
    assert page.input_value(f"#{NAME}-cell") == "47"
    (b, _) = READY["start"].truths[1]
    page.touchscreen.tap(*screen(page, b[0] + b[2] / 2 - 6, b[1] - b[3] / 2 + 6))
    assert page.input_value(f"#{NAME}-moved") == "B"
    assert page.inner_text(f"#{NAME} label[for={NAME}-label]") == "class of B"


def test_a_cost_in_the_table_chooses_its_pair(page):
    page.click(f"#{NAME} [data-pair='1 36']")
    assert page.inner_text(f"#{NAME} [data-is=pair] b") == "Cost of B × cell 36"
    assert page.input_value(f"#{NAME}-cell") == "36"


def test_keys_move_and_resize(page):
    for grip, keys in (("0", ("ArrowRight", "Shift+ArrowDown")), ("p", ("ArrowUp", "Shift+ArrowLeft"))):
        page.locator(f"#{NAME} [data-chip='{grip}']").focus()
        x, y, w, h = box(page)
        for key in keys:
            page.keyboard.press(key)
        moved = [x + 4, y, w, h + 4] if grip == "0" else [x, y - 4, w - 4, h]
        assert box(page) == moved


def test_the_state_s_numbers_are_on_the_page(page):
    """The costs in the table and the parts of the chosen pair, against the package."""
    page.click(f'#{NAME} [data-scene="start"]')
    right = by_package(as_script_takes_it(READY["start"]))
    for i in range(2):
        for cell, cost in zip(right["cells"], right["cost"][i]):
            shown = page.inner_text(f"#{NAME} [data-pair='{i} {cell}']")
            assert shown == "10⁶" if cost > 1e5 else float(shown) == pytest.approx(cost, abs=0.051)
    place = right["cells"].index(34)
    parts = [float(n) for n in page.locator(f"#{NAME} [data-is=pair] td.end").all_inner_texts()]
    cls, cost = right["cls"][0][place], right["cost"][0][place]
    assert parts == pytest.approx([cls, cost - cls, 0, cost], abs=0.0051)


def test_the_spare_truth_waits_outside_the_states_with_two():
    assert all(len(scene.truths) in (2, 3) for scene in READY.values())
    (x, y, *_), _ = SPARE
    assert 0 < x < COLUMNS * STRIDE
    assert 0 < y < ROWS * STRIDE
    assert len(LETTERS) == 3
