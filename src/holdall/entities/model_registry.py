"""What is known of registered models, under MLflow's names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdall.display import Named
from holdall.missing_names import explaining
from holdall.store import KeyValue, ModelVersion, RegisteredModel

__all__ = [
    "ModelVersion",
    "ModelVersionTag",
    "RegisteredModel",
    "RegisteredModelAlias",
    "RegisteredModelTag",
]


class ModelVersionTag(KeyValue):
    """A tag of a version: a name and a value."""

    __slots__ = ()


class RegisteredModelTag(KeyValue):
    """A tag of a registered model: a name and a value."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class RegisteredModelAlias(Named):
    """An alias of a registered model, and the version that it points at."""

    alias: str
    version: str


if not TYPE_CHECKING:
    __getattr__ = explaining(__name__, __all__)
