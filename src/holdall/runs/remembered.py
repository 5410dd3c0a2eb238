"""What searches remember of runs, on the local disk.

    summary    run -> what a search looks at        believed of the very entry that is the log's newest
    told       run -> what a catalog told of it     likewise, for searches alone
    newest     which the newest runs are, as of the last listing
    state      run -> what its log amounts to       of a run that goes on; proved by the entry behind it, or not used

Both are kept by store, run and entry. Since an entry never changes neither does
what it tells; a store that was killed half way, or restored from a copy, has other
entries of the same number, and these have another size or time, and another digest. What is read is written every
few hundred runs, and where a search is interrupted. The folder may be deleted at any time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from operator import attrgetter
from pathlib import Path
from typing import Final

from holdall.errors import FormatError
from holdall.format.catalog import CatalogRow
from holdall.format.state import State, parse_checkpoint
from holdall.runs.search import RunSummary
from holdall.trees.heads import Head, KnownState
from holdall.trees.local_cache import LocalCache

_MOST: Final = 512 << 20  # bytes on the disk: about 200,000 runs
_TOGETHER: Final = 512  # rows that are written together
_FACTS: Final = attrgetter(*(field.name for field in fields(RunSummary)))
_STATE: Final = b"state/"  # before the id of a run: a key of its state,
_TOLD: Final = b"told/"  # and of what a catalog says of it
_NEWEST: Final = b"newest"  # the key of which the newest runs are


class Memory:
    """What is remembered of the runs of one store; without a folder nothing is.

    As a context it writes what it was told at its end, whatever ends it.
    """

    def __init__(self, folder: Path | None, store: str) -> None:
        # By version, so that a later one need not understand it.
        self._file = LocalCache(folder, "summaries-5", "searching without the cache", most=_MOST) if folder else None
        self._store = store
        self._rows: list[tuple[bytes, bytes, bytes]] = []

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_: object) -> None:
        self._write()

    def summaries(self, heads: Mapping[str, Head], *, told: bool = False) -> dict[str, RunSummary | None]:
        """Return those of the very objects that are the runs' newest entries now; None of a run that was purged.

        Args:
            heads: The newest entries.
            told: Whether those that a catalog told are meant, not those that were read.
        """
        return self.stamped({run: stamp_of(head) for run, head in heads.items()}, told=told)

    def stamped(self, stamps: Mapping[str, bytes], *, told: bool = False) -> dict[str, RunSummary | None]:
        """Return those of just these stamps, as `summaries`."""
        if self._file is None:
            return {}
        before = _TOLD if told else b""
        found = self._file.get(self._store, {before + run.encode(): stamp for run, stamp in stamps.items()})
        known = ((run.removeprefix(before).decode(), json.loads(body)) for run, body in found.items())
        return {run: None if facts is None else RunSummary(*facts) for run, facts in known}

    def each(self) -> Iterator[tuple[bytes, RunSummary]]:
        """Yield the stamps and summaries of all runs that are remembered, but for those that are known to be purged.

        Of a run that was read and that a catalog told of, it is the one as of the later entry.
        """
        read: dict[bytes, int] = {}
        for before in (b"", _TOLD) if self._file else ():
            for key, stamp, body in self._file.each(self._store, before + b"0", before + b"g") if self._file else ():
                run, n, facts = key.removeprefix(_TOLD), int(stamp.partition(b"/")[0]), json.loads(body)
                if not before:
                    read[run] = n
                elif n <= read.get(run, -1):
                    continue
                if facts is not None:
                    yield stamp, RunSummary(*facts)

    def newest(self) -> tuple[int, dict[str, bytes]]:
        """Return which the newest runs are, by their stamps, and as of when; 0 and none where that is not known."""
        found = self._file.get(self._store, {_NEWEST: b""}) if self._file else {}
        if _NEWEST not in found:
            return 0, {}
        as_of, stamps = json.loads(found[_NEWEST])
        return as_of, {run: stamp.encode() for run, stamp in stamps.items()}

    def keep_newest(self, as_of: int, stamps: Mapping[str, bytes]) -> None:
        """Remember which the newest runs are, for who shows them before anything is listed."""
        self._add(_NEWEST, b"", [as_of, {run: stamp.decode() for run, stamp in stamps.items()}])

    def states(self, runs: Iterable[str]) -> dict[str, KnownState]:
        """Return the states that are remembered of some runs."""
        keys = {_STATE + run.encode(): b"" for run in runs} if self._file else {}
        found: dict[str, KnownState] = {}
        for key, body in (self._file.get(self._store, keys) if self._file else {}).items():
            with suppress(FormatError):
                n, sha256, state = json.loads(body)
                found[key.removeprefix(_STATE).decode()] = KnownState(n, sha256, parse_checkpoint(state, None, "it"))
        return found

    def keep(self, run: str, head: Head, summary: RunSummary | None, *, told: bool = False) -> None:
        """Remember a summary; None of a run that was purged. `told`: by a catalog."""
        facts = None if summary is None else _FACTS(summary)
        self._add((_TOLD if told else b"") + run.encode(), stamp_of(head), facts)

    def keep_state(self, run: str, known: KnownState) -> None:
        """Remember a state, without paths and where its measurements are."""
        bare = replace(
            known.state, tree=None, versions=None, deltas=[], changes=[], environment=None, batches=[], series=[]
        )
        self._add(_STATE + run.encode(), b"", [known.n, known.sha256, State.to_json(bare)])

    def _add(self, key: bytes, stamp: bytes, facts: object) -> None:
        if self._file:
            self._rows.append((key, stamp, json.dumps(facts, separators=(",", ":")).encode()))
            if len(self._rows) >= _TOGETHER:
                self._write()

    def _write(self) -> None:
        rows, self._rows = self._rows, []
        if self._file and rows:
            self._file.put(self._store, rows)


def stamp_of(head: Head | CatalogRow) -> bytes:
    """Return what tells an entry from any other of its number, as a store has that was restored from an older copy."""
    return f"{head.n}/{head.size}/{head.modified}".encode()
