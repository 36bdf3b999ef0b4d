"""The glossary and the notation: sorted, complete, each line with a way back to a chapter that exists."""

import re

import pytest
import torch
from notebooks import BOOK

from yolox_edu import build, viz

GLOSSARY = (BOOK / "glossary.md").read_text(encoding="utf-8")
NOTATION = (BOOK / "notation.md").read_text(encoding="utf-8")
STYLE = {"cell", "prediction", "ground truth", "candidate", "positive"}  # one word for one thing
LINK = re.compile(r"\[([^\]]*)\]\(([^)]+)\)")


def entries():
    """{term: its definition}, in the order of the page; a term that stands twice is a list of two."""
    found = []
    for block in re.findall(r"^```\{glossary\}\n(.*?)^```$", GLOSSARY, re.S | re.M):
        for entry in block.strip("\n").split("\n\n"):
            *terms, definition = entry.split("\n")
            assert definition.startswith("    "), entry
            found += [(term, definition.strip()) for term in terms]
    return found


def plain(term):
    """A term as it is sorted."""
    return re.sub(r"[^a-z0-9 ]", "", term.casefold())


def pages(text):
    """The pages that a text links to, without suffix."""
    return [page for _, page in LINK.findall(text)]


def exists(page):
    return any((BOOK / f"{page}{suffix}").is_file() for suffix in (".ipynb", ".md"))


def test_terms_of_the_style_guide_are_there():
    terms = {term for term, _ in entries()}
    assert terms >= STYLE
    assert len(terms) > 100


def test_no_term_stands_twice():
    terms = [plain(term) for term, _ in entries()]
    assert sorted(set(terms)) == sorted(terms)


def test_terms_are_in_alphabetical_order_under_their_letters():
    terms = [plain(term) for term, _ in entries()]
    assert terms == sorted(terms)
    headings = re.findall(r"^## (\w)$", GLOSSARY, re.M)
    assert headings == list(dict.fromkeys(term[0].upper() for term in terms))
    for section in re.split(r"^## ", GLOSSARY, flags=re.M)[1:]:
        for term in re.findall(r"^(?! |`|$)(.+)$", section[1:], re.M):
            assert plain(term)[0].upper() == section[0]


@pytest.mark.parametrize(("term", "definition"), entries(), ids=[term for term, _ in entries()])
def test_each_entry_is_a_sentence_with_a_way_to_a_chapter(term, definition):
    sentence, _, back = definition.rpartition(" Chapter")
    assert re.search(r"[.?]$", sentence)
    assert sentence[0] == sentence[0].upper()
    assert 5 <= len(sentence.split()) <= 45
    links = LINK.findall(back)
    assert links
    for number, page in links:
        assert re.match(rf"{number}_", page), page
        assert exists(page), page
    assert [number for number, _ in links] == sorted(number for number, _ in links)
    assert definition.endswith(").")


def test_every_row_of_the_notation_leads_to_a_chapter():
    rows = [line for line in NOTATION.splitlines() if line.startswith("|")]
    rows = [row for row in rows if not row.startswith("|:") and "first in" not in row]
    assert len(rows) > 35
    for row in rows:
        last = row.strip("| ").split(" | ")[-1]
        assert LINK.findall(last), row
        assert all(page.startswith(number) for number, page in LINK.findall(row))
    assert all(exists(page) for page in pages(NOTATION))


def test_the_maps_of_the_notation_are_those_of_the_model():
    with torch.device("meta"):
        layers = {layer.name: layer for layer in viz.trace(build("l"), (1, 3, 640, 640))}
    table = NOTATION.partition("## Maps and strides")[2].partition("## Conventions")[0]
    shown = {
        part: (stride, shape)
        for row in re.findall(r"^\| (.*?) \| ([\d, ]+) \| (.*?) \|", table, re.M)
        for part, stride, shape in zip(row[0].split(", "), row[1].split(", "), row[2].split(", "))
    }
    parts = {"C3": "dark3", "C4": "dark4", "C5": "dark5"}
    for name, (stride, shape) in shown.items():
        if not shape[0].isdigit():
            continue
        layer = layers[parts.get(name, name)]
        assert layer.stride == int(stride)
        side = 640 // layer.stride
        channels = layer.output[1] if len(layer.output) == 4 else layer.output[2]
        assert shape == f"{side} × {side} × {channels}"
    assert set(shown) >= {"stem", "dark2", "C3", "C4", "C5", "head.0", "head.1", "head.2"}
    assert all(
        layers[p].output == layers[c].output
        for p, c in (("topdown3", "dark3"), ("bottomup4", "dark4"), ("bottomup5", "dark5"))
    )
