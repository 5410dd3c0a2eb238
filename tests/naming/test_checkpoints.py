"""What a model's log amounts to is read from its newest entries, however long it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.support.faulty import FaultyBucket
from tests.support.stores import Serial, tiny_store

from holdall.errors import FormatError
from holdall.format.document import Json
from holdall.format.entry import LogEntry, encode_entry
from holdall.format.layout import MODELS, log_key, model_log
from holdall.format.model_checkpoint import parse_checkpoint, state_to_json
from holdall.format.registered import Registered
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.trees.log import Log
from holdall.trees.model_log import MOST_SINCE, STATE_EVERY, ModelLog

ID, RUN = "5" * 32, "21b111cb" + "0" * 24


def version(n: int) -> Json:
    where = {"source": f"runs:/{RUN}/m", "run": RUN, "path": "m", "digest": f"sha256:{n:064x}", "pin": f"p{n}"}
    return {"op": "version", "version": n, **where, "user": None, "run_link": None, "model_id": None}


def opened(bucket: Any) -> Store:
    return tiny_store(bucket, seed=9, create=False, pool=Serial())


BEGIN: list[Json] = [{"op": "create", "name": "fraud"}, version(1), version(2), {"op": "tag", "key": "a", "value": "b"}]


@pytest.fixture
def bucket() -> MemoryBucket:
    """A store in which the name `fraud` is claimed for a model whose log is still to be written."""
    found = MemoryBucket()
    tiny_store(found, pool=Serial()).registry._names.claim("fraud", ID, 0)
    return found


def write(bucket: MemoryBucket, entries: Sequence[Sequence[Json]]) -> ModelLog:
    """Append these entries, as this program writes them."""
    log = ModelLog(opened(bucket)._location, ID)
    log.follow()
    for ops in entries:
        log.append(lambda ops=ops: ops)  # type: ignore[misc]
    return log


def write_as_before(bucket: MemoryBucket, entries: Sequence[Sequence[Json]]) -> None:
    """Append these entries as programs wrote them that knew no checkpoints of models."""
    log = Log(opened(bucket)._location, model_log(ID), Registered)
    log.follow()
    for ops in entries:
        log.append(lambda ops=ops: ops)  # type: ignore[misc]


def moves(count: int) -> list[list[Json]]:
    return [[{"op": "alias", "alias": "champion", "version": 1 + n % 1000}] for n in range(count)]


def swings(count: int) -> list[list[Json]]:
    """An alias that goes from version 1 to 2 and back."""
    return [[{"op": "alias", "alias": "champion", "version": 1 + n % 2}] for n in range(count)]


def many() -> list[list[Json]]:
    """The first entries of a model of 1,000 versions."""
    return [[{"op": "create", "name": "fraud"}], *([version(n)] for n in range(1, 1001))]


def everything(log: Log[Registered]) -> dict[str, Any]:
    state = log.state
    names = ("name", "names", "ended", "created", "updated", "description", "tags", "versions", "last", "aliases")
    return {name: getattr(state, name) for name in names} | {"pointing": {n: a for n, a in state.pointing.items() if a}}


def test_an_alias_among_a_thousand_versions_takes_eight_requests(bucket: MemoryBucket) -> None:
    """Also where an older program wrote 1,000 versions and 10,000 moves, once this one has written one entry more."""
    write_as_before(bucket, [[op for ops in many() for op in ops], *moves(10_000)])
    write(bucket, moves(7))
    counted = FaultyBucket(bucket)
    store = opened(counted)
    assert store.registry.get_version_by_alias("fraud", "champion").version == "7"
    assert len(counted.requests) <= 8
    assert store.registry._find("fraud").state.moves_from
    assert len(store.registry._find("fraud").state.moves) < 2 * STATE_EVERY  # memory is bounded by what is there


@pytest.mark.parametrize("length", [1, 2, 8, 9, 10, 63, 64, 65, 66, 129, 200])
def test_a_log_of_any_length_is_told_by_two_entries_and_as_all_tell_it(bucket: MemoryBucket, length: int) -> None:
    """What is read of it, this way and entry by entry, is the same; and a reader of before reads it entry by entry."""
    ops: list[Callable[[int], Json]] = [
        lambda n: {"op": "alias", "alias": f"a{n % 3}", "version": 1 + n % 2},
        lambda n: {"op": "version_tag", "version": 1, "key": f"t{n % 5}", "value": str(n)},
        lambda n: {"op": "stage", "version": 2, "stage": "Staging"},
        lambda n: {"op": "describe", "version": None, "text": f"after {n}"},
        lambda n: {"op": "name", "name": "fraud"},
    ]
    write(bucket, [BEGIN, *([ops[n % 5](n)] for n in range(1, length))])
    counted = FaultyBucket(bucket)
    quick = ModelLog(opened(counted)._location, ID)
    whole = Log(opened(bucket)._location, model_log(ID), Registered)
    quick.follow()
    whole.follow()
    assert counted.count("get", MODELS) <= 2
    assert everything(quick) == everything(whole)
    assert quick.head == whole.head
    assert whole.head
    assert whole.head.state_at is None  # what a reader of before would refuse
    quick.append(lambda: [{"op": "drop", "version": 2}])
    whole.follow()
    assert everything(quick) == everything(whole)


def test_what_an_alias_pointed_at_before_is_read_from_all_entries(bucket: MemoryBucket) -> None:
    """Its history, and rolling it back, know every move; beside them nobody reads it."""
    write(
        bucket,
        [
            [{"op": "create", "name": "fraud"}, version(1), version(2)],
            *moves(2),
            *([moves(2)[n % 2][0]] for n in range(40)),
        ],
    )
    store = opened(bucket)
    assert store.registry.get_version_by_alias("fraud", "champion").version == "2"
    assert len(store.registry.alias_history("fraud", "champion")) == 42
    assert opened(bucket).registry.roll_back_alias("fraud", "champion").version == "1"
    assert opened(bucket).registry.get_version_by_alias("fraud", "champion").version == "1"


@pytest.mark.parametrize("older", [1, 30, 100])
def test_an_entry_of_an_older_program_ends_no_checkpoints(bucket: MemoryBucket, older: int) -> None:
    """Behind entries that have none a reader goes back to one that has; the next entry has one again."""
    write(bucket, [BEGIN, *swings(4)])
    write_as_before(bucket, swings(older))
    counted = FaultyBucket(bucket)
    log = ModelLog(opened(counted)._location, ID)
    log.follow()
    whole = Log(opened(bucket)._location, model_log(ID), Registered)
    whole.follow()
    assert everything(log) == everything(whole)
    assert counted.count("get", MODELS) <= (whole.next if older > STATE_EVERY else STATE_EVERY + 2)
    written = log.append(lambda: moves(1)[0])
    assert written
    assert parse_checkpoint(written)


def test_a_large_state_is_carried_seldom_and_entries_stay_small(bucket: MemoryBucket) -> None:
    """What is repeated is at most 64 KiB, and a state of many versions comes once in 64 entries, not in eight."""
    write(bucket, [*many(), *moves(130)])
    sizes = [len(bucket.objects[log_key(model_log(ID), n)]) for n in range(1001, 1131)]
    states = [size for size in sizes if size > 2 * MOST_SINCE]
    assert len(states) in (2, 3)
    assert all(size <= MOST_SINCE + 2000 for size in sizes if size not in states)


BAD: list[tuple[str, Callable[[Json], object]]] = [
    ("is no object", lambda state: []),
    ("an alias to nothing", lambda state: state | {"aliases": {"champion": 9}}),
    ("versions that do not ascend", lambda state: state | {"versions": state["versions"][::-1]}),
    ("a version beyond the last", lambda state: state | {"last": 1}),
    ("no name", lambda state: {key: value for key, value in state.items() if key != "name"}),
    ("another name", lambda state: state | {"name": "other"}),
    ("a name from the future", lambda state: state | {"names": [[99, "fraud"]]}),
    ("a digest that is none", lambda state: state | {"versions": [state["versions"][0] | {"digest": "x"}]}),
    ("tags that are no texts", lambda state: state | {"tags": {"a": 1}}),
]


@pytest.mark.parametrize(("what", "spoil"), BAD, ids=[what for what, _ in BAD])
def test_a_state_that_no_writer_makes_is_refused_and_all_is_read(
    bucket: MemoryBucket, what: str, spoil: Callable[[Json], object]
) -> None:
    """It costs requests and nothing else; check says that it is wrong."""
    write(
        bucket,
        [
            [{"op": "create", "name": "fraud"}, version(1), version(2)],
            *moves(2),
            *([moves(2)[n % 2][0]] for n in range(7)),
        ],
    )
    carrier = max(n for n in range(10) if b'"state":{' in bucket.objects[log_key(model_log(ID), n)])
    newest = rewritten(bucket, carrier, spoil)
    with pytest.raises(FormatError):
        parse_checkpoint(newest)
    store = opened(bucket)
    assert store.registry.get_version_by_alias("fraud", "champion").version == "1"
    assert [problem for problem in store.maintenance.check().problems if model_log(ID) in problem.where]


def test_a_state_that_lies_is_found_by_check(bucket: MemoryBucket) -> None:
    """Check holds each state, and what is repeated, against the entries before it."""
    write(
        bucket,
        [
            [{"op": "create", "name": "fraud"}, version(1), version(2)],
            *moves(2),
            *([moves(2)[n % 2][0]] for n in range(7)),
        ],
    )
    assert not [problem for problem in opened(bucket).maintenance.check().problems if "checkpoint" in problem.detail]
    carrier = max(n for n in range(10) if b'"state":{' in bucket.objects[log_key(model_log(ID), n)])
    rewritten(bucket, carrier, lambda state: state | {"aliases": {"champion": 2, "other": 1}})
    assert [problem for problem in opened(bucket).maintenance.check().problems if "checkpoint" in problem.detail]


LIES: list[tuple[str, Callable[[Json], Json]]] = [
    ("an op", lambda told: told | {"since": [told["since"][1] | {"n": told["since"][0]["n"]}, *told["since"][1:]]}),
    ("a time", lambda told: told | {"since": [told["since"][0] | {"time": 7}, *told["since"][1:]]}),
    ("a state elsewhere", lambda told: told | {"at": 0, "since": told["since"][1:]}),
]


@pytest.mark.parametrize(("what", "spoil"), LIES, ids=[what for what, _ in LIES])
def test_an_entry_that_is_repeated_otherwise_is_found_by_check(
    bucket: MemoryBucket, what: str, spoil: Callable[[Json], Json]
) -> None:
    """Whoever can write to the bucket can forge what a reader is told, and not unseen."""
    write(bucket, [[{"op": "create", "name": "fraud"}, version(1), version(2)], *swings(4)])
    log = ModelLog(opened(bucket)._location, ID)
    last = log.journal.newest() or 0
    entry = log.journal.read(last)
    assert entry.checkpoint
    assert len(entry.checkpoint["since"]) > 1
    bucket.objects[log_key(log.log, last)] = encode_entry(replace(entry, checkpoint=spoil(entry.checkpoint)))
    assert [problem for problem in opened(bucket).maintenance.check().problems if model_log(ID) in problem.where]


@pytest.mark.parametrize("at", [True, 1.0, -1, 2, "1"])
def test_a_place_of_a_state_that_is_no_count_is_damage(bucket: MemoryBucket, at: object) -> None:
    """Also where Python would take it for one."""
    log = write(bucket, [[{"op": "create", "name": "fraud"}], [{"op": "tag", "key": "a", "value": "b"}]])
    state = state_to_json(Registered(name="fraud", names=[(0, "fraud")]))
    entry = log.journal.read(1)
    assert parse_checkpoint(replace(entry, checkpoint={"at": 1, "state": state}))
    with pytest.raises(FormatError, match="its state is at"):
        parse_checkpoint(replace(entry, checkpoint={"at": at, "state": state}))


def rewritten(bucket: MemoryBucket, n: int, spoil: Callable[[Json], object]) -> LogEntry:
    """Replace entry n by one with another state, and all behind it, so that they continue it; return it."""
    log = ModelLog(opened(bucket)._location, ID)
    entries = log.journal.read_many(range(n, (log.journal.newest() or 0) + 1))
    first = entries[0]
    assert first.checkpoint
    entries[0] = replace(first, checkpoint=first.checkpoint | {"state": spoil(first.checkpoint["state"])})
    prev = first.prev
    for entry in entries:
        bucket.objects[log_key(entry.log, entry.n)] = encode_entry(replace(entry, prev=prev))
        prev = log.journal.read(entry.n).sha256
    return log.journal.read(n)


def test_fields_of_a_later_version_are_carried_on(bucket: MemoryBucket) -> None:
    """A state with a field that this program does not know is followed by one with it."""
    write(
        bucket,
        [
            [{"op": "create", "name": "fraud"}, version(1), version(2)],
            *moves(2),
            *([moves(2)[n % 2][0]] for n in range(7)),
        ],
    )
    carrier = max(n for n in range(10) if b'"state":{' in bucket.objects[log_key(model_log(ID), n)])
    rewritten(bucket, carrier, lambda state: state | {"lineage": {"from": "afar"}})
    log = write(bucket, [moves(1)[0]] * STATE_EVERY)
    later = [n for n in range(carrier + 1, log.next) if b'"lineage"' in bucket.objects[log_key(model_log(ID), n)]]
    assert later


def test_listing_models_takes_two_requests_for_each(bucket: MemoryBucket) -> None:
    """A name's one entry and a model's newest, all side by side, beside two listings."""
    store = opened(bucket)
    write(bucket, [[{"op": "create", "name": "fraud"}, version(1)], [{"op": "tag", "key": "a", "value": "b"}]])
    for n in range(20):
        store.registry.create_model(f"m{n}")
        store.registry.describe_model(f"m{n}", "one of many")
        store.registry.set_model_tag(f"m{n}", "n", n)
    counted = FaultyBucket(bucket)
    assert len(opened(counted).registry.search_models()) == 21
    assert len(counted.requests) <= 1 + 2 + 2 * 21


def test_a_filter_by_name_reads_that_model_alone(bucket: MemoryBucket) -> None:
    """With `=` and with `IN`, of models and of versions; what it finds is what a look at all of them finds."""
    write(bucket, [[{"op": "create", "name": "fraud"}, version(1), version(2)]])
    store = opened(bucket)
    for n in range(20):
        store.registry.create_model(f"m{n}", tags={"n": n})
    for filter, models in (
        ("name = 'fraud'", ["fraud"]),
        ("name IN ('fraud', 'm3')", ["fraud", "m3"]),
        ("name = 'fraud' AND name = 'm3'", []),
        ("name = 'none'", []),
        ("name = 'm3' AND tags.n = '4'", []),
        ("name IN ('m3', 'm4') AND tags.n = '4'", ["m4"]),
    ):
        counted = FaultyBucket(bucket)
        assert [model.name for model in opened(counted).registry.search_models(filter)] == models
        assert len(counted.requests) <= 1 + 2 * 4, filter
    counted = FaultyBucket(bucket)
    assert [one.version for one in opened(counted).registry.search_versions("name = 'fraud'")] == ["2", "1"]
    assert len(counted.requests) <= 5
    assert len(opened(bucket).registry.search_versions("name LIKE '%'")) == 2
