"""The memory of files: what makes a row believed, and what becomes of a cache that is not."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from holdall.format.digest import sha256
from holdall.format.layout import PackName
from holdall.format.recipe import Recipe
from holdall.format.reference import Ref
from holdall.trees.stamps import AGE, stamp_of
from holdall.trees.stat_cache import Remembered, StatCache

STORE, OTHER = "a" * 32, "b" * 32
PACK = PackName(b"s" * 16, 7)


def later() -> int:
    """A time at which what exists now is old enough."""
    return time.time_ns() + 2 * AGE


def remembered(place: Path, *, chunks: int = 3, seed: int = 0) -> Remembered:
    """A file of that size in so many chunks."""
    size, random_bytes = place.stat().st_size, random.Random(seed).randbytes
    raws = [size - chunks + 1] + [1] * (chunks - 1)
    refs = tuple(Ref(random_bytes(32), PACK, 8 + 100 * n, 50, raw, 1) for n, raw in enumerate(raws))
    digest = sha256(place.read_bytes())
    return Remembered(digest, Recipe(size, digest, refs), PACK)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "a folder" / "model.bin"
    place.parent.mkdir()
    place.write_bytes(b"a" * 100_000)
    return place


@pytest.fixture
def cache(tmp_path: Path) -> StatCache:
    return StatCache(tmp_path / "cache", now=later, patience=60)


def keep(cache: StatCache, place: Path, file: Remembered | None = None) -> None:
    stamp = stamp_of(place)
    assert stamp is not None
    cache.keep(STORE, [(place, stamp, file or remembered(place))])


def found(cache: StatCache, place: Path, store: str = STORE) -> Remembered | None:
    answer = cache.find(store, [place]).get(place)
    assert answer is None or answer[0] == stamp_of(place)
    return answer and answer[1]


# --- what is remembered


def test_what_is_kept_is_found(cache: StatCache, place: Path) -> None:
    """With its chunks and where its recipe is; or only hashed; by any cache at this folder."""
    for file in (remembered(place), Remembered(sha256(b"x"))):
        keep(cache, place, file)
        assert found(cache, place) == file
        assert found(StatCache(cache.file.parent), place) == file


def test_a_relative_path_and_a_strange_name_are_remembered(
    cache: StatCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path is made absolute; names need not be UTF-8."""
    monkeypatch.chdir(tmp_path)
    place = Path(os.fsdecode(b"caf\xe9 '\n"))
    place.write_bytes(b"a" * 1000)
    keep(cache, place)
    assert found(cache, tmp_path / place) == found(cache, place) == remembered(place)


def rewritten(place: Path) -> None:
    place.write_bytes(b"b" * 100_000)


def longer(place: Path) -> None:
    status = place.stat()
    with place.open("ab") as file:
        file.write(b"a")
    os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))


def touched(place: Path) -> None:
    os.utime(place, ns=(0, 0))


def moded(place: Path) -> None:
    place.chmod(0o700)


def replaced(place: Path) -> None:
    other = place.with_name("other")
    other.write_bytes(b"b" * 100_000)
    status = place.stat()
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.rename(place)


def gone(place: Path) -> None:
    place.unlink()


def folded(place: Path) -> None:
    place.unlink()
    place.mkdir()


@pytest.mark.parametrize("change", [rewritten, longer, touched, moded, replaced, gone, folded])
def test_a_file_that_may_have_changed_is_not_found(
    cache: StatCache, place: Path, change: Callable[[Path], None]
) -> None:
    """Size, mtime, ctime or inode, even where all others are put back."""
    keep(cache, place)
    time.sleep(0.02)  # the kernel's clock ticks
    change(place)
    assert found(cache, place) is None


def test_a_file_is_remembered_for_one_store_and_one_path(cache: StatCache, place: Path) -> None:
    """What another store holds says nothing; nor does another name of the same inode."""
    keep(cache, place)
    link = place.with_name("hard link")
    link.hardlink_to(place)
    keep(cache, place)  # linking has moved its ctime
    assert found(cache, place, OTHER) is found(cache, link) is None
    assert found(cache, place) is not None


def test_a_stamp_does_not_outlive_its_boot(cache: StatCache, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a power failure times may be older than bytes, so another boot's stamp is another stamp."""
    keep(cache, place)
    monkeypatch.setattr("holdall.trees.stamps._boot", lambda: b"another boot 123")
    assert found(cache, place) is None
    monkeypatch.setattr("holdall.trees.stamps._boot", lambda: None)
    assert stamp_of(place) is None


def test_without_a_stamp_nothing_is_opened(tmp_path: Path) -> None:
    """A cache that has nothing to say makes no file."""
    cache = StatCache(tmp_path / "cache")
    assert cache.find(STORE, [tmp_path / "nowhere"]) == {}
    cache.keep(STORE, [])
    assert not (tmp_path / "cache").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_who_may_not_read_a_file_does_not_find_it(tmp_path: Path) -> None:
    """A user who left the group that may read a file would get an error from reading it; no stamp shows that."""
    folder = tmp_path / "open"
    folder.mkdir()
    for parent in (folder, *folder.parents):
        if not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    folder.chmod(0o777)
    place = folder / "secret"
    place.write_bytes(b"a" * 1000)
    os.chown(place, 0, 12345)
    place.chmod(0o640)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([12345])
            os.setegid(54321)
            os.seteuid(54321)
            cache = StatCache(folder / "cache")
            keep(cache, place)
            member = found(cache, place) is not None
            os.seteuid(0)
            os.setgroups([])
            os.seteuid(54321)
            code = 0 if member and found(cache, place) is None else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# --- a cache that is not as it was written


def test_no_flipped_bit_makes_another_answer(cache: StatCache, place: Path) -> None:
    """Whatever byte of the cache is wrong, what was kept is found, or nothing; and it can be kept again."""
    file = remembered(place, chunks=40)
    keep(cache, place, file)
    good = cache.file.read_bytes()
    answers = set()
    choose = random.Random(1)
    for at in [*range(120), *choose.sample(range(len(good)), 300)]:
        bad = bytearray(good)
        bad[at] ^= 1 << choose.randrange(8)
        cache.file.write_bytes(bad)
        answers.add(found(cache, place))
        keep(cache, place, file)
        keep(cache, place, file)  # the first time may have found it corrupt, and removed it
        assert found(cache, place) == file
        cache.file.write_bytes(good)
    assert answers == {file, None}


@pytest.mark.parametrize("length", [0, 10, 100, 4096, 5000, -1])
def test_a_truncated_cache_is_replaced(cache: StatCache, place: Path, length: int) -> None:
    """Cut anywhere, it is no error; the next that is kept is found again."""
    keep(cache, place, remembered(place, chunks=400))
    good = cache.file.read_bytes()
    cache.file.write_bytes(good[:length])
    assert found(cache, place) in (None, remembered(place, chunks=400))
    for _ in range(2):
        keep(cache, place)
    assert found(cache, place) == remembered(place)


def test_garbage_is_replaced_with_one_warning(cache: StatCache, place: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What is no database is removed; so is a database of somebody else's making."""
    keep(cache, place)
    cache.file.write_bytes(random.Random(3).randbytes(50_000))
    assert found(cache, place) is None
    keep(cache, place)
    assert found(cache, place) is not None
    cache.file.unlink()
    with closing(sqlite3.connect(cache.file)) as database:
        database.execute("CREATE TABLE entry (other TEXT)")
    cache.file.chmod(0o600)
    assert found(cache, place) is None
    keep(cache, place)
    assert found(cache, place) is not None
    assert len(caplog.records) == 1
    assert "without the stat cache" in caplog.text


def test_a_locked_cache_is_done_without(cache: StatCache, place: Path) -> None:
    """Somebody holds it for longer than reading takes: no answer, no error, and it is left as it is."""
    keep(cache, place)
    hasty = StatCache(cache.file.parent, patience=0.01)
    with closing(sqlite3.connect(cache.file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert found(hasty, place) is None
        keep(hasty, place, Remembered(b"x" * 32))
        other.execute("ROLLBACK")
    assert found(cache, place) == remembered(place)


def test_a_cache_that_cannot_be_made_is_done_without(tmp_path: Path, place: Path) -> None:
    """Its folder is a file, or its file a folder."""
    (tmp_path / "taken").touch()
    keep(StatCache(tmp_path / "taken"), place)
    cache = StatCache(tmp_path / "cache")
    cache.file.mkdir(parents=True)
    keep(cache, place)
    assert found(StatCache(tmp_path / "taken"), place) is found(cache, place) is None


def test_a_cache_that_others_may_have_written_is_not_believed(cache: StatCache, place: Path) -> None:
    """Whoever can write to it could say what a file holds. Its own file is for its user alone."""
    keep(cache, place)
    assert cache.file.stat().st_mode & 0o777 == 0o600
    cache.file.chmod(0o622)
    assert found(cache, place) is None
    cache.file.chmod(0o600)
    assert found(cache, place) is not None
    if os.geteuid() == 0:
        os.chown(cache.file, 12345, -1)
        assert found(cache, place) is None
    elsewhere = cache.file.with_name("elsewhere")
    cache.file.rename(elsewhere)
    os.chown(elsewhere, os.geteuid(), -1)
    cache.file.symlink_to(elsewhere)
    assert found(cache, place) is None


# --- how much, and who at once


def test_the_cache_stays_below_its_size_and_forgets_the_oldest(tmp_path: Path) -> None:
    """Ten times as much as has room: never more on the disk, and the newest are there."""
    most = 1 << 20
    cache = StatCache(tmp_path / "cache", most=most)
    places = [tmp_path / f"{n}.bin" for n in range(100)]
    for n, place in enumerate(places):
        place.write_bytes(b"a" * 5000)
        keep(cache, place, remembered(place, chunks=2500, seed=n))
        assert cache.file.stat().st_size <= most
    there = [place for place in places if found(cache, place)]
    assert there == places[-len(there) :]
    assert 4 <= len(there) <= 10
    assert found(cache, places[-1]) == remembered(places[-1], chunks=2500, seed=99)


def test_a_file_of_too_many_chunks_is_not_remembered(tmp_path: Path, place: Path) -> None:
    """It would push out all others, in vain."""
    cache = StatCache(tmp_path / "cache", most=1 << 20)
    small = place.with_name("small")
    small.write_bytes(b"a")
    keep(cache, small, Remembered(sha256(b"a")))
    keep(cache, place, remembered(place, chunks=20_000))
    assert found(cache, place) is None
    assert found(cache, small) is not None


def test_threads_and_processes_share_it(cache: StatCache, tmp_path: Path) -> None:
    """Four processes, forked while threads of the first are at work, keep and find at once; nothing is lost."""
    places = [tmp_path / f"{n}.bin" for n in range(40)]
    for place in places:
        place.write_bytes(b"a" * 100)

    def work(some: list[Path]) -> None:
        for place in some:
            keep(cache, place)
            assert found(cache, place) == remembered(place)

    ends = threading.Event()

    def busy() -> None:
        while not ends.is_set():
            found(cache, places[0])

    with ThreadPoolExecutor(4) as threads:
        looking = threads.submit(busy)
        children = []
        for n in range(4):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    work(places[n * 5 : n * 5 + 5])
                    code = 0
                finally:
                    os._exit(code)
            children.append(child)
        list(threads.map(work, [places[20 + n * 10 : 30 + n * 10] for n in range(2)]))
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        ends.set()
        looking.result()
    assert codes == [0, 0, 0, 0]
    assert all(found(StatCache(cache.file.parent), place) for place in places)
