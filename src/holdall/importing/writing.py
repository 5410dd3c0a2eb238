"""One run of a source, written into the run that its key names: only what that lacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import count, islice
from typing import Any, Final

from holdall.errors import ConflictError, HoldallError, InvalidNameError, SourceError
from holdall.format.document import Json
from holdall.format.entry import InlineBlob
from holdall.format.ops import STATUSES
from holdall.importing.files import FileBringer, Listing
from holdall.importing.found import FoundFile, FoundModel, FoundRun, Point
from holdall.importing.marks import FROM, IMPORTED, MODEL_ID, RUN_ID, Mark, mark_of
from holdall.modeling.model import FILE, parse_model
from holdall.modeling.records.logged import LoggedModel, logged_models, point_of, remark_on
from holdall.modeling.saving.committing import commit_as_is
from holdall.moving import Problem
from holdall.runs.inputs import as_dataset
from holdall.runs.metrics import param_op, point_ops, status_op, tag_op
from holdall.runs.record import RunRecord
from holdall.runs.versions import OnConflict
from holdall.store import Store
from holdall.trees.session import Draft

_RIDING: Final = 500  # operations that wait for the next entry instead of having one of their own
_POINTS: Final = 10_000  # measurements in one entry
_ENDED: Final = ("FINISHED", "FAILED", "KILLED")


class ImportedRun:
    """One run in the making. Not for several threads at once.

    Attributes:
        problems: What of it could not be brought.
        changed: Whether anything was written.
        stored_bytes: What was sent for its files, as encoded.
        points: How many measurements were written.
        model_ids: The id here of each of its logged models, by the source's.
    """

    def __init__(self, store: Store, found: FoundRun, id: str, record: RunRecord | None, source: str) -> None:
        self._store, self._found, self._id, self._record = store, found, id, record
        self._source = source
        self._run = store.runs.get(id)
        self.problems: list[Problem] = []
        self.changed, self.stored_bytes, self.points = False, 0, 0
        self.model_ids: dict[str, str] = {}

    def write(self, listing: Listing, state: str) -> None:
        """Write what the run lacks, and then the mark. `state`: what the mark is to say. Raises: HoldallError."""
        self._begin()
        self._write_facts()
        self._write_files(listing)
        self._write_models(listing)
        self._end(Mark(state, len(self.problems) + len(listing.problems), self._found.deleted))

    # --- inside ---

    def _begin(self) -> None:
        found = self._found
        if self._record is None:
            self._run = self._store.runs.ensure(
                found.key,
                experiment=found.experiment,
                name=found.name,
                start_time=_time(found.start_time),
                paths="versioned" if found.versioned else None,
            )
            self.changed = True
        elif self._record.info.lifecycle_stage == "deleted":
            self._run.restore()
            self.changed = True

    def _write_facts(self) -> None:
        """Write parameters, tags, inputs and measurements."""
        ops = [*self._params(), *self._tags()]
        points = iter(self._fresh_points())
        while batch := list(islice(points, _POINTS)):
            self.points += len(batch)
            ops += point_ops(batch)
            if len(batch) == _POINTS:
                self._append(ops)
                ops = []
        if len(ops) <= _RIDING and self.points <= _RIDING:
            self._buffer(ops)
        else:
            self._append(ops)
        self._write_inputs()

    def _params(self) -> Iterator[Json]:
        known = self._record.data.params if self._record else {}
        for key, value in self._found.params.items():
            if key in known and known[key] != value:
                self._tell("parameter", key, f"it is {known[key]!r} here, and a parameter is kept for good")
            elif key not in known:
                yield from self._checked("parameter", key, lambda key=key, value=value: [param_op(key, value)])

    def _tags(self) -> Iterator[Json]:
        known = self._record.data.tags if self._record else {}
        said = {**self._found.tags, RUN_ID: self._found.source_id, FROM: self._source}
        for key, value in said.items():
            if known.get(key) != value:
                yield from self._checked("tag", key, lambda key=key, value=value: [tag_op(key, value)])

    def _fresh_points(self) -> Iterator[Point]:
        """Yield the measurements that the run lacks: of what was written before an interruption none is repeated."""
        there: Counter[tuple[Any, ...]] = Counter()
        for key in self._record.data.metrics if self._record else ():
            there.update(_identity((key, one.value, one.step, one.timestamp)) for one in self._run.history(key))
        try:
            for point in self._found.points():
                if there[_identity(point)] > 0:
                    there[_identity(point)] -= 1
                elif self._checked("metric", point[0], lambda point=point: point_ops([point])):
                    yield point
        except SourceError as error:
            self._tell("metric", "", str(error))

    def _write_inputs(self) -> None:
        there = (
            {(one.dataset.name, one.dataset.digest, one.context) for one in self._run.inputs.dataset_inputs}
            if (self._record)
            else set()
        )
        for one in self._found.inputs:
            try:
                dataset, context = as_dataset(one.dataset), one.tags.get("mlflow.data.context")
                if (dataset.name, dataset.digest, context) not in there:
                    self._run.log_input(dataset, tags=one.tags)
                    self.changed = True
            except (InvalidNameError, TypeError) as error:
                self._tell("input", str(getattr(one.dataset, "name", "")), str(error))

    def _write_files(self, listing: Listing) -> None:
        if self._found.folder is None or not listing.files:
            return
        there = {entry.path: entry for entry in self._run.entries()} if self._record else {}
        replace: OnConflict = "replace" if self._found.versioned else "error"
        files = FileBringer(self._found.source_id, partial(self._run._log_items, on_conflict=replace), there)
        files.bring(self._found.folder, listing.files)
        self._take(files)

    def _write_models(self, listing: Listing) -> None:
        known = {one.tags.get(MODEL_ID): one for one in logged_models(self._id, self._tags_here())}
        taken = {path for file in listing.files for path in _heads(file.path)} | {one.path for one in known.values()}
        for model in self._found.models:
            there = known.get(model.source_id)
            if there is None:
                there = self._write_model(model, listing.models[model.source_id], taken, listing.problems)
                said = self._measured(there, model) if there else {}
            else:  # an earlier import may have ended before all was said, and the source may have said more
                said = {**self._said_since(there, model), **self._measured(there, model)}
            here = self._tags_here()
            for tag, text in said.items():
                if here.get(tag) != text:
                    self._buffer(list(self._checked("tag", tag, lambda tag=tag, text=text: [tag_op(tag, text)])))
            if there is not None:
                self.model_ids[model.source_id] = there.model_id

    def _write_model(
        self, model: FoundModel, paths: Sequence[FoundFile], taken: set[str], problems: Sequence[Problem]
    ) -> LoggedModel | None:
        if not paths:
            if not any(one.path == model.name for one in problems):
                self._tell("model", model.name, "it has no files at the source")
            return None
        path = next(name for n in count(1) if (name := model.name if n == 1 else f"{model.name}-{n}") not in taken)
        files = FileBringer(self._found.source_id, self._run._log_items, {})
        with files.fetched(model.folder, paths, path) as (items, sums):
            try:
                record, published = commit_as_is(self._run, items, self._model_record(model, path, items))
            except (ConflictError, SourceError, InvalidNameError) as error:
                self._tell("model", model.name, str(error))
                return None
            files.count(published)
            files.compare(published.entries, sums)
        taken.add(path)
        self._take(files)
        return record

    def _model_record(self, model: FoundModel, path: str, items: Sequence[Any]) -> LoggedModel:
        file = next((item for item in items if item.path == f"{path}/{FILE}"), None)
        flavors: tuple[str, ...] = ()
        if file is not None and file.local is not None and file.size < 1 << 24:
            try:
                with open(file.local, "rb") as opened:  # noqa: PTH123
                    flavors = tuple(sorted(parse_model(opened.read(), path).flavors))
            except (HoldallError, OSError) as error:
                self._tell("model", model.name, f"its {FILE} file cannot be read: {error}")
        return LoggedModel(
            model_id="",
            source_run_id=self._id,
            path=path,
            flavors=flavors,
            creation_timestamp=model.created,
            model_type=model.model_type,
            step=model.step,
            params=dict(model.params),
            tags={**model.tags, MODEL_ID: model.source_id},
        )

    def _said_since(self, record: LoggedModel, model: FoundModel) -> dict[str, str]:
        """Return the tags that say what the source says of a model that is here already, and the store does not."""
        said: dict[str, str] = {}
        for kind, known, now in (("tag", record.tags, model.tags), ("param", record.params, model.params)):
            for key, value in now.items():
                if known.get(key) != value:
                    body = {"time": self._store._location.clock(), "key": key, "value": value}
                    said |= remark_on(record.model_id, kind, [key], body)
        return said

    def _measured(self, record: LoggedModel, model: FoundModel) -> dict[str, str]:
        """Return the tags that say of a model what was measured of it."""
        said: dict[str, str] = {}
        for point, by, dataset in model.metrics:
            (op,) = point_ops([point])
            said |= remark_on(record.model_id, "metric", *point_of(op["points"][0], by or self._id, dataset))
        return said

    def _end(self, mark: Mark) -> None:
        """Write how the run ended, with the mark, in one entry; nothing where both are there already."""
        found, info = self._found, self._record.info if self._record else None
        status = found.status if found.status in STATUSES else "FINISHED"
        ends = _time(found.end_time) or _time(found.start_time)
        before = mark_of(self._record.data.tags) if self._record else None
        stands = info is not None and info.status == status and (status not in _ENDED or info.end_time == ends)
        if self.changed or before != mark or not stands:
            self.changed = True
            self._run.set_tags({IMPORTED: mark.text(self._store._location.clock())})
            if status in _ENDED:
                self._run.finish(status, end_time=ends)
            else:
                self._run._writing().close([status_op(status)])
        if found.deleted and not (info and info.lifecycle_stage == "deleted" and not self.changed):
            self._run.delete()
            self.changed = True

    # --- how it is written ---

    def _tags_here(self) -> dict[str, str]:
        return dict(self._record.data.tags) if self._record else {}

    def _take(self, files: FileBringer) -> None:
        self.problems += files.problems
        self.stored_bytes += files.stored_bytes
        self.changed = self.changed or files.changed

    def _buffer(self, ops: Sequence[Json]) -> None:
        if ops:
            self._run._buffer_ops(ops)
            self.changed = True

    def _append(self, ops: Sequence[Json], blobs: Sequence[InlineBlob] = ()) -> None:
        if ops:
            self._run._writing().append(lambda: Draft(ops, blobs))
            self.changed = True

    def _checked(self, what: str, key: str, make: Any) -> Iterable[Json]:
        """Return operations; none, and a problem, where the store cannot keep what they say."""
        try:
            made: list[Json] = make()
        except InvalidNameError as error:
            self._tell(what, key, str(error))
            return []
        return made

    def _tell(self, what: str, path: str, why: str) -> None:
        self.problems.append(Problem(what, self._found.source_id, path, why))


def _identity(point: Point) -> tuple[str, str, int, int]:
    key, value, step, time = point
    return key, repr(float(value)), int(step), int(time)  # NaN is not equal to itself, and its text is


def _time(given: int | None) -> int | None:
    return given if given is not None and given >= 0 else None


def _heads(path: str) -> Iterator[str]:
    """Yield a path and all directories above it."""
    while path:
        yield path
        path = path.rpartition("/")[0]
