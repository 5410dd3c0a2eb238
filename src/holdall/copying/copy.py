"""A store, or chosen parts of it, into another one.

The order makes it safe while the source is written to: what names something is
read before what it names, and written after it.

    1  registered models are read
    2  runs are listed, and copied, each as of its newest entry
    3  the models are brought to what was read at 1: a version's run is there, and pinned, before it

Nothing of the destination is overwritten, and it keeps its own packs, writers
and collectors. Copying again sends what is new.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple, TypeAlias

from holdall.chunks.observer import SILENT, Transfer, begin_transfer
from holdall.copying.experiments import copy_experiment
from holdall.copying.models import ModelCopier
from holdall.copying.promotion import Promoter
from holdall.copying.renaming import SAME_IDS, Renaming, renaming_between
from holdall.copying.report import CONFLICT, CopyReport, ModelCopy, RunCopy
from holdall.copying.runs import RunCopier
from holdall.engines.mapping import Engine
from holdall.errors import InvalidArgumentError, RunNotFoundError, StoreExistsError, StoreNotFoundError
from holdall.format.layout import EXPERIMENTS, RUNS, is_run_id
from holdall.trees.heads import list_heads
from holdall.trees.location import Location
from holdall.workers.per_process import PerProcess

Tell: TypeAlias = Callable[["RunCopy | ModelCopy"], object]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be copied; all of the store where nothing is named.

    Attributes:
        runs: Ids of runs.
        experiments: Ids of experiments, all of whose runs are meant.
        models: Names of registered models, with all of their versions; or `NAME/VERSION`, `NAME@ALIAS`, of which that
            version is promoted.
    """

    runs: Sequence[str] = ()
    experiments: Sequence[str] = ()
    models: Sequence[str] = ()

    @property
    def everything(self) -> bool:
        """Return whether nothing is named."""
        return not (self.runs or self.experiments or self.models)


@dataclass(frozen=True, slots=True)
class Manner:
    """How it is copied. Attributes: as the arguments of `copy_store`."""

    dry_run: bool = False
    keep_aliases: bool = False
    deletions: bool = False
    verify: bool = True
    decrypt: bool = False


class _Shard(NamedTuple):
    """A run, and the number of its newest entry where a listing has told it."""

    run_id: str
    newest: int | None = None

    def __str__(self) -> str:
        return f"run {self.run_id}"


@dataclass(frozen=True, slots=True)
class _Job:
    """What a worker needs to copy runs; picklable."""

    source: Location
    target: Location
    manner: Manner
    ids: Renaming = SAME_IDS
    transfer: Transfer = SILENT
    sending: PerProcess[threading.Lock] = field(default_factory=PerProcess)

    def __call__(self, shard: _Shard) -> RunCopy:
        copier = RunCopier(
            self.source,
            self.target,
            deletions=self.manner.deletions,
            verify=self.manner.verify,
            transfer=self.transfer,
            sending=self.sending.get(threading.Lock),
            ids=self.ids,
        )
        work = copier.plan if self.manner.dry_run else copier.copy
        return work(shard.run_id, shard.newest)


def copy_store(
    source: Location, target: Location, wanted: Wanted, manner: Manner, engine: Engine, tell: Tell | None = None
) -> CopyReport:
    """Copy a store, or what is wanted of it, into another.

    Args:
        source, target: The stores; the second is made, with the chunk sizes of the first, if there is none.
        wanted: What of it.
        manner: `dry_run`: only say what would be done. `keep_aliases`: aliases of registered models stay where they
            are in the destination. `deletions`: what was deleted at the source since it was copied is deleted there.
            `verify`: each file is read whole and hashed, also where the destination has pieces of it. `decrypt`: what
            an encrypted store holds may be written in the open.
        engine: Does the work, run by run.
        tell: Is told what became of each run and model, as soon as that is known.

    Raises:
        StoreNotFoundError: There is no source; or no destination, and it is not to be made.
        RunNotFoundError, ModelNotFoundError, ModelVersionNotFoundError: What was asked for is not there.
        InvalidArgumentError: Both are the same store; or what is encrypted would lie in the open, unasked.
    """
    _prepare(source, target, manner)
    told, ids = tell or (lambda _: None), renaming_between(source, target)
    replicas = ModelCopier(source, target, manner.keep_aliases, manner.deletions, ids)
    promoted = Promoter(source, target, manner.keep_aliases, ids)
    whole = [name for name in wanted.models if not _is_version(name)]
    models = replicas.read(None if wanted.everything else whole)
    versions = promoted.read([name for name in wanted.models if _is_version(name)])
    needed = [*wanted.runs, *replicas.runs_of(models), *promoted.runs_of(versions)]
    shards = {id: _Shard(id) for id in needed} | _listed(source, wanted)
    runs = _copy_runs(source, target, shards, manner, ids, engine, told)
    lost = {run.run_id: run for run in runs if run.failed}
    models_done = chain(
        replicas.copy(models, lost, dry_run=manner.dry_run),
        promoted.copy(versions, lost, dry_run=manner.dry_run),
        replicas.gone(dry_run=manner.dry_run) if wanted.everything else (),
    )
    results = []
    for result in models_done:
        results.append(result)
        told(result)
    return CopyReport(source.bucket.url, target.bucket.url, tuple(runs), tuple(results))


def _prepare(source: Location, target: Location, manner: Manner) -> None:
    """Refuse what cannot be copied, and make the destination if there is none."""
    here = source.descriptor
    try:
        there = target.descriptor
    except StoreNotFoundError:
        _refuse_open(source, target, manner)
        if manner.dry_run:
            return
        if target.may_create:
            with suppress(StoreExistsError):  # made by another copy, at the same moment
                target.create(here, rounds=1)
        there = target.ready_to_write()  # which says what to do where none is to be made
    if here.store == there.store:
        raise InvalidArgumentError(f"{source.bucket.url} and {target.bucket.url} are the same store")
    if not there.sealed:
        _refuse_open(source, target, manner)


def _refuse_open(source: Location, target: Location, manner: Manner) -> None:
    """Raise InvalidArgumentError where content of an encrypted store would be written in the open, unasked."""
    if source.descriptor.sealed and not manner.decrypt:
        raise InvalidArgumentError(
            f"{source.bucket.url} is encrypted, and {target.bucket.url} would hold it in the open: make an encrypted "
            "store there first (holdall store init --encrypt), or say that it may lie open (--decrypt, decrypt=True)"
        )


def _copy_runs(
    source: Location,
    target: Location,
    shards: Mapping[str, _Shard],
    manner: Manner,
    ids: Renaming,
    engine: Engine,
    tell: Callable[[RunCopy], object],
) -> list[RunCopy]:
    refused = _experiments(source, target, shards, ids, dry_run=manner.dry_run)
    found = [RunCopy(id, CONFLICT, refused[id[:8]]) for id in shards if id[:8] in refused]
    for result in found:
        tell(result)
    unwatched = engine.distant or manner.dry_run
    with nullcontext(SILENT) if unwatched else begin_transfer(source.observer, "copy", None) as transfer:
        left = [shard for id, shard in shards.items() if id[:8] not in refused]
        for result in engine.map(_Job(source, target, manner, ids, transfer), left):
            found.append(result)
            tell(result)
    return found


def _experiments(
    source: Location, target: Location, runs: Iterable[str], ids: Renaming, *, dry_run: bool
) -> dict[str, str]:
    """Make the experiments of some runs in the destination; return why not, by the first 8 digits of their ids."""
    beginnings = {id[:8] for id in runs}
    refused = {}
    for log in list_heads(source.bucket, EXPERIMENTS) if beginnings and not dry_run else ():
        id = log.removeprefix(EXPERIMENTS)
        if id[:8] in beginnings and (reason := copy_experiment(source, target, id, ids)):
            refused[id[:8]] = reason
    return refused


def _listed(source: Location, wanted: Wanted) -> dict[str, _Shard]:
    """Return the runs that are meant and need not be named, with the numbers of their newest entries.

    Raises:
        RunNotFoundError: No run can have an id that was named.
    """
    for id in wanted.runs:
        if not is_run_id(id):
            raise RunNotFoundError(id, source.bucket.url)
    beginnings = [""] if wanted.everything else [id[:8] for id in wanted.experiments]
    heads = [head for begin in beginnings for head in list_heads(source.bucket, RUNS + begin).items()]
    shards = (_Shard(log.removeprefix(RUNS), head.n) for log, head in heads)
    return {shard.run_id: shard for shard in shards}


def _is_version(name: str) -> bool:
    return "@" in name or "/" in name
