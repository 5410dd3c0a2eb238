"""Runs under MLflow's verbs: each is a native run of the same id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlflow.entities import Run as MlflowRun
from mlflow.entities import RunInfo, RunStatus, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME, MLFLOW_USER
from mlflow.utils.name_utils import _generate_random_name
from mlflow.utils.validation import _validate_tag

from holdall.errors import NotFoundError, RunDeletedError, RunNotFoundError
from holdall.store import DEFAULT, Run, RunRecord
from holdall.surfaces.mlflow.addresses import DEFAULT_ID, mlflow_experiment, native_experiment
from holdall.surfaces.mlflow.errors import check_tags, refused, translates
from holdall.surfaces.mlflow.tracking.entities import END, USER, as_run, as_run_info
from holdall.surfaces.mlflow.tracking.held import LOCATION, PROXY, Held

_LONGEST = 64 << 20  # bytes of a word that a run says of a data set; MLflow takes 16 MiB
_ENDS = ("FINISHED", "FAILED", "KILLED")


@translates
class RunVerbs(Held):
    """Runs: started, found, ended, deleted, restored."""

    def create_run(
        self,
        experiment_id: str,
        user_id: str | None,
        start_time: int | None,
        tags: Sequence[RunTag] | None,
        run_name: str | None,
    ) -> MlflowRun:
        """Start a run, and return it. What it holds may be replaced, as MLflow's users expect.

        Raises: RESOURCE_DOES_NOT_EXIST, INVALID_PARAMETER_VALUE where the experiment was deleted.

        Cost: as `Runs.start`.
        """
        said = dict(_validated(tags or ()))
        run_name = _agreed_name(run_name, said.pop(MLFLOW_RUN_NAME, None)) or _generate_random_name()
        if user_id and user_id not in ("unknown", said.get(MLFLOW_USER)):
            said[USER] = user_id
        run = self._start(experiment_id, {**said, **self._place(experiment_id)}, run_name, start_time)
        return self._entity(run._seen)

    def get_run(self, run_id: str) -> MlflowRun:
        """Return a run as it is now. Raises: RESOURCE_DOES_NOT_EXIST. Cost: as reading a run's record."""
        run = self._run(run_id)
        run.flush()
        seen = run._at_one_look()
        return self._entity(seen.record, seen.state.metrics)

    def update_run_info(
        self, run_id: str, run_status: int | None, end_time: int | None, run_name: str | None
    ) -> RunInfo:
        """Set the status of a run, when it ended, its name. Cost: a PUT, and opening the run."""
        run, status = self._writable(run_id), None if run_status is None else RunStatus.to_string(run_status)
        if run_name:
            run.set_tags({MLFLOW_RUN_NAME: run_name})
        told = None if end_time is None or (status in _ENDS and end_time >= 0) else end_time
        if told is not None or END in run._seen.data.tags:
            run.set_tags({END: told})
        if status in _ENDS:
            run.finish(status, end_time=end_time if told is None else None)
        elif status is not None and status != run._seen.info.status:
            run._reopen({}, status=status)
        run.flush()
        return self._info(run._seen)

    def delete_run(self, run_id: str) -> None:
        """Mark a run as deleted. Cost: opening the run, and a PUT."""
        self._run(run_id).delete()

    def restore_run(self, run_id: str) -> None:
        """Undo the deletion of a run. Cost: opening the run, and a PUT."""
        self._run(run_id).restore()

    # --- inside ---

    def _start(self, experiment_id: str, tags: dict[str, Any], name: str | None, start_time: int | None) -> Run:
        """Start a run; one whose parent is not there is started all the same, as MLflow does."""
        where = {"experiment": DEFAULT} if str(experiment_id) == DEFAULT_ID else {"experiment_id": str(experiment_id)}
        rest: dict[str, Any] = {"name": name, "start_time": start_time, "paths": "versioned", **where}
        try:
            return self.store.runs.start(tags=tags, **rest)
        except (RunNotFoundError, RunDeletedError):
            parent = {MLFLOW_PARENT_RUN_ID: tags.pop(MLFLOW_PARENT_RUN_ID)}
            run = self.store.runs.start(tags=tags, **rest)
            run.set_tags(parent)
            return run

    def _place(self, experiment_id: str) -> dict[str, str]:
        """Return the tag of a run whose files are elsewhere. Cost: reading the experiment, once in a process."""
        id = native_experiment(experiment_id, self.store)
        if id not in self._elsewhere:
            self._elsewhere[id] = self._said_location(id)
        if location := self._elsewhere[id]:
            return {LOCATION: location}
        if self._is_here(self.artifact_root) or self.artifact_root.startswith(PROXY):
            return {}
        return {LOCATION: self._location(str(experiment_id), {})}

    def _said_location(self, id: str) -> str | None:
        try:
            return self.store.experiments.get(id).tags.get(LOCATION)
        except NotFoundError:  # which is for the start of the run to say
            return None

    def _run(self, run_id: str) -> Run:
        return self.store.runs.get(str(run_id))

    def _writable(self, run_id: str) -> Run:
        """Return a run that this process writes to. Raises: the run is not there, or deleted. Cost: opening it."""
        run = self._run(run_id)
        run._writing()
        if run._seen.info.lifecycle_stage != "active":
            raise RunDeletedError(run.id)
        return run

    def _entity(self, record: RunRecord, last: Mapping[str, Sequence[Any]] | None = None) -> MlflowRun:
        return as_run(record, self._uri(record), self._text, last or {})

    def _info(self, record: RunRecord) -> RunInfo:
        return as_run_info(record, self._uri(record))

    def _uri(self, record: RunRecord) -> str:
        info = record.info
        return self._root_of(mlflow_experiment(info.experiment_id), info.run_id, record.data.tags)

    def _text(self, run_id: str, path: str) -> str:
        """Return the text of a file by which a run says more of a data set than a tag holds."""
        with self._run(run_id).open(path) as file:
            data = file.read(_LONGEST + 1)
        if len(data) > _LONGEST:
            raise ValueError(f"{path} is longer than any word of a data set")
        return data.decode()


def _validated(tags: Sequence[RunTag]) -> list[tuple[str, str]]:
    checked = [_validate_tag(tag.key, tag.value) for tag in tags]
    check_tags(tag.key for tag in checked)
    return [(tag.key, tag.value) for tag in checked]


def _agreed_name(name: str | None, tag: str | None) -> str | None:
    if name and tag and name != tag:
        raise refused(
            f"Both 'run_name' argument and '{MLFLOW_RUN_NAME}' tag are specified, but with different values "
            f"(run_name='{name}', {MLFLOW_RUN_NAME}='{tag}')."
        )
    return name or tag
