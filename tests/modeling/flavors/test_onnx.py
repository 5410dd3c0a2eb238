"""ONNX keeps the laws of a flavor, run by onnxruntime; and what is its own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.conformance.flavor import FlavorLaws

import holdall
import holdall.onnx
from holdall.errors import ContentError, UntrustedModelError
from holdall.modeling.loading.trust import Trust
from holdall.modeling.signatures.signature import infer_signature
from holdall.store import Run, Store

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)
FRAME = pd.DataFrame(ROWS, columns=["a", "b", "c"])


def graph(nodes: Sequence[Any], inputs: Mapping[str, Any], outputs: Mapping[str, Any], **tensors: Any) -> Any:
    """A model of a few nodes. Inputs and outputs: names, with their shapes."""
    given, made_of = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in each.items()]
        for each in (inputs, outputs)
    )
    weights = [numpy_helper.from_array(np.asarray(each, np.float32), name) for name, each in tensors.items()]
    made = helper.make_graph(list(nodes), "test", given, made_of, weights)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def linear(width: int = 1) -> Any:
    """`x @ w`; from a width of 100 on, `w` is kept in a file of its own."""
    weight = np.linspace(-1, 1, 3 * width).reshape(3, width)
    return graph([helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": [None, 3]}, {"y": [None, width]}, w=weight)


def sums() -> Any:
    """`p + q`, and `p` itself with two columns."""
    nodes = [helper.make_node("Add", ["p", "q"], ["sum"]), helper.make_node("Concat", ["p", "q"], ["both"], axis=1)]
    column = [None, 1]
    return graph(nodes, {"p": column, "q": column}, {"sum": column, "both": [None, 2]})


def ran(model: Any, fed: Mapping[str, Any]) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(fed)), strict=True))


class TestOnnx(FlavorLaws):
    flavor, loader, distribution = "onnx", "mlflow.onnx", "onnx"
    formats: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "two files": {},
        "one file": {"save_as_external_data": False},
    }
    steady = frozenset({"two files", "one file"})

    def make(self) -> tuple[Any, Any]:
        return linear(100), ROWS

    def predictions(self, model: Any, data: Any) -> Any:
        return ran(model, {"x": data})

    def plain(self, output: Any) -> Any:
        return {name: each.tolist() for name, each in output.items()}


def test_logging_leaves_the_model_as_it_is(store: Store, run: Run) -> None:
    """onnx takes the tensors out of what it writes; not out of the caller's, and all come back."""
    model, before = linear(400), linear(400).SerializeToString()
    info = store.models.log(run, model, "model")
    assert model.SerializeToString() == before
    assert {"model/model.onnx", "model/initializers.data"} <= run.manifest.keys()
    loaded = store.models.load(info.model_uri)
    assert ran(loaded, {"x": ROWS})["y"].tolist() == ran(model, {"x": ROWS})["y"].tolist()


@pytest.mark.parametrize(
    "data",
    [ROWS, ROWS.astype(np.float64), FRAME, FRAME.astype(np.float64), {"x": ROWS}, {"x": ROWS.tolist()}],
    ids=["array", "doubles", "frame", "frame of doubles", "by name", "lists"],
)
def test_one_input_takes_anything(store: Store, run: Run, data: Any) -> None:
    """A frame gives a frame; all else arrays by name. Doubles become floats where the graph takes floats."""
    loaded = store.models.load_pyfunc(store.models.log(run, linear(), "model").model_uri)
    expected = ran(linear(), {"x": ROWS})["y"]
    found = loaded.predict(data)["y"]
    assert isinstance(found, pd.Series) == isinstance(data, pd.DataFrame)
    assert np.array_equal(np.asarray(found).ravel(), expected.ravel())


@pytest.mark.parametrize("rows", [0, 1, 3, 4])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_frame_has_as_many_rows_as_went_in(store: Store, tmp_path: Path, rows: int, width: int) -> None:
    """Whether one output has one value per row or several; the index is a new one."""
    model, data = linear(width), ROWS[:rows]
    store.models.save(model, tmp_path / "model", pip_requirements=[])
    found = store.models.load_pyfunc(tmp_path / "model").predict(FRAME[:rows])
    expected = ran(model, {"x": data})["y"].tolist()
    assert [np.atleast_1d(each).tolist() for each in found["y"]] == expected
    assert len(found) == rows


def test_several_inputs_are_given_by_name(store: Store, run: Run) -> None:
    """In a frame too, whose outputs have a list where there are several values per row."""
    loaded = store.models.load_pyfunc(store.models.log(run, sums(), "model").model_uri)
    p, q = ROWS[:, :1], ROWS[:, 1:2]
    assert loaded.predict({"p": p, "q": q})["both"].tolist() == np.hstack([p, q]).tolist()
    with pytest.raises(ValueError, match="cannot be all of the inputs p, q"):
        loaded.predict(ROWS)
    with pytest.raises(TypeError, match="not a str"):
        loaded.predict("rows")


def test_a_frame_of_columns_feeds_a_graph_of_vectors(store: Store, run: Run) -> None:
    """One column per input, and lists where an output has more values than rows."""
    column = [None]
    nodes = [
        helper.make_node("Add", ["p", "q"], ["sum"]),
        helper.make_node("Unsqueeze", ["p", "axis"], ["standing"]),
        helper.make_node("MatMul", ["standing", "w"], ["both"]),
    ]
    model = graph(nodes, {"p": column, "q": column}, {"sum": column, "both": [None, 2]}, w=[[1, 2]])
    model.graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "axis"))
    loaded = store.models.load_pyfunc(store.models.log(run, model, "model").model_uri)
    found = loaded.predict(pd.DataFrame({"q": [1.0, 2.0], "p": [3.0, 4.0]}))
    assert found["sum"].tolist() == [4.0, 6.0]
    assert [each.tolist() for each in found["both"]] == [[3.0, 6.0], [4.0, 8.0]]


def test_the_signature_holds(store: Store, run: Run) -> None:
    """A tensor of another width is refused by name and shape."""
    given = infer_signature({"x": ROWS}, {"y": ROWS[:, :1]})
    loaded = store.models.load_pyfunc(store.models.log(run, linear(), "model", signature=given).model_uri)
    assert loaded.predict({"x": ROWS})["y"].shape == (4, 1)
    with pytest.raises(ValueError, match=re.escape("(-1, 3)")):
        loaded.predict({"x": ROWS[:, :2]})


def test_what_onnxruntime_is_told_is_kept(store: Store, run: Run) -> None:
    """Providers and options, those of value 0 too; what it does not know is refused before anything is logged."""
    options = {"intra_op_num_threads": 1, "execution_mode": "sequential", "graph_optimization_level": 0}
    given: dict[str, Any] = {"onnx_execution_providers": ["CPUExecutionProvider"], "onnx_session_options": options}
    info = store.models.log(run, linear(), "model", **given)
    assert info.flavors["onnx"]["providers"] == ["CPUExecutionProvider"]
    assert info.flavors["onnx"]["onnx_session_options"] == options
    assert store.models.load_pyfunc(info.model_uri).predict(ROWS)["y"].shape == (4, 1)
    for wrong in ({"optimized_model_filepath": "x"}, {"execution_mode": "fast"}, {"graph_optimization_level": 7}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            store.models.log(run, linear(), "other", onnx_session_options=wrong)


@pytest.mark.parametrize(
    "given",
    [
        {"onnx_execution_providers": [("TensorrtExecutionProvider", {"trt_extra_plugin_lib_paths": "x.so"})]},
        {"onnx_session_options": {"extra_session_config": {"session.use_env_allocators": "1"}}},
    ],
    ids=["provider", "setting"],
)
def test_what_may_load_libraries_needs_trust(store: Store, tmp_path: Path, given: dict[str, Any]) -> None:
    """Options of providers, and settings that we do not know."""
    store.models.save(linear(), tmp_path / "model", **given)
    with pytest.raises(UntrustedModelError, match="MLmodel"):
        store.models.load_pyfunc(tmp_path / "model", trust=Trust("listed"))
    assert store.models.load_pyfunc(tmp_path / "model").predict(ROWS)["y"].shape == (4, 1)


def test_tensors_lie_in_the_folder(store: Store, tmp_path: Path) -> None:
    """A graph that points elsewhere is refused, whichever way it is loaded."""
    (tmp_path / "secret").write_bytes(bytes(12))
    store.models.save(linear(), tmp_path / "model")
    model = linear()
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../secret")
    (tmp_path / "model/model.onnx").write_bytes(model.SerializeToString())
    for load in (store.models.load, store.models.load_pyfunc):
        with pytest.raises(ContentError, match=re.escape("model.onnx")):
            load(tmp_path / "model")


@pytest.mark.parametrize("data", [b"", b"no model"], ids=repr)
def test_what_is_no_model_is_refused(store: Store, tmp_path: Path, data: bytes) -> None:
    """The error names the file."""
    store.models.save(linear(), tmp_path / "model")
    (tmp_path / "model/model.onnx").write_bytes(data)
    with pytest.raises(ContentError, match=re.escape("model.onnx")):
        store.models.load(tmp_path / "model")


def test_only_a_whole_model_is_kept(store: Store, run: Run) -> None:
    """Not a part of one."""
    with pytest.raises(TypeError, match=r"onnx\.ModelProto.*not a GraphProto"):
        store.models.log(run, linear().graph, "model")


@pytest.mark.parametrize("data", [ROWS, FRAME, {"x": ROWS}], ids=["array", "frame", "by name"])
def test_between_us_and_mlflow(store: Store, tmp_path: Path, data: Any) -> None:
    """Its folder loads here, and ours as its native object; both predict the same."""
    theirs, pyfunc = pytest.importorskip("mlflow.onnx"), pytest.importorskip("mlflow.pyfunc")
    model = linear(400) if isinstance(data, np.ndarray) else linear()
    store.models.save(model, tmp_path / "ours")
    theirs.save_model(
        linear(400) if isinstance(data, np.ndarray) else linear(), str(tmp_path / "theirs"), pip_requirements=["onnx"]
    )
    assert theirs.load_model(str(tmp_path / "ours")).graph.initializer[0].name == "w"
    assert store.models.load(tmp_path / "theirs", trust=Trust("listed")).graph.initializer[0].name == "w"
    mine, other = (
        store.models.load_pyfunc(tmp_path / "theirs").predict(data),
        pyfunc.load_model(str(tmp_path / "ours")).predict(data),
    )
    assert type(mine) is type(other)
    assert np.array_equal(mine["y"], other["y"])


def test_the_face_logs_saves_and_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As MLflow's does, with its arguments."""
    monkeypatch.setenv("HOLDALL_STORE", str(tmp_path / "store"))
    with holdall.start_run():
        info = holdall.onnx.log_model(linear(), name="model", input_example=ROWS, save_as_external_data=False)
    assert info.signature is not None
    holdall.onnx.save_model(linear(), tmp_path / "model")
    for where in (info.model_uri, tmp_path / "model"):
        assert holdall.onnx.load_model(where) == onnx.load(tmp_path / "model/model.onnx")


def in_two_files(folder: Path) -> Any:
    """A model whose weights were not loaded with it."""
    onnx.save_model(linear(400), folder / "two.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    return onnx.load(folder / "two.onnx", load_external_data=False)


def within_a_function(model: Any) -> Any:
    """The same, where nobody looks: in the attribute of a node, of a branch, of a function."""
    weight = model.graph.initializer[0]
    constant = helper.make_node("Constant", [], ["w"], value=weight)
    branch = helper.make_graph(
        [constant], "branch", [], [helper.make_tensor_value_info("w", TensorProto.FLOAT, [3, 400])]
    )
    model.functions.append(
        helper.make_function("mine", "F", [], ["w"], [helper.make_node("If", ["c"], ["w"], then_branch=branch)], [])
    )
    del model.graph.initializer[:]
    return model


@pytest.mark.parametrize("hide", [lambda model: model, within_a_function], ids=["initializer", "function"])
@pytest.mark.parametrize("external", [True, False])
def test_a_model_whose_tensors_were_not_loaded_is_refused(
    store: Store, run: Run, tmp_path: Path, hide: Any, external: bool
) -> None:
    """It would be READY without weights; the error says how to bring them, and then it goes through."""
    model = hide(in_two_files(tmp_path))
    with pytest.raises(ValueError, match="load_external_data_for_model"):
        store.models.log(run, model, "m", save_as_external_data=external)
    assert run.manifest == {}
    whole = in_two_files(tmp_path)
    onnx.load_external_data_for_model(whole, str(tmp_path))
    info = store.models.log(run, whole, "m", save_as_external_data=external)
    assert ran(store.models.load(info.model_uri), {"x": ROWS})["y"].shape == (4, 400)


@pytest.mark.parametrize("location", ["../weights", "/tmp/weights", "model.onnx", "."])
def test_tensors_are_written_into_the_folder(store: Store, run: Run, location: str) -> None:
    """And to no place where something else is."""
    with pytest.raises(ValueError, match="location"):
        store.models.log(run, linear(400), "m", location=location)


def test_a_model_that_onnx_refuses_is_not_logged(store: Store, run: Run) -> None:
    """It could not be loaded again."""
    model = linear()
    model.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(ValueError, match="could not load this model again"):
        store.models.log(run, model, "m")
    assert run.manifest == {}
