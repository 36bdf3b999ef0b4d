"""What the browser tests look at: one page at a time, opened from the disk with the network cut."""

import os
import re
import shutil
from pathlib import Path
from urllib.parse import unquote, urldefrag

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ElementHandle, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
LOCAL = ("file:", "data:", "blob:", "about:")
DESK, PHONE = 1280, 390
PAPER = 673  # pixels between the margins of a portrait A4 page: 210 mm - 2 * 16 mm at 96 to the inch
SCRIPTS = Path(__file__).with_name("looks.js")


def chromium() -> str | None:
    """The Chromium or Chrome of this machine ($BROWSER_PATH first), or None."""
    return os.environ.get("BROWSER_PATH") or next(filter(None, map(shutil.which, NAMES)), None)


class Visit:
    """A page opened from the disk without a network; it writes down whatever went wrong."""

    def __init__(self, browser: Browser, address: str | Path, theme: str = ""):
        """`theme`: the reader's earlier choice, "light" or "dark"; without one it is the first visit."""
        self.context = browser.new_context(viewport={"width": DESK, "height": 900})
        self.context.set_offline(True)
        self.troubles: list[str] = []
        if theme:
            stored = f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}')"
            self.context.add_init_script(stored)
        self.context.route(re.compile(r"^(?!file:|data:|blob:|about:)"), self._refuse)
        self.page = self.context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        self.page.on("requestfailed", lambda r: self.troubles.append(f"request failed: {r.url[:200]}"))
        self.page.goto(address.as_uri() if isinstance(address, Path) else address)
        self.page.add_script_tag(path=SCRIPTS)
        self.settle()

    def _refuse(self, route):
        self.troubles.append(f"asked the network for {route.request.url[:200]}")
        route.abort()

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.troubles.append(f"console {message.type}: {message.text[:300]}")

    def settle(self):
        """Wait until MathJax has drawn the formulas and the fonts are there."""
        self.page.evaluate(
            """async () => {
                await document.fonts.ready;
                if (window.MathJax?.startup?.promise) await window.MathJax.startup.promise;
            }"""
        )

    def look(self, width: int = DESK, theme: str = "light", media: str = "screen"):
        """Change the window's width, the theme, or screen for paper."""
        self.page.emulate_media(media=media)
        self.page.set_viewport_size({"width": width, "height": 900 if width > 500 else 844})
        self.page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)

    def close(self):
        self.context.close()


def sideways(page: Page) -> list[str]:
    """The elements that make the whole page scroll sideways, widest first; empty if it does not."""
    return page.evaluate("() => looks.sideways()")


def clipped(page: Page) -> list[str]:
    """The figures, pictures and drawings of which a part is cut off."""
    return page.evaluate("() => looks.clipped()")


def barriers(page: Page, rules: tuple[str, ...] = (), colours_of_code: bool = False) -> list[str]:
    """What axe finds that is serious or critical, as 'impact rule: element'; `rules`: only these.

    The letters of code are thousands of elements in few colours, and would take most of the time.
    """
    options: dict = {"resultTypes": ["violations"], "preload": False}  # it would ask for the style sheets
    if rules:
        options["runOnly"] = list(rules)
    page.evaluate("plain => looks.plainCode(plain)", not colours_of_code)
    report = Axe().run(page, options=options).response
    page.evaluate("() => looks.plainCode(false)")
    return [
        f"{found['impact']} {found['id']}: {node['html'][:200]} ({node['failureSummary'][:300]})"
        for found in report["violations"]
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"][:3]
    ]


def unmoved(page: Page, figure: ElementHandle) -> list[str]:
    """The controls of a figure that change nothing to be seen in it; or why none could be moved."""
    controls = [c for c in figure.query_selector_all("input, select, button") if usable(c)]
    if not controls:
        return ["it has no control that one can see and use"]
    kinds = {c: c.evaluate("c => c.tagName === 'INPUT' ? c.type : c.tagName.toLowerCase()") for c in controls}
    groups = {}  # of radio buttons, one that does something is enough: two choices may look the same
    for c in controls:
        alone = kinds[c] != "radio"
        groups.setdefault(id(c) if alone else c.get_attribute("name"), []).append(c)
    # Buttons come last, and once more when all else was moved: "reset" has nothing to do at the start.
    ordered = sorted(groups.values(), key=lambda g: kinds[g[0]] == "button")
    dead = [g for g in ordered if not any(moves(page, figure, c, kinds[c]) for c in g)]
    dead = [g for g in dead if kinds[g[0]] != "button" or not moves(page, figure, g[0], "button")]
    return [g[0].evaluate("c => c.outerHTML.slice(0, 200)") for g in dead]


def usable(control: ElementHandle) -> bool:
    """Whether a reader could move it now."""
    return control.is_visible() and control.is_enabled()


def moves(page: Page, figure: ElementHandle, control: ElementHandle, kind: str) -> bool:
    """Move one control, by keyboard where it can be, until the figure shows something else."""
    before = figure.evaluate("f => looks.shown(f)")

    def changed() -> bool:
        for _ in range(20):
            if figure.evaluate("f => looks.shown(f)") != before:
                return True
            page.wait_for_timeout(10)
        return False

    if kind in ("range", "number"):
        keys = ("ArrowUp", "ArrowDown", *(("End", "Home") if kind == "range" else ()))
        return any(control.press(key) or changed() for key in keys)
    if kind == "select":
        values = control.evaluate("c => [...c.options].map(o => o.value)")
        return any(control.select_option(value) and changed() for value in values)
    if kind in ("radio", "checkbox", "button", "submit", "reset"):
        control.click()
        return changed()
    return False


# --- links ------------------------------------------------------------------------------------------------


def broken_links(html: Path) -> list[str]:
    """'page -> link' for each link inside a built site that leads to no file or to no place in it."""
    pages = {page: page.read_text(encoding="utf-8") for page in sorted(html.rglob("*.html"))}
    pages = {page: text for page, text in pages.items() if "_static" not in page.relative_to(html).parts}
    places = {
        page: set(re.findall(r"""\s(?:id|name)=["']?([^"'\s>]+)""", text)) for page, text in pages.items()
    }
    broken = []
    for page, text in pages.items():
        text = re.sub(r"<script\b.*?</script>|<!--.*?-->", "", text, flags=re.S)
        for link in sorted(set(re.findall(r"""<a\b[^>]*?\shref=["']([^"']*)["']""", text))):
            if re.match(r"[a-z][a-z0-9+.-]*:|//", link, re.I):
                continue
            path, place = urldefrag(link)
            target = (page.parent / unquote(path.partition("?")[0])).resolve() if path else page
            if not target.is_file():
                broken.append(f"{page.relative_to(html)} -> {link}: no such file")
            elif place and target in places and unquote(place) not in places[target]:
                broken.append(f"{page.relative_to(html)} -> {link}: no such place in it")
    return broken
