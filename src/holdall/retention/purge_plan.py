"""What purging a run at once would do, and what still refers to its content: a plan, which can be printed.

Purging is for what must go, such as a secret that was logged. So everything that keeps some of the content is named:
other runs that hold the same file, or chunks of it, and what holds these.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Final

from holdall.errors import RunHeldError
from holdall.format.layout import PACKS, PackName, parse_key
from holdall.format.recipe import parse_recipe
from holdall.format.tree import Entry
from holdall.naming.pins import Standing, standing
from holdall.naming.record import ModelVersion
from holdall.naming.registry import Registry
from holdall.retention.doomed import Doomed, Needed, doomed_of, find_needed, find_packs
from holdall.retention.rules import deployed_at
from holdall.runs.index import survey
from holdall.runs.policy import KEEP
from holdall.runs.record import PARENT, RUN_NAME
from holdall.trees.addresses import run_uri
from holdall.trees.history import earlier_entries
from holdall.trees.location import Location
from holdall.trees.view import View

SAME_FILE: Final = "the same file"
SAME_CHUNKS: Final = "parts of it"
_NOBODY: Final = "when no process registers it any more"


@dataclass(frozen=True, slots=True)
class Remaining:
    """A file of another run that holds content of the purged one: it stays, since that run holds it on purpose.

    Attributes:
        uri: Where: `runs:/<run_id>/<path>`.
        path: Which file of the purged run it is; empty where it shares only parts of some.
        what: "the same file", or "parts of it".
        deleted: Whether that run is deleted, and will be purged itself.
        held_by: Versions of registered models, with their aliases, and places where it is deployed.
        earlier: Whether an earlier version of that path holds it, which a versioned run keeps.
    """

    uri: str
    path: str
    what: str
    deleted: bool
    held_by: tuple[str, ...] = ()
    earlier: bool = False


@dataclass(frozen=True, slots=True)
class PurgePlan:
    """What purging a run at once would do.

    Attributes:
        run_id, name: Which run.
        files, bytes: What it holds; 0 where nothing of its log is left.
        deleted, purged: Whether it is deleted already; purged already, so that this finishes what was interrupted.
        children: Runs that are part of it; they stay.
        deployed_at: Where what it holds is in use.
        sessions: How many sessions are open in its log: a process that goes on may upload content anew, and leave it.
        remaining: What still holds content of it afterwards.
        packs: Those that go, by name, and what they take in bytes.
        moving: Runs of which other content lies in these packs, and is copied to new ones first.
        lifting: Pins of no version, which are taken back first.
    """

    run_id: str
    name: str
    files: int
    bytes: int
    deleted: bool
    purged: bool
    children: tuple[str, ...]
    deployed_at: tuple[str, ...]
    sessions: int
    remaining: tuple[Remaining, ...]
    packs: tuple[str, ...]
    pack_bytes: int
    moving: tuple[str, ...]
    lifting: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[PackName]:
        """Return the packs that go."""
        return frozenset(PackName.parse(pack, "a plan") for pack in self.packs)


def plan_purge(location: Location, run_id: str, doomed: Doomed | None = None, *, lift_pins: bool = False) -> PurgePlan:
    """Return what purging a run would do; nothing is written.

    Args:
        location: The store.
        run_id: Which run.
        doomed: What it is made of, if that was found out before; it is looked at as it is now when None.
        lift_pins: Whether the caller vouches that no process is registering it: then pins whose version was never
            written hold nothing. Those whose version is gone never do.

    Raises:
        RunNotFoundError: There is no such run.
        RunHeldError: A version of a registered model, or the tag `holdall.keep`, holds it.
        DamageError: What some run of the store refers to cannot be told: then nobody knows what may go.

    Cost: a listing of the packs and a request or two for each footer; each run's trees and recipes; a GET for each
        entry of the run's log, and what searching costs.
    """
    location.require_store()
    doomed = doomed or doomed_of(location, run_id)
    state = doomed.view.state if doomed.view else None
    versions = _versions(location)
    lifting: tuple[str, ...] = ()
    if state and not doomed.purged:
        lifting = _lifted(location, state.pins, lift_pins=lift_pins)
        pins = {pin: by for pin, by in state.pins.items() if pin not in lifting}
        _refuse_held(location, run_id, pins, state.tags, versions[run_id])
    packs = find_packs(location, doomed)
    needed = find_needed(location, run_id, doomed.blobs, packs.keys())
    targets = {pack for pack, ids in packs.items() if ids - needed.blobs}
    found = survey(location, None)
    return PurgePlan(
        run_id,
        state.tags.get(RUN_NAME, "") if state else "",
        files=state.files if state else 0,
        bytes=state.bytes if state else 0,
        deleted=bool(state and state.deleted),
        purged=doomed.purged,
        children=tuple(run.run_id for run, _ in found.runs if run.tags.get(PARENT) == run_id),
        deployed_at=tuple(deployed_at(state.tags)) if state else (),
        sessions=len(state.sessions) if state else 0,
        remaining=tuple(_remaining(doomed, needed, versions)),
        packs=tuple(sorted(map(str, targets))),
        pack_bytes=_size_of(location, targets),
        moving=tuple(sorted(run for run, used in needed.packs.items() if used & targets)),
        lifting=lifting,
    )


def _lifted(location: Location, pins: Iterable[str], *, lift_pins: bool) -> tuple[str, ...]:
    """Return the pins that hold nothing."""
    nothing = {Standing.NOTHING, Standing.PROMISE} if lift_pins else {Standing.NOTHING}
    return tuple(pin for pin in sorted(pins) if standing(location, pin) in nothing)


def _refuse_held(
    location: Location, run_id: str, pins: dict[str, str], tags: dict[str, str], versions: Sequence[ModelVersion]
) -> None:
    if pins:
        error = RunHeldError(run_id, ", ".join(map(_called, versions)) or "; ".join(map(_set_by, pins, pins.values())))
        if all(standing(location, pin) is Standing.PROMISE for pin in pins):
            error.by += ": no version of it was written, so its registration was cut short, or goes on"
            error.hint = f"{_NOBODY}: store.maintenance.plan_purge(run_id, lift_pins=True) takes the pin back"
            error.shell_hint = f"{_NOBODY}: `holdall run purge RUN_ID --lift-pins` takes the pin back"
        raise error
    if KEEP in tags:
        raise RunHeldError(run_id, f"the tag {KEEP}")


def _set_by(pin: str, by: str) -> str:
    return f"{pin}, set by {by}"


def _versions(location: Location) -> defaultdict[str, list[ModelVersion]]:
    """Return the versions of all registered models, by their run."""
    found: defaultdict[str, list[ModelVersion]] = defaultdict(list)
    for version in Registry(location).search_versions():
        found[version.run_id].append(version)
    return found


def _called(version: ModelVersion) -> str:
    words = [f"@{alias}" for alias in version.aliases]
    words += [version.current_stage] if version.current_stage != "None" else []
    return f"models:/{version.name}/{version.version}" + (f" ({', '.join(words)})" if words else "")


def _remaining(doomed: Doomed, needed: Needed, versions: defaultdict[str, list[ModelVersion]]) -> Iterable[Remaining]:
    """Yield the files of other runs that have content of the doomed one."""
    for run_id, view in sorted(needed.views.items()):
        now, before = view.paths.walk(), earlier_entries(view.paths)
        kept = (entry for tree in view.part_trees for entry in tree.walk())
        for entry, earlier in chain(zip(now, repeat(False)), zip(before, repeat(True)), zip(kept, repeat(False))):
            path = doomed.files.get(entry.sha256) if entry.content else None
            if path is not None or _shares(view, entry, doomed):
                holding = [each for each in versions[run_id] if _is_below(entry.path, each.path)]
                held = [*map(_called, holding), *(f"deployed at {where}" for where in deployed_at(view.state.tags))]
                what = SAME_CHUNKS if path is None else SAME_FILE
                uri = run_uri(run_id, entry.path)
                yield Remaining(uri, path or "", what, view.state.deleted, tuple(held), earlier)


def _shares(view: View, entry: Entry, doomed: Doomed) -> bool:
    if entry.content is None:
        return False
    if entry.content.id in doomed.blobs:
        return True
    if entry.whole:
        return False
    return any(ref.id in doomed.blobs for ref in parse_recipe(view.paths.blobs.read([entry.content])[0]).chunks)


def _is_below(path: str, top: str) -> bool:
    return not top or path == top or path.startswith(f"{top}/")


def _size_of(location: Location, packs: set[PackName]) -> int:
    if not packs:
        return 0
    listed = ((parse_key(info.key), info.size) for info in location.bucket.list(PACKS))
    return sum(size for key, size in listed if key and key.pack in packs)
