"""Flavors: ours, and those of packages that we never heard of."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sklearn.linear_model import LogisticRegression
from tests.support.stores import tiny_store

from holdall.errors import UnknownFlavorError
from holdall.modeling import flavor_registry
from holdall.modeling.flavor_registry import flavor_loading, flavor_named, flavor_of, known_flavors
from holdall.storage.memory import MemoryBucket

STRANGER = """
import json
from holdall.modeling.flavor import Parts

class Sum:
    def __init__(self, by): self.by = by

class Flavor:
    name, loaders = "stranger", ("stranger_flavor",)
    def knows(self, kind): return kind.__name__ == "Sum" and kind.__module__ == "stranger_flavor"
    def save(self, model, folder):
        (folder / "sum.json").write_text(json.dumps(model.by))
        return Parts(own={"file": "sum.json"}, modules={"yaml"})
    def load(self, folder, parts): return Sum(json.loads((folder / parts.own["file"]).read_text()))
    def wrap(self, model, parts, *, folder, config): return Predictor(model)
    def runs_code(self, parts): return []

class Predictor:
    def __init__(self, model): self.model = model
    def predict(self, data, params=None): return [each + self.model.by for each in data]

FLAVOR = Flavor()
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with a flavor, and one whose flavor cannot be imported, as if they were installed."""
    (tmp_path / "stranger_flavor.py").write_text(STRANGER)
    info = tmp_path / "stranger-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[holdall.flavors]\nstranger = stranger_flavor:FLAVOR\nbroken = not_there_at_all:FLAVOR\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    known_flavors.cache_clear()
    yield tmp_path
    known_flavors.cache_clear()
    sys.modules.pop("stranger_flavor", None)


def test_a_strangers_flavor_is_found(packages: Path, caplog: pytest.LogCaptureFixture) -> None:
    """By its entry point: its models are logged, loaded and served like ours; a broken one is told."""
    with caplog.at_level(logging.WARNING, "holdall"):
        names = [flavor.name for flavor in known_flavors()]
    assert {"python_function", "sklearn", "stranger"} <= set(names)
    assert "'broken' of not_there_at_all:FLAVOR cannot be used" in caplog.text
    store = tiny_store(MemoryBucket())
    run = store.runs.start()
    info = store.models.log(run, __import__("stranger_flavor").Sum(3), "model", input_example=[1, 2])
    assert set(info.flavors) == {"stranger", "python_function"}
    assert store.models.load(info.model_uri).by == 3
    assert info.signature is not None
    loaded = store.models.load_pyfunc(info.model_uri)
    assert loaded.loader_module == "stranger_flavor"
    assert loaded._predictor.predict([1, 2]) == [4, 5]
    assert "PyYAML==" in run.load_text("model/requirements.txt")


def test_the_nearest_class_decides() -> None:
    """A class of a script's own is its parent's; and no flavor's name is another's."""

    class Mine(LogisticRegression):  # type: ignore[misc]
        """An estimator of a script's own."""

    assert flavor_of(Mine()).name == "sklearn"
    names = [flavor.name for flavor in known_flavors()]
    assert sorted(set(names)) == names
    loaders = [loader for flavor in known_flavors() for loader in flavor.loaders]
    assert len(set(loaders)) == len(loaders)


def test_unknown_names_are_refused_with_those_that_are_known() -> None:
    """For names of flavors; a loader that is no flavor's is somebody's own module."""
    with pytest.raises(UnknownFlavorError, match=r"prophet.*python_function, .*sklearn"):
        flavor_named("prophet")
    assert flavor_loading("mlflow.prophet") is None
    assert flavor_loading("mlflow.sklearn") is flavor_named("sklearn")
    assert flavor_registry.GROUP == "holdall.flavors"
