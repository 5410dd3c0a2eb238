"""The entries of a log that a listing showed, past what is wrong with some."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from holdall.errors import HoldallError, LogGapError
from holdall.format.entry import LogEntry
from holdall.trees.journal import Journal, check_chain

Note: TypeAlias = Callable[[str], None]
_AT_ONCE: Final = 128  # entries read side by side


def each_listed(
    journal: Journal, listed: Iterable[int], note: Note, read: Mapping[int, LogEntry | HoldallError] | None = None
) -> Iterator[LogEntry | None]:
    """Yield the entries that a listing showed, the oldest first; None where some are missing or one is damaged.

    Each is held against the one before it, where that could be read.

    Args:
        journal: The log.
        listed: The numbers of its entries that were listed.
        note: Is told what is wrong.
        read: Entries that were fetched already, or what is wrong with them.
    """
    before: LogEntry | None = None
    following = 0
    for n, entry in _each(journal, sorted(listed), read or {}):
        if n != following:
            note(str(LogGapError(journal.log, following)) + (f", and all to {n - 1}" if n - 1 > following else ""))
            before = None
            yield None
        following = n + 1
        try:
            if isinstance(entry, HoldallError):
                raise entry
            check_chain(before, entry)
        except HoldallError as error:
            note(str(error))
            yield None
        before = None if isinstance(entry, HoldallError) else entry
        if before:
            yield before


def _each(
    journal: Journal, numbers: Sequence[int], read: Mapping[int, LogEntry | HoldallError]
) -> Iterator[tuple[int, LogEntry | HoldallError]]:
    for at in range(0, len(numbers), _AT_ONCE):
        some = numbers[at : at + _AT_ONCE]
        wanted = [n for n in some if n not in read]
        found = {**read, **dict(zip(wanted, journal.try_many(wanted), strict=True))}
        yield from ((n, found[n]) for n in some)
