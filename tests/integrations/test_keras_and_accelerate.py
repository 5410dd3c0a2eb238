"""Keras and Accelerate, which both stand on torch here, log into a run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import holdall
from holdall.store import Store

keras = pytest.importorskip("keras", reason="Keras is not installed")

ROWS = np.random.default_rng(0).random((8, 3), dtype=np.float32)


def network() -> Any:
    made = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    made.compile("sgd", "mse")
    return made


def test_keras_logs_each_epoch_and_the_model(here: Store) -> None:
    """With the optimizer's settings, a summary, and the shapes of what it takes and gives as its signature."""
    from holdall.integrations.keras import HoldallCallback

    model, callback = network(), HoldallCallback()
    model.fit(ROWS, ROWS[:, :1], epochs=2, validation_split=0.5, verbose=0, callbacks=[callback])
    assert callback.run
    record, name = callback.run.record, f"runs:/{callback.run.id}/model"
    assert [point.step for point in holdall.get_metric_history(callback.run.id, "val_loss")] == [0, 1]
    assert (record.data.params["epochs"], record.data.params["optimizer_name"]) == ("2", "sgd")
    assert "dense" in callback.run.load_text("model_summary.txt")
    loaded = holdall.pyfunc.load_model(name)
    signature: Any = loaded.metadata.signature
    assert [spec.shape for spec in (*signature.inputs, *signature.outputs)] == [(-1, 3), (-1, 1)]
    assert np.allclose(loaded.predict(ROWS), model.predict(ROWS, verbose=0))
    assert (record.info.status, callback.failures, holdall.active_run()) == ("FINISHED", [], None)


def test_keras_uses_the_active_run(here: Store) -> None:
    """Which stays open, with no model where none is wanted."""
    from holdall.integrations.keras import HoldallCallback

    with holdall.start_run() as run:
        network().fit(ROWS, ROWS[:, :1], verbose=0, callbacks=[HoldallCallback(log_model=False)])
        assert run.info.status == "RUNNING"
    assert list(run.manifest) == ["model_summary.txt"]


def test_accelerate_logs_by_its_trackers_verbs(here: Store) -> None:
    """Settings by `init_trackers`, numbers and texts by `log`; `end_training` ends a run of its own."""
    accelerate = pytest.importorskip("accelerate", reason="Accelerate is not installed")
    from holdall.integrations.accelerate import HoldallTracker

    tracker = HoldallTracker(run_name="first")
    accelerator = accelerate.Accelerator(log_with=tracker, cpu=True)
    accelerator.init_trackers("project", config={"rate": 0.1, "optimizer": {"name": "sgd"}})
    run = accelerator.get_tracker("holdall", unwrap=True)
    accelerator.log({"loss": 0.5, "note": "half way"}, step=3)
    assert run.info.status == "RUNNING"
    accelerator.end_training()
    record = run.record
    assert record.data.params == {"rate": "0.1", "optimizer/name": "sgd"}
    assert [(point.step, point.value) for point in holdall.get_metric_history(run.id, "loss")] == [(3, 0.5)]
    assert (record.data.tags["note"], record.info.run_name, record.info.status) == ("half way", "first", "FINISHED")
    assert tracker.failures == []
