"""The appendices: links to sections that exist, commands that parse, cited sources, public names."""

import ast
import json
import re
import shlex
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest
from cited import add_citing
from landing_road import written
from notebooks import BOOK, ROOT, chapters, read

import yolox_edu
from yolox_edu import viz
from yolox_edu.__main__ import main, parser

PAGES = [*sorted(BOOK.glob("*.md")), ROOT / "README.md"]
API = set(re.findall(r"automodule:: yolox_edu\.(\S+)", (BOOK / "api.md").read_text(encoding="utf-8")))
EXPLAINERS = (BOOK / "where_explainers_go_wrong.md").read_text(encoding="utf-8")


def slug(heading):
    """A heading's anchor, as GitHub makes it and Sphinx reads it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().casefold()).replace(" ", "-")


def anchors(page):
    cells = [c.source for c in read(BOOK / page).cells if c.cell_type == "markdown"]
    return {slug(h) for h in re.findall(r"^#{1,2} (.+)$", "\n".join(cells), re.M)}


# --- where explainers go wrong ----------------------------------------------------------------------------


def test_every_claim_leads_to_its_demonstration():
    claims = re.findall(r"^\*\*\"(.+?)\"", EXPLAINERS, re.M)
    assert len(claims) >= 14
    paragraphs = [p for p in EXPLAINERS.split("\n\n") if p.startswith('**"')]
    assert len(paragraphs) == len(claims)
    for paragraph in paragraphs:
        links = re.findall(r"\]\((\d\d_\w+\.ipynb)#([^)]+)\)", paragraph)
        assert links, paragraph
        for page, anchor in links:
            assert anchor in anchors(page), (page, anchor)


def test_the_claims_of_numbers_are_those_of_the_chapters():
    """What the page says in numbers is what the chapters' cells print."""
    said = {
        "05_csp": ("saved 10%", "saved 37%", "saved 46%"),
        "08_pafpn": ("nearest 180 bilinear 181",),
        "10_anchor_free": ("read as x, y, w, h       0 of 109",),
        "02_letterbox": ("centred, boxes not told    0 of 121 found",),
    }
    for page, lines in said.items():
        text = printed(BOOK / f"{page}.ipynb")
        for line in lines:
            assert line in text, (page, line)
    assert "10 % with one bottleneck, 37 % with three, 46 % with nine" in EXPLAINERS
    assert round(1000 / 14.5) == 69


def printed(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    outputs = [out for c in cells if c["cell_type"] == "code" for out in c["outputs"]]
    return "".join("".join(out.get("text", "")) for out in outputs)


# --- commands ---------------------------------------------------------------------------------------------


def commands(path):
    """The commands `python -m yolox_edu …` of a page, each as words; "…" and a comment end one."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r"(?:python|torchrun [^`\n]*?) -m yolox_edu ([^`\n]+)", text):
        yield shlex.split(line.partition("…")[0].partition("  #")[0].strip())


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_commands_are_understood(path, capsys):
    for words in commands(path):
        if words and len(words) > 1 and words[0] != "export":
            chosen = parser(words[0])
            try:
                chosen.parse_args(words)
            except SystemExit:  # argparse has said why
                if words != ["data", "convert"]:  # named, not given in full
                    pytest.fail(f"{path.name}: {shlex.join(words)}\n{capsys.readouterr().err}")


def test_many_commands_were_looked_at():
    assert sum(1 for path in PAGES for _ in commands(path)) >= 15


def test_the_extras_are_asked_for_where_the_package_is(monkeypatch, capsys):
    """There is no yolox-edu on PyPI."""
    monkeypatch.setitem(sys.modules, "yolox_edu.cli_evaluate", None)
    assert main(["evaluate"]) == 1
    assert "yolox-edu[train] @ git+https://" in capsys.readouterr().err
    for path in [*PAGES, *Path(yolox_edu.__file__).parent.rglob("*.py")]:
        for what in re.findall(r"pip install ['\"]?yolox-edu[^\n]*", path.read_text(encoding="utf-8")):
            assert "git+https" in what, path


def test_the_colab_line_on_the_page_is_the_one_of_the_chapters():
    first = read(chapters(["00_"])[0]).cells[0].source
    assert f"\n{first}\n" in (BOOK / "environment.md").read_text(encoding="utf-8")


# --- bibliography -----------------------------------------------------------------------------------------


def test_every_entry_is_cited_and_stands_once():
    keys = re.findall(r"^@\w+\{([^,]+),", (BOOK / "references.bib").read_text(encoding="utf-8"), re.M)
    assert Counter(keys).most_common(1)[0][1] == 1
    texts = [p.read_text(encoding="utf-8") for p in BOOK.glob("*.ipynb")]
    cited = {
        k.strip() for t in texts for g in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", t) for k in g.split(",")
    }
    assert set(keys) == cited


def test_every_entry_has_author_title_year_and_address():
    entries = re.split(r"^(?=@)", (BOOK / "references.bib").read_text(encoding="utf-8"), flags=re.M)[1:]
    for entry in entries:
        fields = dict(re.findall(r"(\w+)\s*=\s*\{(.*?)\}(?=,|\s*\}|\n)", entry))
        assert {"author", "title", "year"} <= set(fields), entry
        assert "doi" in fields or fields["url"].startswith("https://"), entry
        if year := re.search(r"arxiv\.org/abs/(\d\d)\d\d\.\d{4,5}", fields.get("url", "")):
            assert -1 <= int(fields["year"]) - 2000 - int(year[1]) <= 2, entry  # posted, then printed


def test_entries_lead_back_to_the_chapters():
    entry = '<div class="citation" id="id7">\n<span>[1]</span>\n<p>Somebody. {}</p>\n</div>'
    pages = {
        "book/bibliography.html": entry.format("Once") + entry.format("Never").replace("id7", "id8"),
        "book/05_csp.html": '<title>05 · CSP &#8212; Book</title><a href="bibliography.html#id7">x</a>',
        "book/error_clinic.html": '<title>Clinic</title><a href="bibliography.html#id7">x</a>',
        "book/faq.html": '<a href="bibliography.html#id8">x</a>',
    }
    done = add_citing(pages)["book/bibliography.html"]
    links = re.findall(r'<a href="([^"]+)" title="([^"]+)">([^<]+)</a>', done)
    assert links == [("05_csp.html", "05 · CSP", "05"), ("error_clinic.html", "Clinic", "error clinic")]
    assert done.index("Once") < done.index("Cited in") < done.index("Never")
    assert add_citing({**pages, "book/bibliography.html": done})["book/bibliography.html"] == done


# --- API --------------------------------------------------------------------------------------------------


def imports():
    """The modules of the package from which the chapters import, with the names."""
    for path in chapters():
        for cell in read(path).cells:
            if cell.cell_type == "code":
                for module, names in re.findall(
                    r"^from yolox_edu([\w.]*) import (\([^)]*\)|[^\n]+)", cell.source, re.M
                ):
                    yield module.lstrip("."), names


def test_the_api_page_has_every_module_that_chapters_use():
    own = re.compile(r"(viz|exercises)\.ch\d\d$|__main__$")  # of a single chapter
    figures = {p.stem for p in Path(viz.__file__).parent.glob("*.py")}
    missing = set()
    for module, _ in imports():
        if module in ("", "viz", "data") or own.match(module):
            continue
        part, _, name = module.partition(".")
        if part == "viz" and name in figures:  # the moving figures of a chapter
            continue
        missing |= {module} - API
    assert not missing


def test_public_names_stand_on_the_api_page():
    for package in (yolox_edu, viz):
        for name in package.__all__:
            where = getattr(getattr(package, name), "__module__", None)
            if where and where.startswith("yolox_edu"):
                assert where.removeprefix("yolox_edu.") in API, name


def test_public_constants_stand_on_the_api_page():
    """Sphinx takes functions and classes from their docstrings, and would leave these out without a word."""
    named = {(package.__name__, name) for package in (yolox_edu, viz) for name in package.__all__}
    named |= {
        ("yolox_edu." + m, n)
        for m, names in imports()
        for n in re.findall(r"\b[A-Z_]{2,}\b", names)
        if m in API
    }
    constants = {
        (m, n) for m, n in named if not hasattr(getattr(import_module(m), n, yolox_edu), "__module__")
    }
    text = (BOOK / "api.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\.\. py:data:: (\S+)\.(\w+)$", text, re.M)
    assert {"PRESETS", "PALETTE", "ARCHIVES"} <= {name for _, name in constants}
    assert {name for _, name in constants} == {name for _, name in listed}
    assert all(hasattr(import_module(module), name) for module, name in listed)


def test_the_shapes_of_every_layer_stand_on_the_api_page():
    """They are in the signatures of `forward`, which has no docstring: Sphinx would leave it out."""
    text = (BOOK / "api.md").read_text(encoding="utf-8")
    for module in ("blocks", "backbone", "neck", "head"):
        path = Path(yolox_edu.__file__).parent / f"{module}.py"
        assert "def forward(" in path.read_text(encoding="utf-8")
        assert f".. automodule:: yolox_edu.{module}\n   :members:\n   :undoc-members:\n" in text


def test_modules_of_the_api_page_exist_and_say_what_they_are():
    for module in API:
        path = Path(yolox_edu.__file__).parent.joinpath(*module.split("."))
        path = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), module


# --- the first page ---------------------------------------------------------------------------------------


def test_the_first_page_and_the_readme_name_the_appendices():
    toc = re.findall(r"- file: book/(\w+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
    appendices = {name for name in toc if name not in written().values()}
    first = (BOOK / "index.md").read_text(encoding="utf-8")
    assert {name for name in appendices if f"]({name})" not in first} == set()
