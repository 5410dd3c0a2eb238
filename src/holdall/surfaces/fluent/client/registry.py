"""The part of the client that is about registered models, their versions and aliases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from holdall.errors import InvalidArgumentError, InvalidNameError, InvalidURIError
from holdall.store import ModelVersion, RegisteredModel, Store
from holdall.surfaces.fluent.paging import PagedList, empty_where_none, paged

_STAGES = ("None", "Staging", "Production", "Archived")


class RegistryClient:
    """The part of the client that is about registered models.

    Where nothing else is said a verb raises `ModelNotFoundError` and `ModelVersionNotFoundError`.
    A version's number may be given as text or as a number.
    """

    store: Store

    # --- registered models ---

    def create_registered_model(
        self,
        name: str,
        tags: Mapping[str, Any] | None = None,
        description: str | None = None,
        deployment_job_id: str | None = None,
    ) -> RegisteredModel:
        """Create a registered model without versions. Raises: ModelExistsError, InvalidNameError.

        Example:
            >>> client.create_registered_model("churn", tags={"team": "a"}).tags
            {'team': 'a'}
        """
        _no_deployment_job(deployment_job_id)
        return self.store.registry.create_model(name, tags=tags, description=description)

    def get_registered_model(self, name: str) -> RegisteredModel:
        """Return a registered model with its aliases, tags and latest versions.

        Example:
            >>> client.get_registered_model("fraud").aliases
            {'champion': '2'}
        """
        return self.store.registry.get_model(name)

    def rename_registered_model(self, name: str, new_name: str) -> RegisteredModel:
        """Call a model otherwise; all it has goes with it. Raises: ModelExistsError.

        Example:
            >>> client.rename_registered_model("fraud", "scam").name
            'scam'
        """
        return self.store.registry.rename_model(name, new_name)

    def update_registered_model(
        self, name: str, description: str | None = None, deployment_job_id: str | None = None
    ) -> RegisteredModel:
        """Say what a model is; None takes that back.

        Example:
            >>> client.update_registered_model("fraud", "finds fraud").description
            'finds fraud'
        """
        _no_deployment_job(deployment_job_id)
        return self.store.registry.describe_model(name, description)

    def delete_registered_model(self, name: str) -> None:
        """Delete a model and its versions; their files stay in their runs.

        Example:
            >>> client.delete_registered_model("fraud")
            >>> client.search_registered_models()
            []
        """
        self.store.registry.delete_model(name)

    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int | None = 100,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[RegisteredModel]:
        """Return the models that a filter on `name` and `tags` means, by name. Raises: InvalidFilterError.

        `token` of what is returned gives the next page, as `page_token`.

        Example:
            >>> [found.name for found in client.search_registered_models("name LIKE 'fraud%'")]
            ['fraud']
        """

        def search(limit: int | None) -> list[RegisteredModel]:
            with empty_where_none(self.store):
                return self.store.registry.search_models(filter_string, order_by=order_by, limit=limit)
            return []

        return paged(search, max_results, page_token, lambda found: found.id)

    def set_registered_model_tag(self, name: str, key: str, value: Any) -> None:
        """Set a tag of a model.

        Example:
            >>> client.set_registered_model_tag("fraud", "team", "risk")
            >>> client.get_registered_model("fraud").tags
            {'team': 'risk'}
        """
        self.store.registry.set_model_tag(name, key, value)

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Remove a tag of a model.

        Example:
            >>> client.set_registered_model_tag("fraud", "team", "risk")
            >>> client.delete_registered_model_tag("fraud", "team")
            >>> client.get_registered_model("fraud").tags
            {}
        """
        self.store.registry.set_model_tag(name, key, None)

    # --- versions ---

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        await_creation_for: int | None = 300,  # noqa: ARG002  # as above
        model_id: str | None = None,
    ) -> ModelVersion:
        """Make what is at an address of this store the next version of a model.

        Args:
            name: The model.
            source: As for `holdall.register_model`.
            run_id: The run that the source says anyway; another one is refused.
            tags: What to say about the version.
            run_link: An address of the run elsewhere.
            description: In a few words, for people.
            await_creation_for: Nothing has to be waited for.
            model_id: The id of the model that the run logged there.

        Raises:
            ArtifactNotFoundError: There is nothing at the source.
            InvalidURIError: It is not in this store, or in another run than `run_id`.

        Example:
            >>> model = client.create_registered_model("churn")
            >>> client.create_model_version("churn", f"runs:/{run.id}/model").version
            '1'
        """
        if run_id is not None and self.store.registry.locate(source)[0] != run_id:
            raise InvalidURIError(source, f"it is not in run {run_id}")
        return self.store.registry.create_version(
            name, source, tags=tags, description=description, run_link=run_link, model_id=model_id
        )

    def copy_model_version(self, src_model_uri: str, dst_name: str) -> ModelVersion:
        """Make a version of one model the next of another, which is made if there is none. Raises: InvalidURIError.

        Example:
            >>> client.copy_model_version("models:/fraud@champion", "fraud-live").version
            '1'
        """
        return self.store.registry.copy_version(src_model_uri, dst_name)

    def get_model_version(self, name: str, version: str | int) -> ModelVersion:
        """Return one version of a model.

        Example:
            >>> client.get_model_version("fraud", "2").aliases
            ['champion']
        """
        return self.store.registry.get_version(name, version)

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """Return the version that an alias points at.

        Example:
            >>> client.get_model_version_by_alias("fraud", "champion").version
            '2'
        """
        return self.store.registry.get_version_by_alias(name, alias)

    def get_latest_versions(self, name: str, stages: Sequence[str] | None = None) -> list[ModelVersion]:
        """Return the highest version in each of these stages; in every one that has any when None.

        Example:
            >>> [found.version for found in client.get_latest_versions("fraud")]
            ['2']
        """
        return self.store.registry.latest_versions(name, stages)

    def get_model_version_download_uri(self, name: str, version: str | int) -> str:
        """Return the address of a version's files: `runs:/<run_id>/<path>`.

        Example:
            >>> client.get_model_version_download_uri("fraud", "1")
            'runs:/.../model'
        """
        return self.store.registry.get_version(name, version).artifact_uri

    def get_model_version_stages(self, name: str, version: str | int) -> list[str]:
        """Return the stages that there are, for this version as for any.

        Example:
            >>> "Production" in client.get_model_version_stages("fraud", "1")
            True
        """
        self.store.registry.get_version(name, version)
        return list(_STAGES)

    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int | None = 10_000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[ModelVersion]:
        """Return the versions that a filter on `name`, `run_id`, `source_path`, `version_number` and `tags` means.

        The latest change comes first. `token` of what is returned gives the next page, as `page_token`.
        Raises: InvalidFilterError.

        Example:
            >>> [found.version for found in client.search_model_versions("name = 'fraud'")]
            ['2', '1']
        """

        def search(limit: int | None) -> list[ModelVersion]:
            with empty_where_none(self.store):
                return self.store.registry.search_versions(filter_string, order_by=order_by, limit=limit)
            return []

        return paged(search, max_results, page_token, lambda found: f"{found.name}/{found.version}")

    def update_model_version(self, name: str, version: str | int, description: str | None = None) -> ModelVersion:
        """Say what a version is; None takes that back.

        Example:
            >>> client.update_model_version("fraud", "1", "the first").description
            'the first'
        """
        return self.store.registry.describe_version(name, version, description)

    def transition_model_version_stage(
        self, name: str, version: str | int, stage: str, archive_existing_versions: bool = False
    ) -> ModelVersion:
        """Move a version to a stage, and perhaps those that are there to "Archived", all at once.

        Example:
            >>> client.transition_model_version_stage("fraud", "2", "Production").current_stage
            'Production'
        """
        registry = self.store.registry
        return registry.set_stage(name, version, stage, archive_existing_versions=archive_existing_versions)

    def delete_model_version(self, name: str, version: str | int) -> None:
        """Delete a version and its aliases. Its number is not given again.

        Example:
            >>> client.delete_model_version("fraud", "1")
            >>> [found.version for found in client.search_model_versions("name = 'fraud'")]
            ['2']
        """
        self.store.registry.delete_version(name, version)

    def set_model_version_tag(
        self,
        name: str,
        version: str | int | None = None,
        key: str | None = None,
        value: Any = None,
        stage: str | None = None,
    ) -> None:
        """Set a tag of a version; or of the latest version in a stage.

        Example:
            >>> client.set_model_version_tag("fraud", "2", "checked", "yes")
            >>> client.get_model_version("fraud", "2").tags
            {'checked': 'yes'}
        """
        self.store.registry.set_version_tag(name, self._version(name, version, stage), _named(key), value)

    def delete_model_version_tag(
        self, name: str, version: str | int | None = None, key: str | None = None, stage: str | None = None
    ) -> None:
        """Remove a tag of a version; or of the latest version in a stage.

        Example:
            >>> client.set_model_version_tag("fraud", "2", "checked", "yes")
            >>> client.delete_model_version_tag("fraud", "2", "checked")
            >>> client.get_model_version("fraud", "2").tags
            {}
        """
        self.store.registry.set_version_tag(name, self._version(name, version, stage), _named(key), None)

    # --- aliases ---

    def set_registered_model_alias(self, name: str, alias: str, version: str | int) -> None:
        """Point an alias at a version, from wherever it pointed.

        Example:
            >>> client.set_registered_model_alias("fraud", "champion", "1")
            >>> client.get_model_version_by_alias("fraud", "champion").version
            '1'
        """
        self.store.registry.set_alias(name, alias, version)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Remove an alias.

        Example:
            >>> client.delete_registered_model_alias("fraud", "champion")
            >>> client.get_registered_model("fraud").aliases
            {}
        """
        self.store.registry.delete_alias(name, alias)

    def _version(self, name: str, version: str | int | None, stage: str | None) -> str | int:
        if (version is None) == (stage is None):
            raise InvalidArgumentError("give either a version or a stage")
        return self.store.registry.version_at(f"models:/{name}/{stage}").version if version is None else version


def _no_deployment_job(id: str | None) -> None:
    """Refuse a job of Databricks, which does not know this registry."""
    if id is not None:
        raise InvalidNameError("deployment_job_id", str(id), "jobs of Databricks are none of a store's: leave it out")


def _named(key: str | None) -> str:
    """Return the key of a tag. Raises: InvalidNameError where there is none."""
    if key is None:
        raise InvalidNameError("tag", "", "its key is missing")
    return key
