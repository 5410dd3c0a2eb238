"""Verbs that end in `**options: Unpack[...]`, shown with every keyword that they take.

Type checkers look into the TypedDict by themselves; `inspect.signature`, `help()`
and the tooltips of notebooks do not. So the verbs get a `__signature__` in which
each keyword stands with its default, and the texts about them, which stand once
in the TypedDicts, go into their docstrings.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from inspect import Parameter
from typing import Any, Final, TypeVar, get_args, get_type_hints

from holdall.modeling.saving.keywords import DEFAULTS, LogOptions, SaveOptions

_PLACE: Final = "        options: "  # the line of a docstring that the keywords' text replaces
F = TypeVar("F", bound=Callable[..., Any])


def list_keywords(own: type | None = None, **defaults: Any) -> Callable[[F], F]:
    """Return a decorator that puts the keywords of `**options` into a verb's signature and docstring.

    Args:
        own: The TypedDict of the keywords that only this flavor has.
        defaults: Those of these keywords, where not None.
    """
    texts = _TEXTS | (_texts(own) if own else {})

    def listed(verb: F) -> F:
        shape = inspect.signature(verb, eval_str=True)
        *before, rest = shape.parameters.values()
        (options,) = get_args(rest.annotation)
        found = {**DEFAULTS, **defaults}
        more = [
            Parameter(name, Parameter.KEYWORD_ONLY, default=found.get(name), annotation=hint)
            for name, hint in get_type_hints(options).items()
        ]
        verb.__signature__ = shape.replace(parameters=[*before, *more])  # type: ignore[attr-defined]
        if verb.__doc__:
            names = [each.name for each in (*before, *more) if each.name in texts]
            verb.__doc__ = _with_keywords(verb.__doc__, [line for name in names for line in texts[name]])
        return verb

    return listed


def _with_keywords(text: str, lines: list[str]) -> str:
    return "\n".join(found for line in text.splitlines() for found in (lines if line.startswith(_PLACE) else [line]))


def _texts(options: type) -> dict[str, list[str]]:
    """Return the lines of a TypedDict's docstring about each of its keys, indented as arguments are."""
    found: dict[str, list[str]] = {}
    _, _, attributes = (options.__doc__ or "").partition("Attributes:\n")
    for line in inspect.cleandoc(attributes).splitlines():
        name, colon, _ = line.partition(":")
        if colon and name.isidentifier():
            found[name] = []
        found[next(reversed(found))].append(f"        {line}")
    return found or {name: [] for name in options.__annotations__}  # Python without docstrings


_PLACES: Final = {  # arguments of every flavor that are no keywords of both verbs
    "artifact_path": ["        artifact_path: The old name of `name`."],
    "path": ["        path: The folder, which must not exist or be empty."],
    "mlflow_model": ["        mlflow_model: Must be None: the MLmodel file is made here."],
}
_TEXTS: Final = _PLACES | _texts(SaveOptions) | _texts(LogOptions)
