"""Registered models and versions of a store as MLflow's entities.

A version that was made through MLflow says its run and its files' address as MLflow does, which may be elsewhere than
here. Both are kept in one tag of the version, which MLflow never sees:

    holdall.mlflow    {"run_id": text or null, "location": where the files are; null if in this store}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from mlflow.entities.model_registry import (
    ModelVersion,
    ModelVersionTag,
    RegisteredModel,
    RegisteredModelAlias,
    RegisteredModelTag,
)

from holdall import store as native

SAID: Final = "holdall.mlflow"


class Said(NamedTuple):
    """What MLflow said of a version: its run, and where its files are, if that is elsewhere."""

    run_id: str | None
    location: str | None

    def tag(self) -> dict[str, str]:
        """Return the tag that keeps it."""
        return {SAID: json.dumps(self._asdict(), separators=(",", ":"))}


def said_of(version: native.ModelVersion) -> Said | None:
    """Return what MLflow said of a version; None of one that holdall made, or where it cannot be understood."""
    try:
        body = json.loads(version.tags.get(SAID, "null"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict):
        return None
    run_id, location = (each if isinstance(each := body.get(name), str) else None for name in Said._fields)
    return Said(run_id, location)


def version_entity(found: native.ModelVersion) -> ModelVersion:
    """Return a version as MLflow's entity."""
    said = said_of(found)
    return ModelVersion(
        name=found.name,
        version=int(found.version),  # type: ignore[arg-type]  # as in MLflow's own, where it is a number
        creation_timestamp=found.creation_timestamp,
        last_updated_timestamp=found.last_updated_timestamp,
        description=found.description,
        user_id=found.user_id,
        current_stage=found.current_stage,
        source=found.source,
        run_id=said.run_id if said else found.run_id,
        status=found.status,
        tags=[ModelVersionTag(key, value) for key, value in _shown(found.tags).items()],
        run_link=found.run_link,
        aliases=found.aliases,
        model_id=found.model_id,
    )


def model_entity(found: native.RegisteredModel) -> RegisteredModel:
    """Return a registered model as MLflow's entity."""
    return RegisteredModel(
        found.name,
        found.creation_timestamp,
        found.last_updated_timestamp,
        found.description,
        [version_entity(version) for version in found.latest_versions],
        [RegisteredModelTag(key, value) for key, value in found.tags.items()],
        [RegisteredModelAlias(alias, int(version)) for alias, version in found.aliases.items()],
    )


def tags_of(tags: Any) -> dict[str, str]:
    """Return MLflow's list of tags as a mapping; of a key that comes twice, the last."""
    return {tag.key: tag.value for tag in tags or ()}


def _shown(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if key != SAID}
