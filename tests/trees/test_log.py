"""Logs that many add to: every entry lands once, and is built on what the log says by then."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.faulty import Fault, FaultyBucket
from tests.support.stores import Serial, tiny_location, tiny_store

from holdall.errors import (
    CommitStateUnknownError,
    ExperimentDeletedError,
    ExperimentExistsError,
    FormatError,
    IntegrityError,
    LogGapError,
    RunEndedError,
    StorageError,
    UnsafeBucketError,
)
from holdall.format.document import encode_document
from holdall.format.entry import LogEntry
from holdall.format.layout import log_key, run_log
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.trees.heads import list_heads
from holdall.trees.location import Location
from holdall.trees.log import Log, follow_many
from holdall.trees.session import Draft

NAME = "models/" + "0" * 32


class Numbers:
    """Adds up the numbers that the tags of a log's entries are."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def apply(self, entry: LogEntry) -> None:
        self.found += [op["value"] for op in entry.ops if op["op"] == "tag"]


def number(value: int) -> dict[str, object]:
    return {"op": "tag", "key": "number", "value": str(value)}


def begun(location: Location, name: str = NAME) -> Log[Numbers]:
    """A log with a first entry."""
    log = Log(location, name, Numbers)
    log.append(lambda: [{"op": "create", "name": "a"}, number(0)])
    return log


def before_puts(bucket: FaultyBucket, rivals: list[Callable[[], object]]) -> None:
    """Let one rival after the other write just before a PUT is sent."""

    def on(_: int, when: str, verb: str, __: str) -> None:
        if (when, verb) == ("before", "put") and rivals:
            rivals.pop(0)()

    bucket.on = on


def test_an_entry_is_built_anew_behind_each_that_came_between() -> None:
    """Two races are lost: what is appended at last was made of what both rivals wrote."""
    bucket = FaultyBucket(MemoryBucket())
    log = begun(tiny_location(bucket, pool=Serial()))
    other = Log(tiny_location(bucket.inner, seed=1, create=False, pool=Serial()), NAME, Numbers)
    other.follow()
    before_puts(bucket, [lambda: other.append(lambda: [number(1)]), lambda: other.append(lambda: [number(2)])])
    built: list[int] = []

    def build() -> list[dict[str, object]]:
        built.append(len(log.state.found))
        return [number(len(log.state.found))]

    entry = log.append(build)
    assert entry is not None
    assert entry.n == 3
    assert built == [1, 2, 3]
    assert Log(log._location, NAME, Numbers).follow().found == ["0", "1", "2", "3"]  # type: ignore[union-attr]


def test_what_nothing_is_left_of_to_do_after_a_lost_race_is_not_written() -> None:
    """A rival did the same: there is one entry of it, and `append` says that it wrote none."""
    bucket = FaultyBucket(MemoryBucket())
    log = begun(tiny_location(bucket, pool=Serial()))
    other = Log(tiny_location(bucket.inner, seed=1, create=False, pool=Serial()), NAME, Numbers)
    other.follow()
    before_puts(bucket, [lambda: other.append(lambda: [number(1)])])
    assert log.append(lambda: [number(1)] if "1" not in log.state.found else []) is None
    assert log.state.found == ["0", "1"]


def test_an_entry_whose_answer_was_lost_is_known_for_ones_own() -> None:
    """It landed: it is appended once, and no error is raised. Where the bucket stays silent, that is said."""
    bucket = FaultyBucket(MemoryBucket())
    log = begun(tiny_location(bucket, pool=Serial()))
    bucket.plan(Fault("put", "lose", key=NAME))
    entry = log.append(lambda: [number(1)])
    assert entry is not None
    assert log.follow().found == ["0", "1"]  # type: ignore[union-attr]
    bucket.plan(Fault("put", "lose", key=NAME), Fault("get", "fail", key=NAME, times=None))
    with pytest.raises(CommitStateUnknownError):
        log.append(lambda: [number(2)])


def test_a_log_that_cannot_be_read_further_begins_anew_at_the_next_look() -> None:
    """An entry that its fold refuses is not half taken in: the next look finds all entries again."""
    log = begun(tiny_location(MemoryBucket(), pool=Serial()))
    log.append(lambda: [number(1)])
    later = Log(log._location, NAME, Numbers)
    refused = later.state.apply
    later.state.apply = lambda entry: refused(later.journal.read(99))  # type: ignore[method-assign]
    with pytest.raises(LogGapError):
        later.follow()
    assert later.head is None
    assert later.follow().found == ["0", "1"]  # type: ignore[union-attr]


def test_of_many_logs_the_damaged_ones_are_named_and_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    """One has a gap, one an entry of wrong bytes; the third is followed to its end. A bucket's failure is raised."""
    inner = MemoryBucket()
    location = tiny_location(inner, pool=Serial())
    logs = [begun(location, f"models/{n:032x}") for n in range(3)]
    for log in logs:
        log.append(lambda: [number(1)])
    inner.delete(log_key(logs[0].log, 0))
    inner.objects[log_key(logs[1].log, 1)] = b"{"
    fresh = [Log(location, log.log, Numbers) for log in logs]
    heads = list_heads(inner, "models/")
    follow_many(location, {log: heads[log.log] for log in fresh}, lambda log: f"the model {log[-1]}")
    assert [log.head and log.head.n for log in fresh] == [None, None, 1]
    assert [record.getMessage().split(" is ")[0] for record in caplog.records] == ["the model 0", "the model 1"]
    bucket = FaultyBucket(inner)
    bucket.plan(Fault("get", "fail", key=logs[2].log))
    silent = Log(tiny_location(bucket, create=False, pool=Serial()), logs[2].log, Numbers)
    with pytest.raises(StorageError):
        follow_many(silent._location, {silent: heads[silent.log]})


def test_a_bucket_that_is_found_unsafe_is_named() -> None:
    """It is not asked whether the entry is there: what such a bucket says is worth nothing."""
    bucket = FaultyBucket(MemoryBucket())
    log = begun(tiny_location(bucket, pool=Serial()))
    bucket.plan(Fault("put", "fail", key=NAME, error=lambda url, at: UnsafeBucketError(url, at, "it overwrites")))
    gets = bucket.count("get")
    with pytest.raises(UnsafeBucketError):
        log.append(lambda: [number(1)])
    assert bucket.count("get") == gets


def test_a_rival_that_cannot_be_read_leaves_it_open_who_won() -> None:
    """The number is taken, perhaps by one's own first attempt: that is said, and nothing is written behind it."""
    bucket = FaultyBucket(MemoryBucket())
    log = begun(tiny_location(bucket, pool=Serial()))
    other = Log(tiny_location(bucket.inner, seed=1, create=False, pool=Serial()), NAME, Numbers)
    other.follow()
    other.append(lambda: [number(1)])
    bucket.plan(Fault("get", "fail", key=NAME, times=None))
    with pytest.raises(CommitStateUnknownError):
        log.append(lambda: [number(2)])


def test_an_entry_that_is_whole_and_breaks_a_rule_is_not_passed_over() -> None:
    """Wrong bytes are damage, around which one reads; a whole document that no writer makes is refused."""
    bucket = MemoryBucket()
    log = begun(tiny_location(bucket, pool=Serial()))
    assert isinstance(log.journal.read_if_whole(0), LogEntry)
    assert isinstance(log.journal.read_if_whole(1), IntegrityError)
    bucket.objects[log_key(NAME, 1)] = b"{"
    assert isinstance(log.journal.read_if_whole(1), IntegrityError)
    bucket.objects[log_key(NAME, 1)] = encode_document({"n": 7})
    with pytest.raises(FormatError):
        log.journal.read_if_whole(1)


# --- what uses it ---


def test_nothing_is_appended_by_a_session_that_is_closed() -> None:
    """A thread that kept it is told so, instead of writing behind the session's end."""
    bucket = MemoryBucket()
    session = tiny_store(bucket, pool=Serial()).runs.start()._writing()
    session.close()
    there = dict(bucket.objects)
    with pytest.raises(RunEndedError):
        session.append(lambda: Draft([]))
    assert bucket.objects == there


def test_a_tag_of_an_experiment_that_is_deleted_meanwhile_is_refused() -> None:
    """The deletion came between the look and the write: it is seen, and nothing is written behind it."""
    inner = MemoryBucket()
    bucket = FaultyBucket(inner)
    store = Store(tiny_location(bucket, pool=Serial()))
    rival = tiny_store(inner, seed=1, create=False, pool=Serial())
    id = store.experiments.create("a")
    before_puts(bucket, [lambda: rival.experiments.delete(id)])
    with pytest.raises(ExperimentDeletedError):
        store.experiments.set_tag(id, "team", "b")
    assert rival.experiments.get(id).tags == {}


def test_of_two_who_create_an_experiment_at_once_one_is_told_that_it_exists() -> None:
    """And it is there once, with the tags of the one who made it."""
    inner = MemoryBucket()
    bucket = FaultyBucket(inner)
    store = Store(tiny_location(bucket, pool=Serial()))
    rival = tiny_store(inner, seed=1, create=False, pool=Serial())
    before_puts(bucket, [lambda: None, lambda: rival.experiments.create("a", {"by": "rival"})])
    store.experiments.create("b")  # the store is ready to write
    with pytest.raises(ExperimentExistsError):
        store.experiments.create("a", {"by": "me"})
    assert store.experiments.get(store.experiments.id_of("a")).tags == {"by": "rival"}


def test_a_version_of_a_run_is_registered_behind_an_entry_that_is_damaged() -> None:
    """The pin goes on behind it, and says that what was before it is not known."""
    inner = MemoryBucket()
    store = tiny_store(inner, pool=Serial())
    run = store.runs.start()
    run.log_text("model", "model.txt")
    run.finish()
    log = run_log(run.id)
    inner.objects[log_key(log, list_heads(inner, log)[log].n)] = b"{"
    fresh = tiny_store(inner, seed=1, create=False, pool=Serial())
    assert fresh.registry.register(f"runs:/{run.id}/model.txt", "a").version == "1"
    assert fresh.runs.get(run.id).state.pinned
