"""The part of `Experiments` that is about keys of an experiment's own.

Whoever starts a run looks at the first lines below the experiment's id. The mark that it has keys of its own is created
before its log and sorts before it, so nobody who sees the log misses the mark, and nobody pays a request for that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

from holdall.errors import InvalidArgumentError, InvalidNameError
from holdall.format.layout import EXPERIMENTS, Key, experiment_log, parse_key
from holdall.keys.ring import Ring
from holdall.runs.record import Experiment
from holdall.runs.shredding import Shredding, destroy, planned
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.log import Fold
from holdall.trees.shares import delete_shares

OWN: Final = "own"
_FEW: Final = 3  # lines: a mark, the newest entry of the log, and one that another experiment may have


def wants_own(encryption: object) -> bool:
    """Return whether an experiment is to have keys of its own. Raises: InvalidArgumentError: nobody can tell."""
    if encryption not in (None, OWN):
        raise InvalidArgumentError(f"encryption is 'own' or None, not {str(encryption)[:100]!r}")
    return encryption == OWN


class Founded(Fold, Protocol):
    """What an experiment's log adds up to. Attributes: own (whether it says that there are keys of its own)."""

    own: bool


class DomainVerbs:
    """Keys of an experiment's own."""

    _location: Location
    get: Callable[[str], Experiment]

    def _listed(self, id: str) -> int | None:
        """Return the number of the newest entry of an experiment's log, whose keys are known then; None: no log.

        Raises:
            ShreddedError, KeyUnavailableError: It has keys of its own, and nobody can use them.

        Cost: a listing; where it has keys of its own, what `Ring.require` costs.
        """
        location = self._location
        ring = location.ring() if location.unlock is not None else None
        journal = Journal(location.bucket, location.pool, experiment_log(id))
        if ring is None:
            return journal.newest()
        keys = _first_keys(location, id[:8], _FEW)
        if len(keys) == _FEW and _is_crowded(id, keys):
            keys = _first_keys(location, id, _FEW)
        return _newest_of(id, keys, ring)

    def _give_keys(self, name: str) -> None:
        """Give an experiment that is about to be made keys of its own.

        Raises:
            InvalidArgumentError: The store is not encrypted, or no key was given.
            InvalidNameError: The ids of its runs would begin as those of another experiment.
        """
        location = self._location
        ring = location.ring() if location.unlock is not None else None
        if ring is None:
            raise InvalidArgumentError(
                "only an encrypted store gives an experiment keys of its own; "
                "make one with `holdall store init --encrypt URL`"
            )
        id = location.names.experiment_id(name)
        keys = _first_keys(location, id[:8], _FEW)
        if any(_owner(key) != id for key in keys):
            raise InvalidNameError("experiment", name, "ids of its runs would begin as another's: take another name")
        if not any(key.kind == "log" for key in keys):
            ring.own.create(id, location.entropy, location.clock())

    def shred(self, id: str, *, dry_run: bool = False) -> Shredding:
        """Destroy the keys that an experiment has of its own: from then on nobody can read any of its runs.

        Nothing brings them back but a copy of the object that holds the wrapped key, from before: in a backup or a
        mirror, or as an older version in a bucket that keeps those. Delete these too. Who has the keys in memory, or
        copied them, goes on as long as that lasts; what they still write nobody can read. The experiment's name and
        its own tags, and what registered models say of versions that were made of its runs, stay readable for who has
        the store's key. What was shared of its runs by links is deleted. The next garbage collection frees the space.

        Args:
            id: The experiment's id.
            dry_run: Whether only to say what would be destroyed.

        Returns:
            What was, or would be, destroyed.

        Raises:
            ExperimentNotFoundError: There is none.
            InvalidArgumentError: It has no keys of its own.
            NotDeletedError: The bucket keeps the object, by a lock or a rule of its own.
            ObjectExistsError: The keys are gone, but somebody who has them in memory writes to a run all the time.

        Cost: as `get`, four listings, two PUTs and a DELETE; for each run a listing, a GET and a PUT, side by side.

        Example:
            >>> id = sealed.experiments.create("patients", encryption="own")
            >>> sealed.experiments.shred(id, dry_run=True).runs
            0
            >>> sealed.experiments.shred(id).done
            True
        """
        found = self.get(id)
        plan, ring, runs = planned(self._location, found.experiment_id, found.name)
        if found.encryption != OWN:
            raise InvalidArgumentError(f"experiment {found.name!r} has no keys of its own: delete and purge its runs")
        if dry_run:
            return plan
        self._location.ready_to_write()
        delete_shares(self._location.bucket, lambda run: run.startswith(found.experiment_id[:8]))
        destroy(self._location, ring, found.experiment_id, runs)
        versioned = ring.own.keeps_versions()
        return replace(plan, versioned=versioned, destroyed=ring.is_destroyed(found.experiment_id), done=True)

    def _require_keys(self, id: str, founded: Founded) -> None:
        """Make sure that the keys of an experiment's own are known, if its log says that it has some."""
        if founded.own:
            self._location.require_keys(id)


def _first_keys(location: Location, digits: str, most: int) -> list[Key]:
    """Return the first keys below the ids of experiments that begin so. Cost: a listing of so many lines."""
    listed = location.bucket.list(f"{EXPERIMENTS}{digits}", limit=most)
    return [key for info in listed if (key := parse_key(info.key))]


def _owner(key: Key) -> str:
    return key.experiment or key.log.removeprefix(EXPERIMENTS)


def _is_crowded(id: str, keys: list[Key]) -> bool:
    """Return whether others took the lines that were to tell of this experiment."""
    return not any(key.kind == "log" and _owner(key) == id for key in keys)


def _newest_of(id: str, keys: list[Key], ring: Ring) -> int | None:
    for key in keys:
        if key.kind == "own" and _owner(key) != id:
            raise InvalidNameError("experiment", id, "ids of its runs would begin as those of one with own keys")
        if key.kind == "own":
            ring.require(id)
    return next((key.number for key in keys if key.kind == "log" and _owner(key) == id), None)
