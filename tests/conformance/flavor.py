"""What a flavor must do, as tests: subclass `FlavorLaws` and say what a model of yours is.

    class TestMine(FlavorLaws):
        flavor, loader, distribution = "mine", "mlflow.mine", "mine-ml"
        formats = {"native": {}, "pickle": {"save_as": "pickle"}}
        runs_code = frozenset({"pickle"})

        def make(self) -> tuple[Any, Any]:
            return a trained model, and data that it predicts on

        def predictions(self, model: Any, data: Any) -> Any:
            return model.predict(data)

Each law is tried for each format. A flavor outside of this repository copies this
file, or has holdall's tests on its path; it needs `holdall` and `pytest` alone,
and `mlflow` for the laws about it.
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from holdall.chunks.pool import Pool
from holdall.errors import HoldallError, UntrustedModelError
from holdall.modeling.flavor_registry import flavor_named, flavor_of
from holdall.modeling.loading.trust import Trust, folder_digest
from holdall.storage.memory import MemoryBucket
from holdall.store import Run, Store


class FlavorLaws:
    """Attributes: what the author says; see above."""

    flavor: ClassVar[str]
    loader: ClassVar[str]  # MLflow's name for it, or your own module
    distribution: ClassVar[str]  # what its requirements.txt must list
    formats: ClassVar[Mapping[str, Mapping[str, Any]]] = {"default": {}}
    runs_code: ClassVar[frozenset[str]] = frozenset()  # the formats whose loading can run code
    steady: ClassVar[frozenset[str]] = frozenset()  # the formats that give the same bytes for the same model
    in_mlflow: ClassVar[frozenset[str] | None] = None  # the formats that MLflow loads; None: all
    known: ClassVar[bool] = True  # whether the object shows which flavor it is of

    def make(self) -> tuple[Any, Any]:
        """A model, and data that it predicts on."""
        raise NotImplementedError

    def predictions(self, model: Any, data: Any) -> Any:
        """What the framework itself says the model gives."""
        raise NotImplementedError

    def plain(self, output: Any) -> Any:
        """Predictions as what can be compared with `==`."""
        return (
            output.tolist()
            if hasattr(output, "tolist")
            else output.values.tolist()
            if hasattr(output, "values")
            else output
        )

    # --- inside ---

    @pytest.fixture
    def store(self) -> Store:
        """An empty store."""
        return Store._over(MemoryBucket(), Pool(), trusted=True)

    @pytest.fixture
    def run(self, store: Store) -> Iterator[Run]:
        """A run of it."""
        run = store.runs.start()
        yield run
        run.finish()

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls) -> tuple[Any, Any, Any]:
        """A model, data, and what it predicts."""
        laws = cls()
        model, data = laws.make()
        return model, data, laws.plain(laws.predictions(model, data))

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "format" in metafunc.fixturenames:
            metafunc.parametrize("format", sorted(self.formats))

    # --- the laws ---

    def test_the_object_shows_whose_it_is(self, made: Any) -> None:
        """`holdall.log_model` finds the flavor."""
        if self.known:
            assert flavor_of(made[0]).name == self.flavor
        assert flavor_named(self.flavor).loaders[0] == self.loader

    def test_what_was_logged_loads_and_predicts_the_same(self, store: Store, run: Run, made: Any, format: str) -> None:
        """As the framework's object, and as a python_function; by id and by path."""
        model, data, expected = made
        info = store.models.log(run, model, "model", flavor=self.flavor, **self.formats[format])
        native = store.models.load(info.model_uri, flavor=self.flavor)
        assert self.plain(self.predictions(native, data)) == expected
        assert self.plain(store.models.load_pyfunc(f"runs:/{run.id}/model").predict(data)) == expected

    def test_what_was_saved_to_a_folder_loads(self, store: Store, made: Any, format: str, tmp_path: Path) -> None:
        """A folder that was moved, at that."""
        model, data, expected = made
        store.models.save(model, tmp_path / "made", flavor=self.flavor, **self.formats[format])
        moved = (tmp_path / "made").rename(tmp_path / "moved")
        assert self.plain(store.models.load_pyfunc(moved).predict(data)) == expected

    def test_an_example_makes_a_signature(self, store: Store, run: Run, made: Any, format: str) -> None:
        """Inputs and outputs; but not where the caller says False. The data stays as it was."""
        model, data, expected = made
        given: dict[str, Any] = {"flavor": self.flavor, "input_example": data, **self.formats[format]}
        info = store.models.log(run, model, "model", **given)
        assert info.signature is not None
        assert info.signature.inputs is not None
        assert info.signature.outputs is not None
        loaded = store.models.load_pyfunc(info.model_uri)
        assert self.plain(loaded.predict(data)) == expected
        assert loaded.input_example is not None
        assert store.models.log(run, model, "without", signature=False, **given).signature is None

    def test_the_manifest_says_who_loads_it(self, store: Store, run: Run, made: Any, format: str) -> None:
        """`loader_module` is what MLflow calls it, and the requirements list the framework, pinned."""
        store.models.log(run, made[0], "model", flavor=self.flavor, **self.formats[format])
        said = store.models.describe(f"runs:/{run.id}/model").flavors
        assert said["python_function"]["loader_module"] == self.loader
        assert self.flavor in said
        assert re.search(rf"^{self.distribution}==\d", run.load_text("model/requirements.txt"), re.MULTILINE)

    def test_no_path_of_this_machine_is_kept(
        self, store: Store, made: Any, format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither the folder that it was saved in nor the home of whoever did."""
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        store.models.save(made[0], tmp_path / "model", flavor=self.flavor, **self.formats[format])
        leaks = [str(tmp_path), str(Path.home() / ""), str(Path.cwd())]
        for file in (tmp_path / "model").rglob("*"):
            if file.suffix in ("", ".txt", ".yaml", ".json") and file.is_file():
                text = file.read_text()
                assert [leak for leak in leaks if len(leak) > 5 and leak in text] == [], file.name

    def test_only_what_can_run_code_needs_trust(self, store: Store, made: Any, format: str, tmp_path: Path) -> None:
        """A model of others loads under the strictest policy if it runs none, or if it is listed."""
        store.models.save(made[0], tmp_path / "model", flavor=self.flavor, **self.formats[format])
        strict = Trust("listed")
        if format not in self.runs_code:
            assert store.models.load(tmp_path / "model", flavor=self.flavor, trust=strict) is not None
            return
        for load in (store.models.load, store.models.load_pyfunc):
            with pytest.raises(UntrustedModelError) as caught:
                load(tmp_path / "model", trust=strict)
            assert caught.value.digest == folder_digest(tmp_path / "model")
        listed = Trust("listed", frozenset({caught.value.digest}))
        assert store.models.load(tmp_path / "model", flavor=self.flavor, trust=listed) is not None

    def test_the_same_model_is_stored_once(self, store: Store, run: Run, made: Any, format: str) -> None:
        """It has the same files, with the same environment; of steady formats, it needs no new pack."""
        given = {"flavor": self.flavor, **self.formats[format]}
        store.models.log(run, made[0], "first", **given)
        before = store.maintenance.stats()
        store.models.log(run, made[0], "second", **given)
        after = store.maintenance.stats()
        first, second = (
            {name.partition("/")[2]: digest for name, digest in run.manifest.items() if name.startswith(top)}
            for top in ("first/", "second/")
        )
        assert first.keys() == second.keys()
        other = {name for name in first if first[name] != second[name]}
        assert other & {"requirements.txt", "conda.yaml", "python_env.yaml"} == set()
        if format in self.steady:
            assert other == {"MLmodel"}
            assert after.packs == before.packs

    def test_an_unknown_option_is_refused(self, store: Store, run: Run, made: Any) -> None:
        """Nothing is logged then."""
        with pytest.raises(TypeError, match="no_such_option"):
            store.models.log(run, made[0], "model", flavor=self.flavor, no_such_option=1)
        assert run.manifest == {}

    def test_what_is_none_of_its_models_is_refused(self, store: Store, run: Run) -> None:
        """By an error that says so, not by a file that cannot be loaded."""
        with pytest.raises((TypeError, HoldallError)):
            store.models.log(run, {"no": "model"}, "model", flavor=self.flavor)
        assert run.manifest == {}

    def test_importing_the_flavor_imports_no_framework(self) -> None:
        """Not even one that is installed."""
        module = type(flavor_named(self.flavor)).__module__
        code = f"import sys, {module}; print(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        heavy = {"numpy", "pandas", "sklearn", "torch", "tensorflow", "keras", "xgboost", "lightgbm", "onnx", "mlflow"}
        assert heavy & {name.partition(".")[0] for name in done.stdout.split()} == set()

    def test_mlflow_loads_it(
        self, store: Store, made: Any, format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`mlflow.pyfunc.load_model` of our folder, with the signature and the example in it."""
        if self.in_mlflow is not None and format not in self.in_mlflow:
            pytest.skip(f"MLflow has no {format} for {self.flavor}")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "mlruns"))
        monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")
        theirs = importlib.import_module("mlflow.pyfunc")
        model, data, expected = made
        store.models.save(model, tmp_path / "model", flavor=self.flavor, input_example=data, **self.formats[format])
        loaded = theirs.load_model(str(tmp_path / "model"))
        assert self.plain(loaded.predict(data)) == expected
        assert loaded.metadata.signature is not None
