"""Purging a run at once, so that what it held alone is in no object of the store any more.

    1. pins of no version are taken back, and it is deleted, if it is not
    2. hints to the packs that go are removed, and what other runs need of these packs is copied
    3. it is purged: from now on it reads as not there
    4. the packs are collected, by a generation of their own, which waits for nothing
    5. an empty catalog takes the place of those that may tell of the run
    6. records of damage of these packs and the older entries of the log are removed

Killed anywhere before 3, the next purge begins again. After it nothing refers to the packs, so that the next purge
takes them, or any collection. At last it is planned once more: a writer that refers to one of the packs between 2 and
4 is seen by the collection, which spares that pack; then it is done again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeAlias

from holdall.chunks.reader import ChunkReader
from holdall.collecting.compaction import Compactor
from holdall.errors import DamageError, ObjectNotFoundError, RunHeldError
from holdall.format.document import MAX_DOCUMENT
from holdall.format.layout import PackName, damage_key, hint_key, parse_key
from holdall.format.records import parse_hint
from holdall.naming.pins import lift
from holdall.retention.doomed import doomed_of
from holdall.retention.performing import append_purge, append_tombstone, remove_older
from holdall.retention.purge_plan import PurgePlan, plan_purge
from holdall.storage.bucket import Bucket
from holdall.trees.catalogs import catalog_tells_of, forget_catalogs
from holdall.trees.location import Location

Collect: TypeAlias = Callable[[frozenset[PackName]], Collection[PackName]]
"""Collects packs at once that nothing refers to, and returns those that are gone."""

_HINTS: Final = "hints/"
_ROUNDS: Final = 5  # in which writers may refer anew to what goes


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge did.

    Attributes:
        plan: What was planned.
        done: Whether anything was done; not so of a dry run.
        packs: Those that are gone, by name.
        left: Packs with content of the run that are still there, as others refer to them anew all the time.
        moved: Runs whose other content was copied.
    """

    plan: PurgePlan
    done: bool = False
    packs: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()


def purge(location: Location, plan: PurgePlan, collect: Collect) -> Purged:
    """Purge a run as planned.

    Raises:
        RunHeldError: It was pinned, tagged or restored meanwhile.
        IntegrityError: What another run needs of a pack that goes is damaged: nothing of that pack is deleted.
        DamageError: What some run refers to cannot be told: nothing is deleted.

    Cost: as planning it twice; what is copied; a generation of the garbage collection; a listing of all hints.
    """
    location.ready_to_write()
    doomed = doomed_of(location, plan.run_id)  # now: a collection may sweep the older entries, which tell of it
    if not plan.purged:
        _lift(location, plan)
        append_tombstone(location, plan.run_id)
    gone: set[PackName] = set()
    moved: set[str] = set()
    now = plan
    for _ in range(_ROUNDS):
        remove_hints(location, now.names)
        compactor = Compactor(location, now.names)
        for run_id in now.moving:
            compactor.vacate(run_id)
            moved.add(run_id)
        _append_purge(location, now)
        gone.update(collect(now.names) if now.packs else ())
        # What it said may be old, as others purge runs, too; the pins that were lifted are still in `doomed`.
        now = plan_purge(location, plan.run_id, doomed, lift_pins=bool(plan.lifting))
        if not now.packs:
            break
    if not plan.purged or catalog_tells_of(location.bucket, plan.run_id):
        forget_catalogs(location.bucket, location.clock(), location.writer)
    _remove_damage(location.bucket, gone)
    left = now.names
    if not left:  # they tell which packs these are
        remove_older(location, plan.run_id)
    return Purged(plan, True, tuple(sorted(map(str, gone))), tuple(sorted(map(str, left))), tuple(sorted(moved)))


def _lift(location: Location, plan: PurgePlan) -> None:
    """Take back the pins of no version. Raises: RunHeldError: A version has come meanwhile, and has its pin again."""
    for pin in plan.lifting:
        if not lift(location, plan.run_id, pin):
            raise RunHeldError(plan.run_id, f"a version that was registered just now, by {pin}")


def _append_purge(location: Location, plan: PurgePlan) -> None:
    if plan.purged or append_purge(location, plan.run_id, lambda _: True):
        return
    again = plan_purge(location, plan.run_id)  # says what holds it
    if not again.purged:
        raise RunHeldError(plan.run_id, "somebody who restored it just now")


def remove_hints(location: Location, packs: Collection[PackName]) -> int:
    """Remove the hints that lead to some packs, and return how many there were.

    Cost: the footers of these packs, a listing of all hints, and a GET for each that is for one of their chunks.
    """
    if not packs:
        return 0
    reader, bucket = ChunkReader(location.bucket, location.pool), location.bucket
    chunks: set[bytes] = set()
    for pack in packs:
        with suppress(ObjectNotFoundError, DamageError):
            chunks.update(row.id for row in reader.footer(pack).rows)
    keys = (parse_key(info.key) for info in bucket.list(_HINTS))
    ids = [bytes.fromhex(key.chunk) for key in keys if key and key.kind == "hint"]
    some = [chunk for chunk in ids if chunk in chunks]
    leading = location.pool.map(lambda chunk: _leads_to(bucket, chunk, packs), some)
    doomed = [hint_key(chunk) for chunk, leads in zip(some, leading, strict=True) if leads]
    bucket.delete_many(doomed)
    return len(doomed)


def _leads_to(bucket: Bucket, chunk: bytes, packs: Collection[PackName]) -> bool:
    try:
        return parse_hint(bucket.get(hint_key(chunk), limit=MAX_DOCUMENT), chunk) in packs
    except (ObjectNotFoundError, DamageError):
        return False


def _remove_damage(bucket: Bucket, packs: Collection[PackName]) -> None:
    """Remove what is recorded of the damage of packs that are gone."""
    there = {info.key for info in bucket.list("gc/damaged/")} if packs else set()
    bucket.delete_many(sorted(there & {damage_key(pack) for pack in packs}))
