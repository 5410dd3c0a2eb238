"""The registry as users of MLflow know it: verbs on registered models and versions of the current store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from holdall.errors import InvalidNameError
from holdall.store import ModelVersion, RegisteredModel
from holdall.surfaces.fluent.active import current_store
from holdall.surfaces.fluent.client.client import Client


def register_model(
    model_uri: str,
    name: str,
    await_registration_for: int | None = 300,  # noqa: ARG001  # MLflow's; here nothing takes its time
    *,
    tags: Mapping[str, Any] | None = None,
    env_pack: None = None,
) -> ModelVersion:
    """Make what is at an address the next version of a registered model, which is made if there is none.

    Args:
        model_uri: `runs:/<run_id>/<path>`, `models:/<model_id>`, or another version's `models:/<name>/<version>`.
        name: What the model is, or is to be, called.
        await_registration_for: Nothing has to be waited for: the version is READY when the call returns.
        tags: What to say about the version.
        env_pack: An environment for Databricks; None.

    Raises:
        ArtifactNotFoundError: There is nothing at the address; then no model is made.
        InvalidNameError: No model may be called so.

    Example:
        >>> holdall.register_model(f"runs:/{run.id}/model", "churn").version
        '1'
    """
    if env_pack is not None:
        raise InvalidNameError("env_pack", str(env_pack)[:40], "environments are not packed: a model lists its own")
    return current_store().registry.register(model_uri, name, tags=tags)


def search_registered_models(
    max_results: int | None = None, filter_string: str | None = None, order_by: Sequence[str] | None = None
) -> list[RegisteredModel]:
    """Return the registered models that a filter means, by name.

    Args:
        max_results: At most so many; all when None.
        filter_string: Conditions on `name` and `tags`, such as `name LIKE 'fraud%' AND tags.team = 'a'`.
        order_by: Such as `["last_updated_timestamp DESC"]`.

    Raises:
        InvalidFilterError: The filter or an order is not understood; it says where.

    Example:
        >>> [found.name for found in holdall.search_registered_models(filter_string="name LIKE 'fraud%'")]
        ['fraud']
    """
    return Client().search_registered_models(filter_string, max_results, order_by).to_list()


def search_model_versions(
    max_results: int | None = None, filter_string: str | None = None, order_by: Sequence[str] | None = None
) -> list[ModelVersion]:
    """Return the versions of registered models that a filter means, the latest change first.

    Args:
        max_results: At most so many; all when None.
        filter_string: Conditions on `name`, `run_id`, `source_path`, `version_number` and `tags`.
        order_by: Such as `["version_number DESC"]`.

    Raises:
        InvalidFilterError: The filter or an order is not understood; it says where.

    Example:
        >>> [found.version for found in holdall.search_model_versions(filter_string="name = 'fraud'")]
        ['2', '1']
    """
    return Client().search_model_versions(filter_string, max_results, order_by).to_list()


def set_model_version_tag(
    name: str, version: str | int | None = None, key: str | None = None, value: Any = None
) -> None:
    """Set a tag of a version of a registered model to `str(value)`.

    Raises:
        ModelNotFoundError, ModelVersionNotFoundError: There is no such model or version.
        InvalidNameError: The version or the key is missing.

    Example:
        >>> holdall.set_model_version_tag("fraud", "2", "checked", "yes")
        >>> holdall.registry.get_version("models:/fraud/2").tags
        {'checked': 'yes'}
    """
    if version is None:
        raise InvalidNameError("version", "", "it is missing: a tag is set on one version of a model")
    Client().set_model_version_tag(name, version, key, value)
