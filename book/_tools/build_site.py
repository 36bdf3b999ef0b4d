"""Build the site and prove that it is whole.

    python book/_tools/build_site.py build            run every chapter, build, mend, check
    python book/_tools/build_site.py build --no-run   the same from the committed outputs: runs no chapter
    python book/_tools/build_site.py check            only look at what was built

`--to DIR` builds into DIR/_build/html instead of _build/html.

jupyter-book exits 0 in some cases where it wrote nothing, so the pages themselves are checked: there is one
for each file in _toc.yml, written by this run and not too large, and none asks another machine for a script,
style or picture. What the theme leaves undone is mended by finish_site.py.
"""

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from finish_site import finish

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
MAKERS = ("build_site", "finish_site", "cited")
STAMP = "built-from.txt"  # in the built site: a fingerprint of what it was built from
MAX_PAGE = 1_500_000  # bytes of HTML; more is slow on a telephone
# Tags by which a page asks for something on its own. Links (<a href>) ask only when a reader clicks.
LOADS = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc\s*=\s*["']((?:https?:)?//[^"']+)"""
    r"""|<link\b(?=[^>]*\brel\s*=\s*["'](?:stylesheet|preload|icon|shortcut icon|preconnect)["'])"""
    r"""[^>]*\bhref\s*=\s*["']((?:https?:)?//[^"']+)""",
    re.I,
)
CSS_LOADS = re.compile(r"""(?:@import\s+(?:url\()?|url\()\s*["']?((?:https?:)?//[^"')\s]+)""", re.I)


def toc_files(toc: Path = ROOT / "_toc.yml") -> list[str]:
    """Every page of the table of contents, without suffix, in reading order."""

    def walk(node) -> list[str]:
        if isinstance(node, list):
            return [f for child in node for f in walk(child)]
        if not isinstance(node, dict):
            return []
        own = [node[k] for k in ("root", "file") if k in node]
        return own + [
            f for k in ("parts", "chapters", "sections", "subtrees", "entries") for f in walk(node.get(k))
        ]

    return walk(yaml.safe_load(toc.read_text(encoding="utf-8")))


def outside_requests(html: Path) -> list[str]:
    """'page: address' for each thing that a built page would fetch from another machine."""
    found = []
    for page in sorted(html.rglob("*.html")):
        text = page.read_text(encoding="utf-8")
        found += [f"{page.relative_to(html)}: {a or b}" for a, b in LOADS.findall(text)]
        for style in re.findall(r"<style\b[^>]*>(.*?)</style>", text, re.S):
            found += [f"{page.relative_to(html)}: {a}" for a in CSS_LOADS.findall(style)]
    for sheet in sorted(html.rglob("*.css")):
        text = re.sub(r"/\*.*?\*/", "", sheet.read_text(encoding="utf-8"), flags=re.S)
        found += [f"{sheet.relative_to(html)}: {a}" for a in CSS_LOADS.findall(text)]
    return found


def fingerprint() -> str:
    """A short name for the contents of everything that the site is made of."""
    book = ROOT / "book"
    sources = [ROOT / "_config.yml", ROOT / "_toc.yml", *(book / f"_tools/{n}.py" for n in MAKERS)]
    for pattern in ("*.md", "*.ipynb", "*.bib", "_static/**/*", "_landing/*"):
        sources += book.glob(pattern)
    digest = hashlib.sha256()
    for path in sorted(p for p in sources if p.is_file()):
        digest.update(f"{path.relative_to(ROOT).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def is_fresh(html: Path = HTML) -> bool:
    """Whether a site lies there that was built from the files as they are now."""
    stamp = html / STAMP
    return stamp.is_file() and stamp.read_text(encoding="utf-8").strip() == fingerprint()


def check(since: float = 0.0, html: Path = HTML) -> list[str]:
    """What is wrong with the built site; pages must be newer than `since` (seconds since 1970)."""
    found = []
    for name in toc_files():
        page = html / f"{name}.html"
        if not page.is_file():
            found.append(f"no page was built for {name} (expected {page})")
        elif page.stat().st_mtime < since:
            found.append(f"{page} is older than this build")
        elif (size := page.stat().st_size) > MAX_PAGE:
            found.append(f"{name}.html has {size:,} bytes; {MAX_PAGE:,} at most")
    if not (html / "index.html").is_file():
        found.append("no first page (index.html)")
    return found + [f"asks another machine: {r}" for r in outside_requests(html)]


def jupyter_book(to: Path, run: bool) -> list[str]:
    """Run jupyter-book with warnings as errors, every page anew; what it complained about."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    if not run:
        config["execute"]["execute_notebooks"] = "off"
    found = []
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "_config.yml"
        written.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
        program = Path(sys.executable).with_name("jupyter-book")
        options = ["--all", "-W", "--keep-going", "--config", str(written), "--path-output", str(to)]
        process = subprocess.Popen(
            [str(program), "build", ".", *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        for line in process.stdout:
            if line.startswith("[IPKernelApp]"):  # the kernel's own log, on every start; not about the book
                continue
            line = re.sub(r"\x1b\[[0-9;]*m", "", line)  # colour codes: jupyter-book asks no terminal
            sys.stdout.write(line)
            if re.search(r"(WARNING|ERROR|CRITICAL|SEVERE):", line):
                found.append(f"the build warned: {line.strip()}")
        if code := process.wait():
            found.append(f"jupyter-book ended with {code}")
    return found


def build(to: Path = ROOT, run: bool = True) -> int:
    """Build the site into to/_build/html, mend it, look through it; 0 if all is well."""
    began, html, made_from = time.time(), to / "_build" / "html", fingerprint()
    shutil.rmtree(html, ignore_errors=True)  # pages that are no longer in the book would stay
    found = jupyter_book(to, run)
    if html.is_dir():
        finish(html, toc_files())
    found += check(began, html)
    if found:
        print("\nThe site is not ready:\n  " + "\n  ".join(found))
        return 1
    (html / STAMP).write_text(made_from + "\n", encoding="utf-8")
    print(f"\nThe book: {len(toc_files())} pages in {time.time() - began:.0f} s, no warning. Open")
    print(f"  {html / 'index.html'}")
    return 0


def main() -> int:
    """The command line described at the top of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["build", "check"])
    parser.add_argument("--no-run", action="store_true", help="use the committed outputs")
    parser.add_argument("--to", type=Path, default=ROOT, metavar="DIR")
    given = parser.parse_args()
    to = given.to.resolve()
    if given.what == "build":
        return build(to, run=not given.no_run)
    found = check(html=to / "_build" / "html")
    print("\n".join(found) or f"{len(toc_files())} pages, all there, none needs a network")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
