"""Anything in any order, with deaths in between: what was acknowledged is there, and the store is intact.

Two clients with handles of their own, a collector that goes on one request at a time, and a model in plain Python
of what must be there. Whoever dies at a request leaves a doubt, which the store itself resolves: old or new, no third.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.stateful.clients import CONTENTS, STORE, Client, Held, Known, held_by
from tests.stateful.races import COURSES, FICKLE, PATH, Course, Race
from tests.support.depth import DEEP
from tests.support.faulty import Crash
from tests.support.stepped import AtOnce, Stepped
from tests.support.stores import Serial, first_slot, tiny_location

from holdall.collecting.collector import Collector, Policy
from holdall.errors import FencedOffError, RunDeletedError, RunNotFoundError
from holdall.format.layout import PACKS, generation_key, parse_key
from holdall.format.records import encode_generation
from holdall.format.sealing import AES
from holdall.retention.due import due
from holdall.retention.performing import append_purge, perform
from holdall.runs.policy import DAY
from holdall.storage.bucket import Bucket
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.trees import session
from holdall.trees.location import Location

WHO = st.sampled_from(["ann", "bob"])
AT = st.one_of(st.none(), st.integers(0, 25))
WHICH = st.integers(0, 20)  # of those that are there, counted round
CONTENT = st.sampled_from(CONTENTS)


class Machine(RuleBasedStateMachine):
    """The rules. `sealed`: whether the store is encrypted."""

    sealed = False

    def __init__(self) -> None:
        super().__init__()
        self.bucket, self.seeds = MemoryBucket(), itertools.count(1)
        slots = partial(first_slot, self.bucket) if self.sealed else None
        self._location(self.bucket, 0).create(STORE, cipher=AES if self.sealed else "", slots=slots)
        self.copies = MemoryBucket("copy")
        self.copied = tiny_location(self.copies, seed=10**6, create=False, pool=Serial(), sealed=False)
        self.copied.create(STORE)
        self._fresh().experiments.set_retention(self._fresh().experiments.create("e"), last=1)
        self.clients = {who: self._client() for who in ("ann", "bob")}
        self.known: dict[str, Known] = {}
        self.versions: dict[str, tuple[str, str]] = {}  # version -> run, path
        self.collector: Stepped | None = None
        self.writer: Stepped | None = None
        self.acknowledged: tuple[str, str] | None = None  # what the slow writer did
        self.names = map("f{}".format, itertools.count())

    def _client(self) -> Client:
        return Client(self.bucket, next(self.seeds), sealed=self.sealed)

    def _fresh(self) -> Store:
        return self._client().store

    def _dies(self, who: str, at: int | None, work: Callable[[Store], object]) -> bool:
        """Whether the client dies at its request `at` from now; then there is another one in its place."""
        client = self.clients[who]
        client.doom.left = at
        try:
            work(client.store)
        except Crash:
            for one in [one for one in session._open_sessions if one.location is client.location]:
                session._open_sessions.discard(one)
            self.clients[who] = self._client()
            return True
        finally:
            client.doom.left = None
        return False

    # --- writers

    def _one(self, which: int, stage: str = "active", *, versioned: bool | None = None) -> tuple[str, Known] | None:
        """One of the runs at a stage."""
        fits = [
            (run, known)
            for run, known in self.known.items()
            if known.stage == stage and versioned in (None, known.versioned)
        ]
        return fits[which % len(fits)] if fits else None

    @initialize(content=CONTENT)
    def begin(self, content: bytes) -> None:
        """Each client has a run from the beginning, and they share content."""
        for who, versioned in (("ann", False), ("bob", True)):
            self.start(who, content, versioned=versioned)

    @rule(who=WHO, content=CONTENT, versioned=st.booleans())
    def start(self, who: str, content: bytes, versioned: bool) -> None:
        run = self.clients[who].store.runs.start(experiment="e", paths="versioned" if versioned else "immutable")
        self.known[run.run_id] = Known(versioned)
        self._change(who, None, run.run_id, next(self.names), content)

    @rule(who=WHO, which=WHICH, content=CONTENT, at=AT)
    def log(self, who: str, which: int, content: bytes, at: int | None) -> None:
        """To a path that nothing was logged to."""
        if one := self._one(which):
            self._change(who, at, one[0], next(self.names), content)

    @rule(who=WHO, which=WHICH, slot=st.integers(0, 1), content=CONTENT, keep=st.sampled_from([None, 1, 1, 2]), at=AT)
    def replace(self, who: str, which: int, slot: int, content: bytes, keep: int | None, at: int | None) -> None:
        """As training rewrites its last checkpoint: what it gives up is garbage, and may come back."""
        if one := self._one(which, versioned=True):
            run, path = one[0], f"last{slot}"
            after = self._after(run, path, content)
            if keep is not None:
                after = Held(content, after.before[len(after.before) - min(keep - 1, len(after.before)) :])
            work = lambda store: store.runs.get(run).log_bytes(content, path, on_conflict="replace", keep_last=keep)  # noqa: E731
            self._settle(who, at, run, path, work, after)

    def _after(self, run: str, path: str, content: bytes) -> Held:
        """What a path holds once this was logged there."""
        held = self.known[run].paths.get(path, Held())
        return Held(content, (*held.before, held.now) if held.now not in (None, content) else held.before)

    def _change(self, who: str, at: int | None, run: str, path: str, content: bytes) -> None:
        work = lambda store: store.runs.get(run).log_bytes(content, path)  # noqa: E731
        self._settle(who, at, run, path, work, self._after(run, path, content))

    @precondition(lambda self: self.writer is None)
    @rule(which=WHICH, content=CONTENT)
    def begin_to_log(self, which: int, content: bytes) -> None:
        """A third client, which goes on one request at a time, and may sleep as long as it likes."""
        if one := self._one(which):
            path, seed = next(self.names), next(self.seeds)

            def work(bucket: Bucket) -> None:
                location = self._location(bucket, seed)
                with suppress(FencedOffError, RunDeletedError, RunNotFoundError):
                    Store(location).runs.get(one[0]).log_bytes(content, path)
                    self.acknowledged = (one[0], path)

            one[1].slow[path] = content
            self.writer = Stepped(self.bucket, work)

    @precondition(lambda self: self.writer is not None)
    @rule(requests=st.integers(1, 12))
    def log_on(self, requests: int) -> None:
        assert self.writer is not None
        self.writer.step(requests)
        if self.writer.done and self.acknowledged:
            run, path = self.acknowledged
            self.known[run].paths[path] = Held(self.known[run].slow[path])
        if self.writer.done:
            self.writer = self.acknowledged = None

    @rule(who=WHO, which=WHICH, slot=st.integers(0, 1), at=AT)
    def remove(self, who: str, which: int, slot: int, at: int | None) -> None:
        one, path = self._one(which, versioned=True), f"last{slot}"
        if one and (held := one[1].paths.get(path)) and held.now is not None:
            work = lambda store: store.runs.get(one[0]).delete_artifact(path)  # noqa: E731
            self._settle(who, at, one[0], path, work, Held(None, (*held.before, held.now)))

    @rule(who=WHO, which=WHICH, slot=st.integers(0, 1), keep=st.integers(1, 3), at=AT)
    def trim(self, who: str, which: int, slot: int, keep: int, at: int | None) -> None:
        one, path = self._one(which, versioned=True), f"last{slot}"
        if one and (held := one[1].paths.get(path)):
            left = keep - (held.now is not None)
            work = lambda store: store.runs.get(one[0]).trim(path, keep_last=keep)  # noqa: E731
            self._settle(who, at, one[0], path, work, Held(held.now, held.before[-left:] if left else ()))

    def _settle(
        self, who: str, at: int | None, run: str, path: str, work: Callable[[Store], object], after: Held
    ) -> None:
        """Do it; if the client died or was fenced off, the store says whether it was done."""
        known = self.known[run]
        try:
            doubtful = self._dies(who, at, work)
        except FencedOffError:
            doubtful = True
        old = known.paths.get(path, Held())
        found = held_by(self._fresh(), run, path) if doubtful else after
        assert found in (old, after)
        known.paths[path] = found

    @rule(who=WHO, which=WHICH, at=AT)
    def finish(self, who: str, which: int, at: int | None) -> None:
        if one := self._one(which):
            self._dies(who, at, lambda store: store.runs.resume(one[0]).finish())

    @rule(who=WHO, which=WHICH, at=AT)
    def delete(self, who: str, which: int, at: int | None) -> None:
        if one := self._one(which):
            self._dies(who, at, lambda store: store.runs.get(one[0]).delete())
            self._look(one[0], {"active", "deleted"})

    @rule(who=WHO, which=WHICH, at=AT)
    def restore(self, who: str, which: int, at: int | None) -> None:
        if one := self._one(which, "deleted"):
            self._dies(who, at, lambda store: store.runs.get(one[0]).restore())
            self._look(one[0], {"active", "deleted"})

    @rule(who=WHO, which=WHICH, stage=st.sampled_from(["active", "deleted", "deleted"]), at=AT)
    def purge(self, who: str, which: int, stage: str, at: int | None) -> None:
        """What is deleted and not held goes for good; what is active stays."""
        if one := self._one(which, stage):
            self._dies(who, at, lambda store: append_purge(store._location, one[0], lambda _: True))
            self._look(one[0], {stage} if one[1].pinned or stage == "active" else {stage, "purged"})

    @rule(who=WHO, which=WHICH, at=AT)
    def discard(self, who: str, which: int, at: int | None) -> None:
        """End a run, delete it and purge one, so that what only it holds is garbage."""
        if len([known for known in self.known.values() if known.stage == "active"]) > 2:
            self.finish(who, which, None)
            self.delete(who, which, None)
            self.purge(who, 0, "deleted", at)

    def _look(self, run: str, possible: set[str]) -> None:
        """Resolve a doubt by what the store says."""
        try:
            stage = "deleted" if self._fresh().runs.get(run).state.deleted else "active"
        except RunNotFoundError:
            stage = "purged"
        assert stage in possible
        self.known[run].stage = stage

    @rule(who=WHO, which=WHICH, at=AT)
    def register(self, who: str, which: int, at: int | None) -> None:
        """Make a version of what was logged last to a path of its own."""
        one = self._one(which)
        paths = [path for path in one[1].paths if path.startswith("f") and one[1].paths[path].now] if one else []
        if one and paths:
            self._dies(who, at, lambda store: store.registry.register(f"runs:/{one[0]}/{paths[-1]}", "model"))
            store = self._fresh()
            one[1].pinned = bool(store.runs.get(one[0]).state.pins)
            for version in store.registry.search_versions("name = 'model'"):
                self.versions.setdefault(version.version, (one[0], paths[-1]))

    @rule(who=WHO, at=AT)
    def point(self, who: str, at: int | None) -> None:
        """Move an alias."""
        if self.versions:
            newest = max(self.versions, key=int)
            self._dies(who, at, lambda store: store.registry.set_alias("model", "best", newest))

    @rule(who=WHO)
    def reopen(self, who: str) -> None:
        """The process is killed, and another one takes its place."""
        self._dies(who, 0, lambda store: store.runs.start())

    # --- collectors

    def _collect(self, bucket: Bucket) -> None:
        location = self._location(bucket, next(self.seeds))
        Collector(location, AtOnce(), Policy(delay=0)).perform()

    @precondition(lambda self: self.collector is None)
    @rule(chance=st.randoms(use_true_random=False))
    def begin_to_collect(self, chance: Random) -> None:
        self._condemn(chance)
        self.collector = Stepped(self.bucket, self._collect)

    @precondition(lambda self: self.collector is not None)
    @rule(requests=st.integers(1, 30))
    def collect_on(self, requests: int) -> None:
        assert self.collector is not None
        self.collector.step(requests)
        if self.collector.done:
            self.collector = None

    @precondition(lambda self: self.collector is not None)
    @rule()
    def kill_the_collector(self) -> None:
        assert self.collector is not None
        self.collector.kill()
        self.collector = None

    def _condemn(self, chance: Random) -> None:
        """Any packs, referred to or not: which are condemned is economy, and safety depends on what comes after."""
        keys = [key for info in self.bucket.list() if (key := parse_key(info.key))]
        n = max((key.number for key in keys if key.kind in ("condemn", "verdict", "done")), default=-1) + 1
        packs = [key.pack for key in keys if key.kind == "pack" and key.pack]
        some = sorted(chance.sample(packs, chance.randrange(len(packs) + 1)))
        self.bucket.put(generation_key(n, "condemn"), encode_generation(n, "condemn", some))

    @rule(chance=st.randoms(use_true_random=False))
    def collect_at_once(self, chance: Random) -> None:
        """Perhaps beside the other collector."""
        self._condemn(chance)
        self._collect(self.bucket)

    @rule(courses=st.lists(COURSES, min_size=1, max_size=3))
    def race(self, courses: list[Course]) -> None:
        """A writer comes upon packs that a collector is after, each wherever it may be by then."""
        for course in courses:
            self._let_go(FICKLE[course.content])
            self.start("ann", b"a", versioned=True)
            run = list(self.known)[-1]
            race = Race(self.bucket, self.seeds, run, course, sealed=self.sealed)
            race.go()
            found = held_by(self._fresh(), run, PATH)
            assert found in race.may_hold
            self.known[run].paths[PATH] = found

    def _let_go(self, content: bytes) -> None:
        """Purge the runs that hold what a race is about, but for those that are pinned."""
        for run, known in self.known.items():
            if not known.pinned and known.stage != "purged" and known.paths.get(PATH, Held()).now == content:
                store = self._fresh()
                if known.stage == "active":
                    store.runs.get(run).delete()
                assert append_purge(store._location, run, lambda _: True)
                known.stage = "purged"

    # --- retention and copies

    @rule(days=st.sampled_from([0, 3, 8]))
    def expire(self, days: int) -> None:
        """The policy of the experiment, so much later: what is pinned or goes on stays, and the last that ended."""
        location = self._fresh()._location
        plan = due(location, self.bucket.clock() + days * DAY)
        assert not any(self.known[one.run_id].pinned for one in (*plan.expire, *plan.purge))
        assert all(self.known[one.run_id].stage == "active" for one in plan.expire)
        assert all(self.known[one.run_id].stage == "deleted" for one in plan.purge)
        assert days >= 7 or not plan.purge
        done = perform(location, plan)
        assert not done.left
        for run in (*done.expired, *done.purged):
            self._look(run, {"deleted" if run in done.expired else "purged"})

    @precondition(lambda self: not self.sealed)
    @rule()
    def copy(self) -> None:
        """All that is there is there as well; what is copied once is not sent again."""
        for _ in range(2):
            before = set(self.copies.objects)
            report = self._fresh().maintenance.copy_to(Store(self.copied), workers=1)
            # a version whose run is deleted is named, and waits
            assert report.complete or any(one.pinned and one.stage == "deleted" for one in self.known.values())
        assert not any(key.startswith(PACKS) for key in set(self.copies.objects) - before)
        copy = Store(self._location(self.copies, next(self.seeds)))
        assert copy.maintenance.check().problems == []
        for run, known in self.known.items():
            if known.stage == "active":
                assert copy.runs.get(run).manifest == self._fresh().runs.get(run).manifest

    def _location(self, bucket: Bucket, seed: int) -> Location:
        return tiny_location(bucket, seed=seed, create=False, pool=Serial(), sealed=self.sealed)

    # --- what holds after each step

    @invariant()
    def all_is_there(self) -> None:
        """By a new process, and by those with handles of long ago."""
        found = self._fresh().maintenance.check()
        assert found.intact, found.problems
        for store in (self._fresh(), self.clients["ann"].store):
            for run, known in self.known.items():
                if known.stage == "active":
                    assert {path: held_by(store, run, path) for path in known.paths} == known.paths
                    assert all(held_by(store, run, path).now in (None, known.slow[path]) for path in known.slow)
        for version, (run, path) in self.versions.items():
            if self.known[run].stage == "active":
                assert self._fresh().artifacts.read(f"models:/model/{version}") == self.known[run].paths[path].now

    def teardown(self) -> None:
        for one in (self.collector, self.writer):
            if one:
                one.kill()
        session._open_sessions.clear()


@pytest.mark.long
def test_nothing_is_lost_whatever_happens() -> None:
    """Whatever two clients and a collector do, and whenever they die."""
    count, steps = (600, 60) if DEEP else (10, 30)
    run_state_machine_as_test(Machine, settings=settings(max_examples=count, stateful_step_count=steps))


class SealedMachine(Machine):
    """The same rules in an encrypted store."""

    sealed = True


@pytest.mark.long
def test_nothing_is_lost_in_an_encrypted_store() -> None:
    """Whatever is done to it, by all that have a key."""
    count, steps = (300, 60) if DEEP else (3, 12)
    run_state_machine_as_test(SealedMachine, settings=settings(max_examples=count, stateful_step_count=steps))
