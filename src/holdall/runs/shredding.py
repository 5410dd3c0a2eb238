"""An experiment's own keys are destroyed, and its runs are purged: first nobody can read them, then they are not there.

    1. the mark, proven by the store's key: from now on readers say that the keys were destroyed
    2. the wrapped key is deleted, and it is looked whether it is gone
    3. each run is purged, by an entry that the store's key seals; the next garbage collection takes what is left

Interrupted anywhere, the next call goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from holdall.chunks.beside import side_by_side
from holdall.errors import DamageError, InvalidArgumentError, ObjectExistsError
from holdall.format.document import parse_document
from holdall.format.entry import LogEntry, encode_entry
from holdall.format.layout import RUNS, log_key, own_keys_key, run_log
from holdall.format.sealed_entry import MAX_SEALED, open_entry, public_sha256, seal_entry
from holdall.keys.ring import Ring
from holdall.trees.heads import list_heads
from holdall.trees.journal import Journal
from holdall.trees.location import Location

_TRIES: Final = 20  # entries that somebody who knows the keys still may write meanwhile


@dataclass(frozen=True, slots=True)
class Shredding:
    """What destroying an experiment's own keys means, or did.

    Attributes:
        experiment_id, name: Of which experiment.
        runs: How many runs there are that become unreadable.
        key: The object that holds the wrapped key: copies of it, older versions of it and backups open all of it again.
        versioned: Whether the bucket was seen to keep older versions, so that the object is still there, hidden; known
            once something was written.
        destroyed: When the keys were destroyed, in ms since 1970 UTC; None: they were not yet.
        done: Whether this call did it; not so of a dry run.
    """

    experiment_id: str
    name: str
    runs: int
    key: str
    versioned: bool = False
    destroyed: int | None = None
    done: bool = False


def planned(location: Location, id: str, name: str) -> tuple[Shredding, Ring, list[str]]:
    """Return what is to be destroyed, by which keys, and the ids of the runs. Cost: two listings."""
    ring = location.ring() if location.unlock is not None else None
    if ring is None:
        raise InvalidArgumentError("only experiments of an encrypted store have keys of their own")
    runs = [log.removeprefix(RUNS) for log in list_heads(location.stored_in(), f"{RUNS}{id[:8]}")]
    return Shredding(id, name, len(runs), own_keys_key(id), destroyed=ring.is_destroyed(id)), ring, runs


def destroy(location: Location, ring: Ring, id: str, runs: list[str]) -> None:
    """Destroy the keys, and purge the runs. Raises: as `OwnKeys.destroy`, and ObjectExistsError."""
    ring.own.destroy(id, location.clock())
    ring.forget(id)
    side_by_side(lambda run: _purge(location, ring, run), runs)


def _purge(location: Location, ring: Ring, run_id: str) -> None:
    """Append the entry that purges a run which nobody can read, if it is not there. Cost: a listing, a GET, a PUT.

    Raises:
        ObjectExistsError: Somebody who still knows the keys writes one entry after the other; the next call goes on.
    """
    bucket, log = location.stored_in(), run_log(run_id)
    for _ in range(_TRIES):
        newest = Journal(bucket, location.pool, log).newest()
        if newest is None:
            return
        key, following = log_key(log, newest), log_key(log, newest + 1)
        data = bucket.get(key, limit=MAX_SEALED)
        if _purges(data, key, ring):
            return
        entry = _purging(location, log, newest + 1, prev=public_sha256(data, key))
        try:
            bucket.put(following, seal_entry(encode_entry(entry), following, ring.of_store.own, ring.of_store.entropy))
        except ObjectExistsError:
            continue
        return
    raise ObjectExistsError(
        bucket.url, log, "somebody writes to this run all the time, so it was not purged: call again"
    )


def _purging(location: Location, log: str, n: int, *, prev: str) -> LogEntry:
    """Return the entry of a number that purges a run, and says nothing else."""
    write_id, time, ops = location.entropy(16).hex(), location.clock(), ({"op": "purge"},)
    return LogEntry(
        log=log, n=n, write_id=write_id, prev=prev, time=time, writer=location.writer, state_at=None, ops=ops
    )


def _purges(data: bytes, key: str, ring: Ring) -> bool:
    """Return whether an entry that the store's key opens purges its run."""
    try:
        ops = parse_document(open_entry(data, key, ring.known), key)[0].get("ops")
    except DamageError:
        return False
    return isinstance(ops, list) and {"op": "purge"} in ops
