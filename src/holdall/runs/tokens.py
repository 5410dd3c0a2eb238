"""The words of a filter: names, numbers, texts in quotes, comparisons and marks, each with its place.

`filters` makes conditions of them.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Literal

from holdall.errors import InvalidFilterError

_RESERVED = ("AND", "OR", "NOT", "IN", "IS", "NULL", "LIKE", "ILIKE")


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a value or a mark, and where it is in the text."""

    kind: Literal["name", "number", "string", "comparison", "mark", "end"]
    text: str
    position: int

    def __str__(self) -> str:
        if self.kind in ("mark", "comparison"):
            return repr(self.text)
        return (self.text if len(self.text) <= 40 else self.text[:37] + "...") or "the end"

    @property
    def word(self) -> str:
        """In capitals, if it is a keyword."""
        return self.text.upper() if self.kind == "name" and self.text.upper() in (*_RESERVED, "ASC", "DESC") else ""


_SINGLE, _DOUBLE, _BACK = (rf"{quote}(?:[^{quote}]|{quote}{quote})*+{quote}" for quote in "'\"`")
_NAME = rf"(?:\w+|{_BACK})(?:\.(?:{_SINGLE}|{_DOUBLE}|{_BACK}|\w+(?:\.\w+)*))?"
_TOKEN = re.compile(
    r"(?P<number>-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?(?![\w.]))"
    rf"|(?P<name>{_NAME})|(?P<string>{_SINGLE}|{_DOUBLE})|(?P<comparison>[<>=!~]+)|(?P<mark>[(),])"
)
INTEGER = re.compile("-?[0-9]{1,18}")
_SPACE = re.compile(r"\s*")
PARTS = re.compile(rf"(\w+|{_BACK})(?:\.(.+))?", re.DOTALL)
_KEY_END = re.compile(r"[\s<>=!~(),;]|\Z")


def tokens(text: str, prefixes: Container[str]) -> Iterator[Token]:
    """Cut a text into tokens, the last of which is its end.

    Args:
        text: A filter, or a clause of an order.
        prefixes: What may stand before the dot of a field.

    Raises:
        InvalidFilterError: Something in it is no token.
    """
    at, last = 0, Token("end", "", 0)
    while (at := _end(_SPACE.match(text, at))) < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise InvalidFilterError(text, *_stray(text, at, last, prefixes))
        last = Token(found.lastgroup, found[0], at)  # type: ignore[arg-type]  # the groups are the kinds
        yield last
        at = found.end()
    yield Token("end", "", at)


def _end(match: re.Match[str] | None) -> int:
    return match.end() if match else 0


def _stray(text: str, at: int, last: Token, prefixes: Container[str]) -> tuple[int, str]:
    """Return where and why a text stops making sense."""
    quoted_key = text[at] == "." and last.kind == "name" and text[at + 1 : at + 2] in ("'", '"', "`")
    if quoted_key or text[at] in "'\"`":
        return at + quoted_key, "this quote is never closed; one that is part of the text is written twice"
    if last.kind == "name" and last.position + len(last.text) == at and text[at] != ";":
        prefix, _, key = re.split(_KEY_END, text[last.position :], maxsplit=1)[0].partition(".")
        if prefix in prefixes and not key:
            return at, "expected a key after the dot"
        if prefix in prefixes:
            quoted = key.replace("`", "``")
            return at, f"write this key in backticks: {prefix}.`{quoted}`"
    return at, f"unexpected {text[at]!r}"


def unquoted(text: str) -> str:
    """Return the text within quotes, or the text itself."""
    quote = text[0]
    return text[1:-1].replace(quote * 2, quote) if quote in "'\"`" else text
