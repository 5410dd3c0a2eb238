"""Schemas and the types in them: `holdall.types.schema`, as users of MLflow know it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdall.missing_names import explaining
from holdall.modeling.signatures.data_types import AnyType, Array, DataType, Map, Object, Property, SparkMLVector
from holdall.modeling.signatures.params import ParamSchema, ParamSpec
from holdall.modeling.signatures.schema import ColSpec, Schema, TensorSpec

__all__ = [
    "AnyType",
    "Array",
    "ColSpec",
    "DataType",
    "Map",
    "Object",
    "ParamSchema",
    "ParamSpec",
    "Property",
    "Schema",
    "SparkMLVector",
    "TensorSpec",
]

if not TYPE_CHECKING:
    __getattr__ = explaining(__name__, __all__)
