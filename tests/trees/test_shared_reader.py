"""One open file and many threads: it may be handed over, and who seeks and reads gets what is there."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runs.test_collected_meanwhile import TEXT, World
from tests.support.stores import Serial, entropy, tiny_store

from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.trees.artifact_reader import ArtifactReader
from holdall.trees.file_content import FileContent
from holdall.trees.shared_position import SharedPosition

DATA = b"\n".join(entropy(n)(20 + 7 * (n % 50)) for n in range(500))
SIZE = len(DATA)


@pytest.fixture(scope="module")
def run() -> Run:
    run = tiny_store(MemoryBucket(), pool=Serial()).runs.start()
    run.log_stream(io.BytesIO(DATA), "f")
    return run


File = io.BufferedIOBase
Op = Callable[[File], object]


def _into(size: int, verb: str) -> Op:
    def read(file: File) -> bytes:
        buffer = bytearray(size)
        count = getattr(file, verb)(buffer)
        return bytes(buffer[:count])

    return read


def _line(file: File) -> bytes | None:
    return next(iter(file), None)


SIZES = st.sampled_from([0, 1, 10, 300, 5_000, 8_191, 8_192, 20_000, SIZE, SIZE + 5])
READS: st.SearchStrategy[Op] = st.one_of(
    SIZES.map(lambda n: lambda file: file.read(n)),
    SIZES.map(lambda n: _into(n, "readinto")),
    st.sampled_from([100, None, -1]).map(lambda n: lambda file: file.readline(n)),
    st.just(lambda file: file.tell()),
    st.just(_line),
    st.just(lambda file: file.read()),
)
PLACES = st.integers(0, SIZE + 10)
SEEKS: st.SearchStrategy[Op] = st.one_of(
    PLACES.map(lambda at: lambda file: file.seek(at)),
    PLACES.map(lambda at: lambda file: file.seek(-min(at, SIZE), io.SEEK_END)),
    st.integers(0, 500).map(lambda n: lambda file: file.seek(n, io.SEEK_CUR)),
    st.just(lambda file: file.seek(0, io.SEEK_END)),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.one_of(READS, SEEKS), max_size=30))
def test_one_thread_reads_as_of_any_file(run: Run, ops: list[Op]) -> None:
    """Each verb gives what it gives of the same bytes in memory."""
    theirs = io.BufferedReader(io.BytesIO(DATA))
    with run.open("f") as ours:
        assert [op(ours) for op in ops] == [op(theirs) for op in ops]


@contextmanager
def threads(count: int) -> Iterator[list[Callable[[Callable[[], object]], object]]]:
    """So many threads, each as a function that has it do something and returns what that returns."""
    pools = [ThreadPoolExecutor(1) for _ in range(count)]
    yield [lambda work, pool=pool: pool.submit(work).result() for pool in pools]  # type: ignore[misc]
    for pool in pools:
        pool.shutdown()


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_a_file_that_is_handed_over_is_read_on(run: Run, data: st.DataObject) -> None:
    """Whichever thread does the next thing, it goes on where the last one ended: a pool of a web server does so."""
    steps = data.draw(
        st.lists(st.tuples(st.integers(0, 2), st.booleans(), SEEKS, st.integers(0, 2), READS), max_size=12)
    )
    theirs = io.BufferedReader(io.BytesIO(DATA))
    with threads(3) as workers, run.open("f") as ours:
        for first, seeks, seek, second, read in steps:
            if seeks:
                assert workers[first](lambda seek=seek: seek(ours)) == seek(theirs)  # type: ignore[misc]
            assert workers[second](lambda read=read: read(ours)) == read(theirs)  # type: ignore[misc]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, SIZE), SIZES), min_size=2, max_size=4), st.randoms())
def test_each_thread_reads_where_it_has_sought(run: Run, wanted: list[tuple[int, int]], order: object) -> None:
    """Whatever other threads do between its seek and its read: in any order of all these."""
    turns = [n for n in range(len(wanted)) for _ in range(2)]
    order.shuffle(turns)  # type: ignore[attr-defined]
    with threads(len(wanted)) as workers, run.open("f") as file:
        sought: set[int] = set()
        for n in turns:
            at, size = wanted[n]
            if n not in sought:
                sought.add(n)
                workers[n](lambda at=at: file.seek(at))  # type: ignore[misc]
            else:
                assert workers[n](lambda size=size: file.read(size)) == DATA[at : at + size]  # type: ignore[misc]


@contextmanager
def hasty() -> Iterator[None]:
    """Have the interpreter change threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def _wrong(file: ArtifactReader, data: bytes, seed: int, count: int) -> list[tuple[int, int]]:
    """What a thread reads wrongly, of so many places."""
    wrong = []
    for n in range(count):
        at = int.from_bytes(entropy(seed * 1000 + n)(4), "big") % len(data)
        size = (10, 700, 9_000)[n % 3]
        file.seek(at)
        if file.read(size) != data[at : at + size]:
            wrong.append((at, size))
        if n % 5 == 0 and file.read_ranges([(0, 10), (at, at)]) != [data[:10], b""]:
            wrong.append((0, 10))
    return wrong


def test_threads_that_share_a_file_read_right(run: Run) -> None:
    """As DuckDB does it: many threads, one file, seek and read, without a lock of theirs."""
    with hasty(), run.open("f") as file, ThreadPoolExecutor(6) as pool:
        pending = [pool.submit(_wrong, file, DATA, seed, 60) for seed in range(6)]
        assert [each.result(60) for each in pending] == [[]] * 6


def test_threads_that_share_a_file_go_on_where_its_content_is() -> None:
    """Its packs move while they read: each thread goes on by the newest entry, and none takes it for damage."""
    world, data = World(), TEXT.encode()
    with hasty(), world.run.open("text.txt") as file, ThreadPoolExecutor(4) as pool:
        started = threading.Barrier(5)

        def read(seed: int) -> list[tuple[int, int]]:
            started.wait()
            return _wrong(file, data, seed, 40)

        pending = [pool.submit(read, seed) for seed in range(4)]
        started.wait()
        world.move()
        assert [each.result(60) for each in pending] == [[]] * 4


def test_a_read_that_failed_is_done_again_from_the_same_place(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error skips nothing, through the buffer or past it."""
    for size in (10, 9_000):
        with run.open("f") as file:
            file.seek(50)
            with monkeypatch.context() as patch:
                patch.setattr(type(file.raw._source[0]), "fill", _fail)
                with pytest.raises(OSError, match="the line is dead"):
                    file.read(size)
            assert file.read(size) == DATA[50 : 50 + size]


def _fail(*_: object, **__: object) -> None:
    raise OSError("the line is dead")


def test_what_is_not_a_place_is_refused(run: Run) -> None:
    """Before the beginning, from nowhere, or in a file that is closed; and the position stays where it was."""
    with run.open("f") as file:
        file.seek(7)
        for wrong in ((-8, io.SEEK_CUR), (-1, io.SEEK_SET), (0, 3)):
            with pytest.raises(ValueError, match=r"cannot seek to -1|whence"):
                file.seek(*wrong)
        assert file.tell() == 7
    for verb in (file.tell, file.read, file.readline, lambda: file.seek(0), lambda: file.read_ranges([])):
        with pytest.raises(ValueError, match="closed"):
            verb()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_reads_although_its_parent_was_reading(run: Run) -> None:
    """A lock that another thread held at the fork is no lock of the child's."""
    with run.open("f") as file:
        file.read(10)
        held, done = threading.Event(), threading.Event()

        def hold() -> None:
            content = file.raw._source[0]
            assert isinstance(content, FileContent)
            with file._lock, content._lock:
                held.set()
                done.wait(30)

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(30)
        child = os.fork()
        if not child:
            os._exit(0 if file.seek(3) == 3 and file.read(9_000) == DATA[3:9_003] else 1)
        done.set()
        thread.join()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_what_is_forgotten_of_a_thread_is_all(run: Run) -> None:
    """However many threads come and go, each leaves at most the place where it has sought last."""
    position = SharedPosition()
    for thread in range(100):
        position.seek(thread, thread)
        assert position.take(thread) == thread
    assert position._sought == {}
