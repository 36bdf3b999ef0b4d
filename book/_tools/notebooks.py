"""Edit, run, tidy and check the chapters.

    python book/_tools/notebooks.py run 00        run a chapter in place, then tidy it
    python book/_tools/notebooks.py tidy          tidy every chapter without running it
    python book/_tools/notebooks.py check         list what the guard tests would refuse
    python book/_tools/notebooks.py text 00       write the chapter as MyST text to _build/text/
    python book/_tools/notebooks.py back 00       take that text back into the notebook, run it, tidy it

The .ipynb file is the only source in git. `text` and `back` are for writing prose in a plain editor.
"""

import argparse
import hashlib
import re
import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

BOOK = Path(__file__).resolve().parents[1]
ROOT = BOOK.parent
TEXT = ROOT / "_build" / "text"

REPOSITORY = "https://github.com/yolox-layer-by-layer/yolox-layer-by-layer"
# The first cell of every chapter. Silent where the package is there; in Colab it installs this package and
# the two small ones that Colab lacks, and touches nothing else.
COLAB_LINE = (
    'import importlib.util as u; _ = u.find_spec("yolox_edu") or get_ipython().run_line_magic('
    f'"pip", "install -q --no-deps git+{REPOSITORY} jaxtyping wadler-lindig")'
)
MAX_BYTES = 500_000
MAX_COLUMNS = 80  # a longer line of code is cut off on the page
CELL_KEYS = ("tags", "mystnb")
IMAGES = ("image/png", "image/jpeg", "image/svg+xml", "image/gif")
ABSOLUTE = re.compile(
    r"(?<![\w.:/~-])/(?:home|root|Users|tmp|work|mnt|var|opt|private|content|builds?)/[\w.]"
    r"|\b[A-Za-z]:\\{1,2}(?:Users|Windows|Temp)\b|file:///"
)


def chapters(names: list[str] | None = None) -> list[Path]:
    """The notebooks whose names start with one of `names` ("00"); all of them if none is given."""
    found = sorted(BOOK.glob("[0-9a-z]*.ipynb"))
    wanted = [p for p in found if not names or any(p.name.startswith(n) for n in names)]
    if names and not wanted:
        raise SystemExit(f"no chapter in {BOOK.name}/ starts with {' or '.join(names)}")
    return wanted


# --- tidy -------------------------------------------------------------------------------------------------


def tidy(nb: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A copy of the notebook without what differs from machine to machine and run to run."""
    nb = nbformat.from_dict(nb)
    nb.nbformat, nb.nbformat_minor = 4, 5
    nb.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    seen: dict[str, int] = {}
    for cell in nb.cells:
        cell.source = cell.source.strip("\n")
        cell.metadata = nbformat.from_dict({k: cell.metadata[k] for k in CELL_KEYS if cell.metadata.get(k)})
        cell.id = _cell_id(cell, seen)
        if cell.cell_type == "code":
            cell.outputs = _tidy_outputs(cell.outputs)
    return nb


def _cell_id(cell: nbformat.NotebookNode, seen: dict[str, int]) -> str:
    """An id made from the cell's own text: it changes when the cell does, and only then."""
    digest = hashlib.sha1(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
    seen[digest] = seen.get(digest, 0) + 1
    return digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"


def _tidy_outputs(outputs: list) -> list:
    """Join the pieces of one stream (where they break is chance) and drop display metadata."""
    joined: list = []
    for out in outputs:
        last = joined[-1] if joined else None
        if last and out.output_type == last.output_type == "stream" and out.name == last.name:
            last.text += out.text
            continue
        if "metadata" in out:
            out.metadata = nbformat.from_dict({})
        joined.append(out)
    return joined


def to_json(nb: nbformat.NotebookNode) -> str:
    """The file's exact text: sorted keys, one space of indent, one newline at the end."""
    return nbformat.writes(nb, version=4).rstrip("\n") + "\n"


def read(path: Path) -> nbformat.NotebookNode:
    """A notebook file as nbformat reads it, old cells given an id."""
    return nbformat.read(path, as_version=4)


def write(path: Path, nb: nbformat.NotebookNode) -> None:
    """Tidy a notebook and write it, always with Unix line ends."""
    path.write_text(to_json(tidy(nb)), encoding="utf-8", newline="\n")


# --- run --------------------------------------------------------------------------------------------------


def run(path: Path, timeout: int = 600) -> None:
    """Execute a chapter in its own folder and write it back with fresh outputs."""
    nb = read(path)
    client = NotebookClient(
        nb, timeout=timeout, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    )
    client.execute()
    write(path, nb)


def to_text(path: Path) -> Path:
    """Write a chapter as MyST Markdown, to be edited; nothing of it goes into git."""
    TEXT.mkdir(parents=True, exist_ok=True)
    text = TEXT / f"{path.stem}.md"
    jupytext.write(read(path), text, fmt="md:myst")
    return text


def from_text(path: Path) -> None:
    """Take the edited text back into the notebook and run it."""
    write(path, jupytext.read(TEXT / f"{path.stem}.md", fmt="md:myst"))
    run(path)


# --- check ------------------------------------------------------------------------------------------------


def faults(path: Path) -> list[str]:
    """What is wrong with a committed chapter, one sentence each; empty if it is ready."""
    text = path.read_text(encoding="utf-8")
    nb = nbformat.reads(text, as_version=4)
    found = _file_faults(path, text, nb)
    count = 0
    for i, cell in enumerate(nb.cells):
        here = f"{path.name}, cell {i}"
        found += [f"{here}: absolute path {m.group()!r}…" for m in [ABSOLUTE.search(_all_text(cell))] if m]
        if cell.cell_type == "code":
            count += 1
            found += [f"{here}: {f}" for f in _code_faults(cell, count)]
        elif cell.cell_type == "markdown":
            found += [f"{here}: {f}" for f in _picture_faults(cell.source)]
    return found


def _file_faults(path: Path, text: str, nb: nbformat.NotebookNode) -> list[str]:
    """Faults of the file as a whole: size, tidiness, the Colab line, the title."""
    found = []
    if (size := len(text.encode())) > MAX_BYTES:
        found.append(f"{path.name}: {size:,} bytes, more than {MAX_BYTES:,}")
    if text != to_json(tidy(nb)):
        found.append(f"{path.name}: not tidy (python book/_tools/notebooks.py tidy {path.name[:2]})")
    first = nb.cells[0] if nb.cells else None
    if first is None or first.source != COLAB_LINE or "remove-cell" not in first.metadata.get("tags", []):
        found.append(f"{path.name}: the first cell is not COLAB_LINE with the tag remove-cell")
    titles = [c for c in nb.cells if c.cell_type == "markdown"]
    if not titles or not titles[0].source.startswith("# "):
        found.append(f"{path.name}: the first text cell does not start with a title, '# …'")
    return found


def _code_faults(cell: nbformat.NotebookNode, count: int) -> list[str]:
    """Faults of one code cell and its outputs; `count` is the number it must carry."""
    found = []
    tags = cell.metadata.get("tags", [])
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
    for out in cell.outputs:
        if out.output_type == "stream" and out.name == "stderr":
            found.append(f"prints to stderr: {out.text.strip()[:60]!r}")
        if out.output_type == "error" and "raises-exception" not in tags:
            found.append(f"raises {out.ename} without the tag raises-exception")
        data = out.get("data", {})
        if any(kind in data for kind in IMAGES) and not _alt(cell):
            found.append('picture without alt text: metadata {"mystnb": {"image": {"alt": "…"}}}')
        found += _picture_faults("".join(data.get("text/html", "")))
    return found


def _alt(cell: nbformat.NotebookNode) -> str:
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


def _all_text(cell: nbformat.NotebookNode) -> str:
    """Source and textual outputs of a cell, for searching."""
    parts = [cell.source]
    for out in cell.get("outputs", []):
        parts += [str(out.get("text", "")), "\n".join(out.get("traceback", []))]
        parts += [str(v) for k, v in out.get("data", {}).items() if k.startswith("text/") or "svg" in k]
    return "\n".join(parts)


def main(argv: list[str] | None = None) -> int:
    """The command line described at the top of this file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["run", "tidy", "check", "text", "back"])
    parser.add_argument("chapter", nargs="*", help="number at the start of the file name; all if left out")
    args = parser.parse_args(argv)
    bad = 0
    for path in chapters(args.chapter):
        if args.what == "check":
            found = faults(path)
            bad += len(found)
            print("\n".join(found) or f"{path.name}: ready")
        elif args.what == "text":
            print(to_text(path).relative_to(ROOT))
        else:
            {"run": run, "back": from_text, "tidy": lambda p: write(p, read(p))}[args.what](path)
            print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} KB")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
