"""A log of an encrypted store as it is read without a key: of each entry what its public part says.

Nothing of it is authenticated: whoever may create objects may have written it. SPEC.md, "Without a key".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from holdall.errors import LogGapError, ObjectNotFoundError
from holdall.format.entry import LogEntry, parse_entry
from holdall.format.layout import log_key
from holdall.format.sealed_entry import MAX_SEALED, public_sha256, without_key
from holdall.trees.journal import Journal
from holdall.trees.location import Location

_SEALED: Final = "0" * 32  # the `write_id` of an entry whose own is sealed


class PublicJournal(Journal):
    """A log whose entries are read without a key, and which takes the plain entries of collectors."""

    def read(self, n: int) -> LogEntry:
        """Return entry n as far as its public part tells it, with the digest that the next one names as `prev`.

        Raises:
            LogGapError: There is none.
            FormatError: It is damaged, or is plain and says what may only be said sealed.
        """
        key = log_key(self.log, n)
        try:
            data = self._bucket.get(key, limit=MAX_SEALED)
        except ObjectNotFoundError as error:
            raise LogGapError(self.log, n) from error
        return replace(parse_entry(without_key(data, key), self.log, n), sha256=public_sha256(data, key))


def is_sealed(entry: LogEntry) -> bool:
    """Return whether an entry of a public journal is one that only a key opens."""
    return entry.write_id == _SEALED


def journal_of(location: Location, log: str) -> Journal:
    """Return a log as this place reads it."""
    kind = PublicJournal if location.keyless else Journal
    return kind(location.bucket, location.pool, log)
