"""Errors under MLflow's names: `from holdall.exceptions import MlflowException`. `holdall.errors` has them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdall.errors import HoldallError, InvalidURIError, UnsupportedFeatureError
from holdall.missing_names import explaining

__all__ = [
    "InvalidUrlException",
    "MlflowException",
    "MlflowNotImplementedException",
    "RestException",
]

MlflowException = HoldallError  # what holdall raises on purpose; `error_code` has MLflow's code
RestException = HoldallError  # what MLflow's server answers is raised as this; here nothing stands between
InvalidUrlException = InvalidURIError
MlflowNotImplementedException = UnsupportedFeatureError

if not TYPE_CHECKING:
    __getattr__ = explaining(__name__, __all__)
