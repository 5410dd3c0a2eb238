"""Registered models, written into the registry of an MLflow with the numbers of their versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdall.exporting.mlflow.target import VERSION, MlflowTarget
from holdall.moving import MORE, NEW, SAME, Brought, Problem, pages
from holdall.naming.record import ModelVersion, RegisteredModel
from holdall.store import Store


class RegistryExporter:
    """Writes registered models into an MLflow that has their runs.

    Args:
        store: Where they are.
        target: The MLflow.
        run_ids, model_ids: What that calls the runs and logged models, by their ids here.

    Attributes:
        problems: What could not be written.
    """

    def __init__(
        self, store: Store, target: MlflowTarget, run_ids: Mapping[str, str], model_ids: Mapping[str, str]
    ) -> None:
        self._store, self._client = store, target.client
        self._run_ids, self._model_ids = run_ids, model_ids
        self.problems: list[Problem] = []

    def export(self, model: RegisteredModel) -> Brought:
        """Bring a registered model of MLflow to what is here."""
        there = self._there(model.name)
        if there is None:
            self._client.create_registered_model(model.name, dict(model.tags), model.description)
        changed = self._say(model, there) if there is not None else 0
        known = {int(one.version): one for one in self._versions(model.name)}
        mine = {int(one.version): one for one in self._store.registry.search_versions(f"name = {_quoted(model.name)}")}
        last = max(known, default=0)
        for number in range(1, max(mine, default=0) + 1):
            version = mine.get(number)
            if number in known:
                changed += self._keep(model, number, version, known[number])
            elif number > last:
                changed += self._add(model.name, number, version)
            elif version:
                self._problem(model, str(number), "MLflow has given this number already, and deleted it")
        changed += self._point(model, dict(there.aliases) if there is not None else {})
        outcome = NEW if there is None else MORE if changed else SAME
        return Brought("model", model.name, model.name, model.name, outcome, versions=changed)

    # --- inside ---

    def _there(self, name: str) -> Any:
        found = pages(lambda token: self._client.search_registered_models(f"name = {_quoted(name)}", 100, None, token))
        return next((one for one in found if one.name == name), None)

    def _versions(self, name: str) -> list[Any]:
        found = pages(lambda token: self._client.search_model_versions(f"name = {_quoted(name)}", 1000, None, token))
        return [one for one in found if one.name == name]

    def _say(self, model: RegisteredModel, there: Any) -> int:
        """Bring what MLflow says of a model to what is said here; return how much of it was new."""
        changed = 0
        if (there.description or None) != model.description:
            self._client.update_registered_model(model.name, model.description)
            changed += 1
        for key, value in _fresh(model.tags, there.tags):
            self._client.set_registered_model_tag(model.name, key, value)
            changed += 1
        return changed

    def _point(self, model: RegisteredModel, there: Mapping[str, Any]) -> int:
        """Let aliases point where they do here; one that only MLflow has may be somebody's there, and stays."""
        moved = [(alias, to) for alias, to in model.aliases.items() if str(there.get(alias)) != to]
        for alias, to in moved:
            self._client.set_registered_model_alias(model.name, alias, to)
        return len(moved)

    def _keep(self, model: RegisteredModel, number: int, version: ModelVersion | None, there: Any) -> int:
        """Bring what MLflow says of a version that it has to what is said here; return how much of it was new."""
        if version is None:  # it was deleted here since; an export takes nothing away
            return 0
        if there.tags.get(VERSION) != f"{model.name}/{number}":
            self._problem(model, str(number), "MLflow has another version of this number")
            return 0
        changed = 0
        if (there.description or None) != version.description:
            self._client.update_model_version(model.name, str(number), version.description)
            changed += 1
        for key, value in _fresh(version.tags, there.tags):
            self._client.set_model_version_tag(model.name, str(number), key, value)
            changed += 1
        if (there.current_stage or "None") != version.current_stage:
            self._client.transition_model_version_stage(model.name, str(number), version.current_stage)
            changed += 1
        return changed

    def _add(self, name: str, number: int, version: ModelVersion | None) -> int:
        """Give the next number to a version, or to one that is deleted at once."""
        tags = dict(version.tags) if version else {}
        made = self._client.create_model_version(
            name,
            self._source(version) if version else "holdall://placeholder",
            self._run_ids.get(version.run_id) if version else None,
            {**tags, VERSION: f"{name}/{number}"},
            description=version.description if version else "a number that was given up",
        )
        if version is None:
            self._client.delete_model_version(name, made.version)
            return 0
        if version.current_stage != "None":
            self._client.transition_model_version_stage(name, made.version, version.current_stage)
        if int(made.version) != number:
            self.problems.append(Problem("version", name, str(number), f"it became version {made.version} of MLflow"))
        return 1

    def _source(self, version: ModelVersion) -> str:
        """Return where MLflow has the files of a version."""
        models = {one.path: one.model_id for one in self._store.models.logged(version.run_id)}
        model = self._model_ids.get(models.get(version.path, ""))
        if model:
            return f"models:/{model}"
        run = self._run_ids.get(version.run_id)
        top = self._client.get_run(run).info.artifact_uri if run else f"runs:/{version.run_id}"
        return f"{top}/{version.path}".rstrip("/")

    def _problem(self, model: RegisteredModel, path: str, why: str) -> None:
        self.problems.append(Problem("version", model.name, path, why))


def _fresh(tags: Mapping[str, str], there: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the tags that MLflow has not, or with other values."""
    return [(key, value) for key, value in tags.items() if dict(there).get(key) != value]


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"
