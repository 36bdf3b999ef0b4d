"""Figures to play with: the HTML, and what a reader sees in a browser, on paper, in a notebook."""

import json
import os
import re
import subprocess
import sys
from html import escape
from pathlib import Path

import pytest

from yolox_edu.viz.play import MOST_BYTES, Drawn, Figure, figure, live, play
from yolox_edu.viz.svg import Drawing, canvas, rect, text

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = Path("/usr/bin/chromium")
PIXELS = "data:image/png;base64," + "iVBORw0KGgo" * 40
SENTENCE = re.compile(r'<p class="play-says" aria-live="polite">(.*?)</p>')


def words(alt: str, body: str = "") -> Drawing:
    """A drawing of little more than its sentence."""
    return canvas([body], 9.0, 9.0, alt)


def draw(phase: int, order: str, grid: bool) -> Drawing:
    """Eight numbered squares, every fourth of them filled; an arrow's tip with an id, and a picture."""
    alt = f'Phase {phase}, order "{order}" & {"a" if grid else "no"} grid.'
    body = [f'<defs><marker id="tip"/></defs><image width="9" height="9" href="{PIXELS}"/>']
    for i in range(8):
        body.append(rect(30.0 * i, 0.0, 28.0, 28.0, "blue" if i % 4 == phase else None))
        body.append(text(30.0 * i + 14, 14.0, str(i if order == "rows" else 7 - i)))
    lines = '<line x2="9" marker-end="url(#tip)"/>' if grid else ""
    return canvas([*body, lines], 240.0, 30.0, alt)


def sample(name: str = "play-03-phase", **start) -> Figure:
    """The figure of most tests: 4 × 2 × 2 frames."""
    return play(draw, name, start=start, phase=[0, 1, 2, 3], order=["rows", "columns"], grid=[True, False])


def plan(made: Figure) -> tuple[dict, list[str]]:
    """The rows and the pieces that the figure's script reads."""
    data = re.search(r'<script type="text/plain">\n(.*?)\n</script>', made.html, re.S).group(1)
    first, *pieces = data.split("\n")
    return json.loads(first), pieces


def frames(made: Figure) -> list[tuple[str, str]]:
    """All frames and their sentences, put together from the HTML as the script does it."""
    rows, pieces = plan(made)
    start = re.search(r'<div class="play-frame">(.*?)</div>\n', made.html, re.S).group(1)
    pictures = list(dict.fromkeys(re.findall(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=]{200,}", start)))
    found = []
    for k in rows["order"]:
        *html, alt = (pieces[i] for i in rows["rows"][k])
        found.append((re.sub(r"data:#(\d+)", lambda m: pictures[int(m.group(1))], "".join(html)), alt))
    return found


# --- the HTML ---------------------------------------------------------------------------------------------


def test_every_combination_is_in_the_page():
    values = [(p, o, g) for p in range(4) for o in ("rows", "columns") for g in (True, False)]
    name = "play-03-phase"
    for (html, alt), chosen in zip(frames(sample()), values, strict=True):
        drawing = draw(*chosen)
        own = drawing._repr_html_().replace('id="tip"', f'id="{name}-tip"').replace("#tip", f"#{name}-tip")
        assert html == own
        assert alt == escape(drawing.alt)


def test_the_start_frame_stands_in_the_page_with_its_sentence_and_values():
    made = sample(phase=2, order="columns")
    first = draw(2, "columns", True)
    assert first.body.replace("tip", "play-03-phase-tip") in made.html
    assert SENTENCE.search(made.html).group(1) == escape(first.alt)
    assert '<p class="play-words">phase: 2 · order: columns · grid: yes</p>' in made.html
    assert re.search(r'type="range"[^>]* value="2" aria-valuetext="2"', made.html)
    assert 'value="1" checked>columns' in made.html


def test_the_bytes_are_the_same_each_time_and_ask_for_nothing():
    made = sample()
    assert made.html == sample().html == made._repr_html_()
    assert repr(made) == "<figure play-03-phase>"
    addresses = made.html.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|//\w|@import|url\((?!#)|\ssrc=", addresses)


def test_what_frames_share_is_stored_once():
    made = sample()
    assert made.html.count(PIXELS) == 1
    assert len(plan(made)[1]) == len(set(plan(made)[1]))
    one = len(draw(0, "rows", True)._repr_html_())
    empty = len(play(lambda a: words("Nothing."), "p", a=[0, 1]).html)
    assert len(made.html) - empty < 5 * one  # 16 frames


def test_equal_frames_are_one():
    made = play(lambda a: words(f"{a % 2}"), "p", a=range(40))
    rows, _ = plan(made)
    assert len(rows["rows"]) == 2
    assert rows["order"] == [0, 1] * 20


def test_labels_and_values_are_words():
    made = play(
        lambda **_: words("Something."),
        "p",
        score_at_least=[0.1, 0.25, 1.0],
        depth=[0.33333331, 0.33333332],
        kind=["<b>", 'a "b"'],
        pad=[None, 3],
    )
    assert ">score at least</label>" in made.html
    texts = [json.loads(t.replace("&quot;", '"')) for t in re.findall(r'data-texts="(.*?)"', made.html)]
    assert texts == [["0.1", "0.25", "1"], ["0.33333331", "0.33333332"]]
    assert ">&lt;b&gt;</label>" in made.html
    assert ">None</label>" in made.html


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "no controls"),
        ({"phase": []}, "phase has no values"),
        ({"phase": [1]}, "phase has one value; a control needs two or more"),
        ({"phase": "rows"}, "a list of values is needed"),
        ({"phase": [1, 2, 1]}, "names a value twice"),
        ({"phase": [1, 2], "start": {"phase": 3}}, r"phase cannot start at 3: its values are \[1, 2\]"),
        ({"phase": [1, 2], "start": {"size": 3}}, "start names size; the controls are phase"),
        ({"phase": range(40), "size": range(30)}, "40 × 30 = 1,200 combinations; at most 500"),
        ({"phase": [1, 2], "name": "3 phase"}, "'3 phase' is no id"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(arguments, message):
    name = arguments.pop("name", "p")
    with pytest.raises(ValueError, match=message):
        play(lambda **_: words("Something."), name, **arguments)


@pytest.mark.parametrize(
    ("drawing", "message"),
    [
        ("<svg/>", r"draw\(phase=1\) gave str; a Drawing is needed"),
        (words(" "), r"draw\(phase=1\) has no alt text"),
        (words("Something.", "<script>"), "cannot hold a script"),
    ],
)
def test_a_drawing_that_cannot_be_shown_is_refused(drawing, message):
    with pytest.raises(ValueError, match=message):
        play(lambda phase: drawing, "p", phase=[1, 2])


def test_a_figure_too_heavy_for_a_chapter_is_refused():
    with pytest.raises(ValueError, match="KB for 4 frames; at most 400 KB: give fewer values"):
        play(lambda a: words("Much.", str(a) * MOST_BYTES), "p", a=range(4))


def test_an_own_script_cannot_end_early():
    with pytest.raises(ValueError, match="ends it too early"):
        figure("p", "", "'</script>'", "Something.")
    with pytest.raises(ValueError, match="no alt text"):
        figure("p", "", "", "")


def test_figures_have_an_own_control_for_true_and_one():
    made = play(lambda a: words(f"{a!r}."), "p", a=[1, True, 2], start={"a": True})
    assert SENTENCE.search(made.html).group(1) == "True."


# --- in a browser -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.is_file():
        pytest.skip("no /usr/bin/chromium here")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def show(browser, tmp_path):
    """Open HTML as a file and give the page; at the end nothing may have gone wrong in it."""
    pages, wrong = [], []

    def open_page(body: str, **options):
        path = tmp_path / "page.html"
        head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>A page</title>'
        path.write_text(f"{head}<body><main>{body}</main></body></html>", encoding="utf-8")
        page = browser.new_page(**{"viewport": {"width": 390, "height": 800}, **options})
        pages.append(page)
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda r: wrong.append(r.url) if r.url[:5] not in ("file:", "data:") else None)
        page.goto(path.as_uri())
        return page

    yield open_page
    for page in pages:
        page.context.close() if page.context.browser is None else page.close()
    assert wrong == []


def state(page, name="play-03-phase"):
    """What a figure says, in its sentence and in its picture's label, which must agree."""
    says = page.locator(f"#{name} .play-says").inner_text()
    assert page.locator(f"#{name} svg").get_attribute("aria-label") == says
    return says


def test_each_control_changes_the_frame(show):
    page = show(sample().html)
    assert state(page) == draw(0, "rows", True).alt
    page.get_by_role("slider", name="phase").fill("3")
    assert state(page) == draw(3, "rows", True).alt
    assert page.locator("output").inner_text() == "3"
    page.get_by_label("columns").check()
    assert state(page) == draw(3, "columns", True).alt
    page.get_by_role("group", name="grid").get_by_label("no").check()
    assert state(page) == draw(3, "columns", False).alt
    assert page.locator("image").get_attribute("href") == PIXELS
    assert page.locator("svg text").first.text_content() == "7"


def test_the_keyboard_alone_is_enough(show):
    page = show(sample().html)
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    assert state(page) == draw(2, "rows", True).alt
    ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert ring == "solid"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")  # would send a form away
    assert state(page) == draw(2, "columns", True).alt
    assert page.url.endswith("page.html")
    # JupyterLab looks at this on the focused element itself before it takes a key for its own commands.
    assert page.locator("input:not([data-lm-suppress-shortcuts=true])").count() == 0


def test_a_slider_speaks_its_value_and_not_its_place(show):
    page = show(play(lambda size: words(f"{size}."), "p", size=[320, 640, 1280]).html)
    slider = page.get_by_role("slider", name="size")
    assert slider.get_attribute("aria-valuetext") == "320"
    slider.press("End")
    assert slider.get_attribute("aria-valuetext") == page.locator("output").inner_text() == "1280"
    assert state(page, "p") == "1280."


def test_figures_on_one_page_do_not_disturb_each_other(show):
    page = show(sample("one").html + sample("two", phase=1).html + sample("one").html)
    page.locator("#two").get_by_label("columns").check()
    page.locator("#two").get_by_role("slider").fill("2")
    assert state(page, "two") == draw(2, "columns", True).alt
    sentences = page.locator("#one .play-says").all_inner_texts()
    assert sentences == [draw(0, "rows", True).alt] * 2
    page.locator("#one").nth(1).get_by_label("columns").check()
    sentences = page.locator("#one .play-says").all_inner_texts()
    assert sentences == [draw(0, order, True).alt for order in ("rows", "columns")]
    assert page.locator("#one").first.get_by_role("radio", name="rows").is_checked()


def test_a_browser_that_remembers_the_controls_shows_their_frame(show):
    """A page opened again may restore moved inputs before the script runs."""
    moved = sample().html.replace('max="3" value="0"', 'max="3" value="2"')
    page = show(moved)
    assert state(page) == draw(2, "rows", True).alt


def test_paper_shows_frame_sentence_and_values_but_no_controls(show):
    page = show(
        "<style>[hidden] { display: none !important }</style>" + sample().html
    )  # as in the site's theme
    assert not page.locator(".play-words").is_visible()
    page.get_by_role("slider").fill("1")
    page.get_by_label("columns").check()
    page.emulate_media(media="print")
    assert page.locator("svg").is_visible()
    assert page.locator(".play-says").inner_text() == draw(1, "columns", True).alt
    assert page.locator(".play-words").inner_text() == "phase: 1 · order: columns · grid: yes"
    assert not page.locator("input").first.is_visible()
    assert not page.get_by_text("columns", exact=True).is_visible()


def test_without_scripts_the_start_frame_is_readable(show):
    page = show(sample(phase=2).html, java_script_enabled=False)
    assert page.locator("svg").is_visible()
    assert state(page) == draw(2, "rows", True).alt
    assert page.locator(".play-words").inner_text() == "phase: 2 · order: rows · grid: yes"
    assert not page.locator("input").first.is_visible()


def test_a_figure_with_its_own_script(show):
    html = (
        '<div class="play-row"><label for="n">times</label><input id="n" type="number" value="2"></div>'
        "<b>4</b>"
    )
    script = 'root.oninput = (e) => { root.querySelector("b").textContent = 2 * e.target.value; };'
    made = figure("play-own", html, script, "Twice the number.")
    page = show(made.html + sample().html)
    assert page.get_by_role("figure", name="Twice the number.").is_visible()
    page.get_by_label("times").fill("21")
    assert page.locator("#play-own b").inner_text() == "42"
    page.emulate_media(media="print")
    assert page.locator("#play-own .play-words").inner_text() == "times: 21"
    assert draw(0, "rows", True).alt == state(page)


def test_a_figure_with_its_own_script_says_what_it_is_without_scripts(show):
    page = show(figure("p", "<i>…</i>", "", "Twice the number.").html, java_script_enabled=False)
    assert page.get_by_text("Twice the number.").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_controls_are_large_visible_and_narrow(show, scheme):
    ground, ink = ("#fff", "#000") if scheme == "light" else ("#121212", "#ddd")
    made = play(
        lambda **_: canvas([rect(0.0, 0.0, 900.0, 30.0)], 900.0, 30.0, "A wide thing."),
        "p",
        a_long_name_for_a_control_that_takes_room=[1, 123456],
        which=["the first of them", "the second of them", "another"],
    )
    page = show(
        f"<style>body {{ background: {ground}; color: {ink} }}</style>{made.html}", color_scheme=scheme
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for target in page.locator("input, label:has(input)").all():
        box = target.bounding_box()
        assert min(box["width"], box["height"]) >= 24
        assert box["x"] + box["width"] <= 390
    colours = "e => [getComputedStyle(e).color, getComputedStyle(e).borderTopColor]"
    assert len(set(page.locator("input[type=radio]").first.evaluate(colours))) == 1
    # What is wider than the page scrolls inside its frame, and the keyboard reaches it.
    assert page.locator(".play-frame").get_attribute("tabindex") == "0"
    page.set_viewport_size({"width": 1280, "height": 800})
    page.wait_for_function("!document.querySelector('.play-frame').hasAttribute('tabindex')")


def test_axe_finds_nothing_serious(show):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    page = show("<h1>A page</h1>" + sample().html + figure("p", "<p>text</p>", "", "Something.").html)
    found = axe.Axe().run(page).response["violations"]
    assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []


# How notebooks put an output into the page. `host` is the output's element, `html` the figure.
NOTEBOOKS = {
    "JupyterLab": """host.innerHTML = html;
        for (const old of host.querySelectorAll('script')) {
            const script = document.createElement('script');
            for (const {name, value} of old.attributes) script.setAttribute(name, value);
            script.textContent = old.textContent;
            old.replaceWith(script);
        }
        document.querySelector('main').append(host);""",
    "VS Code": """document.querySelector('main').append(host);
        host.innerHTML = html;
        for (const old of host.querySelectorAll('script')) {
            const script = document.createElement('script');
            script.text = old.innerText;
            if (old.type) script.type = old.type;
            host.appendChild(script).remove();
        }""",
    "classic": """host.innerHTML = html;
        for (const old of host.querySelectorAll('script:not([type])')) {
            const script = Object.assign(document.createElement('script'), {text: old.text});
            document.head.appendChild(script).remove();
        }
        document.querySelector('main').append(host);""",  # the script runs before its figure is on the page
}


@pytest.mark.parametrize("insert", NOTEBOOKS.values(), ids=NOTEBOOKS)
def test_a_cell_can_run_twice_in_a_notebook(show, insert):
    page = show("")
    put = f"html => {{ const host = document.createElement('div'); {insert}; window.host = host; }}"
    for phase in (0, 1):
        page.evaluate("window.host && window.host.remove()")
        page.evaluate(put, sample(phase=phase).html)
        page.wait_for_selector("form", state="visible")
        assert state(page) == draw(phase, "rows", True).alt
        page.get_by_role("slider").fill("3")
        assert state(page) == draw(3, "rows", True).alt
    page.evaluate(put, sample(phase=1).html)  # a second view of the same output
    page.wait_for_function("!document.querySelectorAll('form')[1].hidden")
    page.get_by_role("slider").nth(1).fill("0")
    texts = page.locator(".play-says").all_inner_texts()
    assert texts == [draw(phase, "rows", True).alt for phase in (3, 0)]


# --- with a live kernel -----------------------------------------------------------------------------------


def test_live_shows_the_same_labels_values_and_frames():
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")
    box = live(draw, start={"phase": 1}, phase=[0, 1, 2, 3], order=["rows", "columns"], grid=[True, False])
    phase, order, grid, picture = box.children
    assert [w.description for w in (phase, order, grid)] == ["phase", "order", "grid"]
    assert [text for text, _ in grid.options] == ["yes", "no"]
    assert escape(draw(1, "rows", True).alt) in picture.value
    phase.value, order.value, grid.value = 3, "columns", False
    drawing = draw(3, "columns", False)
    assert picture.value == f"{drawing._repr_html_()}<p>{escape(drawing.alt)}</p>"


def test_live_says_what_went_wrong_after_a_move():
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")
    reciprocal = live(lambda n: words(f"{1 / n}."), n=[1, 0, 2])
    reciprocal.children[0].value = 0
    assert reciprocal.children[-1].value == "<pre>ZeroDivisionError: division by zero</pre>"
    reciprocal.children[0].value = 2
    assert "0.5." in reciprocal.children[-1].value


def test_live_refuses_what_play_refuses():
    with pytest.raises(ValueError, match="phase has no values"):
        live(draw, phase=[])


# Runs in a real kernel, so that the widgets talk over a real comm.
IN_A_KERNEL = """
import ipywidgets
from yolox_edu.viz.play import live
from yolox_edu.viz.svg import canvas
draw = lambda n, kind: canvas([], 9.0, 9.0, f"{kind} {n}.")
box = live(draw, n=[1, 2.5, 4], kind=["a", "b"], start={"n": 2.5})
before = box.children[-1].value
box.children[0].value = 4
box.children[1].value = "b"
print(ipywidgets.__version__, "<p>a 2.5.</p>" in before, "<p>b 4.</p>" in box.children[-1].value)
box
"""
RUN_IT = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(sys.stdin.read())])
NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
outputs = notebook.cells[0].outputs
print(outputs[0].text.strip(), sorted(outputs[-1].data))
"""


@pytest.mark.slow
@pytest.mark.parametrize("version", ["installed", "7.7.1"])
def test_live_in_a_kernel(version, tmp_path):
    """Colab has ipywidgets 7.7.1."""
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")
    path = [str(ROOT)]
    if version != "installed":
        needs = [f"ipywidgets=={version}", "ipython_genutils"]
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(tmp_path), *needs]
        if (done := subprocess.run(pip, capture_output=True, text=True, timeout=300)).returncode:
            pytest.skip(f"pip cannot fetch ipywidgets {version}: {done.stderr.strip().splitlines()[-1]}")
        path.insert(0, str(tmp_path))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RUN_IT],
        input=IN_A_KERNEL,
        capture_output=True,
        text=True,
        env=env,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found, right = done.stdout.split(maxsplit=1)
    assert right == "True True ['application/vnd.jupyter.widget-view+json', 'text/plain']\n"
    assert found == version or (version == "installed" and int(found.split(".")[0]) >= 8)


def test_a_drawing_keeps_the_protocol():
    assert {"alt", "_repr_html_"} <= set(dir(words("Something.")))
    assert "_repr_html_" in dir(Drawn)
