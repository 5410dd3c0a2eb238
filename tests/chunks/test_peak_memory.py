"""What a transfer may hold is what it holds: the peak of a fresh process, against a real S3 server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.support.servers import ROOT, Server

MB = 1 << 20
BUDGET = 96 * MB
SIZE = 88 * MB  # two packs and a half: more than the budget has room for
KEPT = 24 * MB  # the connections, and what threads keep of the tables of zstd and of small pieces


@pytest.mark.timeout(200)
@pytest.mark.parametrize(("workers", "budget"), [(0, BUDGET), (2, 2 * BUDGET)])
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is in /proc")
@pytest.mark.every(2)
def test_a_transfer_holds_its_budget_and_keeps_nothing(moto: Server, tmp_path: Path, workers: int, budget: int) -> None:
    """Logging and fetching a file takes no more than the budget, of all workers together, and leaves nothing behind.

    A host with many cores has an allocator for each thread, so this process is given as many here.
    """
    weights = np.random.default_rng(1).standard_normal(SIZE // 4, dtype=np.float32)
    (tmp_path / "weights.bin").write_bytes(weights.data)
    asked = {
        "url": f"{moto.new_bucket()}/store",
        "options": moto.options,
        "memory": budget,
        "workers": workers,
        "path": str(tmp_path / "weights.bin"),
        "into": str(tmp_path / "into"),
    }
    env = {**os.environ, "MALLOC_ARENA_MAX": "512", "HOLDALL_CACHE": "off"}
    command = [sys.executable, "-m", "tests.support.peak", json.dumps(asked)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=170, check=True)
    took = json.loads(done.stdout)
    assert (tmp_path / "into/weights.bin").read_bytes() == (tmp_path / "weights.bin").read_bytes()
    for work in ("log", "fetch"):
        assert took[work]["peak"] < budget, (work, took)
        assert took[work]["kept"] < (1 + workers) * KEPT, (work, took)
