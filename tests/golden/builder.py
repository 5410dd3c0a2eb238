"""Golden stores: how the bytes in `v1/` were made, and how those of another version would be.

    python -m tests.golden.builder v2

The real writer writes into memory. Its clock ticks a second at each look, its
randomness comes from a hash, its chunks and packs are small. No test writes
here; the command refuses to touch a file that exists. A store that was
committed stays as it is: later versions must read it.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import shake_256
from io import BytesIO
from pathlib import Path
from typing import Final

from holdall.chunks.pool import Pool
from holdall.format.chunking import Chunker
from holdall.format.entry import LogEntry, encode_entry
from holdall.format.layout import experiment_log, log_key, run_id, run_log
from holdall.format.paths import check_link, check_path
from holdall.format.records import Descriptor
from holdall.format.tree import Kind
from holdall.storage.bucket import Bytes
from holdall.storage.memory import MemoryBucket
from holdall.trees.location import Location
from holdall.trees.session import Session
from holdall.trees.source import Item

FOLDER: Final = Path(__file__).parent
USUAL: Final = Chunker(16 << 10, 64 << 10, 256 << 10)  # as stores were made when these were
WORDS: Final = ("anchor", "ballast", "cleat", "davit", "fathom", "halyard", "keel", "moor", "reef", "spar", "tiller")


class Died(Exception):
    """The writer's end, at a request that never arrived."""


class MortalBucket(MemoryBucket):
    """A bucket in memory whose writer dies when it puts an object under `fatal`."""

    fatal = "none/"

    def put(self, key: str, data: Bytes) -> None:
        if key.startswith(self.fatal):
            raise Died(key)
        super().put(key, data)


class World:
    """A store in the making, with all that its writers know of the world.

    Attributes:
        bucket: Where it is.
        location: As the one writer at work sees it.
    """

    def __init__(self, name: str, *, chunker: Chunker | None = None, pack_size: int = 32 << 20) -> None:
        self.bucket = MortalBucket(name)
        self._clock = itertools.count(1_750_000_000_000, 1000)
        self._random = (shake_256(f"{name} {n}".encode()) for n in itertools.count())
        self.location = self._arrive()
        self._create_store(Descriptor("", 0, chunker or USUAL, pack_size))

    def begin(self, experiment: str = "Default", *, versioned: bool = False) -> Session:
        """A new run, as the session that writes it."""
        owner = self.location.names.experiment_id(experiment)
        if log_key(experiment_log(owner), 0) not in self.bucket.objects:
            self._create(experiment_log(owner), {"op": "create", "name": experiment})
        log = run_log(run_id(owner, self.entropy(12)))
        create = {"op": "create", "experiment": owner} | ({"paths": "versioned"} if versioned else {})
        ops = [create, {"op": "status", "status": "RUNNING"}]
        session = Session.start(self.location, log, ops)
        assert session
        return session

    def another_process(self) -> None:
        """Forget all that was learned of the bucket: what follows is the work of somebody else."""
        self.location = self._arrive()

    def entropy(self, size: int) -> bytes:
        """So many bytes that look random."""
        return next(self._random).digest(size)

    @contextmanager
    def dying(self, prefix: str) -> Iterator[None]:
        """In this block the writer dies at its first put under a prefix."""
        self.bucket.fatal = prefix
        try:
            yield
        except Died:
            self.another_process()
        else:
            raise AssertionError("nobody died")
        finally:
            self.bucket.fatal = MortalBucket.fatal

    def _create_store(self, template: Descriptor) -> None:
        self.location.create(template)

    def _create(self, log: str, op: dict[str, str]) -> None:
        location = self.location
        entry = LogEntry(log, 0, self.entropy(16).hex(), None, location.clock(), location.writer, None, (op,))
        location.bucket.put(log_key(log, 0), encode_entry(entry))

    def _arrive(self) -> Location:
        writer = "holdall golden"
        return Location(self.bucket, Pool(workers=4), self._clock.__next__, self.entropy, _no_sleep, writer)


def _no_sleep(seconds: float) -> None:
    raise AssertionError("nobody races here")


# --- what is logged ---


def noise(seed: str, size: int) -> bytes:
    """Bytes that do not compress."""
    return shake_256(seed.encode()).digest(size)


def text(seed: str, size: int) -> bytes:
    """Bytes that do, and that hold no stretch twice."""
    words = (WORDS[byte % len(WORDS)] for byte in noise(seed, size // 48 + 1))
    return b"".join(f"{n:47} {word:16}\n".encode() for n, word in enumerate(words))[:size]


def lines(seed: str, size: int) -> bytes:
    """Bytes that shrink to a hundredth, and of which no chunk is another's."""
    return b"".join(f"{seed} {n:>150}\n".encode() for n in range(size // 150 + 1))[:size]


def file(path: str, data: bytes = b"", *, executable: bool = False) -> Item:
    """A file to log."""

    @contextmanager
    def opened() -> Iterator[BytesIO]:
        yield BytesIO(data)

    return Item(check_path(path), Kind.FILE, opened, len(data), executable)


def link(path: str, target: str) -> Item:
    """A link to log."""
    return Item(check_path(path), Kind.LINK, _nothing, target=check_link(path, target))


def folder(path: str) -> Item:
    """An empty directory to log."""
    return Item(check_path(path), Kind.DIRECTORY, _nothing)


@contextmanager
def _nothing() -> Iterator[BytesIO]:
    yield BytesIO()


# --- stores in folders ---


def build(maker: Callable[[], World]) -> dict[str, bytes]:
    """The objects of a store, by key."""
    return dict(sorted(maker().bucket.objects.items()))


def load(store: Path) -> dict[str, bytes]:
    """The objects of a store that lies in a folder, by key."""
    files = (found for found in store.rglob("*") if found.is_file())
    return dict(sorted((found.relative_to(store).as_posix(), found.read_bytes()) for found in files))


def write(version: Path) -> None:
    """Write every store into a version's folder.

    Raises:
        FileExistsError: One of its files is there.
    """
    from tests.golden.stores import MAKERS

    for name, maker in MAKERS.items():
        for key, data in build(maker).items():
            place = version / name / key
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("xb") as out:
                out.write(data)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].startswith("v"):
        sys.exit("usage: python -m tests.golden.builder VERSION, such as v2")
    write(FOLDER / sys.argv[1])
