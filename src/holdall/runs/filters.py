"""What people type to find runs, read into conditions.

The grammar is MLflow's for runs, so that the filters people have go on working,
and `min`, `max`, `artifacts`, `duration`, `files` and `bytes`, which are ours:

    filter     condition AND condition ...
    condition  field = value              also != < <= > >= for numbers, != LIKE ILIKE for texts
               field IN ('a', 'b')        also NOT IN; for run_id, and IN alone for artifacts
               field IS NULL              also IS NOT NULL; for params and tags
    field      metrics.acc   min.loss   max.acc   params.`odd key`   tags."odd key"   start_time   artifacts.path
    value      12   -1.5e3   'text'   "text"
    order      field   field ASC   field DESC

Keywords are read in any case, names are not. A quote within quotes of its kind
is written twice. Each mistake is reported with its place in the text.

This module looks at no run: `search` judges them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NoReturn

from holdall.errors import InvalidFilterError
from holdall.runs.tokens import INTEGER, PARTS, Token, tokens, unquoted


class Entity(StrEnum):
    """Where a field is looked up in a run."""

    METRIC = "metrics"
    LEAST = "min"
    GREATEST = "max"
    PARAM = "params"
    TAG = "tags"
    ATTRIBUTE = "attributes"
    ARTIFACT = "artifacts"


_MEASURED = (Entity.METRIC, Entity.LEAST, Entity.GREATEST)


@dataclass(frozen=True, slots=True)
class Field:
    """One thing of a run that is compared or sorted by."""

    entity: Entity
    key: str

    def __str__(self) -> str:
        return f"{self.entity}.{self.key}"


Value = str | int | float | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison. Its operator is spelled in capitals, with one space; its value is None for IS [NOT] NULL."""

    field: Field
    operator: str
    value: Value


@dataclass(frozen=True, slots=True)
class Subject:
    """A kind of thing that filters and orders are about: runs, experiments, registered models, versions, logged models.

    Attributes:
        plural: What several of them are called in an error.
        texts, numbers: Its attributes.
        listed: Those that are compared with IN, too.
        prefixes: What may stand before the dot of a field.
        example: A field that an error shows.
        unsortable: What they cannot be sorted by, and why.
        aliases: Other names of its attributes.
    """

    plural: str
    texts: tuple[str, ...]
    numbers: tuple[str, ...]
    listed: tuple[str, ...]
    prefixes: Mapping[str, Entity]
    example: str = "name"
    unsortable: Mapping[Entity, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)

    def is_numeric(self, field: Field) -> bool:
        """Return whether a field is compared with numbers."""
        return field.entity in _MEASURED or (field.entity is Entity.ATTRIBUTE and field.key in self.numbers)

    def operators(self, field: Field) -> tuple[str, ...]:
        """Return how a field may be compared."""
        if self.is_numeric(field):
            return _NUMERIC
        match field:
            case Field(Entity.ARTIFACT, "digest"):
                return ("=", "IN")
            case Field(Entity.ARTIFACT):
                return ("=", "LIKE", "ILIKE", "IN")
            case Field(Entity.ATTRIBUTE, key):
                return (*_TEXTUAL, "IN", "NOT IN") if key in self.listed else _TEXTUAL
        return (*_TEXTUAL, "IS NULL", "IS NOT NULL")


def parse_conditions(text: str, subject: Subject | None = None) -> tuple[Condition, ...]:
    """Read the conditions of a filter of runs, or of another subject.

    Raises:
        InvalidFilterError: It cannot be read.
    """
    return _Parser(text, subject or RUN).filter()


def parse_order(text: str, subject: Subject | None = None) -> tuple[Field, bool]:
    """Read what a clause sorts by, and whether the largest come first. Raises: InvalidFilterError."""
    return _Parser(text, subject or RUN).order()


# --- names ----------------------------------------------------------------------

_PREFIXES: Mapping[str, Entity] = {
    "metric": Entity.METRIC,
    "metrics": Entity.METRIC,
    "min": Entity.LEAST,
    "max": Entity.GREATEST,
    "param": Entity.PARAM,
    "params": Entity.PARAM,
    "parameter": Entity.PARAM,
    "parameters": Entity.PARAM,
    "tag": Entity.TAG,
    "tags": Entity.TAG,
    "attr": Entity.ATTRIBUTE,
    "attribute": Entity.ATTRIBUTE,
    "attributes": Entity.ATTRIBUTE,
    "run": Entity.ATTRIBUTE,
    "artifact": Entity.ARTIFACT,
    "artifacts": Entity.ARTIFACT,
}
ATTRIBUTES_AND_TAGS: Mapping[str, Entity] = {
    **dict.fromkeys(("tag", "tags"), Entity.TAG),
    **dict.fromkeys(("attr", "attribute", "attributes"), Entity.ATTRIBUTE),
}
NOT_BY_TAGS = {Entity.TAG: "they are sorted by what all of them have, and not by tags"}
RUN = Subject(
    "runs",
    texts=("run_id", "run_name", "status", "user_id", "artifact_uri"),
    numbers=("start_time", "end_time", "duration", "files", "bytes"),
    listed=("run_id",),
    prefixes=_PREFIXES,
    example="metrics.acc",
    unsortable={Entity.ARTIFACT: "a run holds many artifacts, so runs cannot be sorted by them"},
    aliases={
        **dict.fromkeys(("created", "Created"), "start_time"),
        **dict.fromkeys(("run name", "Run name", "Run Name"), "run_name"),
    },
)
_ARTIFACTS = ("path", "digest")
_REFUSED = {
    "dataset": "filters do not look at datasets; a run says its own in `inputs.dataset_inputs`",
    "datasets": "filters do not look at datasets; a run says its own in `inputs.dataset_inputs`",
    "experiment_id": "experiments are chosen beside the filter, not in it",
    "lifecycle_stage": "deleted runs are chosen beside the filter, not in it",
}

_NUMERIC = ("=", "!=", "<", "<=", ">", ">=")
_TEXTUAL = ("=", "!=", "LIKE", "ILIKE")


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Say that a name is not known, and which one may have been meant."""
    names = [str(name) for name in known]
    if name in _REFUSED:
        return _REFUSED[name]
    close = difflib.get_close_matches(name.lower(), names, n=1)
    return f"no {what} {name!r}; " + (f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names)}")


def _suggested(operator: str) -> str:
    meant = {"==": "=", "<>": "!=", "=>": ">=", "=<": "<="}.get(operator)
    return f"; did you mean {meant}?" if meant else ""


# --- the parser -----------------------------------------------------------------


class _Parser:
    def __init__(self, text: str, subject: Subject) -> None:
        self._text, self._tokens, self._at = text, list(tokens(text, subject.prefixes)), 0
        self._subject = subject

    def filter(self) -> tuple[Condition, ...]:
        found = [self._condition()]
        while self._next.kind != "end":
            if not self._took("AND"):
                self._fail(self._next, f"expected AND or the end, found {self._next}{self._why_not_joined()}")
            found.append(self._condition())
        return tuple(found)

    def order(self) -> tuple[Field, bool]:
        field, descending = self._field(), self._took("ASC", "DESC") == "DESC"
        if self._next.kind != "end":
            self._fail(self._next, f"expected ASC, DESC or the end, found {self._next}")
        return field, descending

    # --- conditions ---

    def _condition(self) -> Condition:
        field = self._field()
        operator = self._operator(field)
        if operator.endswith("NULL"):
            return Condition(field, operator, None)
        if operator.endswith("IN"):
            return Condition(field, operator, self._list(field))
        return Condition(
            field, operator, self._number(field) if self._subject.is_numeric(field) else self._string(field)
        )

    def _field(self) -> Field:
        token = self._take()
        if token.kind == "string" and token.text[0] == '"':
            return self._attribute(token, unquoted(token.text))
        parts = PARTS.fullmatch(token.text) if token.kind == "name" and not token.word else None
        if parts is None:
            found = f"found {token}{self._why_not_joined(token)}"
            self._fail(token, f"expected a field such as {self._subject.example}, {found}")
        name, key = unquoted(parts[1]), unquoted(parts[2] or "`")
        if parts[2] is None:
            return self._attribute(token, name)
        prefixes = self._subject.prefixes
        if name not in prefixes:
            self._fail(token, _unknown("field starts with", name, dict.fromkeys(prefixes.values())))
        return self._keyed(token, prefixes[name], key)

    def _keyed(self, token: Token, entity: Entity, key: str) -> Field:
        if entity is Entity.ATTRIBUTE:
            return self._attribute(token, key)
        if entity is Entity.ARTIFACT and key not in _ARTIFACTS:
            self._fail(token, _unknown("field artifacts.", key, _ARTIFACTS))
        if not key:
            self._fail(token, "expected a key within the quotes")
        return Field(entity, key)

    def _attribute(self, token: Token, name: str) -> Field:
        name = self._subject.aliases.get(name, name)
        prefix, _, key = name.partition(".")
        if prefix in self._subject.prefixes and key:
            self._fail(token, f"quotes stand around the key alone: {prefix}.`{key}`")
        known = (*self._subject.texts, *self._subject.numbers)
        if name not in known:
            self._fail(token, _unknown("attribute", name, known))
        return Field(Entity.ATTRIBUTE, name)

    def _operator(self, field: Field) -> str:
        at = self._next
        found = self._take().text if at.kind == "comparison" else self._spelled()
        operators = self._subject.operators(field)
        if found not in operators:
            allowed = ", ".join(operators)
            self._fail(at, f"{field} is compared with {allowed}; not with {found}{_suggested(found)}")
        return found

    def _spelled(self) -> str:
        """Read an operator of one or more words."""
        found = self._took("LIKE", "ILIKE", "IN", "NOT", "IS")
        if found == "NOT":
            return "NOT " + (self._took("LIKE", "ILIKE") or self._expected("IN"))
        if found == "IS":
            return ("IS NOT " if self._took("NOT") else "IS ") + self._expected("NULL")
        return found or self._fail(self._next, f"expected a comparison such as = or LIKE, found {self._next}")

    # --- values ---

    def _number(self, field: Field) -> int | float:
        token, is_whole = self._take(), field.entity is Entity.ATTRIBUTE
        if token.kind != "number":
            is_time = is_whole and "time" in field.key
            example = "milliseconds since 1970, such as 1767225600000" if is_time else "a number such as 0.9"
            self._fail(token, f"{field} is compared with {example}; found {token}")
        is_short = len(token.text) < 400  # int() refuses thousands of digits, and float() makes them infinite
        return int(token.text) if is_whole and is_short and INTEGER.fullmatch(token.text) else float(token.text)

    def _string(self, field: Field) -> str:
        token = self._take()
        if token.kind != "string":
            self._fail(token, f"{field} is compared with a text in quotes, such as 'adam'; found {token}")
        value = unquoted(token.text)
        return self._digest(token, value) if field == Field(Entity.ARTIFACT, "digest") else value

    def _digest(self, token: Token, value: str) -> str:
        digits = value.removeprefix("sha256:").lower()
        if not re.fullmatch("[0-9a-f]{64}", digits):
            self._fail(token, "a digest is 64 hex digits, with or without sha256: before them")
        return digits

    def _list(self, field: Field) -> tuple[str, ...]:
        """Read texts in parentheses. A comma after the last is allowed: Python writes a tuple of one like that."""
        self._mark("(")
        values = [self._string(field)]
        while not self._is_mark(")"):
            self._mark(",", "',' or ')'")
            if not self._is_mark(")"):
                values.append(self._string(field))
        self._mark(")")
        return tuple(values)

    # --- the text ---

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._next
        self._at += token.kind != "end"
        return token

    def _took(self, *words: str) -> str:
        """Take and tell the keyword that comes next, if it is one of these; "" otherwise."""
        return self._take().word if self._next.word in words else ""

    def _expected(self, word: str) -> str:
        return self._took(word) or self._fail(self._next, f"expected {word}, found {self._next}")

    def _is_mark(self, mark: str) -> bool:
        return self._next.kind == "mark" and self._next.text == mark

    def _mark(self, mark: str, expected: str = "") -> None:
        if not self._is_mark(mark):
            self._fail(self._next, f"expected {expected or repr(mark)}, found {self._next}")
        self._take()

    def _why_not_joined(self, token: Token | None = None) -> str:
        token = token or self._next
        return "; conditions are joined with AND alone" if token.word in ("OR", "NOT") or token.text == "(" else ""

    def _fail(self, token: Token, reason: str) -> NoReturn:
        raise InvalidFilterError(self._text, token.position, reason)
