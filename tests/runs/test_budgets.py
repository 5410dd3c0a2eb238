"""How many requests things cost, counted by the server that got them, repeated ones included."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.support.depth import DEEP
from tests.support.logs import AccessLog, Asked, entries_of
from tests.support.servers import Server
from tests.support.worker import Place

from holdall.chunks.pool import Pool
from holdall.format.layout import PACKS
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.store import Store

FILES = 2000
ENTRIES = 2500 if DEEP else 1300  # more than a listing's page


class Counted:
    """A store on the server that has been written to before, and what the server is asked about it."""

    def __init__(self, server: Server) -> None:
        self.place = Place(f"{server.new_bucket()}/store", server.options)
        self.store = self.place.store()
        self.log = AccessLog(server, self.place.url)

    def warm(self) -> Counted:
        """Create the store, and write a first run."""
        run = self.store.runs.start()
        run.log_bytes(b"first", "first.txt")
        run.finish()
        self.log.news()
        return self

    def asked(self) -> list[Asked]:
        return self.log.news()


@pytest.fixture
def counted(moto: Server) -> Counted:
    return Counted(moto).warm()


@pytest.fixture(scope="module")
def many_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,000 files of 4 KB that do not compress."""
    folder, source = tmp_path_factory.mktemp("many"), random.Random(4)
    for n in range(FILES):
        path = folder / f"{n % 20:02}/{n:04}.bin"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(source.randbytes(4096))
    return folder


def told(asked: list[Asked]) -> str:
    """What was asked, for people: how often each method, and where."""
    return str(Counter(f"{one.method} {one.key.split('/')[0]} {one.status}" for one in asked))


def test_starting_a_run_takes_three_requests(counted: Counted) -> None:
    """A run begins with its experiment's name and its log, and one to spare."""
    run = counted.store.runs.start()
    asked = counted.asked()
    assert len(asked) <= 3, told(asked)
    run.finish()


def test_a_small_file_is_one_put(counted: Counted) -> None:
    """Logging a small file into an open run is one PUT and nothing else, each time."""
    run = counted.store.runs.start()
    counted.asked()
    for n in range(5):
        run.log_bytes(b"small " * n, f"{n}.txt")
        assert [(one.method, one.status) for one in counted.asked()] == [("PUT", 200)]
    run.finish()


def test_two_thousand_files_are_fifteen_requests(counted: Counted, many_files: Path) -> None:
    """A folder of 2,000 files of 4 KB is one commit; a small file after it is one PUT; again it stores no pack."""
    run = counted.store.runs.start()
    counted.asked()
    run.log_artifacts(many_files, "data")
    asked = counted.asked()
    assert len(asked) <= 15, told(asked)
    assert sum(one.bytes for one in asked if one.key.startswith(PACKS)) >= FILES * 4096
    run.log_bytes(b"small", "small.txt")
    assert [(one.method, one.status) for one in counted.asked()] == [("PUT", 200)]
    run.finish()
    counted.asked()

    again = counted.place.store().runs.start()
    counted.asked()
    again.log_artifacts(many_files, "data")
    asked = counted.asked()
    assert [one for one in asked if one.method == "PUT" and one.key.startswith(PACKS)] == [], told(asked)
    assert len(asked) <= 15, told(asked)
    assert len(again.manifest) == FILES
    again.finish()


@pytest.mark.long
def test_a_finished_run_of_many_entries_is_listed_in_four_requests(moto: Server) -> None:
    """Listing and reading do not grow with the log: a listing, the last entry, the tree; then the file."""
    memory = MemoryBucket()
    writing = Store._over(memory, Pool())
    written = writing.runs.start()
    for n in range(ENTRIES - 2):
        written.log_bytes(b"checkpoint %d" % n, f"checkpoints/{n // 100:02}/{n:04}.txt")
    written.finish()
    assert len(entries_of(memory, written.id)) == ENTRIES

    counted = Counted(moto)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(counted.place.bucket().put, memory.objects.keys(), memory.objects.values()))
    counted.store.runs.get(written.id).entry("checkpoints/00/0000.txt")  # opens the store
    uri = f"runs:/{written.id}"

    counted.asked()
    listed = counted.store.artifacts.list(f"{uri}/checkpoints/07")
    asked = counted.asked()
    assert [info.path for info in listed] == [f"checkpoints/07/{n:04}.txt" for n in range(700, 800)]
    assert len(asked) <= 4, told(asked)

    assert len(counted.store.artifacts.list(f"{uri}/checkpoints")) == ENTRIES // 100
    assert len(asked := counted.asked()) <= 4, told(asked)

    with counted.store.artifacts.open(f"{uri}/checkpoints/12/1234.txt") as file:
        assert file.read() == b"checkpoint 1234"
    assert len(asked := counted.asked()) <= 5, told(asked)


def test_a_small_file_of_a_finished_run_is_read_in_three_requests(counted: Counted) -> None:
    """A short run's files travel in its log: a listing, the last entry, and the entry that holds the file."""
    run: Run = counted.store.runs.start()
    run.log_bytes(b"all is well", "report.txt")
    run.finish()
    counted.asked()
    with counted.store.artifacts.open(f"runs:/{run.id}/report.txt") as file:
        assert file.read() == b"all is well"
    assert len(asked := counted.asked()) <= 3, told(asked)


def test_a_training_loop_of_ten_thousand_measurements_takes_forty_requests(counted: Counted) -> None:
    """From the run's beginning to its end, 10,000 calls that each log a metric cost at most 40 requests."""
    run = counted.store.runs.start()
    for step in range(10_000):
        run.log_metrics({"loss": 1 / (step + 1)}, step=step)
    run.finish()
    asked = counted.asked()
    assert len(asked) <= 40, told(asked)
    assert len(run.history("loss")) == 10_000
