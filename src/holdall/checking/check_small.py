"""What is neither a pack nor a run: single objects, logs of experiments, models and names, hints."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from holdall.checking.check_keys import check_keys
from holdall.checking.check_links import Links
from holdall.checking.check_packs import Footers, Rows
from holdall.checking.findings import Problem
from holdall.checking.listed_entries import each_listed
from holdall.errors import FormatError, HoldallError, ObjectNotFoundError
from holdall.format.damage import parse_damage
from holdall.format.document import MAX_DOCUMENT
from holdall.format.entry import LogEntry
from holdall.format.layout import (
    CANARY,
    DESCRIPTOR,
    EXPERIMENTS,
    HINTS,
    MODELS,
    NAMES,
    Key,
    PackName,
    catalog_key,
    damage_key,
    experiment_log,
    generation_key,
    hint_key,
    parse_key,
    parse_model_id,
)
from holdall.format.model_checkpoint import parse_checkpoint, same_entries, state_to_json
from holdall.format.names import Names
from holdall.format.records import encode_canary, parse_descriptor, parse_generation, parse_hint, quarantine_end
from holdall.format.registered import Holder, Registered, Version
from holdall.trees.catalogs import CatalogObject
from holdall.trees.journal import Journal
from holdall.trees.location import Location

_REPEATED: Final = 1024  # entries that are held against what a checkpoint repeats, at most


class SmallCheck:
    """Checks what there is little of.

    Attributes:
        problems: What is wrong.
        entries: How many log entries there are.
        versions: What was registered of each run: the log of the model, and the version.
    """

    def __init__(self, location: Location, links: Links) -> None:
        self._location, self._links = location, links
        self.problems: list[Problem] = []
        self.entries = 0
        self.versions: defaultdict[str, list[tuple[str, Version]]] = defaultdict(list)

    def objects(self, keys: Mapping[str, Sequence[Key]]) -> None:
        """Check the descriptor, the canary, key slots, generations, records of damage, catalogs. Cost: a GET each."""
        with self._noting(DESCRIPTOR):
            store = (found := parse_descriptor(self._small(DESCRIPTOR))).store
            with self._noting(CANARY):
                if keys["canary"] and self._small(CANARY) != encode_canary(store):
                    raise FormatError(CANARY, "it is not the canary of this store")
            self.problems += check_keys(self._location.bucket, store) if found.sealed else []
        self._generations([*keys["condemn"], *keys["verdict"], *keys["done"]])
        for pack in [key.pack for key in keys["damaged"] if key.pack]:
            with self._noting(damage_key(pack), harmless=True):
                parse_damage(self._small(damage_key(pack)), pack)
        for key in keys["catalog"]:
            self._catalog(catalog_key(key.number))

    def _catalog(self, name: str) -> None:
        """Check that a catalog can be read; what is wrong with it costs requests, no content."""
        bucket = self._location.bucket
        with self._noting(name, harmless=True), suppress(ObjectNotFoundError):  # it was superseded just now
            for info in bucket.list(name, limit=1):
                found = CatalogObject.open(bucket, info)
                for block in found.header.blocks:
                    found.rows(block)

    def _generations(self, keys: Sequence[Key]) -> None:
        """Check generations of garbage, one after the other: each may name very many packs."""
        before, condemned = -1, frozenset[PackName]()
        for key in sorted(keys, key=lambda key: (key.number, key.kind)):  # `condemn` is the first of its generation
            name = generation_key(key.number, key.kind)
            with self._noting(name):
                data = self._small(name)
                packs = parse_generation(data, key.number, key.kind)
                if key.kind == "condemn":
                    quarantine_end(data, key.number)
                    before, condemned = key.number, packs
                if key.kind == "verdict" and key.number == before and not packs <= condemned:
                    raise FormatError(name, "it names packs that were not condemned, and no collection goes by it")

    def logs(self, numbers: Mapping[str, Sequence[int]]) -> None:
        """Fold the logs of experiments, models and names. Cost: a GET for each entry."""
        for log, listed in numbers.items():
            self.entries += len(listed)
            self._log(log, listed)

    def _log(self, log: str, listed: Sequence[int]) -> None:
        journal = Journal(self._location.bucket, self._location.pool, log)
        folded, sound, since = _fold_of(log, self._location.names), True, deque[LogEntry](maxlen=_REPEATED)
        for entry in each_listed(journal, listed, partial(self._note, log)):
            if entry is None or not sound:
                sound = False
                continue
            with self._noting(log):
                sound = False
                if isinstance(folded, Registered):
                    _check_checkpoint(entry, folded, since)
                if folded:
                    folded.apply(entry)
                if entry.n == 0 and log.startswith(EXPERIMENTS):
                    _check_experiment(entry, self._location.names)
                sound = True
        if sound and folded:
            self._links.add(log, folded)
        if isinstance(folded, Registered) and folded.ended is None:
            for version in folded.versions.values():
                self.versions[version.run].append((log, version))

    def _small(self, key: str) -> bytes:
        return self._location.bucket.get(key, limit=MAX_DOCUMENT)

    @contextmanager
    def _noting(self, where: str, *, harmless: bool = False) -> Iterator[None]:
        try:
            yield
        except HoldallError as error:
            self.problems.append(Problem(where, str(error), harmless=harmless))

    def _note(self, where: str, detail: str) -> None:
        self.problems.append(Problem(where, detail))


@dataclass(frozen=True, slots=True)
class HintShard:
    """Hints of chunks whose ids begin so. Attributes: listed (these chunks, if they are known; else it is listed)."""

    prefix: str = ""
    listed: Sequence[bytes] | None = field(default=None)

    def __str__(self) -> str:
        return f"{HINTS}{self.prefix}"

    def chunks(self, location: Location) -> Iterable[bytes]:
        """Return the chunks that have hints. Cost: a listing, where they were not listed."""
        if self.listed is not None:
            return self.listed
        keys = (parse_key(info.key) for info in location.bucket.list(f"{HINTS}{self.prefix}"))
        return (bytes.fromhex(key.chunk) for key in keys if key and key.kind == "hint")


def check_hints(
    location: Location, known: Mapping[PackName, Rows] | None, bad: frozenset[PackName], shard: HintShard
) -> list[Problem]:
    """Check that each hint leads to a pack that has its chunk; what is wrong with hints costs space, no content.

    Cost: a GET each, and the footer of each pack, if that is not known.
    """
    problems, footers = [], Footers(location, known)
    for chunk in shard.chunks(location):
        where = hint_key(chunk)
        try:
            pack = parse_hint(location.bucket.get(where, limit=MAX_DOCUMENT), chunk)
            ((_, rows),) = footers.rows([pack]) if pack not in bad else [(pack, {})]
            if pack not in bad and (isinstance(rows, str) or all(row.id != chunk for row in rows.values())):
                raise FormatError(f"hint to pack {pack}", "that pack does not hold the chunk")
        except HoldallError as error:
            problems.append(Problem(where, str(error), harmless=True))
    return problems


def _check_experiment(entry: LogEntry, names: Names) -> None:
    name = entry.ops[0].get("name") if entry.ops else None
    if not isinstance(name, str) or experiment_log(names.experiment_id(name)) != entry.log:
        raise FormatError(entry.log, "it does not begin with the name of this experiment")


def _check_checkpoint(entry: LogEntry, before: Registered, since: deque[LogEntry]) -> None:
    """Check that an entry's checkpoint tells what those before it do, of which `since` are behind the last state.

    Raises:
        FormatError: It does not.
    """
    told = parse_checkpoint(entry)
    if told and told.state:
        if state_to_json(replace(told.state, extra={})) != state_to_json(before):
            raise FormatError(f"{entry.log} entry {entry.n}", "its checkpoint is not what the entries before it say")
        since.clear()
        return
    if told and not same_entries(told.since[-_REPEATED:], since):
        raise FormatError(f"{entry.log} entry {entry.n}", "its checkpoint does not repeat the entries before it")
    since.append(entry)


def _fold_of(log: str, names: Names) -> Registered | Holder | None:
    """Return what adds up the entries of such a log; None for the logs of logged models, which are reserved."""
    if log.startswith(NAMES):
        return Holder(names)
    return Registered() if log.startswith(MODELS) and parse_model_id(log.removeprefix(MODELS)) is None else None
