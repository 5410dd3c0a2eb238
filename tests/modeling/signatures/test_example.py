"""Input examples: both files byte for byte MLflow's, and MLflow reads them."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pydantic
import pytest
from mlflow.models import Model
from mlflow.models.utils import _Example, _read_example
from scipy import sparse
from tests.support.like_mlflow import REFUSED, outcome, same

from holdall.errors import SignatureError
from holdall.modeling.signatures import example
from holdall.modeling.signatures.example import FILE, SERVING_FILE, make_example
from holdall.surfaces.serving import answers

NOON = dt.datetime(2024, 5, 1, 12)


class Line(pydantic.BaseModel):
    text: str
    at: dt.datetime = NOON


@dataclass
class Point:
    x: float


EXAMPLES: dict[str, Any] = {
    "frame": pd.DataFrame({"a": [1, 2], "b": [1.5, np.nan], "c": ["x", None], "d": [True, False]}),
    "frame of other values": pd.DataFrame(
        {
            "time": pd.to_datetime(["2024-01-01", None]),
            "day": [dt.date(2024, 1, 1)] * 2,
            "bytes": [b"a", b"b" * 80],
            "list": [[1], [2, 3]],
            "array": [np.zeros(2), np.ones(1, "float32")],
            "dictionary": [{"k": NOON}, {}],
            "short": np.ones(2, "float32"),
            "nullable": pd.array([1, None], "Int64"),
            "category": pd.Categorical(["x", "y"]),
        }
    ),
    "frame of numbers": pd.DataFrame(np.eye(2)),
    "frame with an index": pd.DataFrame({"a": [1]}, index=["k"]),
    "frame without rows": pd.DataFrame({"a": []}),
    "frame of umlauts": pd.DataFrame({"größe": ["ä"]}),
    "array": np.eye(2, dtype="float32") / 3,
    "array with gaps": np.array([1.0, np.nan]),
    "array of whole numbers": np.array([[1, 2]]),
    "array of text": np.array(["a", "b"]),
    "array of bytes": np.array([b"a", b"bc"]),
    "array of times": np.array(["2024-01-01"], "M8[s]"),
    "array of objects": np.array(["a", 1, None], dtype=object),
    "array of complex": np.array([1j]),
    "named arrays": {"a": np.array([1.0, np.nan]), "b": np.array([1, 2])},
    "array and number": {"a": np.zeros(2), "b": 1},
    "csr": sparse.csr_matrix(np.array([[0.0, 1.5], [np.nan, 0]])),
    "csc": sparse.csc_matrix(np.eye(2, dtype="int64")),
    "dictionary": {"a": 1, "b": ["x"], "c": None, "d": b"x", "e": NOON, "f": np.float32(1.5)},
    "dictionary of dates": {"a": dt.date(2024, 1, 1), "b": dt.time(12), "c": pd.Timestamp(NOON)},
    "empty dictionary": {},
    "conversation": {"messages": [{"role": "user", "content": "hi"}], "temperature": 0.5},
    "prompt": {"prompt": "hi"},
    "list": [1, 2.5, "x"],
    "records": [{"a": 1}, {"a": None}],
    "list of arrays": [np.zeros(2)],
    "record of arrays": [{"a": np.zeros(2)}],
    "text": "hello",
    "number": 1.5,
    "nan": float("nan"),
    "truth": False,
    "bytes": b"hello",
    "numpy's number": np.float32(0.1),
    "time": NOON,
    "date": dt.date(2024, 1, 1),
    "pydantic": Line(text="a"),
    "tuple": (1, 2, 3),
    "set": {1},
    "object": object(),
    "unknown inside": {"a": {1}},
    "none": None,
}
PARAMS: dict[str, Any] = {"n": 1, "stop": ["a"]}
ALL = EXAMPLES | {f"{name} with parameters": (given, PARAMS) for name, given in EXAMPLES.items()}
ALL |= {"parameters that cannot be": (1, {"a": {1}}), "a pair": (1, 2)}


@pytest.mark.parametrize("given", ALL.values(), ids=ALL)
def test_the_files_are_mlflows_to_the_byte(given: Any, tmp_path: Path) -> None:
    """And what the manifest says of them; or both refuse."""
    theirs, ours = outcome(_Example, given), outcome(make_example, given)
    assert (ours is REFUSED) == (theirs is REFUSED)
    if theirs is not REFUSED:
        theirs.save(str(tmp_path))
        assert ours.files == {name: (tmp_path / name).read_bytes() for name in (FILE, SERVING_FILE)}
        assert ours.info == theirs.info
        assert same(ours.params, theirs.inference_params)
        assert ours.data is (given[0] if isinstance(given, tuple) else given)


OURS_ALONE: dict[str, tuple[Any, Any]] = {
    "no parameters": ((1, {}), 1),  # MLflow writes a place for them, and cannot read its file
    "series": (pd.Series([1, 2], name="a"), pd.DataFrame({"a": [1, 2]})),
    "dataclass": (Point(1.5), {"x": 1.5}),
    "records of a model": ([Line(text="a")], [{"text": "a", "at": NOON}]),
    "sparse array": (sparse.csr_array(np.eye(2)), sparse.csr_matrix(np.eye(2))),
}


@pytest.mark.parametrize(("given", "like"), OURS_ALONE.values(), ids=OURS_ALONE)
def test_more_is_an_example_than_in_mlflow(given: Any, like: Any, tmp_path: Path) -> None:
    """Its files are those of what it stands for, and MLflow reads them."""
    ours = make_example(given)
    assert ours.files == make_example(like).files
    for name, content in ours.files.items():
        (tmp_path / name).write_bytes(content)
    back = _read_example(Model(saved_input_example_info=dict(ours.info)), str(tmp_path))
    assert same(back, like) or isinstance(like, list)


def test_a_refusal_says_why() -> None:
    """What kind of thing it is, and what to do with arrays in a list."""
    with pytest.raises(SignatureError, match="type set"):
        make_example({1})
    with pytest.raises(SignatureError, match="stack them"):
        make_example([np.zeros(2)])
    with pytest.raises(SignatureError, match="JSON cannot hold it: a value of set"):
        make_example({"a": {1}})


@pytest.mark.parametrize("wide", [np.longdouble(1.5), np.array([[1.5]], np.longdouble), {"a": np.longdouble(1.5)}])
def test_wide_numbers_are_written_as_floats(wide: Any) -> None:
    """A number wider than Python's is its own `item`: it is a float in an example and in a server's answer."""
    assert json.loads(json.dumps(wide, default=example._simple)) in (1.5, [[1.5]], {"a": 1.5})
    assert json.loads(answers._Encoder().encode(wide)) in (1.5, [[1.5]], {"a": 1.5})
    with pytest.raises(TypeError):
        json.dumps(np.clongdouble(1j), default=example._simple)
