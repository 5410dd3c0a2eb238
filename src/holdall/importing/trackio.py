"""Projects of Trackio: a SQLite database each, with media and artifacts beside it.

Numbers become measurements, the configuration becomes parameters. What a store
has no word for (texts, tables, alerts) is kept as it was logged, in
`trackio/rows.jsonl` and `trackio/alerts.jsonl` of the run.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from holdall.errors import InvalidArgumentError, InvalidURIError, SourceUnreadableError
from holdall.importing.bringing import Bringer
from holdall.importing.folder import existing
from holdall.importing.found import FileSet, FoundExperiment, FoundRun, Point, fingerprint
from holdall.importing.planned import Planned
from holdall.moving import Problem
from holdall.runs.record import USER
from holdall.store import Store

_NAMED: Final = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_LONGEST: Final = 16 << 20  # bytes of one logged row
_DEEPEST: Final = 20  # levels of a configuration


def plan_trackio(store: Store, folder: Path, projects: tuple[str, ...]) -> Planned:
    """Return what an import of Trackio's folder would bring. Args, raises: as `holdall.importing.from_trackio`."""
    top = existing(folder)
    there = {place.stem: place for place in sorted(top.glob("*.db"))}
    if not there:
        raise InvalidURIError(str(folder), "no Trackio keeps its projects here: there is no *.db").advised(
            "Trackio keeps them in ~/.cache/huggingface/trackio if TRACKIO_DIR does not say otherwise"
        )
    if lacking := [name for name in projects if name not in there]:
        raise InvalidArgumentError(f"the source has no project {lacking[0]!r}")
    runs, problems = [], []
    chosen = {name: place for name, place in there.items() if not projects or name in projects}
    for name, place in chosen.items():
        try:
            runs += list(_Project(top, name, place).runs())
        except (sqlite3.Error, SourceUnreadableError) as error:
            problems.append(Problem("experiment", name, "", f"its database cannot be read: {error}"))
    return Planned(Bringer(store, str(top)), runs, [FoundExperiment(name) for name in chosen], problems)


class _Project:
    """One project, whose database is opened for reading alone."""

    def __init__(self, top: Path, name: str, place: Path) -> None:
        self._top, self._name, self._place = top, name, place

    def runs(self) -> Iterator[FoundRun]:
        """Yield its runs, by the ids that Trackio gave them; by name in a database from before it did."""
        told = list(self._rows("configs", "config", "created_at"))
        configs = {id: _object(text) for id, _, text, _ in told}
        seen: dict[str, list[Any]] = {id: [name, at, at, 0] for id, name, _, at in told}
        logged = (*self._rows("metrics", "timestamp"), *self._rows("system_metrics", "timestamp"))
        for id, name, at in logged:
            facts = seen.setdefault(id, [name, at, at, 0])
            facts[1], facts[2], facts[3] = min(facts[1], at), max(facts[2], at), facts[3] + 1
        for id, (name, first, last, count) in seen.items():
            yield self._found(id, name, configs.get(id, {}), first, last, count)

    # --- inside ---

    def _found(self, id: str, name: str, config: Mapping[str, Any], first: str, last: str, count: int) -> FoundRun:
        params = {key: _text(value) for key, value in _flat(config) if not key.startswith("_")}
        user, group = config.get("_Username"), config.get("_Group")
        tags = {USER: str(user)} if user else {}
        tags |= {"trackio.group": str(group)} if group else {}
        given, sums = self._files(id, name)
        return FoundRun(
            key=f"trackio:{self._name}/{id}",
            source_id=id,
            experiment=self._name,
            name=name,
            start_time=_time(str(config.get("_Created") or first)),
            end_time=_time(last),
            params=params,
            tags=tags,
            points=partial(self._points, id),
            folder=FileSet(given, sums),
            state=fingerprint(params, tags, first, last, count),
        )

    def _points(self, id: str) -> Iterator[Point]:
        try:
            for _, _, text, at, step in self._rows("metrics", "metrics", "timestamp", "step", of=id):
                for key, value in _flat(_object(text)):
                    if (number := _number(value)) is not None:
                        yield key, number, int(step), _time(at) or 0
            for step, (_, _, text, at) in enumerate(self._rows("system_metrics", "metrics", "timestamp", of=id)):
                for key, value in _flat(_object(text)):
                    if (number := _number(value)) is not None:
                        yield f"system/{key}", number, step, _time(at) or 0
        except sqlite3.Error as error:
            raise SourceUnreadableError(str(self._place), str(error)) from error

    def _files(self, id: str, name: str) -> tuple[dict[str, Path | bytes], dict[str, str]]:
        """Return the run's media, what it has beside numbers, and the files of the artifacts that it made."""
        given: dict[str, Path | bytes] = {}
        sums: dict[str, str] = {}
        logged = (
            {"step": step, "timestamp": at, "values": _object(text)}
            for _, _, text, at, step in self._rows("metrics", "metrics", "timestamp", "step", of=id)
        )
        rows = [row for row in logged if any(_number(value) is None for _, value in _flat(row["values"]))]
        alerts = [
            {"title": title, "timestamp": at, "text": text, "level": level, "step": step}
            for _, _, title, at, text, level, step in self._rows(
                "alerts", "title", "timestamp", "text", "level", "step", of=id
            )
        ]
        for path, lines in (("trackio/rows.jsonl", rows), ("trackio/alerts.jsonl", alerts)):
            if lines:
                given[path] = "".join(json.dumps(line) + "\n" for line in lines).encode()
        media = self._top / "media" / self._name / _safe(name)
        for file in sorted(media.rglob("*")) if media.is_dir() else ():
            if file.is_file():
                given[f"media/{file.relative_to(media)}"] = file
        for path, digest in self._artifacts(id):
            blobs = self._top / "artifacts" / self._name / "blobs" / "sha256"
            given[path], sums[path] = blobs / digest[:2] / digest, digest
        return given, sums

    def _artifacts(self, id: str) -> Iterator[tuple[str, str]]:
        """Yield the path and the digest of each file of the artifacts that a run made."""
        if not self._has("artifact_versions"):
            return
        asked = "SELECT a.name, v.version, v.manifest FROM artifact_versions v JOIN artifacts a ON a.id = v.artifact_id"
        for name, version, manifest in self._ask(f"{asked} WHERE v.producer_run_id = ?", (id,)):
            listed = _parsed(manifest)
            for file in listed if isinstance(listed, list) else ():
                digest = file.get("digest") if isinstance(file, dict) else None
                if isinstance(digest, str) and len(digest) == 64 and digest.isalnum():
                    yield f"artifacts/{name}/v{version}/{file.get('path')}", digest

    def _rows(self, table: str, *columns: str, of: str | None = None) -> Iterator[tuple[Any, ...]]:
        """Yield run's id, run's name and columns of the rows of a table, of all runs or of one, in order."""
        known = self._has(table)
        if not known:
            return
        id = "run_id" if "run_id" in known else "run_name"
        asked = f"SELECT {id}, run_name, {', '.join(columns)} FROM {table}"
        where = f" WHERE {id} = ?" if of is not None else ""
        yield from self._ask(f"{asked}{where} ORDER BY id", () if of is None else (of,))

    def _has(self, table: str) -> set[str]:
        """Return the columns of a table; none where it is not there, or a view, which may never end."""
        if not list(self._ask("SELECT 1 FROM sqlite_master WHERE name = ? AND type = 'table'", (table,))):
            return set()
        return {name for _, name, *_ in self._ask(f"PRAGMA table_info({table})", ())}

    def _ask(self, question: str, given: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"{self._place.as_uri()}?mode=ro", uri=True)) as database:
            if hasattr(database, "setlimit"):
                database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
            yield from database.execute(question, given)


def _parsed(text: Any) -> Any:
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None


def _object(text: Any) -> dict[str, Any]:
    found = _parsed(text)
    return found if isinstance(found, dict) else {}


def _flat(said: Mapping[str, Any], before: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield what a nested object says, with keys such as `optimizer/rate`; what has a type of Trackio's as it is."""
    for key, value in said.items():
        if isinstance(value, dict) and value and "_type" not in value and depth < _DEEPEST:
            yield from _flat(value, f"{before}{key}/", depth + 1)
        else:
            yield f"{before}{key}", value


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        return _NAMED.get(value)
    try:
        return float(value) if isinstance(value, int | float) else None
    except OverflowError:
        return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _time(text: str) -> int | None:
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _safe(name: str) -> str:
    """Return a run's name as the name of one folder; one that leads elsewhere leads nowhere."""
    return name if name not in ("", ".", "..") and not set(name) & set("/\\\0") else "\1"
