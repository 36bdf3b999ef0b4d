"""Compare the chapters of a folder with what they give now, as `make test` does for the book."""

import os
import shutil
import subprocess
import sys

import notebooks


def nbval(folder):
    """The finished process of `pytest --nbval` over a folder; the book's own conftest.py is copied there."""
    shutil.copy(notebooks.BOOK / "conftest.py", folder)
    words = ["-m", "pytest", "--nbval", "--nbval-current-env", "-q", "-p", "no:cacheprovider", "."]
    env = {**os.environ, "PYTEST_ADDOPTS": ""}
    return subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True, env=env)
