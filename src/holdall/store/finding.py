"""Finding anything in a store by one text: runs, experiments, models, artifacts, digests and addresses.

What is said of runs is searched in memory. Listing what a run holds may cost a request, so paths and digests are
looked for in the newest runs alone; what was not looked at is said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Final

from holdall.display import Listing, own
from holdall.engines.threads import ThreadEngine
from holdall.errors import InvalidArgumentError
from holdall.runs.record import NOTE
from holdall.runs.search import RunSummary
from holdall.trees.salvage import left_out

if TYPE_CHECKING:
    from holdall.naming.record import RegisteredModel
    from holdall.naming.registry import Registry
    from holdall.runs.experiment import Experiments
    from holdall.runs.run_index import RunIndex
    from holdall.runs.runs import Runs

RECENT: Final = 50  # runs whose artifacts are looked at
_LONGEST: Final = 1_000  # characters of a text that is looked for
_SIDE_BY_SIDE: Final = 16  # of these at once
_ALL: Final = 10**9
_RUN_URI: Final = re.compile(r"runs:/([0-9a-f]{32})(?:/(.+))?")
_MODEL_URI: Final = re.compile(r"models:/([^/@]+)(?:/([0-9]+)|@([^/]+))?")
_DIGEST: Final = re.compile(r"(?:sha256:)?([0-9a-f]{64})", re.IGNORECASE)
_WHY: Final = 80  # characters of a value that is shown


@dataclass(frozen=True, slots=True)
class Match:
    """Something that was found.

    Attributes:
        kind: "run", "experiment", "model", "version" or "artifact".
        id: Of the run or experiment; the name of the model.
        name: What it is called.
        why: What of it has the text.
        detail: The path of an artifact, the number of a version; "".
    """

    kind: str
    id: str
    name: str
    why: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Matches:
    """What was found for a text.

    Attributes:
        found: What has it, by kind in the order of `Match.kind`, the newest first.
        more: How many more of a kind there are.
        exact: Whether the text is an address, an id or a digest, which means just what was found.
        left_out: What was not looked at, and why, in sentences.
    """

    found: list[Match] = field(default_factory=Listing)
    more: dict[str, int] = field(default_factory=dict)
    exact: bool = False
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rooms:
    """Where it is looked. Attributes: runs, experiments, registry, index."""

    runs: Runs
    experiments: Experiments
    registry: Registry
    index: RunIndex


def search_everything(store: Rooms, text: str, limit: int) -> Matches:
    """Return what has a text. Args, raises, cost: as `Store.search`."""
    wanted = text.strip()
    if len(wanted) > _LONGEST or limit < 1:
        raise InvalidArgumentError(f"a text of at most {_LONGEST} characters is looked for, and limit is 1 or more")
    if not wanted:
        return Matches()
    index = store.index
    runs = index.page(None, None, None, None, limit=_ALL).records
    if exact := _named(wanted, index):
        return Matches(Listing(exact), exact=True)
    if digest := _DIGEST.fullmatch(wanted):
        return _holding(store, runs, lambda _, sha256: sha256 == digest[1].lower(), limit, exact=True)
    word = wanted.lower()
    found = _holding(store, runs, lambda path, _: word in path.lower(), limit)
    kinds: list[tuple[str, Iterator[Match]]] = [
        ("run", _runs(runs, word)),
        ("experiment", _experiments(store, word)),
        ("model", _models(store.registry.search_models(), word)),
    ]
    for kind, some in reversed(kinds):
        every = list(some)
        found.found[:0] = every[:limit]
        if len(every) > limit:
            found.more[kind] = len(every) - limit
    return found


def _named(text: str, index: RunIndex) -> list[Match]:
    """Return what an address or a whole id names; nothing if it is none."""
    if address := _RUN_URI.fullmatch(text):
        run, path = address[1], address[2] or ""
        name = known.run_name if (known := index.get(run)) else run
        return [Match("artifact" if path else "run", run, path or name, "its address", path)]
    if address := _MODEL_URI.fullmatch(text):
        if address[2]:
            return [Match("version", address[1], f"{address[1]} {address[2]}", "its address", address[2])]
        return [Match("model", address[1], address[1], "its address")]
    found = index.get(text.lower())
    return [Match("run", found.run_id, found.run_name, "its id")] if found else []


def _runs(runs: Iterable[RunSummary], word: str) -> Iterator[Match]:
    for run in runs:
        if why := next((said for said in _said_of(run, word)), ""):
            yield Match("run", run.run_id, run.run_name, why)


def _said_of(run: RunSummary, word: str) -> Iterator[str]:
    """Yield what of a run has a word, the name first."""
    if word in run.run_name.lower():
        yield "name"
    if len(word) >= 4 and run.run_id.startswith(word):
        yield f"id {run.run_id}"
    for what, values in (("param", run.params), ("tag", own(run.tags))):
        yield from (f"{what} {k}={v[:_WHY]}" for k, v in values.items() if word in v.lower() or word == k.lower())
    if word in (note := run.tags.get(NOTE, "")).lower():
        yield f"description {note[:_WHY]}"


def _experiments(store: Rooms, word: str) -> Iterator[Match]:
    for one in store.experiments.all():
        if word in one.name.lower() or word == one.experiment_id:
            yield Match("experiment", one.experiment_id, one.name, "name")
        elif tag := next((f"tag {k}={v[:_WHY]}" for k, v in own(one.tags).items() if word in v.lower()), ""):
            yield Match("experiment", one.experiment_id, one.name, tag)


def _models(models: Iterable[RegisteredModel], word: str) -> Iterator[Match]:
    for model in models:
        if word in model.name.lower():
            yield Match("model", model.name, model.name, "name")
        elif word in (model.description or "").lower():
            yield Match("model", model.name, model.name, f"description {(model.description or '')[:_WHY]}")
        for alias, number in model.aliases.items():
            if word in alias.lower():
                yield Match("version", model.name, f"{model.name} {number}", f"alias {alias}", number)


def _holding(
    store: Rooms, runs: list[RunSummary], fits: Callable[[str, str], bool], limit: int, *, exact: bool = False
) -> Matches:
    """Return the files of the newest runs that fit by path and digest."""
    recent = [run for run in runs if run.files][:RECENT]

    def files_of(run: RunSummary) -> list[Match]:
        with left_out(f"run {run.run_id}"):
            held = store.runs.get(run.run_id).manifest
            return [
                Match("artifact", run.run_id, path, run.run_name, path) for path, sha in held.items() if fits(path, sha)
            ]
        return []

    with ThreadEngine(_SIDE_BY_SIDE) as threads:
        found = list(chain.from_iterable(threads.map(files_of, recent)))
    older = sum(run.files > 0 for run in runs) - len(recent)
    said = [f"Artifacts were looked for in the newest {len(recent)} runs that have any, not in {older} older ones."]
    more = {"artifact": len(found) - limit} if len(found) > limit else {}
    return Matches(Listing(found[:limit]), more, exact, said if older > 0 else [])
