"""A copy of a store that is written to meanwhile: whole in one order, and told to be torn in another."""

from __future__ import annotations

import pytest
from tests.support.stores import entropy, tiny_store

from holdall.checking.findings import Findings
from holdall.storage.memory import MemoryBucket

RIGHT = ("names/", "models/", "runs/", "experiments/", "gc/", "hints/", "packs/", "holdall.json")


def copied(order: tuple[str, ...]) -> tuple[MemoryBucket, MemoryBucket]:
    """A store and its copy, made part by part, while a run of its own is logged between any two of them."""
    source, copy = MemoryBucket(), MemoryBucket()
    store = tiny_store(source)
    first = store.runs.start()
    first.log_bytes(entropy(99)(90_000), "weights.bin")
    first.finish()
    store.registry.register(f"runs:/{first.id}/", "model")
    for n, part in enumerate(order):
        run = store.runs.start(experiment=f"experiment {n}")
        run.log_bytes(entropy(n)(90_000), "weights.bin")
        run.finish()
        complete(copy, source, part)
    return source, copy


def complete(copy: MemoryBucket, source: MemoryBucket, part: str) -> None:
    """What copying does: what is there already stays as it is."""
    for info in [*source.list(part)]:
        copy.objects.setdefault(info.key, source.objects[info.key])


def check(bucket: MemoryBucket) -> Findings:
    return tiny_store(bucket, seed=9, create=False).maintenance.check()


def test_what_refers_before_what_is_referred_to_makes_a_whole_copy() -> None:
    """Every run that the copy has reads there, though others were logged all the time."""
    source, copy = copied(RIGHT)
    found = check(copy)
    assert found.intact, found.problems
    assert not found.torn
    assert 0 < found.runs < check(source).runs


def test_packs_before_runs_makes_a_torn_copy_which_copying_packs_again_completes() -> None:
    """The alphabet's order is the wrong one; `check` says what it looks like, and names the packs."""
    source, copy = copied(tuple(sorted(RIGHT)))
    found = check(copy)
    assert not found.intact
    assert found.torn
    assert {*found.missing} <= source.objects.keys() - copy.objects.keys()
    complete(copy, source, "packs/")
    for part in RIGHT:
        complete(copy, source, part)
    assert not check(copy).torn
    assert check(copy).intact


def test_what_is_registered_meanwhile_is_whole_after_a_second_round() -> None:
    """The registry's logs name one another both ways, so a version that came in between needs the next copy."""
    source, copy = copied(RIGHT)
    store = tiny_store(source, seed=8, create=False)
    run_id = store.maintenance.run_ids()[0]
    for n, part in enumerate(RIGHT):
        store.registry.register(f"runs:/{run_id}/", f"model {n}")
        complete(copy, source, part)
    for part in RIGHT:
        complete(copy, source, part)
    assert check(copy).intact


@pytest.mark.parametrize("also_missing", [False, True])
def test_damage_is_not_taken_for_a_torn_copy(also_missing: bool) -> None:
    """Where a pack that is there is wrong, copying again is not what helps."""
    source, copy = copied(RIGHT)
    packs = sorted(key for key in copy.objects if key.startswith("packs/"))
    data = bytearray(copy.objects[packs[0]])
    data[100] ^= 1
    copy.objects[packs[0]] = bytes(data)
    if also_missing:
        del copy.objects[packs[1]]
    found = check(copy)
    assert not found.torn
    assert not found.intact
    assert len(found.missing) <= also_missing
    assert source.objects
