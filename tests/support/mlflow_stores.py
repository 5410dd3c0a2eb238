"""MLflow with a store's tracking, registry and artifacts, whatever is installed; and what its database answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from holdall.surfaces.mlflow import plugin

_ANSWERS = Path(__file__).parents[1] / "surfaces" / "mlflow_on_stores"


def register_stores() -> None:
    """Let MLflow find our stores as its entry points do, where this project is not installed."""
    from mlflow.store.artifact.artifact_repository_registry import _artifact_repository_registry
    from mlflow.tracking._model_registry.utils import _get_store_registry
    from mlflow.tracking._tracking_service.utils import _tracking_store_registry

    for scheme in ("holdall+file", "holdall+s3"):
        _tracking_store_registry.register(scheme, plugin.tracking_store)
        _get_store_registry().register(scheme, plugin.registry_store)
        _artifact_repository_registry.register(scheme, plugin.artifact_repository)


def recorded(name: str) -> dict[str, Any]:
    """What MLflow 3.17.2 answered in SQLite; a deep run asks it again."""
    found: dict[str, Any] = json.loads((_ANSWERS / f"{name}.json").read_text())
    return found


def as_json(answers: dict[str, Any]) -> dict[str, Any]:
    """Answers as a file gives them back."""
    found: dict[str, Any] = json.loads(json.dumps(answers, default=str))
    return found


def written(answers: dict[str, Any]) -> str:
    """Answers as they are recorded, a call to a line."""
    lines = [f"{json.dumps(call)}: {json.dumps(answer)}" for call, answer in answers.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"
