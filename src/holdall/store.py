"""One opened store.

A `Store` joins what the floors below offer under a few attributes: `runs`,
`artifacts`, `models`, `registry`, `deployments`, `maintenance`. Opening costs nothing; the first verb that needs the
bucket asks it.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from holdall.chunks.observer import SILENT, Observer
from holdall.chunks.pool import LogFuture, Pool
from holdall.format.layout import RUNS, parse_key
from holdall.modeling.datasets import from_numpy, from_pandas
from holdall.modeling.loading.inspecting import Inspection
from holdall.modeling.loading.pyfunc import PyFuncModel
from holdall.modeling.loading.trust import EVERYBODY, POLICIES, Trust
from holdall.modeling.model import Model, ModelInfo
from holdall.modeling.models import Models
from holdall.modeling.records.logged import LoggedModel
from holdall.naming.deployments import Deployment, Deployments
from holdall.naming.record import AliasMove, ModelVersion, RegisteredModel
from holdall.naming.registry import Registry
from holdall.runs.arguments import listed
from holdall.runs.artifacts import Artifacts
from holdall.runs.differences import Difference
from holdall.runs.environment import capture
from holdall.runs.experiment import DEFAULT, Experiments
from holdall.runs.inputs import Dataset, DatasetInput
from holdall.runs.inputs import as_dataset as dataset_of
from holdall.runs.parquet import without_extensions
from holdall.runs.record import NOTE as DESCRIPTION
from holdall.runs.record import RUN_NAME, Experiment, FileInfo, Metric, RunData, RunInfo, RunRecord, ViewType
from holdall.runs.run import Run
from holdall.runs.runs import Runs
from holdall.storage.bucket import Bucket
from holdall.storage.ending import the_end
from holdall.storage.probe import Report, probe
from holdall.storage.schemes import bucket_at
from holdall.storage.wrappers import DEADLINE, impatient
from holdall.terminal import guard_log
from holdall.trees.artifact_file import ArtifactReader
from holdall.trees.check import Findings, check
from holdall.trees.heads import Heads, entry_keys
from holdall.trees.location import Location
from holdall.trees.repair import FileRepair, Repair, RunRepair
from holdall.trees.stat_cache import StatCache
from holdall.trees.usage import RunUsage, Space, Usage, usage
from holdall.trees.view import read_states

__all__ = [
    "DEADLINE",
    "DEFAULT",
    "DESCRIPTION",
    "EVERYBODY",
    "POLICIES",
    "AliasMove",
    "ArtifactReader",
    "Dataset",
    "DatasetInput",
    "Deployment",
    "Difference",
    "Experiment",
    "FileInfo",
    "FileRepair",
    "Findings",
    "Inspection",
    "LogFuture",
    "LoggedModel",
    "Metric",
    "Model",
    "ModelInfo",
    "ModelVersion",
    "PyFuncModel",
    "RegisteredModel",
    "Report",
    "Run",
    "RunData",
    "RunInfo",
    "RunRecord",
    "RunRepair",
    "RunUsage",
    "Space",
    "Stats",
    "Store",
    "Trust",
    "Usage",
    "ViewType",
    "dataset_of",
    "from_numpy",
    "from_pandas",
    "listed",
    "the_end",
    "without_extensions",
]

guard_log()  # whatever is logged below here may name what strangers named

MEMORY = 256 << 20
_DOCTORS_PATIENCE = 10.0  # seconds that one request may take, retries included,
_DOCTORS_TIME = 60.0  # and that all may


@dataclass(frozen=True, slots=True)
class Stats:
    """How much a store holds.

    Attributes:
        store: Its id.
        runs: How many.
        files, bytes: What the runs hold, each counted for itself.
        packs, pack_bytes: What that takes in packs.
        log_bytes: What it takes in logs.
        objects: All keys, and all bytes behind them.
    """

    store: str
    runs: int
    files: int
    bytes: int
    packs: int
    pack_bytes: int
    log_bytes: int
    objects: int
    object_bytes: int


class Store:
    """A store of artifacts.

    Attributes:
        experiments: Group runs under names.
        runs: Start runs, get them by id.
        artifacts: Read artifacts by address.
        models: Log models, load them by address.
        registry: Give models names, versions and aliases.
        deployments: Tell where models are in use.
        maintenance: Look after the store itself.
    """

    def __init__(self, location: Location) -> None:
        self._location = location
        self.experiments = Experiments(location, self._runs_of)
        self.runs = Runs(location, self.experiments)
        self.registry = Registry(location)
        self.artifacts = Artifacts(location, self.registry.locate)
        self.models = Models(location, self.artifacts, self.registry, self.runs.get)
        self.deployments = Deployments(location, self.registry, self.runs.get)
        self.maintenance = Maintenance(location)

    def _runs_of(self, experiment: str, filter: str | None, stage: str) -> list[Run]:
        return self.runs.of(experiment, filter, stage)  # a method, which travels to other processes

    def __repr__(self) -> str:
        return f"<Store {self.url}>"

    @property
    def url(self) -> str:
        """Where it is; without credentials."""
        return self._location.bucket.url

    @classmethod
    def open(
        cls,
        url: str,
        options: Mapping[str, Any] | None = None,
        *,
        memory: int = MEMORY,
        cache: Path | None = None,
        observer: Observer = SILENT,
        s3_lane: str | None = None,
        stat_cache: bool = False,
        deadline: float = DEADLINE,
        verify_shared: bool = False,
        create: bool = True,
    ) -> Store:
        """The store at an address. If there is none, the first run that is started there makes one.

        Args:
            url: A folder, `file://`, `s3://bucket/prefix`, `gs://`, `az://` or `memory://`.
            options: What the storage library takes: for S3 `endpoint_url`, `profile`,
                `key`, `secret`, `token`, `anon`, `requester_pays`, `s3_additional_kwargs`, ...
            memory: Bytes that transfers may hold at once.
            cache: A folder for what searching and the stat cache remember; nowhere when None.
            observer: Is told how far transfers are.
            s3_lane: The client for S3 where no option `lane` names one: `boto3` or `s3fs`.
            stat_cache: Whether a local file that looks unchanged is taken for unchanged and not read again;
                the guide's page on safety says when that is wrong. Needs a `cache`.
            deadline: Seconds after which a request that fails is not sent again, where no option says so.
            verify_shared: Whether all that a run would share with others is read and verified before it refers to
                it, not one chunk of each pack: for a bucket with writers who are not trusted. The option
                `verify_shared` says the same, and comes first.
            create: Whether the first writing makes a store where none is; only `maintenance.create` does otherwise.
                The option `create` says the same, and comes first.

        Raises:
            InvalidURIError: Not an address that holdall knows.
            MissingBackendError: The package for this scheme is not installed.
            ValueError: An option that cannot be.

        Cost: no request.
        """
        options = dict(options or {})
        verify_shared = _yes_or_no("verify_shared", options.pop("verify_shared", verify_shared))
        create = _yes_or_no("create", options.pop("create", create))
        trusted = bool(options.get("unsafe_single_writer"))
        found = cls.over(
            bucket_at(url, options, s3_lane=s3_lane, deadline=deadline),
            Pool(memory=memory),
            trusted=trusted,
            cache=cache,
            observer=observer,
            stat_cache=stat_cache,
            verify_shared=verify_shared,
        )
        found._location.may_create = create
        return found

    @classmethod
    def over(
        cls,
        bucket: Bucket,
        pool: Pool,
        *,
        trusted: bool = False,
        cache: Path | None = None,
        observer: Observer = SILENT,
        stat_cache: bool = False,
        verify_shared: bool = False,
    ) -> Store:
        """A store over any bucket, with the clock and the randomness of this machine."""
        location = Location(
            bucket, pool, _now, os.urandom, time.sleep, _writer(), _environment, trusted, cache, observer
        )
        location.stat_cache = StatCache(cache) if stat_cache and cache else None
        location.verifier.verify_all = verify_shared
        return cls(location)


class Maintenance:
    """Looking after a store: make it, try its bucket, check and measure it."""

    def __init__(self, location: Location) -> None:
        self._location = location

    def create(self) -> Report:
        """Make a store here, if the bucket can keep one.

        Returns:
            What the bucket was found to do.

        Raises:
            StoreExistsError: There is one already.
            UnsafeBucketError: The bucket cannot keep the promise.
        """
        report = self._location.create()
        self._location.ready_to_write()
        return report

    def doctor(self) -> Report:
        """Try what the bucket can do, at length; writes only below `probe/`, and removes it again."""
        patient = impatient(self._location.bucket, _DOCTORS_PATIENCE, whole=_DOCTORS_TIME)
        return probe(patient, token=self._location.entropy(16).hex())

    def check(self, *, quick: bool = False, record: bool = False) -> Findings:
        """Hold every object against the format, and compute every digest anew.

        Args:
            quick: Everything but the bytes of chunks and files.
            record: Whether to record which packs are damaged: from then on no run refers to them, so
                that the same content is stored again.
        """
        self._location.descriptor  # noqa: B018  # a store that is not there is named as such
        return check(self._location, quick=quick, record=record)

    def repair(
        self,
        run_ids: Iterable[str] | None = None,
        *,
        dry_run: bool = False,
        tell: Callable[[RunRepair], object] | None = None,
    ) -> list[RunRepair]:
        """Give runs whole copies of what lies in packs that are damaged or gone, where there are any.

        Each such run gets an entry with the same paths and new places; nothing is deleted. `check(record=True)` comes
        first: a pack is known to be damaged if that is recorded, or where reading what a run needs meets it.

        Args:
            run_ids: Which runs; all when None.
            dry_run: Whether only to say what would be done.
            tell: Is told of each run before it is touched.

        Returns:
            For each run that needs such a pack, what was healed (or could be), and what cannot be.

        Raises:
            RunNotFoundError: There is no such run.

        Cost: each run's listing and recipes; where something is damaged, the footers of all packs, and what is healed.
        """
        self._location.descriptor  # noqa: B018  # a store that is not there is named as such
        repairing, found = Repair(self._location), []
        for plan in repairing.plan(self.run_ids() if run_ids is None else run_ids):
            found.append(plan)
            if tell:
                tell(plan)
            if plan.healable and not dry_run:
                repairing.perform(plan)
        return found

    def stats(self) -> Stats:
        """How much the store holds. What is damaged is named and left out.

        Cost: one listing of everything, and a GET for each run that has ended.
        """
        store = self._location.descriptor.store
        count, size = Counter[str](), Counter[str]()
        heads = Heads()
        for info in self._location.bucket.list():
            key = parse_key(info.key)
            kind = key.kind if key else "foreign"
            count[kind] += 1
            size[kind] += info.size
            heads.add(info)
        runs = {log: head for log, head in heads.found.items() if log.startswith(RUNS)}
        states = read_states(self._location, runs)
        return Stats(
            store=store,
            runs=len(runs),
            files=sum(state.files for state in states),
            bytes=sum(state.bytes for state in states),
            packs=count["pack"],
            pack_bytes=size["pack"],
            log_bytes=size["log"],
            objects=count.total(),
            object_bytes=size.total(),
        )

    def du(self) -> Usage:
        """What each run and experiment takes, and how much of it is shared; no content is read.

        Cost: as reading every run's listing, many side by side, and the recipes of its large files.
        """
        return usage(self._location, lambda state: state.tags.get(RUN_NAME, ""))

    def run_ids(self, beginning: str = "", *, limit: int | None = None) -> list[str]:
        """The ids of runs that begin so, deleted ones too, at most so many. Cost: a listing of these runs' logs."""
        self._location.descriptor  # noqa: B018  # a store that is not there is named as such
        found: dict[str, None] = {}
        for key in entry_keys(self._location.bucket.list(RUNS + beginning)):
            found[key.log.removeprefix(RUNS)] = None
            if limit is not None and len(found) >= limit:
                break
        return list(found)


def _yes_or_no(name: str, given: object) -> bool:
    if not isinstance(given, bool):
        raise ValueError(f"{name}={given!r} is neither true nor false")
    return given


def _now() -> int:
    return time.time_ns() // 1_000_000


def _environment() -> dict[str, Any]:
    return capture(argv=sys.argv, cwd=Path.cwd())


def _writer() -> str:
    try:
        return f"holdall {version('holdall')}"
    except PackageNotFoundError:
        return "holdall"
