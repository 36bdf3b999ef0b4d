"""The two generated pieces of the first page: the picture of the whole network, and the map of the chapters.

    python book/_tools/landing.py          write them to book/_landing
    python book/_tools/landing.py check    say whether they are as they would be written now

The picture is `viz.network_map`, so its numbers come from the real model. The map knows which chapters are
written from _toc.yml, and their titles, questions and minutes from the card at the head of each chapter.
A new chapter therefore needs one line in _toc.yml, and a run of this program.
"""

import re
import sys

from build_site import ROOT
from landing_network import STREET, detect_street, network
from landing_road import road

LANDING = ROOT / "book" / "_landing"


def pieces() -> dict[str, str]:
    """{file name: what belongs in it}"""
    return {"network.html": network(detect_street()[1]), "road.html": road()}


def same(a: str, b: str) -> bool:
    """Whether two pieces are equal; boxes may differ by 2 pixels, as another processor rounds differently."""
    box = re.compile(r'(?<=<rect class="box" )x="(\d+)" y="(\d+)" width="(\d+)" height="(\d+)"')
    ours, theirs = ([int(n) for found in box.findall(text) for n in found] for text in (a, b))
    near = len(ours) == len(theirs) and all(abs(m - n) <= 2 for m, n in zip(ours, theirs))
    return near and box.sub("", a) == box.sub("", b)


def stale() -> list[str]:
    """The pieces that are not as they would be written now."""
    found = []
    for name, text in pieces().items():
        path = LANDING / name
        if not path.is_file() or not same(path.read_text(encoding="utf-8"), text):
            found.append(f"book/_landing/{name} is out of date: run python book/_tools/landing.py")
    return found


def main() -> int:
    """The command line described at the top of this file."""
    if sys.argv[1:] == ["check"]:
        found = stale()
        print("\n".join(found) or "the first page is up to date")
        return len(found)
    LANDING.mkdir(exist_ok=True)
    for name, text in pieces().items():
        (LANDING / name).write_text(text, encoding="utf-8")
    if not STREET.is_file():
        detect_street()[0].save(STREET, quality=85)
    return 0


if __name__ == "__main__":
    sys.exit(main())
