"""The runs of a store: begin one, go on with one, find one by its id."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any, Final

from holdall.engines.threads import ThreadEngine
from holdall.errors import InvalidNameError, RunDeletedError, RunNotFoundError, TableNotFoundError
from holdall.format.document import Json
from holdall.format.entry import InlineBlob
from holdall.format.layout import is_run_id, run_log, timed_run_id
from holdall.format.ops import VERSIONED
from holdall.format.reference import JSON_BLOB
from holdall.libraries import library
from holdall.runs.across import AcrossRuns
from holdall.runs.arguments import listed
from holdall.runs.environment import mlflow_tags
from holdall.runs.experiment import DEFAULT, Experiments
from holdall.runs.first_tags import first_tags, merged_tags
from holdall.runs.frames import facts_of, frame_of
from holdall.runs.handles import Handles
from holdall.runs.metrics import tag_op
from holdall.runs.random_names import drawn_name
from holdall.runs.record import NOTE, PARENT, RUN_NAME, RunRecord
from holdall.runs.run import TABLES, Run
from holdall.runs.searching import SearchVerbs
from holdall.runs.series import joined
from holdall.runs.signer import checked_key
from holdall.runs.versions import PathRule, is_versioned
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.lru import LruCache
from holdall.trees.salvage import left_out
from holdall.trees.session import Session
from holdall.trees.snapshot import InlineBlobs

if TYPE_CHECKING:
    import pandas as pd

    from holdall.runs.verifying import Key

_MOST_ENSURED: Final = 1 << 16  # ids that are remembered
_SIDE_BY_SIDE: Final = 16  # runs that are looked into at once


class Runs(SearchVerbs, AcrossRuns):
    """The runs of a store."""

    def __init__(self, location: Location, experiments: Experiments) -> None:
        self._location, self._experiments = location, experiments
        self._handles = Handles(location)
        self._ensured = LruCache[str, bool](_MOST_ENSURED)  # ids of runs that keys name and that were there

    def start(
        self,
        *,
        experiment: str | None = None,
        experiment_id: str | None = None,
        name: str | None = None,
        parent: str | None = None,
        tags: Mapping[str, Any] | None = None,
        description: str | None = None,
        start_time: int | None = None,
        paths: PathRule | None = None,
        sign: Key | None = None,
    ) -> Run:
        """Start a new run.

        Args:
            experiment: The name of its experiment, which is made if there is none; "Default" when None.
            experiment_id: Or its id; then it must be there.
            name: The run's name; a random one such as `brisk-heron-123` when None.
            parent: The id of the run that it is part of, which must be there.
            tags: Tags, by key.
            description: A short description.
            start_time: Milliseconds since 1970 UTC, where it began at another time; now when None.
            paths: "versioned" where what it holds may be replaced and removed later, as a training's `last.pt` is;
                "immutable", or None, where a path keeps what it was given, which is so for good.
            sign: A key, or its file, that signs the run when this process ends it, as `Run.sign`; nothing when None.

        Raises:
            SigningKeyError: There is no such key.
            ExperimentNotFoundError: There is no experiment of this id.
            ExperimentDeletedError: It was deleted.
            RunNotFoundError, RunDeletedError: There is no such parent any more.
            InvalidNameError: A tag says other than `name`, `parent` or `description`.

        Cost: two requests; one more in a new experiment or with an experiment's id, two more
            for a parent that this process does not write to.

        Example:
            >>> run = store.runs.start(experiment="vision", name="first", tags={"team": "a"})
            >>> run.log_params({"rate": 0.1})
            >>> run.finish()
            >>> run.info.status
            'FINISHED'
        """
        versioned, key = is_versioned(paths), checked_key(sign)
        said = first_tags(tags, {RUN_NAME: name, PARENT: parent, NOTE: description}, start_time)
        owner = self._owner(experiment, experiment_id)
        self._check_parent(said.get(PARENT))
        run = None
        while run is None:  # of two that draw one id in the same millisecond the bucket lets one begin
            id = timed_run_id(owner, self._location.clock(), self._location.entropy(6))
            run = self._begin(id, owner, said, versioned=versioned)
        run._sign_at_end(key)
        return run

    def ensure(
        self,
        key: str,
        *,
        experiment: str | None = None,
        name: str | None = None,
        tags: Mapping[str, Any] | None = None,
        description: str | None = None,
        start_time: int | None = None,
        paths: PathRule | None = None,
    ) -> Run:
        """Return the run that a key names in an experiment, started if there is none: whoever asks gets the same.

        The run's id is computed from both (`id_of`), so many processes may ask at once, and nothing is searched. A run
        that is there stays as it is, ended or not; all but the key and the experiment only matter if it is not.

        Args:
            key: What names it: an address in another system, say.
            experiment, name, tags, description, start_time, paths: As for `start`.

        Raises:
            InvalidNameError: The key is empty, or no text; or as `start`.
            ExperimentDeletedError: As `start`.
        Cost: none for a run that this process asked for before; a listing for one that is there; two requests more for
            one that is not. Whether it was deleted is not looked at: its verbs say so.

        Example:
            >>> first = store.runs.ensure("nightly/2026-11-27", experiment="vision")
            >>> store.runs.ensure("nightly/2026-11-27", experiment="vision").id == first.id
            True
        """
        id, versioned = self.id_of(key, experiment), is_versioned(paths)
        if id in self._ensured:
            return self.get(id)
        said = first_tags(tags, {RUN_NAME: name, NOTE: description}, start_time)
        owner = self._owner(experiment, None)
        journal = Journal(self._location.bucket, self._location.pool, run_log(id))
        there = journal.newest() is not None
        run = None if there else self._begin(id, owner, said, versioned=versioned, opened=False, journal=journal)
        self._ensured.put(id, True)
        return run or self.get(id)

    def id_of(self, key: str, experiment: str | None = None) -> str:
        """Return the id of the run that a key names in an experiment, as `ensure`, there or not.

        Raises:
            InvalidNameError: The key or the experiment's name is empty, or no text.

        Cost: as `Experiments.id_of`.

        Example:
            >>> store.runs.id_of("nightly", "vision") == store.runs.ensure("nightly", experiment="vision").id
            True
        """
        if not isinstance(key, str) or not key:
            raise InvalidNameError("key of a run", str(key), "it is a text, and not empty")
        return self._location.names.keyed_run_id(self._experiments.id_of(experiment), key)

    def get(self, id: str) -> Run:
        """Return a handle to a run by its id; its methods raise RunNotFoundError if there is none. Cost: no request.

        Raises:
            RunNotFoundError: No run can have this id.

        Example:
            >>> store.runs.get(run.id).data.params
            {'rate': '0.1'}
        """
        if not is_run_id(id):
            raise RunNotFoundError(id, self._location.bucket.url)
        return self._handles.of(id)

    def resume(
        self,
        id: str,
        *,
        name: str | None = None,
        tags: Mapping[str, Any] | None = None,
        description: str | None = None,
        paths: PathRule | None = None,
        sign: Key | None = None,
    ) -> Run:
        """Resume a run: its status is RUNNING again, for every reader and at once.

        Args:
            id: Of the run.
            name: A new name; unchanged when None.
            tags: Tags, by key.
            description: A short description.
            paths: "versioned" if it must have been started so.
            sign: As for `start`.

        Raises:
            SigningKeyError: There is no such key.
            RunNotFoundError: There is none with this id.
            RunDeletedError: It was deleted.
            InvalidNameError: A tag says other than `name` or `description`.
            RunNotVersionedError: It was not started with `paths="versioned"`.

        Cost: reading the end of its log, and one PUT.

        Example:
            >>> run.finish()
            >>> again = store.runs.resume(run.id)
            >>> again.log_metrics({"loss": 0.1}, step=2)
            >>> again.finish()
            >>> store.runs.get(run.id).data.metrics["loss"]
            0.1
        """
        run, versioned, key = self.get(id), is_versioned(paths), checked_key(sign)
        run._reopen(merged_tags(tags, {RUN_NAME: name, NOTE: description}), versioned=versioned)
        run._sign_at_end(key)
        return run

    def flush(self) -> None:
        """Wait for what this process logs in the background, and write what waits for an entry.

        Raises: the first failure that nobody has asked for. Cost: a PUT for each run that has something to write.

        Example:
            >>> future = run.later(run.log_metric, "loss", 0.5)
            >>> store.runs.flush()
            >>> future.done()
            True
        """
        failures = []
        for run in self._handles.busy:
            failures.append(run._drain())
            with suppress(RunDeletedError):
                run.flush()
        for failure in filter(None, failures):
            raise failure

    def frame(self, records: Sequence[RunRecord]) -> pd.DataFrame:
        """Return runs as a pandas DataFrame, one row each.

        Example:
            >>> store.runs.frame([run.record])["params.rate"].tolist()
            ['0.1']
        """
        return frame_of(records)

    def load_table(
        self,
        artifact_file: str,
        ids: Sequence[str] | None = None,
        extra_columns: Sequence[str] | None = None,
        experiments: Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """Return the rows of a table of several runs, one below the other.

        Args:
            artifact_file: The table's name.
            ids: The runs; all of the experiments that logged such a table when None.
            extra_columns: What of each run to put beside its rows, such as `run_id` or `params.rate`.
            experiments: Where to look for runs; everywhere when None.

        Raises:
            TableNotFoundError: There is no such run.
            ArtifactNotFoundError: One of the runs named has no such table.

        Example:
            >>> entry = run.log_table({"score": [1, 2]}, "eval.json")
            >>> store.runs.load_table("eval.json", [run.id])["score"].tolist()
            [1, 2]
        """
        pd = library("pandas", "loading tables")
        searched = ids is None
        if ids is None:
            quoted = json.dumps(artifact_file).replace("'", "''")
            found = self.search(f"tags.`{TABLES}` LIKE '%{quoted}%'", experiments=experiments)
            ids = [record.info.run_id for record in found]
        wanted = listed("extra columns", extra_columns, "['run_id']")

        def part(run: Run) -> Any:
            with left_out(f"the table of run {run.id}") if searched else nullcontext():
                return run.load_table(artifact_file, facts_of(run.record, wanted) if wanted else {})
            return None

        runs = map(self.get, listed("ids of runs", ids, "[run.info.run_id]"))
        with ThreadEngine(_SIDE_BY_SIDE) as threads:
            parts = [found for found in threads.map(part, runs) if found is not None]
        if not parts:
            raise TableNotFoundError(artifact_file)
        return joined(pd, parts)

    def _begin(
        self,
        id: str,
        owner: str,
        said: Mapping[str, Any],
        *,
        versioned: bool,
        opened: bool = True,
        journal: Journal | None = None,
    ) -> Run | None:
        """Begin a run of an experiment, with these tags; None if another has begun one of this id. Cost: one PUT.

        `journal`: its log, if it was looked at. `opened`: whether it opens a session too, as for what may be large.
        """
        ops, blobs = self._environment(owner, run_log(id))
        said = {RUN_NAME: None, **ops, **said}
        said[RUN_NAME] = said[RUN_NAME] or drawn_name(self._location.entropy)
        create = {"op": "create", "experiment": owner} | ({"paths": VERSIONED} if versioned else {})
        first: list[Json] = [create, {"op": "status", "status": "RUNNING"}]
        if blobs:
            first.append({"op": "environment", "facts": blobs[0].ref(0).to_json()})
        first += [tag_op(key, value) for key, value in said.items()]
        session = Session.start(self._location, run_log(id), first, blobs, opened=opened, journal=journal)
        if session is None:
            return None
        run = self._handles.of(id)
        run._take(session)
        return run

    def _owner(self, experiment: str | None, experiment_id: str | None) -> str:
        """Return the id of a run's experiment, made if there is none; afterwards the store may be written to."""
        if experiment_id is None:
            return self._experiments._ensured_by_writer(experiment or DEFAULT)
        return self._location.ready_to_write_while(lambda: self._experiments.active(experiment_id).experiment_id)

    def _check_parent(self, id: str | None) -> None:
        if id is not None and not self.get(id)._is_open and self.get(id).state.deleted:
            raise RunDeletedError(id)

    def _environment(self, experiment: str, log: str) -> tuple[dict[str, str], list[InlineBlob]]:
        """Return what ran where, as tags that can be searched and as a blob that has it all."""
        look, allowed = self._location.environment, self._experiments._disclosure(experiment)
        found = allowed.of(look()) if look and not allowed.off else {}
        if not found:
            return {}, []
        inline = InlineBlobs([], self._location.sealing_for(log))
        inline.place(json.dumps(found, separators=(",", ":")).encode(), JSON_BLOB)
        return mlflow_tags(found), inline.blobs
