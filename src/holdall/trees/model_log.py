"""A registered model's log, read from its newest checkpoint on.

The newest entry tells which one carries a state, and repeats those between, so
two GETs tell what a log of any length amounts to. Where an older program wrote
the newest entry, one is looked for before it, and else all is read, as is what
cannot be taken in. What was read once is followed entry by entry.
SPEC.md, "Registered models".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Final, TypeAlias

from holdall.errors import FormatError, HoldallError, LogGapError
from holdall.format.document import Json
from holdall.format.entry import LogEntry
from holdall.format.layout import model_log
from holdall.format.model_checkpoint import parse_checkpoint, since_to_json, state_to_json
from holdall.format.registered import Registered
from holdall.trees.heads import Head
from holdall.trees.journal import check_chain
from holdall.trees.location import Location
from holdall.trees.log import Log, follow_many
from holdall.trees.salvage import UNREADABLE

STATE_EVERY: Final = 64  # entries,
STATE_SOONEST: Final = 8  # where a state is no more than some times what is repeated,
_TIMES: Final = 8
_VERSION: Final = 400  # bytes of a state for each version, about
MOST_SINCE: Final = 64 << 10  # and bytes of entries that are repeated
MOST_STATE: Final = 2 << 20  # bytes; a larger one is carried by none
_AT_ONCE: Final = 512  # entries, or logs, fetched side by side
# Yields numbers of entries, is sent these, and ends when the log was taken in.
_Reading: TypeAlias = Generator[Sequence[int], Sequence[LogEntry], None]


class ModelLog(Log[Registered]):
    """The log of a registered model, by its id, and what its entries add up to."""

    def __init__(self, location: Location, id: str) -> None:
        super().__init__(location, model_log(id), Registered)
        self._expect(None)

    def follow(self, newest: int | None = None) -> Registered | None:
        """Take in all new entries; those of a log that is new here from its newest checkpoint on.

        Cost: one listing unless `newest` is given; one GET or two the first time, later one for each new entry.
        """
        with self.lock:
            newest = self.journal.newest() if newest is None else newest
            if newest is None:
                return self.state if self.head else None
            if self.head is None:
                with suppress(*UNREADABLE):  # then all of it is read, which says what is wrong
                    self._drive(self._begin(newest), self.journal.read_many)
            return super().follow(newest)

    def follow_whole(self) -> Registered | None:
        """Take in all entries from the first on, for what aliases pointed at before. Cost: a GET for each entry."""
        with self.lock:
            newest = self.journal.newest()
            if self.state.moves_from:
                self.forget()
            return super().follow(newest) if newest is not None else None

    def draft(self, ops: Sequence[Json], time: int | None = None) -> LogEntry:
        """Return the entry, not created yet, that would follow what is known, with its checkpoint."""
        entry = super().draft(ops, time)
        return replace(entry, checkpoint=self._checkpoint(entry.n))

    def absorb(self, entry: LogEntry) -> None:
        """Take in the next entry; one that is known already changes nothing."""
        with self.lock:
            known = self.next
            super().absorb(entry)
            if entry.n >= known:
                self._note(entry)

    def forget(self) -> None:
        """Forget every entry, so that the next look begins anew."""
        with self.lock:
            super().forget()
            self._expect(None)

    # --- writing ---

    def _expect(self, at: int | None) -> None:
        """Note that entry `at` is the newest that carries a state, and that nothing is known of those behind it."""
        self._at = at
        self._since: list[Json] = []  # as the next entry repeats them,
        self._bytes = 0  # and how many bytes that is, or would be
        self._refused = -1 if at is None else at  # the entry whose state was too large

    def _note(self, entry: LogEntry) -> None:
        if entry.checkpoint and entry.checkpoint.get("at") == entry.n:
            self._expect(entry.n)
            return
        repeated = since_to_json(entry)
        self._bytes += len(json.dumps(repeated))
        if self._bytes <= MOST_SINCE:
            self._since.append(repeated)

    def _checkpoint(self, n: int) -> Json | None:
        """Return the checkpoint of the next entry; None where it would be too large, or there is nothing to tell."""
        full, waited = self._bytes > MOST_SINCE, n - max(self._refused, 0)
        small = _VERSION * len(self.state.versions) <= _TIMES * self._bytes
        soon = (small and waited >= STATE_SOONEST) or (full and self._refused <= (-1 if self._at is None else self._at))
        if soon or waited >= STATE_EVERY:
            state = state_to_json(self.state)
            if len(json.dumps(state)) <= MOST_STATE:
                return {"at": n, "state": state}
            self._refused = n
        return None if full or not n else {"at": self._at, "since": list(self._since)}

    # --- reading ---

    def _begin(self, newest: int) -> _Reading:
        """Take in a log of which nothing is known, up to its newest entry."""
        read = list((yield [newest]))
        if parse_checkpoint(read[0]) is None:
            first = max(newest - STATE_EVERY, 0)
            read = [*(yield range(first, newest)), *read]
            behind = [n for n, entry in enumerate(read) if parse_checkpoint(entry)]
            if behind:
                read = read[behind[-1] :]
            for start in range(0, 0 if behind else first, _AT_ONCE):
                self._take((yield range(start, min(start + _AT_ONCE, first))))
        if checkpoint := parse_checkpoint(read[0]):
            self.state = checkpoint.state or self.state
            if checkpoint.state is None and checkpoint.at is not None:
                (carrier,) = yield [checkpoint.at]
                carried = parse_checkpoint(carrier)
                if carried is None or carried.state is None:
                    raise FormatError(f"{self.log} entry {read[0].n}", f"entry {carrier.n} carries no state")
                self.state = carried.state
                self._take([carrier])
            self._take(checkpoint.since)
        self._take(read)

    def _take(self, entries: Iterable[LogEntry]) -> None:
        """Apply entries in order, read ones or such as a checkpoint repeats; the last of all is the head then."""
        for entry in entries:
            if entry.n != (self.next if self.head else self.state.moves_from):
                raise LogGapError(self.log, entry.n - 1)
            if self.head and self.head.sha256 and entry.sha256:
                check_chain(self.head, entry)
            self.state.apply(entry)
            self.head = entry
            self._note(entry)

    def _drive(self, reading: _Reading, read: Callable[[Sequence[int]], Sequence[LogEntry]]) -> None:
        """Read what it takes to take a log in; what is half taken in when that fails is forgotten."""
        try:
            wanted = next(reading)
            while True:
                wanted = reading.send(read(wanted))
        except StopIteration:
            return
        except BaseException:
            self.forget()
            raise


def follow_models(location: Location, newest: Mapping[ModelLog, Head], name: Callable[[str], str] = str) -> None:
    """Take in the new entries of many models' logs; a warning names a damaged one, which is forgotten.

    Args:
        location: The store.
        newest: The logs, each with its head as a listing showed it.
        name: Returns what people call a log, for the warning.

    Cost: a GET or two for each log that is new here, and one for each new entry of others, side by side.
    """
    left = iter([log for log in newest if log.head is None])
    while some := list(islice(left, _AT_ONCE)):
        _begin_many(location, {log: log._begin(newest[log].n) for log in some})
    every: dict[Log[Registered], Head] = {log: head for log, head in newest.items()}  # noqa: C416  # of the wider type
    follow_many(location, every, name)


def _begin_many(location: Location, readings: dict[ModelLog, _Reading]) -> None:
    """Take in many logs side by side; one that cannot be by its checkpoints is left as it was."""
    wanted: dict[ModelLog, Sequence[int]] = {log: next(reading) for log, reading in readings.items()}
    while wanted:
        asked = [(log, n) for log, numbers in wanted.items() for n in numbers]
        found = iter(location.pool.map(lambda one: one[0].journal.read_or_damage(one[1]), asked))
        answers = {log: list(islice(found, len(numbers))) for log, numbers in wanted.items()}
        wanted = {}
        for log, entries in answers.items():
            try:
                wanted[log] = readings[log].send([_whole(entry) for entry in entries])
            except StopIteration:
                continue
            except UNREADABLE:
                log.forget()


def _whole(entry: LogEntry | HoldallError) -> LogEntry:
    if isinstance(entry, HoldallError):
        raise entry
    return entry
