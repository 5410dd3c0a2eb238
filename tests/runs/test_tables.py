"""Tables grow by parts: none is lost, all stay in order, and cells come back as they were."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from pandas.testing import assert_frame_equal
from tests.support.stores import entropy, tiny_store

from holdall.errors import (
    ArtifactNotFoundError,
    ContentError,
    InvalidPathError,
    MissingLibraryError,
    PathConflictError,
    TableNotFoundError,
)
from holdall.runs.rendering import parse_image
from holdall.runs.run import Run
from holdall.runs.tables import Ticking, load_table, log_table
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.store import Store
from holdall.trees.source import local_items


@pytest.fixture
def run() -> Run:
    """A run of a store with small chunks."""
    return tiny_store(MemoryBucket()).runs.start()


def table() -> pd.DataFrame:
    """A column of each kind that both forms keep."""
    return pd.DataFrame(
        {
            "text": ["007", "a/b é ☃\u2028", "2024-01-01"],
            "whole": [1, -(2**62), 3],
            "exact": [0.1 + 0.2, 1e-300, -0.0],
            "round": [1.0, 2.0, 3.0],
            "gaps": [1.5, np.nan, 2.5],
            "flag": [True, False, True],
            "timestamp": [1_700_000_000_000, 1_700_000_000_001, 5],
            "day": pd.to_datetime(["2024-01-01", "1969-12-31 23:59:59.999", None], format="ISO8601"),
            "utc": pd.to_datetime(["2024-01-01", None, "2024-01-02"], utc=True),
            "nested": [{"a": [1, 2]}, {"a": [3]}, {"a": []}],
        }
    )


# --- what comes back ---


def test_of_an_encrypted_store_nothing_of_a_table_lies_on_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is read in memory: parts in their order, others beside them none; a file, a folder, nothing as anywhere."""
    here, there = (tiny_store(MemoryBucket(), sealed=sealed).runs.start() for sealed in (False, True))
    for run in (here, there):
        for n in range(3):
            log_table(run, {"a": [n, n + 3]}, "deep/t.json")
        run.log_text("no part", "deep/t.json/notes.txt")
        run.log_text("[1]", "deep/t.json/more/01700000000123456789-5f0c11d2.json")
        run.log_dict({"columns": ["a"], "data": [[1]]}, "one.json")
    wanted = [load_table(here, name) for name in ("deep/t.json", "one.json")]
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    for name, frame in zip(("deep/t.json", "one.json"), wanted, strict=True):
        assert_frame_equal(load_table(there, name), frame)
    with pytest.raises(ArtifactNotFoundError):
        load_table(there, "other.json")


@pytest.mark.parametrize("name", ["t.json", "deep/t.parquet"])
def test_a_table_comes_back_as_it_was(run: Run, name: str) -> None:
    """Types, the last bit of floats, dates, gaps and any letter survive; the caller's frame is left alone."""
    given = table()
    log_table(run, given, name)
    assert_frame_equal(given, table())
    found = load_table(run, name)
    found["nested"] = found["nested"].map(lambda cell: {"a": list(cell["a"])})  # Arrow gives arrays
    assert_frame_equal(found, table())


def test_dates_keep_their_nanoseconds(run: Run) -> None:
    """Where a date has nanoseconds they survive, and a zone becomes UTC, the moment being the same."""
    moments = pd.to_datetime(["2024-01-01T00:00:00.123456789", "2024-06-01"], format="ISO8601")
    log_table(run, pd.DataFrame({"naive": moments, "berlin": moments.tz_localize("Europe/Berlin")}), "t.json")
    found = load_table(run, "t.json")
    assert list(found["naive"]) == list(moments)
    assert list(found["berlin"]) == list(moments.tz_localize("Europe/Berlin").tz_convert("UTC"))


def test_text_that_looks_like_a_date_stays_text(run: Run) -> None:
    """Only what a date was written as becomes one: neither a column's name nor three digits suffice."""
    texts = ["2024-01-01T00:00:00.000Z", "2024-01-01T00:00:00.000Z"]
    log_table(run, {"created_at": texts, "mixed": ["2024-01-01T00:00:00.000000000", "later"]}, "t.json")
    found = load_table(run, "t.json")
    assert list(found["created_at"]) == texts
    assert list(found["mixed"]) == ["2024-01-01T00:00:00.000000000", "later"]


def test_what_json_cannot_tell_apart_parquet_can(run: Run) -> None:
    """In JSON infinity is missing and a category is text; in Parquet both stay."""
    given = pd.DataFrame({"f": [np.inf, 1.0], "c": pd.Categorical(["x", "y"]), "i": pd.array([1, None], dtype="Int64")})
    log_table(run, given, "t.parquet")
    assert_frame_equal(load_table(run, "t.parquet"), given)
    log_table(run, given, "t.json")
    found = load_table(run, "t.json")
    assert found["f"].isna().tolist() == [True, False]
    assert found["c"].tolist() == ["x", "y"]
    assert found["i"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    "data",
    [
        {"a": [1, 2], "b": ["x", "y"], "c": [0.5, None]},
        {"a": "one row", "b": 2, "c": None},
        {"a": [1, 2, 3], "b": "the same for all"},
        {"a": [], "b": []},
        {"when": [datetime.datetime(2024, 1, 2, 3, 4, 5, 6), datetime.datetime(1999, 1, 1)], "n": [True, False]},
        {"day": [datetime.date(2024, 1, 2)], "all": [[1, [2.5, "x"]]]},
        {},
    ],
)
def test_a_dict_of_lists_needs_no_pandas(run: Run, data: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pandas it makes the same table as the DataFrame of it does."""
    frame = pd.DataFrame(data) if any(isinstance(v, list) for v in data.values()) or not data else pd.DataFrame([data])
    log_table(run, frame, "frame.json")
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "pandas", None)
        log_table(run, data, "dict.json")
        with pytest.raises(MissingLibraryError, match=r"pip install 'holdall\[tables\]'"):
            log_table(run, data, "dict.parquet")
        with pytest.raises(MissingLibraryError, match="loading a table needs pandas"):
            load_table(run, "dict.json")
    assert_frame_equal(load_table(run, "dict.json"), load_table(run, "frame.json"))


def test_numpy_and_odd_cells_become_plain(run: Run) -> None:
    """Arrays, numpy's numbers, durations, sets and nested gaps are written as JSON has them."""
    data = {
        "array": np.arange(2, dtype="int8"),
        "vector": [np.array([1.5, np.nan]), np.float32(0.5)],
        "took": [datetime.timedelta(seconds=90), pd.NaT],
        "tags": [{"x"}, {"a": pd.Timestamp("2024-01-01")}],
    }
    log_table(run, data, "t.json")
    assert load_table(run, "t.json").astype(object).replace(np.nan, None).to_dict("list") == {
        "array": [0, 1],
        "vector": [[1.5, None], 0.5],
        "took": ["P0DT0H1M30S", None],
        "tags": [["x"], {"a": "2024-01-01T00:00:00.000000000"}],
    }


def test_the_layout_is_mlflows(run: Run) -> None:
    """A JSON part has columns and data, no index, dates in ISO, letters in ASCII: pandas reads it."""
    part = log_table(
        run, pd.DataFrame({"é": [1.5, np.nan], "d": pd.to_datetime(["2024-01-02", None])}, [7, 7]), "t.json"
    )
    data = run.read(part.path)
    assert data == b'{"columns":["\\u00e9","d"],"data":[[1.5,"2024-01-02T00:00:00.000000000"],[null,null]]}'
    assert pd.read_json(run.open(part.path), orient="split").shape == (2, 2)


# --- growing ---


def test_parts_stand_in_the_order_of_the_calls(run: Run) -> None:
    """Rows of one writer come back in the order in which they were logged, whatever its clock does."""
    clock = Ticking(iter([50, 50, 40, 60, 10]).__next__)
    for i in range(5):
        log_table(run, {"i": i}, "t.json", clock=clock, entropy=entropy(i))
    stamps = [int(entry.path.split("/")[1].split("-")[0]) for entry in run.entries("t.json")]
    assert stamps == [50, 51, 52, 60, 61]
    assert load_table(run, "t.json")["i"].tolist() == list(range(5))


def test_a_part_is_named_by_time_and_chance(run: Run) -> None:
    """Clock and randomness are the caller's, so the name is known; it has one width until the year 5138."""
    part = log_table(run, {"a": 1}, "t.json", clock=lambda: 1_700_000_000_123_456_789, entropy=lambda n: bytes(n))
    assert part.path == "t.json/01700000000123456789-00000000.json"


def test_appending_costs_one_put() -> None:
    """An append reads nothing: one request, however long the table is."""
    counter = RequestCounter()
    run = tiny_store(TraceBucket(MemoryBucket(), counter)).runs.start()
    for i in range(3):
        before = counter.total
        log_table(run, {"i": [i]}, "t.json")
    assert counter.total - before == 1


@pytest.mark.parametrize("name", ["t.json", "t.parquet"])
def test_columns_may_come_and_go(run: Run, name: str) -> None:
    """A row lacks what its part lacked, and a column keeps the place in which it first appeared."""
    log_table(run, {"a": [1], "b": ["x"]}, name)
    log_table(run, {"b": ["y"], "c": [2.5]}, name)
    found = load_table(run, name)
    assert found.columns.tolist() == ["a", "b", "c"]
    assert found["b"].tolist() == ["x", "y"]
    assert found["a"].isna().tolist() == [False, True]
    assert found["c"].isna().tolist() == [True, False]


@pytest.mark.parametrize("name", ["t.json", "t.parquet"])
def test_eight_threads_keep_eight_parts(tmp_path: Path, name: str) -> None:
    """Threads that append at once through one handle lose nothing, and each keeps its order."""
    run = Store.open(str(tmp_path / "store")).runs.start()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda who: [log_table(run, {"who": who, "i": i}, name) for i in range(3)], range(8)))
    found = load_table(run, name)
    assert len(list(run.entries(name))) == 24
    for _, rows in found.groupby("who"):
        assert rows["i"].tolist() == [0, 1, 2]


def test_eight_processes_keep_eight_parts(tmp_path: Path) -> None:
    """Processes that append at once to one run lose nothing: MLflow keeps one row of eight."""
    url = str(tmp_path / "store")
    run = Store.open(url).runs.start()
    children = [subprocess.Popen([sys.executable, "-c", APPEND, url, run.id, str(who)]) for who in range(8)]
    assert [child.wait(200) for child in children] == [0] * 8
    found = load_table(run, "t.json")
    assert sorted(zip(found["who"], found["i"], strict=True)) == [(who, i) for who in range(8) for i in range(2)]
    assert len(list(run.entries("t.json"))) == 16


APPEND = """
import sys
from holdall.runs.tables import log_table
from holdall.store import Store
run = Store.open(sys.argv[1]).runs.get(sys.argv[2])
for i in range(2):
    log_table(run, {"who": int(sys.argv[3]), "i": i}, "t.json")
"""


# --- images ---


@pytest.mark.parametrize("name", ["eval/t.json", "eval/t.parquet"])
def test_images_of_cells_stand_beside_the_table(run: Run, name: str) -> None:
    """A cell names two files that are in the run, with the image's pixels and its small copy; one commit holds all."""
    pictures = [PIL.Image.new("RGB", (300, 200), colour) for colour in ("red", "blue")]
    part = log_table(run, {"prompt": ["a", "b"], "picture": pictures}, name, entropy=entropy(1))
    assert run.state.files == 5
    assert part.path.startswith(name + "/")
    cells = load_table(run, name)["picture"].tolist()
    for cell, picture in zip(cells, pictures, strict=True):
        assert cell["type"] == "image"
        assert cell["filepath"].startswith("table_images/eval/t/")
        found = parse_image(run.read(cell["filepath"]), cell["filepath"])
        assert np.array_equal(np.asarray(found), np.asarray(picture))
        small = parse_image(run.read(cell["compressed_filepath"]), "")
        assert (small.format, small.size) == ("WEBP", (256, 170))


def test_images_may_stand_in_a_frame(run: Run) -> None:
    """A DataFrame's images are kept too, and it still holds them afterwards."""
    frame = pd.DataFrame({"picture": [PIL.Image.new("L", (2, 2))], "n": [1]}, index=[9])
    log_table(run, frame, "t.json")
    assert isinstance(frame["picture"].iloc[0], PIL.Image.Image)
    assert load_table(run, "t.json")["picture"].iloc[0]["type"] == "image"


# --- what others wrote ---


@pytest.mark.parametrize("name", ["t.json", "t.parquet"])
def test_a_single_file_is_a_table_too(run: Run, name: str, tmp_path: Path) -> None:
    """What pandas wrote at exactly this path loads, also through a link, and cannot grow."""
    frame = table().drop(columns=["exact", "gaps", "nested"])  # of which pandas' JSON keeps ten digits
    if name == "t.json":
        frame.to_json(tmp_path / name, orient="split", date_format="iso")
    else:
        frame.to_parquet(tmp_path / name)
    (tmp_path / f"link-{name}").symlink_to(name)
    run._log_items(local_items(tmp_path, "deep"))
    assert_frame_equal(load_table(run, f"deep/{name}"), frame)
    assert_frame_equal(load_table(run, f"deep/link-{name}"), frame)
    with pytest.raises(PathConflictError, match=f"deep/{name}"):
        log_table(run, {"a": 1}, f"deep/{name}")


def test_other_files_beside_the_parts_are_none(run: Run) -> None:
    """A stray file in a table's directory does not spoil it."""
    log_table(run, {"a": [1]}, "t.json")
    run.log_bytes(b"not a part", "t.json/notes.json")
    run.log_bytes(b"not a part", "t.json/deep/01700000000123456789-00000000.json")
    assert load_table(run, "t.json")["a"].tolist() == [1]


def test_columns_of_the_run_can_join(run: Run) -> None:
    """Extra values stand in each row; a name that is taken gets an underscore."""
    log_table(run, {"run_id": ["mine", "too"]}, "t.json")
    found = load_table(run, "t.json", {"run_id": run.id, "status": "RUNNING"})
    assert found["run_id"].tolist() == ["mine", "too"]
    assert found["run_id_"].tolist() == [run.id] * 2
    assert found["status"].tolist() == ["RUNNING"] * 2


# --- errors ---


@pytest.mark.parametrize(
    ("data", "name", "error", "reason"),
    [
        ({"a": [1]}, "t.csv", ValueError, "a .json or a .parquet file, and 't.csv' is neither"),
        ({"a": [1]}, "../t.json", InvalidPathError, "empty, '.' or '..'"),
        ([{"a": 1}], "t.json", TypeError, "a dict or a pandas.DataFrame, not a list"),
        ({"a": [1], "b": [1, 2]}, "t.json", ValueError, r"one length, and these have \[1, 2\]"),
        ({"a": np.arange(2), "b": [1]}, "t.json", ValueError, "same length"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "t.json", ValueError, r"these recur: \['a'\]"),
        ({"a": [object()]}, "t.json", TypeError, "JSON holds no object, as in column 'a'"),
        ({"a": [{"b": b"raw"}]}, "t.json", TypeError, "JSON holds no bytes, as in column 'a'"),
        ({"a": [PIL.Image.new("L", (1, 1)), "x"]}, "t.json", ValueError, "column 'a' holds images and other cells"),
    ],
)
def test_what_is_no_table_is_refused(run: Run, data: Any, name: str, error: type[Exception], reason: str) -> None:
    """The error says what is wrong and where, and nothing is committed."""
    with pytest.raises(error, match=reason):
        log_table(run, data, name)
    assert run.manifest == {}


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("t.json", b"[1, 2", "JSONDecodeError"),
        ("t.json", b"\xff", "UnicodeDecodeError"),
        ("t.json", b'[{"a": 1}]', "TypeError"),
        ("t.json", b'{"a": {"0": 1}}', "KeyError: 'columns'"),
        ("t.json", json.dumps({"columns": ["a"], "data": [[1], [1, 2]]}).encode(), "rows do not fit"),
        ("t.json", json.dumps({"columns": ["a", "a"], "data": [[1, 2]]}).encode(), "rows do not fit"),
        ("t.json", json.dumps({"columns": [{}], "data": []}).encode(), "TypeError"),
        ("t.parquet", b"PAR1", "Parquet"),
    ],
)
def test_a_damaged_table_is_named(run: Run, name: str, data: bytes, reason: str) -> None:
    """The error names the file, says what is wrong and chains its cause."""
    run.log_bytes(data, name)
    with pytest.raises(ContentError, match=reason) as caught:
        load_table(run, name)
    assert caught.value.path == name
    assert caught.value.__cause__ is not None


def test_a_table_that_is_not_there_is_named(run: Run, tmp_path: Path) -> None:
    """Neither an absent path nor an empty directory is a table."""
    (tmp_path / "empty" / "t.json").mkdir(parents=True)
    run.log_artifacts(tmp_path / "empty")
    for name in ("t.json", "absent.parquet"):
        with pytest.raises(ArtifactNotFoundError, match=name):
            load_table(run, name)


def test_a_table_of_no_run_is_named(run: Run) -> None:
    """Runs that logged others are not searched in vain: an error says that no run has this one."""
    store = Store(run._location)
    run.log_table({"a": [1]}, "t.json")
    run.flush()
    assert len(store.runs.load_table("t.json")) == 1
    none: list[str] = []
    for ids in (None, none):
        with pytest.raises(TableNotFoundError):
            store.runs.load_table("other.json", ids)
