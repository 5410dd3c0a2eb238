"""Data sets of polars, Hugging Face, Spark and TensorFlow: the same data has the same digest as in pandas or numpy.

Spark and TensorFlow, which CI does not install, are stood in for by the few methods that are asked.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import holdall
from holdall.data import from_huggingface, from_numpy, from_pandas, from_polars, from_spark, from_tensorflow, get_source
from holdall.errors import ContentError, InvalidURIError
from holdall.store import Dataset

WHOLE: dict[str, list[Any]] = {"a": [1.5, 2.0], "b": [1, 2], "c": ["x", "y"], "d": [True, False]}


# --- polars ---


def test_a_table_of_polars_is_the_same_table() -> None:
    """Without missing values each column is what pandas has."""
    ours, theirs = from_polars(pl.DataFrame(WHOLE), name="t"), from_pandas(pd.DataFrame(WHOLE), name="t")
    assert ours == theirs


def test_missing_values_are_pandas_missing_values() -> None:
    """Whole numbers stay whole: they are pandas' nullable types."""
    frame = pl.DataFrame({"i": [1, None], "f": [None, 0.5], "b": [True, None], "s": [None, "x"]})
    like = pd.DataFrame(
        {
            "i": pd.array([1, None], dtype="Int64"),
            "f": pd.array([None, 0.5], dtype="Float64"),
            "b": pd.array([True, None], dtype="boolean"),
            "s": pd.Series([None, "x"], dtype=object),
        }
    )
    assert from_polars(frame).digest == from_pandas(like).digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([2**53, None], [2**53 + 1, None]),
        ([1, None], [1, 0]),
        ([float("nan"), None], [None, float("nan")]),
        (["1"], [1]),
        ([datetime.datetime(2026, 1, 1)], [datetime.datetime(2026, 1, 1, 0, 0, 0, 1)]),
        ([datetime.date(2026, 1, 1)], [datetime.date(2026, 1, 2)]),
        ([[1, 2]], [[2, 1]]),
        ([{"a": 1}], [{"a": 2}]),
    ],
)
def test_other_data_of_polars_has_another_digest(one: list[Any], other: list[Any]) -> None:
    """To the last bit, with missing values too."""
    digests = {from_polars(pl.DataFrame({"x": values}, strict=False)).digest for values in (one, other, one)}
    assert len(digests) == 2


def test_what_is_no_table_of_polars_is_refused() -> None:
    """A LazyFrame has no data yet; a column that is not there is named."""
    with pytest.raises(TypeError, match="collect"):
        from_polars(pl.DataFrame(WHOLE).lazy())
    with pytest.raises(TypeError, match=r"polars\.DataFrame"):
        from_polars(pd.DataFrame(WHOLE))
    with pytest.raises(ValueError, match="'z'"):
        from_polars(pl.DataFrame(WHOLE), targets="z")


def test_a_table_of_polars_is_an_input_of_a_run() -> None:
    """It is told as every other data set is."""
    holdall.set_store("memory://dataset-frames")
    with holdall.start_run() as run:
        holdall.log_input(from_polars(pl.DataFrame(WHOLE), source="s3://b/t.parquet", name="t"), context="training")
    (found,) = holdall.get_run(run.info.run_id).inputs.dataset_inputs
    assert (found.dataset.name, found.context, get_source(found).uri) == ("t", "training", "s3://b/t.parquet")


# --- Hugging Face ---


def test_a_data_set_of_hugging_face_is_the_same_table() -> None:
    """Its source says where it is on the Hub, in MLflow's words."""
    datasets = pytest.importorskip("datasets", reason="datasets, which CI does not install")
    ds = datasets.Dataset.from_dict(WHOLE, split="train")
    found = from_huggingface(ds, path="me/mine", revision="v1", name="t")
    assert found.digest == from_pandas(ds.to_pandas()).digest
    assert found.source_type == "hugging_face"
    assert json.loads(found.source) == {
        "path": "me/mine",
        "config_name": ds.info.config_name,
        "data_dir": None,
        "data_files": None,
        "split": "train",
        "revision": "v1",
    }
    assert from_huggingface(ds, source="https://example.com/t").source_type == "http"
    with pytest.raises(ValueError, match="either path or source"):
        from_huggingface(ds, path="me/mine", source="x")
    with pytest.raises(TypeError, match="each"):
        from_huggingface(datasets.DatasetDict({"train": ds}))


# --- Spark ---


class _Spark:
    """What is asked of a DataFrame of Spark."""

    def __init__(self, rows: int) -> None:
        self._frame = pd.DataFrame({"x": range(rows)})

    def toPandas(self) -> pd.DataFrame:  # noqa: N802
        """All of it."""
        return self._frame

    def limit(self, rows: int) -> _Spark:
        """The first rows."""
        return _Spark(min(rows, len(self._frame)))

    def count(self) -> int:
        """How many."""
        return len(self._frame)


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({}, "code", {"tags": {}}),
        ({"table_name": "t"}, "spark", {"table_name": "t"}),
        ({"sql": "SELECT 1"}, "spark", {"sql": "SELECT 1"}),
        ({"path": "/d", "version": "3"}, "delta_table", {"path": "/d", "delta_table_version": "3"}),
        ({"table_name": "t", "version": "3"}, "delta_table", {"delta_table_name": "t", "delta_table_version": "3"}),
    ],
)
def test_a_table_of_spark_says_where_it_is(given: dict[str, Any], kind: str, words: dict[str, Any]) -> None:
    """In MLflow's words."""
    found = from_spark(_Spark(3), **given)
    assert (found.source_type, json.loads(found.source)) == (kind, words)
    assert found.digest == from_pandas(pd.DataFrame({"x": range(3)})).digest


def test_a_large_table_of_spark_is_counted_not_read() -> None:
    """With a digest, a thousand rows tell the schema."""
    found = from_spark(_Spark(5000), table_name="t", digest="d")
    assert json.loads(found.profile or "") == {"num_rows": 5000, "num_elements": 5000}
    with pytest.raises(ValueError, match="one of path, sql"):
        from_spark(_Spark(1), path="a", sql="b")
    with pytest.raises(TypeError, match="Spark"):
        from_spark(pd.DataFrame())


# --- TensorFlow ---


class _Tensor:
    def __init__(self, array: Any) -> None:
        self._array = array

    def numpy(self) -> Any:
        """Its values."""
        return self._array


class _Items:
    def __init__(self, items: list[Any]) -> None:
        self._items = items

    def as_numpy_iterator(self) -> Iterator[Any]:
        """Its items."""
        return iter(self._items)


def test_a_tensor_is_the_same_array() -> None:
    """With targets, too."""
    array = np.eye(2)
    assert from_tensorflow(_Tensor(array), targets=_Tensor(array[0])) == from_numpy(array, targets=array[0])
    with pytest.raises(TypeError, match="tensors"):
        from_tensorflow(array)
    with pytest.raises(TypeError, match="tensors"):
        from_tensorflow(_Tensor(array), targets=_Items([array]))


def test_a_stream_of_items_has_a_digest() -> None:
    """Of its items in their order, of what each is made of; targets are not features."""
    a, b = np.zeros(2), np.ones(2)
    sets: list[Callable[[], Dataset]] = [
        lambda: from_tensorflow(_Items([a, b])),
        lambda: from_tensorflow(_Items([b, a])),
        lambda: from_tensorflow(_Items([a])),
        lambda: from_tensorflow(_Items([a]), targets=_Items([b])),
        lambda: from_tensorflow(_Items([(a, b)])),
        lambda: from_tensorflow(_Items([{"x": a, "y": b}])),
        lambda: from_tensorflow(_Items([{"x": b, "y": a}])),
    ]
    digests = [made().digest for made in sets]
    assert len(set(digests)) == len(sets)
    assert digests == [made().digest for made in sets]


# --- sources ---


def test_a_source_is_read_and_loaded(tmp_path: Path) -> None:
    """A file of this machine is given by its path; what is elsewhere is named."""
    (tmp_path / "t.csv").write_text("a")
    source = get_source(from_numpy(np.zeros(1), source=tmp_path / "t.csv"))
    assert (source.load(), source.to_dict()) == (str(tmp_path / "t.csv"), {"uri": str(tmp_path / "t.csv")})
    assert json.loads(source.to_json()) == source.to_dict()
    (tmp_path / "t.csv").unlink()
    with pytest.raises(FileNotFoundError):
        source.load()
    with pytest.raises(InvalidURIError, match="not on this machine"):
        get_source(from_numpy(np.zeros(1), source="s3://bucket/a")).load()
    assert get_source(from_numpy(np.zeros(1))).uri is None


@pytest.mark.parametrize("text", ["[]", "5", "{", "[" * 9999])
def test_a_source_that_is_none_is_an_error(text: str) -> None:
    """What a writer put there is not trusted."""
    with pytest.raises(ContentError):
        get_source(Dataset("n", "d", "local", text))
