"""Mends what the theme leaves undone in the built pages: fonts from a USB stick, names, landmarks.

Browsers refuse font files to a page that was opened from a disk, so the fonts move into the style sheets. The
theme also brings its icons a second time as a script of 1.5 MB, a live-code button that would ask another
machine, and labels that do not say what is written on a button. `finish(html)` changes only what it must and
can be run twice.
"""

import base64
import json
import re
from html import escape
from pathlib import Path

from bs4 import BeautifulSoup, Tag
from cited import add_citing

FONT = re.compile(r"""url\(\s*["']?([^"')]+\.woff2)(?:[?#][^"')]*)?["']?\s*\)""")
FACE = re.compile(r"@font-face\s*\{[^}]*\}")
# Old names under which the icon fonts are offered once more; nothing on our pages asks for them.
OLD_FACE = re.compile(r"""font-family:\s*["']?(?:Font Awesome\\? 5|FontAwesome\b)""")

# (what, by what) in every page, in this order.
PAGE = [
    # Icons as a script (the font does the same) and hints to load fonts that are in the style sheet now.
    (r"""[ \t]*<script src="[^"]*fontawesome[^"]*all\.min\.js[^"]*"></script>\n?""", ""),
    (r"""[ \t]*<link rel="preload" as="font"[^>]*>\n?""", ""),
    # The live-code button is not used; its script is even there twice, which is an error in the console.
    (r"""[ \t]*<script>const THEBE_JS_URL.*?</script>\n?""", ""),
    (r"""[ \t]*<script[^>]* src="[^"]*sphinx-thebe\.js[^"]*"></script>\n?""", ""),
    (r"""[ \t]*<link[^>]* href="[^"]*sphinx-thebe\.css[^"]*"[^>]*>\n?""", ""),
    (r"""<meta name="viewport" content="width=device-width, initial-scale=1" ?/>""", ""),
    (r"""<title>(.*?) &#8212; \1</title>""", r"<title>\1</title>"),
    # What is read aloud must be what stands there.
    (r"""<summary aria-label="Toggle hidden content">""", "<summary>"),
    (r"""(<button class="btn search-button-field[^>]*?) aria-label="Search\"""", r"\1"),
    # The side bar is a landmark, so that nothing on the page lies outside one.
    (
        r"""<div class="bd-sidebar-primary bd-sidebar">""",
        """<div class="bd-sidebar-primary bd-sidebar" role="complementary" aria-label="Book">""",
    ),
    (r"""<th class="head"><p></p></th>""", "<td></td>"),
    # The bibliography's roles contradict each other; without any it is read as what it is.
    (r"""<div role="list" class="citation-list">""", '<div class="citation-list">'),
    (r""" role="doc-biblioentry\"""", ""),
]
WITHIN = r"""(?:(?!<div class="cell ).)*?"""  # anything in the same cell of the notebook
LIVE = re.compile(
    rf"""(?P<before><div class="cell [^"]*\btag_live\b[^"]*">{WITHIN})(?=<div class="cell_output )""", re.S
)
SOLUTION = re.compile(
    rf"""(<div class="cell [^"]*\btag_solution\b{WITHIN})Show the code({WITHIN})Hide the code""", re.S
)
NUMBER = r"(?P<kind>Fig\.|Table) [\d.]+"
NUMBERED = (
    r"""<(?:figure|table)\b(?![^>]*class="play")[^>]*\bid="""  # a figure to play with lies in one of these
)
CAPTION = re.compile(
    rf"""(?P<before>{NUMBERED}"(?P<id>[^"]+)"[^>]*>(?:(?!{NUMBERED}).)*?<span class="caption-number">)"""
    rf"""{NUMBER}(?P<after>\s*</span>)""",
    re.S,
)
REFERENCE = re.compile(
    r"""(?P<before><a class="reference internal" href="[^"#]*#(?P<id>[^"]+)">"""
    rf"""<span class="std std-numref">){NUMBER}</span>"""
)


SIGNATURE = re.compile(r"""<dt class="sig .*?</dt>""", re.S)


def signature(match: re.Match) -> str:
    """A signature with its arguments in lines, which Sphinx makes a list of answers without questions."""
    text = match[0].replace("<dl>", '<span class="arguments">').replace("<dd>", '<span class="argument">')
    return re.sub(r"</d[ld]>", "</span>", text)


def inline_fonts(sheet: Path) -> int:
    """Replace the font files of a style sheet by their contents; the number of fonts taken in."""
    text = sheet.read_text(encoding="utf-8")
    count = 0

    def face(match: re.Match) -> str:
        nonlocal count
        if OLD_FACE.search(match[0]):
            return ""
        font = FONT.search(match[0])
        if not font:
            return match[0]
        data = base64.b64encode((sheet.parent / font[1]).read_bytes()).decode()
        count += 1
        src = f"""src:url(data:font/woff2;base64,{data}) format("woff2")"""
        return re.sub(r"src:[^;}]+", lambda _: src, match[0])

    new = FACE.sub(face, text)
    if new != text:
        sheet.write_text(new, encoding="utf-8")
    return count


def without_widgets(text: str) -> str:
    """A page without the outputs of cells tagged `live`: without a kernel their sliders move nothing.

    If no widget is left, the scripts that show widgets (1 MB) go too.
    """
    while match := LIVE.search(text):
        depth, end = 0, len(text)
        for tag in re.compile(r"<div\b|</div>").finditer(text, match.end("before")):
            depth += 1 if tag[0] == "<div" else -1
            if not depth:
                end = tag.end()
                break
        text = text[: match.end("before")] + text[end:]
    if "application/vnd.jupyter.widget-view+json" not in text:
        text = re.sub(
            r"""[ \t]*<script[^>]* src="[^"]*vendor/(?:require|embed-amd)\.js[^"]*"></script>\n?""", "", text
        )
        text = re.sub(
            r"""<script type="application/vnd\.jupyter\.widget-state\+json">.*?</script>\n?""",
            "",
            text,
            flags=re.S,
        )
    return text


def finish_page(text: str) -> str:
    """A built page without the theme's faults (see PAGE)."""
    for what, by in PAGE:
        text = re.sub(what, by, text)
    text = SIGNATURE.sub(signature, text)
    return SOLUTION.sub(r"\1Show the solution\2Hide the solution", without_widgets(text))


def number_captions(pages: dict[str, str]) -> dict[str, str]:
    """The pages of the book with figures and tables counted by chapter: "Fig. 03.2".

    Sphinx counts through the whole book: a new chapter would change the numbers in all later ones.
    """
    numbers: dict[tuple[str, str], str] = {}  # (kind, what stands in its id) -> number

    def count(name: str, text: str) -> str:
        chapter = re.match(r"(?:.*/)?(\d\d)_", name)
        so_far: dict[str, int] = {}

        def renamed(match: re.Match) -> str:
            kind = match["kind"]
            so_far[kind] = so_far.get(kind, 0) + 1
            number = f"{chapter[1]}.{so_far[kind]}" if chapter else f"{so_far[kind]}"
            numbers[kind, match["id"]] = number
            return f"{match['before']}{kind} {number}{match['after']}"

        return CAPTION.sub(renamed, text)

    counted = {name: count(name, text) for name, text in pages.items()}

    def refer(match: re.Match) -> str:
        number = numbers.get((match["kind"], match["id"]))
        return f"{match['before']}{match['kind']} {number}</span>" if number else match[0]

    return {name: REFERENCE.sub(refer, text) for name, text in counted.items()}


def plain(page: str) -> str:
    """A page's article as bare text inside its sections: enough for the lines under a search result."""
    article = BeautifulSoup(page, "html.parser").find("article")
    if article is None:
        return ""
    for node in article.select("script, style, svg, .headerlink, [hidden]"):
        node.decompose()

    def walk(node: Tag) -> str:
        inner = "".join(
            walk(child) if isinstance(child, Tag) else escape(str(child), quote=False)
            for child in node.children
        )
        if node.name == "dt" and (meaning := node.find_next_sibling("dd")):  # of a word in the glossary
            inner += escape(f" {meaning.get_text()}", quote=False)
        return f'<div id="{escape(node["id"])}">{inner}</div>' if node.get("id") else inner

    return re.sub(r"\s+", " ", f'<main role="main">{walk(article)}</main>')


def search_texts(html: Path, names: list[str]) -> None:
    """Give the search page the text of each page: from a disk it may not open them."""
    pages = {f"{name}.html": plain((html / f"{name}.html").read_text(encoding="utf-8")) for name in names}
    script = f"window.BOOK_TEXTS = {json.dumps(pages, ensure_ascii=False)};\n"
    (html / "_static" / "search-texts.js").write_text(script, encoding="utf-8")
    page = html / "search.html"
    text = page.read_text(encoding="utf-8")
    tag = '<script src="_static/search-texts.js"></script>\n'
    if tag not in text:
        page.write_text(text.replace("</head>", f"{tag}  </head>", 1), encoding="utf-8")


def finish(html: Path, names: list[str]) -> None:
    """Mend the site built in `html`; `names` are the pages that the search knows, without suffix."""
    for sheet in sorted((html / "_static").rglob("*.css")):
        inline_fonts(sheet)
    before = {p: p.read_text(encoding="utf-8") for p in sorted(html.rglob("*.html"))}
    finished = {p.relative_to(html).as_posix(): finish_page(t) for p, t in before.items()}
    mended = add_citing(number_captions(finished))
    for page, text in before.items():
        if (new := mended[page.relative_to(html).as_posix()]) != text:
            page.write_text(new, encoding="utf-8")
    search_texts(html, [name for name in names if (html / f"{name}.html").is_file()])
