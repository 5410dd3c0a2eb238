"""Each mechanism stands once: what does the same elsewhere goes to its home."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import holdall

SOURCE = Path(holdall.__file__).parent
HOMES = {
    # a memory with a bound; the destination's is of open folders, whose users it counts
    r"\bOrderedDict\(\)": {"trees/lru.py", "trees/destination.py"},
    # what the local disk remembers; and another tool's databases, which are only read
    r"\bsqlite3\.connect\(": {"trees/local_cache.py", "importing/trackio.py"},
    r"^\s+(?:return )?Store\.open\(": {"settings.py"},  # a store, as the settings say
    r"\b_?units\b.*\b[kK]i?B\b": {"sizes.py"},  # sizes for people
    # a value of each process; a child of a run reads what its parent had
    r"\bsetdefault\(os\.getpid\(\)|\[os\.getpid\(\)\]": {"runs/lifecycle.py"},
}


@pytest.mark.parametrize("pattern", HOMES)
def test_a_mechanism_has_one_home(pattern: str) -> None:
    """Found by what only its home needs."""
    code = re.compile(pattern, re.MULTILINE | re.IGNORECASE)
    found = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if code.search(path.read_text())}
    assert found == HOMES[pattern]
