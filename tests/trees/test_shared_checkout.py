"""Downloads that worker processes share: the same files, errors and requests as in one process."""

from __future__ import annotations

import errno
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.servers import Server
from tests.support.shared_bucket import ToldBucket
from tests.support.stores import TINY, entropy, tiny_location

from holdall.chunks.damage import Damage
from holdall.chunks.observer import SILENT, Transfer, Verb
from holdall.chunks.shared_reading import SharedReader
from holdall.errors import DestinationError, IntegrityError, WorkerDiedError
from holdall.format.chunking import Chunker
from holdall.format.tree import Entry, Kind
from holdall.runs.run import Run
from holdall.storage.bucket import Bucket
from holdall.storage.local import LocalBucket
from holdall.storage.memory import MemoryBucket
from holdall.storage.schemes import bucket_at
from holdall.store import Store
from holdall.trees.destination import Destination, Place
from holdall.trees.lent_file import LentFile
from holdall.trees.location import Location, Sharing
from holdall.trees.partial_file import PartialFile
from holdall.trees.shared_checkout import deliver_shared
from holdall.workers.crew import LEAST_MEMORY, NOBODY, Crew

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="files are lent through /proc")
SMALL = replace(TINY, chunker=Chunker(1024, 4096, 16384), pack_size=65536)


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    """Three workers, for all tests."""
    made = Crew(3, 4 * LEAST_MEMORY)
    yield made
    made.close()


def shared_location(bucket: Bucket, crew: Crew) -> Location:
    """A place whose downloads are shared however small they are."""
    location = tiny_location(bucket, create=False)
    location.create(SMALL)
    location.crew, location.sharing = crew, Sharing(least=0, part=1)
    return location


def logged(location: Location, folder: Path) -> Run:
    """A run with files of all kinds, logged by one process: one of them has what another has, and has it twice."""
    draw = entropy(5)
    folder.mkdir()
    shards = [draw(200_000), draw(150_000)]
    (folder / "large.bin").write_bytes(draw(700_000))
    for number, shard in enumerate(shards):
        (folder / f"shard-{number}.bin").write_bytes(shard)
    (folder / "both.bin").write_bytes(shards[0] + shards[1] + shards[0])
    (folder / "tool.bin").write_bytes(draw(90_000))
    (folder / "tool.bin").chmod(0o755)
    (folder / "empty").touch()
    (folder / "small.txt").write_text("small")
    (folder / "zeros.bin").write_bytes(bytes(300_000))
    location.crew, crew = NOBODY, location.crew
    with Store(location).runs.start() as run:
        run.log_artifacts(folder)
    location.crew = crew
    return Store(location).runs.get(run.id)


def contents(folder: Path) -> dict[str, tuple[bytes, bool]]:
    """All files below a folder, and whether they can be executed."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.read_bytes(), os.access(path, os.X_OK)) for path in files}


@pytest.fixture
def told(tmp_path: Path) -> ToldBucket:
    """A bucket that tells who reads."""
    return ToldBucket(tmp_path / "store", tmp_path / "notes")


@pytest.mark.parametrize("server", ["local", "moto"])
def test_workers_write_what_one_process_writes(
    server: str, crew: Crew, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A folder comes back as it was logged: large files, empty ones, programs, chunks that occur again."""
    bucket: Bucket = LocalBucket(tmp_path / "store")
    if server == "moto":
        moto: Server = request.getfixturevalue("moto")
        bucket = bucket_at(f"{moto.new_bucket()}/store", moto.options)
    run = logged(shared_location(bucket, crew), tmp_path / "in")
    run.download(None, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "in")


def test_the_requests_are_those_of_one_process(told: ToldBucket, crew: Crew, tmp_path: Path) -> None:
    """Each range of a pack is read once, by some worker, and by no other way than one process reads it."""
    location = shared_location(told, crew)
    run = logged(location, tmp_path / "in")
    told.reads()
    run.download(None, tmp_path / "shared")
    shared = told.reads()
    location.crew = NOBODY
    Store(location).runs.get(run.id).download(None, tmp_path / "alone")
    alone = told.reads()
    assert sorted(what for _, what in shared) == sorted(what for _, what in alone)
    assert {pid for pid, _ in alone} == {os.getpid()}
    assert len({pid for pid, _ in shared} - {os.getpid()}) == 3


def _remembering(memory: bytes) -> Callable[[object], int]:
    return lambda _: len(memory)


def test_every_way_to_fetch_is_shared(told: ToldBucket, crew: Crew, tmp_path: Path) -> None:
    """By a run or an address, what the command line has chosen, a model that is loaded: workers read all of them."""
    location = shared_location(told, crew)
    run, store = logged(location, tmp_path / "in"), Store(location)
    with store.runs.start() as other:
        info = store.models.log(other, _remembering(entropy(7)(100_000)), "model", input_example=[1.0])
    ways: dict[str, Callable[[], object]] = {
        "run": lambda: run.download("large.bin", tmp_path / "one"),
        "address": lambda: store.artifacts.download(f"runs:/{run.id}/large.bin", tmp_path / "two"),
        "chosen": lambda: run._fetch_selected(run._select("large.bin"), tmp_path / "three"),
        "model": lambda: store.models.load(info.model_uri),
    }
    for name, fetch in ways.items():
        told.reads()
        fetch()
        assert {pid for pid, _ in told.reads()} - {os.getpid()}, name


class Adder:
    """An observer that adds up what it is told."""

    def __init__(self) -> None:
        self.total: int | None = None
        self.done = self.saved = 0

    def begin(self, _verb: Verb, total: int | None, /) -> Transfer:
        self.total, self.done, self.saved = total, 0, 0
        return self

    def add(self, done: int, saved: int = 0, /) -> None:
        self.done, self.saved = self.done + done, self.saved + saved

    def __enter__(self) -> Transfer:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def test_progress_is_that_of_one_process(crew: Crew, tmp_path: Path) -> None:
    """All bytes are told as done, and those of chunks that occur again as saved."""
    told = []
    for people in (NOBODY, crew):
        location = shared_location(LocalBucket(tmp_path / f"store-{people.count}"), people)
        run = logged(location, tmp_path / f"in-{people.count}")
        location.observer = adder = Adder()
        run.download(None, tmp_path / f"out-{people.count}")
        told.append((adder.total, adder.done, adder.saved))
    assert told[0] == told[1]
    assert told[0][0] == told[0][1]


def test_damage_is_named_as_in_one_process(told: ToldBucket, crew: Crew, tmp_path: Path) -> None:
    """A wrong chunk is fetched again, then named with its pack, offset and file; other files are there."""
    location = shared_location(told, crew)
    run = logged(location, tmp_path / "in")
    pack = max((told.root / "packs").rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
    with pack.open("r+b") as file:
        file.seek(20_000)
        file.write(bytes(64))
    errors = []
    for people in (crew, NOBODY):
        location.crew = people
        with pytest.raises(IntegrityError) as caught:
            Store(location).runs.get(run.id).download(None, tmp_path / f"out-{people.count}")
        errors.append(str(caught.value))
    assert errors[0] == errors[1]
    assert len(location.damage.packs) == 1
    assert contents(tmp_path / "out-3") == contents(tmp_path / "out-0")
    assert contents(tmp_path / "out-3").items() < contents(tmp_path / "in").items()


def test_a_killed_worker_is_an_error_and_the_same_call_works_again(
    told: ToldBucket, crew: Crew, tmp_path: Path
) -> None:
    """The error says who died of what; no file is half there, and nothing is left over."""
    run = logged(shared_location(told, crew), tmp_path / "in")
    (told.notes / "kill").touch()
    with pytest.raises(WorkerDiedError, match="SIGKILL"):
        run.download(None, tmp_path / "out")
    assert contents(tmp_path / "out").items() <= contents(tmp_path / "in").items()
    (told.notes / "kill").unlink()
    run.download(None, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "in")


def test_an_interrupt_leaves_nothing_and_the_same_call_works_again(
    told: ToldBucket, crew: Crew, tmp_path: Path
) -> None:
    """Ctrl-C ends the workers' calls too."""
    run = logged(shared_location(told, crew), tmp_path / "in")
    (told.notes / "stall").touch()
    told.reads()
    interrupting = threading.Thread(target=_interrupt_once_workers_read, args=(told,))
    interrupting.start()
    with pytest.raises(KeyboardInterrupt):
        run.download(None, tmp_path / "out")
    interrupting.join()
    assert contents(tmp_path / "out").items() <= contents(tmp_path / "in").items()
    (told.notes / "stall").unlink()
    run.download(None, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "in")


def _interrupt_once_workers_read(told: ToldBucket) -> None:
    while all(pid == os.getpid() for pid, _ in told.reads()):
        time.sleep(0.01)
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def test_a_full_disk_is_the_destinations_error(crew: Crew, tmp_path: Path) -> None:
    """What a worker cannot write names the file, and no part of it stays."""
    run = logged(shared_location(LocalBucket(tmp_path / "store"), crew), tmp_path / "in")
    with crew.claim(3) as workers:
        pids = [worker.pid for worker in workers]
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    try:
        with pytest.raises(DestinationError, match=r"(large|both)\.bin"):
            run.download(None, tmp_path / "out")
    finally:
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert contents(tmp_path / "out").items() < contents(tmp_path / "in").items()


def test_a_bucket_of_this_process_stays_here(crew: Crew, tmp_path: Path) -> None:
    """What is in memory has no other process to be read by."""
    run = logged(shared_location(MemoryBucket(), crew), tmp_path / "in")
    run.download(None, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "in")


def test_where_no_file_can_be_lent_one_process_writes(
    told: ToldBucket, crew: Crew, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers that cannot open a file say so before anything is fetched."""

    def hidden(_: int, path: str, place: str) -> LentFile:
        return LentFile(os.getpid(), 1_000_000, 0, 0, path, place)

    run = logged(shared_location(told, crew), tmp_path / "in")
    told.reads()
    monkeypatch.setattr(LentFile, "of", hidden)
    run.download(None, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "in")
    assert {pid for pid, _ in told.reads()} == {os.getpid()}


def test_where_too_many_files_would_be_open_one_process_writes(told: ToldBucket, crew: Crew, tmp_path: Path) -> None:
    """Shared files are all open at once, in each worker; where a limit forbids that, they are written one by one."""
    run = logged(shared_location(told, crew), tmp_path / "in")
    told.reads()
    with crew.claim(3) as workers:
        pids = [worker.pid for worker in workers]
    limits = {pid: resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in pids}
    try:
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[pid][1]))  # what is open stays open
        run.download(None, tmp_path / "out")
    finally:
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits[pid])
    assert contents(tmp_path / "out") == contents(tmp_path / "in")
    assert {pid for pid, _ in told.reads()} == {os.getpid()}


class Crowded(PartialFile):
    """A file of a process that has too many open already."""

    def lend(self) -> LentFile:
        raise DestinationError("here", "too many open files") from OSError(errno.EMFILE, "too many open files")


def test_a_process_with_too_many_open_files_shares_none(tmp_path: Path) -> None:
    """That is no error of the disk's: the files are fetched as by one process."""
    with Destination(tmp_path) as below:
        crowded = Crowded(Entry("a", Kind.FILE, 1, bytes(32)), Place(below, "a"))
        assert not deliver_shared(SharedReader([], b"", 1, SILENT, Damage()), [], [crowded])


def test_a_link_in_a_files_place_leads_nowhere(tmp_path: Path) -> None:
    """What is written goes into the file that was lent, whatever stands at its path by then."""
    (tmp_path / "outside").write_bytes(b"untouched")
    with (tmp_path / "file").open("w+b") as file:
        lent = LentFile.of(file.fileno(), "file", str(tmp_path / "file"))
        (tmp_path / "file").rename(tmp_path / "moved")
        (tmp_path / "file").symlink_to(tmp_path / "outside")
        borrowed = lent.open()
        borrowed.write(2, b"ab", b"cd")
        borrowed.close()
    assert (tmp_path / "outside").read_bytes() == b"untouched"
    assert (tmp_path / "moved").read_bytes() == b"\0\0abcd"


def test_another_file_under_a_lent_descriptor_is_refused(tmp_path: Path) -> None:
    """A number that was given to another file since then is no permission to write there."""
    (tmp_path / "one").touch()
    with (tmp_path / "other").open("w+b") as other:
        lent = replace(LentFile.of(other.fileno(), "one", "one"), inode=(tmp_path / "one").stat().st_ino)
        with pytest.raises(DestinationError, match="closed"):
            lent.open()
    assert (tmp_path / "other").read_bytes() == b""
