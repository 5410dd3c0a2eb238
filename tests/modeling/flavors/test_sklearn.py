"""scikit-learn keeps the laws of a flavor, in its three formats; and what is its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import DBSCAN
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from tests.conformance.flavor import FlavorLaws

from holdall.errors import ContentError, UntrustedModelError
from holdall.modeling.loading.trust import Trust
from holdall.store import Run, Store

DATA = pd.DataFrame({"a": np.arange(40) / 7, "b": np.arange(40) % 3 * 1.5})
TARGET = (DATA["a"] > 3).astype(int)


class TestSklearn(FlavorLaws):
    flavor, loader, distribution = "sklearn", "mlflow.sklearn", "scikit-learn"
    formats: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        name: {"serialization_format": name} for name in ("cloudpickle", "pickle", "skops")
    }
    runs_code = frozenset({"cloudpickle", "pickle"})
    steady = frozenset({"cloudpickle", "pickle", "skops"})

    def make(self) -> tuple[Any, Any]:
        return RandomForestClassifier(8, random_state=0).fit(DATA, TARGET), DATA

    def predictions(self, model: Any, data: Any) -> Any:
        return model.predict(data)


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        SGDClassifier(random_state=0),
        GradientBoostingClassifier(n_estimators=3, random_state=0),
        IsolationForest(n_estimators=3, max_features=0.5, random_state=0),
        BaggingClassifier(n_estimators=3, max_features=0.5, random_state=0),
        ExtraTreesRegressor(3, random_state=0),
        AdaBoostClassifier(n_estimators=3, random_state=0),
        VotingClassifier([("tree", DecisionTreeClassifier())]),
        make_pipeline(StandardScaler(), RandomForestClassifier(3, random_state=0)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_common_estimators_need_no_list_for_skops(store: Store, run: Run, model: Any) -> None:
    """Their compiled parts are known to be harmless, so that they load under the strictest policy."""
    model.fit(DATA, TARGET)
    info = store.models.log(run, model, "model", serialization_format="skops")
    loaded = store.models.load(info.model_uri, trust=Trust("listed"))
    assert loaded.predict(DATA).tolist() == model.predict(DATA).tolist()


@pytest.mark.parametrize(
    "model",
    [KNeighborsClassifier(3), HistGradientBoostingClassifier(max_iter=5, random_state=0)],
    ids=lambda model: type(model).__name__,
)
def test_what_nobody_looks_at_is_kept_but_the_readers_to_admit(store: Store, run: Run, model: Any) -> None:
    """Their numbers are followed without a look."""
    info = store.models.log(run, model.fit(DATA, TARGET), "model", serialization_format="skops")
    with pytest.raises(UntrustedModelError):
        store.models.load(info.model_uri, trust=Trust("listed"))
    assert store.models.load(info.model_uri).predict(DATA).tolist() == model.predict(DATA).tolist()


def follow(tree: Any, **other: Any) -> Any:
    """The same tree with other numbers in its first node."""
    state = tree.__getstate__()
    state["nodes"] = state["nodes"].copy()
    for name, value in other.items():
        state["nodes"][name][0] = value
    made = type(tree)(tree.n_features, np.asarray(tree.n_classes), tree.n_outputs)
    made.__setstate__(state)
    return made


WRONG: dict[str, Callable[[Any], Any]] = {
    "a child far away": lambda forest: wrong(forest, left_child=10**6),
    "a child before all": lambda forest: wrong(forest, right_child=-7),
    "a child that is its parent": lambda forest: wrong(forest, left_child=0),
    "one child": lambda forest: wrong(forest, right_child=-1),
    "a feature that is not there": lambda forest: wrong(forest, feature=10**6),
    "a feature before all": lambda forest: wrong(forest, feature=-3),
    "a forest of fewer features": lambda forest: setattr(forest, "n_features_in_", 1),
    "a tree of fewer features": lambda forest: setattr(forest.estimators_[0], "n_features_in_", 1),
    "no features": lambda forest: delattr(forest, "n_features_in_"),
}


def wrong(forest: Any, **other: Any) -> None:
    first = forest.estimators_[0]
    first.tree_ = follow(first.tree_, **other)


@pytest.mark.parametrize("case", WRONG)
def test_trees_that_would_end_the_process_are_refused(store: Store, run: Run, case: str) -> None:
    """Though they hold no code, and load under every policy; deep in a pipeline as well."""
    model = make_pipeline(StandardScaler(), RandomForestClassifier(3, random_state=0)).fit(DATA, TARGET)
    WRONG[case](model[-1])
    info = store.models.log(run, model, "model", serialization_format="skops")
    with pytest.raises(ContentError, match="skops"):
        store.models.load(info.model_uri, trust=Trust("listed"))


def test_boosting_with_other_trees_than_classes_is_refused(store: Store, run: Run) -> None:
    """It would write beside its own memory."""
    model = GradientBoostingClassifier(n_estimators=2).fit(DATA, TARGET)
    model.estimators_ = np.repeat(model.estimators_, 3, axis=1)
    info = store.models.log(run, model, "model", serialization_format="skops")
    with pytest.raises(ContentError, match="other trees than classes"):
        store.models.load(info.model_uri, trust=Trust("listed"))


def test_what_skops_does_not_know_must_be_listed(store: Store, run: Run) -> None:
    """The error names it; listed, it is kept, and counts as running code."""
    model = FunctionTransformer(Doubling()).fit(DATA)
    with pytest.raises(ValueError, match="Doubling") as caught:
        store.models.log(run, model, "model", serialization_format="skops")
    assert "skops_trusted_types" in str(caught.value)
    assert run.manifest == {}
    listed = [f"{Doubling.__module__}.Doubling"]
    info = store.models.log(
        run, model, "model", serialization_format="skops", skops_trusted_types=listed, pyfunc_predict_fn="score"
    )
    with pytest.raises(UntrustedModelError):
        store.models.load(info.model_uri, trust=Trust("listed"))
    assert store.models.load(info.model_uri, trust=Trust("same-store")).transform(DATA).equals(DATA * 2)


class Doubling:
    """A function with a type of its own."""

    def __call__(self, data: Any) -> Any:
        return data * 2


@pytest.mark.parametrize("method", ["predict_proba", "predict_log_proba", "score"])
def test_predict_calls_the_method_that_was_named(store: Store, run: Run, method: str) -> None:
    """Of a python_function; where it is called with parameters, they are the method's own."""
    model = LogisticRegression().fit(DATA, TARGET)
    info = store.models.log(run, model, "model", pyfunc_predict_fn=method)
    loaded = store.models.load_pyfunc(info.model_uri)
    if method == "score":
        assert loaded._predictor.predict(DATA, {"y": TARGET}) == model.score(DATA, TARGET)
    else:
        assert np.array_equal(loaded.predict(DATA), getattr(model, method)(DATA))


def test_an_estimator_without_the_method_is_no_python_function(
    store: Store, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """It is kept all the same, and a warning says what it lacks."""
    with caplog.at_level(logging.WARNING, "holdall"):
        info = store.models.log(run, DBSCAN().fit(DATA), "model")
    assert set(info.flavors) == {"sklearn"}
    assert "DBSCAN has no method predict" in caplog.text
    assert isinstance(store.models.load(info.model_uri), DBSCAN)
    with pytest.raises(ContentError, match="its flavors are sklearn"):
        store.models.load_pyfunc(info.model_uri)


@pytest.mark.parametrize(("option", "value"), [("serialization_format", "joblib"), ("pyfunc_predict_fn", "transform")])
def test_a_value_that_cannot_be_is_refused_before_anything_is_written(
    store: Store, run: Run, tmp_path: Path, option: str, value: str
) -> None:
    """The error lists those that can."""
    model = LogisticRegression().fit(DATA, TARGET)
    with pytest.raises(ValueError, match="is none of"):
        store.models.save(model, tmp_path / "model", **{option: value})
    assert not (tmp_path / "model").exists()


def test_what_the_script_defines_comes_along(store: Store, run: Run, tmp_path: Path) -> None:
    """With cloudpickle, a function that no reader has."""
    model = make_pipeline(FunctionTransformer(lambda data: data * 2), LogisticRegression()).fit(DATA, TARGET)
    info = store.models.log(run, model, "model")
    assert store.models.load(info.model_uri).predict(DATA).tolist() == model.predict(DATA).tolist()
    assert "cloudpickle==" in run.load_text("model/requirements.txt")
