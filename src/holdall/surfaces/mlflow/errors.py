"""Our errors as MLflow's: its class and its code, our text and what to do, with ours as the cause.

Each error of ours knows the code that MLflow has for its kind (`HoldallError.error_code`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ErrorCode

from holdall.errors import HoldallError

T = TypeVar("T", bound=type)


def as_mlflow(error: HoldallError) -> MlflowException:
    """Return MLflow's exception for an error of ours."""
    return MlflowException(told(error), error_code=ErrorCode.Value(error.error_code))


def told(error: HoldallError) -> str:
    """Return what an error says, and what to do: in Python and, where that is known, at a shell, as of a server."""
    hints = ", or ".join(filter(None, (error.hint, error.shell_hint)))
    return f"{error} ({hints})" if hints else str(error)


def refused(text: str, code: str = "INVALID_PARAMETER_VALUE") -> MlflowException:
    """Return MLflow's exception for what MLflow's own stores refuse as well."""
    return MlflowException(text, error_code=ErrorCode.Value(code))


@contextmanager
def translated() -> Iterator[None]:
    """Raise our errors as MLflow's."""
    try:
        yield
    except HoldallError as error:
        raise as_mlflow(error) from error


def translates(cls: T) -> T:
    """Let every verb of a class, those that MLflow calls by a private name too, raise our errors as MLflow's."""
    for name, verb in list(vars(cls).items()):
        if inspect.isfunction(verb) and not name.startswith("__"):
            setattr(cls, name, _translating(verb))
    return cls


def _translating(verb: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(verb)
    def call(*args: Any, **kwargs: Any) -> Any:
        with translated():
            return verb(*args, **kwargs)

    return call
