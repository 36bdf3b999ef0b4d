"""Figures to play with on the rendered page, with no kernel and no network, and their twin for a live kernel.

Chapters 00-23 and the landing page use them. `play` draws every combination of its controls' values when the
cell runs and writes one piece of HTML: the start frame as it stands, the others as pieces of SVG that the
frames share, and a small script that puts them together. A figure costs 8 KB for style and scripts, then the
pieces that differ, not the frames: one picture under twenty sets of boxes is stored once. Nor is a hidden
frame on the page for a reader's search, a screen reader or a viewer that drops attributes to stumble over.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from html import escape
from itertools import pairwise, product
from math import prod
from pathlib import Path
from typing import Any, Protocol

from yolox_edu.viz.controls import Control, read_controls

MOST_FRAMES = 500
MOST_BYTES = 400_000  # a chapter has 500 KB for everything
PICTURE = re.compile(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=]{200,}")  # play.js has the same


class Drawn(Protocol):
    """What a figure can show: HTML (mostly SVG) and the sentence that says the same (see `Drawing`)."""

    alt: str

    def _repr_html_(self) -> str: ...


@dataclass(frozen=True)
class Figure:
    """One self-contained HTML figure; notebooks and the book show it as the last expression of a cell."""

    name: str
    html: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"<figure {self.name}>"


def figure(name: str, html: str, script: str, alt: str) -> Figure:
    """A figure with its own JavaScript.

    name: its id on the page. html: what stands in it; inputs have a `<label>`, radio buttons a `<fieldset>`
    with a `<legend>`. script: the body of a function that gets `root`, the figure's element. alt: what it
    shows, for screen readers and where scripts are off.
    """
    _check_alt(alt, f"figure {name!r}")
    return _figure(name, html, script, alt, alt)


def _figure(name: str, html: str, script: str, label: str, words: str) -> Figure:
    """The frame around every figure: style, element, script.

    words: stands under the figure where scripts are off; the script puts the chosen values there, for paper.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
        raise ValueError(
            f"the name {name!r} is no id; 'play-03-phase' is: a letter, then letters, digits, hyphens"
        )
    if re.search(r"</script|<!--", script, re.I):
        raise ValueError(f"the script of {name!r} contains '</script' or '<!--', which ends it too early")
    parts = [
        f'<figure class="play" id="{name}" aria-label="{escape(label)}">',
        f"<style>\n{_lean('play.css')}\n</style>",
        html,
        f'<p class="play-words">{escape(words)}</p>',
        "</figure>",
        f"<script>\n{_lean('figure.js')}({json.dumps(name)}, function (root) {{\n{script}\n}});\n</script>",
    ]
    return Figure(name, "\n".join(parts) + "\n")


def _lean(file: str) -> str:
    """A file beside this one without comments, blank lines and indents: it stands in every figure."""
    text = Path(__file__).with_name(file).read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S) if file.endswith(".css") else text
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


# --- play -------------------------------------------------------------------------------------------------


def play(
    draw: Callable[..., Drawn],
    name: str,
    /,
    start: Mapping[str, Any] | None = None,
    **controls: Iterable[Any],
) -> Figure:
    """A figure whose controls switch between drawings made now: `draw(**values)` for every combination.

    name: its id on the page, such as "play-03-phase". start: {control: value} where it begins, otherwise at
    the first of each list. Numbers become a slider over their list, everything else radio buttons.
    Raises ValueError for a control or a drawing that will not do, or too many of them.
    """
    listed = read_controls(controls, start)
    count = prod(len(c.values) for c in listed)
    if count > MOST_FRAMES:
        sizes = " × ".join(str(len(c.values)) for c in listed)
        raise ValueError(f"{name}: {sizes} = {count:,} combinations; at most {MOST_FRAMES} are drawn")
    frames = []
    for values in product(*(c.values for c in listed)):
        html, alt = _drawn(draw, {c.name: v for c, v in zip(listed, values, strict=True)})
        frames.append((_own_ids(html, name), escape(alt)))
    made = _figure(name, _play_html(name, listed, frames), *_around(listed))
    if (size := len(made.html.encode())) > MOST_BYTES:
        raise ValueError(
            f"{name} weighs {size / 1000:,.0f} KB for {count} frames; at most {MOST_BYTES / 1000:,.0f} KB:"
            " give fewer values, or draw less in each frame"
        )
    return made


def _around(controls: list[Control]) -> tuple[str, str, str]:
    """Script, label and words of a figure with these controls."""
    label = f"Figure to play with: {', '.join(c.label for c in controls)}"
    return _lean("play.js"), label, " · ".join(f"{c.label}: {c.texts[c.start]}" for c in controls)


def _play_html(name: str, controls: list[Control], frames: list[tuple[str, str]]) -> str:
    """Controls, the start frame and its sentence, and the pieces of all frames."""
    form, wide = "\n".join(c.html(name) for c in controls), max(len(c.label) for c in controls)
    first = 0
    for c in controls:
        first = first * len(c.values) + c.start
    html, alt = frames[first]
    return (
        f'<form autocomplete="off" style="--names:{wide + 1}ch" hidden>\n{form}\n</form>\n'
        f'<div class="play-frame">{html}</div>\n'
        f'<p class="play-says" aria-live="polite">{alt}</p>\n'
        f'<script type="text/plain">\n{_pieces(frames, PICTURE.findall(html))}\n</script>'
    )


def _drawn(draw: Callable[..., Drawn], values: dict[str, Any]) -> tuple[str, str]:
    """One frame on one line, and its sentence."""
    drawing = draw(**values)
    where = f"draw({', '.join(f'{k}={v!r}' for k, v in values.items())})"
    if not hasattr(drawing, "_repr_html_") or not isinstance(getattr(drawing, "alt", None), str):
        raise ValueError(f"{where} gave {type(drawing).__name__}; a Drawing is needed")
    _check_alt(drawing.alt, where)
    html = re.sub(r"<!--.*?-->", "", drawing._repr_html_(), flags=re.S).strip()
    if "<script" in html.lower():
        raise ValueError(f"{where}: a drawing cannot hold a script; see figure()")
    return re.sub(r"\s*\n\s*", " ", html), " ".join(drawing.alt.split())


def _check_alt(alt: str, where: str) -> None:
    """No picture without words."""
    if not alt.strip():
        raise ValueError(f"{where} has no alt text: say in a sentence what is seen")


def _own_ids(svg: str, name: str) -> str:
    """Ids inside a drawing belong to the page: with the figure's name before them no two figures clash."""
    for key in dict.fromkeys(re.findall(r'\sid="([^"]+)"', svg)):
        old = re.escape(key)
        svg = re.sub(rf'(\sid="|url\(#|href="#|aria-labelledby="){old}(?=["\)])', rf"\g<1>{name}-{key}", svg)
    return svg


def _pieces(frames: list[tuple[str, str]], pictures: list[str]) -> str:
    """The frames as rows of shared pieces: a line of JSON with the rows, then one piece a line.

    The last piece of a row is its sentence. `pictures` stand on the page already: they are only numbered.
    """
    for i, picture in enumerate(dict.fromkeys(pictures)):
        frames = [(html.replace(picture, f"data:#{i}"), alt) for html, alt in frames]
    unique = list(dict.fromkeys(frames))
    runs = _runs([re.split(r"(?<=>)(?=<)", html) for html, _ in unique])
    numbers: dict[str, int] = {}
    rows = [
        [numbers.setdefault(piece, len(numbers)) for piece in [*row, alt]]
        for row, (_, alt) in zip(runs, unique)
    ]
    plan = {"rows": rows, "order": [unique.index(frame) for frame in frames]}
    return "\n".join([json.dumps(plan, separators=(",", ":")), *numbers])


def _runs(rows: list[list[str]]) -> list[list[str]]:
    """Join neighbours that never stand without each other in any row."""
    after, before = defaultdict(set), defaultdict(set)
    for row in rows:
        for a, b in pairwise([None, *row, None]):
            after[a].add(b)
            before[b].add(a)
    joined = []
    for row in rows:
        runs = [row[0]]
        for a, b in pairwise(row):
            if after[a] == {b} and before[b] == {a}:
                runs[-1] += b
            else:
                runs.append(b)
        joined.append(runs)
    return joined


# --- live -------------------------------------------------------------------------------------------------


def live(
    draw: Callable[..., Drawn], /, start: Mapping[str, Any] | None = None, **controls: Iterable[Any]
) -> Any:
    """The same figure for a live kernel: `draw` is called anew at each move, so it may be any code of yours.

    Takes what `play` takes, without the name, and shows the same labels and values. Gives an ipywidgets box,
    shown as the last expression of a cell; needs ipywidgets 7.7.1 or later.
    """
    import ipywidgets

    listed = read_controls(controls, start)
    moved = {c.name: _widget(ipywidgets, c) for c in listed}
    picture = ipywidgets.HTML()

    def show(_: Any = None) -> None:
        drawing = draw(**{name: widget.value for name, widget in moved.items()})
        picture.value = f"{drawing._repr_html_()}<p>{escape(drawing.alt)}</p>"

    def show_or_say(_: Any) -> None:
        try:
            show()
        except Exception as error:  # a widget's callback has no cell under which a traceback could stand
            picture.value = f"<pre>{escape(type(error).__name__)}: {escape(str(error))}</pre>"

    show()
    for widget in moved.values():
        widget.observe(show_or_say, names="value")
    return ipywidgets.VBox([*moved.values(), picture])


def _widget(ipywidgets: Any, control: Control) -> Any:
    """The widget of one control, with the labels and values of the page."""
    kind = ipywidgets.SelectionSlider if control.is_range else ipywidgets.RadioButtons
    options = list(zip(control.texts, control.values, strict=True))
    wide = {"description_width": "initial"}
    return kind(options=options, value=control.values[control.start], description=control.label, style=wide)
