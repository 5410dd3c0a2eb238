"""Copies of a store, or of parts of it, in another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from holdall.copying.bundles import write_bundle, write_mirror
from holdall.copying.copy import Manner, Wanted, copy_store
from holdall.copying.mirroring import mirror
from holdall.copying.nested import refuse_nested
from holdall.copying.report import CopyReport, ModelCopy, RunCopy
from holdall.errors import ExperimentNotFoundError
from holdall.format.layout import EXPERIMENTS, is_experiment_id
from holdall.keys.unlock import Unlock
from holdall.maintenance.workers import open_workers
from holdall.runs.arguments import listed
from holdall.storage.bundle import bundle_path
from holdall.storage.schemes import bucket_at
from holdall.trees.heads import list_heads
from holdall.trees.location import Location


class Opened(Protocol):
    """An opened store."""

    @property
    def maintenance(self) -> Any:
        """Look after it."""
        ...


class CopyVerbs:
    """Copying: a part of `Maintenance`."""

    _location: Location

    def copy_to(
        self,
        destination: str | Opened,
        *,
        runs: Sequence[str] | None = None,
        experiments: Sequence[str] | None = None,
        models: Sequence[str] | None = None,
        options: Mapping[str, Any] | None = None,
        dry_run: bool = False,
        keep_aliases: bool = False,
        deletions: bool = False,
        verify: bool = True,
        decrypt: bool = False,
        engine: str = "threads",
        workers: int | None = None,
        tell: Callable[[RunCopy | ModelCopy], object] | None = None,
    ) -> CopyReport:
        """Copy the store, or parts of it, into another one; again, and only what is new is sent.

        Runs, experiments and models keep their ids; runs and experiments do not where one of the stores is encrypted.
        Each run is copied as of its newest entry, so the store may be
        written to meanwhile. What the destination has already is not sent, what it says itself is not overwritten.
        A copy that was killed is continued by the same call.

        Without a key, an encrypted store is copied object by object, all of it: then both are the same store, with the
        same key slots, and nobody but this call writes to the copy. A bundle of an encrypted store is made so, too.

        Args:
            destination: An address, or an opened store. If there is no store, one is made, with this one's chunk
                sizes. The path of a file that ends in `.zip` is made a bundle, which no other call adds to.
            runs: Ids of the runs to copy; with `experiments` and `models`, all of the store if none is named.
            experiments: Names or ids of experiments, whose runs are copied.
            models: Names of registered models, with all versions, aliases and the runs of these; or `fraud@champion`,
                `fraud/3`: that version becomes the next one of the destination's model of this name.
            options: For the destination, where it is an address, as `open` takes them.
            dry_run: Whether only to say what would be done.
            keep_aliases: Whether aliases stay where they are in the destination; else they follow.
            deletions: Whether runs, and versions of models, that were deleted here since they were copied are deleted
                there as well; else they are only named. Without a key: entries, packs and experiments' own keys that
                are here no longer.
            verify: Whether each file that is new there is read whole and held against its SHA-256; else only what is
                sent is read, and each piece of it held against its digest.
            decrypt: Whether what an encrypted store holds may be written in the open, where the destination is not
                encrypted. Else that is refused. Under other keys, and in the open, experiments and runs have other
                ids: a run keeps all but the first eight digits.
            engine: `threads`, `ray` or `dask`; the last two copy runs on many machines.
            workers: How many runs at once; as many as the engine has workers when None.
            tell: Is told what became of each run and model.

        Returns:
            What became of each; `complete` says whether the destination has all of it.

        Raises:
            StoreNotFoundError: There is no store here.
            KeyUnavailableError: Parts of an encrypted store were named, and no key of it was given.
            RunNotFoundError, ExperimentNotFoundError, ModelNotFoundError, ModelVersionNotFoundError: What was asked
                for is not here.
            InvalidArgumentError: Both are the same store, or one is inside the other; or a bundle is to be made by
                distant workers.
            DestinationError: Where a bundle is to be made, something is there already.

        Cost: for a run that has not changed a listing here, a listing and a GET there; else reading its tree here and
            there, what is sent, and two PUTs.

        Example:
            >>> done = store.maintenance.copy_to("memory://copy", runs=[run.id])
            >>> [(copied.outcome, copied.files) for copied in done.runs]
            [('new', 2)]
        """
        location = self._location.or_without_keys()
        location.require_store()
        everything = not (runs or experiments or models)
        if everything and (location.keyless or self._is_sealed_bundle(destination, decrypt=decrypt)):
            return self._mirror(location.without_keys(), destination, options, deletions=deletions, dry_run=dry_run)
        self._location.require_store()  # of whose parts nothing is known without a key
        wanted = Wanted(
            listed("ids of runs", runs or (), "['...']"),
            [self._experiment(name) for name in listed("experiments", experiments or (), "['vision']")],
            listed("models", models or (), "['fraud']"),
        )
        there = self._other(destination, options)
        refuse_nested(self._location, there)
        with open_workers(engine, workers, self._location, there) as opened:
            manner = Manner(dry_run, keep_aliases, deletions, verify, decrypt)
            if (bundle := bundle_path(there.bucket)) and not dry_run:
                return write_bundle(self._location, bundle, wanted, manner, opened, tell)
            return copy_store(self._location, there, wanted, manner, opened, tell)

    def _is_sealed_bundle(self, destination: str | Opened, *, decrypt: bool) -> bool:
        """Return whether a bundle is to be made of all that an encrypted store has, as it is."""
        address = destination if isinstance(destination, str) else ""
        return self._location.descriptor.sealed and not decrypt and address.endswith(".zip")

    def _mirror(
        self,
        location: Location,
        destination: str | Opened,
        options: Mapping[str, Any] | None,
        *,
        deletions: bool,
        dry_run: bool,
    ) -> CopyReport:
        """Copy all objects as they are."""
        there = self._other(destination, options).without_keys()
        refuse_nested(location, there)
        if (bundle := bundle_path(there.bucket)) and not dry_run:
            return write_mirror(location, bundle)
        return mirror(location, there.bucket, deletions=deletions, dry_run=dry_run)

    def _other(self, destination: str | Opened, options: Mapping[str, Any] | None) -> Location:
        """Return the location of the destination; of an address, one that works as this one does."""
        if not isinstance(destination, str):
            location: Location = destination.maintenance._location
            return location
        here, given = self._location, dict(options or {})
        verify_all = given.pop("verify_shared", here.verifier.verify_all)
        unlock = Unlock.of(given.pop("unlock", here.unlock))
        trusted, may_create = bool(given.get("unsafe_single_writer")), given.pop("create", True)
        bucket = bucket_at(destination, given)
        there = Location(
            bucket, here.pool, here.clock, here.entropy, here.sleep, here.writer, None, trusted, unlock=unlock
        )
        there.verifier.verify_all, there.may_create = bool(verify_all), bool(may_create)
        return there

    def _experiment(self, name: str) -> str:
        """Return the id of an experiment, given by name or id. Raises: ExperimentNotFoundError."""
        there = {log.removeprefix(EXPERIMENTS) for log in list_heads(self._location.bucket, EXPERIMENTS)}
        for id in (name, self._location.names.experiment_id(name)):
            if is_experiment_id(id) and id in there:
                return id
        raise ExperimentNotFoundError(name, self._location.bucket.url)
