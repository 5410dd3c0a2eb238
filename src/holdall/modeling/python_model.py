"""Models of Python's own: what a class or function must be like to be one.

Instances are pickled together with the classes of this file, by value, so that
what was logged here loads where only MLflow is installed. Therefore it imports
nothing but the standard library, and its functions and classes need nothing
else of holdall. The attribute names are MLflow's, for the same reason.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final


class PythonModelContext:
    """What a model is given beside its data.

    Attributes:
        artifacts: The path on disk of each of its artifacts, by name.
        model_config: Its configuration.
    """

    def __init__(self, artifacts: Mapping[str, str], model_config: Mapping[str, Any] | None) -> None:
        self.artifacts = dict(artifacts)
        self.model_config = dict(model_config or {})


_NO_DATA: Final = ("self", "context", "params")


def type_hints(function: Callable[..., Any]) -> Any:
    """Return the hints of a function's data and of what it returns, where they are `list[...]`; else None."""
    try:
        hints = typing.get_type_hints(function)
        names = [name for name in inspect.signature(function).parameters if name not in _NO_DATA]
    except (NameError, TypeError, ValueError):  # hints that cannot be resolved, or a function that has no signature
        hints, names = {}, []
    found = (hints.get(names[0]) if names else None, hints.get("return"))
    known = [hint if typing.get_origin(hint) is list else None for hint in found]
    return types.SimpleNamespace(input=known[0], output=known[1])


def as_hinted(data: Any, hint: Any) -> Any:
    """Return rows as the hint has them: a dictionary as its pydantic model, a text of JSON as its date."""
    kinds = typing.get_args(hint) if hint else ()
    return [_as_hinted(each, kinds[0]) for each in data] if kinds and isinstance(data, list) else data


def _as_hinted(value: Any, kind: Any) -> Any:
    if hasattr(kind, "model_validate"):
        return kind.model_validate(value) if isinstance(value, dict) else value
    if kind in (datetime.datetime, datetime.date):
        return _as_date(value, kind)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType) and value is not None:
        others = [each for each in inner if each is not type(None)]
        return _as_hinted(value, others[0]) if len(others) == 1 else value
    if origin is list and isinstance(value, list):
        return [_as_hinted(each, inner[0]) for each in value]
    if origin is dict and isinstance(value, dict):
        return {name: _as_hinted(each, inner[1]) for name, each in value.items()}
    return value


def _as_date(value: Any, kind: Any) -> Any:
    if type(value).__name__ == "datetime64":  # numpy's, as which the server reads JSON's dates
        value = value.astype("M8[us]").item()
    if isinstance(value, str):
        value = datetime.datetime.fromisoformat(value)
    return value.date() if kind is datetime.date and isinstance(value, datetime.datetime) else value


def admitting(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a `predict` that gets its rows as its hints have them, from every caller.

    Hints that are text are resolved now, for the script that they mean something in is not there where it is loaded.
    """

    @functools.wraps(method)
    def predict(*args: Any, **kwargs: Any) -> Any:
        hint = hints_of(predict).input
        if hint is None:
            return method(*args, **kwargs)
        given = inspect.signature(method).bind(*args, **kwargs)
        name = next(name for name in inspect.signature(method).parameters if name not in _NO_DATA)
        given.arguments[name] = as_hinted(given.arguments[name], hint)
        return method(*given.args, **given.kwargs)

    predict.hints = type_hints(method)  # type: ignore[attr-defined]
    return predict


def hints_of(method: Callable[..., Any]) -> Any:
    """Return the hints of a `predict`; those that could not be resolved when it was defined perhaps can by now."""
    known = getattr(method, "hints", None)
    if known is None or (known.input is None and known.output is None):
        known = type_hints(method)
        with contextlib.suppress(AttributeError):
            setattr(getattr(method, "__func__", method), "hints", known)  # noqa: B010  # a function has no such type
    return known


class PythonModel:
    """A model that is a class of yours: override `predict`, and `load_context` if it has files to read."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "predict" in vars(cls):
            cls.predict = admitting(vars(cls)["predict"])  # type: ignore[method-assign]

    def load_context(self, context: Any) -> None:
        """Read what the model needs from `context.artifacts`, once, before the first prediction."""

    # Type checkers let a method that takes anything be overridden by one with any arguments.

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """Return predictions for data: override it as `predict(self, context, model_input, params=None)`.

        `context` and `params` may be left out where they are not needed.
        """
        raise NotImplementedError(f"{type(self).__name__} has no predict(self, context, model_input, params=None)")

    def predict_stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Yield predictions for data, one by one: override it as `predict`."""
        raise NotImplementedError(f"{type(self).__name__} has no predict_stream(self, context, model_input)")

    @property
    def predict_type_hints(self) -> Any:
        """The hints of `predict`, `input` and `output`, where they are lists; by them MLflow checks what comes."""
        return hints_of(self.predict)


class FunctionModel(PythonModel):
    """A function as a model."""

    def __init__(self, func: Callable[..., Any], signature: Any = None) -> None:
        self.func, self.signature = func, signature
        self.hints = type_hints(func)  # hints that are text are lost with the script that they are resolved in

    @property
    def predict_type_hints(self) -> Any:
        """The function's."""
        return vars(self).get("hints") or type_hints(self.func)

    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> Any:  # noqa: ARG002
        """Return what the function returns."""
        model_input = as_hinted(model_input, self.predict_type_hints.input)
        return (
            self.func(model_input, params)
            if len(inspect.signature(self.func).parameters) > 1
            else self.func(model_input)
        )


class PythonPredictor:
    """A Python model with its context, as a python_function. Any class with `predict` will do, MLflow's too."""

    def __init__(self, model: Any, context: PythonModelContext) -> None:
        self.model, self.context = model, context
        if hasattr(model, "load_context"):
            model.load_context(context)

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Return what the model's `predict` returns."""
        return self._call(self.model.predict, data, params)

    def predict_stream(self, data: Any, params: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """Yield what the model's `predict_stream` yields."""
        yield from self._call(self.model.predict_stream, data, params)

    def _call(self, method: Callable[..., Any], data: Any, params: Mapping[str, Any] | None) -> Any:
        """Hand over what the method has a parameter for."""
        names = inspect.signature(method).parameters
        positional = [
            each for each in names.values() if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        ]
        takes_params = "params" in names or any(each.kind is each.VAR_KEYWORD for each in names.values())
        with_context = "context" in names or len(positional) - ("params" in names) > 1
        given = (self.context, data) if with_context else (data,)
        return method(*given, **({"params": dict(params or {})} if takes_params else {}))


_set: list[Any] = []


def set_model(model: Any) -> None:
    """Say which object of this file is the model: the last line of a model that is logged as code.

    Args:
        model: A `PythonModel`, or a function of its input.

    Example:
        >>> class Double(holdall.pyfunc.PythonModel):
        ...     def predict(self, context, model_input, params=None):
        ...         return [2 * each for each in model_input]
        >>> holdall.models.set_model(Double())  # in a file that `log_model(python_model="double.py")` names
    """
    _set[:] = [model]
    theirs = sys.modules.get("mlflow.models.model")
    if theirs is not None:  # so that a file written for holdall is loaded by MLflow, too
        vars(theirs)["__mlflow_model__"] = as_python_model(model)


def take_model() -> Any:
    """Return what was set last, by our `set_model` or MLflow's; None if nothing was."""
    theirs = sys.modules.get("mlflow.models.model")
    found = _set.pop() if _set else getattr(theirs, "__mlflow_model__", None)
    if theirs is not None:
        vars(theirs)["__mlflow_model__"] = None
    return found


def as_python_model(model: Any) -> Any:
    """Return a model with `predict`: the object itself, or a function as one."""
    return model if hasattr(model, "predict") else FunctionModel(model)
