"""Parquet of anybody's builds no object of a class that some library registered."""

from __future__ import annotations

import base64
import contextlib
import io
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.depth import examples

from holdall.errors import PayloadError
from holdall.runs.parquet import read_parquet, without_extensions
from holdall.surfaces.serving.bound import Bound
from holdall.surfaces.serving.requests import _parquet


class Registered(pa.ExtensionType):  # type: ignore[misc]
    """Does what its bytes say, as the class of CVE-2023-47248 did."""

    built: list[bytes] = []  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__(pa.int64(), "somebody.registered")

    def __arrow_ext_serialize__(self) -> bytes:
        return b"run this"

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: Any, said: bytes) -> Registered:
        cls.built.append(said)
        return cls()


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    pa.register_extension_type(Registered())
    yield
    pa.unregister_extension_type("somebody.registered")


ARRAY = pa.ExtensionArray.from_storage(Registered(), pa.array([1, 2]))
DEEP: dict[str, Any] = {
    "a column": ARRAY,
    "a list": pa.ListArray.from_arrays([0, 1, 2], ARRAY),
    "a structure": pa.StructArray.from_arrays([ARRAY], ["b"]),
    "a list of structures": pa.ListArray.from_arrays([0, 1, 2], pa.StructArray.from_arrays([ARRAY], ["b"])),
    "a map": pa.MapArray.from_arrays([0, 1, 2], pa.array(["k", "l"]), ARRAY),
}


def written(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream)
    Registered.built.clear()
    return stream.getvalue()


@pytest.mark.parametrize("place", DEEP)
def test_no_type_is_built_wherever_it_stands(place: str) -> None:
    """In a table of a run, whose values are read as they are stored, and in the body of a request, which is refused."""
    data = written(pa.table({"a": DEEP[place], "b": [1.5, 2.5]}))
    assert read_parquet(data).column("b").to_pylist() == [1.5, 2.5]
    with pytest.raises(PayloadError, match="extension types"):
        _parquet(data, Bound())
    assert Registered.built == []
    pq.read_metadata(io.BytesIO(data))
    assert Registered.built != []  # the witness: so pyarrow has it, even to who looks at the footer alone


def test_the_types_of_pandas_are_read_as_they_are() -> None:
    """Periods and intervals, whose bytes are values."""
    frame = pd.DataFrame({"p": pd.period_range("2020", periods=2, freq="D"), "i": pd.interval_range(0, 2), "a": [1, 2]})
    pd.testing.assert_frame_equal(read_parquet(frame.to_parquet(None)).to_pandas(), frame)


def test_a_footer_that_says_it_twice_is_refused() -> None:
    """Of two, nobody knows which one a reader believes."""
    for more in ({"ARROW:schema": "x"}, {"x": "ARROW:schema"}):
        with pytest.raises(ValueError, match="ARROW:schema"):
            without_extensions(written(pa.table({"a": ARRAY}).replace_schema_metadata(more)))


@given(st.integers(0, 3000), st.binary(min_size=1, max_size=8))
@settings(max_examples=examples(100), deadline=None)
def test_a_file_that_was_tampered_with_builds_nothing(back: int, other: bytes) -> None:
    """Whatever bytes of its footer are others."""
    data = bytearray(written(pa.table({"a": ARRAY})))
    at = max(0, len(data) - 8 - back)
    data[at : at + len(other)] = other
    with contextlib.suppress(Exception):
        read_parquet(bytes(data))
    assert Registered.built == []


def test_a_schema_that_is_no_schema_is_an_error() -> None:
    """And no silence."""
    data = written(pa.table({"a": ARRAY}))
    said = pq.read_metadata(io.BytesIO(data)).metadata[b"ARROW:schema"]
    broken = base64.b64encode(base64.b64decode(said)[:64].ljust(len(base64.b64decode(said)), b"\0"))
    Registered.built.clear()
    with contextlib.suppress(Exception):
        read_parquet(data.replace(said, broken))
    assert Registered.built == []
