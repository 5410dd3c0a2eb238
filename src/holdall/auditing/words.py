"""What an entry's operations say, in plain words: a few for each kind, however many there are.

Names that are in them may be anybody's text: they are cut here, and escaped by whoever shows them.
Rules without I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Final

from holdall.format.document import Json
from holdall.sizes import format_size

_NAMED: Final = 3  # names that are told of many
_LONGEST: Final = 100  # characters of one
_SESSION: Final = 8  # digits of one that are told
_RUN_NAME: Final = "mlflow.runName"

Words = Callable[[Sequence[Json]], str]


def words_of(ops: Sequence[Json]) -> Iterator[str]:
    """Yield what operations say, in their order; those of a kind that follow each other, together."""
    for name, some in groupby(ops, key=lambda op: str(op["op"])):
        if name == "tag":
            yield from _tags(list(some))
        else:
            yield _WORDS.get(name, lambda found, name=name: f"{_cut(name)}{_times(found)}")(list(some))


def user_of(ops: Sequence[Json]) -> str | None:
    """Return who the operations say that the run is of, by the tag `mlflow.user`; None if they do not."""
    said = [op["value"] for op in ops if op["op"] == "tag" and op["key"] == "mlflow.user"]
    asked = [op["user"] for op in ops if op["op"] == "version" and op.get("user")]
    found = [*said, *asked]
    return _cut(str(found[-1])) if found and found[-1] is not None else None


def sessions_of(ops: Sequence[Json]) -> list[str]:
    """Return the sessions that the operations open or close."""
    return [str(op["session"]) for op in ops if op["op"] in ("open", "close")]


def _tags(ops: Sequence[Json]) -> Iterator[str]:
    """Yield what tags say: those with a meaning for it, all others by their keys."""
    others: list[Json] = []
    for op in ops:
        key, value = op["key"], op["value"]
        if key == _RUN_NAME and value is not None:
            yield f"called it {_quoted(value)}"
        elif (meaning := next((word for begin, word in _MEANINGS if key.startswith(begin)), "")) and value is not None:
            yield meaning
        else:
            others.append(op)
    for word, some in (
        ("set", [op["key"] for op in others if op["value"] is not None]),
        ("removed", [op["key"] for op in others if op["value"] is None]),
    ):
        if some:
            yield f"{word} {_counted(len(some), 'tag')}: {_names(some)}"


def _commit(ops: Sequence[Json]) -> str:
    files, size = sum(op["files"] for op in ops), sum(op["bytes"] for op in ops)
    return f"logged {_counted(files, 'file')}, {format_size(size)}"


def _removed(ops: Sequence[Json]) -> str:
    paths = [path for op in ops for path in op["paths"]]
    return f"removed {_counted(len(paths), 'path')}: {_names(paths)}"


def _metrics(ops: Sequence[Json]) -> str:
    points = [point for op in ops for point in op["points"]]
    keys = dict.fromkeys(str(point[0]) for point in points)
    return f"measured {_counted(len(points), 'value')} of {_names(list(keys))}"


def _params(ops: Sequence[Json]) -> str:
    return f"set {_counted(len(ops), 'parameter')}: {_names([op['key'] for op in ops])}"


def _created(ops: Sequence[Json]) -> str:
    op = ops[0]
    return (
        f"created it, in experiment {op['experiment']}"
        if "experiment" in op
        else f"created it as {_quoted(op['name'])}"
    )


def _alias(ops: Sequence[Json]) -> str:
    told = (
        f"pointed {_quoted(op['alias'])} at version {op['version']}"
        if op["version"]
        else f"removed {_quoted(op['alias'])}"
        for op in ops[:_NAMED]
    )
    return f"{'; '.join(told)}{_more(len(ops))}"


def _each(text: str) -> Words:
    """Return the words of each of some operations, from a text with their fields in it."""

    def words(ops: Sequence[Json]) -> str:
        told = (text.format(**{name: _cut(str(value)) for name, value in op.items()}) for op in ops[:_NAMED])
        return f"{'; '.join(told)}{_more(len(ops))}"

    return words


def _session(word: str) -> Words:
    """Return the words of some sessions, by the beginnings of their ids."""

    def words(ops: Sequence[Json]) -> str:
        return f"{word} session {', '.join(str(op['session'])[:_SESSION] for op in ops[:_NAMED])}{_more(len(ops))}"

    return words


_MEANINGS: Final = (
    ("holdall.signature.", "signed it"),
    ("holdall.expired", "a retention policy says that it is due"),
    ("holdall.deployment.", "recorded a deployment"),
    ("holdall.model.", "recorded a model"),
    ("holdall.read.", "recorded what it read"),
    ("holdall.input.", "recorded an input"),
    ("holdall.copied", "copied it from another store"),
    ("holdall.group.", "committed a group"),
)
_WORDS: Final[dict[str, Words]] = {
    "create": _created,
    "open": _session("opened"),
    "close": _session("closed"),
    "commit": _commit,
    "remove": _removed,
    "trim": _each("gave up earlier versions of '{path}'"),
    "part": _each("kept the part of rank {rank} of group '{group}'"),
    "unpart": _each("ended group '{group}'"),
    "param": _params,
    "metric": _metrics,
    "status": _each("says that it is {status}"),
    "fence": _each("was fenced by collection {generation}"),
    "environment": _each("recorded its environment"),
    "pin": _each("pinned it for {by}"),
    "unpin": _each("took a pin back"),
    "tombstone": _each("deleted it"),
    "restore": _each("restored it"),
    "purge": _each("purged it: its content may be gone"),
    "claim": _each("claimed the name for model {id}"),
    "release": _each("released the name of model {id}"),
    "name": _each("called it '{name}'"),
    "version": _each("registered version {version} of {source}"),
    "drop": _each("deleted version {version}"),
    "alias": _alias,
    "stage": _each("moved version {version} to stage {stage}"),
    "describe": _each("described it"),
    "version_tag": _each("set the tag '{key}' of version {version}"),
}


def _names(some: Sequence[str]) -> str:
    return ", ".join(_quoted(each) for each in some[:_NAMED]) + _more(len(some))


def _more(count: int) -> str:
    return f" and {count - _NAMED} more" if count > _NAMED else ""


def _times(some: Sequence[object]) -> str:
    return f", {len(some)} times" if len(some) > 1 else ""


def _quoted(text: object) -> str:
    return f"'{_cut(str(text))}'"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"
