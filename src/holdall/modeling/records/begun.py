"""Models that another tool logs step by step: begun, filled with files, and then READY or FAILED.

Natively a model is seen from the moment that all of it is there. MLflow says first that it begins one, and is told an
id and a place. That is a tag of the run that holds it, beside one that takes the model's number:

    holdall.model.<n>          "begun", a text: no model to who looks for one, but the number is given
    holdall.model.<n>.begun    {"time", "path", "name", "status", "step", "run", "type", "output", "deleted", "changed"}

The files go to `path` of the run. When it is READY and there is an MLmodel file, `holdall.model.<n>` says so, and it is
a logged model as any other. Deleted, it is none any more, but its number stays. What is said of it
meanwhile (tags, parameters, measurements) are the remarks that every logged model has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from holdall.errors import ArtifactNotFoundError, ContentError, InvalidURIError, NotFoundError
from holdall.format.document import Json
from holdall.format.layout import parse_model_id
from holdall.modeling.records.logged import (
    TAG,
    LoggedModel,
    logged_model,
    model_numbers,
    next_number,
    point_of,
    remark_on,
)
from holdall.runs.index import summaries
from holdall.runs.metrics import metric_ops, param_op, tag_op
from holdall.runs.reserved_tags import parsed
from holdall.runs.run import Run
from holdall.trees.location import Location
from holdall.trees.session import Draft

FOLDER: Final = "models"  # of a run, for the models that were begun in it
PENDING, READY = "PENDING", "READY"
_TAKEN: Final = '"begun"'


@dataclass(frozen=True, slots=True)
class BegunModel:
    """A model of a run, as who began it sees it; one that was logged natively is READY.

    Attributes:
        model: What is known of it.
        name: What it was called.
        run: The id of the run that it was said to be of, which need not be the one that holds it; None: of none.
        status: PENDING, READY or FAILED.
        output: Whether the run that holds it was said to have made it.
        deleted: When it was deleted; None where it was not.
        native: Whether it was logged natively.
    """

    model: LoggedModel
    name: str
    run: str | None
    status: str = READY
    output: bool = True
    deleted: int | None = None
    native: bool = False


def begun_models(run_id: str, tags: Mapping[str, str], experiment_id: str = "") -> list[BegunModel]:
    """Return all models that a run's tags tell of, in the order of their numbers, deleted ones too."""
    found = (begun_model(run_id, n, tags, experiment_id) for n in sorted(set(model_numbers(tags))))
    return [model for model in found if model]


def begun_model(run_id: str, n: int, tags: Mapping[str, str], experiment_id: str = "") -> BegunModel | None:
    """Return the n-th model that a run's tags tell of; None if they tell of none."""
    body = parsed(tags.get(f"{TAG}{n}.begun", ""))
    if body is None or not isinstance(body.get("path"), str):
        native = logged_model(run_id, n, tags, experiment_id)
        return BegunModel(native, native.path, run_id, native=True) if native else None
    record = {"path": body["path"], "creation_timestamp": body["time"], "model_type": body.get("type")}
    said = {**tags, f"{TAG}{n}": json.dumps({**record, "step": body.get("step", 0)})}
    model = logged_model(run_id, n, said, experiment_id)
    if model is None:
        return None
    changed = body.get("changed")
    later = max(model.last_updated_timestamp, changed if isinstance(changed, int) else 0)
    return BegunModel(
        replace(model, last_updated_timestamp=later),
        str(body.get("name", model.path)),
        body.get("run"),
        str(body.get("status", PENDING)),
        bool(body.get("output")),
        body.get("deleted"),
    )


class BegunModels:
    """The models of a store's runs, as a tool sees them that logs them step by step.

    Where nothing else is said a verb raises `InvalidURIError` for what cannot be a model's id and
    `ArtifactNotFoundError` where there is none, and costs reading the run's end, and a PUT where it says something.
    """

    def __init__(
        self,
        location: Location,
        run_of: Callable[[str], Run],
        file: str,
        flavors_of: Callable[[bytes], tuple[str, ...]],
    ) -> None:
        """Of a store; `file`: what makes a folder a model, of which `flavors_of` reads the flavors."""
        self._location, self._run_of, self._file, self._flavors_of = location, run_of, file, flavors_of

    def begin(
        self,
        run: Run,
        name: str,
        *,
        of: str | None,
        type: str | None = None,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> BegunModel:
        """Begin a model in a run, and return it: its number, and its place, are its own from now on. Cost: a PUT."""
        session, time = run._writing(), self._location.clock()
        chosen: list[int] = []

        def draft() -> Draft:
            known = session.view.state.tags
            n = next_number(known)
            chosen[:] = [n]
            path = f"{FOLDER}/{name}"
            if any(other.model.path == path for other in begun_models(run.id, known)):
                path = f"{path}-{n}"
            body = {"time": time, "path": path, "name": name, "status": PENDING, "run": of, "type": type}
            ops = [tag_op(f"{TAG}{n}", _TAKEN), tag_op(f"{TAG}{n}.begun", _text(body))]
            id = f"m-{run.id}-{n}"
            ops += _remarks(id, "param", time, [param_op(key, value) for key, value in (params or {}).items()])
            return Draft(
                [*ops, *_remarks(id, "tag", time, [tag_op(key, value) for key, value in (tags or {}).items()])]
            )

        session.append(draft)
        found = begun_model(run.id, chosen[0], session.view.state.tags, session.view.state.experiment)
        assert found is not None  # it was written a moment ago
        return found

    def get(self, model_id: str) -> BegunModel:
        """Return a model, deleted or not."""
        run_id, n = _parsed(model_id)
        state = self._run_of(run_id).state
        found = begun_model(run_id, n, state.tags, state.experiment)
        if found is None:
            raise ArtifactNotFoundError(run_id, f"the MLmodel of {model_id}")
        return found

    def of(self, experiments: Iterable[str] | None) -> list[BegunModel]:
        """Return all models of the runs of some experiments that are not deleted. Cost: as `Runs.search`."""
        runs = (run for run in summaries(self._location, experiments) if run.lifecycle_stage == "active")
        return [model for run in runs for model in begun_models(run.run_id, run.tags, run.experiment_id)]

    def end(self, model_id: str, status: str) -> BegunModel:
        """Say how a model stands; READY, with an MLmodel file, it is a logged model of the run.

        Cost: beside the others' reading that file.
        """
        found = self.get(model_id)
        if found.native:
            return found
        record = self._record(found.model) if status == READY else None
        key = f"{TAG}{model_id.rpartition('-')[2]}"
        return self._say(replace(found, status=status), {key: record.to_tag()[1] if record else _TAKEN})

    def delete(self, model_id: str) -> None:
        """Mark a model as deleted: natively there is none any more."""
        found = replace(self.get(model_id), deleted=self._location.clock())
        self._say(found, {f"{TAG}{model_id.rpartition('-')[2]}": _TAKEN})

    def forget(self, model_id: str) -> None:
        """Remove all that a run says of a model, but that its number was given."""
        run_id, n = _parsed(model_id)
        run, begin = self._run_of(run_id), f"{TAG}{n}"
        self.get(model_id)
        known = [key for key in run.state.tags if key.startswith(f"{begin}.")]
        run.set_tags({**dict.fromkeys(known), begin: _TAKEN})
        run.flush()

    def made(self, model_id: str, step: int) -> None:
        """Say that the run which holds a model made it, at a step."""
        found = self.get(model_id)
        if not found.native:
            self._say(replace(found, output=True, model=replace(found.model, step=int(step))), {})

    def set_tags(self, model_id: str, tags: Mapping[str, Any]) -> None:
        """Set tags of a model; None removes one."""
        self._remark(model_id, "tag", [tag_op(key, value) for key, value in tags.items()])

    def log_params(self, model_id: str, params: Mapping[str, Any]) -> None:
        """Log parameters of a model."""
        self._remark(model_id, "param", [param_op(key, value) for key, value in params.items()])

    def measure(
        self,
        run: Run,
        model_id: str,
        points: Sequence[tuple[str, Any, Any, Any]],
        dataset: tuple[str | None, str | None],
    ) -> None:
        """Say of a model what a run measured of it: keys, values, steps and times. The run's own log is not written."""
        on = (dataset[0] or "", dataset[1] or "") if any(dataset) else None
        holder, n = _parsed(model_id)
        if holder != run.id or not begun_model(holder, n, run._seen.data.tags):
            self.get(model_id)
        said: dict[str, str] = {}
        for key, value, step, time in points:
            [point] = metric_ops({key: value}, step, time)[0]["points"]
            said |= remark_on(model_id, "metric", *point_of(point, run.id, on))
        self._run_of(holder).set_tags(said)
        if holder != run.id:
            self._run_of(holder).flush()

    # --- inside ---

    def _record(self, model: LoggedModel) -> LoggedModel | None:
        """Return a model as its files say it is; None where they say nothing."""
        try:
            flavors = self._flavors_of(self._run_of(model.source_run_id).read(f"{model.path}/{self._file}"))
        except (NotFoundError, ContentError):
            return None
        return replace(model, flavors=flavors, params={}, tags={})

    def _say(self, found: BegunModel, more: Mapping[str, str | None]) -> BegunModel:
        """Write what is known of a model, and other tags of its run, at once."""
        model, now = found.model, self._location.clock()
        body = {"time": model.creation_timestamp, "path": model.path, "name": found.name, "status": found.status}
        body |= {"run": found.run, "type": model.model_type, "step": model.step, "output": found.output}
        body |= {"deleted": found.deleted, "changed": now}
        run = self._run_of(model.source_run_id)
        run.set_tags({f"{TAG}{model.model_id.rpartition('-')[2]}.begun": _text(body), **more})
        run.flush()
        return replace(found, model=replace(model, last_updated_timestamp=now))

    def _remark(self, model_id: str, kind: str, ops: Sequence[Json]) -> None:
        found = self.get(model_id)
        run = self._run_of(found.model.source_run_id)
        run.set_tags({op["key"]: op["value"] for op in _remarks(model_id, kind, self._location.clock(), ops)})
        run.flush()


def _remarks(model_id: str, kind: str, time: int, ops: Sequence[Json]) -> list[Json]:
    """Return the operations by which a run says something of one of its models."""
    bodies = ({"time": time, "key": op["key"], "value": op["value"]} for op in ops)
    said = [remark_on(model_id, kind, [body["key"]], body) for body in bodies]
    return [tag_op(key, value) for tags in said for key, value in tags.items()]


def _text(body: Mapping[str, Any]) -> str:
    return json.dumps({key: value for key, value in body.items() if value is not None}, separators=(",", ":"))


def _parsed(model_id: str) -> tuple[str, int]:
    found = parse_model_id(str(model_id))
    if not found:
        raise InvalidURIError(str(model_id), "a logged model's id is m-<run id>-<number>")
    return found
