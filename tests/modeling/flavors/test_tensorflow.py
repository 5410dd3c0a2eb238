"""TensorFlow keeps the laws of a flavor, its modules and its Keras models; and what is its own.

Run where TensorFlow is; it is too large for every test run.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from tests.conformance.flavor import FlavorLaws

import holdall
import holdall.tensorflow
from holdall.errors import ContentError, UntrustedModelError
from holdall.modeling.loading.trust import Trust
from holdall.store import Run, Store

pytestmark = pytest.mark.tensorflow
tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow, 1.3 GB, is not installed")
keras = tensorflow.keras

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


Module: Any = tensorflow.Module


class Line(Module):  # type: ignore[misc]
    """`x @ w`."""

    def __init__(self) -> None:
        super().__init__()
        self.w = tensorflow.Variable([[1.0], [2.0], [3.0]])

    @tensorflow.function(input_signature=[tensorflow.TensorSpec([None, 3], "float32")])  # type: ignore[untyped-decorator]
    def __call__(self, x: Any) -> Any:
        return x @ self.w


Layer: Any = keras.layers.Layer


class Twice(Layer):  # type: ignore[misc]
    """A layer of somebody's own."""

    def call(self, x: Any) -> Any:
        return x * 2


def network() -> Any:
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input([3]), keras.layers.Dense(4, "relu"), keras.layers.Dense(1)])


class TestModule(FlavorLaws):
    flavor, loader, distribution = "tensorflow", "mlflow.tensorflow", "tensorflow([-_]cpu)?"
    runs_code = frozenset({"default"})

    def make(self) -> tuple[Any, Any]:
        return Line(), ROWS

    def predictions(self, model: Any, data: Any) -> Any:
        return model(tensorflow.constant(data)).numpy()


class TestKerasModel(TestModule):
    formats: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "keras": {},
        "h5": {"keras_model_kwargs": {"save_format": "h5"}},
        "custom objects": {"custom_objects": {"Twice": Twice}},
    }
    runs_code = frozenset({"h5", "custom objects"})
    steady = frozenset({"keras"})
    known = False  # it is Keras's

    def make(self) -> tuple[Any, Any]:
        return network(), ROWS

    def predictions(self, model: Any, data: Any) -> Any:
        return model.predict(data, verbose=0)


def test_custom_objects_come_along(store: Store, tmp_path: Path) -> None:
    """As code, which its reader admits; what the manifest does not list is not loaded."""
    model = keras.Sequential([keras.Input([3]), Twice()])
    store.models.save(model, tmp_path / "model", flavor="tensorflow", custom_objects={"Twice": Twice})
    assert store.models.load(tmp_path / "model").predict(ROWS, verbose=0).tolist() == (2 * ROWS).tolist()
    with pytest.raises(UntrustedModelError, match=r"custom_objects\.cloudpickle"):
        store.models.load(tmp_path / "model", trust=Trust("listed"))
    manifest = tmp_path / "model/MLmodel"
    manifest.write_text(manifest.read_text().replace("    - custom_objects.cloudpickle\n", "    - none\n"))
    (tmp_path / "model/data/custom_objects.cloudpickle").write_bytes(b"not even a pickle")
    with pytest.raises(ContentError, match="Twice"):
        store.models.load(tmp_path / "model", trust=Trust("listed"))


def test_a_frame_gives_a_frame(store: Store, run: Run) -> None:
    """Of a Keras model, with the frame's own index; a module takes arrays and lists."""
    model = network()
    info = store.models.log(run, model, "network", flavor="tensorflow")
    found = store.models.load_pyfunc(info.model_uri).predict(pd.DataFrame(ROWS, index=list("wxyz")))
    assert found.index.tolist() == list("wxyz")
    assert np.array_equal(found.to_numpy(), model.predict(ROWS, verbose=0))
    module = store.models.load_pyfunc(store.models.log(run, Line(), "module").model_uri)
    assert module.predict(ROWS.tolist()).tolist() == (ROWS @ np.array([[1.0], [2.0], [3.0]])).tolist()
    with pytest.raises(TypeError, match="not a DataFrame"):
        module.predict(pd.DataFrame(ROWS))


def test_the_signature_holds(store: Store, run: Run) -> None:
    """Rows of another width are refused by shape."""
    info = store.models.log(run, Line(), "model", input_example=ROWS)
    with pytest.raises(ValueError, match=re.escape("(-1, 3)")):
        store.models.load_pyfunc(info.model_uri).predict(ROWS[:, :2])


def test_options_of_the_other_kind_are_refused(store: Store, run: Run) -> None:
    """Before anything is logged."""
    with pytest.raises(TypeError, match=r"tf\.Module"):
        store.models.log(run, Line(), "model", custom_objects={"Twice": Twice})
    assert run.manifest == {}


@pytest.mark.parametrize("file", ["tf2model/saved_model.pb", "data/model.keras"])
def test_what_is_no_model_is_refused(store: Store, tmp_path: Path, file: str) -> None:
    """The error names the file."""
    store.models.save(network() if "keras" in file else Line(), tmp_path / "model", flavor="tensorflow")
    (tmp_path / "model" / file).write_bytes(b"no model")
    with pytest.raises(ContentError, match=re.escape(file.partition("/")[0])):
        store.models.load(tmp_path / "model")


@pytest.mark.parametrize("kind", ["keras", "custom", "module"])
def test_between_us_and_mlflow(store: Store, tmp_path: Path, kind: str) -> None:
    """Its folder loads here, and ours as its native object. What MLflow pickled needs trust, as far as one can know."""
    theirs = importlib.import_module("mlflow.tensorflow")
    custom = {"custom_objects": {"Twice": Twice}} if kind == "custom" else {}
    twice = keras.Sequential([keras.Input([3]), Twice()])
    model = {"keras": network(), "custom": twice, "module": Line()}[kind]
    store.models.save(model, tmp_path / "ours", flavor="tensorflow", **custom)
    theirs.save_model(model, str(tmp_path / "theirs"), pip_requirements=["tensorflow"], **custom)
    expected = store.models.load_pyfunc(tmp_path / "ours").predict(ROWS).tolist()
    assert store.models.load_pyfunc(tmp_path / "theirs").predict(ROWS).tolist() == expected
    native = theirs.load_model(str(tmp_path / "ours"))
    assert np.allclose(native(tensorflow.constant(ROWS)), expected)
    with pytest.raises(UntrustedModelError):
        store.models.load(tmp_path / "theirs", trust=Trust("listed"))


def test_the_face_logs_saves_and_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As MLflow's does, with its arguments."""
    monkeypatch.setenv("HOLDALL_STORE", str(tmp_path / "store"))
    with holdall.start_run():
        info = holdall.tensorflow.log_model(network(), name="model", input_example=ROWS)
    assert info.flavors["tensorflow"]["model_type"] == "keras"
    holdall.tensorflow.save_model(Line(), tmp_path / "model")
    assert holdall.tensorflow.load_model(info.model_uri).predict(ROWS).shape == (4, 1)
    assert holdall.tensorflow.load_model(tmp_path / "model")(ROWS).shape == (4, 1)
