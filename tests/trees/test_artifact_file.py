"""Files opened where they are: any place of them, many places at once, and no more fetched than that."""

from __future__ import annotations

import io
import pickle
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.faulty import Fault, FaultyBucket
from tests.support.stores import Serial, entropy, tiny_store

from holdall.chunks.pool import Pool
from holdall.errors import ArtifactNotFoundError, IntegrityError
from holdall.format.layout import PACKS
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.store import Store
from holdall.trees.artifact_file import ArtifactFile

SIZES = {"empty": 0, "inline": 700, "small": 3000, "large": 150_000}
DATA = {path: entropy(n)(size) for n, (path, size) in enumerate(SIZES.items())}


@pytest.fixture(scope="module")
def run() -> Run:
    """A run with files of each kind: no bytes, inline, one chunk of a pack, many chunks of several packs."""
    run = tiny_store(MemoryBucket(), pool=Serial()).runs.start()
    run.log_bytes(DATA["inline"], "inline")
    run.log_bytes(DATA["empty"], "empty")
    run.log_stream(io.BytesIO(DATA["large"]), "large")
    run.log_bytes(DATA["small"], "small")
    return run


@settings(deadline=None)
@given(st.data(), st.sampled_from(sorted(SIZES)))
def test_ranges_are_those_of_the_file(run: Run, data: st.DataObject, path: str) -> None:
    """In any order, overlapping, repeated or empty: each is what a slice of the file is."""
    ends = st.integers(0, SIZES[path])
    ranges = data.draw(st.lists(st.tuples(ends, ends).map(lambda pair: (min(pair), max(pair)))))
    assert run.read_ranges(path, ranges) == [DATA[path][start:stop] for start, stop in ranges]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 150_000), st.integers(0, 20_000)), max_size=8), st.booleans())
def test_reading_anywhere_reads_what_is_there(run: Run, steps: list[tuple[int, int]], again: bool) -> None:
    """Seeks, reads and ranges between them do not disturb one another."""
    with run.open("large") as file:
        for at, count in steps:
            file.seek(at)
            assert file.read(count) == DATA["large"][at : at + count]
            assert file.read_ranges([(0, at)] if again else []) == ([DATA["large"][:at]] if again else [])
            assert file.read(count) == DATA["large"][at + count : at + 2 * count]


@pytest.mark.parametrize("path", sorted(SIZES))
def test_all_of_a_file_and_the_rest_of_it(run: Run, path: str) -> None:
    """`read` gives all, and from a place on the rest; behind the end there is nothing."""
    assert run.read(path) == DATA[path]
    with run.open(path) as file:
        file.seek(SIZES[path] // 3)
        assert file.read() == DATA[path][SIZES[path] // 3 :]
        file.seek(SIZES[path] + 5)
        assert file.read() == b""


def test_one_does_not_seek_before_the_beginning(run: Run) -> None:
    """As in any file; and the position stays where it was."""
    with run.open(next(iter(SIZES))) as file:
        file.seek(0)
        with pytest.raises(ValueError, match="cannot seek to -1"):
            file.seek(-1, io.SEEK_CUR)
        assert file.tell() == 0


@pytest.mark.parametrize("wrong", [(-1, 5), (5, 4), (0, 3001), (3001, 3001)])
def test_a_range_that_the_file_does_not_have_is_named(run: Run, wrong: tuple[int, int]) -> None:
    """With the file and its size, before anything is fetched."""
    with pytest.raises(ValueError, match=r"is no range of 'small': give 0 <= start <= stop <= 3000, which is its size"):
        run.read_ranges("small", [(0, 5), wrong])


def test_a_file_that_is_not_there_has_no_ranges(run: Run) -> None:
    with pytest.raises(ArtifactNotFoundError):
        run.read_ranges("missing", [])


def counted(size: int, seed: int = 1) -> tuple[Store, str, RequestCounter]:
    """A store with chunks and packs of the usual size that holds `f`, the run's id, and what is asked from now on."""
    count = RequestCounter()
    store = Store._over(TraceBucket(MemoryBucket(), count), Pool())
    run = store.runs.start()
    run.log_stream(io.BytesIO(entropy(seed)(size)), "f")
    run.finish()
    count.clear()
    return store, run.id, count


def test_a_slice_takes_five_requests_and_a_fifth_more() -> None:
    """10 MiB of a large file, wherever they begin: at most 5 GETs with those of the log, and 12 MiB."""
    store, run_id, count = counted(72 << 20)
    for start in (0, 1, 25_000_003, 30 << 20, 62 << 20):
        count.clear()
        with store.artifacts.open(f"runs:/{run_id}/f") as file:
            file.seek(start)
            assert len(file.read(10 << 20)) == 10 << 20
        assert count.requests["get"] + count.requests["get_range"] <= 5
        assert count.bytes["get"] + count.bytes["get_range"] <= 12 << 20


def test_reading_on_asks_seldom_and_stopping_wastes_little() -> None:
    """From any place on, by 8 KiB: about twice of what was read is fetched at most, in ever fewer requests."""
    store, run_id, count = counted(48 << 20)
    for amount, requests in ((64 << 10, 2), (1 << 20, 5), (8 << 20, 8), (40 << 20, 12)):
        with store.artifacts.open(f"runs:/{run_id}/f") as file:
            count.clear()
            file.seek(3_000_000)
            for _ in range(amount >> 13):
                file.read(8 << 10)
        assert count.total <= requests
        assert count.bytes["get_range"] <= 2 * amount + (1 << 20)


def test_ranges_share_requests() -> None:
    """A thousand ranges near one another come with one request, far ones each with its own."""
    store, run_id, count = counted(40 << 20)
    with store.artifacts.open(f"runs:/{run_id}/f") as file:
        count.clear()
        file.read_ranges([(at, at + 10) for at in range(5_000_000, 6_000_000, 1000)])
        assert count.requests["get_range"] == 1
        count.clear()
        file.read_ranges([(0, 10), (10 << 20, (10 << 20) + 10), (20 << 20, (20 << 20) + 10)])
        assert count.requests["get_range"] == 3
        assert count.bytes["get_range"] <= 3 * (256 << 10)


@pytest.mark.parametrize("act", ["corrupt", "short"])
def test_wrong_bytes_in_a_range_are_an_error(act: str) -> None:
    """Once, they are fetched again; each time, pack, offset and file are named."""
    bucket = FaultyBucket(MemoryBucket())
    run = tiny_store(bucket).runs.start()
    run.log_stream(io.BytesIO(DATA["large"]), "large")
    with run.open("large") as file:
        bucket.plan(Fault("get_range", act, PACKS))
        assert file.read_ranges([(1000, 2000)]) == [DATA["large"][1000:2000]]
        bucket.plan(Fault("get_range", act, PACKS, times=None))
        with pytest.raises(IntegrityError, match="large") as caught:
            file.read_ranges([(1000, 2000)])
    assert re.search(r"pack [0-9a-f]{32}-[0-9a-f]{8}, offset \d+", caught.value.where)


def test_whole_content_of_another_file_is_an_error(run: Run) -> None:
    """Chunks that are all right, and a file that is not: reading all of it notices."""
    file = run.open("large").raw
    assert isinstance(file, ArtifactFile)
    file.entry = replace(file.entry, sha256=bytes(32))
    with pytest.raises(IntegrityError, match="another SHA-256"):
        file.readall()


def test_ranges_by_a_handle_in_another_process(tmp_path: Path) -> None:
    """What was pickled reads as well."""
    run = Store.open(str(tmp_path)).runs.start()
    run.log_bytes(DATA["large"], "large")
    run.finish()
    there: Run = pickle.loads(pickle.dumps(run))
    assert there.read_ranges("large", [(5, 10)]) == [DATA["large"][5:10]]
