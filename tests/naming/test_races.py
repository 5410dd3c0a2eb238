"""Writers die and meet at every request: a name has one holder, numbers have no gap, and what is needed is pinned."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest
from tests.naming.conftest import run_with_models
from tests.support.depth import DEEP, thinned
from tests.support.faulty import Crash, Fault, FaultyBucket
from tests.support.logs import entries_of, ops_of
from tests.support.stores import Serial, tiny_store
from tests.support.worker import Place, place_of, side_by_side

from holdall.errors import (
    CommitStateUnknownError,
    ConflictError,
    ModelNotFoundError,
    ModelVersionNotFoundError,
    NotFoundError,
)
from holdall.format.layout import parse_key
from holdall.storage.bucket import Bucket
from holdall.storage.memory import MemoryBucket
from holdall.store import Store

Verb = Callable[[Store, str], object]
Seen = tuple[tuple[str, tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]], ...]

VERBS: dict[str, Verb] = {
    "create": lambda store, run: store.registry.create_model("x", tags={"a": 1}),
    "register": lambda store, run: store.registry.register(f"runs:/{run}/other", "a"),
    "register anew": lambda store, run: store.registry.register(f"runs:/{run}/other", "x"),
    "rename": lambda store, run: store.registry.rename_model("a", "x"),
    "rename away": lambda store, run: store.registry.rename_model("a", "y"),
    "rename another": lambda store, run: store.registry.rename_model("b", "x"),
    "delete": lambda store, run: store.registry.delete_model("a"),
    "delete a version": lambda store, run: store.registry.delete_version("a", 2),
    "alias": lambda store, run: store.registry.set_alias("a", "champion", 2),
    "archive": lambda store, run: store.registry.set_stage("a", 2, "Staging", archive_existing_versions=True),
}


def models_in(bucket: Bucket, seed: int = 1) -> Store:
    """A handle of another process, all of whose requests come one after the other."""
    return tiny_store(bucket, seed=seed, create=False, pool=Serial())


@pytest.fixture(scope="module")
def before() -> tuple[dict[str, bytes], str]:
    """The objects of a store in which `a` has two versions, `b` none; and its run."""
    bucket = MemoryBucket()
    store = tiny_store(bucket)
    run = run_with_models(store)
    for path in ("model", "again"):
        store.registry.register(f"runs:/{run.id}/{path}", "a")
    store.registry.set_stage("a", 1, "Staging")
    store.registry.set_alias("a", "champion", 1)
    store.registry.create_model("b")
    return dict(bucket.objects), run.id


def seen(store: Store) -> Seen:
    """All that one sees of the registry. Every model that a search finds is found by its name, and is itself."""
    models = store.registry.search_models()
    assert len({model.name for model in models}) == len({model.id for model in models}) == len(models)
    for model in models:
        assert store.registry.get_model(model.name) == model
    found = []
    for model in models:
        versions = store.registry.search_versions(f"name = '{model.name}'", order_by=["version_number"])
        stages = tuple((version.version, version.current_stage) for version in versions)
        found.append((model.name, stages, tuple(model.aliases.items())))
    return tuple(found)


def held_together(bucket: Bucket, run: str) -> Seen:
    """The store is intact, and each version's run is pinned for it."""
    store = models_in(bucket, 9)
    assert store.maintenance.check(quick=True).problems == []
    pins = store.runs.get(run).state.pins
    needed = {version.pin for _, log in store.registry._names.all() for version in log.state.versions.values()}
    assert needed <= pins.keys()
    return seen(store)


@pytest.mark.parametrize("verb", VERBS)
def test_a_writer_that_dies_leaves_the_old_or_the_new(before: tuple[dict[str, bytes], str], verb: str) -> None:
    """Killed before or after any request, it leaves what was or what was to be; then the same again works."""
    objects, run = before
    old = held_together(MemoryBucket(objects=dict(objects)), run)
    after = MemoryBucket(objects=dict(objects))
    faulty = FaultyBucket(after)
    VERBS[verb](models_in(faulty, 2), run)
    new = held_together(after, run)
    allowed = {old, new}
    if verb == "register anew":
        allowed.add((*old, ("x", (), ())))  # a model without versions is a whole one, too
    deaths = 0
    for at in thinned(range(1, len(faulty.requests) + 1), 3):
        for moment in ("before", "after"):
            bucket = MemoryBucket(objects=dict(objects))
            doomed = FaultyBucket(bucket, on=dying_at(at, moment))
            with suppress(Crash):
                VERBS[verb](models_in(doomed, 3), run)
            found = held_together(bucket, run)
            assert found in allowed
            if found != new:
                VERBS[verb](models_in(bucket, 4), run)
                assert held_together(bucket, run) == new
            deaths += 1
    assert deaths >= 2


def dying_at(at: int, moment: str) -> Callable[[int, str, str, str], None]:
    """Dies there; from then on nothing gets through."""
    dead: list[bool] = []

    def on(number: int, when: str, verb: str, key: str) -> None:
        if dead or (number, when) == (at, moment):
            dead.append(True)
            raise Crash

    return on


@pytest.mark.parametrize("second", VERBS)
@pytest.mark.parametrize("first", VERBS)
@pytest.mark.every(5)
def test_two_writers_that_meet_anywhere_agree(before: tuple[dict[str, bytes], str], first: str, second: str) -> None:
    """A whole verb of another process between any two requests of one: both happen in some order, or one is refused."""
    objects, run = before
    allowed = {in_order(objects, run, one, other) for one, other in ((first, second), (second, first))}
    for at in thinned(range(1, 1000), 3):
        bucket = MemoryBucket(objects=dict(objects))
        met = False

        def on(number: int, moment: str, verb: str, key: str, at: int = at, bucket: MemoryBucket = bucket) -> None:
            nonlocal met
            if (number, moment) == (at, "before"):
                met = True
                with suppress(ConflictError, NotFoundError):
                    VERBS[second](models_in(bucket, 6), run)

        with suppress(ConflictError, NotFoundError):
            VERBS[first](models_in(FaultyBucket(bucket, on=on), 5), run)
        if not met:
            break
        assert held_together(bucket, run) in allowed, f"met at request {at}"


def in_order(objects: dict[str, bytes], run: str, *verbs: str) -> Seen:
    """What comes of verbs one after the other, those refused that cannot be."""
    bucket = MemoryBucket(objects=dict(objects))
    for n, verb in enumerate(verbs):
        with suppress(ConflictError, NotFoundError):
            VERBS[verb](models_in(bucket, 20 + n), run)
    return held_together(bucket, run)


def test_the_pin_is_there_before_the_version(before: tuple[dict[str, bytes], str]) -> None:
    """In the order of requests; taken back only after the version is gone."""
    objects, run = before
    faulty = FaultyBucket(MemoryBucket(objects=dict(objects)))
    store = models_in(faulty)
    store.registry.register(f"runs:/{run}/model", "a")
    store.registry.delete_version("a", 3)
    puts = [key.partition("/")[0] for verb, key in faulty.requests if verb == "put" and key != "canary"]
    assert puts == ["runs", "models", "models", "runs"]
    entries = entries_of(faulty.inner, run)
    (gone,) = ops_of(entries, "unpin")
    assert gone["pin"] == ops_of(entries, "pin")[-1]["pin"]


def test_a_purged_run_is_not_registered(before: tuple[dict[str, bytes], str]) -> None:
    """Its content may be gone at any moment; nothing is written for it."""
    objects, run = before
    bucket = MemoryBucket(objects=dict(objects))
    store = models_in(bucket)
    store.runs.get(run)._writing().close([{"op": "purge"}])
    there = set(bucket.objects)
    with pytest.raises(NotFoundError):
        store.registry.register(f"runs:/{run}/model", "new")
    assert set(bucket.objects) == there


def test_a_lost_answer_is_no_second_version(before: tuple[dict[str, bytes], str]) -> None:
    """The PUT landed and its answer did not: the version is there once, and the writer knows its number."""
    objects, run = before
    faulty = FaultyBucket(MemoryBucket(objects=dict(objects)))
    faulty.plan(Fault("put", key="models/", act="lose"), Fault("put", key="runs/", act="lose"))
    assert models_in(faulty).registry.register(f"runs:/{run}/model", "a").version == "3"
    held_together(faulty.inner, run)
    assert len(models_in(faulty.inner, 7).registry.search_versions("name = 'a'")) == 3


def test_a_bucket_that_fails_leaves_at_most_a_pin(before: tuple[dict[str, bytes], str]) -> None:
    """An error of the bucket is told as it is, and the registry is as it was."""
    objects, run = before
    faulty = FaultyBucket(MemoryBucket(objects=dict(objects)))
    old = held_together(faulty.inner, run)
    faulty.plan(Fault("put", key="models/", act="fail", times=None))
    with pytest.raises(CommitStateUnknownError):
        models_in(faulty).registry.register(f"runs:/{run}/model", "a")
    assert held_together(faulty.inner, run) == old


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.every(2)
def test_a_listing_that_is_behind_costs_time_alone(before: tuple[dict[str, bytes], str], verb: str) -> None:
    """Listings of models and names lack the newest entry: what comes of a verb is the same, or it is refused."""
    objects, run = before
    old = held_together(MemoryBucket(objects=dict(objects)), run)
    faulty = FaultyBucket(MemoryBucket(objects=dict(objects)))
    stale = [Fault("list", "stale", key=key, at=at, times=None) for key, at in (("models/", 1), ("names/", 2))]
    faulty.plan(*stale)
    try:
        VERBS[verb](models_in(faulty), run)
    except (ConflictError, NotFoundError):
        assert held_together(faulty.inner, run) == old
    else:
        assert held_together(faulty.inner, run) == in_order(objects, run, verb)


def test_threads_share_a_registry(store: Store) -> None:
    """Eight threads with one handle register eight versions, and no alias is lost."""
    run = run_with_models(store)
    store.registry.create_model("a")

    def work(n: int) -> None:
        version = store.registry.create_version("a", f"runs:/{run.id}/model")
        store.registry.set_alias("a", f"thread-{n}", version.version)

    threads = [Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    model = store.registry.get_model("a")
    assert sorted(model.aliases.values(), key=int) == [str(n) for n in range(1, 9)]


# --- real processes -------------------------------------------------------------


def register(place: Place, run: str, name: str) -> tuple[int, str]:
    """One process: a version, an alias of its own for it, and the one alias that all move."""
    registry = place.store().registry
    version = registry.register(f"runs:/{run}/model", name)
    registry.set_alias(name, "champion", version.version)
    return int(version.version), version.digest


@pytest.mark.parametrize("backend", ["local", "moto"])
@pytest.mark.long
def test_sixteen_processes_get_1_to_16(request: pytest.FixtureRequest, tmp_path: Path, backend: str) -> None:
    """All register a version of one new name at once: one model, numbers 1 to 16, each alias move in its history.

    On a server, where each that loses asks again, half as many ask a fifth as much.
    """
    place, count = place_of(request, backend, tmp_path), 16 if DEEP or backend == "local" else 8
    run = run_with_models(place.store())
    answers = side_by_side(register, [(place, run.id, "fraud")] * count, seconds=240)
    assert sorted(number for number, _ in answers) == list(range(1, count + 1))
    assert len({digest for _, digest in answers}) == 1
    registry = place.store().registry
    (model,) = registry.search_models()
    moves = [move.version for move in registry.alias_history("fraud", "champion")]
    assert sorted(int(move or 0) for move in moves) == list(range(1, count + 1))
    assert model.aliases == {"champion": moves[-1]}
    assert len(place.store().runs.get(run.id).state.pins) == count
    assert place.store().maintenance.check().problems == []


def take(place: Place, name: str) -> str | None:
    """One process: its own model wants a name."""
    registry = place.store().registry
    try:
        return registry.rename_model(name, "the one").id
    except ConflictError:
        return None


def test_of_eight_renames_to_one_name_one_wins(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The others keep their names, and the winner's old name is free."""
    place = place_of(request, "local", tmp_path)
    names = [f"model {n}" for n in range(8)]
    for name in names:
        place.store().registry.create_model(name)
    winners = [id for id in side_by_side(take, [(place, name) for name in names], seconds=120) if id]
    registry = place.store().registry
    assert winners == [registry.get_model("the one").id]
    assert len(registry.search_models("name LIKE 'model %'")) == 7
    (free,) = set(names) - {model.name for model in registry.search_models()}
    with pytest.raises((ModelNotFoundError, ModelVersionNotFoundError)):
        registry.get_model(free)
    assert registry.create_model(free).latest_versions == []
    assert {key.kind for info in place.bucket().list("names/") if (key := parse_key(info.key))} == {"log"}
