"""Parity and numbers: the page is what was measured, and all of it is within what the tests allow."""

import inspect
import re

import numbers_page
import parity
import pytest
import test_losses
import test_onnx_twins
import test_parity
import test_real_ap
from numbers_page import ALLOWED, PAGE, near, text

from yolox_edu.measured import FOLDER, recall
from yolox_edu.partfile import digest

ROWS = recall("parity")["rows"]


def test_the_page_is_what_was_measured():
    assert PAGE.read_text(encoding="utf-8") == text(), "run: python book/_tools/numbers_page.py"


def test_another_measurement_makes_another_page(monkeypatch):
    other = recall("parity")
    other["rows"]["twins"][0]["worst"] = 0.00077
    monkeypatch.setattr(numbers_page, "recall", lambda name: other if name == "parity" else recall(name))
    assert text() != PAGE.read_text(encoding="utf-8")
    assert near(0.00077) in text()


def test_what_it_allows_is_what_the_tests_assert():
    assert {key: ALLOWED[key] for key in test_parity.LIMITS} == test_parity.LIMITS
    assert ALLOWED["gradients"] == test_parity.GRADIENT
    assert ALLOWED["twins"] == test_onnx_twins.LIMIT
    asserted = inspect.getsource(test_losses.test_same_positives_losses_and_gradients_as_the_official_code)
    assert (
        f"torch.as_tensor(want[name]), atol=1e-5, rtol={ALLOWED['losses']:.0e}".replace("e-0", "e-")
        in asserted
    )
    assert ALLOWED["AP"] == test_real_ap.LIMITS["AP"]


def test_every_measurement_is_within_what_is_allowed():
    for row in ROWS["counts"]:
        for what in ("parameters", "tensors", "convolutions"):
            assert row[what] == row[f"official {what}"]
    assert {row["preset"] for row in ROWS["outputs"]} == {"nano", "tiny", "s", "m", "l", "x"}
    assert all(row[kind] < ALLOWED[kind] for row in ROWS["outputs"] for kind in test_parity.LIMITS)
    assert all(row["relative"] < ALLOWED["gradients"] for row in ROWS["gradients"])
    for row in ROWS["assignments"]:
        assert row["positives"] > 5000
        assert row["other positives"] == 0
        assert row["losses"] < ALLOWED["losses"]
    assert all(row["worst"] < ALLOWED["twins"] for row in ROWS["twins"])
    for row in ROWS["precision"]:
        for name, limit in test_real_ap.LIMITS.items():
            assert row[name] == pytest.approx(row[f"official {name}"], abs=limit)
            assert row[name] == pytest.approx(row[f"cut {name}"], abs=2e-4)


def test_the_page_names_the_files_and_versions_that_are_here(shared):
    page = PAGE.read_text(encoding="utf-8")
    for row in ROWS["material"]:
        assert digest(shared / row["file"]) == row["sha256"]
        assert f"\nSHA256 ({row['file']}) = {row['sha256']}\n" in page
    for name, number in ROWS["versions"].items():
        assert f"| {name} | {number} |" in page


def test_the_assigners_are_counted_not_only_compared(monkeypatch):
    """The command's own count finds positives that differ, and losses."""
    (same,) = parity.assignments(4)
    assert same["positives"] > 20
    assert same["other positives"] == 0
    real = parity.assign

    def other(raw, padded, size, cells, strides):
        found = real(raw, padded, size, cells, strides)
        return found._replace(cell=found.cell + 1)

    monkeypatch.setattr(parity, "assign", other)
    (moved,) = parity.assignments(4)
    assert moved["other positives"] > same["positives"]


def test_every_measurement_is_named_with_its_command():
    page = PAGE.read_text(encoding="utf-8")
    for path in FOLDER.glob("*.json"):
        about = recall(path.stem)
        assert f"`{about['command']}`" in page
        assert about["date"] in page
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", about["date"])


@pytest.mark.parametrize(
    ("value", "words"), [(5.245e-6, "5.2 · 10⁻⁶"), (0.00106, "1.1 · 10⁻³"), (0, "0"), (1e-12, "1.0 · 10⁻¹²")]
)
def test_small_numbers_in_words(value, words):
    assert near(value) == words.replace(" ", "\N{NO-BREAK SPACE}")
