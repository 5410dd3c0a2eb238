"""The real code, request by request: along the model's shortest ways to a loss, and in random orders."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import pytest
from tests.protocol.actors import OLD, PlayedCollector, World, content
from tests.protocol.model import explore
from tests.protocol.scenarios import REPLAYED, without
from tests.protocol.traces import Replay
from tests.support.depth import DEEP

from holdall.chunks import chunk_index
from holdall.chunks.chunk_index import ChunkIndex
from holdall.chunks.garbage import GarbageListing
from holdall.format.layout import PackName
from holdall.trees import transaction
from holdall.trees.session import Session

BATCHES, EACH = (120, 25) if DEEP else (5, 25)
_NOTHING = GarbageListing(frozenset(), frozenset(), frozenset())


@pytest.fixture(autouse=True)
def nothing_is_inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small files go to packs, so that schedules are short."""
    monkeypatch.setattr(transaction, "INLINE", 0)


def replay(rule: str, off: frozenset[str] = frozenset()) -> None:
    config = without(rule)
    found = explore(config)
    assert found.lost, "the rule is not needed"
    Replay(config, found.trace, off=off).run()


@pytest.mark.parametrize("rule", REPLAYED)
@pytest.mark.every(3)
def test_the_ways_to_a_loss_lead_to_none(rule: str) -> None:
    """What would lose data without a rule is played with the real code, which keeps it."""
    replay(rule)


def drop_w2(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(chunk_index, "look_at_garbage", lambda bucket: _NOTHING)


def drop_w4(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ChunkIndex, "note_fence", lambda self, generation: None)


def drop_w6(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Session, "_shut", property(lambda self: False, lambda self, value: None), raising=False)


def drop_w6s(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ChunkIndex, "begin_session", lambda self, session: None)


def drop_w7(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ChunkIndex, "_begin_again", lambda self: None)


BROKEN: dict[str, Callable[[pytest.MonkeyPatch], None] | None] = {
    "W2": drop_w2,
    "W4": drop_w4,
    "W6": drop_w6,
    "W6s": drop_w6s,
    "W7": drop_w7,
    "G5": None,
    "G6": None,
    "G8": None,
}


@pytest.mark.parametrize("rule", BROKEN)
def test_a_rule_that_is_broken_in_the_code_is_caught(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schedules find what they look for: with the rule taken out of the real code, data is lost."""
    if breaks := BROKEN[rule]:
        breaks(monkeypatch)
    with pytest.raises(AssertionError, match="refers to"):
        replay(rule, frozenset() if BROKEN[rule] else frozenset({rule}))


def collector(world: World, name: str, drawn: random.Random) -> Callable[[], object]:
    """The collector of `holdall gc`, or one that condemns any packs, and perhaps closes sessions instead of fencing."""
    if drawn.random() < 0.5:
        return partial(world.collect, name)
    return PlayedCollector(world, name, some(drawn), closes=drawn.random() < 0.5)


def some(drawn: random.Random) -> Callable[[PackName], bool]:
    """A choice of packs by lot, the same whenever it is asked."""
    lot, share = drawn.randbytes(8), drawn.random()
    return lambda pack: random.Random(lot + str(pack).encode()).random() < share


def play(seed: int) -> None:
    """One random schedule of one to three writers, collectors that are killed, and a purge, by changing priorities."""
    drawn = random.Random(seed)
    world = World(seed)
    world.versioned = {run for run in "AC" if drawn.random() < 0.4}
    if drawn.random() < 0.5:
        world.shared_run("A")
    writers = {"A": "A", "B": drawn.choice("AB"), "C": "C"}
    for name, run in list(writers.items())[: drawn.randint(1, 3)]:
        parts = drawn.choices([OLD, content("A", 0), content("A", 1)], k=drawn.randint(1, 3))
        world.schedule.add(name, partial(world.write, name, run, parts))
    finish(world, drawn)


def play_threads(seed: int) -> None:
    """As `play`, with two writers that are threads of one session."""
    drawn = random.Random(seed)
    world = World(seed)
    world.shared_run("A")
    session = world.shared_session("A")
    for name in "AB":
        parts = drawn.choices([OLD, content("A", 0), content("A", 1)], k=drawn.randint(1, 2))
        world.schedule.add(name, partial(world.write_as_thread, session, name, parts))
    finish(world, drawn)
    session.close()


def finish(world: World, drawn: random.Random) -> None:
    """Add collectors, perhaps a compactor; play all to the end, mostly who has the highest priority, which changes."""
    for j in range(drawn.randint(1, 2)):
        world.schedule.add(f"G{j}", collector(world, f"G{j}", drawn))
    if drawn.random() < 0.3:
        world.schedule.add("M", partial(world.compact, "M", some(drawn)))
    purge_at, kill_at = drawn.randint(0, 60), drawn.randint(0, 150)
    changes = {drawn.randint(0, 150) for _ in range(6)}
    priority = {name: drawn.random() for name in ("A", "B", "C", "G0", "G1", "G2", "M")}
    at = 0
    while names := world.schedule.names:
        if at == purge_at:
            world.purge("D")
        if at == kill_at and (victims := [name for name in names if name.startswith("G")]):
            world.schedule.kill(drawn.choice(victims))
            world.schedule.add("G2", collector(world, "G2", drawn))
            names = world.schedule.names
        if at in changes:
            priority[drawn.choice(names)] = drawn.random()
        able = [name for name in names if (request := world.schedule.pending(name)) and request.verb != "lock"]
        name = drawn.choice(names) if drawn.random() < 0.1 else max(able or names, key=priority.__getitem__)
        world.check(world.schedule.step(name))
        at += 1
    world.check_contents()
    assert all(name.startswith("G") for name in world.schedule.failures), world.schedule.failures


@pytest.mark.parametrize("batch", range(BATCHES))
@pytest.mark.every(2)
def test_no_order_of_requests_loses_anything(batch: int) -> None:
    """After each request no run refers to a pack that is gone, and at the end every acknowledged commit reads back."""
    for seed in range(batch * EACH, (batch + 1) * EACH):
        try:
            play(seed)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error}") from error


@pytest.mark.parametrize("batch", range(BATCHES // 2))
@pytest.mark.every(2)
def test_no_order_of_requests_of_threads_loses_anything(batch: int) -> None:
    """The same for threads that share a session: each obeys the fences and the close that the other met."""
    for seed in range(batch * EACH, (batch + 1) * EACH):
        try:
            play_threads(seed)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error}") from error
