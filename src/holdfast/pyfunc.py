"""Models as one thing with `predict`, whatever their framework: `holdfast.pyfunc`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from holdfast.store import PyFuncModel
from holdfast.surfaces.fluent import models

__all__ = ["PyFuncModel", "load_model"]


def load_model(
    model_uri: str,
    suppress_warnings: bool = False,  # noqa: ARG001
    dst_path: str | os.PathLike[str] | None = None,
    model_config: Mapping[str, Any] | None = None,
) -> PyFuncModel:
    """A model as a python_function."""
    return models.load_pyfunc(model_uri, dst_path=dst_path, model_config=model_config)
