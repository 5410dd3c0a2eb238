"""The same requests to MLflow's scoring server and to ours: the same status, the same JSON.

For 200 the whole body is compared, and most models here predict what they were given, with all types: so the bodies
agree only if both servers read the request alike. For errors the status, the media type and the words of the error's
kind are; messages are each server's own, and only MLflow's shows a trace of the server's files.

Where the two are to differ, the row says what each answers and why.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.support.asgi import Response, ask
from tests.support.scored import ANSWERS, GO, write_model

import holdall
import holdall.sklearn
from holdall.modeling.signatures.data_types import AnyType, Array, Map, Object, Property
from holdall.modeling.signatures.params import ParamSchema, ParamSpec
from holdall.models import ColSpec, DataType, ModelSignature, Schema, TensorSpec
from holdall.store import Store
from holdall.surfaces.serving.app import make_app
from holdall.surfaces.serving.metrics import Metrics
from holdall.surfaces.serving.service import Identity, Limits

IDENTITY = Identity("m", "m", "sha256:0")
LIMITS = Limits(threads=1)
JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"


def columns(*specs: ColSpec) -> Schema:
    return Schema(specs)


PARAMS = ParamSchema([ParamSpec("rate", DataType.double, 0.5), ParamSpec("ids", DataType.long, [1], (-1,))])
BOX = Object([Property("w", DataType.long), Property("h", DataType.double, False)])
SIGNATURES: dict[str, ModelSignature | None] = {
    "free": None,
    "ab": ModelSignature(
        inputs=columns(
            ColSpec(DataType.double, "a"), ColSpec(DataType.long, "b"), ColSpec(DataType.string, "s", required=False)
        )
    ),
    "params": ModelSignature(inputs=columns(ColSpec(DataType.double, "a")), params=PARAMS),
    "all": ModelSignature(inputs=columns(*(ColSpec(each, each.value) for each in DataType))),
    "one": ModelSignature(inputs=columns(ColSpec(DataType.long, "n"))),
    "text": ModelSignature(inputs=columns(ColSpec(DataType.string, "s"))),
    "bytes": ModelSignature(inputs=columns(ColSpec(DataType.binary, "raw"))),
    "date": ModelSignature(inputs=columns(ColSpec(DataType.datetime, "t"))),
    "list": ModelSignature(inputs=columns(ColSpec(Array(DataType.double), "v"))),
    "box": ModelSignature(inputs=columns(ColSpec(BOX, "box"), ColSpec(DataType.long, "n"))),
    "map": ModelSignature(inputs=columns(ColSpec(Map(DataType.long), "m"))),
    "any": ModelSignature(inputs=columns(ColSpec(AnyType(), "x"))),
    "unnamed": ModelSignature(inputs=columns(ColSpec(DataType.double), ColSpec(DataType.double))),
    "tensor": ModelSignature(inputs=Schema([TensorSpec("float32", (-1, 2))])),
    "tensors": ModelSignature(inputs=Schema([TensorSpec("float64", (-1, 2), "x"), TensorSpec("int64", (-1,), "y")])),
    "image": ModelSignature(inputs=Schema([TensorSpec("float64", (-1, 2, 2), "x")])),
    "hinted": ModelSignature(inputs=columns(ColSpec(DataType.string))),
}


def split(columns: list[str] | None, *rows: list[Any]) -> dict[str, Any]:
    return {"dataframe_split": ({"columns": columns} if columns else {}) | {"data": rows}}


def records(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"dataframe_records": rows}


def parquet(**data: Any) -> bytes:
    held = io.BytesIO()
    pd.DataFrame(data).to_parquet(held)
    return held.getvalue()


ALL = {
    "boolean": True,
    "integer": 1,
    "long": 2,
    "float": 1.5,
    "double": 2.5,
    "string": "x",
    "binary": "AAH/",
    "datetime": "2024-05-01T02:03:04.567",
}

# (model, body, Content-Type): a body that is no bytes is sent as JSON
SAME: list[tuple[str, Any, str]] = [
    # tables
    ("ab", split(["a", "b"], [1.0, 2], [3.5, 4]), JSON),
    ("ab", split(["b", "a"], [2, 1]), JSON),
    ("ab", split(["a", "b", "more"], [1, 2, 3]), JSON),
    ("ab", split(["a", "b", "s"], [1.0, 2, None], [1.0, 2, "x"]), JSON),
    ("ab", split(["a", "b", "s"], [1.0, 2, 7]), JSON),
    ("ab", split(["a"], [1.0]), JSON),
    ("ab", split(["a", "b"], [1.0, 1.7]), JSON),
    ("ab", split(["a", "b"], ["1.5", "2"]), JSON),
    ("ab", split(["a", "b"], ["one", 2]), JSON),
    ("ab", split(["a", "b"], [1.0, None]), JSON),
    ("ab", split(["a", "b"], [None, 2]), JSON),
    ("ab", split(["a", "b"], [1.0, 2**63]), JSON),
    ("ab", split(["a", "a", "b"], [1, 1, 2]), JSON),
    ("ab", split(["a", "b"]), JSON),
    ("ab", {"dataframe_split": {"columns": ["a", "b"], "index": [7], "data": [[1, 2]]}}, JSON),
    ("ab", {"dataframe_split": {"columns": ["a", "b"], "rows": [[1, 2]]}}, JSON),
    ("ab", {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2]], "more": 1}}, JSON),
    ("ab", {"dataframe_split": [[1, 2]]}, JSON),
    ("ab", {"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}, JSON),
    ("ab", records({"a": 1.0, "b": 2}, {"b": 3, "a": 2}), JSON),
    ("ab", records({"a": 1.0, "b": 2}, {"a": 2}), JSON),
    ("ab", records({"a": 1.0}), JSON),
    ("ab", records(), JSON),
    ("ab", {"dataframe_records": {"a": 1, "b": 2}}, JSON),
    ("ab", {"dataframe_records": "text"}, JSON),
    ("free", split(None, [1, "a"], [2, "b"]), JSON),
    ("free", records({"a": 1}, {"b": [1, 2]}), JSON),
    ("all", records(ALL), JSON),
    ("all", records(ALL | {"boolean": 0.5}), JSON),
    ("all", records(ALL | {"float": 1e300}), JSON),
    ("all", records(ALL | {"binary": "###"}), JSON),
    ("all", records(ALL | {"binary": 5}), JSON),
    ("all", records(ALL | {"datetime": "yesterday-ish"}), JSON),
    ("all", records(ALL | {"datetime": 0}), JSON),
    ("all", records(ALL | {"datetime": "2024-05-01T00:00:00+02:00"}), JSON),
    ("unnamed", split(None, [1, 2.5]), JSON),
    ("unnamed", split(["x", "y", "z"], [1, 2.5, 3]), JSON),
    ("unnamed", split(None, [1]), JSON),
    ("list", records({"v": [1.0, 2.5]}, {"v": [1, 2]}), JSON),
    ("list", records({"v": "text"}), JSON),
    ("box", records({"box": {"w": 1, "h": 2.5}, "n": 1}, {"box": {"w": 1}, "n": 2}), JSON),
    ("box", records({"box": {"h": 2.5}, "n": 1}), JSON),
    ("box", records({"box": {"w": 1, "more": 2}, "n": 1}), JSON),
    ("map", records({"m": {"a": 1, "b": 2}}), JSON),
    ("map", records({"m": {"a": "x"}}), JSON),
    ("any", records({"x": [1, {"y": None}]}), JSON),
    ("tensor", split(["p", "q"], [1, 2], [3, 4]), JSON),
    ("tensors", records({"x": [1.0, 2.0], "y": 1}, {"x": [3.0, 4.0], "y": 2}), JSON),
    ("image", records({"x": [1, 2, 3, 4]}), JSON),
    # inputs
    ("ab", {"inputs": {"a": [1.0, 2.0], "b": [1, 2]}}, JSON),
    ("ab", {"inputs": {"a": 1.0, "b": 2}}, JSON),
    ("ab", {"inputs": {"a": [1.0, 2.0], "b": [1.7, 2]}}, JSON),
    ("ab", {"inputs": {"a": [1.0], "b": ["x"]}}, JSON),
    ("ab", {"inputs": {"a": [1.0], "b": [1, 2]}}, JSON),
    ("ab", {"inputs": [{"a": 1.0, "b": 2}, {"a": 2.0, "b": 3}]}, JSON),
    ("ab", {"inputs": [1, 2]}, JSON),
    ("ab", {"inputs": []}, JSON),
    ("ab", {"inputs": {}}, JSON),
    ("one", {"inputs": [1, 2, 3]}, JSON),
    ("one", {"inputs": 5}, JSON),
    ("one", {"inputs": [[1], [2]]}, JSON),
    ("text", {"inputs": ["a", "bcd"]}, JSON),
    ("text", {"inputs": "a"}, JSON),
    ("text", {"inputs": [1, 2]}, JSON),
    ("bytes", {"inputs": ["abc"]}, JSON),
    ("bytes", {"inputs": ["\u00e9"]}, JSON),
    ("date", {"inputs": ["2024-05-01"]}, JSON),
    ("date", {"inputs": ["soon"]}, JSON),
    ("list", {"inputs": {"v": [1.0, 2.0]}}, JSON),
    ("list", {"inputs": [{"v": [1.0]}, {"v": [2.0, 3.0]}]}, JSON),
    ("box", {"inputs": {"box": {"w": 1}, "n": 2}}, JSON),
    ("box", {"inputs": {"box": {"w": "x"}, "n": 2}}, JSON),
    ("map", {"inputs": {"m": {"a": 1}}}, JSON),
    ("any", {"inputs": {"x": ["a", 1]}}, JSON),
    ("any", {"inputs": ["a", 1]}, JSON),
    ("unnamed", {"inputs": [[1, 2]]}, JSON),
    ("unnamed", {"inputs": {"a": 1}}, JSON),
    ("tensor", {"inputs": [[1, 2], [3, 4]]}, JSON),
    ("tensor", {"inputs": [[1, 2, 3]]}, JSON),
    ("tensor", {"inputs": [["a", "b"]]}, JSON),
    ("tensor", {"inputs": {"x": [[1, 2]]}}, JSON),
    ("tensors", {"inputs": {"x": [[1, 2], [3, 4]], "y": [1, 2]}}, JSON),
    ("tensors", {"inputs": {"x": [[1, 2]]}}, JSON),
    ("image", {"inputs": {"x": [[[1, 2], [3, 4]]]}}, JSON),
    ("free", {"inputs": [[1, 2], [3]]}, JSON),
    ("free", {"inputs": None}, JSON),
    ("free", {"inputs": {"a": [1], "b": "x"}}, JSON),
    ("free", {"inputs": float("nan")}, JSON),
    ("hinted", {"inputs": [{"any": "thing"}]}, JSON),
    ("hinted", split(["a"], [1]), JSON),
    # instances
    ("ab", {"instances": [{"a": 1.0, "b": 2}, {"a": 2.0, "b": 3}]}, JSON),
    ("ab", {"instances": [{"a": 1.0, "b": 2}, {"a": 2.0}]}, JSON),
    ("ab", {"instances": {"a": [1.0], "b": [2]}}, JSON),
    ("ab", {"instances": {"a": [1.0, 2.0], "b": [2]}}, JSON),
    ("one", {"instances": [1, 2]}, JSON),
    ("list", {"instances": [{"v": [1.0]}, {"v": [2.0]}]}, JSON),
    ("tensor", {"instances": [[1, 2]]}, JSON),
    ("tensors", {"instances": [{"x": [1.0, 2.0], "y": 1}]}, JSON),
    ("free", {"instances": [1, "a"]}, JSON),
    ("free", {"instances": [{"a": 1}, {"a": "x"}]}, JSON),
    # the frame of a request
    ("ab", {}, JSON),
    ("ab", {"data": [1]}, JSON),
    ("ab", {"inputs": [1], "instances": [1]}, JSON),
    ("one", {"inputs": [1], "signature_name": "x", "unknown": 1}, JSON),
    ("ab", [1, 2], JSON),
    ("ab", "text", JSON),
    ("ab", None, JSON),
    ("ab", b"{", JSON),
    ("ab", b"", JSON),
    ("ab", b"\xff\xfe", JSON),
    ("one", json.dumps({"inputs": [1]}).encode("utf-16"), JSON),
    ("one", {"inputs": [1]}, "application/json; charset=utf-8"),
    ("one", {"inputs": [1]}, "application/json;charset=UTF-8"),
    ("one", {"inputs": [1]}, "application/json; charset=latin-1"),
    ("one", {"inputs": [1]}, "application/json; format=pandas-split"),
    ("one", {"inputs": [1]}, "Application/JSON"),
    ("one", {"inputs": [1]}, "text/plain"),
    ("one", {"inputs": [1]}, "application/json; "),
    # params
    ("params", {"inputs": [1.0], "params": {"rate": 0.9}}, JSON),
    ("params", {"inputs": [1.0], "params": {"rate": 1, "ids": [1, 2]}}, JSON),
    ("params", {"inputs": [1.0], "params": {"rate": "fast"}}, JSON),
    ("params", {"inputs": [1.0], "params": {"ids": 3}}, JSON),
    ("params", {"inputs": [1.0], "params": {"unknown": 3}}, JSON),
    ("params", {"inputs": [1.0], "params": [1]}, JSON),
    ("params", {"inputs": [1.0], "params": None}, JSON),
    ("params", {"inputs": [1.0]}, JSON),
    ("ab", split(["a", "b"], [1, 2]) | {"params": {"rate": 1}}, JSON),
    # what chats send
    ("free", {"messages": [{"role": "user", "content": "hi"}], "rate": 1}, JSON),
    ("free", {"input": ["a"], "inputs": [1]}, JSON),
    ("free", {"prompt": "a", "params": {"x": 1}}, JSON),
    # other types
    ("ab", b"a,b\n1,2\n3,4\n", CSV),
    ("ab", b"a,b,s\n1,2,007\n", CSV),
    ("ab", b"a\n1\n", CSV),
    ("ab", b"a,b\n1,x\n", CSV),
    ("ab", b"a,b\n1,\n", CSV),
    ("ab", b"", CSV),
    ("ab", b"\xff", CSV),
    ("free", b"a,b\n1,x\n", CSV),
    ("unnamed", b"a,b\n1,2\n", CSV),
    ("tensor", b"a,b\n1,2\n", CSV),
    ("list", b"v\n1\n", CSV),
    ("date", b"t\n2024-05-01\n", CSV),
    ("ab", parquet(a=[1.0], b=[2]), PARQUET),
    ("ab", parquet(a=[1.0], b=[2.5]), PARQUET),
    ("ab", parquet(a=[1.0]), PARQUET),
    ("ab", b"PAR1", PARQUET),
    ("ab", b"a,b\n1,2\n", PARQUET),
    # answers
    *((f"={name}", {"inputs": [1]}, JSON) for name in ANSWERS if name != "set"),
    ("=failing", {"inputs": [1]}, JSON),
    ("=nothing", {"prompt": "hi"}, JSON),
]


@dataclass(frozen=True)
class Difference:
    """A request that the two answer differently. Attributes: theirs, ours: the status, and the code of an error."""

    model: str
    body: Any
    content_type: str | None
    theirs: tuple[int, str]
    ours: tuple[int, str]
    why: str


PREDICTED = ["low", "low", "high", "high"]
BAD = "BAD_REQUEST"
DIFFERENT = [
    Difference("one", {"inputs": [1]}, None, (500, ""), (415, ""), "they crash without a Content-Type"),
    Difference("ab", b'{"inputs":' + b"[" * 100_000, JSON, (500, ""), (400, BAD), "they crash on deep JSON"),
    Difference("ab", b'{"inputs":' + b"1" * 5_000 + b"}", JSON, (500, ""), (400, BAD), "they crash on long numbers"),
    Difference(
        "ab",
        {"dataframe_split": {"columns": [["a"], {"b": 1}], "data": [[1, 2]]}},
        JSON,
        (500, ""),
        (400, BAD),
        "they crash on columns whose names are no names",
    ),
    Difference(
        "=set", {"inputs": 1}, JSON, (500, ""), (500, "INTERNAL_ERROR"), "they do not say that the answer is no JSON"
    ),
]


def sent(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


class Both:
    """Both servers, for each model on first use; all in one event loop."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._apps = folder, dict[str, tuple[Any, Any]]()
        self._runner = asyncio.Runner()
        self._store = Store.open(str(folder / "store"))

    def close(self) -> None:
        self._runner.close()

    def ask(self, model: str, body: Any, content_type: str | None) -> tuple[Response, Response]:
        """What MLflow's server answers, and what ours does."""
        if model not in self._apps:
            self._apps[model] = self.made(model)
        theirs, ours = (self.call(app, "POST", "/invocations", body, content_type) for app in self._apps[model])
        return theirs, ours

    def call(self, app: Any, method: str, path: str, body: Any = b"", content_type: str | None = None) -> Response:
        headers = {} if content_type is None else {"Content-Type": content_type}
        return self._runner.run(ask(app, method, path, sent(body), headers))

    def apps(self, model: str = "free") -> tuple[Any, Any]:
        """Both servers of a model that says what it was given."""
        self.ask(model, {"inputs": 1}, JSON)
        return self._apps[model]

    def made(self, model: str, limits: Limits = LIMITS) -> tuple[Any, Any]:
        """Both servers of a model."""
        signature = None if model.startswith("=") else SIGNATURES[model]
        more = {"is_signature_from_type_hint": True} if model == "hinted" else {}
        name = model.removeprefix("=") if model.startswith("=") else "echo"
        said = signature.to_dict() if signature else None
        return self.served(write_model(self.folder / "models" / model, name, said, **more), limits)

    def served(self, folder: Path, limits: Limits = LIMITS) -> tuple[Any, Any]:
        """Both servers of the model in a folder."""
        import mlflow.pyfunc
        from mlflow.pyfunc import scoring_server

        ours = make_app(self._store.models.load_pyfunc(folder), IDENTITY, limits, Metrics(IDENTITY))
        return scoring_server.init(mlflow.pyfunc.load_model(str(folder))), ours


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Both servers."""
    pytest.importorskip("mlflow")
    servers = Both(tmp_path_factory.mktemp("both"))
    quiet = [logging.getLogger(name) for name in ("mlflow", "holdall")]
    levels = [each.level for each in quiet]
    for each in quiet:
        each.setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield servers
    for each, level in zip(quiet, levels, strict=True):
        each.setLevel(level)
    servers.close()


def code(response: Response) -> str:
    """The error_code of an answer; "" if it has none."""
    try:
        body = json.loads(response.body)
    except ValueError:
        return ""
    return str(body.get("error_code", "")) if isinstance(body, dict) else ""


def words(response: Response) -> dict[str, str]:
    """What an answer says of an error, but for its message and a trace of the server's files."""
    said = json.loads(response.body) if response.media_type == JSON else {}
    return {key: value for key, value in said.items() if key not in ("message", "stack_trace")}


@pytest.mark.parametrize(("model", "body", "content_type"), SAME)
@pytest.mark.every(2)
def test_a_request_is_answered_as_mlflow_answers_it(both: Both, model: str, body: Any, content_type: str) -> None:
    """The same status and media type; the same JSON, or the same code of an error."""
    theirs, ours = both.ask(model, body, content_type)
    shown = f"\ntheirs {theirs.status} {theirs.body!r:.600}\nours   {ours.status} {ours.body!r:.600}"
    assert (ours.status, ours.media_type) == (theirs.status, theirs.media_type), shown
    if theirs.status == 200:
        assert ours.body == theirs.body, shown
    else:
        assert words(ours) == words(theirs), shown


@pytest.mark.parametrize("row", DIFFERENT, ids=lambda row: row.why)
def test_where_the_two_differ_it_is_on_purpose(both: Both, row: Difference) -> None:
    """Each answers what the table says."""
    theirs, ours = both.ask(row.model, row.body, row.content_type)
    assert (theirs.status, code(theirs)) == row.theirs, theirs.body[:300]
    assert (ours.status, code(ours)) == row.ours, ours.body[:300]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "HEAD"])
@pytest.mark.parametrize("path", ["/ping", "/health", "/version", "/invocations", "/nowhere", "/"])
def test_paths_and_methods_are_mlflows(both: Both, method: str, path: str) -> None:
    """The same status and body, but for the version; and HEAD works where GET does, as HTTP wants it."""
    theirs, ours = (both.call(app, method, path) for app in both.apps())
    if method == "HEAD" and path in ("/ping", "/health", "/version"):
        assert (theirs.status, ours.status) == (405, 200)
    elif (method, path) == ("POST", "/invocations"):
        assert (theirs.status, ours.status) == (500, 415)  # no Content-Type
    else:
        assert (ours.status, ours.media_type) == (theirs.status, theirs.media_type)
        assert path == "/version" or ours.body == theirs.body


def test_a_slow_prediction_is_given_up_as_mlflow_does(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """504, with the same text."""
    monkeypatch.setenv("MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT", "1")
    GO.clear()
    mlflows, holdalls = both.made("=slow", Limits(timeout=0.1))
    ours = both.call(holdalls, "POST", "/invocations", {"inputs": 1}, JSON)
    wait_for = asyncio.wait_for

    async def then_go(*args: Any, **kwargs: Any) -> Any:
        try:
            return await wait_for(*args, **kwargs)
        finally:
            GO.set()  # MLflow's application does not return before its thread does

    monkeypatch.setattr(asyncio, "wait_for", then_go)
    theirs = both.call(mlflows, "POST", "/invocations", {"inputs": 1}, JSON)
    assert (ours.status, ours.media_type, ours.body) == (theirs.status, theirs.media_type, theirs.body)
    assert ours.status == 504


def test_a_model_of_scikit_learn_is_served_alike(both: Both) -> None:
    """Logged by holdall with a signature of its own making, asked in every form."""
    from sklearn.linear_model import LogisticRegression

    table = pd.DataFrame({"a": [0.5, 1.5, 2.5, 3.5], "n": [1, 0, 2, 1]})
    fitted = LogisticRegression().fit(table, ["low", "low", "high", "high"])
    folder = both.folder / "sklearn"
    holdall.sklearn.save_model(fitted, folder, input_example=table)
    apps = both.served(folder)
    bodies: list[tuple[Any, str]] = [
        ({"dataframe_split": table.to_dict(orient="split")}, JSON),
        ({"dataframe_records": table.to_dict(orient="records")}, JSON),
        ({"inputs": table.to_dict(orient="list")}, JSON),
        ({"instances": table.to_dict(orient="records")}, JSON),
        (table.to_csv(index=False).encode(), CSV),
        (parquet(**table), PARQUET),
        (parquet(a=table["a"]), PARQUET),
    ]
    for body, kind in bodies:
        theirs, ours = (both.call(app, "POST", "/invocations", body, kind) for app in apps)
        assert ours.status == theirs.status
        assert ours.status == 400 or json.loads(ours.body) == json.loads(theirs.body) == {"predictions": PREDICTED}


@pytest.mark.parametrize("name", SIGNATURES)
def test_every_signature_has_an_interface(both: Both, name: str) -> None:
    """It is written as JSON, and each form of data is in it."""
    document = json.loads(both.call(both.apps(name)[1], "GET", "/openapi.json").body)
    forms = document["components"]["schemas"]["Request"]["oneOf"]
    assert {"dataframe_split", "inputs", "instances"} <= {key for form in forms for key in form["properties"]}


def test_the_table_is_long() -> None:
    """More than a hundred requests, each once."""
    assert len(SAME) > 100
    assert len({repr(row) for row in SAME}) == len(SAME)
