"""`holdall.sklearn.autolog()` logs what MLflow's logs of the same `fit`, and never gets in its way."""

from __future__ import annotations

import importlib
import json
import logging
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sklearn.metrics
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA
from sklearn.ensemble import VotingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from tests.support.depth import DEEP

import holdall
from holdall.integrations.autologging import everything, training
from holdall.store import Run, Store

ROWS, CLASSES = make_classification(60, 4, n_classes=2, random_state=0)
FRAME = pd.DataFrame(ROWS, columns=list("abcd"))
TREE = DecisionTreeRegressor(max_depth=2, random_state=0)  # of classifiers there are plots, which take their time


@pytest.fixture(autouse=True)
def off(here: Store) -> Iterator[None]:
    """It is switched off afterwards."""
    yield
    holdall.sklearn.autolog(disable=True)


def runs() -> list[Any]:
    """All runs, the oldest first."""
    return holdall.search_runs(output_format="list", order_by=["attributes.start_time ASC"])


def last() -> Run:
    found = holdall.last_active_run()
    assert found
    return found


# --- the same as MLflow ---

_HERE = Path(__file__).parent
_SCRIPT, _RECORDED = _HERE / "autolog_of_mlflow.py", _HERE / "autolog_of_mlflow.json"


def mlflows(folder: Path) -> Any:
    """What MLflow logs: as it was recorded, or, with other versions than then and in deep tests, as it does now."""
    recorded = json.loads(_RECORDED.read_text())
    now = {name: version(name) for name in recorded["versions"]}
    if now == recorded["versions"] and not DEEP:
        return recorded["fits"]
    program = [sys.executable, "-W", "ignore", str(_SCRIPT)]
    done = subprocess.run(program, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])["fits"]


def facts(params: Any, metrics: Any, tags: Any) -> Any:
    """What two fits of one estimator have in common: no times of fitting, and only tags about the estimator."""
    kept = {key: pytest.approx(value, abs=1e-9) for key, value in metrics.items() if "time" not in key}
    return params, kept, {key: tags[key] for key in tags if key.startswith(("estimator", "mlflow.autologging"))}


def test_it_logs_what_mlflow_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parameters, measurements and tags of the same estimators, by name and by value; and of a search's candidates."""
    monkeypatch.setattr(training, "_plots_of", lambda _: ())  # they take their time
    theirs = mlflows(tmp_path)
    holdall.sklearn.autolog(log_models=False, max_tuning_runs=5)
    X_test, y = ROWS, CLASSES  # noqa: N806  # the measurements are named after it
    for code, (parent, *children) in theirs.items():
        model = eval(code)
        model.fit(X_test, y)
        predicted = model.predict(X_test)
        for _ in range(2):
            sklearn.metrics.mean_squared_error(y, predicted)
        model.score(X_test, y)
        ours = last().record.data
        assert facts(ours.params, ours.metrics, ours.tags) == facts(*parent), code
        below = holdall.search_runs(filter_string=f"tags.mlflow.parentRunId = '{last().id}'", output_format="list")
        by_depth = sorted((each.data for each in below), key=lambda data: str(data.params))
        expected = sorted(children, key=lambda child: str(dict(sorted(child[0].items()))))
        assert len(by_depth) == len(expected)
        for child in expected:
            assert any(facts(each.params, each.metrics, each.tags) == facts(*child) for each in by_depth), child


# --- the run and the model ---


def test_a_fit_is_a_run_that_ends_with_it() -> None:
    """Or belongs to the active one, which stays open."""
    holdall.sklearn.autolog(extra_tags={"team": "a"}, log_models=False)
    TREE.fit(FRAME, CLASSES)
    assert (last().info.status, last().data.tags["team"], holdall.active_run()) == ("FINISHED", "a", None)
    with holdall.start_run() as run:
        TREE.fit(FRAME, CLASSES)
        assert run.info.status == "RUNNING"
    assert len(runs()) == 2
    assert "team" not in run.data.tags
    assert run.data.params["max_depth"] == "2"


def test_the_model_has_a_signature_and_an_example() -> None:
    """It can be loaded and predicts the same; and is registered where that is asked for."""
    holdall.sklearn.autolog(log_input_examples=True, registered_model_name="tree")
    model = DecisionTreeClassifier(max_depth=2).fit(FRAME, CLASSES)
    loaded = holdall.pyfunc.load_model("models:/tree/1")
    signature: Any = loaded.metadata.signature
    assert [column.name for column in signature.inputs] == list("abcd")
    assert (loaded.predict(FRAME) == model.predict(FRAME)).all()
    assert {"model/input_example.json", "estimator.html", "training_confusion_matrix.png"} <= set(last().manifest)
    assert {"training_roc_curve.png", "training_precision_recall_curve.png"} <= set(last().manifest)
    (given,) = last().record.inputs.dataset_inputs
    assert (given.dataset.name, [tag.value for tag in given.tags]) == ("dataset", ["train"])


def test_a_search_logs_its_best_estimator_and_a_table(tmp_path: Path) -> None:
    """And only so many of its candidates as are asked for, the best ones."""
    holdall.sklearn.autolog(max_tuning_runs=1)
    search = GridSearchCV(TREE, {"max_depth": [1, 2]}, cv=2).fit(FRAME, CLASSES)
    parent = last()
    assert {"model/MLmodel", "best_estimator/MLmodel", "cv_results.csv"} <= set(parent.manifest)
    (child,) = [run for run in runs() if run.data.tags.get("mlflow.parentRunId") == parent.id]
    assert child.data.params["max_depth"] == str(search.best_params_["max_depth"])
    table = pd.read_csv(parent.download("cv_results.csv", tmp_path))
    assert len(table) == 2


def test_several_fits_in_one_run_keep_all_models(caplog: pytest.LogCaptureFixture) -> None:
    """The second is `model-2`; parameters that differ stay those of the first, which is told."""
    holdall.sklearn.autolog()
    with holdall.start_run() as run:
        DecisionTreeRegressor(max_depth=1).fit(FRAME, CLASSES)
        DecisionTreeRegressor(max_depth=2).fit(FRAME, CLASSES)
    assert {"model/MLmodel", "model-2/MLmodel"} <= set(run.manifest)
    assert run.data.params["max_depth"] == "1"
    assert "keeps them: max_depth" in caplog.text


# --- nested fits, threads, workers ---


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_fit_within_a_fit_is_part_of_it(jobs: int) -> None:
    """Of ensembles, pipelines and searches, also in scikit-learn's own threads; and cross validation logs nothing."""
    import joblib

    holdall.sklearn.autolog(log_models=False, max_tuning_runs=0)
    with joblib.parallel_backend("threading"):
        VotingRegressor([("a", TREE), ("b", LinearRegression())], n_jobs=jobs).fit(FRAME, CLASSES)
        GridSearchCV(make_pipeline(StandardScaler(), TREE), {}, cv=2, n_jobs=jobs).fit(FRAME, CLASSES)
        cross_val_score(TREE, FRAME, CLASSES, cv=2, n_jobs=jobs)
        StandardScaler().fit(FRAME)
    assert [run.data.tags["estimator_name"] for run in runs()] == ["VotingRegressor", "GridSearchCV"]


def test_fits_of_several_threads_are_runs_of_their_own() -> None:
    """None is taken for a part of another."""
    holdall.sklearn.autolog(log_models=False)
    barrier = threading.Barrier(3)

    def fit(depth: int) -> None:
        barrier.wait()
        DecisionTreeRegressor(max_depth=depth).fit(FRAME, CLASSES)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(fit, [1, 2, 3]))
    assert sorted(run.data.params["max_depth"] for run in runs()) == ["1", "2", "3"]
    assert {run.info.status for run in runs()} == {"FINISHED"}


def test_what_is_pickled_knows_nothing_of_it() -> None:
    """Estimators, scorers and functions of metrics, as worker processes are sent them; a function is itself again."""
    holdall.sklearn.autolog(log_models=False)
    scorer = sklearn.metrics.make_scorer(sklearn.metrics.accuracy_score)
    replaced = sklearn.metrics.f1_score
    for thing in (TREE.fit(FRAME, CLASSES), scorer, replaced):
        assert b"holdall" not in pickle.dumps(thing)
    assert pickle.loads(pickle.dumps(replaced)) is replaced.__wrapped__


# --- it never gets in the way ---


def test_a_failing_fit_raises_its_own_error() -> None:
    """And its run FAILED."""
    holdall.sklearn.autolog(log_models=False)
    with pytest.raises(ValueError, match="does not match number of samples"):
        TREE.fit(FRAME, CLASSES[:3])
    assert [run.info.status for run in runs()] == ["FAILED"]
    assert holdall.active_run() is None


@pytest.mark.parametrize("silent", [True, False])
def test_a_store_that_fails_stops_no_fit(silent: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Whether no run can be begun, or the model cannot be logged: it is a warning, unless `silent`."""
    holdall.sklearn.autolog(silent=silent, serialization_format="no such format")
    assert DecisionTreeRegressor().fit(FRAME, CLASSES).predict(FRAME[:1]).shape == (1,)
    holdall.set_store("memory://nowhere", create=False)
    assert DecisionTreeRegressor().fit(FRAME, CLASSES).predict(FRAME[:1]).shape == (1,)
    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert bool(told) is not silent


def test_data_that_fit_changes_is_measured_as_it_was() -> None:
    """`copy_X=False` lets an estimator write into the data; the measurements are of what it was given."""
    holdall.sklearn.autolog(log_models=False)
    X, y = ROWS.copy(), CLASSES * 1.0  # noqa: N806  # scikit-learn's name
    LinearRegression(copy_X=False).fit(X, y)
    assert last().data.metrics["training_r2_score"] == pytest.approx(LinearRegression().fit(ROWS, y).score(ROWS, y))


def test_estimators_without_labels_or_predictions_are_logged() -> None:
    """Clusters, and what transforms; also by `fit_predict` and `fit_transform`, and a list for data."""
    holdall.sklearn.autolog()
    KMeans(2, n_init=1).fit_predict(ROWS)
    PCA(2).fit_transform(FRAME)
    DecisionTreeRegressor().fit(ROWS.tolist(), CLASSES.tolist())
    found = runs()
    assert [run.data.tags["estimator_name"] for run in found] == ["KMeans", "PCA", "DecisionTreeRegressor"]
    for run in found:
        assert holdall.models.get_model_info(f"runs:/{run.info.run_id}/model").signature is not None


def test_it_can_leave_the_scripts_own_runs_alone() -> None:
    """With `exclusive` nothing is logged while one is active."""
    holdall.sklearn.autolog(exclusive=True, log_models=False)
    with holdall.start_run() as run:
        TREE.fit(FRAME, CLASSES)
    assert (run.data.params, len(runs())) == ({}, 1)
    TREE.fit(FRAME, CLASSES)
    assert len(runs()) == 2


def test_switching_it_off_undoes_all_of_it() -> None:
    """Methods and functions are the ones that were there; classes that are made meanwhile are as if it never was."""
    before = {cls: dict(vars(cls)) for cls in (BaseEstimator, LogisticRegression, KMeans, GridSearchCV)}
    functions = dict(vars(sklearn.metrics))
    holdall.sklearn.autolog(log_models=False)
    holdall.sklearn.autolog(log_models=True)

    Mine = type("Mine", (LinearRegression,), {})  # noqa: N806  # it is a class

    Mine().fit(FRAME, CLASSES)
    assert last().data.tags["estimator_name"] == "Mine"
    holdall.sklearn.autolog(disable=True)
    assert {cls: dict(vars(cls)) for cls in before} == before
    assert dict(vars(sklearn.metrics)) == functions
    Mine().fit(FRAME, CLASSES)
    assert len(runs()) == 1


def test_a_negative_number_of_candidates_is_refused() -> None:
    """As by MLflow, before anything is replaced."""
    with pytest.raises(holdall.InvalidArgumentError, match="max_tuning_runs"):
        holdall.sklearn.autolog(max_tuning_runs=-1)
    assert "holdall" not in type(sklearn.metrics.f1_score).__module__


def test_only_answers_of_logged_estimators_are_measured() -> None:
    """Not what is derived of them, nor those of others; other data of the same name has a number."""
    holdall.sklearn.autolog(log_models=False)
    model = DecisionTreeRegressor(max_depth=1).fit(FRAME, CLASSES)
    data = FRAME[:30]
    answers = model.predict(data)
    sklearn.metrics.max_error(CLASSES[:30], answers)
    sklearn.metrics.max_error(CLASSES[:20], answers[:20])
    sklearn.metrics.pairwise_distances(CLASSES[:30, None], answers[:, None])
    data = FRAME[30:]
    model.score(data, CLASSES[30:])
    model.score(FRAME[:10], CLASSES[:10])
    later = {key for key in last().record.data.metrics if not key.startswith("training_")}
    name = "DecisionTreeRegressor_score"
    assert later == {"max_error_data", f"{name}_data-2", f"{name}_unknown_dataset"}


def test_autolog_waits_for_the_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`holdall.autolog()` switches a framework on once the script has imported it, with what it was given."""
    (tmp_path / "tiny_framework.py").write_text("ready = True")
    monkeypatch.syspath_prepend(tmp_path)
    told: list[tuple[bool, bool]] = []

    def switch(*, log_models: bool, disable: bool, **options: Any) -> None:
        told.append((log_models, disable))
        assert disable or sys.modules["tiny_framework"].ready

    monkeypatch.setattr(everything, "_FRAMEWORKS", {"tiny_framework": switch})
    holdall.autolog(exclude_flavors=["tiny_framework"])
    holdall.autolog(log_models=False)
    assert (told, everything._later in sys.meta_path) == ([], True)
    assert importlib.import_module("tiny_framework").ready
    holdall.autolog(log_models=True)
    holdall.autolog(disable=True)
    assert told == [(False, False), (True, False), (True, True)]
    assert everything._later not in sys.meta_path
