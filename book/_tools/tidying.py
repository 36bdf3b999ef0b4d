"""Where the chapters lie, and the exact text in which each is kept in git."""

import hashlib
from pathlib import Path

import nbformat
from nbformat import NotebookNode

BOOK = Path(__file__).resolve().parents[1]
ROOT = BOOK.parent

REPOSITORY = "https://github.com/yolox-layer-by-layer/yolox-layer-by-layer"
# The first cell of every chapter. Silent where the package is there; in Colab it installs this package and
# the two small ones that Colab lacks, and touches nothing else.
COLAB_LINE = (
    'import importlib.util as u; _ = u.find_spec("yolox_edu") or get_ipython().run_line_magic('
    f'"pip", "install -q --no-deps git+{REPOSITORY} jaxtyping wadler-lindig")'
)
CELL_KEYS = ("tags", "mystnb")
# A reader fills in the cells tagged `exercise`. Whatever they write, even what is no Python, must neither
# stop "Run All" nor count as a changed output; and a live widget shows nothing without its kernel.
IMPLIED = {
    "exercise": ("nbval-ignore-output", "raises-exception"),
    "solution": ("hide-cell",),
    "live": ("nbval-ignore-output",),
}
WIDGET = "application/vnd.jupyter.widget-view+json"


def chapters(names: list[str] | None = None) -> list[Path]:
    """The notebooks whose names start with one of `names` ("00"); all of them if none is given."""
    found = sorted(BOOK.glob("[0-9a-z]*.ipynb"))
    wanted = [p for p in found if not names or any(p.name.startswith(n) for n in names)]
    if names and not wanted:
        raise SystemExit(f"no chapter in {BOOK.name}/ starts with {' or '.join(names)}")
    return wanted


def tags(cell: NotebookNode) -> list[str]:
    """A cell's tags."""
    return list(cell.metadata.get("tags", []))


def tidy(nb: NotebookNode) -> NotebookNode:
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
            _add_tags(cell)
            cell.outputs = _tidy_outputs(cell.outputs, live="live" in tags(cell))
    return nb


def _add_tags(cell: NotebookNode) -> None:
    """Add the tags that others imply, and sort nothing: their order is the author's."""
    own = tags(cell)
    implied = [t for tag in own for t in IMPLIED.get(tag, ()) if t not in own]
    if implied:
        cell.metadata["tags"] = own + list(dict.fromkeys(implied))


def _cell_id(cell: NotebookNode, seen: dict[str, int]) -> str:
    """An id made from the cell's own text: it changes when the cell does, and only then."""
    digest = hashlib.sha1(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
    seen[digest] = seen.get(digest, 0) + 1
    return digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"


def _tidy_outputs(outputs: list, live: bool) -> list:
    """Join the pieces of one stream (where they break is chance); drop display metadata and live widgets."""
    joined: list = []
    for out in outputs:
        last = joined[-1] if joined else None
        if live and WIDGET in out.get("data", {}):
            continue
        if last and out.output_type == last.output_type == "stream" and out.name == last.name:
            last.text += out.text
            continue
        if "metadata" in out:
            out.metadata = nbformat.from_dict({})
        joined.append(out)
    return joined


def to_json(nb: NotebookNode) -> str:
    """The file's exact text: sorted keys, one space of indent, one newline at the end."""
    return nbformat.writes(nb, version=4).rstrip("\n") + "\n"


def read(path: Path) -> NotebookNode:
    """A notebook file as nbformat reads it, old cells given an id."""
    return nbformat.read(path, as_version=4)


def write(path: Path, nb: NotebookNode) -> None:
    """Tidy a notebook and write it, always with Unix line ends."""
    path.write_text(to_json(tidy(nb)), encoding="utf-8", newline="\n")


def text_outputs(cell: NotebookNode) -> str:
    """What a cell printed or showed as plain text; pictures and HTML left out."""
    parts = []
    for out in cell.get("outputs", []):
        data = out.get("data", {})
        shown = any(kind.startswith("image/") or kind == "text/html" for kind in data)
        parts += [str(out.get("text", "")), "" if shown else str(data.get("text/plain", ""))]
    return "\n".join(part for part in parts if part)
