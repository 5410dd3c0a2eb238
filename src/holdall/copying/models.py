"""Registered models in another store, under the same ids: what their logs say, entry by entry.

A copy has the entries of the source's log in their order, with their times: so
versions have the same numbers, and aliases the same history. Before a version
is written its run is in the destination, pinned, and what is there has the
version's digest. What the destination says of the model besides (an alias of
its own, a stage, a tag) stays until the source says otherwise. Versions that
it registered itself would take the source's numbers: that is a conflict.

What was deleted at the source is said, and done only when that is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from holdall.copying.marks import COPIED, Mark, mark_of
from holdall.copying.renaming import SAME_IDS, Renaming
from holdall.copying.report import CONFLICT, DELETED, MORE, NEW, SAME, SKIPPED, ModelCopy, RunCopy
from holdall.errors import ArtifactNotFoundError, DamageError, ModelExistsError, RunNotFoundError
from holdall.format.document import Json
from holdall.format.entry import LogEntry
from holdall.format.registered import Registered, Version
from holdall.naming.pins import pin
from holdall.naming.reading import id_of
from holdall.naming.registry import Registry
from holdall.naming.sources import Place, place_digest
from holdall.naming.uris import MODELS
from holdall.trees.location import Location
from holdall.trees.log import append_entry
from holdall.trees.model_log import ModelLog

_ABOUT_VERSIONS: Final = ("stage", "version_tag", "drop")


class _RefusedError(Exception):
    """The destination cannot have the next entry of a model; its text says why."""


@dataclass(frozen=True, slots=True)
class ReadModel:
    """A registered model of the source, as it was when the copy began.

    Attributes:
        id, name: Of the model.
        mark: What a copy of its log as of then is of.
        state: What its log adds up to.
    """

    id: str
    name: str
    mark: Mark
    state: Registered


class ModelCopier:
    """Copies registered models of one store into another, once their runs are there.

    Args:
        source, target: The stores.
        keep_aliases: Whether aliases stay where they are in the destination.
        deletions: Whether models and versions that the source has deleted are deleted as well.
        ids: What runs are called in the destination.
    """

    def __init__(
        self, source: Location, target: Location, keep_aliases: bool, deletions: bool, ids: Renaming = SAME_IDS
    ) -> None:
        self._source, self._target, self._ids = source, target, ids
        self._here, self._there = Registry(target), Registry(source)
        self._keep_aliases, self._deletions = keep_aliases, deletions

    def read(self, names: Iterable[str] | None) -> list[ReadModel]:
        """Return models of the source as they are now; all of them when None.

        Raises:
            ModelNotFoundError: None is called so.
        """
        logs = [log for _, log in self._there._every()] if names is None else map(self._there._find, names)
        return [self._as_read(log) for log in logs]

    def runs_of(self, models: Iterable[ReadModel]) -> list[str]:
        """Return the ids of the runs that the models' versions are of."""
        return [*dict.fromkeys(version.run for model in models for version in model.state.versions.values())]

    def copy(
        self, models: Sequence[ReadModel], lost: Mapping[str, RunCopy], *, dry_run: bool = False
    ) -> Iterator[ModelCopy]:
        """Bring models in the destination to what was read; `lost` are runs that could not be copied.

        Cost: for what is the same two listings, and a GET for each entry of its log; else a PUT for each entry that
            is new, and for each version as much as to register it.
        """
        for model in models:
            yield self._copy(model, lost, dry_run=dry_run)

    def gone(self, *, dry_run: bool = False) -> Iterator[ModelCopy]:
        """Yield what becomes of the copies of models that the source has deleted. Cost: as reading all models there."""
        if self._lacks_store():
            return
        store = self._source.descriptor.store
        for id, log in self._here._every():
            mark = mark_of(log.state.tags)
            if mark is None or mark.store != store:
                continue
            found = ModelLog(self._source, id).follow()
            if found is None or found.ended is None:
                continue
            if not self._deletions:
                yield ModelCopy(log.state.name, SKIPPED, "it was deleted since it was copied; its copy stays")
                continue
            if not dry_run:
                self._here.delete_model(log.state.name)
            yield ModelCopy(log.state.name, DELETED, "it was deleted since it was copied")

    # --- inside ---

    def _as_read(self, log: ModelLog) -> ReadModel:
        assert log.head, "it was followed"
        mark = mark_of(log.state.tags)
        pure = mark is not None and mark.at == mark.entries - 1 == log.head.n  # entry by entry, and nothing else
        own = Mark(self._source.descriptor.store, log.head.n + 1, log.head.sha256)
        return ReadModel(id_of(log), log.state.name, mark if mark and pure else own, log.state)

    def _copy(self, model: ReadModel, lost: Mapping[str, RunCopy], *, dry_run: bool) -> ModelCopy:
        copy = ModelLog(self._target, model.id)
        if not (dry_run and self._lacks_store()):
            copy.follow()
        before = mark_of(copy.state.tags)
        if refusal := self._refusal(model, copy, before):
            return refusal
        since = before.entries if before else 0
        fresh = [version for version in model.state.versions.values() if version.number > copy.state.last]
        outcome = SAME if since >= model.mark.entries else MORE if copy.head else NEW
        if dry_run or outcome == SAME:
            return self._with_deletions(ModelCopy(model.name, outcome, versions=len(fresh)), model, copy, dry_run)
        try:
            replay = _Replay(self._source, self._target, self._here, model, copy, self._keep_aliases, lost, self._ids)
            moved = replay.run(since)
        except _RefusedError as error:
            return ModelCopy(model.name, CONFLICT, str(error))
        result = ModelCopy(model.name, outcome, versions=len(fresh), moved=moved)
        return self._with_deletions(result, model, copy, dry_run)

    def _lacks_store(self) -> bool:
        return next(iter(self._target.bucket.list("holdall.json", limit=1)), None) is None

    def _refusal(self, model: ReadModel, copy: ModelLog, before: Mark | None) -> ModelCopy | None:
        """Return why a model cannot be copied, if it cannot."""
        if copy.head is None:
            return None
        if copy.state.ended is not None:
            return ModelCopy(model.name, SKIPPED, "it was deleted in the destination")
        if before is None:
            if model.mark.store == self._target.descriptor.store:
                return ModelCopy(model.name, SAME, "it comes from there")
            return ModelCopy(model.name, CONFLICT, "the destination has a model of this id that no copy made")
        if before.store != model.mark.store:
            return ModelCopy(model.name, CONFLICT, f"the destination has a copy of another store's, {before.store}")
        return None

    def _with_deletions(self, result: ModelCopy, model: ReadModel, copy: ModelLog, dry_run: bool) -> ModelCopy:
        """Tell which versions the source has deleted, and delete them if that is asked for."""
        gone = [n for n in copy.state.versions if n <= model.state.last and n not in model.state.versions]
        if not gone:
            return result
        said = ", ".join(map(str, gone))
        if not self._deletions:
            return replace(result, detail=f"deleted since they were copied, and still there: versions {said}")
        for number in () if dry_run else gone:
            self._here.delete_version(copy.state.name, number)
        return replace(result, detail=f"deleted since they were copied: versions {said}")


class _Replay:
    """The entries of one model's log that its copy lacks."""

    def __init__(
        self,
        source: Location,
        target: Location,
        registry: Registry,
        model: ReadModel,
        copy: ModelLog,
        keep_aliases: bool,
        lost: Mapping[str, RunCopy],
        ids: Renaming,
    ) -> None:
        self._source, self._target, self._registry, self._ids = source, target, registry, ids
        self._model, self._copy, self._keep_aliases, self._lost = model, copy, keep_aliases, lost
        self._vanishing: set[int] = set()  # versions that came and went
        self._moved: dict[str, None] = {}

    def run(self, since: int) -> tuple[str, ...]:
        """Append the entries from `since` on. Returns: the aliases that they moved. Raises: _RefusedError."""
        log = ModelLog(self._source, self._model.id)
        entries = log.journal.read_after(since, self._newest)
        given = {op["version"] for entry in entries for op in entry.ops if op["op"] == "version"}
        self._vanishing = given - self._model.state.versions.keys()
        if since:
            self._rename(entries)
        for entry in entries:
            self._append(entry)
            if not entry.n:
                self._claim()
        self._claim()
        return tuple(self._moved)

    @property
    def _newest(self) -> int:
        return self._model.mark.entries - 1

    def _claim(self) -> None:
        """Hold the model's name in the destination, also where an earlier copy was killed before it did."""
        id, name = self._model.id, self._copy.state.name
        holder = self._registry._names.holder(name)
        if holder == id:
            return
        try:
            self._registry._names.claim(name, id, self._copy.head.n if self._copy.head else 0)
        except ModelExistsError as error:
            raise _RefusedError(f"another model is called {name!r} in the destination") from error

    def _rename(self, entries: Iterable[LogEntry]) -> None:
        """Follow a new name, unless the destination has given the model one of its own."""
        renamed = any(op["op"] == "name" for entry in entries for op in entry.ops)
        if not renamed or self._copy.state.name == self._model.name:
            return
        try:
            self._registry.rename_model(self._copy.state.name, self._model.name)
        except ModelExistsError as error:
            raise _RefusedError(f"another model is called {self._model.name!r} in the destination") from error
        self._copy.follow()

    def _append(self, entry: LogEntry) -> None:
        """Append one entry of the source's log, unless another copy has done so meanwhile."""
        if not entry.n and self._registry._names.holder(self._model.name) not in (None, self._model.id):
            raise _RefusedError(f"another model is called {self._model.name!r} in the destination")
        for op in entry.ops:
            if op["op"] == "version" and op["version"] not in self._vanishing:
                self._secure(op)
        log = self._copy

        def build() -> LogEntry | None:
            mark = mark_of(log.state.tags)
            if (mark.entries if mark else 0) != entry.n:
                return None
            ops = [self._ids.op(op) for one in entry.ops for op in self._translated(one, log.state)]
            now = Mark(self._model.mark.store, entry.n + 1, entry.sha256, log.next)
            return log.draft([*ops, now.op(self._target.clock())], entry.time)

        with log.lock:
            append_entry(self._target, log.journal.create, build, log.absorb, log.follow)

    def _secure(self, op: Json) -> None:
        """Pin a version's run, and see that what is there is what the version promises."""
        run_id, said = op["run"], f"version {op['version']}"
        if run_id in self._lost:
            raise _RefusedError(f"{said} is of run {run_id}, which was not copied: {self._lost[run_id].detail}")
        run_id = self._ids.run(run_id)
        try:
            pin(self._target, run_id, op["pin"], f"{MODELS}{self._model.name}", op["path"])
            there = place_digest(self._target, Place(run_id, op["path"]))
        except (RunNotFoundError, ArtifactNotFoundError, DamageError) as error:
            raise _RefusedError(f"{said} is of run {run_id}, which the destination does not have: {error}") from error
        if there != op["digest"]:
            raise _RefusedError(f"{said} is {op['digest']}, and what its run holds in the destination is {there}")

    def _translated(self, op: Json, copy: Registered) -> list[Json]:
        """Return what an operation of the source's log becomes in the copy's."""
        match op["op"]:
            case "create":
                return [{**op, "name": self._model.name}]
            case "tag" if op["key"] == COPIED:
                return []
            case "tag":
                return [op]
            case "describe":
                return [op] if op["version"] is None or self._has(op["version"], copy) else []
            case "version":
                if op["version"] != copy.last + 1:
                    raise _RefusedError(f"the destination has registered a version {op['version']} of its own")
                gone: list[Json] = [{"op": "drop", "version": op["version"]}]
                return [op, *(gone if op["version"] in self._vanishing else [])]
            case "alias":
                return self._alias(op, copy)
            case "stage" | "version_tag":
                return [op] if self._has(op["version"], copy) else []
        return []  # names and deletions are looked at apart

    def _alias(self, op: Json, copy: Registered) -> list[Json]:
        if self._keep_aliases:
            return []
        self._moved[op["alias"]] = None
        there = op["version"] is None or self._has(op["version"], copy)
        return [op if there else {**op, "version": None}]

    def _has(self, version: int, copy: Registered) -> bool:
        """Return whether the copy has a version, or has it once the entry in the making is applied."""
        return version in copy.versions or (version > copy.last and version not in self._vanishing)


def same_version(one: Version, other: Version) -> bool:
    """Return whether two versions are of the same files of the same run."""
    return (one.run, one.path, one.digest) == (other.run, other.path, other.digest)
