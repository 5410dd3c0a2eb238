"""What is known of registered models, under MLflow's names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdall.display import Named
from holdall.missing_names import explaining
from holdall.store import ModelVersion, RegisteredModel

__all__ = [
    "ModelVersion",
    "ModelVersionTag",
    "RegisteredModel",
    "RegisteredModelAlias",
    "RegisteredModelTag",
]


@dataclass(frozen=True, slots=True)
class ModelVersionTag(Named):
    """A tag of a version: a name and a value."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class RegisteredModelTag(Named):
    """A tag of a registered model: a name and a value."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class RegisteredModelAlias(Named):
    """An alias of a registered model, and the version that it points at."""

    alias: str
    version: str


if not TYPE_CHECKING:
    __getattr__ = explaining(__name__, __all__)
