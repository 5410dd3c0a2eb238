"""The table of faults in tests/README.md names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ROWS = dict(re.findall(r"^\| (F\d+) \|[^|]*\| (.*) \|$", (TESTS / "README.md").read_text(), re.MULTILINE))
NUMBERS = [f"F{n}" for n in range(1, 31)]


def test_every_fault_has_a_row() -> None:
    """F1 to F30, in order, each once."""
    assert list(ROWS) == NUMBERS


@pytest.mark.parametrize("number", NUMBERS)
def test_the_tests_of_a_fault_are_there(number: str) -> None:
    """Each that is named is defined in the file that is named; a row without any says why."""
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", ROWS[number])
    assert named or "not here:" in ROWS[number]
    for file, test in named:
        assert re.search(rf"^ *def {test}\(", (TESTS / file).read_text(), re.MULTILINE), f"{file}::{test}"
