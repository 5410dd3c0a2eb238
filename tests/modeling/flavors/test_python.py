"""Models of Python's own: classes, functions, files of code, and modules that load data."""

from __future__ import annotations

import importlib
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pydantic
import pytest

from holdall.errors import ContentError, SchemaMismatchError, UntrustedModelError
from holdall.modeling.flavor import PYFUNC
from holdall.modeling.flavor_registry import flavor_of
from holdall.modeling.loading.trust import Trust
from holdall.modeling.python_model import PythonModel, PythonModelContext
from holdall.modeling.signatures.data_types import DataType, Map
from holdall.modeling.signatures.enforcement import hinted_rows
from holdall.modeling.signatures.schema import ColSpec, Schema
from holdall.modeling.signatures.signature import infer_signature
from holdall.store import Run, Store

DATA = pd.DataFrame({"a": [1.0, 2.0, 3.0]})


class Adding(PythonModel):
    """Adds what its file and its configuration say."""

    def load_context(self, context: PythonModelContext) -> None:
        self.more = float(Path(context.artifacts["more"]).read_text())

    def predict(self, context: PythonModelContext, model_input: Any, params: Any = None) -> Any:
        return model_input["a"] * context.model_config.get("times", 1) + self.more + (params or {}).get("extra", 0)


class Streaming(PythonModel):
    """Gives its predictions one by one, and needs no context."""

    def predict(self, model_input: Any) -> Any:
        return list(self.predict_stream(None, model_input))

    def predict_stream(self, context: Any, model_input: Any, params: Any = None) -> Iterator[Any]:
        yield from model_input["a"]


def python(store: Store, run: Run, model: Any, **given: Any) -> Any:
    """A Python model that was logged, loaded again."""
    return store.models.load_pyfunc(store.models.log(run, model, "model", flavor=PYFUNC, **given).model_uri)


def test_a_class_has_its_files_and_its_configuration(store: Store, run: Run, tmp_path: Path) -> None:
    """Artifacts by name, on disk where it is loaded; the configuration of the reader before that of the writer."""
    (tmp_path / "more.txt").write_text("10")
    given: dict[str, Any] = {"artifacts": {"more": str(tmp_path / "more.txt")}, "model_config": {"times": 2}}
    loaded = python(store, run, Adding(), **given)
    assert loaded.predict(DATA).tolist() == [12, 14, 16]
    assert loaded.model_config == {"times": 2}
    other = store.models.load_pyfunc(f"runs:/{run.id}/model", model_config={"times": 3})
    assert other.predict(DATA).tolist() == [13, 16, 19]
    assert run.read("model/artifacts/more.txt") == b"10"
    assert str(tmp_path) not in run.load_text("model/MLmodel")


def test_artifacts_come_from_runs_and_models(store: Store, run: Run) -> None:
    """An address of the store is fetched, and stays in the manifest; of two with one name both are kept."""
    run.log_text("5", "one/more.txt")
    run.log_text("6", "two/more.txt")
    uris = {"more": f"runs:/{run.id}/one/more.txt", "other": f"runs:/{run.id}/two/more.txt"}
    loaded = python(store, run, Adding(), artifacts=uris)
    assert loaded.predict(DATA).tolist() == [6, 7, 8]
    said = loaded.metadata.flavors[PYFUNC]["artifacts"]
    assert said["more"] == {"path": "artifacts/more.txt", "uri": uris["more"]}
    assert run.read(f"model/{said['other']['path']}") == b"6"


def test_params_are_those_of_the_signature(store: Store, run: Run, tmp_path: Path) -> None:
    """What is left out has its default, and what is of another type is refused by name."""
    (tmp_path / "more").write_text("0")
    signature = infer_signature(DATA, None, {"extra": 7})
    loaded = python(store, run, Adding(), artifacts={"more": str(tmp_path / "more")}, signature=signature)
    assert loaded.predict(DATA).tolist() == [8, 9, 10]
    assert loaded.predict(DATA, {"extra": 1}).tolist() == [2, 3, 4]
    with pytest.raises(SchemaMismatchError, match="extra"):
        loaded.predict(DATA, {"extra": "many"})


@pytest.mark.parametrize(
    ("function", "expected"),
    [(lambda data: data["a"] * 2, [2, 4, 6]), (lambda data, params: data["a"] + len(params), [2, 3, 4])],
    ids=["of data", "of data and params"],
)
def test_a_function_is_a_model(store: Store, run: Run, function: Any, expected: list[float]) -> None:
    """Given params or not; and it is the function that is unwrapped again."""
    assert flavor_of(function).name == PYFUNC
    signature = infer_signature(DATA, None, {"extra": 1})
    loaded = python(store, run, function, signature=signature)
    assert loaded.predict(DATA).tolist() == expected
    assert loaded.unwrap_python_model().__name__ == "<lambda>"


def test_predictions_one_by_one(store: Store, run: Run) -> None:
    """From a class that has them; any other says that it has none."""
    loaded = python(store, run, Streaming(), input_example=DATA)
    assert list(loaded.predict_stream(DATA)) == [1.0, 2.0, 3.0]
    assert loaded.predict(DATA) == [1.0, 2.0, 3.0]
    plain = store.models.load_pyfunc(store.models.log(run, lambda data: data, "plain").model_uri)
    with pytest.raises(TypeError, match="all at once"):
        plain.predict_stream(DATA)


def test_code_is_a_model(store: Store, run: Run, tmp_path: Path) -> None:
    """A file whose last line sets the model: kept as text, run when it is loaded."""
    file = tmp_path / "mine.py"
    file.write_text("import numpy\nfrom holdall.models import set_model\nset_model(lambda data: numpy.log1p(data))\n")
    loaded = python(store, run, file, input_example=DATA)
    assert loaded.predict(DATA).equals(np.log1p(DATA))
    assert loaded.metadata.signature.outputs is not None
    assert run.read("model/mine.py") == file.read_bytes()
    assert "numpy==" in run.load_text("model/requirements.txt")
    assert "model_code_path: mine.py" in run.load_text("model/MLmodel")


def test_code_that_sets_no_model_is_refused(store: Store, run: Run, tmp_path: Path) -> None:
    """The error says what its last line should be; nothing is logged."""
    (tmp_path / "mine.py").write_text("x = 1\n")
    with pytest.raises(ContentError, match="set_model"):
        store.models.log(run, tmp_path / "mine.py", "model", flavor=PYFUNC)
    assert run.manifest == {}


def test_a_module_of_ones_own_loads_its_data(
    store: Store, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`loader_module` with `data_path`, in code that comes along; such a model needs trust."""
    (tmp_path / "my_loader_of_text.py").write_text(
        textwrap.dedent("""
        class Said:
            def __init__(self, text): self.text = text
            def predict(self, data): return [self.text] * len(data)
        def _load_pyfunc(path): return Said(open(path).read())
    """)
    )
    (tmp_path / "data.txt").write_text("hello")
    monkeypatch.setattr(sys, "path", list(sys.path))
    info = store.models.log(
        run,
        None,
        "model",
        flavor=PYFUNC,
        loader_module="my_loader_of_text",
        data_path=str(tmp_path / "data.txt"),
        code_paths=[str(tmp_path / "my_loader_of_text.py")],
    )
    with pytest.raises(UntrustedModelError):
        store.models.load_pyfunc(info.model_uri, trust=Trust("listed"))
    assert store.models.load_pyfunc(info.model_uri).predict(DATA) == ["hello"] * 3


@pytest.mark.parametrize("given", [{}, {"loader_module": "json", "model": Streaming()}])
def test_neither_model_nor_loader_is_refused(store: Store, run: Run, given: Mapping[str, Any]) -> None:
    """Nor both."""
    with pytest.raises(ValueError, match="either"):
        store.models.log(
            run, given.get("model"), "m", flavor=PYFUNC, **{k: v for k, v in given.items() if k != "model"}
        )


class Row(pydantic.BaseModel):
    """What a row is."""

    a: int
    b: str


class Hinted(PythonModel):
    """Says by its hints what it takes."""

    def predict(self, model_input: list[Row], params: Any = None) -> list[str]:
        return [row.b * row.a for row in model_input]


def hinted(rows: list[Row]) -> list[str]:
    return Hinted().predict(rows)


def shout(words: list[str]) -> list[str]:
    return [word.upper() for word in words]


def test_a_frame_is_the_list_that_a_hint_asks_for(store: Store, run: Run) -> None:
    """Of one column, its values; of several, its rows as dictionaries. As in MLflow, never its columns' names."""
    loaded = store.models.load_pyfunc(store.models.log(run, shout, "shout").model_uri)
    assert loaded.predict(pd.DataFrame({"word": ["a", "b"]})) == ["A", "B"]
    with pytest.raises(SchemaMismatchError, match="2 columns"):
        loaded.predict(pd.DataFrame({"word": ["a"], "other": ["b"]}))
    with pytest.raises(SchemaMismatchError, match="expected a list, but one text came"):
        loaded.predict("letters")
    schema = Schema([ColSpec(Map(DataType.long))])
    assert hinted_rows(pd.DataFrame({"a": [1], "b": [2]}), schema) == [{"a": 1, "b": 2}]
    assert hinted_rows(pd.DataFrame([[{"a": 1}]]), schema) == [{"a": 1}]


@pytest.mark.parametrize("model", [Hinted(), hinted], ids=["class", "function"])
def test_type_hints_are_a_signature(
    store: Store, run: Run, model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows become what the hints say, here and in MLflow; what they do not admit is refused by name."""
    info = store.models.log(run, model, "model")
    assert info.signature is not None
    loaded = store.models.load_pyfunc(info.model_uri)
    assert loaded.metadata.is_signature_from_type_hint
    rows = [{"a": 2, "b": "x"}, {"a": 1, "b": "y"}]
    assert loaded.predict(rows) == ["xx", "y"]
    with pytest.raises(SchemaMismatchError, match="a"):
        loaded.predict([{"b": "x"}])
    given = store.models.log(run, model, "given", signature=infer_signature(DATA))
    assert given.signature == infer_signature(DATA)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "mlruns"))
    import mlflow.pyfunc

    there = mlflow.pyfunc.load_model(str(store.artifacts.download(info.model_uri, tmp_path)))
    assert there.predict(rows) == ["xx", "y"]


_SCRIPT = """
from __future__ import annotations
import pydantic
from holdall.pyfunc import PythonModel

class Early(PythonModel):
    def predict(self, context, model_input: list[Row], params=None) -> list[int]:
        return [each.year for each in model_input]

class Row(pydantic.BaseModel):
    year: int

class Years(PythonModel):
    def predict(self, context, model_input: list[Row], params=None) -> list[int]:
        return [each.year for each in model_input]
"""


@pytest.mark.parametrize("name", ["Years", "Early"])
def test_hints_that_are_text_stay_hints(
    store: Store, run: Run, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are resolved where the script is, when the class is made or else when it is logged."""
    (tmp_path / "years_script.py").write_text(_SCRIPT)
    monkeypatch.syspath_prepend(tmp_path)
    script = importlib.import_module("years_script")
    info = store.models.log(run, getattr(script, name)(), "model", pip_requirements=[])
    monkeypatch.delattr(script, "Row")
    monkeypatch.delitem(sys.modules, "years_script")
    assert info.signature is not None
    loaded = store.models.load_pyfunc(info.model_uri)
    assert loaded.metadata.is_signature_from_type_hint
    assert loaded.predict([{"year": 2026}]) == [2026]


class Scores(PythonModel):
    """Takes rows whose values may be missing."""

    def predict(self, context: Any, model_input: list[dict[str, float | None]], params: Any = None) -> list[int]:
        return [sum(value is not None for value in row.values()) for row in model_input]


def test_values_of_a_dictionary_may_be_none_where_a_hint_says_so(store: Store, run: Run) -> None:
    """`dict[str, float | None]` and `list[float | None]` take None; without the None in it, it is refused."""
    info = store.models.log(run, Scores(), "model", pip_requirements=[])
    assert store.models.load_pyfunc(info.model_uri).predict([{"a": 1.0, "b": None}, {}]) == [1, 0]

    def strict(rows: list[dict[str, float]]) -> list[int]:
        return [len(row) for row in rows]

    def gaps(rows: list[list[float | None]]) -> list[int]:
        return [len(row) for row in rows]

    refusing = store.models.load_pyfunc(store.models.log(run, strict, "strict", pip_requirements=[]).model_uri)
    with pytest.raises(SchemaMismatchError):
        refusing.predict([{"a": None}])
    lists = store.models.load_pyfunc(store.models.log(run, gaps, "gaps", pip_requirements=[]).model_uri)
    assert lists.predict([[1.0, None]]) == [2]


_THERE = """
import sys
class Nobody:
    def find_spec(self, name, *rest):
        if name.partition(".")[0] == {gone!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Nobody())
import pandas
import {by}.pyfunc
loaded = {by}.pyfunc.load_model(sys.argv[1])
print(loaded.predict(pandas.DataFrame({{"a": [1.0, 2.0, 3.0]}})))
"""


@pytest.mark.parametrize("model", [Streaming(), lambda data: data["a"].tolist()], ids=["class", "function"])
def test_ours_loads_in_mlflow_where_holdall_is_not(
    store: Store, model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our classes go into the pickle by value, so that the folder needs nothing of ours."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    try:
        store.models.save(model, tmp_path / "model", input_example=DATA)
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    assert "holdall" not in (tmp_path / "model/requirements.txt").read_text()
    script = _THERE.format(gone="holdall", by="mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "mlruns"))
    done = subprocess.run([sys.executable, "-c", script, tmp_path / "model"], capture_output=True, text=True)
    assert done.stdout.strip() == "[1.0, 2.0, 3.0]", done.stderr


def test_theirs_loads_here(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class with its files, a function and code that MLflow saved; the function where there is no MLflow, too."""
    import mlflow.pyfunc

    (tmp_path / "more").write_text("10")
    (tmp_path / "theirs.py").write_text("from mlflow.models import set_model\nset_model(lambda x: x['a'] * 3)\n")
    mlflow.pyfunc.save_model(
        tmp_path / "class", python_model=theirs(), artifacts={"more": str(tmp_path / "more")}, model_config={"times": 2}
    )
    assert store.models.load_pyfunc(tmp_path / "class").predict(DATA).tolist() == [12, 14, 16]
    mlflow.pyfunc.save_model(tmp_path / "code", python_model=str(tmp_path / "theirs.py"), pip_requirements=["pandas"])
    assert store.models.load_pyfunc(tmp_path / "code").predict(DATA).tolist() == [3, 6, 9]
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    mlflow.pyfunc.save_model(tmp_path / "function", python_model=doubled, pip_requirements=["pandas"])
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    loaded = store.models.load_pyfunc(tmp_path / "function")
    assert loaded.predict(DATA) == [2, 4, 6]
    script = _THERE.format(gone="mlflow", by="holdall")
    done = subprocess.run([sys.executable, "-c", script, tmp_path / "function"], capture_output=True, text=True)
    assert done.stdout.strip() == "[2.0, 4.0, 6.0]", done.stderr


def doubled(x: Any) -> Any:
    return (x["a"] * 2).tolist()


def theirs() -> Any:
    import mlflow.pyfunc

    base: Any = mlflow.pyfunc.PythonModel

    class Theirs(base):  # type: ignore[misc]
        def load_context(self, context: Any) -> None:
            self.more = float(Path(context.artifacts["more"]).read_text())

        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return model_input["a"] * context.model_config["times"] + self.more

    return Theirs()


class Reading(PythonModel):
    """Knows a file by where it lies."""

    def __init__(self, place: Any) -> None:
        self.place = place

    def predict(self, context: Any, model_input: Any) -> Any:  # `params` may be left out
        return model_input


@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_that_does_not_come_along_is_told_of(
    store: Store, run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: Any
) -> None:
    """The model is logged, with a warning that says how to bring it; of other texts there is none."""
    (tmp_path / "words.txt").write_text("a")
    store.models.log(run, Reading(kind(tmp_path / "words.txt")), "m")
    assert "give it as artifacts={'place': ...}" in caplog.text
    caplog.clear()
    for other in ("words.txt", "/no/such/file", "/" + "x" * 5000, "\0", ""):
        store.models.log(run, Reading(other), f"m{len(other)}")
    assert "artifacts" not in caplog.text
