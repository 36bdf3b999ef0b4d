"""Build the site and prove that it is whole.

    python book/_tools/build_site.py build     run every chapter, build, check, say where the first page is
    python book/_tools/build_site.py check     only look at what was built

jupyter-book exits 0 in some cases where it wrote nothing, so the pages themselves are checked: there is one
for each file in _toc.yml, written by this run, and none asks another machine for a script, style or picture.
"""

import re
import subprocess
import sys
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
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


def check(since: float = 0.0) -> list[str]:
    """What is wrong with the built site; pages must be newer than `since` (seconds since 1970)."""
    found = []
    for name in toc_files():
        page = HTML / f"{name}.html"
        if not page.is_file():
            found.append(f"no page was built for {name} (expected {page.relative_to(ROOT)})")
        elif page.stat().st_mtime < since:
            found.append(f"{page.relative_to(ROOT)} is older than this build")
    if not (HTML / "index.html").is_file():
        found.append("no first page (index.html)")
    return found + [f"asks another machine: {r}" for r in outside_requests(HTML)]


def build() -> int:
    """Run jupyter-book with warnings as errors, every page anew; echo its output and look through it."""
    began = time.time()
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    process = subprocess.Popen(
        [str(jupyter_book), "build", ".", "--all", "-W", "--keep-going"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    found = []
    for line in process.stdout:
        if line.startswith("[IPKernelApp]"):  # the kernel's own log, on every start; not about the book
            continue
        line = re.sub(r"\x1b\[[0-9;]*m", "", line)  # colour codes: jupyter-book asks no terminal
        sys.stdout.write(line)
        if re.search(r"(WARNING|ERROR|CRITICAL|SEVERE):", line):
            found.append(f"the build warned: {line.strip()}")
    if code := process.wait():
        found.append(f"jupyter-book ended with {code}")
    found += check(began)
    if found:
        print("\nThe site is not ready:\n  " + "\n  ".join(found))
        return 1
    print(f"\nThe book: {len(toc_files())} pages in {time.time() - began:.0f} s, no warning. Open")
    print(f"  {HTML / 'index.html'}")
    return 0


def main() -> int:
    """The command line described at the top of this file."""
    if sys.argv[1:] == ["build"]:
        return build()
    if sys.argv[1:] != ["check"]:
        print(__doc__)
        return 2
    found = check()
    print("\n".join(found) or f"{len(toc_files())} pages, all there, none needs a network")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
