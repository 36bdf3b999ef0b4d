"""The bibliography says, behind each entry, which chapters cite it, with links back."""

import re
from pathlib import PurePosixPath

ENTRY = re.compile(r"""(?P<entry><div class="citation" id="(?P<id>[^"]+)">.*?)(?P<end></p>\s*</div>)""", re.S)
TITLE = re.compile(r"<title>(.*?)(?: &#8212;.*?)?</title>", re.S)
DONE = '<span class="cited-in">'


def citing(pages: dict[str, str], bibliography: str) -> dict[str, list[str]]:
    """{entry: names of the chapters with a citation of it, in reading order}."""
    found: dict[str, set[str]] = {}
    link = re.compile(rf'href="(?:[^"#]*/)?{re.escape(PurePosixPath(bibliography).name)}#(id\d+)"')
    for name, text in pages.items():
        if name != bibliography and re.match(r"\d\d_|error_clinic", PurePosixPath(name).name):
            for entry in link.findall(text):
                found.setdefault(entry, set()).add(name)
    return {entry: sorted(names) for entry, names in found.items()}


def add_citing(pages: dict[str, str], bibliography: str = "book/bibliography.html") -> dict[str, str]:
    """The pages, with "Cited in 03, 07" behind each entry of the bibliography. Can be run twice."""
    if bibliography not in pages or DONE in pages[bibliography]:
        return pages
    where = citing(pages, bibliography)

    def named(name: str) -> str:
        short = PurePosixPath(name).name
        title = TITLE.search(pages[name])  # as HTML
        word = short[:2] if short[:2].isdecimal() else "error clinic"
        return f'<a href="{short}" title="{title[1] if title else word}">{word}</a>'

    def with_links(match: re.Match) -> str:
        names = where.get(match["id"], [])
        said = f" {DONE}Cited in {', '.join(map(named, names))}.</span>" if names else ""
        return f"{match['entry']}{said}{match['end']}"

    return {**pages, bibliography: ENTRY.sub(with_links, pages[bibliography])}
