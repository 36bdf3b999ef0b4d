"""The drawings, by what they show: the numbers in the SVG are the model's."""

import base64
import inspect
import io
import re
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
import torch
from PIL import Image
from torch.overrides import TorchFunctionMode

import yolox_edu
from yolox_edu import viz
from yolox_edu.blocks import Focus, space_to_depth
from yolox_edu.viz.network import NEXT, PLACES
from yolox_edu.viz.svg import CYCLE, shape_text, text

SVG = "{http://www.w3.org/2000/svg}"


def parsed(drawing):
    """The tree of the SVG: it is well-formed, if this succeeds."""
    return ElementTree.fromstring(drawing.svg)


def words(drawing):
    """The texts of a drawing, in order."""
    return ["".join(node.itertext()) for node in parsed(drawing).iter(f"{SVG}text")]


def some_drawings():
    cube = np.arange(12.0).reshape(3, 2, 2)
    return {
        "blocks": viz.blocks(("image", (1, 3, 8, 8)), "a & b < c", ("rows", (1, 9, 5), "green"), title="T"),
        "matrix": viz.matrix(cube - 5, ["a", "b", "c"]),
        "letters": viz.matrix([["p", "<"]], "Letters", marks=[[1, 0]]),
        "map": viz.network_map("neck", "nms", preset="pico", size=320),
        "detail": viz.network_map(detail=True, preset="nano", size=416, links={"stem": "a.html?b&c"}),
        "image": viz.image(torch.zeros(4, 8, 8), [[1, 2, 3, 4]], ["car & co"]),
    }


@pytest.mark.parametrize("name", ["blocks", "matrix", "letters", "map", "detail", "image"])
def test_every_drawing(name):
    drawing, again = some_drawings()[name], some_drawings()[name]
    root = parsed(drawing)
    assert (drawing.svg, drawing._repr_html_()) == (again.svg, again._repr_html_())  # nbval compares strictly
    assert root.get("role") == ("group" if name == "detail" else "img")
    assert root.get("aria-label") == drawing.alt != ""
    assert [0, 0, *drawing.size] == [float(x) for x in root.get("viewBox").split()]
    assert drawing.alt in repr(drawing)
    assert "<svg" not in repr(drawing)  # a notebook keeps the text beside the HTML
    assert not re.search(r'\bid="|#000|black|white', drawing.svg)  # no ids to clash; colours of the page
    attributes = " ".join(value for node in root.iter() for value in node.attrib.values())
    assert not re.search(r"\d\.\d\d\d", attributes.replace(drawing.alt, ""))  # rounded
    assert drawing.size[0] > 20
    assert "max-width:100%" in root.get("style")


@pytest.mark.parametrize("name", ["blocks", "matrix", "letters", "map", "detail", "image"])
def test_everything_lies_inside_the_drawing(name):
    """Texts by a rough estimate; frames exactly."""
    drawing = some_drawings()[name]
    width, height = drawing.size

    def walk(node, x, y):
        moved = re.match(r"translate\((\S+) (\S+)\)", node.get("transform", ""))
        x, y = (x + float(moved[1]), y + float(moved[2])) if moved else (x, y)
        if node.tag == f"{SVG}rect":
            assert (
                0 <= x + float(node.get("x")) <= x + float(node.get("x")) + float(node.get("width")) <= width
            )
            assert (
                0
                <= y + float(node.get("y"))
                <= y + float(node.get("y")) + float(node.get("height"))
                <= height
            )
        if node.tag == f"{SVG}text":
            half = 6.2 * len(node.text) / 2
            centre = x + float(node.get("x")) + (half if node.get("text-anchor") == "start" else 0)
            assert centre - half >= 0
            assert centre + half <= width
            assert 10 <= y + float(node.get("y")) <= height
        for child in node:
            walk(child, x, y)

    walk(parsed(drawing), 0.0, 0.0)


def test_palette_has_the_names_of_the_contract():
    assert viz.PALETTE["blue"] == "#0072B2"
    assert viz.PALETTE["vermilion"] == "#D55E00"
    assert set(viz.PALETTE) == set(CYCLE)


@pytest.mark.parametrize(
    ("shape", "written"),
    [
        ((1, 3, 640, 320), "640 × 320 × 3"),
        ((1024, 20, 20), "20 × 20 × 1024"),
        ((1, 8400, 85), "8,400 × 85"),
        ((8400, 85), "8,400 × 85"),
        ((2, 1, 4, 4), "4 × 4 × 1"),
    ],
)
def test_shapes_as_the_book_writes_them(shape, written):
    assert shape_text(shape) == written


# --- blocks -----------------------------------------------------------------------------------------------


def test_blocks_say_the_shapes_of_the_tensors():
    x = torch.zeros(1, 3, 64, 32)
    drawing = viz.blocks(
        ("image", x),
        "space to depth",
        ("slices", space_to_depth(x), "orange"),
        "CBS",
        ("stem", Focus(3, 5)(x)),
    )
    assert words(drawing) == [
        *("image", "64 × 32 × 3", "space to depth"),
        *("slices", "32 × 16 × 12", "CBS"),
        *("stem", "32 × 16 × 5"),
    ]
    assert drawing.alt == (
        "image 64 × 32 × 3. → space to depth → slices 32 × 16 × 12. → CBS → stem 32 × 16 × 5."
    )
    assert viz.PALETTE["orange"] in drawing.pieces[1].svg


def test_blocks_grow_with_height_width_and_channels():
    def front(*shape):
        rect = next(parsed(viz.blocks(("a", shape))).iter(f"{SVG}rect"))
        return float(rect.get("width")), float(rect.get("height"))

    def depth(c):
        return max(viz.blocks(("a", (c, 400, 400))).size)

    assert front(3, 640, 320)[1] == front(3, 320, 640)[0] > front(3, 320, 640)[1] > front(3, 20, 20)[0] > 10
    assert depth(1024) > depth(64) > depth(3)


def test_a_row_wraps_on_a_page_and_is_one_drawing_elsewhere():
    a, b = viz.matrix([[1, 2]], "A"), viz.matrix([[3]], "B")
    both = viz.row(a, b, gap=10)
    assert both.size == (a.size[0] + 10 + b.size[0], a.size[1])
    assert words(both) == ["A", "1", "2", "B", "3"]
    html = both._repr_html_()
    assert html.count("<svg") == 2
    assert "flex-wrap:wrap" in html
    assert html.count('role="img"') == 1  # to a screen reader it is one picture


# --- matrix -----------------------------------------------------------------------------------------------


def test_matrix_writes_every_value():
    values = torch.tensor([[0.0, -1.5], [12.25, 3.0]])
    assert words(viz.matrix(values)) == ["0", "−1.50", "12.2", "3"]
    assert words(viz.matrix(values > 1, "over 1")) == ["over 1", "0", "0", "1", "1"]
    assert words(viz.matrix(np.array([["a", "b"]]))) == ["a", "b"]
    assert viz.matrix(values, "x").alt == "x: 0 −1.50; 12.2 3."
    assert words(viz.matrix(torch.rand(60, 60))) == []  # too small for numbers


def test_matrix_tints_by_value_or_group():
    def fills(drawing):
        return [
            (node.get("fill"), node.get("fill-opacity"))
            for node in parsed(drawing).iter(f"{SVG}rect")
            if node.get("stroke-width") == "1.25"
        ]

    blue, orange, vermilion = (viz.PALETTE[name] for name in ("blue", "orange", "vermilion"))
    by_value = fills(viz.matrix([[2.0, 0.0, -1.0]]))
    assert by_value == [(blue, "0.50"), ("none", None), (vermilion, "0.25")]
    by_group = fills(viz.matrix([["a", "b", "c"]], marks=torch.tensor([[1, 2, 0]])))
    assert [fill for fill, _ in by_group] == [blue, orange, "none"]
    channels = viz.matrix(np.ones((2, 1, 1)), marks=np.array([[[1]], [[2]]]))
    assert [fill for fill, _ in fills(channels)] == [blue, orange]


def test_matrix_frames_what_is_highlighted():
    drawing = viz.matrix(np.zeros((2, 3)), highlight=np.array([[True, False, False], [False, False, True]]))
    thick = [n for n in parsed(drawing).iter(f"{SVG}rect") if n.get("stroke-width") == "2.5"]
    assert len(thick) == 2
    assert len(list(parsed(drawing).iter(f"{SVG}rect"))) == 6 + 2


# --- the map ----------------------------------------------------------------------------------------------


class Follow(TorchFunctionMode):
    """Every tensor carries the names of the parts that it comes from directly."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        tensors = [t for a in args for t in (a if isinstance(a, tuple | list) else [a])]
        if isinstance(out, torch.Tensor):
            out.sources = set().union(*(getattr(t, "sources", set()) for t in tensors))
        return out


def test_arrows_are_the_ways_that_tensors_go():
    with torch.device("meta"):
        model = yolox_edu.build("pico").eval()
        x = torch.empty(1, 3, 64, 64)
    parts = {**dict(model.backbone.named_children()), **dict(model.neck.named_children())}
    parts |= {f"head.{i}": level for i, level in enumerate(model.head.levels)}
    found = set()

    def before(name):
        return lambda part, given: found.update((source, name) for source in given[0].sources)

    def after(name):
        return lambda part, given, out: setattr(out, "sources", {name})

    for name, part in parts.items():
        part.register_forward_pre_hook(before(name))
        part.register_forward_hook(after(name))
    x.sources = {"image"}
    with Follow():
        raw = model.raw(x)
    found |= {(source, "decode") for source in raw.sources} | {("decode", "nms")}
    assert {(a, b) for a, after in NEXT.items() for b in after} == found
    assert {*parts, "image", "decode", "nms"} == set(PLACES)


@pytest.mark.parametrize(("preset", "size"), [("l", 640), ("pico", 320)])
def test_detailed_map_tells_the_models_numbers(preset, size):
    with torch.device("meta"):
        model = yolox_edu.build(preset)
    said = words(viz.network_map(detail=True, preset=preset, size=size))
    for layer in viz.trace(model, (1, 3, size, size)):
        at = said.index(layer.name)
        assert said[at + 1 : at + 3] == [shape_text(layer.output), f"{layer.parameters:,}"]
    cells = sum((size // stride) ** 2 for stride in (8, 16, 32))
    assert said[said.index("decode") + 1] == f"{cells:,} boxes"
    total = sum(p.numel() for p in model.parameters())
    assert any(line.startswith(f"{total:,} parameters, ") for line in said)
    if preset == "l":
        assert "54,208,895 parameters, 155.3 GFLOPs" in said


def test_small_map_lights_what_it_is_asked():
    drawing = viz.network_map("stem")
    assert words(drawing)[-5:] == [
        "stem",
        "640 × 640 × 3 → 320 × 320 × 64",
        "stride 2, a cell sees 6 × 6 pixels",
        "7,040 parameters, 1.42 GFLOPs",
        "in YOLOX-L at 640 × 640",
    ]
    assert "lit: stem; 640 × 640 × 3 → 320 × 320 × 64" in drawing.alt
    strong = [n for n in parsed(drawing).iter(f"{SVG}rect") if n.get("stroke-width") == "2.5"]
    assert len(strong) == 1
    pale = next(n for n in parsed(drawing).iter(f"{SVG}g") if n.get("opacity"))
    assert len(list(pale.iter(f"{SVG}rect"))) == len(PLACES) - 1
    assert "19,523,072 parameters, 38.2 GFLOPs" in words(viz.network_map("neck"))
    with pytest.raises(ValueError, match=r"no part 'tail': choose from image, stem.*neck"):
        viz.network_map("tail")


def test_links_lead_from_parts():
    drawing = viz.network_map(links={"stem": "03_focus.html", "nms": "17_nms.html"})
    links = {n.get("href"): n for n in parsed(drawing).iter(f"{SVG}a")}
    assert list(links) == ["03_focus.html", "17_nms.html"]
    assert "".join(links["17_nms.html"].itertext()) == "NMS"


# --- the table --------------------------------------------------------------------------------------------


class Cells(HTMLParser):
    """The rows of an HTML table."""

    def __init__(self, html):
        super().__init__()
        self.rows, self.inside = [], False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.inside = True

    def handle_endtag(self, tag):
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data):
        if self.inside:
            self.rows[-1][-1] += data


def test_table_has_the_models_numbers_and_their_total():
    model = yolox_edu.build("nano")
    layers = viz.trace(model, (1, 3, 416, 416))
    table = viz.table(layers, "YOLOX-Nano")
    head, *rows, total = Cells(table._repr_html_()).rows
    assert head == ["part", "in", "out", "stride", "sees, px", "parameters", "GFLOPs"]
    assert len(rows) == len(layers) == 16
    assert rows[0] == ["stem", "416 × 416 × 3", "208 × 208 × 16", "2", "6", "1,760", "0.150"]
    assert [row[5] for row in rows] == [f"{layer.parameters:,}" for layer in layers]
    assert total == ["total", "", "", "", "", "912,159", "1.045"]
    assert "912,159 parameters, 1.045 GFLOPs" in table.alt
    assert "<table" not in repr(table)


def test_table_of_something_small():
    layers = viz.trace(Focus(3, 8), (1, 3, 16, 16))
    head, row, _ = Cells(viz.table(layers, kinds=True).html).rows
    assert head[-1] == "MFLOPs"
    assert row[:3] == ["cbs", "CBS", "8 × 8 × 12"]
    assert row[-1] == f"{layers[0].flops / 1e6:.3f}" == "0.111"


# --- pictures ---------------------------------------------------------------------------------------------


def shown(drawing):
    """The picture inside a drawing, as an array."""
    data = next(parsed(drawing).iter(f"{SVG}image")).get("href")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))))


def test_picture_is_shown_as_it_is():
    small = np.random.default_rng(0).integers(0, 256, (8, 16, 3), dtype=np.uint8)
    chw = torch.from_numpy(small).permute(2, 0, 1)
    for picture in (small, Image.fromarray(small), chw, chw / 255):
        assert (shown(viz.image(picture)) == small).all()
    large = viz.image(np.full((200, 400, 3), 90, np.uint8), width=300)
    assert large.size == (300, 150)
    assert abs(shown(large).astype(int) - 90).max() <= 2  # JPEG
    assert large.alt == "A picture of 200 × 400 pixels"


def test_map_of_floats_goes_from_dark_to_bright():
    brightness = shown(viz.image(torch.linspace(-3, 5, 20).view(1, 1, 20).expand(4, 2, 20))).mean(-1)
    assert (np.diff(brightness[0]) > 0).all()
    assert (shown(viz.image(np.ones((3, 3)))) == shown(viz.image(np.zeros((3, 3))))).all()


def test_boxes_lie_where_they_should():
    drawing = viz.image(
        np.zeros((100, 200, 3), np.uint8),
        torch.tensor([[20.0, 30, 120, 90], [0, 0, 50, 50]]),
        ["bus", "car"],
        400,
    )
    frames = [n for n in parsed(drawing).iter(f"{SVG}rect") if n.get("fill") == "none"]
    sides = [[float(n.get(side)) for side in ("x", "y", "width", "height")] for n in frames]
    assert sides == [[40, 60, 200, 120], [0, 0, 100, 100]]
    assert words(drawing) == ["bus", "car"]
    assert len({n.get("stroke") for n in frames}) == 2


# --- style and source -------------------------------------------------------------------------------------


def test_style_needs_no_notebook():
    with mpl.rc_context():
        viz.style()
        assert mpl.rcParams["figure.facecolor"] == "white"
        assert mpl.rcParams["axes.prop_cycle"].by_key()["color"][0] == viz.PALETTE["blue"]


def test_source_is_the_packages(capsys):
    viz.source(space_to_depth)
    assert capsys.readouterr().out.startswith('def space_to_depth(x: Float[Tensor, "n c h w"])')
    viz.source(Focus)
    assert "class Focus(nn.Module):" in capsys.readouterr().out


def test_a_notebook_colours_the_source(monkeypatch):
    shown = []
    module = sys.modules["yolox_edu.viz.style"]  # whose name the function `style` hides
    monkeypatch.setattr(module, "get_ipython", object)
    monkeypatch.setattr(module, "display", lambda bundle, raw: shown.append(bundle))
    viz.source(Focus)
    lines = shown[0]["text/markdown"].splitlines()
    assert lines[:4] == ["`yolox_edu/blocks.py`", "", "```python", "class Focus(nn.Module):"]
    assert lines[-1] == "```"
    assert "\n".join(lines[3:-1]) == inspect.getsource(Focus).rstrip()
    assert shown[0]["text/plain"] == "yolox_edu/blocks.py: Focus"
    viz.source(Focus.forward)
    assert shown[1]["text/markdown"].splitlines()[3].startswith("def forward(self, x")


def test_text_is_escaped():
    assert "&lt;b&gt; &amp;" in text(0, 0, "<b> &")
