"""LightGBM keeps the laws of a flavor, its boosters and its estimators; and what is its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import lightgbm
import numpy as np
import pandas as pd
import pytest
from tests.conformance.flavor import FlavorLaws
from tests.support.depth import DEEP

import holdall
import holdall.lightgbm
from holdall.errors import ContentError, UntrustedModelError
from holdall.modeling.loading.trust import Trust
from holdall.modeling.signatures.signature import infer_signature
from holdall.store import Run, Store

DATA = pd.DataFrame({"a": np.arange(60) / 7, "b": np.arange(60) % 3 * 1.5})
TARGET = (DATA["a"] > 4).astype(int)
QUIET: dict[str, Any] = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 5}


def booster() -> lightgbm.Booster:
    return lightgbm.train({**QUIET, "objective": "binary"}, lightgbm.Dataset(DATA, TARGET), 3)


def squared(truth: Any, predicted: Any) -> tuple[Any, Any]:
    """An objective of somebody's own."""
    return predicted - truth, np.ones(len(truth))


class TestBooster(FlavorLaws):
    flavor, loader, distribution = "lightgbm", "mlflow.lightgbm", "lightgbm"
    steady = frozenset({"default"})

    def make(self) -> tuple[Any, Any]:
        return booster(), DATA

    def predictions(self, model: Any, data: Any) -> Any:
        return model.predict(data)


class TestEstimator(TestBooster):
    formats: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "default": {},
        "cloudpickle": {"serialization_format": "cloudpickle"},
        "pickle": {"serialization_format": "pickle"},
    }
    runs_code = frozenset({"cloudpickle", "pickle"})

    def make(self) -> tuple[Any, Any]:
        return lightgbm.LGBMClassifier(n_estimators=3, **QUIET).fit(DATA, TARGET), DATA


@pytest.mark.parametrize("kind", ["LGBMRegressor", "LGBMClassifier", "LGBMRanker"])
def test_every_estimator_comes_back_without_code(store: Store, kind: str, tmp_path: Path) -> None:
    """With its class, its parameters and its classes, under the strictest policy."""
    model = getattr(lightgbm, kind)(n_estimators=3, **QUIET)
    model.fit(DATA, TARGET, **({"group": [60]} if kind == "LGBMRanker" else {}))
    store.models.save(model, tmp_path / "model")
    loaded = store.models.load(tmp_path / "model", trust=Trust("listed"))
    assert type(loaded) is type(model)
    assert loaded.get_params() == model.get_params()
    assert np.array_equal(loaded.predict(DATA), model.predict(DATA))


GAPPY = pd.DataFrame(np.random.default_rng(0).choice([-999.0, 0.0, 1.0, 2.5, np.nan], (60, 3)), columns=list("abc"))
SORTED = GAPPY.assign(kind=pd.Categorical(list("xyzz") * 15))
FORMS = ["skops", "cloudpickle", "pickle"]  # two kinds try all
TOLD: dict[str, dict[str, Any]] = {
    "nothing": {},
    "no missing values": {"use_missing": False},
    "zero is missing": {"zero_as_missing": True},
    "dart": {"boosting_type": "dart"},
    "forest": {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
    "linear": {"linear_tree": True},
    "early stop": {"pred_early_stop": True, "pred_early_stop_margin": 0.01, "pred_early_stop_freq": 1},
    "part of the trees": {"num_iteration_predict": 2, "start_iteration_predict": 1},
    "raw": {"predict_raw_score": True},
}


@pytest.mark.parametrize("kind", ["Booster", "LGBMRegressor", "LGBMClassifier", "LGBMRanker"])
@pytest.mark.parametrize("told", TOLD.values(), ids=TOLD)
@pytest.mark.parametrize("data", [GAPPY, SORTED], ids=["numbers", "categories"])
@pytest.mark.every(4)
def test_predictions_are_bit_for_bit_what_they_were(
    store: Store, tmp_path: Path, kind: str, told: dict[str, Any], data: pd.DataFrame
) -> None:
    """Of each class with each setting, in each format."""
    target, settings = np.arange(60) % 2, {**QUIET, **told}
    if kind == "Booster":
        model = lightgbm.train(settings, lightgbm.Dataset(data, target), 4)
    else:
        model = getattr(lightgbm, kind)(n_estimators=4, **settings)
        model.fit(data, target, **({"group": [60]} if kind == "LGBMRanker" else {}))
    for form in FORMS if DEEP or kind in ("Booster", "LGBMClassifier") else FORMS[:1]:
        store.models.save(model, tmp_path / form, serialization_format=form, pip_requirements=[])
        loaded, wrapped = store.models.load(tmp_path / form), store.models.load_pyfunc(tmp_path / form)
        assert np.array_equal(loaded.predict(data), model.predict(data))
        assert np.array_equal(wrapped.predict(data), model.predict(data))


def test_arrays_and_frames_and_the_signature(store: Store, run: Run) -> None:
    """Both predict the same; columns come in any order, and one that is missing is named."""
    model: Any = booster()
    plain = store.models.load_pyfunc(store.models.log(run, model, "plain").model_uri)
    assert plain.predict(DATA.to_numpy()).tolist() == plain.predict(DATA).tolist() == model.predict(DATA).tolist()
    given = infer_signature(DATA, model.predict(DATA))
    held = store.models.load_pyfunc(store.models.log(run, model, "held", signature=given).model_uri)
    assert held.predict(DATA[["b", "a"]]).tolist() == model.predict(DATA).tolist()
    with pytest.raises(ValueError, match=r"^b: expected double"):
        held.predict(DATA[["a"]])


def test_parameters_reach_the_framework(store: Store, run: Run) -> None:
    """Where MLflow loses them."""
    model = booster()
    given = infer_signature(DATA, params={"raw_score": False})
    loaded = store.models.load_pyfunc(store.models.log(run, model, "model", signature=given).model_uri)
    assert np.array_equal(loaded.predict(DATA, {"raw_score": True}), model.predict(DATA, raw_score=True))


def test_what_a_booster_is_saved_with(store: Store, run: Run) -> None:
    """Its own options; an estimator has none."""
    info = store.models.log(run, booster(), "model", num_iteration=2)
    assert store.models.load(info.model_uri).num_trees() == 2
    estimator = lightgbm.LGBMRegressor(n_estimators=3, **QUIET).fit(DATA, TARGET)
    with pytest.raises(TypeError, match=r"num_iteration.*not a LGBMRegressor"):
        store.models.log(run, estimator, "other", num_iteration=2)


@pytest.mark.parametrize("kept", [None, -1, 1])
def test_the_best_iteration_is_kept(store: Store, run: Run, kept: int | None) -> None:
    """After early stopping, a booster predicts with its best trees, and so does what is loaded."""
    model = booster()
    model.best_iteration = 2
    loaded = store.models.load(store.models.log(run, model, "model", num_iteration=kept).model_uri)
    assert loaded.best_iteration == (-1 if kept == 1 else 2)
    if kept != 1:
        assert list(loaded.predict(DATA)) == list(model.predict(DATA))


def test_a_function_in_an_estimator_is_code(store: Store, run: Run, tmp_path: Path) -> None:
    """It is kept only where its maker says so, and then its reader is asked."""
    model = lightgbm.LGBMRegressor(objective=squared, n_estimators=3, **QUIET).fit(DATA, TARGET)
    with pytest.raises(ValueError, match=r"test_lightgbm\.squared.*skops_trusted_types") as caught:
        store.models.log(run, model, "model")
    (named,) = re.findall(r"safe: (\S+);", str(caught.value))
    store.models.save(model, tmp_path / "model", skops_trusted_types=[named])
    with pytest.raises(UntrustedModelError, match=r"model\.skops"):
        store.models.load(tmp_path / "model", trust=Trust("listed"))


@pytest.mark.parametrize("data", [b"", b"no model"], ids=repr)
def test_what_is_no_model_is_refused(store: Store, tmp_path: Path, data: bytes) -> None:
    """The error names the file."""
    store.models.save(booster(), tmp_path / "model")
    (tmp_path / "model/model.lgb").write_bytes(data)
    with pytest.raises(ContentError, match=re.escape("model.lgb")):
        store.models.load(tmp_path / "model")


def test_a_format_that_is_none_is_refused(run: Run, store: Store) -> None:
    """Before anything is logged."""
    with pytest.raises(ValueError, match="'txt' is none of skops, cloudpickle, pickle"):
        store.models.log(run, booster(), "model", serialization_format="txt")
    assert run.manifest == {}


@pytest.mark.parametrize("form", [None, "skops", "cloudpickle", "pickle"])
def test_between_us_and_mlflow(store: Store, tmp_path: Path, form: str | None) -> None:
    """Its folder loads here, and ours as its native object; a booster where no format is said."""
    theirs = pytest.importorskip("mlflow.lightgbm")
    model: Any = lightgbm.LGBMRegressor(n_estimators=3, **QUIET).fit(DATA, TARGET) if form else booster()
    store.models.save(model, tmp_path / "ours", serialization_format=form)
    theirs.save_model(model, str(tmp_path / "theirs"), serialization_format=form, pip_requirements=["lightgbm"])
    assert theirs.load_model(str(tmp_path / "ours")).predict(DATA).tolist() == model.predict(DATA).tolist()
    policy = Trust("listed") if form in (None, "skops") else Trust("any")
    assert type(store.models.load(tmp_path / "theirs", trust=policy)) is type(model)
    assert store.models.load_pyfunc(tmp_path / "theirs").predict(DATA).tolist() == model.predict(DATA).tolist()


def test_the_face_logs_saves_and_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As MLflow's does, with its arguments."""
    monkeypatch.setenv("HOLDALL_STORE", str(tmp_path / "store"))
    model: Any = booster()
    with holdall.start_run():
        info = holdall.lightgbm.log_model(model, name="model", input_example=DATA[:2])
    assert info.flavors["lightgbm"]["model_class"] == "lightgbm.basic.Booster"
    holdall.lightgbm.save_model(model, tmp_path / "model")
    for where in (info.model_uri, tmp_path / "model"):
        assert holdall.lightgbm.load_model(where).predict(DATA).tolist() == model.predict(DATA).tolist()
