"""Whoever can write to the bucket of an encrypted store, and has no key, makes nothing that is taken for a writer's.

Each object of an encrypted golden store is flipped, cut off, swapped, put together anew with all digests made to fit;
plain entries are put between its own. Every time reading is an error, or says what it said before, and then `check`
names the object.
"""

from __future__ import annotations

import itertools
import json
import random
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any

import pytest
from blake3 import blake3
from tests.golden.builder import load
from tests.golden.sealed_stores import FOLDER, IDENTITY
from tests.golden.stores import SMALL
from tests.support.depth import DEEP, thinned
from tests.support.stores import Serial

from holdall.errors import FormatError, HoldallError, IntegrityError, NotEncryptedError
from holdall.format.document import encode_document, parse_document
from holdall.format.layout import RUNS, PackName, log_key, parse_key
from holdall.format.pack import PackBuilder, parse_footer
from holdall.format.records import Descriptor, encode_descriptor
from holdall.format.reference import NODE, RECIPE, Ref
from holdall.format.sealed_entry import open_entry, public_sha256, seal_entry, without_key
from holdall.format.sealing import CIPHERS, DomainKeys, Keyring
from holdall.keys.unlock import Unlock
from holdall.storage.memory import MemoryBucket
from holdall.store import Store

UNLOCK = Unlock(identities=(IDENTITY,))
_HEADS: tuple[dict[str, Any], ...] = (
    {"time": 5},
    {"ops": []},
    {"sha256": "0" * 64},
    {"state": {}},
    {"blobs": []},
    {"prev": "1" * 64},
)
ADVICE = ("hint", "canary")  # which reading never looks at
Objects = dict[str, bytes]


@lru_cache
def whole(name: str) -> Objects:
    """The objects of an encrypted golden store."""
    return load(FOLDER / name)


def opened(objects: Mapping[str, bytes], unlock: Unlock = UNLOCK) -> Store:
    """The store that these are."""
    return Store._over(MemoryBucket("attacked", dict(objects)), Serial(), unlock=unlock)


def told(objects: Mapping[str, bytes], unlock: Unlock = UNLOCK) -> dict[str, Any]:
    """All that a reader is told: every file, parameter, measurement, tag, name and alias."""
    store = opened(objects, unlock)
    said: dict[str, Any] = {"experiments": sorted(one.name for one in store.experiments.all())}
    said["models"] = [(model.name, model.aliases) for model in store.registry.search_models()]
    for run_id in sorted({key.split("/")[1] for key in objects if key.startswith(RUNS)}):
        run = store.runs.get(run_id)
        state = run.state
        files = {path: run.read(path) for path in run.manifest}
        said[run_id] = (files, state.params, state.tags, dict(state.metrics), state.status, state.deleted)
    return said


@lru_cache
def truth(name: str) -> dict[str, Any]:
    """What a reader is told of the golden store as it is."""
    return told(whole(name))


def outcome(name: str, changed: Mapping[str, bytes], keys: tuple[str, ...]) -> str:
    """What becomes of a change of some objects: an error, or the same answer, where `check` names one of them."""
    try:
        said = told(changed)
    except HoldallError:
        return "refused"
    for listing in ("experiments", "models"):  # what is damaged is left out of these, with a warning
        assert all(one in truth(name)[listing] for one in said[listing]), f"{keys} were changed, and {listing} say more"
    said |= {listing: truth(name)[listing] for listing in ("experiments", "models")}
    assert said == truth(name), f"{keys} were changed, and something else was read"
    parsed = [parse_key(key) for key in keys]
    if all(found and found.kind in ADVICE for found in parsed):
        return "advice"
    found = opened(changed).maintenance.check()
    assert found.problems or found.foreign or found.orphans, f"{keys} were changed, and check found nothing"
    return "named"


def tried(name: str, changes: Iterator[tuple[Objects, tuple[str, ...]]]) -> str:
    """Try each change; return how often what came of it."""
    found = Counter(outcome(name, {**whole(name), **changed}, keys) for changed, keys in changes)
    assert found["refused"] + found["named"]
    return f"{found.total()} changes: {dict(found)}"


def flips(name: str, step: int) -> Iterator[tuple[Objects, tuple[str, ...]]]:
    """One bit of each byte of what is sealed, every bit of what leads there."""
    every = [(key, at) for key, data in whole(name).items() for at in range(8 * len(data))]
    bits = every if DEEP else [(key, at) for key, at in every if at % 8 == at // 8 % 8]
    for key, at in thinned(bits, step):
        flipped = bytearray(whole(name)[key])
        flipped[at // 8] ^= 1 << at % 8
        yield {key: bytes(flipped)}, (key,)


@pytest.mark.long
def test_no_flipped_bit_goes_unnoticed(record_property: Callable[[str, object], None]) -> None:
    """Whichever bit is flipped of whichever object, reading is an error, or the same and the object is named."""
    record_property("counted", f"flipped bits: {tried('other', flips('other', 600))}")


@pytest.mark.long
def test_no_object_is_cut_off_unnoticed(record_property: Callable[[str, object], None]) -> None:
    """At whatever length."""
    every = [(key, length) for key, data in whole("other").items() for length in range(len(data))]
    cuts = (({key: whole("other")[key][:length]}, (key,)) for key, length in thinned(every, 600))
    record_property("counted", f"cut off: {tried('other', cuts)}")


@pytest.mark.parametrize("name", ["aes-256-gcm", "chacha20-poly1305"])
@pytest.mark.long
def test_no_object_stands_for_another(name: str, record_property: Callable[[str, object], None]) -> None:
    """An entry, pack, hint, slot or root where another of its kind belongs, of this store or of another one."""
    kinds: dict[str, list[tuple[str, bytes]]] = {}
    for owner in (name, "other"):
        for key, data in whole(owner).items():
            parsed = parse_key(key)
            assert parsed
            kinds.setdefault(parsed.kind, []).append((key if owner == name else "", data))
    pairs = [pair for held in kinds.values() for pair in itertools.permutations(held, 2) if pair[0][0]]
    pairs = [(one, other) for one, other in pairs if one[1] != other[1]]
    swaps = (({key: data}, (key,)) for (key, _), (_, data) in thinned(pairs, 120))
    record_property("counted", f"{name}, in place of another: {tried(name, swaps)}")


def repacked(data: bytes, key: str, change: Callable[[list[list[Any]]], None]) -> bytes:
    """A pack whose blobs were changed, with a footer and digests that fit."""
    rows: list[list[Any]] = [
        [row.id, row.kind, row.codec, data[row.offset : row.offset + row.stored], row.raw]
        for row in parse_footer(data, key).rows
    ]
    change(rows)
    builder = PackBuilder()
    for id, kind, codec, stored, raw in rows:
        builder.add(id, kind, codec, stored, raw)
    return bytes(builder.finish())


def forged_packs(name: str) -> Iterator[tuple[Objects, tuple[str, ...]]]:
    """Packs whose blobs were exchanged, renamed, called another kind, or refer elsewhere; all without a key."""
    for key, data in whole(name).items():
        if not key.startswith("packs/"):
            continue
        rows = parse_footer(data, key).rows
        for one, other in thinned(list(itertools.combinations(range(len(rows)), 2)), 200):

            def exchange(held: list[list[Any]], one: int = one, other: int = other) -> None:
                for field in (3, 4, 2):
                    held[one][field], held[other][field] = held[other][field], held[one][field]

            def rename(held: list[list[Any]], one: int = one, other: int = other) -> None:
                held[one][0], held[other][0] = held[other][0], held[one][0]

            yield {key: repacked(data, key, exchange)}, (key,)
            yield {key: repacked(data, key, rename)}, (key,)
        for n, row in enumerate(rows):

            def call_otherwise(held: list[list[Any]], n: int = n) -> None:
                held[n][1] = (held[n][1] + 2) % 4
                held[n][3] = bytes([held[n][1]]) + bytes(held[n][3][1:])

            yield {key: repacked(data, key, call_otherwise)}, (key,)
            if row.kind in (RECIPE, NODE):
                yield {key: repacked(data, key, partial(refer_elsewhere, n))}, (key,)


def refer_elsewhere(n: int, held: list[list[Any]]) -> None:
    """Change a byte of a public part, and make its check fit."""
    row = held[n]
    stored = bytearray(row[3])
    end = 5 + int.from_bytes(stored[1:5], "little")
    stored[end - 1] ^= 1
    stored[end : end + 16] = blake3(bytes(stored[:end])).digest()[:16]
    row[3] = bytes(stored)


@pytest.mark.long
def test_no_blob_stands_for_another(record_property: Callable[[str, object], None]) -> None:
    """Within a pack whose footer and digests fit: a blob is bound to its id, its kind and its public part."""
    changes = thinned(list(forged_packs("aes-256-gcm")), 8)
    record_property("counted", f"forged packs: {tried('aes-256-gcm', iter(changes))}")


def forged_heads(name: str) -> Iterator[tuple[Objects, tuple[str, ...]]]:
    """Sealed entries whose public part says something else, with all digests made to fit."""
    for key, data in whole(name).items():
        if "/log/" not in key or (end := data.index(b"\n", data.index(b"\n") + 1) + 1) == len(data):
            continue
        body, _ = parse_document(data[:end], key)
        for change in _HEADS:
            head = encode_document({**body, **change}) + data[end:-32]
            if not data.startswith(head):  # it did not say just that
                yield {key: head + blake3(head).digest()}, (key,)


@pytest.mark.long
def test_no_public_part_is_changed_unnoticed(record_property: Callable[[str, object], None]) -> None:
    """What a collector reads without a key is proved to whoever has one."""
    changes = thinned(list(forged_heads("aes-256-gcm")), 20)
    record_property("counted", f"forged heads of entries: {tried('aes-256-gcm', iter(changes))}")


def ended_run(name: str) -> tuple[str, int]:
    """A run's log, and the number of its next entry."""
    logs = Counter(key.split("/log/")[0] for key in whole(name) if key.startswith(RUNS))
    return max(logs.items(), key=lambda one: one[1])


def injected(ops: list[dict[str, Any]], **more: Any) -> Objects:
    """The store with a plain entry behind a run's newest one."""
    log, n = ended_run("aes-256-gcm")
    prev = public_sha256(whole("aes-256-gcm")[log_key(log, n - 1)], log)
    said = {"log": log, "n": n, "write_id": "ab" * 16, "prev": prev, "time": 1, "writer": "me"}
    said["state_at"] = json.loads(whole("aes-256-gcm")[log_key(log, n - 1)].split(b"\n")[0])["state_at"]
    return {log_key(log, n): encode_document({**said, "ops": ops, **more})}


@pytest.mark.parametrize(
    "op",
    [
        {"op": "param", "key": "rate", "value": "0.1"},
        {"op": "tag", "key": "approved", "value": "yes"},
        {"op": "status", "status": "FAILED"},
        {"op": "metric", "points": [["loss", 0.0, 0, 0]]},
        {"op": "commit", "tree": None, "files": 0, "bytes": 0, "new_bytes": 0, "stored_bytes": 0},
        {"op": "tombstone"},
        {"op": "purge"},
        {"op": "x-approved"},
    ],
    ids=lambda op: op["op"],
)
def test_nothing_is_said_in_a_plain_entry(op: dict[str, Any]) -> None:
    """Not a parameter, not a commit, not the end of a run."""
    with pytest.raises(HoldallError, match="not sealed"):
        told({**whole("aes-256-gcm"), **injected([op])})


def test_a_plain_entry_may_fence_and_close() -> None:
    """As a collector without a key has to, and no more: not with blobs, not with a state."""
    ops: list[dict[str, Any]] = [{"op": "close", "session": "ab" * 16}, {"op": "fence", "generation": 0}]
    said = told({**whole("aes-256-gcm"), **injected(ops)})
    assert said == truth("aes-256-gcm")
    with pytest.raises(HoldallError, match="not sealed"):
        told({**whole("aes-256-gcm"), **injected(ops, blobs=[])})
    with pytest.raises(HoldallError, match="not sealed"):
        told({**whole("aes-256-gcm"), **injected(ops, state={})})


def test_an_entry_that_another_root_sealed_is_refused() -> None:
    """Of another encrypted store with the same run: only who has this store's root says something here."""
    (key, data) = next(iter(injected([{"op": "tag", "key": "approved", "value": "yes"}]).items()))
    other = DomainKeys(bytes(32), "aes-256-gcm", "0")
    sealed = seal_entry(data, key, other, random.Random(1).randbytes)
    with pytest.raises(HoldallError, match="no key"):
        told({**whole("aes-256-gcm"), key: sealed})


def test_what_was_there_before_can_come_back() -> None:
    """Who deletes a log's newest entries brings back an earlier state, and no other: SPEC.md tells of this limit."""
    log, n = ended_run("aes-256-gcm")
    objects = dict(whole("aes-256-gcm"))
    later = opened(objects).runs.get(log.removeprefix(RUNS)).state
    del objects[log_key(log, n - 1)]
    earlier = opened(objects).runs.get(log.removeprefix(RUNS)).state
    assert (earlier.params, earlier.tags) == (later.params, later.tags)
    assert len(earlier.pins) == len(later.pins) - 1


def test_a_plain_descriptor_in_its_place_is_noticed() -> None:
    """With it nothing sealed is read as something else; and who requires encryption writes nothing in the open."""
    about = json.loads(whole("aes-256-gcm")["holdall.json"].split(b"\n")[0])
    plain = encode_descriptor(Descriptor(about["store"], about["created"], SMALL, about["pack_size"]))
    objects = {**whole("aes-256-gcm"), "holdall.json": plain}
    with pytest.raises(HoldallError):
        told(objects)
    with pytest.raises(NotEncryptedError):
        told(objects, Unlock(identities=(IDENTITY,), required=True))


@pytest.mark.parametrize("op", [["purge"], {"op": 1}, None, 1.5])
def test_a_plain_entry_is_refused_whatever_its_operations_are(op: object) -> None:
    """As damage, of which readers, collectors and copies know how to go on."""
    data = encode_document({"n": 1, "ops": [{"op": op}]})
    readers: tuple[Callable[[bytes, str], bytes], ...] = (partial(open_entry, keys=[]), without_key)
    for read in readers:
        with pytest.raises(FormatError, match="not sealed"):
            read(data, "runs/1/log/2")


@pytest.mark.parametrize("behind", [0, 5, 12, 27])
@pytest.mark.parametrize("cipher", CIPHERS)
def test_a_public_part_with_nothing_sealed_behind_it_is_damage(cipher: str, behind: int) -> None:
    """Its digest needs no key, so anybody can make one, as long as all that is stored."""
    head = struct.pack("<BI", RECIPE, 40) + bytes(40)
    stored = head + blake3(head).digest()[:16] + bytes(behind)
    keyring = Keyring(keys := DomainKeys(bytes(32), cipher, "0"), [keys], random.Random(1).randbytes)
    with pytest.raises(FormatError, match="no key"):
        keyring.opened(Ref(bytes(32), PackName(bytes(16), 0), 0, len(stored), 100, 0), stored)


def test_no_other_store_takes_its_place_while_it_is_open() -> None:
    """Nor a plain one, also where nobody requires encryption: what looks again goes on with the store it opened."""
    bucket = MemoryBucket("attacked", dict(whole("aes-256-gcm")))
    location = Store._over(bucket, Serial(), unlock=UNLOCK)._location
    about, _ = parse_document(bucket.get("holdall.json"), "")
    plain = encode_descriptor(Descriptor(about["store"], about["created"], SMALL, about["pack_size"]))
    assert location.descriptor.sealed
    for other in (plain, whole("other")["holdall.json"]):
        bucket.objects["holdall.json"] = other
        with pytest.raises(IntegrityError, match="another store"):
            location.open_anew()
        assert location.ring() is not None


def test_who_requires_encryption_makes_no_store_in_the_open() -> None:
    """Where none is, as if one that is not encrypted were there: nothing is written."""
    bucket = MemoryBucket()
    with pytest.raises(NotEncryptedError):
        Store._over(bucket, Serial(), unlock=Unlock(required=True)).maintenance.create()
    assert not bucket.objects
