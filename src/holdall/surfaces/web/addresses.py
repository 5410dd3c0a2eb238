"""The names of the pages and their addresses, and what comes in by a query, bounded and checked.

Nothing here is read or written. What a user can name (paths, models, filters) stands in the query, never in the path,
so that no name is taken for a piece of an address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode

from holdall.errors import InvalidArgumentError

PATHS: Final[Mapping[str, str]] = {
    "runs": "/",  # experiment=ID ..., filter, sort, ...
    "rows": "/rows",  # as runs: its rows alone, while they change
    "columns": "/columns",  # as runs, find=: which columns it has
    "experiments": "/experiments",
    "experiment": "/experiments/{id}",
    "run": "/runs/{id}",  # tab=
    "artifact": "/runs/{id}/artifact",  # path=, version=: a preview
    "raw": "/runs/{id}/raw",  # path=, version=: its bytes, as a download or a picture
    "sandbox": "/runs/{id}/sandbox",  # path=, version=: HTML or SVG, shut in
    "logged_model": "/runs/{id}/model",  # path=
    "series": "/series",  # run=ID ..., key= ...: points as JSON
    "compare": "/compare",  # run=ID ...
    "diff": "/diff",  # a=URI, b=URI
    "models": "/models",
    "model": "/models/registered",  # name=
    "model_version": "/models/version",  # name=, version=
    "store": "/store",
    "search": "/search",  # q=
    "help": "/help",
    "change": "/changes/{verb}",
    "static": "/static/{file}",
}
"""The address of each page, by its name; what stands in braces is an argument, any other one goes into the query."""

HEADERS: Final = ("range", "if-range", "sec-fetch-dest")
"""What a page may know of a request beside its address."""

_LONGEST: Final = 16 << 10  # characters of a query
_MOST: Final = 500  # arguments in it
_DECIMAL: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", re.ASCII)
_SPAN: Final = re.compile(r"(-?[0-9]{1,15}):(-?[0-9]{1,15})", re.ASCII)


def address_of(name: str, arguments: Mapping[str, Any]) -> str:
    """Return the address of a page with its arguments, those that are None or empty left out.

    Raises:
        KeyError: There is no page of this name, or it lacks an argument.

    Example:
        >>> address_of("run", {"id": "0123", "tab": "metrics"})
        '/runs/0123?tab=metrics'
    """
    path, query = PATHS[name], dict(arguments)
    for part in [part[1:-1] for part in path.split("/") if part.startswith("{")]:
        path = path.replace("{" + part + "}", quote(str(query.pop(part)), safe="/"))
    pairs = [(key, one) for key, value in query.items() for one in each(value)]
    return f"{path}?{urlencode(pairs)}" if pairs else path


def each(value: Any) -> Sequence[str]:
    """Return an argument's values as texts; none of what is None, empty or False."""
    if value is None or value == "" or value is False:
        return ()
    if isinstance(value, str | int | float):
        return (str(value),)
    return [str(one) for one in value]


def _decimal(text: str) -> float | None:
    return float(text) if _DECIMAL.fullmatch(text) else None


@dataclass(frozen=True, slots=True)
class Query:
    """What a page was asked for.

    Attributes:
        path: The arguments in the path of the address.
        pairs: Those of the query, in their order.
        method: GET or HEAD.
        headers: Those of the request that a page may ask for, by their names in small letters.
    """

    path: Mapping[str, str]
    pairs: Sequence[tuple[str, str]] = ()
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(
        cls, path: Mapping[str, str], query: str, method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> Query:
        """Read a query. Raises: InvalidArgumentError if it is longer than anybody's."""
        if len(query) > _LONGEST:
            raise InvalidArgumentError(f"the query has {len(query)} characters, more than {_LONGEST}")
        try:
            pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST)
        except ValueError as error:
            raise InvalidArgumentError(f"the query has more than {_MOST} arguments") from error
        return cls(path, pairs, method, {name: text for name in HEADERS if (text := (headers or {}).get(name))})

    def text(self, key: str, default: str = "") -> str:
        """Return an argument as text, the last one if there are several."""
        found = self.path.get(key)
        return found if found is not None else next((v for k, v in reversed(self.pairs) if k == key), default)

    def many(self, key: str, *, most: int = 100) -> list[str]:
        """Return all arguments of a name, without those that are empty or repeated. Raises: InvalidArgumentError."""
        found = list(dict.fromkeys(value for name, value in self.pairs if name == key and value))
        if len(found) > most:
            raise InvalidArgumentError(f"{key}: there are {len(found)} of them, more than {most}")
        return found

    def count(self, key: str, default: int, *, most: int) -> int:
        """Return an argument as a number between 0 and `most`. Raises: InvalidArgumentError."""
        text = self.text(key)
        if not text:
            return default
        if not (text.isascii() and text.isdecimal() and len(text) <= 15 and int(text) <= most):
            raise InvalidArgumentError(f"{key}: {text[:40]!r} is no number from 0 to {most}")
        return int(text)

    def number(self, key: str, default: float, *, least: float, most: float) -> float:
        """Return an argument as a number between two others. Raises: InvalidArgumentError."""
        text = self.text(key)
        found = _decimal(text) if text else default
        if found is None or not least <= found <= most:
            raise InvalidArgumentError(f"{key}: {text[:40]!r} is no number from {least} to {most}")
        return found

    def span(self, key: str) -> tuple[int, int] | None:
        """Return an argument such as `100:2000` as two whole numbers, None if it is not there.

        Raises: InvalidArgumentError.
        """
        text = self.text(key)
        if not text:
            return None
        found = _SPAN.fullmatch(text)
        ends = (int(found[1]), int(found[2])) if found else (1, 0)
        if ends[0] > ends[1]:
            raise InvalidArgumentError(f"{key}: {text[:40]!r} is no range such as 100:2000")
        return ends

    def choice(self, key: str, choices: Sequence[str]) -> str:
        """Return an argument that is one of some words, the first one by default. Raises: InvalidArgumentError."""
        text = self.text(key) or choices[0]
        if text not in choices:
            raise InvalidArgumentError(f"{key}: {text[:40]!r} is none of {', '.join(choices)}")
        return text

    def flag(self, key: str) -> bool:
        """Return whether an argument is there and says 1."""
        return self.text(key) == "1"
