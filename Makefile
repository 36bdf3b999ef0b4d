# Everything a reader or a maintainer does, in one word each. `make` alone lists the words.
#
# Needs: Python 3.11, 3.12 or 3.13 and git. The first target that is run makes .venv and installs into it;
# later runs do so again only after requirements.txt, constraints.txt or pyproject.toml has changed.
# Another Python:  make test PYTHON=/path/to/python3.12

PYTHON ?= python3
JOBS   ?= 2
VENV   := .venv
PY     := $(VENV)/bin/python
PIP    := $(PY) -m pip install --quiet --disable-pip-version-check

READY      := $(VENV)/installed
TEST_READY := $(VENV)/installed-for-tests

.DEFAULT_GOAL := help
.PHONY: help book site test lint lab train bench setup clean

help:
	@echo "make book   run every chapter and build the site; prints where its first page is"
	@echo "make site   build the site from the committed outputs, without running any chapter"
	@echo "make lab    open the chapters in JupyterLab"
	@echo "make train  train a small YOLOX on the drawn street crossing, from scratch, and evaluate it"
	@echo "make test   lint, unit, parity and property tests, every chapter against its committed outputs,"
	@echo "            and every page in a browser, if Chromium or Chrome is there"
	@echo "make bench  time ours against the official code (side by side, one table each)"
	@echo "make clean  remove what was built (not .venv, not your runs)"

book: $(READY)
	$(PY) book/_tools/build_site.py build

site: $(READY)
	$(PY) book/_tools/build_site.py build --no-run

lab: $(READY)
	$(PY) -m jupyterlab book

train: $(READY)
	$(PY) -m yolox_edu train

bench: $(TEST_READY)
	$(PY) benchmarks/augment.py
	$(PY) benchmarks/loss.py
	$(PY) benchmarks/train.py

lint: $(TEST_READY)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

# The quick checks come first. One pytest run covers the rest, so that its last line counts everything.
# It takes JOBS files at a time (a chapter, or a file of tests, always stays with one process):
#     make test JOBS=8
# More for pytest, for example only the tests of one kind:  make test ARGS="-k letterbox"
test: lint
	$(PY) -m pytest -n $(JOBS) --dist loadfile --nbval --nbval-current-env tests book $(ARGS)

setup: $(TEST_READY)

clean:
	rm -rf _build build dist

# --- set-up -----------------------------------------------------------------------------------------------

$(READY): requirements.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "This needs Python 3.11, 3.12 or 3.13; '$(PYTHON)' is: `$(PYTHON) --version 2>&1 || true`"; \
	  echo "Name another one:  make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PY) -c '' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV) || { \
	  echo "'$(PYTHON) -m venv' failed. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Installing into $(VENV) (once; PyTorch is large, this takes some minutes) ..."
	$(PIP) -r requirements.txt -c constraints.txt
	$(PIP) --no-deps -e .
	@$(PY) -c 'import matplotlib.font_manager' 2>/dev/null  # builds its font list now, not inside a chapter
	@touch $@

# pixeltable-yolox is the official model, which the parity tests compare with. Without its dependencies:
# it asks for a whole ONNX stack; the few packages that it really imports are in the extra `test`.
$(TEST_READY): $(READY)
	@echo "Installing what the tests need ..."
	$(PIP) -e ".[test]" -c constraints.txt
	$(PIP) --no-deps pixeltable-yolox==0.4.3
	@touch $@
