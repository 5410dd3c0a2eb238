"""Our errors as MLflow's: its class and its code, our text and what to do, with ours as the cause.

Each error of ours knows the code that MLflow has for its kind (`HoldallError.error_code`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final, TypeVar

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ErrorCode

from holdall.errors import (
    ExperimentDeletedError,
    ExperimentExistsError,
    ExperimentNotFoundError,
    HoldallError,
    ParamExistsError,
    RunDeletedError,
    RunNotFoundError,
)

T = TypeVar("T", bound=type)


_OWN: Final = ("holdall.mlflow", "holdall.discarded")  # beginnings of tags
_WORDS: Final[Mapping[type[HoldallError], str]] = {  # by which scripts tell these apart, as MLflow's stores say them
    RunNotFoundError: "Run with id={0} not found: ",
    RunDeletedError: "The run {0} must be in the 'active' state: ",
    ExperimentNotFoundError: "No Experiment with id={0} exists: ",
    ExperimentExistsError: "Experiment(name={0}) already exists: ",
    ExperimentDeletedError: "The experiment {1} must be in the 'active' state: ",
    ParamExistsError: "Changing param values is not allowed: ",
}


def as_mlflow(error: HoldallError) -> MlflowException:
    """Return MLflow's exception for an error of ours."""
    return MlflowException(told(error), error_code=ErrorCode.Value(error.error_code))


def told(error: HoldallError) -> str:
    """Return what an error says, and what to do: in Python and, where that is known, at a shell, as of a server."""
    text = _WORDS.get(type(error), "").format(*error.args) + str(error)
    hints = ", or ".join(filter(None, (error.hint, error.shell_hint)))
    return f"{text} ({hints})" if hints else text


def refused(text: str, code: str = "INVALID_PARAMETER_VALUE") -> MlflowException:
    """Return MLflow's exception for what MLflow's own stores refuse as well."""
    return MlflowException(text, error_code=ErrorCode.Value(code))


def check_tags(keys: Iterable[str]) -> None:
    """Refuse tags by which these stores know where files are: who calls a server may not say that.

    Raises:
        MlflowException: INVALID_PARAMETER_VALUE.
    """
    for key in keys:
        if str(key).startswith(_OWN):
            raise refused(f"the tag {str(key)!r:.100} is holdall's own: a client of MLflow cannot set or remove it")


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


def refuses_the_rest(cls: T) -> T:
    """Let every verb that MLflow knows and a class does not have say so as MLflow's error, not as a bare one."""
    for base in cls.__mro__:
        if base.__module__.startswith("mlflow."):
            for name, verb in vars(base).items():
                if inspect.isfunction(verb) and not name.startswith("__") and getattr(cls, name) is verb:
                    setattr(cls, name, _refusing(name, verb))
    return cls


def _refusing(name: str, verb: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(verb)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return verb(*args, **kwargs)
        except NotImplementedError as error:
            raise refused(f"a holdall store has no {name}", "NOT_IMPLEMENTED") from error

    return call


def _translating(verb: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(verb)
    def call(*args: Any, **kwargs: Any) -> Any:
        with translated():
            return verb(*args, **kwargs)

    return call
