"""The SimOTA laboratory: move objects, predictions and rules, see who learns what. Explained in chapter 12.

`simota_lab` is the figure: the arithmetic of its script stands in simota.js, drawing and input in
simota_lab.js. The start is drawn here, with the package's own decision; a test holds the two together.
"""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

from yolox_edu.draw import ink
from yolox_edu.simota import IOU_WEIGHT, RADIUS, TOP
from yolox_edu.viz.play import Figure, figure
from yolox_edu.viz.simota_scenes import (
    CLASSES,
    COLUMNS,
    ROWS,
    SIZE,
    SPARE,
    STRIDE,
    Decision,
    Scene,
    decide,
    scenes,
)
from yolox_edu.viz.svg import PALETTE, Pixels, number

NAME = "play-12-lab"
LETTERS = "ABC"
COLOURS = tuple(PALETTE[name] for name in ("blue", "vermilion", "green"))
STEPS = ("candidates", "cost", "k", "one truth each")
MARGIN = 18  # for the numbers of rows and columns, and boxes that reach over the edge
CHIP = 15  # side of the tag with a truth's letter
# The hatching of each truth's cells, in a square of 8: the colour is never alone.
HATCHES = ("M-2 2L2 -2M0 8L8 0M6 10L10 6", "M-2 6L2 10M0 0L8 8M6 -2L10 2", "M0 4H8")
# A person, a car and a dog in a square of 100, pulled to the size of the box.
SHAPES = (
    "M50 2a13 9 0 1 1 -.1 0zM32 24H68Q80 24 82 34L88 60H78L70 40V98H54V66H46V98H30V40L22 60H12L18 34"
    "Q20 24 32 24z",
    "M2 62Q2 46 14 43L26 18Q29 10 38 10H64Q71 10 76 16L88 40Q98 44 98 56V74Q98 80 92 80H88A11 16 0 0 1 66 80"
    "H34A11 16 0 0 1 12 80H8Q2 80 2 74zM31 40H50V20H38Q34 20 33 24zM55 40H78L68 23Q66 20 62 20H55z",
    "M4 16Q10 34 16 38H62L68 14L78 4L82 16H90Q98 18 98 28Q98 36 88 36L82 60L80 98H70L68 68H32L30 98H20L16 58"
    "Q4 48 4 16z",
)


def simota_lab(start: str = "start", step: int = 4, name: str = NAME) -> Figure:
    """The figure, beginning with one of `scenes()` and one of the four steps lit. Chapter 12."""
    ready = scenes()
    if start not in ready:
        raise ValueError(f"no scene {start!r}; there are {', '.join(ready)}")
    scene, result = ready[start], decide(ready[start])
    says = sentence(scene, result)
    html = (
        f"<style>{_style(name)}</style>"
        f"{_choices(name, start, step, ready)}"
        f'<div class="lab" data-step="{step}"><p data-is="words">{escape(scene.words)}</p>'
        f'<div class="lab-top"><div class="lab-main">'
        f'<div class="play-frame lab-scene">{_svg(name, scene, result)}</div>'
        f'<p class="play-says" aria-live="polite" data-is="says">{escape(says)}</p>'
        '<p data-is="step"></p></div>'
        '<div class="lab-side"><div data-is="votes" data-lit="3"></div>'
        '<div data-is="pair" data-lit="2"></div></div></div>'
        '<div data-is="matrix" class="lab-matrix" role="region" tabindex="0" '
        'aria-label="The cost of every truth and candidate" hidden></div></div>'
        f"{_inputs(name)}"
        f'<script type="application/json">{_json(name, start, ready)}</script>'
    )
    folder = Path(__file__).parent
    script = "\n".join((folder / file).read_text(encoding="utf-8") for file in ("simota.js", "simota_lab.js"))
    return figure(name, html, _lean(script), f"SimOTA on ten by six cells. {says}")


def sentence(scene: Scene, result: Decision) -> str:
    """What comes out, in words, as the script says it too."""
    parts = []
    for i, k in enumerate(result.k):
        mine = [str(cell) for cell, owner in result.owners.items() if owner == i]
        got = f"positive {'cells' if len(mine) > 1 else 'cell'} {_and(mine)}" if mine else "ends with nothing"
        parts.append(f"Truth {LETTERS[i]}: k = {k}, {got}.")
    return " ".join(parts)


def _and(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _json(name: str, start: str, ready: dict[str, Scene]) -> str:
    """All that the script needs to know."""
    states = {
        title: {
            "words": scene.words,
            "count": len(scene.truths),
            "truths": [[*box, label] for box, label in [*scene.truths, SPARE][:3]],
            "predictions": scene.numbers,
            "pick": scene.pick,
        }
        for title, scene in ready.items()
    }
    rules = {"radius": RADIUS, "top": TOP, "weight": IOU_WEIGHT}
    known = {"name": name, "columns": COLUMNS, "rows": ROWS, "stride": STRIDE, "rules": rules, "start": start}
    known |= {"classes": CLASSES, "shapes": SHAPES, "colours": COLOURS, "chip": CHIP, "scenes": states}
    return json.dumps(known, separators=(",", ":"))


def _lean(script: str) -> str:
    """Without comments, blank lines and indents: the page needs none of them."""
    lines = (line.strip() for line in script.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


# --- the picture ------------------------------------------------------------------------------------------


def _svg(name: str, scene: Scene, result: Decision) -> str:
    """The cells, the truths and who learns what at the start; the script goes on from here."""
    high, wide = SIZE
    lines = "".join(f"M{x} 0V{high}" for x in range(0, wide + 1, STRIDE))
    lines += "".join(f"M0 {y}H{wide}" for y in range(0, high + 1, STRIDE))
    edge = "".join(_word(STRIDE * (i + 0.5), -8, str(i)) for i in range(COLUMNS))
    edge += "".join(_word(-9, STRIDE * (i + 0.5), str(10 * i)) for i in range(ROWS))
    hatches = "".join(
        f'<pattern id="{name}-hatch-{i}" width="8" height="8" patternUnits="userSpaceOnUse">'
        f'<path d="{path}" stroke="{COLOURS[i]}" stroke-width="1.6" fill="none"/></pattern>'
        for i, path in enumerate(HATCHES)
    )
    cells, words = [], []
    for cell, owner in result.owners.items():
        left, top = STRIDE * (cell % COLUMNS), STRIDE * (cell // COLUMNS)
        at = f'x="{left}" y="{top}" width="{STRIDE}" height="{STRIDE}"'
        cells.append(f'<rect {at} fill="{COLOURS[owner]}" fill-opacity=".35"/>')
        cells.append(f'<rect {at} fill="url(#{name}-hatch-{owner})"/>')
        words.append(_word(left + STRIDE / 2, top + STRIDE / 2, LETTERS[owner], ' class="own"'))
    truths = [*scene.truths, SPARE][:3]
    count = len(scene.truths)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-MARGIN} {-MARGIN} {wide + 2 * MARGIN} '
        f'{high + 2 * MARGIN}" role="group" aria-label="Ten by six cells, objects on them and what cells '
        f'predict" fill="currentColor" font-size="10.5" width="100%"><defs>{hatches}</defs>'
        f'<path d="{lines}" stroke="currentColor" stroke-width=".6" opacity=".3"/>'
        f'<g opacity=".75">{edge}</g><g data-layer="cells" class="none">{"".join(cells)}</g>'
        f"{''.join(_truth(i, *truth, i < count) for i, truth in enumerate(truths))}"
        '<rect data-is="cell" class="none" fill="none" stroke="currentColor" stroke-width="2"/>'
        '<path data-is="way" class="none" fill="none" stroke="currentColor"/>'
        '<rect data-grip="p" data-is="predicted" fill="transparent" stroke="currentColor" stroke-width="1.8" '
        'stroke-dasharray="5 3"/>'
        f'<g data-layer="words" class="none">{"".join(words)}</g>'
        f"{''.join(_chip(i, truth[0], i < count) for i, truth in enumerate(truths))}{_chip_of_prediction()}"
        '<g data-grip="corner"><rect x="-13" y="-13" width="26" height="26" fill="transparent"/>'
        '<rect x="-4.5" y="-4.5" width="9" height="9" fill="currentColor"/></g></svg>'
    )


def _word(x: Pixels, y: Pixels, words: str, extra: str = "") -> str:
    return f'<text x="{number(x)}" y="{number(y + 3.7)}" text-anchor="middle"{extra}>{words}</text>'


def _truth(i: int, box: tuple[int, ...], label: int, there: bool) -> str:
    """The object, its box, and the square around its centre in which candidates have theirs."""
    (x, y, w, h), reach = box, RADIUS * STRIDE
    hidden = "" if there else ' visibility="hidden"'
    left, top = number(x - w / 2), number(y - h / 2)
    return (
        f'<g data-truth="{i}"{hidden}><rect data-is="region" class="none" x="{number(x - reach)}" '
        f'y="{number(y - reach)}" width="{number(2 * reach)}" height="{number(2 * reach)}" fill="none" '
        f'stroke="{COLOURS[i]}" stroke-dasharray="2 3" stroke-width="1.6"/>'
        f'<path data-is="shape" class="none" d="{SHAPES[label]}" fill="{COLOURS[i]}" fill-opacity=".3" '
        f'fill-rule="evenodd" transform="translate({left} {top}) scale({w / 100:.3g} {h / 100:.3g})"/>'
        f'<rect data-is="body" data-grip="{i}" x="{left}" y="{top}" width="{w}" height="{h}" '
        f'fill="transparent" stroke="{COLOURS[i]}" stroke-width="2.2"/></g>'
    )


def _chip(i: int, box: tuple[int, ...], there: bool) -> str:
    """A tag with the letter: A at the upper left, B at the upper right, C at the lower left of its box."""
    x, y, w, h = box
    left = x + w / 2 - CHIP if i == 1 else x - w / 2
    top = y + h / 2 - CHIP if i == 2 else y - h / 2
    hidden = "" if there else ' visibility="hidden"'
    hint = f"Truth {LETTERS[i]}: arrow keys move it, shift and arrow keys change its size"
    return (
        f'<g data-chip="{i}" data-grip="{i}" tabindex="0" role="button" aria-label="{hint}"{hidden} '
        f'transform="translate({number(left)} {number(top)})"><rect width="{CHIP}" height="{CHIP}" '
        f'fill="{COLOURS[i]}"/><text x="{CHIP / 2}" y="{CHIP / 2 + 4}" text-anchor="middle" '
        f'font-weight="700" fill="{ink(COLOURS[i])}">{LETTERS[i]}</text></g>'
    )


def _chip_of_prediction() -> str:
    """The tag of the chosen cell's prediction, at the lower left of its box."""
    hint = "The chosen prediction: arrow keys move it, shift and arrow keys change its size"
    return (
        f'<g data-chip="p" data-grip="p" tabindex="0" role="button" aria-label="{hint}">'
        f'<rect width="18" height="{CHIP}" class="ground" stroke="currentColor" stroke-dasharray="3 2"/>'
        f'<text x="9" y="{CHIP / 2 + 4}" text-anchor="middle" data-is="chip"></text></g>'
    )


# --- the controls -----------------------------------------------------------------------------------------


def _choices(name: str, start: str, step: int, ready: dict[str, Scene]) -> str:
    """A button for each ready-made state, and the four steps."""
    buttons = "".join(
        f'<button type="button" data-scene="{title}" aria-pressed="{str(title == start).lower()}">{title}'
        "</button>"
        for title in ready
    )
    return (
        '<form autocomplete="off" hidden><div class="lab-scenes" role="group" aria-label="Ready-made states">'
        f"{buttons}</div>{_radios(name, 'step', 'step', dict(enumerate(STEPS, 1)), step)}</form>"
    )


def _inputs(name: str) -> str:
    """What can be dragged and more, by standard inputs, in three groups."""
    high, wide = SIZE
    moved = {letter: f"truth {letter}" for letter in LETTERS} | {"cell": "the prediction"}
    box = _select(name, "moved", "box of", moved) + "".join(
        _slider(name, key, words, low, high)
        for key, words, low, high in (
            ("x", "centre x", 0, wide),
            ("y", "centre y", 0, high),
            ("w", "width", 8, wide),
            ("h", "height", 8, high),
        )
    )
    cells = {str(i): f"{i}" for i in range(COLUMNS * ROWS)}
    said = _select(name, "cell", "cell", cells) + "".join(
        _slider(name, f"score{i}", words, 1, 99) for i, words in enumerate(("object", *CLASSES))
    )
    rules = (
        _radios(name, "count", "truths", {1: "1", 2: "2", 3: "3"}, 2)
        + _select(name, "label", "class of A", {name: name for name in CLASSES})
        + _slider(name, "radius", "radius", 0.5, 3, 0.25)
        + _slider(name, "top", "top IoUs", 1, 15)
        + _slider(name, "weight", "IoU weight", 0, 6, 0.5)
    )
    groups = (("Boxes", box), ("What the cell predicts", said), ("Truths and rules", rules))
    body = "".join(
        f'<div role="group" aria-label="{title}"><p class="lab-title">{title}</p>{rows}</div>'
        for title, rows in groups
    )
    return f'<form autocomplete="off" class="lab-inputs" style="--names:5.6em" hidden>{body}</form>'


def _radios(name: str, key: str, legend: str, options: dict[int, str], now: int) -> str:
    inner = "".join(
        f'<label><input type="radio" name="{name}-{key}" data-of="{key}" value="{value}"'
        f"{' checked' if value == now else ''}>{f'{value} {words}' if key == 'step' else words}</label>"
        for value, words in options.items()
    )
    return f"<fieldset><legend>{legend}</legend>{inner}</fieldset>"


def _select(name: str, key: str, words: str, options: dict) -> str:
    inner = "".join(f'<option value="{value}">{text}</option>' for value, text in options.items())
    return (
        f'<div class="play-row"><label for="{name}-{key}">{words}</label>'
        f'<select id="{name}-{key}" data-of="{key}">{inner}</select></div>'
    )


def _slider(name: str, key: str, words: str, low: Pixels, high: Pixels, step: Pixels = 1) -> str:
    return (
        f'<div class="play-row"><label for="{name}-{key}">{words}</label><span class="play-slide">'
        f'<input type="range" id="{name}-{key}" data-of="{key}" min="{low}" max="{high}" step="{step}">'
        f'<output for="{name}-{key}"></output></span></div>'
    )


def _style(name: str) -> str:
    """The figure's own look, on top of play.css."""
    css = Path(__file__).with_name("simota_lab.css").read_text(encoding="utf-8")
    return css.replace("#lab", f"#{name}").replace("\n", " ")
