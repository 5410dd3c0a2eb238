"""The state of a registered model's log, and of a name's.

Two pure folds. A model is a log under an id that never changes; its name is
another log, in which ids claim it. Neither alone says what a model is called,
so that a rename is one entry and a name has never two holders:

    models/<id>    create A   version 1   ...   name B (entry 7)
    names/A        claim id at 0
    names/B        claim id at 6

A claim stands until an entry of the model's log after `at` names the model
otherwise or ends it. So `name B` makes B's claim good and A's void, at once.
SPEC.md, "Registered models".
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from holdall.errors import FormatError
from holdall.format.document import Json
from holdall.format.entry import LogEntry
from holdall.format.names import PLAIN_NAMES, Names


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a registered model.

    Attributes:
        number: From 1 on.
        source: What was registered, as the user said it: `runs:/...` or `models:/...`.
        run, path: Where its files are.
        digest: `sha256:` of the manifest of what is at or below the path, with paths from there on.
        pin: By which name its run is pinned.
        created, updated: Milliseconds since 1970 UTC.
    """

    number: int
    source: str
    run: str
    path: str
    digest: str
    pin: str
    created: int
    updated: int
    user: str | None = None
    run_link: str | None = None
    model_id: str | None = None
    stage: str = "None"
    description: str | None = None
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Move:
    """A change of an alias, removed where `version` is None. `time` is in ms since 1970 UTC; `writer` the program."""

    alias: str
    version: int | None
    time: int
    writer: str


@dataclass(slots=True)
class Registered:
    """The state of a registered model's log.

    Attributes:
        name: Its name, if its claim on it stands (SPEC.md: "Names").
        names: Every name it was given, with the number of the entry that gave it.
        ended: The number of the entry that deleted it; None if none did.
        created, updated: Milliseconds since 1970 UTC.
        versions: Those that are there, by number, ascending.
        last: The highest number ever given.
        pointing: The aliases that point at each version, so that none has to look at all of them.
        moves: What happened to aliases, in order, from entry `moves_from` on.
        moves_from: 0, where that is all; a checkpoint tells nothing of those before it.
        extra: Fields of a later version, carried on.
    """

    name: str = ""
    names: list[tuple[int, str]] = field(default_factory=list)
    ended: int | None = None
    created: int = 0
    updated: int = 0
    description: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    versions: dict[int, Version] = field(default_factory=dict)
    last: int = 0
    aliases: dict[str, int] = field(default_factory=dict)
    pointing: dict[int, dict[str, None]] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)
    moves_from: int = 0
    extra: dict[str, Any] = field(default_factory=dict)

    def upholds(self, name: str, at: int) -> bool:
        """Return whether a claim of a name, made when entry `at` was the newest, still stands."""
        return self.ended is None and all(n <= at or given == name for n, given in self.names)

    def apply(self, entry: LogEntry) -> None:
        """Apply the next entry.

        Raises:
            FormatError: It says something impossible; the state is of no further use then.
        """
        if self.ended is not None:
            raise FormatError(f"{entry.log} entry {entry.n}", "it comes after the model was deleted")
        for op in entry.ops:
            self._apply(op, entry)
        self.updated = entry.time

    def _apply(self, op: Json, entry: LogEntry) -> None:
        match op["op"]:
            case "create" | "name":
                self.created = entry.time if op["op"] == "create" else self.created
                self.name = op["name"]
                self.names.append((entry.n, self.name))
            case "tombstone":
                self.ended = entry.n
            case "tag":
                _set(self.tags, op["key"], op["value"])
            case "describe" if op["version"] is None:
                self.description = op["text"]
            case "version":
                self._begin(op, entry)
            case "alias":
                self._point(op["alias"], op["version"], entry)
            case "drop":
                del self.versions[self._known(op, entry).number]
                for alias in list(self.pointing.get(op["version"], ())):
                    self._point(alias, None, entry)
            case "stage" | "describe" | "version_tag":
                self._change(op, entry)

    def _begin(self, op: Json, entry: LogEntry) -> None:
        if op["version"] != self.last + 1:
            raise FormatError(f"{entry.log} entry {entry.n}", f"version {op['version']} follows version {self.last}")
        facts = {name: op[name] for name in ("source", "run", "path", "digest", "pin", "user", "run_link", "model_id")}
        self.last = op["version"]
        self.versions[self.last] = Version(self.last, **facts, created=entry.time, updated=entry.time)

    def _point(self, alias: str, version: int | None, entry: LogEntry) -> None:
        known = None if version is None else self._known({"version": version}, entry)
        if (before := self.aliases.pop(alias, None)) is not None:
            del self.pointing[before][alias]
        if known:
            self.aliases[alias] = known.number
            self.pointing.setdefault(known.number, {})[alias] = None
        self.moves.append(Move(alias, version, entry.time, entry.writer))

    def _change(self, op: Json, entry: LogEntry) -> None:
        known = self._known(op, entry)
        changes: dict[str, Any] = {"updated": entry.time}
        match op["op"]:
            case "stage":
                changes["stage"] = op["stage"]
            case "describe":
                changes["description"] = op["text"]
            case "version_tag":
                _set(known.tags, op["key"], op["value"])  # its own: a copy for each would make many quadratic
        self.versions[known.number] = replace(known, **changes)

    def _known(self, op: Json, entry: LogEntry) -> Version:
        found = self.versions.get(op["version"])
        if found is None:
            raise FormatError(f"{entry.log} entry {entry.n}", f"it names version {op['version']}, which does not exist")
        return found


@dataclass(slots=True)
class Holder:
    """The state of a name's log: the model that holds it, and the newest entry of its log when it claimed.

    `names` makes logs of names in this store.
    """

    names: Names = PLAIN_NAMES
    name: str = ""
    id: str | None = None
    at: int = 0

    def apply(self, entry: LogEntry) -> None:
        """Apply the next entry.

        Raises:
            FormatError: The log is not of the name that it begins with.
        """
        for op in entry.ops:
            match op["op"]:
                case "create":
                    self.name = op["name"]
                    if self.names.name_log(self.name) != entry.log:
                        raise FormatError(entry.log, f"it begins with the name {self.name!r}, whose log is elsewhere")
                case "claim":
                    self.id, self.at = op["id"], op["at"]
                case "release" if op["id"] == self.id:
                    self.id = None


def _set(tags: dict[str, str], key: str, value: str | None) -> None:
    if value is None:
        tags.pop(key, None)
    else:
        tags[key] = value
