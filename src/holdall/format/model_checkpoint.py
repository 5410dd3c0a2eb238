"""What the entries of a registered model's log amount to, carried by some of them.

An alias may have moved ten thousand times, and only where it points now is
asked for. So entries of such a log have a checkpoint, which is read instead of
those before it:

    entry   0    1     2     ...   64      65     66     ...   128
    state                          0-63                        0-127
    since        0     0-1         .       none   65           .
    at           null  null        64      64     64           128

The newest entry and the one that its `at` names tell all. What an alias
pointed at before is not in it: that is asked for seldom, and read from the log.
Readers of before know no checkpoints of models and pass over them; writers of
before write entries without one. SPEC.md, "Registered models".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from holdall.errors import FormatError
from holdall.format.document import Json
from holdall.format.entry import LogEntry, check_ops
from holdall.format.ops import MODEL_OPS, STAGES, Fields, is_count, is_text, is_text_or_null
from holdall.format.registered import Registered, Version

_WHERE: Final = ("source", "run", "path", "digest", "pin", "user", "run_link", "model_id")


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _is_texts(value: object) -> bool:
    return isinstance(value, dict) and all(map(is_text, value.values()))


def _is_aliases(value: object) -> bool:
    return isinstance(value, dict) and all(is_count(number) for number in value.values())


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(given, list) and len(given) == 2 and is_count(given[0]) and is_text(given[1]) for given in value
    )


_VERSION: Final[Fields] = MODEL_OPS["version"] | {
    "created": is_count,
    "updated": is_count,
    "stage": STAGES.__contains__,
    "description": is_text_or_null,
    "tags": _is_texts,
}
_STATE: Final[Fields] = {
    "name": is_text,
    "names": _is_names,
    "created": is_count,
    "updated": is_count,
    "description": is_text_or_null,
    "tags": _is_texts,
    "last": is_count,
    "versions": _is_list,
    "aliases": _is_aliases,
}
_SINCE: Final[Fields] = {"n": is_count, "time": is_count, "writer": is_text, "ops": _is_list}


@dataclass(frozen=True, slots=True)
class ModelCheckpoint:
    """The checkpoint of one entry.

    Attributes:
        at: The number of the newest entry up to this one that carries a state; None if none does yet.
        state: The state before this entry, where this is that one.
        since: Elsewhere the entries behind `at` and before this one, as far as a state is made of them.
    """

    at: int | None
    state: Registered | None
    since: tuple[LogEntry, ...] = ()


def state_to_json(model: Registered) -> Json:
    """Return a state as a checkpoint carries it."""
    return {
        **model.extra,
        "name": model.name,
        "names": [list(given) for given in model.names],
        "created": model.created,
        "updated": model.updated,
        "description": model.description,
        "tags": model.tags,
        "last": model.last,
        "versions": [_version_to_json(version) for version in model.versions.values()],
        "aliases": model.aliases,
    }


def since_to_json(entry: LogEntry) -> Json:
    """Return an entry as later ones repeat it."""
    return {"n": entry.n, "time": entry.time, "writer": entry.writer, "ops": list(entry.ops)}


def parse_checkpoint(entry: LogEntry) -> ModelCheckpoint | None:
    """Return the checkpoint of an entry; None where it has none.

    Raises:
        FormatError: It is not what a writer makes.
    """
    body, what = entry.checkpoint, f"the checkpoint of {entry.log} entry {entry.n}"
    if body is None:
        return None
    at = body.get("at")
    if is_count(at) and at == entry.n:
        return ModelCheckpoint(at, _parse_state(body.get("state"), what, entry.n))
    if at is not None and not (is_count(at) and at < entry.n):
        raise FormatError(what, f"its state is at {at!r}")
    since, first = body.get("since"), 0 if at is None else at + 1
    if not isinstance(since, list) or len(since) != entry.n - first:
        raise FormatError(what, f"it does not repeat the entries from {first} on")
    return ModelCheckpoint(at, None, tuple(_repeated(one, entry.log, n, what) for n, one in enumerate(since, first)))


def _repeated(body: object, log: str, n: int, what: str) -> LogEntry:
    found = _checked(body, _SINCE, what)
    if found["n"] != n:
        raise FormatError(what, f"it repeats entry {found['n']} as entry {n}")
    check_ops(found["ops"], log, n, what)
    return LogEntry(log, n, "", None, found["time"], found["writer"], None, tuple(found["ops"]))


def _parse_state(body: object, what: str, before: int) -> Registered:
    found = _checked(body, _STATE, what)
    versions = [_parse_version(one, what) for one in found["versions"]]
    numbers = [version.number for version in versions]
    if not all(a < b for a, b in pairwise([*numbers, found["last"] + 1])):
        raise FormatError(what, "its versions do not ascend, or come after the last")
    given, names = [number for number, _ in found["names"]], [name for _, name in found["names"]]
    if names[-1:] != [found["name"]] or not all(a <= b for a, b in pairwise([*given, before - 1])):
        raise FormatError(what, "its names are not those that entries before it gave")
    state = Registered(
        name=found["name"],
        names=[(number, name) for number, name in found["names"]],
        created=found["created"],
        updated=found["updated"],
        description=found["description"],
        tags=found["tags"],
        versions={version.number: version for version in versions},
        last=found["last"],
        aliases=found["aliases"],
        moves_from=before,
        extra={key: value for key, value in found.items() if key not in _STATE},
    )
    for alias, number in state.aliases.items():
        if number not in state.versions:
            raise FormatError(what, f"it points an alias at version {number}, which does not exist")
        state.pointing.setdefault(number, {})[alias] = None
    return state


def _version_to_json(version: Version) -> Json:
    where = {name: getattr(version, name) for name in _WHERE}
    said = {"stage": version.stage, "description": version.description, "tags": version.tags}
    return {"version": version.number, **where, "created": version.created, "updated": version.updated, **said}


def _parse_version(body: object, what: str) -> Version:
    found: dict[str, Any] = _checked(body, _VERSION, what)
    facts = {name: found[name] for name in (*_WHERE, "created", "updated", "stage", "description", "tags")}
    return Version(number=found["version"], **facts)


def _checked(body: object, fields: Fields, what: str) -> Json:
    if not isinstance(body, dict):
        raise FormatError(what, "something in it is no object")
    for name, is_valid in fields.items():
        if name not in body or not is_valid(body[name]):
            raise FormatError(what, f"its {name} is missing or not what it should be")
    return body


def same_entries(repeated: Iterable[LogEntry], entries: Iterable[LogEntry]) -> bool:
    """Return whether a checkpoint repeats these entries."""
    return [since_to_json(one) for one in repeated] == [since_to_json(one) for one in entries]
