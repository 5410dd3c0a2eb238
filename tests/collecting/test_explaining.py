"""Who holds something, and by which rule."""

from __future__ import annotations

import hashlib

import pytest
from tests.support.garbage import DAY, GarbageWorld

from holdall.errors import GarbageNotFoundError, InvalidArgumentError, LiveContentError, RunNotFoundError
from holdall.format.layout import PackName, run_log
from holdall.format.reference import Ref
from holdall.trees.blobs import RunBlobReader
from holdall.trees.journal import Journal
from holdall.trees.references import references
from holdall.trees.view import View


@pytest.fixture
def world() -> GarbageWorld:
    return GarbageWorld()


def refs_of(world: GarbageWorld, id: str) -> list[Ref]:
    location = world.store._location
    view = View.load(
        RunBlobReader(location.bucket, location.pool, Journal(location.bucket, location.pool, run_log(id)))
    )
    assert view
    return list(references(view))


def test_a_pack_is_held_by_the_runs_that_refer_to_it(world: GarbageWorld) -> None:
    """Two runs share one; what both need of it counts once."""
    first, second = (refs_of(world, run.id) for run in world.kept)
    shared = {ref.location for ref in first} & {ref.location for ref in second}
    pack = min(pack for pack in shared if isinstance(pack, PackName))
    found = world.store.maintenance.explain(str(pack))
    assert {one.run_id for one in found.holders} == {run.id for run in world.kept}
    needed = {(ref.offset, ref.stored) for ref in [*first, *second] if ref.location == pack}
    assert found.live == sum(stored for _, stored in needed) < found.size == len(world.inner.objects[pack.key])
    assert found.why == ["2 runs refer to it"]
    assert world.store.maintenance.explain(pack.key) == found


def test_a_pack_that_nobody_holds_says_what_becomes_of_it(world: GarbageWorld) -> None:
    """It is deleted next; or it is condemned; or an open session may still refer to it."""
    live = {ref.location for run in world.kept for ref in refs_of(world, run.id)}
    pack = min(world.packs() - live)
    world.store._location.clock = world.clock
    explain = world.store.maintenance.explain
    assert explain(str(pack)).why == ["nothing refers to it: the next collection deletes it"]
    world.collect(quarantine=7 * DAY)
    assert explain(str(pack)).why == ["garbage generation 0 condemns it"]
    run = world.log("open", finish=False)
    own = next(one for one in world.packs() - live if one.session.hex() in run.state.sessions)
    assert f"the session that wrote it is open in run {run.id}" in explain(str(own)).why


def test_a_young_pack_says_so(world: GarbageWorld) -> None:
    """It is younger than the delay by the server's clock."""
    run = world.log("young")
    own = {ref.location for ref in refs_of(world, run.id)} - {ref.location for ref in refs_of(world, world.kept[0].id)}
    world.purge(run)
    world.store._location.clock = world.clock
    pack = min(one for one in own if isinstance(one, PackName))
    assert world.store.maintenance.explain(str(pack)).why == ["it is younger than the delay"]


def test_content_is_found_by_the_digest_of_a_file_and_of_a_chunk(world: GarbageWorld) -> None:
    """With its runs and paths, deleted ones too; of a purged run there are none."""
    run = world.kept[0]
    digest = hashlib.sha256(world.content[run.id]).hexdigest()
    (holder,) = world.store.maintenance.explain(f"sha256:{digest}").holders
    assert (holder.run_id, holder.paths, holder.deleted) == (run.id, ("own.bin",), False)
    run.delete()
    assert world.store.maintenance.explain(f"sha256:{digest}").holders[0].deleted
    chunk = next(ref for ref in reversed(refs_of(world, world.kept[1].id)))
    found = world.store.maintenance.explain(f"blake3:{chunk.id.hex()}")
    assert world.kept[1].id in {one.run_id for one in found.holders}
    assert found.holders[0].paths
    gone = hashlib.sha256(world.content[world.purged[0].id]).hexdigest()
    with pytest.raises(GarbageNotFoundError):
        world.store.maintenance.explain(f"sha256:{gone}")


def test_a_run_is_held_by_rules(world: GarbageWorld) -> None:
    """A tag, an open session, its deletion: each in words."""
    run = world.kept[0]
    explain = world.store.maintenance.explain
    assert explain(run.id).why
    run.set_tag("holdall.keep", "yes")
    run._writing().open()
    assert any("holdall.keep" in why for why in explain(run.id).why)
    assert "1 session is open" in explain(run.id).why
    assert explain(world.purged[0].id).why == ["it is purged: it holds nothing"]
    world.kept[1].delete()
    assert any(why.startswith("it is deleted, and holds its content") for why in explain(world.kept[1].id).why)


def test_what_is_not_there_is_an_error(world: GarbageWorld) -> None:
    """Each kind of thing by its own name; what is none of them, too."""
    explain = world.store.maintenance.explain
    with pytest.raises(RunNotFoundError):
        explain("0" * 32)
    with pytest.raises(GarbageNotFoundError):
        explain("ab" * 16 + "-00000000")
    with pytest.raises(InvalidArgumentError):
        explain("nonsense")


def test_a_run_that_cannot_be_read_leaves_no_answer(world: GarbageWorld) -> None:
    """It may be the one that holds the pack."""
    pack = min(world.packs())
    key = min(key for key in world.inner.objects if key.startswith(run_log(world.kept[0].id)))
    world.inner.objects[key] = b"?"
    with pytest.raises(LiveContentError):
        world.store.maintenance.explain(str(pack))
