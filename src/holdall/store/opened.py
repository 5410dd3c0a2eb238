"""One opened store.

A `Store` joins what the floors below offer under a few attributes: `runs`,
`artifacts`, `models`, `registry`, `deployments`, `maintenance`, `shares`. Opening costs nothing; the first
verb that needs the bucket asks it. The last five are loaded when they are used: importing them takes long.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from holdall.chunks.observer import SILENT, Observer
from holdall.chunks.pool import Pool
from holdall.display import Facts, Shown
from holdall.keys.unlock import Unlock
from holdall.runs.arguments import yes_or_no
from holdall.runs.artifacts import Artifacts
from holdall.runs.experiment import Experiments
from holdall.runs.promise import Located
from holdall.runs.run import Run
from holdall.runs.runs import Runs
from holdall.storage.bucket import Bucket
from holdall.storage.schemes import bucket_at
from holdall.storage.wrappers import DEADLINE
from holdall.store.telling import allowed_by, disclosing, surroundings
from holdall.terminal import guard_log
from holdall.trees.location import Location
from holdall.trees.session import close_sessions
from holdall.trees.stat_cache import StatCache
from holdall.workers.cores import default_memory, default_workers, memory_limit
from holdall.workers.crew import NOBODY, Crew, crew_of

if TYPE_CHECKING:
    from holdall.maintenance.store import Maintenance
    from holdall.modeling.model_info import ModelInfo
    from holdall.modeling.models import Models
    from holdall.modeling.revising import Change
    from holdall.naming.deployments import Deployments
    from holdall.naming.record import ModelVersion
    from holdall.naming.registry import Registry
    from holdall.runs.run_index import RunIndex
    from holdall.sharing.shares import Shares
    from holdall.storage.elsewhere.consent import Consent
    from holdall.storage.elsewhere.consent import Given as References
    from holdall.store.finding import Matches
    from holdall.store.model_card import ModelCard

guard_log()  # whatever is logged below here may name what strangers named


class Store(Shown):
    """A store of artifacts.

    Attributes:
        experiments: Group runs under names.
        runs: Start runs, get them by id.
        artifacts: Read artifacts by address.
    """

    def __init__(self, location: Location) -> None:
        self._location = location
        location.locate = self._located
        self.experiments = Experiments(location, self._runs_of)
        self.runs = Runs(location, self.experiments)
        self.artifacts = Artifacts(location, self._located)

    @cached_property
    def models(self) -> Models:
        """Log models, load them by address."""
        from holdall.modeling.models import Models

        return Models(self._location, self.artifacts, self._locate, self.runs.get)

    @cached_property
    def registry(self) -> Registry:
        """Give models names, versions and aliases."""
        from holdall.naming.registry import Registry

        return Registry(self._location)

    @cached_property
    def deployments(self) -> Deployments:
        """Tell where models are in use."""
        from holdall.naming.deployments import Deployments

        return Deployments(self._location, self.registry, self.runs.get)

    @cached_property
    def maintenance(self) -> Maintenance:
        """Look after the store itself."""
        from holdall.maintenance.store import Maintenance

        return Maintenance(self._location)

    @cached_property
    def shares(self) -> Shares:
        """Make links that open artifacts without holdall."""
        from holdall.sharing.shares import Shares

        return Shares(self._location, self.artifacts)

    def _located(self, uri: str) -> Located:
        return self.registry._located(uri)  # a method, which travels, and finds the registry when it is needed

    def _runs_of(self, experiment: str, filter: str | None, stage: str) -> list[Run]:
        return self.runs.of(experiment, filter, stage)  # a method, which travels to other processes

    def _locate(self, uri: str) -> tuple[str, str]:
        return self.registry.locate(uri)[:2]

    def _shown(self) -> Facts:
        return {"url": self.url}

    if not TYPE_CHECKING:  # for a type checker there is no such name

        def __getattr__(self, name: str) -> NoReturn:
            now = "; it is called 'maintenance'" if name == "care" else ""
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{now}", name=name, obj=self)

    def search(self, text: str, *, limit: int = 20, index: RunIndex | None = None) -> Matches:
        """Return what of the store has a text: runs, experiments, models, versions, and artifacts of the newest runs.

        Args:
            text: A part of a name, a parameter, a tag, a description or a path; or an id, a `sha256:` digest or an
                address (`runs:/...`, `models:/...`), which means just that.
            limit: How many of each kind are returned at most; `more` says how many others there are.
            index: Of `runs.index()`, where a process has one; otherwise all runs are read for this.

        Raises:
            InvalidArgumentError: The text has more than 1,000 characters, or `limit` is below 1.

        Cost: without an index what a search of all runs costs; two listings, for experiments and models, and their
            entries; and up to three requests for each of the newest 50 runs that have artifacts. Of an address none.

        Example:
            >>> [(found.kind, found.name) for found in store.search("models:/fraud/2").found]
            [('version', 'fraud 2')]
        """
        from holdall.store.finding import Rooms, search_everything

        with nullcontext(index) if index else self.runs.index() as known:
            return search_everything(Rooms(self.runs, self.experiments, self.registry, known), text, limit)

    def log_model(
        self, run: Run, model: Any, name: str, *, registered_model_name: str | None = None, **given: Any
    ) -> ModelInfo:
        """Log a model into a run, and register it as the next version of a registered model.

        Args:
            run: The run.
            model: The framework's object.
            name: Its path in the run.
            registered_model_name: The registered model, which is made if there is none; None: it is not registered.
            given: As for `Models.log`.

        Raises:
            InvalidNameError: No registered model can have this name; then nothing is logged.
            Others: as `Models.log`.

        Cost: as `Models.log`, and as `Registry.register` with a name to register.

        Example:
            >>> info = store.log_model(run, lambda model_input: model_input, "same", pip_requirements=[])
            >>> [model.name for model in store.models.logged(run.id)]
            ['same']
        """
        if registered_model_name is None:
            return self.models.log(run, model, name, **given)
        from holdall.naming.uris import check_name

        check_name(registered_model_name)
        info = self.models.log(run, model, name, **given)
        version = self.registry.register(info.model_uri, registered_model_name)
        return replace(info, registered_model_version=int(version.version))

    def model_info(self, uri: str | os.PathLike[str]) -> ModelInfo:
        """Return what is known of a model, with the number of the version that its address names.

        Raises, cost: as `Models.info`.

        Example:
            >>> store.model_info(logged.model_uri).model_id == logged.model_id
            True
        """
        info, version = self.models._info(uri)
        return replace(info, registered_model_version=version) if version else info

    def model_card(self, uri: str) -> ModelCard:
        """Return all that is known of a model: its version, run, files, signature, environment and deployments.

        Args:
            uri: `models:/<name>/<version>`, `models:/<name>@<alias>`, `models:/<model_id>` or `runs:/<run_id>/<path>`.

        Raises:
            ArtifactNotFoundError, ModelNotFoundError, ModelVersionNotFoundError: There is nothing at the address.

        Cost: as `Registry.resolve`; reading the run's end, its listing, its environment and the MLmodel file.

        Example:
            >>> card = store.model_card("models:/fraud/2")
            >>> card.version.aliases, [file["path"] for file in card.files]
            (['champion'], ['weights.bin'])
        """
        from holdall.store.model_card import look_at

        return look_at(uri, self.runs, self.models, self.registry, self.deployments)

    def revise_model(self, uri: str, change: Change) -> ModelInfo:
        """Log a model once more, changed (see `Models.revise`); a version of a registered model as its next version.

        Aliases stay where they are.

        Example:
            >>> store.revise_model(logged.model_uri, lambda folder, mlmodel: mlmodel).name
            'double-2'
        """
        version, info = self._version_of(uri), self.models.revise(uri, change)
        if version is None:
            return info
        new = self.registry.register(info.model_uri, version.name, tags=version.tags)
        return replace(info, registered_model_version=int(new.version))

    def _version_of(self, uri: str | os.PathLike[str]) -> ModelVersion | None:
        """Return the version that an address names, if it names one."""
        from holdall.naming.uris import MODELS, parse_model_uri

        text = os.fspath(uri)
        named = text.startswith(MODELS) and not parse_model_uri(text).model_id
        return self.registry.version_at(text) if named else None

    def _close(self) -> None:
        """Write what waits to be written, and end the sessions that this process has open here. The store goes on."""
        self.runs.flush()
        close_sessions(self._location)

    @property
    def _may_create(self) -> bool:
        """Whether the first run that is started here makes a store, where there is none."""
        return self._location.may_create

    @property
    def id(self) -> str:
        """Return the store's own id, 32 hex digits, which is the same by whatever address the store is opened.

        Raises:
            StoreNotFoundError: There is no store yet.

        Cost: one request, the first time.

        Example:
            >>> len(store.id)
            32
        """
        return self._location.descriptor.store

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
        memory: int | None = None,
        workers: int | None = None,
        cache: Path | None = None,
        observer: Observer = SILENT,
        s3_lane: str | None = None,
        stat_cache: bool = False,
        deadline: float = DEADLINE,
        verify_shared: bool = False,
        create: bool = True,
        environment: bool | str = True,
        references: References = None,
        unlock: Unlock | None = None,
    ) -> Store:
        """The store at an address. If there is none, the first run that is started there makes one.

        Args:
            url: A folder, `file://`, `s3://bucket/prefix`, `gs://`, `az://` or `memory://`.
            options: What the storage library takes: for S3 `endpoint_url`, `profile`,
                `key`, `secret`, `token`, `anon`, `requester_pays`, `s3_additional_kwargs`, ...
            memory: Bytes that transfers may hold at once, those in workers too; None: as many as go with the workers.
            workers: Processes that share large transfers; 0: none; None: one for each usable core, from four on.
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
            environment: What a run that is started here records of what ran where: "full" or True, "minimal", "off" or
                False, or with what is left out, such as "full,-host,-user" (`holdall guide runs`).
            references: Beginnings of addresses that references to content elsewhere may lead to, or a mapping of them
                to options of their storage library; object stores, and nothing else, when None. The option
                `references` says the same, and comes first.
            unlock: What opens the store, if it is encrypted; then writing makes none, which might lie in the open. The
                option `unlock` says the same, and comes first.

        Raises:
            InvalidURIError: Not an address that holdall knows.
            MissingBackendError: The package for this scheme is not installed.
            ValueError: An option that cannot be.

        Cost: no request.

        Example:
            >>> with holdall.Store.open("memory://trials").runs.start(name="first") as run:
            ...     run.log_param("rate", 0.1)
            >>> run.info.status
            'FINISHED'
        """
        options = dict(options or {})
        verify_shared = yes_or_no("verify_shared", options.pop("verify_shared", verify_shared))
        create = yes_or_no("create", options.pop("create", create))
        consent = _consent(options.pop("references", references))
        unlock = Unlock.of(options.pop("unlock", unlock))
        trusted = bool(options.get("unsafe_single_writer"))
        workers = default_workers() if workers is None else workers
        memory = default_memory(workers, memory_limit()) if memory is None else memory
        found = cls._over(
            bucket_at(url, options, s3_lane=s3_lane, deadline=deadline),
            Pool(memory=memory),
            crew_of(workers, memory),
            trusted=trusted,
            cache=cache,
            observer=observer,
            stat_cache=stat_cache,
            verify_shared=verify_shared,
            unlock=unlock,
        )
        found._location.may_create, found._location.references = create, consent
        found._location.environment = disclosing(environment)
        found._location.names_paths = allowed_by(environment).paths
        return found

    @classmethod
    def _over(
        cls,
        bucket: Bucket,
        pool: Pool,
        crew: Crew = NOBODY,
        *,
        trusted: bool = False,
        cache: Path | None = None,
        observer: Observer = SILENT,
        stat_cache: bool = False,
        verify_shared: bool = False,
        unlock: Unlock | None = None,
    ) -> Store:
        """Return a store over any bucket, with the clock and the randomness of this machine."""
        location = Location(
            bucket, pool, _now, os.urandom, time.sleep, _writer(), surroundings, trusted, cache, observer, unlock=unlock
        )
        location.crew = crew
        location.stat_cache = StatCache(cache) if stat_cache and cache else None
        location.verifier.verify_all = verify_shared
        return cls(location)


def _consent(given: References) -> Consent | None:
    if given is None:
        return None
    from holdall.storage.elsewhere.consent import Consent

    return Consent.of(given)


def _now() -> int:
    return time.time_ns() // 1_000_000


def _writer() -> str:
    try:
        return f"holdall {version('holdall')}"
    except PackageNotFoundError:
        return "holdall"
