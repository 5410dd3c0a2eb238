"""XGBoost keeps the laws of a flavor, its boosters and its estimators; and what is its own."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import xgboost
from tests.conformance.flavor import FlavorLaws
from tests.support.stores import tiny_store

import holdall
import holdall.xgboost
from holdall.errors import ContentError, UntrustedModelError
from holdall.modeling.signature import infer_signature
from holdall.modeling.trust import Trust
from holdall.storage.memory import MemoryBucket
from holdall.store import Run, Store

DATA = pd.DataFrame({"a": np.arange(40) / 7, "b": np.arange(40) % 3 * 1.5})
TARGET = (DATA["a"] > 3).astype(int)
SETTINGS = {"n_estimators": 3, "max_depth": 2, "n_jobs": 1}


def booster(feature_names: bool = True) -> xgboost.Booster:
    data = DATA if feature_names else DATA.to_numpy()
    return xgboost.train({"max_depth": 2, "nthread": 1}, xgboost.DMatrix(data, TARGET), 3)


class _Laws(FlavorLaws):
    flavor, loader, distribution = "xgboost", "mlflow.xgboost", "xgboost(-cpu)?"
    formats: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        name: {"model_format": name} for name in ("ubj", "json", "xgb")
    }
    steady = frozenset({"ubj", "json", "xgb"})


class TestBooster(_Laws):
    def make(self) -> tuple[Any, Any]:
        return booster(), DATA

    def predictions(self, model: Any, data: Any) -> Any:
        return model.predict(xgboost.DMatrix(data))


class TestEstimator(_Laws):
    def make(self) -> tuple[Any, Any]:
        return xgboost.XGBClassifier(**SETTINGS).fit(DATA, TARGET), DATA

    def predictions(self, model: Any, data: Any) -> Any:
        return model.predict(data)


@pytest.fixture
def store() -> Store:
    return tiny_store(MemoryBucket())


@pytest.fixture
def run(store: Store) -> Run:
    return store.runs.start()


@pytest.mark.parametrize("kind", ["XGBRegressor", "XGBClassifier", "XGBRanker", "XGBRFRegressor", "XGBRFClassifier"])
def test_every_estimator_comes_back_as_what_it_was(store: Store, run: Run, kind: str) -> None:
    """With its class, its classes, and its parameters of training."""
    model = getattr(xgboost, kind)(**SETTINGS)
    model.fit(DATA, TARGET, **({"qid": np.zeros(40)} if kind == "XGBRanker" else {}))
    loaded = store.models.load(store.models.log(run, model, "model").model_uri)
    assert type(loaded) is type(model)
    assert np.array_equal(loaded.predict(DATA), model.predict(DATA))
    if "Classifier" in kind:
        assert np.array_equal(loaded.predict_proba(DATA), model.predict_proba(DATA))
        assert loaded.classes_.tolist() == [0, 1]


def test_an_array_and_a_frame_predict_the_same(store: Store, run: Run) -> None:
    """A booster without names of features takes both."""
    loaded = store.models.load_pyfunc(store.models.log(run, booster(False), "model").model_uri)
    named = DATA.set_axis(["f0", "f1"], axis=1)
    assert loaded.predict(DATA.to_numpy()).tolist() == loaded.predict(named).tolist()


def test_the_signature_holds(store: Store, run: Run) -> None:
    """Columns come in any order, and one that is missing is named."""
    model = booster()
    given = infer_signature(DATA, model.predict(xgboost.DMatrix(DATA)))
    loaded = store.models.load_pyfunc(store.models.log(run, model, "model", signature=given).model_uri)
    assert loaded.predict(DATA[["b", "a"]]).tolist() == loaded.predict(DATA).tolist()
    with pytest.raises(ValueError, match=r"^b: expected double"):
        loaded.predict(DATA[["a"]])


def test_parameters_reach_the_framework(store: Store, run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """Those that it takes; a warning names the others."""
    model = booster()
    given = infer_signature(DATA, params={"output_margin": False, "pred_leaf": False, "unheard_of": 1})
    loaded = store.models.load_pyfunc(store.models.log(run, model, "model", signature=given).model_uri)
    with caplog.at_level(logging.WARNING, "holdall"):
        found = loaded.predict(DATA, {"pred_leaf": True})
    assert np.array_equal(found, model.predict(xgboost.DMatrix(DATA), pred_leaf=True))
    assert "unheard_of" in caplog.text


def test_a_class_of_somebodys_own_needs_trust(store: Store, tmp_path: Path) -> None:
    """Its module is imported; one that is no model at all is refused by everybody."""
    store.models.save(booster(), tmp_path / "model")
    file = tmp_path / "model/MLmodel"
    file.write_text(file.read_text().replace("xgboost.core.Booster", "subprocess.Popen"))
    with pytest.raises(UntrustedModelError, match="MLmodel"):
        store.models.load(tmp_path / "model", trust=Trust("listed"))
    with pytest.raises(ContentError, match=re.escape("subprocess.Popen")):
        store.models.load(tmp_path / "model")


@pytest.mark.parametrize("data", [b"", b"{", b"no model"], ids=repr)
def test_what_is_no_model_is_refused(store: Store, tmp_path: Path, data: bytes) -> None:
    """The error names the file."""
    store.models.save(booster(), tmp_path / "model", model_format="json")
    (tmp_path / "model/model.json").write_bytes(data)
    with pytest.raises(ContentError, match=re.escape("model.json")):
        store.models.load(tmp_path / "model")


def test_a_format_that_is_none_is_refused(run: Run, store: Store) -> None:
    """Before anything is logged."""
    with pytest.raises(ValueError, match="'txt' is none of ubj, json, xgb"):
        store.models.log(run, booster(), "model", model_format="txt")
    assert run.manifest == {}


@pytest.mark.parametrize("form", ["ubj", "json"])
@pytest.mark.parametrize("estimator", [False, True], ids=["booster", "estimator"])
def test_between_us_and_mlflow(store: Store, tmp_path: Path, form: str, estimator: bool) -> None:
    """Its folder loads here, and ours as its native object."""
    theirs = pytest.importorskip("mlflow.xgboost")
    model = xgboost.XGBRegressor(**SETTINGS).fit(DATA, TARGET) if estimator else booster()
    store.models.save(model, tmp_path / "ours", model_format=form)
    expected = store.models.load_pyfunc(tmp_path / "ours").predict(DATA).tolist()
    theirs.save_model(model, str(tmp_path / "theirs"), model_format=form, pip_requirements=["xgboost"])
    assert type(theirs.load_model(str(tmp_path / "ours"))) is type(model)
    assert type(store.models.load(tmp_path / "theirs", trust=Trust("listed"))) is type(model)
    assert store.models.load_pyfunc(tmp_path / "theirs").predict(DATA).tolist() == expected


def test_the_face_logs_saves_and_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As MLflow's does, with its arguments."""
    monkeypatch.setenv("HOLDALL_STORE", str(tmp_path / "store"))
    model = booster()
    with holdall.start_run():
        info = holdall.xgboost.log_model(model, name="model", model_format="json", input_example=DATA[:2])
    assert info.flavors["xgboost"]["data"] == "model.json"
    holdall.xgboost.save_model(model, tmp_path / "model")
    for where in (info.model_uri, tmp_path / "model"):
        assert holdall.xgboost.load_model(where).save_raw() == model.save_raw()
