"""Many writers at once: nobody's work is lost, and one path has one content."""

from __future__ import annotations

import hashlib
import random
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from tests.support.depth import DEEP
from tests.support.faulty import FaultyBucket
from tests.support.logs import entries_of, ops_of
from tests.support.stores import tiny_store
from tests.support.worker import Place, place_of, side_by_side

from holdall.chunks.chunk_index import ChunkIndex
from holdall.chunks.pool import Pool
from holdall.errors import ArtifactExistsError, TransientStorageError
from holdall.format.digest import blob_id
from holdall.format.entry import LogEntry
from holdall.format.layout import PackName, generation_key, hint_key
from holdall.format.pack import PackBuilder, parse_footer
from holdall.format.records import encode_generation, encode_hint
from holdall.format.reference import CHUNK
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RetryBucket
from holdall.trees.journal import Journal

T = TypeVar("T")
WRITERS, RIVALS = 8, 12 if DEEP else 6
CONTESTED = {"in the entry": 100, "in packs": 100_000}  # bytes of what is logged there


@pytest.fixture(params=["local", "moto", pytest.param("localstack", marks=pytest.mark.timeout(900))])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A new store's place on each backend that other processes can reach."""
    return place_of(request, request.param, tmp_path)


def content(writer: int, n: int) -> bytes:
    """What a writer logs as its n-th file."""
    return f"file {n} of writer {writer}\n".encode() * (1 + n)


def log_files(place: Place, run_id: str, writer: int, commits: int) -> None:
    run = place.store().runs.resume(run_id)
    for n in range(commits):
        run.log_bytes(content(writer, n), f"{writer}/{n:02}.txt")


def log_rivals(place: Place, run_id: str, rival: int) -> list[tuple[str, str] | None]:
    """For each path what the refusal named, stored and offered; None for the winner."""
    run, answers = place.store().runs.get(run_id), list[tuple[str, str] | None]()
    for path, size in CONTESTED.items():
        try:
            run.log_bytes(bytes([rival]) * size, path)
            answers.append(None)
        except ArtifactExistsError as error:
            answers.append((error.stored, error.offered))
    return answers


@pytest.mark.long
@pytest.mark.every(2)
def test_no_commit_of_eight_processes_is_lost(place: Place, tmp_path: Path) -> None:
    """Eight processes commit many small files each to one run: no commit is lost, no gap, all bytes, no session."""
    commits = 5 if "://" in place.url else 10  # a server is slower, and meets as many rivals
    commits *= 4 if DEEP else 1
    run = place.store().runs.start()
    side_by_side(log_files, [(place, run.id, writer, commits) for writer in range(WRITERS)], seconds=240)
    wanted = {f"{w}/{n:02}.txt": content(w, n) for w in range(WRITERS) for n in range(commits)}
    entries = entries_of(place.bucket(), run.id)
    assert len(ops_of(entries, "commit")) == WRITERS * commits
    assert len(ops_of(entries, "open")) == len(ops_of(entries, "close")) + 1
    run.finish()
    assert run.state.sessions == set()
    assert run.manifest == {path: hashlib.sha256(data).hexdigest() for path, data in wanted.items()}
    found = run.download(None, tmp_path / "found")
    assert {path: (found / path).read_bytes() for path in wanted} == wanted
    assert place.store().maintenance.check().problems == []


@pytest.mark.long
@pytest.mark.every(2)
def test_one_path_has_one_winner(place: Place) -> None:
    """Several processes log a content each to one path: one wins, the others learn the winner's hash and their own."""
    run = place.store().runs.start()
    answers = side_by_side(log_rivals, [(place, run.id, rival) for rival in range(RIVALS)], seconds=120)
    for (path, size), refusals in zip(CONTESTED.items(), zip(*answers, strict=True), strict=True):
        digests = ["sha256:" + hashlib.sha256(bytes([rival]) * size).hexdigest() for rival in range(RIVALS)]
        (winner,) = [rival for rival, refusal in enumerate(refusals) if refusal is None]
        losers = [rival for rival in range(RIVALS) if rival != winner]
        assert [refusals[rival] for rival in losers] == [(digests[winner], digests[rival]) for rival in losers]
        assert run.read(path) == bytes([winner]) * size
    run.finish()
    assert len(ops_of(entries_of(place.bucket(), run.id), "commit")) == len(CONTESTED)
    assert run.state.sessions == set()
    assert place.store().maintenance.check().problems == []


@pytest.mark.parametrize("shared", [True, False], ids=["one handle", "a handle each"])
def test_rivals_with_the_same_content_all_succeed(shared: bool) -> None:
    """Sixteen threads log the same bytes to one path, of one session or of sixteen: one commit, and no error."""
    bucket = MemoryBucket()
    store = tiny_store(bucket)
    run = store.runs.start()
    data = bytes(range(256)) * 300
    others = [tiny_store(bucket, seed=seed, create=False) for seed in range(1, 17)]
    handles = [run if shared else other.runs.get(run.id) for other in others]
    together(len(handles), lambda n: handles[n].log_bytes(data, "same"))
    assert len(ops_of(entries_of(bucket, run.id), "commit")) == 1
    assert run.read("same") == data
    assert store.maintenance.check().problems == []


def test_each_number_of_a_log_has_one_winner() -> None:
    """Eight threads race for one number of a log, a thousand times: one wins, and all see the same entry there."""
    bucket, rounds, racers = MemoryBucket(), 1000, 8
    start = threading.Barrier(racers)

    def race(racer: int) -> list[tuple[str, str]]:
        journal, prev, seen = Journal(bucket, Pool(workers=1), "runs/" + "0" * 32), None, []
        for n in range(rounds):
            mine = f"{racer:016x}{n:016x}"
            start.wait(60)
            ops = () if n else ({"op": "create", "experiment": "0" * 16},)
            standing = journal.create(LogEntry(journal.log, n, mine, prev, 0, "test", None, ops))
            seen.append((mine, standing.write_id))
            prev = standing.sha256
        return seen

    for answers in zip(*together(racers, race), strict=True):
        assert len({standing for _, standing in answers}) == 1
        assert sum(mine == standing for mine, standing in answers) == 1


def test_no_commit_is_lost_though_answers_are() -> None:
    """Eight sessions race for one log while a third of all answers to puts are lost: 200 commits, each once."""
    bucket, chance = MemoryBucket(), random.Random(8)

    def lose(number: int, moment: str, verb: str, key: str) -> None:
        if (verb, moment) == ("put", "after") and chance.random() < 0.3:
            raise TransientStorageError("memory://", key, "the answer was lost")

    run_id = tiny_store(bucket).runs.start().id
    patient = RetryBucket(FaultyBucket(bucket, on=lose), sleep=lambda _: None)

    def write(writer: int) -> None:
        run = tiny_store(patient, seed=writer + 1, create=False).runs.get(run_id)
        for n in range(25):
            run.log_bytes(content(writer, n), f"{writer}/{n:02}.txt")

    together(8, write)
    run = tiny_store(bucket, seed=9, create=False).runs.get(run_id)
    wanted = {f"{w}/{n:02}.txt": content(w, n) for w in range(8) for n in range(25)}
    assert {path: run.read(path) for path in run.manifest} == wanted
    assert len(ops_of(entries_of(bucket, run_id), "commit")) == 200
    assert tiny_store(bucket, seed=10, create=False).maintenance.check().problems == []


def test_packs_may_become_known_while_others_are_looked_up() -> None:
    """Uploads that end in other threads do not disturb a writer that is asking for hints, nor a fence that is met."""
    bucket = MemoryBucket()
    session = bytes([1]) * 16
    packs = [one_chunk_pack(PackName(session, n)) for n in range(400)]
    for name, chunk, data in packs:
        bucket.put(name.key, data)
        bucket.put(hint_key(chunk), encode_hint(chunk, name))
    bucket.put(generation_key(0, "condemn"), encode_generation(0, "condemn", [packs[0][0]]))
    known = ChunkIndex(bucket, Pool())
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        learners: list[Callable[[], object]] = [
            partial(learn_all, known, packs[:200]),
            partial(learn_all, known, packs[200:]),
            *(lambda at=at: [known.load_hinted([chunk]) for _, chunk, _ in packs[at::4]] for at in range(4)),
            partial(meet_fences, known),
        ]
        together(len(learners), lambda n: learners[n]())
    finally:
        sys.setswitchinterval(before)
    assert [known.get(chunk) is not None for _, chunk, _ in packs] == [False] + [True] * 399


def one_chunk_pack(name: PackName) -> tuple[PackName, bytes, bytes]:
    """A pack's name, the id of its only chunk, and its bytes."""
    data, builder = str(name).encode(), PackBuilder()
    chunk = blob_id(data)
    builder.add(chunk, CHUNK, 0, data, len(data))
    return name, chunk, bytes(builder.finish())


def meet_fences(known: ChunkIndex) -> None:
    for _ in range(200):
        known.note_fence(0)
        known.condemned()


def learn_all(known: ChunkIndex, packs: list[tuple[PackName, bytes, bytes]]) -> None:
    for name, _, data in packs:
        known.add_footer(name, parse_footer(data, str(name)))


def together(count: int, task: Callable[[int], T]) -> list[T]:
    """Run a task in so many threads at once; what each returned."""
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(task, range(count)))
