"""Writers, readers and a collector at once, all of them killed at random: nothing that was acknowledged is lost."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.soak.soak import DEEDS, Soak, told
from tests.support.depth import DEEP
from tests.support.worker import Place

SECONDS = 300 if DEEP else 0
LEAST = 60 if DEEP else 8  # kills, and of each deed: on a slow machine that takes longer, and proves the same


@pytest.mark.long
@pytest.mark.timeout(SECONDS + 600)
def test_nothing_acknowledged_is_lost(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Whoever is killed or sleeps, and when: what was acknowledged reads back byte by byte, and the store is intact."""
    notes = tmp_path / "notes"
    notes.mkdir()
    soak = Soak(Place(str(tmp_path / "store")), notes, random.randrange(10**6), SECONDS, LEAST, pause=0.8)
    account = soak.run()
    record_property("counted", f"soak: {told(soak, account).splitlines()[:3]}")
    assert account.losses == [], told(soak, account)
    assert min(soak.kills.total(), *(account.counts[deed] for deed in DEEDS)) >= LEAST
