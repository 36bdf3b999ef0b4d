"""STYLE's measures of a chapter: how long its cells are, how much it says, shows and checks."""

import re
import statistics
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode
from tidying import read, tags, text_outputs

# A comment that is nothing but a shape, "# n 3 h w" or "# 1 3 320 320 -> 1 64", perhaps with a note after it.
AXIS = r"(?:[a-z]\d?|\d+|(?:\d+|[a-z])[-+*/·](?:\d+|[a-z]))"
SHAPE = re.compile(
    rf"\.shape\b|\.size\(\)|torch\.Size|#\s*{AXIS}(?:\s+{AXIS})+\s*(?:$|[,:;(-])|\b\d+ × \d+ × \d+"
    r"|\bviz\.(?:trace|table|blocks|matrix)\(|\b(?:Float|Int|UInt8|Bool|Num|Shaped)\[\w+, \"[^\"]+ [^\"]+\"\]"
    r"|[\[(]\d+(?:, \d+){2,}[\])]",
    re.M,
)
CHECKED = re.compile(r"^\s*assert\b|\bcheck\(|\bassert_close\(", re.M)
WORD = re.compile(r"[^\W_][\w'’-]*")


@dataclass(frozen=True)
class Measures:
    """The measures of one chapter."""

    name: str
    cells: int
    median: float
    p90: float
    words: int
    shapes: float
    checks: float
    figures: int
    size: int

    @property
    def words_a_cell(self) -> float:
        """Words of prose for each code cell."""
        return self.words / max(self.cells, 1)

    def misses(self) -> list[str]:
        """Which measures the chapter does not meet, one sentence each."""
        wanted = {
            f"{self.cells} code cells, 15 to 30 wanted": 15 <= self.cells <= 30,
            f"half of the cells over {self.median:g} lines, 6 wanted": self.median <= 6,
            f"a tenth of the cells over {self.p90:g} lines, 20 wanted": self.p90 <= 20,
            f"{self.words:,} words, 1,500 to 3,000 wanted": 1500 <= self.words <= 3000,
            f"{self.words_a_cell:.0f} words a code cell, 60 to 110 wanted": 60 <= self.words_a_cell <= 110,
            f"{self.shapes:.0%} of the cells show a shape, 25 % wanted": self.shapes >= 0.25,
            f"{self.checks:.0%} of the cells check something, 15 % wanted": self.checks >= 0.15,
            f"{self.figures} figures, 4 wanted": self.figures >= 4,
            f"{self.size / 1000:.0f} KB, less than 500 wanted": self.size < 500_000,
        }
        return [f"{self.name}: {sentence}" for sentence, met in wanted.items() if not met]


def measure(path: Path) -> Measures:
    """Measure a chapter. The Colab line and the small map's cell, which no reader sees, are left out."""
    nb = read(path)
    code = [c for c in nb.cells if c.cell_type == "code" and not unseen(c)]
    lines = [sum(bool(line.strip()) for line in c.source.splitlines()) for c in code] or [0]
    prose = "\n".join(c.source for c in nb.cells if c.cell_type == "markdown")
    return Measures(
        name=path.stem,
        cells=len(code),
        median=statistics.median(lines),
        p90=sorted(lines)[max(-(-9 * len(lines) // 10) - 1, 0)],  # nine cells in ten are no longer
        words=words(prose),
        shapes=_share(code, lambda c: SHAPE.search(f"{c.source}\n{text_outputs(c)}")),
        checks=_share(code, lambda c: CHECKED.search(c.source)),
        figures=sum(figures(c) for c in code) + len(re.findall(r"^(?:```|:::)\{figure\}", prose, re.M)),
        size=path.stat().st_size,
    )


def words(prose: str) -> int:
    """The words of Markdown text; code, formulas, addresses, HTML and directives' options do not count."""
    prose = re.sub(r"\$\$.*?\$\$|\$[^$\n]*\$", " ", prose, flags=re.S)
    prose = re.sub(r"^```\{code.*?^```|^```\w*\n.*?^```", " ", prose, flags=re.S | re.M)
    prose = re.sub(r"^(```|:::).*$|^:[\w-]+:.*$", " ", prose, flags=re.M)
    prose = re.sub(r"\{[\w:-]+\}`[^`]*`|`[^`]*`|\]\([^)]*\)|<[^>]+>|https?://\S+", " ", prose)
    return len(WORD.findall(prose))


def unseen(cell: NotebookNode) -> bool:
    """Whether a code cell is not the chapter's own: the Colab line, or the small map at its top."""
    return "remove-cell" in tags(cell) or ("remove-input" in tags(cell) and "network_map(" in cell.source)


def figures(cell: NotebookNode) -> int:
    """How many figures a code cell gives out."""
    data = [out.get("data", {}) for out in cell.outputs]
    image = [any(kind.startswith("image/") for kind in d) for d in data]
    drawn = [bool(re.search(r"<svg\b|class=\"[^\"]*\bplay\b", "".join(d.get("text/html", "")))) for d in data]
    return sum(i or d for i, d in zip(image, drawn))


def _share(cells: list[NotebookNode], test: object) -> float:
    return sum(bool(test(c)) for c in cells) / max(len(cells), 1)


def table(measured: list[Measures]) -> str:
    """All measures as text, one chapter a line."""
    head = f"{'chapter':34} cells median p90 words  /cell shapes checks figures   KB"
    rows = [
        f"{m.name[:34]:34} {m.cells:5} {m.median:6g} {m.p90:3g} {m.words:5,} {m.words_a_cell:6.0f} "
        f"{m.shapes:6.0%} {m.checks:6.0%} {m.figures:7} {m.size / 1000:4.0f}"
        for m in measured
    ]
    return "\n".join([head, *rows])
