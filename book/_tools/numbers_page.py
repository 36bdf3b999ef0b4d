"""Write the page "Parity and numbers" from what the commands in benchmarks/ measured.

    python book/_tools/numbers_page.py           write book/parity_and_numbers.md
    python book/_tools/numbers_page.py --check   only say whether the page is what would be written

The text is numbers_page.in, in which <<name>> stands for a table made here. Nothing is typed in: each figure
comes from yolox_edu/measured/*.json; a test compares ALLOWED with the limits that the tests assert.
"""

import ast
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from yolox_edu.measured import FOLDER, recall

ROOT = Path(__file__).resolve().parents[2]
TEXT = Path(__file__).with_suffix(".in")
PAGE = ROOT / "book" / "parity_and_numbers.md"
ALLOWED = {"raw": 1e-4, "boxes": 1e-2, "scores": 1e-5, "gradients": 1e-4}
ALLOWED |= {"losses": 1e-5, "twins": 1e-3, "AP": 0.003}
UNITS = {"raw": "raw predictions", "boxes": "boxes, in pixels", "scores": "scores, as probabilities"}
Rows = list[dict[str, Any]]


def table(head: Iterable[str], rows: Iterable[Iterable[Any]], numbers: bool = True) -> str:
    """A Markdown table; with `numbers` all columns but the first are aligned to the right."""
    head = list(head)
    lines = ["| " + " | ".join(head) + " |", "|---|" + ("--:|" if numbers else "---|") * (len(head) - 1)]
    cells = ([str(cell).replace("|", "\\|") for cell in row] for row in rows)
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in cells)]) + "\n"


def near(value: float) -> str:
    """A small difference, two digits of it, never broken over two lines: 5.2 · 10⁻⁶."""
    if value == 0:
        return "0"
    digits, power = f"{value:.1e}".split("e")
    power = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{digits} · 10{power}".replace(" ", "\N{NO-BREAK SPACE}")


def origin(name: str, tests: str = "") -> str:
    """The sentence under a table: when, how and where it was measured, and what asserts it."""
    about = recall(name)
    again = f" Asserted by `pytest {tests}`." if tests else ""
    return f"*Measured on {about['date']} with `{about['command']}` ({about['machine']}).{again}*"


def counts(rows: Rows) -> str:
    """Both networks, counted."""
    what = ("parameters", "tensors", "convolutions")
    head = ["preset", *(word for name in what for word in (f"{name}: ours", "official")), "GFLOPs"]
    return table(
        head,
        (
            [
                r["preset"],
                *(f"{r[key]:,}" for w in what for key in (w, f"official {w}")),
                f"{r['gflops']:.2f}",
            ]
            for r in rows
        ),
    )


def outputs(rows: Rows) -> str:
    """The worst of each kind of output over presets and sizes."""
    worst = ((kind, max(rows, key=lambda r: r[kind])) for kind in UNITS)
    return table(
        ["what", "largest difference", "allowed", "found in"],
        (
            [UNITS[k], near(r[k]), near(ALLOWED[k]), f"{r['preset']}, {r['height']} × {r['width']}"]
            for k, r in worst
        ),
    )


def gradients(rows: Rows, assignments: Rows) -> str:
    """Gradients by preset, then the assigner's choices."""
    lines = [
        [
            f"gradients of {r['preset']}",
            f"{r['parameters']} parameters",
            near(r["relative"]),
            near(ALLOWED["gradients"]),
        ]
        for r in rows
    ]
    for r in assignments:
        positives = f"{r['positives']:,} positives in {r['batches']} batches"
        lines.append(["positives chosen otherwise", positives, r["other positives"], 0])
        lines.append(["losses", f"{r['batches']} batches", near(r["losses"]), near(ALLOWED["losses"])])
    return table(["what", "cases", "largest difference", "allowed"], lines)


def twins(rows: Rows) -> str:
    """Our networks against the published ONNX files."""
    return table(
        ["release", "photographs", "largest difference", "allowed"],
        ([r["release"], r["pictures"], near(r["worst"]), near(ALLOWED["twins"])] for r in rows),
    )


def precision(rows: Rows) -> str:
    """AP of ours, of the official code, and of that code with its boxes cut at the edges."""
    columns = {"AP": "AP: ours", "official AP": "official", "cut AP": "official, cut"}
    columns |= {"AP50": "AP50: ours", "official AP50": "official"}
    columns |= {"AP75": "AP75: ours", "official AP75": "official"}
    return table(
        ["release and set", "pictures", *columns.values()],
        ([f"{r['release']}, {r['set']}", r["pictures"], *(f"{r[key]:.4f}" for key in columns)] for r in rows),
    )


def material(rows: Rows) -> str:
    """The files of the comparison, as `sha256sum -c` reads them."""
    return "\n".join(f"SHA256 ({r['file']}) = {r['sha256']}" for r in rows)


def against(rows: Rows, unit: str, head: str) -> str:
    """Speeds, ours and official, in a unit whose keys end as loss.py and augment.py write them."""
    ours, theirs = f"ours_{unit}", f"official_{unit}"
    return table(
        [head, "ours", "official", "ratio"],
        (
            [r["what"].replace(" x ", " × "), f"{r[ours]:.0f}", f"{r[theirs]:.0f}", f"{r['ratio']:.1f}"]
            for r in rows
        ),
    )


def first_line(script: Path) -> str:
    """What a file of Python says that it is, in its first sentence or line."""
    words = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))).split("\n\n")[0]
    return " ".join(words.split())


def beforehand() -> str:
    """Every measurement that chapters quote."""
    names = sorted(path.stem for path in FOLDER.glob("*.json"))
    rows = []
    for name in names:
        about = recall(name)
        seeds = ", ".join(map(str, about["seeds"]))
        rows.append(
            [first_line(ROOT / f"benchmarks/{name}.py"), f"`{about['command']}`", seeds, about["date"]]
        )
    return table(["what", "command", "seeds", "date"], rows, numbers=False)


def held() -> str:
    """The first sentence of every file of tests."""
    files = sorted((ROOT / "tests").glob("test_*.py")) + sorted((ROOT / "tests/browser").glob("test_*.py"))
    rows = ([f"`{path.relative_to(ROOT).as_posix()}`", first_line(path)] for path in files)
    return table(["file", "what it holds"], rows, numbers=False)


def text() -> str:
    """The whole page."""
    parity = recall("parity")["rows"]
    made = {
        "counts": counts(parity["counts"]),
        "sizes": ", ".join(dict.fromkeys(f"{r['height']} × {r['width']}" for r in parity["outputs"])),
        "outputs": outputs(parity["outputs"]),
        "gradients": gradients(parity["gradients"], parity["assignments"]),
        "twins": twins(parity["twins"]),
        "precision": precision(parity["precision"]),
        "allowed AP": str(ALLOWED["AP"]),
        "material": material(parity["material"]),
        "versions": table(["package", "version"], parity["versions"].items(), numbers=False),
        "loss": against(recall("loss")["rows"], "ms", "milliseconds"),
        "augment": against(recall("augment")["rows"], "per_s", "pictures a second"),
        "beforehand": beforehand(),
        "held": held(),
    }

    def fill(match: re.Match) -> str:
        name, _, tests = match[1].partition(":")
        if name.endswith(" origin"):
            return origin(name.removesuffix(" origin"), tests.strip())
        return made[name]

    return re.sub(r"<<(.+?)>>", fill, TEXT.read_text(encoding="utf-8"))


def main() -> None:
    """Write the page, or compare it."""
    if "--check" in sys.argv[1:]:
        if PAGE.read_text(encoding="utf-8") != text():
            sys.exit(f"{PAGE} is not what was measured; run: python book/_tools/numbers_page.py")
        return
    PAGE.write_text(text(), encoding="utf-8")
    print(f"written to {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
