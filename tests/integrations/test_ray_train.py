"""Ray Train's workers report into a run, by a callback in a process of Ray's own."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from tests.support.depth import DEEP

import holdall
from holdall.store import Store

ray = pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = pytest.mark.skipif(not DEEP, reason="a cluster takes a minute to start: in deep tests only")


def reporting() -> None:
    """What a worker does: two reports, each with a checkpoint."""
    for number in range(2):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "weights.bin").write_bytes(bytes([number]))
            ray.train.report({"loss": 1 / (number + 1)}, checkpoint=ray.train.Checkpoint.from_directory(folder))


def test_reports_are_measurements_and_commits(here: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbered from 0, as nothing else says which step they are of; the script's run stays open."""
    monkeypatch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    from holdall.integrations.ray import HoldallCallback

    path: dict[str, Any] = {"env_vars": {"PYTHONPATH": ":".join(sys.path)}}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=path)
    try:
        holdall.set_store(str(tmp_path / "store"))
        run = holdall.start_run()
        config = ray.train.RunConfig(storage_path=str(tmp_path / "ray"), callbacks=[HoldallCallback(run)])
        scaling = ray.train.ScalingConfig(num_workers=1)
        DataParallelTrainer(reporting, scaling_config=scaling, run_config=config).fit()
    finally:
        ray.shutdown()
    points = holdall.get_metric_history(run.id, "loss")
    assert [(point.step, point.value) for point in points] == [(0, 1.0), (1, 0.5)]
    assert [run.read(f"checkpoints/checkpoint-{n}/weights.bin") for n in range(2)] == [b"\0", b"\1"]
    assert run.record.info.status == "RUNNING"
