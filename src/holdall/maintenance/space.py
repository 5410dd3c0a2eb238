"""How much room a store takes, and what of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from holdall.format.layout import RUNS, parse_key
from holdall.measuring.usage import Usage, usage
from holdall.runs.record import RUN_NAME
from holdall.trees.heads import Heads
from holdall.trees.location import Location
from holdall.trees.view import read_states


@dataclass(frozen=True, slots=True)
class Stats:
    """How much a store holds.

    Attributes:
        store: Its id.
        runs: How many.
        files, bytes: What the runs hold, each counted for itself.
        packs, pack_bytes: What that takes in packs.
        log_bytes: What it takes in logs.
        objects: All keys, and all bytes behind them.
    """

    store: str
    runs: int
    files: int
    bytes: int
    packs: int
    pack_bytes: int
    log_bytes: int
    objects: int
    object_bytes: int


class SpaceVerbs:
    """Measuring: a part of `Maintenance`."""

    _location: Location

    def stats(self) -> Stats:
        """How much the store holds. What is damaged is named and left out.

        Cost: one listing of everything, and a GET for each run that has ended.

        Example:
            >>> store.maintenance.stats().runs
            1
        """
        store = self._location.descriptor.store
        count, size = Counter[str](), Counter[str]()
        heads = Heads()
        for info in self._location.bucket.list():
            key = parse_key(info.key)
            kind = key.kind if key else "foreign"
            count[kind] += 1
            size[kind] += info.size
            heads.add(info)
        runs = {log: head for log, head in heads.found.items() if log.startswith(RUNS)}
        states = read_states(self._location, runs)
        return Stats(
            store=store,
            runs=len(runs),
            files=sum(state.files for state in states),
            bytes=sum(state.bytes for state in states),
            packs=count["pack"],
            pack_bytes=size["pack"],
            log_bytes=size["log"],
            objects=count.total(),
            object_bytes=size.total(),
        )

    def du(self) -> Usage:
        """What each run and experiment takes, and how much of it is shared; no content is read.

        Cost: as reading every run's listing, many side by side, and the recipes of its large files.

        Example:
            >>> store.maintenance.du().runs[0].run_id == run.id
            True
        """
        return usage(self._location, lambda state: state.tags.get(RUN_NAME, ""))
