"""An audit tells who did what, as claimed, and when, as the server tells it."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.garbage import DAY, Clock
from tests.support.shell import Shell
from tests.support.stores import Serial, tiny_location

import holdall
from holdall.auditing.words import words_of
from holdall.errors import ExperimentNotFoundError, InvalidArgumentError
from holdall.format.layout import ShareName, log_key, run_log
from holdall.format.ops import _OPS as OPS
from holdall.format.ops import MODEL_OPS
from holdall.signing.keys import SigningKey
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import TraceBucket
from holdall.store import AuditRecord, Store

HOSTILE = "\x1b[2J\u202eevil\n"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bucket(clock: Clock) -> MemoryBucket:
    return MemoryBucket(clock=clock)


@pytest.fixture
def store(bucket: MemoryBucket) -> Store:
    return Store(tiny_location(bucket, pool=Serial()))


def told(records: Iterator[AuditRecord], log: str) -> list[tuple[str, ...]]:
    return [record.did for record in records if record.log == log]


def test_each_entry_of_a_run_is_told_in_order(store: Store, clock: Clock) -> None:
    """With the server's time, the program, the session and what it did."""
    run = store.runs.start(experiment="vision", name="first", tags={"mlflow.user": "ada"})
    run.log_param("rate", 1)
    run.log_metrics({"loss": 0.5})
    clock.now += DAY
    run.log_text("text", "a.txt")
    run.finish()
    records = list(store.maintenance.audit(run_id=run.id))
    assert [record.entry for record in records] == list(range(len(records)))
    assert records[0].did[0].startswith("created it, in experiment ")
    assert {record.user for record in records} == {"ada"}
    assert all(record.writer and not record.problem for record in records)
    assert records[-1].stored == clock.now
    said = [word for record in records for word in record.did]
    for words in ("called it 'first'", "set 1 parameter: 'rate'", "logged 1 file, 4 B", "says that it is FINISHED"):
        assert words in said


def test_the_registry_and_experiments_are_told(store: Store) -> None:
    """Who registered what, where aliases went, what was deleted."""
    run = store.runs.start(experiment="vision")
    run.log_text("text", "a.txt")
    store.registry.register(f"runs:/{run.id}/a.txt", "fraud")
    store.registry.set_alias("fraud", "champion", 1)
    store.registry.delete_alias("fraud", "champion")
    store.registry.delete_version("fraud", 1)
    store.experiments.set_tag(store.experiments.ensure("vision"), "team", "a")
    said = [word for record in store.maintenance.audit() for word in record.did]
    for words in (
        "created it as 'fraud'",
        f"registered version 1 of runs:/{run.id}/a.txt",
        "pointed 'champion' at version 1",
        "removed 'champion'",
        "deleted version 1",
        "created it as 'vision'",
        "set 1 tag: 'team'",
    ):
        assert words in said
    assert any(word.startswith("claimed the name for model ") for word in said)


def test_what_no_log_tells_is_told_last(store: Store, bucket: MemoryBucket, clock: Clock) -> None:
    """Collections, and what there are links to."""
    run = store.runs.start()
    run.log_bytes(bytes(range(256)) * 300, "large.bin")
    run.finish()
    run.delete()
    store.maintenance.purge(run.id)
    bucket.put(ShareName(clock.now + DAY, "0" * 32, run.id, "x.txt").key, b"")
    records = list(store.maintenance.audit())
    logs = [record.log.split("/")[0] for record in records]
    assert logs == sorted(logs, key=["experiments", "runs", "models", "names", "gc", "keys", "shares"].index)
    said = [word for record in records for word in record.did]
    assert any(word.startswith("condemned ") for word in said)
    assert any(word.startswith("deleted ") and "pack" in word for word in said)
    assert f"shared 'x.txt' of run {run.id} by a link" in said
    assert "purged it: its content may be gone" in said


def test_what_is_older_is_neither_told_nor_fetched(bucket: MemoryBucket, clock: Clock) -> None:
    """By the server's time; but the first entry of a log of which a part is told, for who began it."""
    asked: list[str] = []
    trace = TraceBucket(bucket, lambda one: asked.append(f"{one.verb} {one.key}"))
    store = Store(tiny_location(trace, pool=Serial()))
    old, new = (store.runs.start(tags={"mlflow.user": "ada"}) for _ in range(2))
    for _ in range(5):
        new.log_text(f"{_}", f"{_}.txt")
    clock.now += 10 * DAY
    store._location.clock = lambda: clock.now
    new.log_text("now", "now.txt")
    asked.clear()
    records = list(store.maintenance.audit(since="1d"))
    assert {record.log for record in records} == {run_log(new.id)}
    assert {record.user for record in records} == {"ada"}
    assert all(record.stored == clock.now for record in records)
    gets = [one for one in asked if one.startswith("get runs/")]
    assert len(gets) == len(records) + 1
    assert not any(old.id in one for one in gets)


def test_an_experiments_audit_is_of_it_and_its_runs(store: Store) -> None:
    """By its name or its id; another's are not told."""
    runs = {name: store.runs.start(experiment=name) for name in ("vision", "speech")}
    id = store.experiments.ensure("vision")
    for named in ("vision", id):
        logs = {record.log for record in store.maintenance.audit(experiment=named)}
        assert logs == {f"experiments/{id}", run_log(runs["vision"].id)}
    with pytest.raises(ExperimentNotFoundError):
        store.maintenance.audit(experiment="smell")
    with pytest.raises(InvalidArgumentError):
        store.maintenance.audit(experiment="vision", run_id=runs["vision"].id)
    with pytest.raises(InvalidArgumentError):
        store.maintenance.audit(run_id="ab")
    with pytest.raises(InvalidArgumentError):
        store.maintenance.audit(since="soon")


def test_an_entry_that_cannot_be_read_is_told_as_such(store: Store, bucket: MemoryBucket) -> None:
    """Who removes what was said about him is seen, and the rest is told."""
    run = store.runs.start()
    for number in range(3):
        run.log_text(f"{number}", f"{number}.txt")
    key = log_key(run_log(run.id), 1)
    bucket.objects[key] = bucket.objects[key][:-9]
    records = list(store.maintenance.audit(run_id=run.id))
    assert [bool(record.problem) for record in records][:3] == [False, True, False]


def test_a_signature_is_told_with_its_key(store: Store) -> None:
    """Right or wrong; one that was made for another run counts as wrong."""
    key = SigningKey.generate()
    run, other = store.runs.start(), store.runs.start()
    run.log_text("text", "a.txt")
    run.finish()
    run.sign(key)
    [signed] = [record for record in store.maintenance.audit(run_id=run.id) if record.signed_by is not None]
    assert (signed.signed_by, signed.verified, "signed it" in signed.did) == (key.public.fingerprint, True, True)
    [(tag, text)] = [each for each in run.record.data.tags.items() if each[0].startswith("holdall.signature.")]
    for value in (text, "{}"):
        other.set_tag(tag, value)
        other.flush()
    wrong = [record for record in store.maintenance.audit(run_id=other.id) if record.signed_by is not None]
    assert [record.verified for record in wrong] == [False, False]


def test_hostile_names_are_shown_as_escapes(store: Store, tmp_path: Path) -> None:
    """On the terminal a name neither steers it nor makes a line of its own; JSON has a document a line."""
    shell = Shell(tmp_path)
    here = holdall.open(str(tmp_path / "store"))
    run = here.runs.start(name=HOSTILE, tags={"mlflow.user": HOSTILE})
    run.log_text("text", "a.txt")
    run.finish()
    shown = shell("store", "audit", "--run", run.id)
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    lines = shown.splitlines()
    assert lines[0] == f"runs/{run.id}"
    assert len(lines) == 1 + len(list(here.maintenance.audit(run_id=run.id)))
    assert "claims" in lines[1]
    documents = [json.loads(line) for line in shell("store", "audit", "--since", "1h", "--json").splitlines()]
    assert {each["log"] for each in documents} >= {f"runs/{run.id}"}


def test_every_operation_has_words() -> None:
    """An operation that is new to the format needs some here."""
    filled: dict[str, dict[str, Any]] = {"create": {"name": "a"}, "tag": {"key": "k", "value": "v"}}
    filled |= {
        "remove": {"paths": ["a"]},
        "metric": {"points": [["loss", 1, 0, 0]]},
        "alias": {"alias": "a", "version": 1},
    }
    for name, fields in (OPS | MODEL_OPS | {"create": {}}).items():
        op = {"op": name} | dict.fromkeys(fields, 1) | filled.get(name, {})
        [words] = words_of([op])
        assert words != name
    assert list(words_of([{"op": "x-other"}, {"op": "x-other"}])) == ["x-other, 2 times"]


def test_a_long_log_is_told_in_little_memory(store: Store) -> None:
    """Of entries that carry much, words alone are kept."""
    run = store.runs.start()
    for number in range(100):
        run.log_bytes(number.to_bytes(2, "big") * 20_000, f"{number}.bin")
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        count = sum(1 for _ in store.maintenance.audit(run_id=run.id))
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert count >= 100
    assert peak < 1 << 20
