"""What a committed chapter must not have; each fault is one sentence. The guard tests ask for none."""

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from tidying import COLAB_LINE, WIDGET, tags, text_outputs, tidy, to_json

MAX_BYTES = 500_000
MAX_COLUMNS = 80  # a longer line of code is cut off on the page
LAX = ("16_", "19_", "23_")  # their numbers depend on the machine: only tagged cells are compared
IMAGES = ("image/png", "image/jpeg", "image/svg+xml", "image/gif")
ABSOLUTE = re.compile(
    r"(?<![\w.:/~-])/(?:home|root|Users|tmp|work|mnt|var|opt|private|content|builds?)/[\w.]"
    r"|\b[A-Za-z]:\\{1,2}(?:Users|Windows|Temp)\b|file:///"
)
TIME = re.compile(r"(?<![\w.])\d[\d.,]*\s?(?:[mµun]?s|sec|seconds?|min|minutes?)\b")
CHECK = re.compile(r"\bcheck\(")


def faults(path: Path) -> list[str]:
    """What is wrong with a committed chapter, one sentence each; empty if it is ready."""
    text = path.read_text(encoding="utf-8")
    nb = nbformat.reads(text, as_version=4)
    found = _file_faults(path, text, nb)
    lax, count = path.name.startswith(LAX), 0
    for i, cell in enumerate(nb.cells):
        here = f"{path.name}, cell {i}"
        found += [f"{here}: absolute path {m.group()!r}…" for m in [ABSOLUTE.search(_all_text(cell))] if m]
        if cell.cell_type == "code":
            count += 1
            inside = _code_faults(cell, count) + _output_faults(cell) + _exercise_faults(cell)
            inside += _time_faults(cell, lax)
            found += [f"{here}: {f}" for f in inside]
        elif cell.cell_type == "markdown":
            found += [f"{here}: {f}" for f in _picture_faults(cell.source)]
    return found


def _file_faults(path: Path, text: str, nb: NotebookNode) -> list[str]:
    """Faults of the file as a whole: size, tidiness, the Colab line, the title."""
    found = []
    if (size := len(text.encode())) > MAX_BYTES:
        found.append(f"{path.name}: {size:,} bytes, more than {MAX_BYTES:,}")
    if text != to_json(tidy(nb)):
        found.append(f"{path.name}: not tidy (python book/_tools/notebooks.py tidy {path.name[:2]})")
    first = nb.cells[0] if nb.cells else None
    if first is None or first.source != COLAB_LINE or "remove-cell" not in tags(first):
        found.append(f"{path.name}: the first cell is not COLAB_LINE with the tag remove-cell")
    titles = [c for c in nb.cells if c.cell_type == "markdown"]
    if not titles or not titles[0].source.startswith("# "):
        found.append(f"{path.name}: the first text cell does not start with a title, '# …'")
    return found


def _code_faults(cell: NotebookNode, count: int) -> list[str]:
    """Faults of a code cell's source; `count` is the number it must carry."""
    found = []
    if not cell.source.strip():
        found.append("empty code cell")
    longest = max((len(line) for line in cell.source.splitlines()), default=0)
    if longest > MAX_COLUMNS and cell.source != COLAB_LINE:
        found.append(f"line of {longest} characters; the page shows {MAX_COLUMNS}")
    if cell.execution_count != count:
        found.append(f"execution count {cell.execution_count}, should be {count}: run it from top to bottom")
    if re.search(r"^\s*#\s*(NBVAL|PYTEST_VALIDATE)_", cell.source, re.M):
        found.append("magic comment for nbval: use a cell tag")
    if cell.source.rstrip().endswith(";"):
        found.append("ends with ';', which hides the output from nbval: end with plt.show()")
    if re.search(r"^\s*from\s+\S+\s+import\s*\(?\s*\*", cell.source, re.M):
        found.append("import *: nobody can see where a name comes from")
    return found


def _output_faults(cell: NotebookNode) -> list[str]:
    """Faults of what a code cell gave out."""
    found = []
    for out in cell.outputs:
        if out.output_type == "stream" and out.name == "stderr":
            found.append(f"prints to stderr: {out.text.strip()[:60]!r}")
        if out.output_type == "error" and "raises-exception" not in tags(cell):
            found.append(f"raises {out.ename} without the tag raises-exception")
        data = out.get("data", {})
        if WIDGET in data:
            found.append("a live widget, which is dead on the page: tag the cell `live` and tidy")
        if any(kind in data for kind in IMAGES) and not _alt(cell):
            found.append('picture without alt text: metadata {"mystnb": {"image": {"alt": "…"}}}')
        found += _picture_faults("".join(data.get("text/html", "")))
    return found


def _exercise_faults(cell: NotebookNode) -> list[str]:
    """Faults of stubs and solutions: a stub says that it is your turn, a solution that it is right."""
    found, printed = [], text_outputs(cell)
    if "exercise" in tags(cell):
        if not CHECK.search(cell.source):
            found.append('exercise without a line check("NN.M", …)')
        elif "your turn" not in printed or any(o.output_type == "error" for o in cell.outputs):
            found.append(f"a stub must print 'your turn', not {printed.strip()[:60]!r}")
    elif checks := len(CHECK.findall(cell.source)):
        right = len(re.findall(r"^\d\d\.\d+ right: ", printed, re.M))
        if right != checks:
            found.append(f"{checks} checks, but {right} printed 'right': {printed.strip()[:60]!r}")
    return found


def _time_faults(cell: NotebookNode, lax: bool) -> list[str]:
    """Times in an output that is compared: another machine, or another day, gives other ones."""
    compared = "nbval-check-output" in tags(cell) if lax else "nbval-ignore-output" not in tags(cell)
    found = TIME.search(text_outputs(cell))
    return [f"prints a time ({found.group()}): tag nbval-ignore-output"] if compared and found else []


def _alt(cell: NotebookNode) -> str:
    """The alt text that a code cell gives to its picture."""
    return str(cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")).strip()


def _picture_faults(text: str) -> list[str]:
    """Pictures in Markdown or HTML that say nothing to somebody who cannot see them."""
    found = [f"picture without alt text: ![]({m})" for m in re.findall(r"!\[\s*\]\(([^)\s]{0,40})", text)]
    for tag in re.findall(r"<img\b[^>]*>", text):
        if not re.search(r"""\balt\s*=\s*["'][^"']""", tag):
            found.append(f"picture without alt text: {tag[:60]}")
    for tag in re.findall(r"<svg\b[^>]*>", text):
        if not re.search(r"""\baria-(label(ledby)?\s*=\s*["'][^"']|hidden\s*=\s*["']true)""", tag):
            found.append(f"drawing without aria-label: {tag[:60]}")
    for body in re.findall(r"```\{(?:figure|image)\}[^\n]*\n(.*?)```", text, re.S):
        if not re.search(r"^:alt:\s*\S", body, re.M):
            found.append("figure directive without :alt:")
    return found


def _all_text(cell: NotebookNode) -> str:
    """Source and textual outputs of a cell, for searching."""
    parts = [cell.source]
    for out in cell.get("outputs", []):
        parts += [str(out.get("text", "")), "\n".join(out.get("traceback", []))]
        parts += [str(v) for k, v in out.get("data", {}).items() if k.startswith("text/") or "svg" in k]
    return "\n".join(parts)
