"""A browser and a built site for the tests of this folder; both are given back when its last test is done."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from browsing import chromium
from build_site import HTML, ROOT, is_fresh
from playwright.sync_api import sync_playwright


@pytest.fixture(scope="session")
def program() -> str:
    """The path of Chromium or Chrome. Without one: skipped, or failed where $BROWSER_TESTS=must."""
    path = chromium()
    if path is None:
        words = "no Chromium or Chrome here (on Debian: apt install chromium; or set BROWSER_PATH)"
        pytest.fail(words) if os.environ.get("BROWSER_TESTS") == "must" else pytest.skip(words)
    return path


@pytest.fixture(scope="module")
def browser(program):
    """The browser, headless. Each module starts its own: only one playwright may live at a time."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0  # in a container: Chromium's own sandbox refuses root
    options = ["--disable-gpu", "--disable-dev-shm-usage", *(["--no-sandbox"] if root else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def built(program, tmp_path_factory) -> tuple[Path, str]:
    """A built site and what was wrong with building it: that in _build if it is fresh, else one built now."""
    if is_fresh():
        return HTML, ""
    to = tmp_path_factory.mktemp("site")
    command = [sys.executable, str(ROOT / "book/_tools/build_site.py"), "build", "--no-run", "--to", str(to)]
    done = subprocess.run(command, capture_output=True, text=True)
    faults = done.stdout.partition("The site is not ready:")[2] or done.stderr if done.returncode else ""
    return to / "_build" / "html", faults


@pytest.fixture(scope="session")
def site(built) -> Path:
    """The folder of the built site."""
    assert (built[0] / "index.html").is_file(), built[1]
    return built[0]
