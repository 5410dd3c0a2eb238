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
from tests.support.depth import DEEP

import holdall
import holdall.xgboost
from holdall.errors import ContentError, UntrustedModelError
from holdall.modeling.loading.trust import Trust
from holdall.modeling.signatures.signature import infer_signature
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


def ours(predicted: Any, _: Any) -> tuple[Any, Any]:
    """An objective of somebody's own."""
    return predicted, np.ones_like(predicted)


GAPPY = pd.DataFrame(np.random.default_rng(0).choice([-999.0, 0.0, 1.0, 2.5, np.nan], (40, 3)), columns=list("abc"))
SORTED = GAPPY.assign(kind=pd.Categorical(list("xyzz") * 10))
TOLD: dict[str, dict[str, Any]] = {
    "nothing": {},
    "missing": {"missing": -999.0},
    "missing zero": {"missing": 0},
    "base score": {"base_score": 0.3},
    "linear": {"booster": "gblinear"},
    "dart": {"booster": "dart", "rate_drop": 0.5},
    "a generator": {"random_state": np.random.RandomState(1), "subsample": 0.5},
    "importance": {"importance_type": "weight"},
    "types": {"feature_types": ["q", "int", "q"]},
    "constraints": {"monotone_constraints": {"a": 1}, "interaction_constraints": [["a", "b"]]},
    "an objective": {"objective": ours},
    "more": {"max_bin": 7, "tree_method": "approx", "lambda_of_mine": 2.0},
    "categories": {"enable_categorical": True},
    "all of them": {"missing": -999.0, "enable_categorical": True, "base_score": 0.3, "booster": "dart"},
}
FORMS = ["ubj", "json", "xgb"]  # what each says of an estimator is the same for all kinds: two kinds try all
KINDS = ["XGBRegressor", "XGBClassifier", "XGBRanker", "XGBRFRegressor", "XGBRFClassifier"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("told", TOLD.values(), ids=TOLD)
@pytest.mark.every(5)
def test_what_an_estimator_was_told_is_kept(kind: str, told: dict[str, Any], tmp_path: Path, store: Store) -> None:
    """Predictions are bit for bit what they were, in each format, and its parameters too."""
    if kind == "XGBRanker" and "objective" in told:
        pytest.skip("a ranker has no objective of somebody's own")
    data = SORTED if "enable_categorical" in told else GAPPY
    model = getattr(xgboost, kind)(**{**SETTINGS, **told})
    model.fit(data, np.arange(40) % 2, **({"qid": np.zeros(40)} if kind == "XGBRanker" else {}))
    plain = {
        key: value for key, value in model.get_params().items() if key not in ("n_jobs", "random_state", "objective")
    }
    for form in FORMS if DEEP or kind in ("XGBRegressor", "XGBClassifier") else FORMS[:1]:
        store.models.save(model, tmp_path / form, model_format=form, pip_requirements=[])
        loaded = store.models.load(tmp_path / form)
        for verb in {"predict", "predict_proba", "apply"} & set(dir(model)) - (
            {"apply"} if "booster" in told else set()
        ):
            assert np.array_equal(getattr(loaded, verb)(data), getattr(model, verb)(data)), (form, verb)
        found = loaded.get_params()
        assert all(found[key] == value or value != value for key, value in plain.items())
        wrapped = store.models.load_pyfunc(tmp_path / form)
        assert np.array_equal(wrapped.predict(data), model.predict(data))


def test_an_estimator_may_be_told_an_array(tmp_path: Path, store: Store) -> None:
    """As several quantiles are: it is kept as a list, and predicts the same."""
    told = {"objective": "reg:quantileerror", "quantile_alpha": np.array([0.1, 0.9])}
    model = xgboost.XGBRegressor(**SETTINGS | told).fit(GAPPY, np.arange(40))
    store.models.save(model, tmp_path / "model", pip_requirements=[])
    loaded = store.models.load(tmp_path / "model")
    assert loaded.get_params()["quantile_alpha"] == [0.1, 0.9]
    assert np.array_equal(loaded.predict(GAPPY), model.predict(GAPPY))


def test_a_model_of_another_class_than_it_says_is_refused(tmp_path: Path, store: Store) -> None:
    """As what is no model of this class."""
    store.models.save(xgboost.XGBRegressor(**SETTINGS).fit(DATA, TARGET), tmp_path / "model", pip_requirements=[])
    file = tmp_path / "model" / "MLmodel"
    file.write_text(file.read_text().replace("xgboost.sklearn.XGBRegressor", "xgboost.sklearn.XGBModel"))
    with pytest.raises(ContentError, match="different type"):
        store.models.load(tmp_path / "model")


def test_a_generator_is_not_drawn_from(tmp_path: Path, store: Store) -> None:
    """To save a model changes nothing about it, nor about what its owner draws afterwards."""
    generator = np.random.RandomState(5)
    model = xgboost.XGBRegressor(**SETTINGS, random_state=generator).fit(DATA, TARGET)
    before = generator.get_state(legacy=False)["state"]["pos"]
    store.models.save(model, tmp_path / "model", pip_requirements=[])
    assert generator.get_state(legacy=False)["state"]["pos"] == before
    assert model.random_state is generator


def test_the_best_iteration_is_kept(tmp_path: Path, store: Store) -> None:
    """An estimator that stopped early predicts with the trees up to its best, as before."""
    model = xgboost.XGBRegressor(**SETTINGS | {"n_estimators": 50}, early_stopping_rounds=2)
    model.fit(GAPPY, np.arange(40) % 2, eval_set=[(GAPPY[:9], np.arange(9) % 3)], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    store.models.save(model, tmp_path / "model", pip_requirements=[])
    assert np.array_equal(store.models.load(tmp_path / "model").predict(GAPPY), model.predict(GAPPY))


@pytest.mark.parametrize("names", ["n_jobs", "predict", "_Booster", "__class__", "get_params", "kwargs"])
def test_a_hostile_mlmodel_replaces_nothing_but_parameters(store: Store, tmp_path: Path, names: str) -> None:
    """Neither methods nor the booster, nor how many threads the reader gives."""
    model = xgboost.XGBRegressor(**SETTINGS).fit(DATA, TARGET)
    store.models.save(model, tmp_path / "model", pip_requirements=[])
    file = tmp_path / "model/MLmodel"
    file.write_text(file.read_text().replace("max_depth: 2", f"max_depth: 2\n      {names}: 1000"))
    loaded = store.models.load(tmp_path / "model")
    assert loaded.n_jobs is None
    assert np.array_equal(loaded.predict(DATA), model.predict(DATA))


def test_a_booster_of_categories_predicts(store: Store, tmp_path: Path) -> None:
    """A frame of them, as it was trained with."""
    data = xgboost.DMatrix(SORTED, np.arange(40) % 2, enable_categorical=True)
    model = xgboost.train({"max_depth": 2, "nthread": 1}, data, 3)
    store.models.save(model, tmp_path / "model", pip_requirements=[])
    assert np.array_equal(store.models.load_pyfunc(tmp_path / "model").predict(SORTED), model.predict(data))


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
