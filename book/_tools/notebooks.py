"""Edit, run, tidy and check the chapters.

    python book/_tools/notebooks.py run 00        run a chapter in place, then tidy it
    python book/_tools/notebooks.py diff 00       run it in memory and show which outputs have changed
    python book/_tools/notebooks.py tidy          tidy every chapter without running it
    python book/_tools/notebooks.py check         list what the guard tests would refuse
    python book/_tools/notebooks.py measures      how long the chapters are, what they show and check
    python book/_tools/notebooks.py text 00       write the chapter as MyST text to _build/text/
    python book/_tools/notebooks.py back 00       take that text back into the notebook, run it, tidy it

The .ipynb file is the only source in git. `text` and `back` are for writing prose in a plain editor.
"""

import argparse
import difflib
import hashlib
import re
import sys
from pathlib import Path

import jupytext
from guards import LAX, faults
from measures import measure, table
from nbclient import NotebookClient
from nbformat import NotebookNode
from tidying import BOOK, COLAB_LINE, ROOT, chapters, read, tags, tidy, to_json, write

__all__ = [
    "BOOK",
    "COLAB_LINE",
    "ROOT",
    "chapters",
    "diff",
    "faults",
    "read",
    "run",
    "tidy",
    "to_json",
    "write",
]

TEXT = ROOT / "_build" / "text"
DATA_URL = re.compile(r"data:image/[\w+.-]+;base64,[A-Za-z0-9+/=\s]+")


def execute(path: Path, timeout: int = 1800) -> NotebookNode:
    """A chapter with the outputs that it gives here and now, run in its own folder; writes nothing."""
    nb = read(path)
    client = NotebookClient(
        nb, timeout=timeout, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    )
    client.execute()
    return nb


def run(path: Path, timeout: int = 1800) -> None:
    """Execute a chapter and write it back with fresh outputs."""
    write(path, execute(path, timeout))


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


# --- diff -------------------------------------------------------------------------------------------------


def diff(path: Path) -> tuple[list[str], list[str]]:
    """Run a chapter in memory: the unified diff of what it prints, and a note for each changed picture.

    Cells that the tests do not compare either (tagged nbval-ignore-output) are left out.
    """
    lines: list[str] = []
    notes: list[str] = []
    fresh = tidy(execute(path))
    for i, (old, new) in enumerate(zip(read(path).cells, fresh.cells)):
        if old.cell_type != "code" or not _compared(path, old):
            continue
        before, after = _shown(old), _shown(new)
        here = f"{path.name}, cell {i}"
        lines += difflib.unified_diff(before[0], after[0], f"{here}, committed", f"{here}, now", lineterm="")
        if before[1] != after[1]:
            notes.append(f"{here}: the picture's bytes differ")
    return lines, notes


def _compared(path: Path, cell: NotebookNode) -> bool:
    """Whether the tests compare this cell's outputs with the committed ones."""
    if path.name.startswith(LAX):
        return "nbval-check-output" in tags(cell)
    return "nbval-ignore-output" not in tags(cell)


def _shown(cell: NotebookNode) -> tuple[list[str], list[str]]:
    """The lines of a cell's outputs, a word in each picture's place, and a digest of each picture."""
    lines: list[str] = []
    pictures: list[str] = []

    def seen(data: str) -> str:
        pictures.append(hashlib.sha1("".join(data.split()).encode()).hexdigest())
        return "(picture)"

    for out in cell.outputs:
        lines += str(out.get("text", "")).splitlines()
        lines += [f"{out.ename}: {out.evalue}"] if out.output_type == "error" else []
        for kind, data in sorted(out.get("data", {}).items()):
            text = seen(data) if kind.startswith("image/") else DATA_URL.sub(lambda m: seen(m[0]), str(data))
            lines += [f"[{kind}] {line}" for line in text.splitlines()]
    return lines, pictures


# --- the command line -------------------------------------------------------------------------------------


def main(argv: list[str] | None = None) -> int:
    """The command line described at the top of this file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["run", "diff", "tidy", "check", "measures", "text", "back"])
    parser.add_argument("chapter", nargs="*", help="number at the start of the file name; all if left out")
    args = parser.parse_args(argv)
    paths = chapters(args.chapter)
    if args.what == "measures":
        measured = [measure(path) for path in paths if path.name[:2].isdecimal()]
        print(table(measured), *[miss for m in measured for miss in m.misses()], sep="\n")
        return int(any(m.misses() for m in measured))
    return int(sum(_do(args.what, path) for path in paths) > 0)


def _do(what: str, path: Path) -> int:
    """One command on one chapter; how many faults or differences it found."""
    if what == "check":
        found = faults(path)
        print("\n".join(found) or f"{path.name}: ready")
        return len(found)
    if what == "diff":
        lines, notes = diff(path)
        print("\n".join([*lines, *notes]) or f"{path.name}: the same outputs")
        return len(lines)
    if what == "text":
        print(to_text(path).relative_to(ROOT))
        return 0
    {"run": run, "back": from_text, "tidy": lambda p: write(p, read(p))}[what](path)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} KB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
