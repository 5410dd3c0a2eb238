"""The runs of a store: begin one, go on with one, find one by its id."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from holdfast.errors import RunNotFoundError
from holdfast.format.document import Json
from holdfast.format.entry import InlineBlob
from holdfast.format.layout import is_run_id, run_id, run_log
from holdfast.format.reference import FACTS
from holdfast.runs.experiment import DEFAULT, Experiments
from holdfast.runs.metrics import tag_op
from holdfast.runs.record import NOTE, PARENT, RUN_NAME
from holdfast.runs.run import Run
from holdfast.trees.location import Location
from holdfast.trees.session import Session
from holdfast.trees.summary import Inline

_HOW: Final = """
    amber brave brisk calm clever dapper eager early fair fleet gentle glad happy keen kind lively lucky
    merry mild neat noble plain proud quick quiet rapid rare sharp shy silent sleek smart solid steady swift
"""
_WHO: Final = """
    auk bear bee boar carp cat colt crab crane crow deer dove duck elk ewe finch fox frog goat goose gull hare
    hawk hen heron ibis jay kite lark lynx mink mole moth mule newt otter owl ox perch pike quail ram rook seal
"""


class Runs:
    """The runs of a store."""

    def __init__(self, location: Location, experiments: Experiments) -> None:
        self._location, self._experiments = location, experiments
        self._handles: dict[str, Run] = {}  # one for each run, or each call would open a session

    def start(
        self,
        *,
        experiment: str | None = None,
        experiment_id: str | None = None,
        name: str | None = None,
        parent: str | None = None,
        tags: Mapping[str, Any] | None = None,
        description: str | None = None,
    ) -> Run:
        """Begin a new run.

        Args:
            experiment: The name of its experiment, which is made if there is none; "Default" when None.
            experiment_id: Or its id; then it must be there.
            name: What people call the run; drawn by lot when None.
            parent: The id of the run that it is part of.
            tags: What else to say about it.
            description: In a few words, for people.

        Raises:
            ExperimentNotFoundError: There is no experiment of this id.

        Cost: two PUTs; three requests with an experiment's id.
        """
        location = self._location
        location.ready_to_write()
        owner = self._owner(experiment, experiment_id)
        id = run_id(owner, location.entropy(12))
        about = {RUN_NAME: name or self._draw_name(), PARENT: parent, NOTE: description}
        ops, blobs = self._environment()
        said = {**ops, **{key: value for key, value in about.items() if value is not None}, **(tags or {})}
        first: list[Json] = [{"op": "create", "experiment": owner}, {"op": "status", "status": "RUNNING"}]
        if blobs:
            first.append({"op": "environment", "facts": blobs[0].ref(0).to_json()})
        first += [tag_op(key, value) for key, value in said.items()]
        run = Run(location, id)
        run._session = Session.start(location, run_log(id), first, blobs)
        return self._handles.setdefault(id, run)

    def get(self, id: str) -> Run:
        """A handle to a run by its id. If there is none, its verbs will say so. Cost: no request.

        Raises:
            RunNotFoundError: No run can have this id.
        """
        if not is_run_id(id):
            raise RunNotFoundError(id, self._location.bucket.url)
        return self._handles.setdefault(id, Run(self._location, id))

    def resume(self, id: str) -> Run:
        """Go on with a run: it is RUNNING again.

        Raises:
            RunNotFoundError: There is none with this id.
            RunDeletedError: It was deleted.

        Cost: reading the end of its log, and one PUT.
        """
        run = self.get(id)
        run._writing().defer({"op": "status", "status": "RUNNING"})
        return run

    def _owner(self, experiment: str | None, experiment_id: str | None) -> str:
        if experiment_id is None:
            return self._experiments.ensure(experiment or DEFAULT)
        return self._experiments.get(experiment_id).experiment_id

    def _environment(self) -> tuple[dict[str, str], list[InlineBlob]]:
        """What ran where, as tags that are searched and as a blob that has it all."""
        look = self._location.environment
        if look is None:
            return {}, []
        from holdfast.runs.environment import mlflow_tags

        found = look()
        inline = Inline([])
        inline.place(json.dumps(found, separators=(",", ":")).encode(), FACTS)
        return mlflow_tags(found), inline.blobs

    def _draw_name(self) -> str:
        how, who, number = (int.from_bytes(self._location.entropy(2)) for _ in range(3))
        hows, whos = _HOW.split(), _WHO.split()
        return f"{hows[how % len(hows)]}-{whos[who % len(whos)]}-{number % 1000}"
