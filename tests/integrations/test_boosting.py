"""XGBoost and LightGBM log into a run while they train."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost

import holdall
from holdall.integrations.lightgbm import HoldallCallback as LightGBMCallback
from holdall.integrations.xgboost import HoldallCallback as XGBoostCallback
from holdall.store import Run, Store

DATA = pd.DataFrame(np.random.default_rng(0).random((40, 3)), columns=["a", "b", "c"])
LABELS = (DATA.a > 0.5).astype(int)
QUIET = {"objective": "binary", "verbosity": -1, "min_data_in_leaf": 2}


def steps(run: Run | None, key: str) -> list[int]:
    assert run is not None
    return [point.step for point in holdall.get_metric_history(run.id, key)]


def logged(run: Run | None) -> Any:
    """The booster as a python_function: what it predicts is the booster's own prediction."""
    assert run is not None
    return holdall.pyfunc.load_model(f"runs:/{run.id}/model")


def test_xgboost_logs_each_round_and_the_booster(here: Store) -> None:
    """Also the round that an earlier callback stops at, and a signature from what the booster knows of its features."""
    data, callback = xgboost.DMatrix(DATA, LABELS), XGBoostCallback()
    settings = {"objective": "binary:logistic", "max_depth": 2}
    stop = xgboost.callback.EarlyStopping(rounds=2, min_delta=0.05, save_best=False)
    booster = xgboost.train(settings, data, 40, evals=[(data, "test")], callbacks=[stop, callback], verbose_eval=False)
    assert callback.run
    record = callback.run.record
    assert steps(callback.run, "test-logloss") == list(range(booster.num_boosted_rounds()))
    assert record.data.metrics["best_iteration"] == booster.best_iteration
    assert (record.data.params["max_depth"], record.data.params["objective"]) == ("2", "binary:logistic")
    assert (record.info.status, callback.failures, holdall.active_run()) == ("FINISHED", [], None)
    model = logged(callback.run)
    assert [column.name for column in model.metadata.signature.inputs] == ["a", "b", "c"]
    assert np.allclose(model.predict(DATA), booster.predict(data))


def test_xgboosts_cross_validation_has_means_and_deviations(here: Store) -> None:
    """And no booster; into the active run, which stays open."""
    with holdall.start_run() as run:
        callback = XGBoostCallback()
        found: Any = xgboost.cv(
            {"objective": "binary:logistic"}, xgboost.DMatrix(DATA, LABELS), 2, callbacks=[callback]
        )
        assert run.info.status == "RUNNING"
    assert callback.run
    assert callback.run.id == run.id
    values = run.data.metrics
    assert values["test-logloss"] == pytest.approx(found["test-logloss-mean"].iloc[-1])
    assert values["test-logloss-std"] == pytest.approx(found["test-logloss-std"].iloc[-1])
    assert list(run.manifest) == []


def test_xgboosts_estimator_takes_a_run_and_options_of_its_model(here: Store) -> None:
    """`run=` is the run, and what `log_model` takes is given to it."""
    run = here.runs.start()
    callback = XGBoostCallback(run, name="trees", input_example=DATA[:2], pip_requirements=["xgboost-cpu"])
    xgboost.XGBRegressor(n_estimators=2, callbacks=[callback]).fit(DATA, LABELS)
    assert callback.failures == []
    assert {"trees/MLmodel", "trees/input_example.json"} <= set(run.manifest)
    assert run.record.info.status == "RUNNING"


def test_lightgbm_logs_each_round_and_the_booster(here: Store) -> None:
    """Also where early stopping ends it, as long as the callback is told by its `with` block."""
    with LightGBMCallback() as callback:
        booster = lightgbm.train(
            QUIET,
            lightgbm.Dataset(DATA, LABELS),
            40,
            valid_sets=[lightgbm.Dataset(DATA, LABELS)],
            callbacks=[callback, lightgbm.early_stopping(2, verbose=False, min_delta=0.05)],
        )
    assert callback.run
    record = callback.run.record
    assert len(steps(callback.run, "valid_0-binary_logloss")) == booster.best_iteration + 2
    assert record.data.metrics["best_iteration"] == booster.best_iteration < 40
    assert (record.data.params["objective"], record.info.status) == ("binary", "FINISHED")
    model = logged(callback.run)
    assert [column.name for column in model.metadata.signature.inputs] == ["a", "b", "c"]
    assert np.allclose(model.predict(DATA), booster.predict(DATA))
    assert (callback.failures, holdall.active_run()) == ([], None)


def test_lightgbm_ends_with_the_last_round_where_there_is_no_block(here: Store) -> None:
    """Of estimators, and of cross validation, which has no booster; each training has a run of its own."""
    callback = LightGBMCallback()
    estimator = lightgbm.LGBMClassifier(n_estimators=2, verbosity=-1, min_child_samples=2)
    estimator.fit(DATA, LABELS, eval_set=[(DATA, LABELS)], callbacks=[callback])
    first = callback.run
    lightgbm.cv(QUIET, lightgbm.Dataset(DATA, LABELS), 2, callbacks=[callback])
    assert first
    assert callback.run
    assert first.id != callback.run.id
    assert [run.record.info.status for run in (first, callback.run)] == ["FINISHED", "FINISHED"]
    assert ("model/MLmodel" in first.manifest, dict(callback.run.manifest)) == (True, {})
    assert {"valid-binary_logloss", "valid-binary_logloss-std"} <= set(callback.run.data.metrics)


def test_a_training_that_fails_has_a_run_that_failed(here: Store) -> None:
    """By the `with` block of LightGBM's; of XGBoost's by the next training in this thread."""

    def stop(*_: Any) -> bool:
        raise KeyboardInterrupt

    callback = LightGBMCallback()
    with pytest.raises(KeyboardInterrupt), callback:
        lightgbm.train(QUIET, lightgbm.Dataset(DATA, LABELS), 2, callbacks=[callback, stop])
    broken = type("Broken", (xgboost.callback.TrainingCallback,), {"after_iteration": stop})()
    first, second = XGBoostCallback(log_model=False), XGBoostCallback(log_model=False)
    with pytest.raises(KeyboardInterrupt):
        xgboost.train({}, xgboost.DMatrix(DATA, LABELS), 2, callbacks=[first, broken])
    xgboost.train({}, xgboost.DMatrix(DATA, LABELS), 1, callbacks=[second])
    assert callback.run
    assert first.run
    assert second.run
    assert [run.record.info.status for run in (callback.run, first.run, second.run)] == ["FAILED", "FAILED", "FINISHED"]


def test_a_model_that_cannot_be_logged_stops_nothing(here: Store, caplog: pytest.LogCaptureFixture) -> None:
    """The training has ended well, and its run says all else; the failure is told."""
    callback = XGBoostCallback(model_format="no such format")
    booster = xgboost.train({}, xgboost.DMatrix(DATA, LABELS), 1, callbacks=[callback])
    assert booster.num_boosted_rounds() == 1
    assert callback.run
    assert (len(callback.failures), callback.run.record.info.status) == (1, "FINISHED")
    assert "logging the model failed, and the training goes on" in caplog.text
