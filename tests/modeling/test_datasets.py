"""Data sets described: words as MLflow has them, and a digest of the content alone."""

from __future__ import annotations

import pickle
from typing import Any

import mlflow.data
import numpy as np
import pandas as pd
import pytest

from holdall.data import Dataset, from_numpy, from_pandas
from holdall.exceptions import MlflowException

THEIRS: Any = mlflow.data  # its names are made when they are asked for

FRAME = pd.DataFrame({"a": [1.5, 2.0, np.nan], "b": [1, 2, 3], "c": ["x", None, "y"]})
ARRAY = np.arange(12, dtype="float32").reshape(4, 3)


@pytest.mark.parametrize(
    ("ours", "theirs", "data", "given"),
    [
        (
            from_pandas,
            THEIRS.from_pandas,
            FRAME,
            {"source": "data.csv", "targets": "b", "name": "f", "digest": "d"},
        ),
        (from_pandas, THEIRS.from_pandas, FRAME[["a"]], {"source": "s3://bucket/a.parquet", "digest": "d"}),
        (from_numpy, THEIRS.from_numpy, ARRAY, {"source": "https://example.com/a.npy", "digest": "d"}),
        (from_numpy, THEIRS.from_numpy, ARRAY, {"source": "x", "targets": ARRAY[:, 0], "digest": "d"}),
        (from_numpy, THEIRS.from_numpy, {"x": ARRAY, "y": ARRAY[0]}, {"source": "x", "digest": "d"}),
    ],
)
def test_the_words_are_mlflows(ours: Any, theirs: Any, data: Any, given: dict[str, Any]) -> None:
    """Name, source, source type, schema and profile are the same texts."""
    assert ours(data, **given).to_dict() == theirs(data, **given).to_dict()


def test_equal_data_has_an_equal_digest() -> None:
    """Whatever it is called, wherever it came from, however it lies in memory."""
    assert from_pandas(FRAME, source="a", name="a").digest == from_pandas(FRAME.copy(), source="b", name="b").digest
    assert from_pandas(FRAME).digest == from_pandas(FRAME.set_index(pd.Index([7, 8, 9]))).digest
    assert from_numpy(ARRAY).digest == from_numpy(np.asfortranarray(ARRAY)).digest


@pytest.mark.parametrize(
    "other",
    [
        FRAME.assign(a=[1.5, 2.0, 3.0]),
        FRAME.rename(columns={"a": "z"}),
        FRAME[["b", "a", "c"]],
        FRAME.iloc[::-1],
        FRAME.iloc[:2],
        FRAME.astype({"b": "int32"}),
    ],
    ids=["a cell", "a name", "columns' order", "rows' order", "fewer rows", "a type"],
)
def test_other_data_has_another_digest(other: pd.DataFrame) -> None:
    """A cell, a name, a type, an order: each tells."""
    assert from_pandas(other).digest != from_pandas(FRAME).digest


@pytest.mark.parametrize("other", [ARRAY.astype("float64"), ARRAY.reshape(3, 4), ARRAY + 1, {"x": ARRAY}], ids=str)
def test_another_array_has_another_digest(other: Any) -> None:
    """A type, a shape, a number, a name."""
    assert from_numpy(other).digest != from_numpy(ARRAY).digest


def test_cells_that_have_no_hash_are_digested_as_text() -> None:
    """Lists in cells, and arrays of objects."""
    lists = pd.DataFrame({"a": [[1, 2], [3]]})
    assert from_pandas(lists).digest != from_pandas(pd.DataFrame({"a": [[1, 2], [4]]})).digest
    assert (
        from_numpy(np.array(["a", None], dtype=object)).digest != from_numpy(np.array(["b", None], dtype=object)).digest
    )


def test_a_password_in_a_source_is_left_out() -> None:
    """What a run holds never changes, and is read by many."""
    found = from_pandas(FRAME, source="https://ada:secret@example.com/data.csv")
    assert "secret" not in found.to_json()


@pytest.mark.parametrize("word", ["targets", "predictions"])
def test_a_column_that_is_not_there_is_named(word: str) -> None:
    """With those that are."""
    with pytest.raises(ValueError, match="'z'; there are a, b, c"):
        from_pandas(FRAME, **{word: "z"})


def test_data_stays_at_hand() -> None:
    """As MLflow's data sets have it; the facts are all that is logged, compared and shown."""
    frame = pd.DataFrame({"x": [1.0], "y": [0], "p": [1]})
    made = from_pandas(frame, targets="y", predictions="p", name="train")
    theirs = THEIRS.from_pandas(frame, targets="y", predictions="p", name="train")
    assert made.df is frame
    assert (made.targets, made.predictions) == (theirs.targets, theirs.predictions) == ("y", "p")
    arrays = from_numpy(np.eye(2), targets=np.ones(2))
    assert arrays.features.tolist() == np.eye(2).tolist()
    assert arrays.targets.tolist() == [1.0, 1.0]
    for one in (made, arrays):
        facts = Dataset(**one.to_dict())  # type: ignore[arg-type]
        assert (one, hash(one), dict(one)) == (facts, hash(facts), dict(facts))
        assert facts == one
        assert one != "x"
        copied = pickle.loads(pickle.dumps(one))
        assert copied == one
        kept: Any = one.targets
        assert list(copied.targets) == list(kept)


def test_a_missing_column_is_caught_as_mlflows() -> None:
    """`except MlflowException` has it, with its code."""
    with pytest.raises(MlflowException, match="no column 'zz'") as caught:
        from_pandas(pd.DataFrame({"x": [1.0]}), targets="zz")
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
