"""A log of an encrypted store as it is read without a key: of each entry what its public part says.

Nothing of it is authenticated: whoever may create objects may have written it. SPEC.md, "Without a key".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from holdall.errors import FormatError, LogGapError, ObjectNotFoundError
from holdall.format.document import parse_document
from holdall.format.entry import LogEntry, parse_entry
from holdall.format.layout import RUNS, log_key
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
        told = without_key(data, key)
        if told is not data and n == 0 and not self.log.startswith(RUNS):
            _check_first(told, self.log)
            return LogEntry(self.log, 0, _SEALED, None, 0, "", None, (), sha256=public_sha256(data, key))
        return replace(parse_entry(told, self.log, n), sha256=public_sha256(data, key))


def _check_first(told: bytes, log: str) -> None:
    """Hold the first entry of an experiment, a model or a name against its place; what it is of is sealed."""
    body, _ = parse_document(told, f"{log} entry 0")
    if (body.get("log"), body.get("n"), body.get("prev")) != (log, 0, None) or type(body["n"]) is not int:
        raise FormatError(f"{log} entry 0", f"it says that it is {body.get('log')} entry {body.get('n')}")


def is_sealed(entry: LogEntry) -> bool:
    """Return whether an entry of a public journal is one that only a key opens."""
    return entry.write_id == _SEALED


def journal_of(location: Location, log: str) -> Journal:
    """Return a log as this place reads it."""
    kind = PublicJournal if location.keyless else Journal
    return kind(location.bucket, location.pool, log)
