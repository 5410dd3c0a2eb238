"""Whatever reads the runs and writes the fences, the collection is the same."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import holdall
from holdall.engines.opening import ENGINES
from holdall.store import Store

LIBRARIES = {"threads": "threading", "ray": "ray", "dask": "distributed"}


def filled(folder: Path) -> Store:
    """A store with a run that ended, one that is open, and one that was purged."""
    store = holdall.open(str(folder))
    for name in ("kept", "gone"):
        run = store.runs.start(name=name)
        run.log_bytes(random.Random(name).randbytes(300_000), "a.bin")
        run.finish()
    store.runs.start(name="open").log_bytes(random.Random("open").randbytes(300_000), "a.bin")
    store.maintenance.purge(run.id)
    return store


@pytest.mark.parametrize("engine", ENGINES)
def test_runs_are_read_and_fenced_by_any_engine(tmp_path: Path, engine: str) -> None:
    """Two workers on this machine, each a process of its own where the engine has such."""
    pytest.importorskip(LIBRARIES[engine], reason=f"pip install 'holdall[{engine}]'")
    store = filled(tmp_path / "store")
    pack = next((tmp_path / "store" / "packs").glob("*/*"))
    orphan = tmp_path / "store" / "packs" / "ab" / ("ab" * 16 + "-00000000")
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(pack.read_bytes())
    found = store.maintenance.gc(delay=0, engine=engine, workers=2)
    assert (found.freed.packs, found.fenced) == (1, 1)
    assert not orphan.exists()
    assert store.maintenance.check().intact
