"""The types of what models take and give: `holdall.types`, as users of MLflow know it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdall.missing_names import explaining
from holdall.modeling.signatures.data_types import DataType
from holdall.modeling.signatures.params import ParamSchema, ParamSpec
from holdall.modeling.signatures.schema import ColSpec, Schema, TensorSpec

__all__ = ["ColSpec", "DataType", "ParamSchema", "ParamSpec", "Schema", "TensorSpec"]

if not TYPE_CHECKING:
    __getattr__ = explaining(__name__, __all__)
