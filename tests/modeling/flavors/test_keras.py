"""Keras keeps the laws of a flavor, on torch where there is no TensorFlow; and what is its own."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.conformance.flavor import FlavorLaws

import holdall
import holdall.keras
from holdall.errors import ContentError, UntrustedModelError
from holdall.modeling.files.keras_files import save_keras
from holdall.modeling.flavor import Parts
from holdall.modeling.flavor_registry import flavor_named
from holdall.modeling.loading.trust import Trust
from holdall.store import Run, Store

keras = pytest.importorskip("keras", reason="Keras is not installed")

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


def network() -> Any:
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input([3]), keras.layers.Dense(4, "relu"), keras.layers.Dense(1)])


class TestKeras(FlavorLaws):
    flavor, loader, distribution = "keras", "mlflow.keras", "keras"
    steady = frozenset({"default"})

    def make(self) -> tuple[Any, Any]:
        return network(), ROWS

    def predictions(self, model: Any, data: Any) -> Any:
        return model.predict(data, verbose=0)


def test_a_frame_gives_a_frame_and_a_trained_model_goes_on(store: Store, run: Run) -> None:
    """With the frame's own index; optimizer and loss come along, so that training goes on."""
    model = network()
    model.compile("sgd", "mse")
    model.fit(ROWS, ROWS[:, :1], verbose=0)
    info = store.models.log(run, model, "model")
    frame = pd.DataFrame(ROWS, index=list("wxyz"))
    found = store.models.load_pyfunc(info.model_uri).predict(frame)
    assert found.index.tolist() == list("wxyz")
    assert np.array_equal(found.to_numpy(), model.predict(ROWS, verbose=0))
    loaded = store.models.load(info.model_uri)
    assert loaded.evaluate(ROWS, ROWS[:, :1], verbose=0) == model.evaluate(ROWS, ROWS[:, :1], verbose=0)
    assert int(loaded.optimizer.iterations) == int(model.optimizer.iterations) == 1


def test_inputs_and_outputs_by_name(store: Store, run: Run) -> None:
    """A dictionary in, a dictionary out."""
    p, q = keras.Input([3], name="p"), keras.Input([3], name="q")
    model = keras.Model({"p": p, "q": q}, {"sum": keras.layers.add([p, q])})
    loaded = store.models.load_pyfunc(store.models.log(run, model, "model").model_uri)
    assert loaded.predict({"p": ROWS, "q": ROWS})["sum"].tolist() == (2 * ROWS).tolist()
    with pytest.raises(TypeError, match="not a str"):
        loaded.predict("rows")


def test_the_signature_holds(store: Store, run: Run) -> None:
    """Rows of another width are refused by shape."""
    info = store.models.log(run, network(), "model", input_example=ROWS)
    with pytest.raises(ValueError, match=re.escape("(-1, 3)")):
        store.models.load_pyfunc(info.model_uri).predict(ROWS[:, :2])


def test_nothing_of_the_moment_is_in_the_file(store: Store, tmp_path: Path) -> None:
    """Neither in what it says nor on its parts."""
    store.models.save(network(), tmp_path / "model")
    with zipfile.ZipFile(tmp_path / "model/data/model.keras") as archive:
        assert b"1980-01-01" in archive.read("metadata.json")
        assert {info.date_time[0] for info in archive.infolist()} == {1980}
    assert sorted(path.name for path in (tmp_path / "model/data").iterdir()) == ["keras_module.txt", "model.keras"]


def test_code_in_a_file_does_not_run(store: Store, tmp_path: Path) -> None:
    """Unless its reader says so."""
    model = keras.Sequential([keras.Input([3]), keras.layers.Lambda(lambda x: x * 2)])
    store.models.save(model, tmp_path / "model")
    with pytest.raises(ContentError, match="Lambda"):
        store.models.load(tmp_path / "model")
    loaded = store.models.load(tmp_path / "model", load_model_kwargs={"safe_mode": False})
    assert loaded.predict(ROWS, verbose=0).tolist() == (2 * ROWS).tolist()


def test_an_old_keras_needs_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those before 3.14 it is known how a file makes them run code."""
    files = flavor_named("keras").runs_code(Parts(own={"data": "data"}))
    assert files == []
    (tmp_path / "keras-3.8.0.dist-info").mkdir()
    (tmp_path / "keras-3.8.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: keras\nVersion: 3.8.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert flavor_named("keras").runs_code(Parts(own={"data": "data"})) == ["data/model.keras"]


def test_classes_of_ones_own_are_given_when_loading(store: Store, run: Run) -> None:
    """By name; without them, the error says which is missing."""

    layer: Any = keras.layers.Layer

    class Thrice(layer):  # type: ignore[misc]
        """A layer that nobody can import."""

        def call(self, x: Any) -> Any:
            return x * 3

    info = store.models.log(run, keras.Sequential([keras.Input([3]), Thrice()]), "model")
    loaded = store.models.load(info.model_uri, custom_objects={"Thrice": Thrice})
    assert loaded.predict(ROWS, verbose=0).tolist() == (3 * ROWS).tolist()
    with pytest.raises(ContentError, match="locate class 'Thrice'"):
        store.models.load(info.model_uri)


@pytest.mark.parametrize("data", [None, b"", b"no model"], ids=repr)
def test_what_is_no_model_is_refused(store: Store, tmp_path: Path, data: bytes | None) -> None:
    """The error names the file."""
    store.models.save(network(), tmp_path / "model")
    (tmp_path / "model/data/model.keras").unlink()
    if data is not None:
        (tmp_path / "model/data/model.keras").write_bytes(data)
    with pytest.raises(ContentError, match=re.escape("model.keras")):
        store.models.load(tmp_path / "model")


def test_between_us_and_mlflow(store: Store, tmp_path: Path) -> None:
    """Its folder loads here, and ours as its native object."""
    theirs = pytest.importorskip("mlflow.keras")
    model = network()
    expected = model.predict(ROWS, verbose=0).tolist()
    store.models.save(model, tmp_path / "ours")
    theirs.save_model(model, str(tmp_path / "theirs"), pip_requirements=["keras"])
    assert theirs.load_model(str(tmp_path / "ours")).predict(ROWS, verbose=0).tolist() == expected
    assert store.models.load(tmp_path / "theirs", trust=Trust("listed")).predict(ROWS, verbose=0).tolist() == expected
    assert store.models.load_pyfunc(tmp_path / "theirs").predict(ROWS).tolist() == expected


@pytest.mark.tensorflow
def test_an_exported_model_predicts_and_needs_trust(store: Store, tmp_path: Path) -> None:
    """It is a program; MLflow runs ours, and we run MLflow's."""
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    pyfunc, theirs = pytest.importorskip("mlflow.pyfunc"), pytest.importorskip("mlflow.keras")
    model = network()
    expected = model.predict(ROWS, verbose=0)
    store.models.save(model, tmp_path / "ours", save_exported_model=True, input_example=ROWS)
    with pytest.raises(UntrustedModelError, match=r"saved_model\.pb"):
        store.models.load_pyfunc(tmp_path / "ours", trust=Trust("listed"))
    signature = pyfunc.load_model(str(tmp_path / "ours")).metadata.signature
    given = {"save_exported_model": True, "signature": signature, "pip_requirements": ["keras"]}
    theirs.save_model(model, str(tmp_path / "theirs"), **given)
    for load in (store.models.load_pyfunc, lambda folder: pyfunc.load_model(str(folder))):
        for folder in ("ours", "theirs"):
            assert np.allclose(load(tmp_path / folder).predict(ROWS), expected)


def test_the_face_logs_saves_and_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As MLflow's does, with its arguments."""
    monkeypatch.setenv("HOLDALL_STORE", str(tmp_path / "store"))
    model = network()
    with holdall.start_run():
        info = holdall.keras.log_model(model, name="model", input_example=ROWS)
    assert info.flavors["keras"]["keras_backend"] == keras.backend.backend()
    holdall.keras.save_model(model, tmp_path / "model")
    for where in (info.model_uri, tmp_path / "model"):
        assert np.array_equal(holdall.keras.load_model(where).predict(ROWS), model.predict(ROWS))


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ({"vocabulary": "words.txt"}, True),
        ({"layers": [{"config": {"idf_weights": "w.txt"}}]}, True),
        ({"config": {"anything": __file__}}, True),
        ({"vocabulary": ["a", "b"]}, False),
        ({"name": "/no/such/file"}, False),
    ],
    ids=repr,
)
def test_a_model_whose_layers_read_files_elsewhere_is_refused(tmp_path: Path, said: Any, refused: bool) -> None:
    """They are no part of it, and it could not be loaded again where they are not."""

    class Saved:
        """Writes what Keras would."""

        def save(self, file: Path) -> None:
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr("config.json", json.dumps(said))
                archive.writestr("metadata.json", "{}")

    if refused:
        with pytest.raises(ValueError, match="no part of the model"):
            save_keras(Saved(), tmp_path / "model.keras", None)
    else:
        save_keras(Saved(), tmp_path / "model.keras", None)
