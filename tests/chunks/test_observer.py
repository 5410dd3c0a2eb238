"""What observers are told: the truth, seldom, and at their own risk."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.support.faulty import Fault, FaultyBucket
from tests.support.stores import tiny_location
from tests.support.watched import Recorder

from holdall.chunks.observer import SILENT, Observer, begin_transfer
from holdall.chunks.pool import Pool
from holdall.errors import ArtifactExistsError, IntegrityError, StorageError
from holdall.format.layout import PACKS
from holdall.format.records import Descriptor
from holdall.storage.memory import MemoryBucket
from holdall.store import Store

DATA = random.Random(1).randbytes(300_000)


def watched_store(bucket: MemoryBucket | FaultyBucket) -> tuple[Store, Recorder]:
    """A store with small chunks and packs, and who is told of its transfers."""
    location = tiny_location(bucket, pool=Pool(workers=4))
    location.observer = recorder = Recorder()
    return Store(location), recorder


@pytest.mark.parametrize("size", [0, 1, 1000, 60_000, 100_000, 300_000])
def test_done_adds_up_to_the_size(size: int) -> None:
    """Of fresh content all is done and nothing saved; of what the path holds already, all is saved."""
    store, recorder = watched_store(MemoryBucket())
    run = store.runs.start()
    run.log_bytes(DATA[:size], "a")
    run.log_bytes(DATA[:size], "a")
    assert [(told.verb, told.total, told.done, told.saved) for told in recorder.told] == [
        ("log", size or None, size, 0),
        ("log", size or None, size, size),
    ]
    assert [told.ended for told in recorder.told] == [[None], [None]]


def test_what_the_bucket_has_is_saved(tmp_path: Path) -> None:
    """Content that another run has, or the same commit once already, is done without a journey."""
    store, recorder = watched_store(MemoryBucket())
    store.runs.start().log_bytes(DATA, "a")
    run = store.runs.start()
    run.log_bytes(DATA, "b")
    for name in ("c", "d"):
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(DATA[::-1])
    run.log_artifacts(tmp_path / "in")
    run.log_bytes(b"x" * 5000 + b"y", "small")
    run.download(None, tmp_path / "out")
    assert [(told.verb, told.done, told.saved) for told in recorder.told] == [
        ("log", 300_000, 0),
        ("log", 300_000, 300_000),
        ("log", 600_000, 300_000),
        ("log", 5001, 0),
        ("fetch", 905_001, 300_000),  # files of one download share a stream: what two of them hold travels once
    ]


def test_one_blob_for_many_files_is_fetched_once(tmp_path: Path) -> None:
    """Files of the same single chunk count in full, and all but one of them as saved."""
    store, recorder = watched_store(MemoryBucket())
    (tmp_path / "large").write_bytes(DATA)
    for n in range(80):
        (tmp_path / f"{n}").write_bytes(b"%4000d" % 1)
    run = store.runs.start()
    run.log_artifacts(tmp_path)
    run.download(None, tmp_path / "out")
    assert [(told.total, told.done, told.saved) for told in recorder.told] == 2 * [(620_000, 620_000, 316_000)]


def test_done_means_acknowledged() -> None:
    """Before the bucket has taken the first pack nothing is done; what failed never is, and the end says how."""
    faulty = FaultyBucket(MemoryBucket())
    store, recorder = watched_store(faulty)
    run = store.runs.start()
    faulty.plan(Fault("put", key=PACKS, act="fail", times=None))
    with pytest.raises(StorageError):
        run.log_bytes(DATA, "a")
    (told,) = recorder.told
    assert told.done == 0
    assert [kind is not None and issubclass(kind, StorageError) for kind in told.ended] == [True]


def test_every_failure_ends_a_transfer(tmp_path: Path) -> None:
    """A refused path and a damaged pack end theirs with the error that the caller sees."""
    bucket = MemoryBucket()
    store, recorder = watched_store(bucket)
    run = store.runs.start()
    run.log_bytes(DATA, "a")
    with pytest.raises(ArtifactExistsError):
        run.log_bytes(DATA[::-1], "a")
    key = next(info.key for info in bucket.list(PACKS))
    bucket.objects[key] = bucket.objects[key][:50] + b"damage" + bucket.objects[key][56:]
    with pytest.raises(IntegrityError):
        run.download(None, tmp_path)
    assert [told.ended for told in recorder.told] == [[None], [ArtifactExistsError], [IntegrityError]]


class Failing:
    """An observer, and each of its transfers, that fails in one verb."""

    def __init__(self, verb: str) -> None:
        self.verb = verb

    def _do(self, verb: str) -> Failing:
        if verb == self.verb:
            raise RuntimeError("no progress is possible")
        return self

    def begin(self, *_: object) -> Failing:
        return self._do("begin")

    def add(self, *_: object) -> None:
        self._do("add")

    def __enter__(self) -> Failing:
        return self._do("enter")

    def __exit__(self, *_: object) -> None:
        self._do("exit")


@pytest.mark.parametrize("verb", ["begin", "add", "enter", "exit"])
def test_an_observer_that_fails_breaks_nothing(verb: str, tmp_path: Path) -> None:
    """Whatever an observer raises, the transfer goes on and ends as it would."""
    location = tiny_location(MemoryBucket())
    location.observer = Failing(verb)
    run = Store(location).runs.start()
    run.log_bytes(DATA, "a")
    run.download(None, tmp_path)
    assert (tmp_path / "a").read_bytes() == DATA


def test_an_error_of_the_transfer_is_not_swallowed() -> None:
    """Whatever an observer's `__exit__` returns, the error goes on to the caller."""
    for observer in (SILENT, Recorder(), Failing("exit")):
        with pytest.raises(KeyError), begin_transfer(observer, "log", 1):
            raise KeyError


def test_observing_costs_a_few_hundred_calls_per_gibibyte(tmp_path: Path) -> None:
    """With chunks and packs of the usual size: fresh, known and repeated content, known paths, and fetching."""
    location = tiny_location(MemoryBucket(), create=False)
    location.create(Descriptor("0" * 32, 0))
    location.observer = recorder = Recorder()
    store, size = Store(location), 32 << 20
    (tmp_path / "fresh").write_bytes(random.Random(3).randbytes(size))
    (tmp_path / "dull").write_bytes(bytes(size))
    run = store.runs.start()
    for _ in range(2):
        run.log_artifact(tmp_path / "fresh")
        run.log_artifact(tmp_path / "dull")
    store.runs.start().log_artifact(tmp_path / "fresh")
    run.download(None, tmp_path / "out")
    assert len(recorder.told) == 6
    for told in recorder.told:
        assert told.total is not None
        assert told.done == told.total
        assert told.calls * (1 << 30) // told.total <= 400, told


def test_silence_is_an_observer(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """The default observer takes all that any other takes, tells nobody of it, and remembers nothing."""
    observer: Observer = SILENT
    with caplog.at_level("DEBUG"), observer.begin("log", None) as transfer:
        assert transfer is SILENT
        transfer.add(1, 1)
        transfer.add(5)
    assert (caplog.records, capfd.readouterr(), vars(SILENT)) == ([], ("", ""), {})
