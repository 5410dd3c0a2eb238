"""MLflow's model registry store over a store.

What MLflow registers are registered models and versions of the store's own registry, and the reverse. A version's files
are in this store, or a file is that says where they are (`registry_sources`). Verbs, errors and answers are those of
MLflow's own registry in a database; where they differ `holdall guide mlflow` says so.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, NoReturn

from mlflow.entities.model_registry import ModelVersion, RegisteredModel, RegisteredModelTag
from mlflow.entities.model_registry.model_version_stages import (
    DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS,
    get_canonical_stage,
)
from mlflow.exceptions import MlflowException
from mlflow.prompt.registry_utils import handle_resource_already_exist_error, has_prompt_tag
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry import (
    SEARCH_MODEL_VERSION_MAX_RESULTS_DEFAULT,
    SEARCH_MODEL_VERSION_MAX_RESULTS_THRESHOLD,
    SEARCH_REGISTERED_MODEL_MAX_RESULTS_DEFAULT,
    SEARCH_REGISTERED_MODEL_MAX_RESULTS_THRESHOLD,
)
from mlflow.store.model_registry.abstract_store import AbstractStore
from mlflow.utils.validation import (
    _validate_model_alias_name,
    _validate_model_alias_name_reserved,
    _validate_model_name,
    _validate_model_renaming,
    _validate_model_version,
    _validate_model_version_tag,
    _validate_registered_model_tag,
    _validate_tag_name,
)

from holdall import store as native
from holdall.errors import (
    ArtifactNotFoundError,
    InvalidURIError,
    ModelExistsError,
    ModelNotFoundError,
    ModelVersionNotFoundError,
    RunNotFoundError,
    StoreNotFoundError,
)
from holdall.surfaces.mlflow.addresses import mlflow_experiment, run_root, store_at
from holdall.surfaces.mlflow.errors import as_mlflow, check_tags, refused, translates
from holdall.surfaces.mlflow.registry_records import Said, model_entity, said_of, tags_of, version_entity
from holdall.surfaces.mlflow.registry_search import (
    Conditions,
    check_max_results,
    model_conditions,
    model_matches,
    models_in_order,
    names_meant,
    page_of,
    version_conditions,
    version_matches,
    versions_in_order,
)
from holdall.surfaces.mlflow.registry_sources import note, place

_ABSENT: Final = "RESOURCE_DOES_NOT_EXIST"
_MOST_KNOWN: Final = 10_000  # runs whose experiments a process remembers


@translates
class HoldallRegistryStore(AbstractStore):
    """The registered models of a store, for MLflow.

    Args:
        store_uri: `holdall+<address of the store>`.
        tracking_uri: Where MLflow tracks, to look logged models up; as it is set when None.
    """

    def __init__(self, store_uri: str | None = None, tracking_uri: str | None = None) -> None:
        super().__init__(store_uri, tracking_uri)  # type: ignore[no-untyped-call]
        self._uri, self._tracking_uri = store_uri or "", tracking_uri
        self._experiments: dict[str, str] = {}  # of runs, which never change theirs

    @property
    def _store(self) -> native.Store:
        return store_at(self._uri)  # one handle for all of a process; none travels to another

    @property
    def _registry(self) -> native.Registry:
        return self._store.registry

    # --- registered models ---

    def create_registered_model(
        self, name: str, tags: Any = None, description: str | None = None, deployment_job_id: str | None = None
    ) -> RegisteredModel:
        """Create a registered model without versions."""
        _no_deployment_job(deployment_job_id)
        _validate_model_name(name)
        for tag in tags or []:
            _validate_registered_model_tag(tag.key, tag.value)
        try:
            return model_entity(self._registry.create_model(name, tags=tags_of(tags), description=description))
        except ModelExistsError as error:
            raise self._taken(name, has_prompt_tag(tags)) from error

    def update_registered_model(
        self, name: str, description: str | None, deployment_job_id: str | None = None
    ) -> RegisteredModel:
        """Set the description of a model."""
        _no_deployment_job(deployment_job_id)
        with _known(name):
            return model_entity(self._registry.describe_model(name, description))

    def rename_registered_model(self, name: str, new_name: str) -> RegisteredModel:
        """Rename a model; its versions, aliases and history go with it."""
        _validate_model_renaming(new_name)
        with _known(name):
            try:
                return model_entity(self._registry.rename_model(name, new_name))
            except ModelExistsError as error:
                raise refused(
                    f"Registered Model (name={new_name}) already exists. {error}", "RESOURCE_ALREADY_EXISTS"
                ) from error

    def delete_registered_model(self, name: str) -> None:
        """Delete a model and its versions."""
        with _known(name):
            self._registry.delete_model(name)

    def get_registered_model(self, name: str) -> RegisteredModel:
        """Return a registered model."""
        with _known(name):
            return model_entity(self._registry.get_model(name))

    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int = SEARCH_REGISTERED_MODEL_MAX_RESULTS_DEFAULT,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[RegisteredModel]:
        """Return a page of the models that match a filter."""
        check_max_results(max_results, SEARCH_REGISTERED_MODEL_MAX_RESULTS_THRESHOLD)
        conditions = model_conditions(filter_string)
        every = map(model_entity, self._every(conditions, self._registry.search_models))
        found = [model for model in every if model_matches(model, conditions)]
        return page_of(models_in_order(found, order_by), max_results, page_token)

    def get_latest_versions(self, name: str, stages: Sequence[str] | None = None) -> list[ModelVersion]:
        """Return the highest version in each of these stages; in every stage if none is given."""
        wanted = [get_canonical_stage(stage) for stage in stages or ()]
        with _known(name):
            return [version_entity(each) for each in self._registry.latest_versions(name, wanted or None)]

    def set_registered_model_tag(self, name: str, tag: RegisteredModelTag) -> None:
        """Set a tag of a model."""
        _validate_registered_model_tag(tag.key, tag.value)
        with _known(name):
            self._registry.set_model_tag(name, tag.key, tag.value)

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Remove a tag of a model, if it is there."""
        _validate_tag_name(key)
        with _known(name):
            self._registry.set_model_tag(name, key, None)

    # --- versions ---

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Any = None,
        run_link: str | None = None,
        description: str | None = None,
        local_model_path: str | None = None,  # noqa: ARG002  # MLflow's, for registries that upload files themselves
        model_id: str | None = None,
    ) -> ModelVersion:
        """Make what is at an address the next version of a model."""
        for tag in tags or []:
            _validate_model_version_tag(tag.key, tag.value)
        said = tags_of(tags)
        check_tags(said)
        with _known(name):
            placed = place(self._store, self._tracking_uri, source, run_id, model_id)

            def create(files: str, location: str | None) -> ModelVersion:
                made = self._registry.create_version(
                    name,
                    source,
                    tags=said | Said(placed.run_id, location).tag(),
                    description=description,
                    run_link=run_link,
                    model_id=placed.model_id,
                    files=files,
                )
                return version_entity(made)

            if placed.files:
                with suppress(ArtifactNotFoundError, RunNotFoundError, InvalidURIError):
                    return create(placed.files, placed.elsewhere)
            self._registry.get_model(name)  # no file is written for a model that is not there
            return create(note(self._store, name, source, said), placed.location)

    def update_model_version(self, name: str, version: Any, description: str | None = None) -> ModelVersion:
        """Set the description of a version."""
        with _known(name, version) as number:
            return version_entity(self._registry.describe_version(name, number, description))

    def transition_model_version_stage(
        self, name: str, version: Any, stage: str, archive_existing_versions: bool
    ) -> ModelVersion:
        """Move a version to a stage, and perhaps those that are there to "Archived"."""
        wanted = get_canonical_stage(stage)
        if archive_existing_versions and wanted not in DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS:
            raise refused(
                "Model version transition cannot archive existing model versions because "
                f"'{stage}' is not an Active stage. Valid stages are {DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS}",
                "INTERNAL_ERROR",
            )
        with _known(name, version) as number:
            moved = self._registry.set_stage(
                name, number, wanted, archive_existing_versions=bool(archive_existing_versions)
            )
            return version_entity(moved)

    def delete_model_version(self, name: str, version: Any) -> None:
        """Delete a version and the aliases that point at it."""
        with _known(name, version) as number:
            self._registry.delete_version(name, number)

    def get_model_version(self, name: str, version: Any) -> ModelVersion:
        """Return one version of a model."""
        with _known(name, version) as number:
            return version_entity(self._registry.get_version(name, number))

    def get_model_version_download_uri(self, name: str, version: Any) -> str:
        """Return the address that a version's files are downloaded from."""
        with _known(name, version) as number:
            found = self._registry.get_version(name, number)
            said = said_of(found)
            return said.location if said and said.location else self._address(found)

    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int = SEARCH_MODEL_VERSION_MAX_RESULTS_DEFAULT,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[ModelVersion]:
        """Return a page of the versions that match a filter."""
        check_max_results(max_results, SEARCH_MODEL_VERSION_MAX_RESULTS_THRESHOLD)
        conditions = version_conditions(filter_string)
        every = map(version_entity, self._every(conditions, self._registry.search_versions))
        found = [version for version in every if version_matches(version, conditions)]
        return page_of(versions_in_order(found, order_by), max_results, page_token)

    def set_model_version_tag(self, name: str, version: Any, tag: Any) -> None:
        """Set a tag of a version."""
        _validate_model_version_tag(tag.key, tag.value)
        check_tags([tag.key])
        with _known(name, version) as number:
            self._registry.set_version_tag(name, number, tag.key, tag.value)

    def delete_model_version_tag(self, name: str, version: Any, key: str) -> None:
        """Remove a tag of a version, if it is there."""
        _validate_tag_name(key)
        check_tags([key])
        with _known(name, version) as number:
            self._registry.set_version_tag(name, number, key, None)

    # --- aliases ---

    def set_registered_model_alias(self, name: str, alias: str, version: Any) -> None:
        """Point an alias at a version."""
        _validate_model_name(name)
        _validate_model_alias_name(alias)
        _validate_model_alias_name_reserved(alias)
        with _known(name, version) as number:
            self._registry.set_alias(name, alias, number)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Remove an alias, if it is there."""
        _validate_model_alias_name(alias)
        with _known(name):
            self._registry.delete_alias(name, alias)

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """Return the version that an alias points at; the highest one for "latest"."""
        _validate_model_alias_name(alias)
        with _known(name):
            if alias.lower() == "latest":
                return self._latest(name)
            try:
                return version_entity(self._registry.get_version_by_alias(name, alias))
            except ModelVersionNotFoundError as error:
                raise refused(f"Registered model alias {alias} not found. {error}") from error

    # --- what is not here ---

    def create_webhook(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: nothing runs in a store that could call one."""
        _no_webhooks()

    def get_webhook(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: there is none."""
        _no_webhooks()

    def list_webhooks(self, *_: Any, **__: Any) -> PagedList[Any]:
        """Return none."""
        return PagedList([], None)

    def list_webhooks_by_event(self, *_: Any, **__: Any) -> PagedList[Any]:
        """Return none."""
        return PagedList([], None)

    def update_webhook(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: there is none."""
        _no_webhooks()

    def delete_webhook(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: there is none."""
        _no_webhooks()

    def test_webhook(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: there is none."""
        _no_webhooks()

    # --- inside ---

    def _every(self, conditions: Conditions, search: Any) -> list[Any]:
        """Return all models or versions that may match: those of the names that the conditions say, if they do."""
        names = names_meant(conditions)
        filter = None
        if names is not None and not any(set(name) & set("'\"\\") for name in names):
            if not names:
                return []
            filter = f"name IN ({', '.join(repr(name) for name in names)})"
        try:
            return list(search(filter))
        except StoreNotFoundError:
            return []

    def _taken(self, name: str, prompt: bool) -> MlflowException:
        """Return what MLflow says of a name that is taken, by a model or by a prompt."""
        try:
            handle_resource_already_exist_error(name, has_prompt_tag(self.get_registered_model(name)._tags), prompt)
        except MlflowException as told:
            return told
        raise AssertionError("MLflow raises its exception")

    def _latest(self, name: str) -> ModelVersion:
        found = self._registry.latest_versions(name)
        if not found:
            raise refused(f"Latest version not found for model {name}.", _ABSENT)
        return version_entity(max(found, key=lambda each: int(each.version)))

    def _address(self, version: native.ModelVersion) -> str:
        """Return the address of a version's files, for who asks: below a server's proxy, or in the store itself."""
        handlers = sys.modules.get("mlflow.server.handlers")
        root = self._uri
        if handlers is not None and getattr(handlers, "_model_registry_store", None) is self:
            root = getattr(handlers._get_tracking_store(), "artifact_root", root)
        return f"{run_root(root, self._experiment_of(version.run_id), version.run_id)}/{version.path}".rstrip("/")

    def _experiment_of(self, run_id: str) -> str:
        """Return the id that MLflow knows a run's experiment by. Cost: a look at the run, once in this process."""
        if run_id not in self._experiments:
            if len(self._experiments) >= _MOST_KNOWN:
                self._experiments.clear()
            self._experiments[run_id] = mlflow_experiment(self._store.runs.get(run_id).info.experiment_id)
        return self._experiments[run_id]


@contextmanager
def _known(name: str, version: Any = None) -> Iterator[int]:
    """Check a name and a version, give the number, and say in MLflow's words that there is none of these."""
    _validate_model_name(name)
    number = 0 if version is None else _validate_model_version(version)
    try:
        yield number
    except (ModelNotFoundError, ModelVersionNotFoundError) as error:
        what = f"Registered Model with name={name}" if not number else f"Model Version (name={name}, version={version})"
        raise refused(f"{what} not found. {as_mlflow(error).message}", _ABSENT) from error


def _no_deployment_job(id: str | None) -> None:
    if id is not None:
        raise refused("deployment_job_id: jobs of Databricks are none of a store's; leave it out")


def _no_webhooks() -> NoReturn:
    raise refused("a store has no server that could call a webhook: watch its registry instead", "NOT_IMPLEMENTED")
