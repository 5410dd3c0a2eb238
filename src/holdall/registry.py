"""Registered models: `holdall.registry`. What is not here has its place in `holdall.Client`.

version = holdall.register_model(f"runs:/{run.id}/model", "fraud")
holdall.registry.set_alias("fraud", "champion", version.version)
holdall.artifacts.download_artifacts("models:/fraud@champion")
holdall.registry.roll_back_alias("fraud", "champion")
"""

from __future__ import annotations

from collections.abc import Sequence

from holdall.store import AliasMove, Deployment, ModelVersion, RegisteredModel
from holdall.surfaces.fluent.active import current_store
from holdall.surfaces.fluent.registering import register_model

__all__ = [
    "AliasMove",
    "Deployment",
    "ModelVersion",
    "RegisteredModel",
    "alias_history",
    "copy_version",
    "deployments",
    "get_model",
    "get_version",
    "record_deployment",
    "register_model",
    "resolve",
    "roll_back_alias",
    "search_models",
    "search_versions",
    "set_alias",
]


def get_model(name: str) -> RegisteredModel:
    """Return a registered model with its aliases, tags and latest versions. Raises: ModelNotFoundError.

    Example:
        >>> holdall.registry.get_model("fraud").aliases
        {'champion': '2'}
    """
    return current_store().registry.get_model(name)


def get_version(uri: str) -> ModelVersion:
    """Return the version at `models:/<name>/<version>`, `models:/<name>@<alias>` or `models:/<name>/latest`.

    Raises:
        InvalidURIError: It is no such address; the error says what is missing.
        ModelNotFoundError: No model is called so; a name that is like it is suggested.
        ModelVersionNotFoundError: The model has no such version; the error says which there are.

    Example:
        >>> holdall.registry.get_version("models:/fraud@champion").version
        '2'
    """
    return current_store().registry.version_at(uri)


def resolve(uri: str) -> str:
    """Return the `runs:/<run_id>/<path>` that a model's address means. Raises: as `get_version`.

    Example:
        >>> holdall.registry.resolve("models:/fraud/1")
        'runs:/.../model'
    """
    return current_store().registry.resolve(uri)


def search_models(
    filter_string: str | None = None, *, max_results: int | None = None, order_by: Sequence[str] | None = None
) -> list[RegisteredModel]:
    """The models that a filter means, such as `name LIKE 'fraud%' AND tags.team = 'a'`; by name.

    Raises:
        InvalidFilterError: The filter or an order is not understood; it says where.

    Example:
        >>> [model.name for model in holdall.registry.search_models("name LIKE 'fraud%'")]
        ['fraud']
    """
    return current_store().registry.search_models(filter_string, order_by=order_by, limit=max_results)


def search_versions(
    filter_string: str | None = None, *, max_results: int | None = None, order_by: Sequence[str] | None = None
) -> list[ModelVersion]:
    """The versions that a filter on `name`, `run_id`, `source_path`, `version_number` and `tags` means.

    The latest change comes first. Raises: InvalidFilterError.

    Example:
        >>> [found.version for found in holdall.registry.search_versions("name = 'fraud'")]
        ['2', '1']
    """
    return current_store().registry.search_versions(filter_string, order_by=order_by, limit=max_results)


def copy_version(uri: str, name: str) -> ModelVersion:
    """Make a version of one model the next of another, which is made if there is none; no file is copied.

    Raises: as `get_version`.

    Example:
        >>> holdall.registry.copy_version("models:/fraud@champion", "fraud-live").version
        '1'
    """
    return current_store().registry.copy_version(uri, name)


def set_alias(name: str, alias: str, version: str | int, *, expected: str | int | None = None) -> None:
    """Point an alias at a version, from wherever it pointed; others see it there or here, and never nowhere.

    Args:
        name, alias, version: The model, the alias, and where it points from now on.
        expected: The version that it has to point at until then; 0: there is no such alias; None: whatever it is.

    Raises:
        AliasMovedError: It points elsewhere than was expected; nothing was changed.
        ModelNotFoundError: No model is called so.
        ModelVersionNotFoundError: It has no such version.
        InvalidNameError: No alias may be called so.

    Example:
        >>> holdall.registry.set_alias("fraud", "champion", 1)
        >>> holdall.registry.get_version("models:/fraud@champion").version
        '1'
    """
    current_store().registry.set_alias(name, alias, version, expected=expected)


def alias_history(name: str, alias: str | None = None) -> list[AliasMove]:
    """Return every move of an alias, of all of them when None, the first one first. Raises: ModelNotFoundError.

    Example:
        >>> holdall.registry.set_alias("fraud", "champion", 1)
        >>> [move.version for move in holdall.registry.alias_history("fraud", "champion")]
        ['2', '1']
    """
    return current_store().registry.alias_history(name, alias)


def roll_back_alias(name: str, alias: str) -> ModelVersion:
    """Point an alias at the version that it pointed at before; again, at the one before that.

    Raises:
        ModelVersionNotFoundError: It pointed nowhere else before.

    Example:
        >>> holdall.registry.set_alias("fraud", "champion", 1)
        >>> holdall.registry.roll_back_alias("fraud", "champion").version
        '2'
    """
    return current_store().registry.roll_back_alias(name, alias)


def record_deployment(uri: str, where: str, *, ended: bool = False) -> Deployment:
    """Say that the model at an address is in use somewhere; or, with `ended`, no longer.

    Raises:
        InvalidNameError: The place is empty or longer than 1,000 characters.
        ArtifactNotFoundError, ModelNotFoundError, ModelVersionNotFoundError: There is nothing at the address.

    Example:
        >>> holdall.registry.record_deployment("models:/fraud@champion", "eu-west").uri
        'models:/fraud/2'
    """
    return current_store().deployments.record(uri, where, ended=ended)


def deployments(uri: str) -> list[Deployment]:
    """Return where the files at an address are or were in use, the oldest first. Raises: as `record_deployment`.

    Example:
        >>> deployed = holdall.registry.record_deployment("models:/fraud@champion", "eu-west")
        >>> [(found.where, found.ended) for found in holdall.registry.deployments("models:/fraud/2")]
        [('eu-west', False)]
    """
    return current_store().deployments.of(uri)
