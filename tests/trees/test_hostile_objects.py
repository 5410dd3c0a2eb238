"""No object of a bucket costs a reader more than it is worth, nor hides what others wrote."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.faulty import FaultyBucket
from tests.support.stores import tiny_store

from holdall.errors import (
    DamageError,
    FormatError,
    GarbageStateError,
    HoldallError,
    ObjectTooLargeError,
    UnsupportedFeatureError,
)
from holdall.format.codec import encode
from holdall.format.digest import blob_id
from holdall.format.document import MAX_DOCUMENT, encode_document, parse_document
from holdall.format.entry import InlineBlob, LogEntry, encode_entry
from holdall.format.layout import PackName, generation_key, log_key, run_log
from holdall.format.reference import NODE, Ref
from holdall.format.registered import Registered
from holdall.format.state import State, split_facts
from holdall.format.tree import Child, Entry, Kind, encode_node
from holdall.storage.memory import MemoryBucket
from holdall.store import Store

BAD = "ab" * 16
LOG = run_log(BAD)


def entry(n: int, *ops: dict[str, Any], blobs: tuple[InlineBlob, ...] = (), log: str = LOG, **more: Any) -> bytes:
    """An entry as any program could write it."""
    first = ({"op": "create", "experiment": "ab" * 8},) if n == 0 else ()
    told = LogEntry(log, n, "0" * 32, "1" * 64 if n else None, 0, "x", None, (*first, *ops), blobs)
    return encode_document(json.loads(encode_entry(told).split(b"\n")[0]) | more)


def inline(data: bytes, kind: int, index: int = 0) -> tuple[InlineBlob, Ref]:
    """A blob of an entry, and the reference to it there."""
    codec, stored = encode(data)
    blob = InlineBlob(blob_id(data), codec, len(data), kind, stored)
    return blob, blob.ref(index)


def commit(ref: Ref) -> dict[str, Any]:
    return {"op": "commit", "tree": ref.to_json(), "files": 0, "bytes": 0, "new_bytes": 0, "stored_bytes": 0}


def tower() -> bytes:
    """Six levels, of which each lists the one node below it again and again."""
    blob, ref = inline(encode_node(0, [Entry("a", Kind.DIRECTORY)]), NODE)
    blobs = [blob]
    for level in range(1, 7):
        rows = [Child("a" + "b" * i, ref) for i in range(300)]
        blob, ref = inline(encode_node(level, rows), NODE, level)
        blobs.append(blob)
    return entry(0, commit(ref), blobs=tuple(blobs))


def rows_of(*nodes: tuple[int, list[str]], top: int, firsts: list[str]) -> bytes:
    """A root of some level over nodes with these levels and paths."""
    blobs, children = list[Any](), list[Any]()
    for i, ((level, paths), first) in enumerate(zip(nodes, firsts, strict=True)):
        leaf = [Entry(path, Kind.DIRECTORY) for path in paths]
        below = [Child(path, Ref(bytes(32), blobs[0].ref(0).location, 0, 9, 9, 0)) for path in paths] if level else leaf
        blob, ref = inline(encode_node(level, below), NODE, i)
        blobs.append(blob)
        children.append(Child(first, ref))
    blob, ref = inline(encode_node(top, children), NODE, len(blobs))
    return entry(0, commit(ref), blobs=(*blobs, blob))


def states(part: str, count: int = 300) -> dict[str, bytes]:
    """A log in which each entry carries a state, the facts or the tree of which are nowhere."""
    nowhere = Ref(b"q" * 32, PackName(b"z" * 16, 0), 8, 9, 9, 0).to_json()
    body = State(experiment="ab" * 8).to_json()
    if part == "facts":
        split_facts(body)
    found, prev = {log_key(LOG, 0): entry(0)}, None
    for n in range(1, count):
        prev = json.loads(found[log_key(LOG, n - 1)].split(b"\n")[1])["sha256"]
        found[log_key(LOG, n)] = entry(n, prev=prev, state_at=n, state=body | {part: nowhere})
    return found


RUNS: dict[str, dict[str, bytes]] = {
    "nothing": {log_key(LOG, 0): b""},
    "a number without those before it": {log_key(LOG, 10**6): entry(10**6)},
    "the largest number": {log_key(LOG, 2**64 - 1): b""},
    "half a document": {log_key(LOG, 0): b"x" * (MAX_DOCUMENT + 1)},
    "blobs that are none": {log_key(LOG, 0): entry(0) + b"x"},
    "a state that is not there": {log_key(LOG, 0): entry(0), log_key(LOG, 1): entry(1, state_at=0)},
    "a later program's": {log_key(LOG, 0): entry(0).replace(b'"create"', b'"later"')},
}  # fmt: skip
STATES = {"facts": states("facts"), "tree": states("tree")}
TREES: dict[str, bytes] = {
    "one node many times": tower(),
    "a child of another level": rows_of((0, ["a"]), top=2, firsts=["a"]),
    "a child that begins elsewhere": rows_of((0, ["b"]), top=1, firsts=["a"]),
    "children that overlap": rows_of((0, ["a", "c"]), (0, ["b"]), top=1, firsts=["a", "b"]),
    "children in disorder": rows_of((0, ["b"]), (0, ["a"]), top=1, firsts=["b", "a"]),
}

LOOKS: dict[str, Callable[[Store], object]] = {
    "search": lambda store: [found.info.run_id for found in store.runs.search()],
    "stats": lambda store: store.maintenance.stats().runs,
    "du": lambda store: [run.run_id for run in store.maintenance.du().runs],
    "models": lambda store: store.models.search() if hasattr(store.models, "search") else [],
    "experiments": lambda store: [found.name for found in store.experiments.all()],
    "registry": lambda store: store.registry.search_models(),
    "artifacts": lambda store: store.runs.search("artifacts.path = 'a.txt'"),
}


def world(objects: dict[str, bytes]) -> tuple[FaultyBucket, Store, str]:
    """A store with a run that is whole, beside these objects."""
    bucket = MemoryBucket()
    run = tiny_store(bucket).runs.start()
    run.log_bytes(b"a", "a.txt")
    run.finish()
    bucket.objects |= objects
    faulty = FaultyBucket(bucket)
    return faulty, tiny_store(faulty, create=False), run.id


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("case", [*RUNS, *TREES])
@pytest.mark.every(2)
def test_a_bad_run_hides_no_other(case: str, look: str) -> None:
    """Whoever looks at all runs sees those that are whole, after few requests."""
    bad = RUNS.get(case) or {log_key(LOG, 0): TREES[case]}
    faulty, store, good = world(bad)
    found = LOOKS[look](store)
    if look in ("search", "du"):
        assert good in str(found)
    assert len(faulty.requests) < 300


@pytest.mark.parametrize("case", [*RUNS, *TREES])
def test_a_bad_run_is_an_error_of_the_tree(case: str) -> None:
    """Whoever reads it is told what is wrong; so is `check`."""
    _, store, _ = world(RUNS.get(case) or {log_key(LOG, 0): TREES[case]})
    with pytest.raises(HoldallError):
        list(store.runs.get(BAD).entries())
    assert not store.maintenance.check().intact


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("part", STATES)
def test_states_that_cannot_be_read_are_not_tried_one_by_one(part: str, look: str) -> None:
    """A run of nothing else hides no other, and costs a few requests for each of its entries."""
    faulty, store, good = world(STATES[part])
    found = LOOKS[look](store)
    if look in ("search", "du"):
        assert good in str(found)
    assert len(faulty.requests) < 4 * 300


@pytest.mark.parametrize("part", STATES)
def test_a_run_of_lost_states_is_read_by_its_operations(part: str) -> None:
    """What its commits say is enough, however many states are lost; it is read once, whatever is asked after that."""
    faulty, store, _ = world(STATES[part])
    run = store.runs.get(BAD)
    for _ in range(5):
        assert run.manifest == {}
    assert len(faulty.requests) < 6 * 300


@pytest.mark.parametrize("more", [{"ops": [{"op": "param", "key": "k", "value": ["x" * 4_000_000]}]},
    {"ops": [{"op": "create", "experiment": "ab" * 8}, {"op": "q" * 4_000_000}]},
    {"state_at": "x" * 4_000_000}])  # fmt: skip
def test_what_is_wrong_is_not_repeated_at_length(more: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """Neither a warning nor an error quotes megabytes of what it refuses."""
    _, store, _ = world({log_key(LOG, 0): entry(0, **more)})
    store.runs.search()
    assert BAD in caplog.text
    assert len(caplog.text) < 3_000
    assert all(len(problem.detail) < 3_000 for problem in store.maintenance.check().problems)


def test_a_bad_run_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """The warning says which run it is, and what is wrong with it."""
    _, store, _ = world(RUNS["nothing"])
    with caplog.at_level(logging.WARNING, "holdall"):
        store.runs.search()
    assert f"run {BAD} is damaged and left out" in caplog.text


@pytest.mark.parametrize("log", ["names/zzz", "models/" + "cd" * 16, "experiments/" + "ef" * 8, LOG])
def test_a_number_in_a_key_is_a_claim(log: str) -> None:
    """An empty object of a huge number makes nobody count to it."""
    faulty, store, good = world({log_key(log, 2**40): b"", log_key(log, 2**63): b"x"})
    for look in LOOKS.values():
        look(store)
    assert good in [found.info.run_id for found in store.runs.search()]
    assert not store.maintenance.check().intact
    assert len(faulty.requests) < 600


@pytest.mark.parametrize("key", ["holdall.json", generation_key(0, "condemn")])
def test_nothing_large_is_read_for_something_small(key: str) -> None:
    """An object beyond its kind's limit is refused before it is held."""
    _, store, good = world({key: b"x" * (MAX_DOCUMENT + 1)})
    with pytest.raises(DamageError) as caught:
        if key == "holdall.json":
            store.runs.search()
        else:
            store.runs.get(good).log_bytes(b"b" * 100_000, "b.bin")
    assert isinstance(caught.value, ObjectTooLargeError | GarbageStateError)


@pytest.mark.parametrize("garbage", [b"", b"nonsense", encode_document({"generation": 1, "packs": []}),
    encode_document({"generation": 0, "packs": ["x"]})])  # fmt: skip
def test_garbage_at_gc_stops_writers_by_name(garbage: bytes) -> None:
    """The error says which object it is, and how to go on; reading is not concerned, and nothing is committed."""
    faulty, store, good = world({generation_key(0, "condemn"): garbage})
    run = store.runs.get(good)
    with pytest.raises(GarbageStateError, match=generation_key(0, "condemn")) as caught:
        run.log_bytes(b"b" * 100_000, "b.bin")
    assert "remove the object" in caught.value.hint
    assert set(run.manifest) == {"a.txt"}
    faulty.inner.delete(generation_key(0, "condemn"))
    tiny_store(faulty, create=False, seed=5).runs.get(good).log_bytes(b"b" * 100_000, "b.bin")


def test_operations_are_applied_in_linear_time() -> None:
    """Fifty thousand fences, or tags of one version, or aliases and drops: no work is done for each pair of them."""
    state, model = State(), Registered()
    state.apply(LogEntry(LOG, 1, "", None, 0, "", None, tuple({"op": "fence", "generation": n} for n in range(50_000))))
    assert len(state.fences) == 50_000
    version: dict[str, Any] = {"op": "version", "source": "", "run": BAD, "path": "", "digest": "", "pin": ""}
    version |= {"user": None, "run_link": None, "model_id": None}
    ops = [version | {"version": n + 1} for n in range(2_000)]
    ops += [{"op": "version_tag", "version": 1, "key": str(n), "value": ""} for n in range(50_000)]
    ops += [{"op": "alias", "alias": str(n), "version": 2} for n in range(50_000)]
    ops += [{"op": "drop", "version": n} for n in range(1, 2_000)]
    model.apply(LogEntry("models/x", 1, "", None, 0, "", None, tuple(ops)))
    assert (len(model.versions), model.aliases) == (1, {})


@pytest.mark.parametrize(
    "text", ['{"a":' + "[" * 70 + "]" * 70 + "}", '{"a":' * 70 + "1" + "}" * 70, '{"a":' + "9" * 5000 + "}"]
)
def test_deep_or_endless_json_is_damage(text: str) -> None:
    """What would break whoever walks through it, or prints it, is refused where it is read."""
    import hashlib

    first = text.encode()
    data = first + b'\n{"sha256":"%s"}\n' % hashlib.sha256(first).hexdigest().encode()
    with pytest.raises(FormatError, match="is not JSON"):
        parse_document(data, "it")


def test_a_run_may_say_more_than_a_state_holds() -> None:
    """Tags beyond the limit of facts leave the run without a state, and found all the same."""
    bucket = MemoryBucket()
    run = tiny_store(bucket).runs.start()
    for n in range(1_200):
        run.set_tags({f"t{n}": "x" * 7_900})
    run.finish()
    store = tiny_store(bucket, create=False)
    (found,) = store.runs.search()
    assert len(found.data.tags) >= 1_200
    assert store.maintenance.check().intact


def test_a_store_of_a_later_writer_is_read_and_not_written() -> None:
    """A writer's feature that this version does not know concerns nobody who reads."""
    faulty, store, good = world({})
    body = json.loads(faulty.inner.get("holdall.json").split(b"\n")[0])
    faulty.inner.delete("holdall.json")
    faulty.inner.put("holdall.json", encode_document(body | {"writer_features": ["later"]}))
    assert store.runs.get(good).read("a.txt") == b"a"
    with pytest.raises(UnsupportedFeatureError, match="writer feature later"):
        store.runs.get(good).log_bytes(b"b", "b.txt")
