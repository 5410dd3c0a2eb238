"""Small operations of a run that no log entry has yet: parameters, measurements, tags.

They ride on the next entry, so that logging a number costs no request. If the
answer to an entry was lost, it is not known whether the log has it. Its
operations are then unconfirmed: the next entry repeats them, which changes
nothing if they are in the log already, and they are dropped once an entry that
has them is read or written.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, MutableMapping
from itertools import chain, takewhile
from typing import Final

from holdall.errors import ParamExistsError
from holdall.format.document import Json
from holdall.format.ops import add_op, weight

PATIENCE: Final = 5.0  # seconds that an operation waits for an entry to ride on; doubled for each lost race, up to
MAX_PATIENCE: Final = 80.0
FLUSH_MAX_OPS: Final = 1_000  # more of them, or of their measurements, do not wait
FLUSH_MAX_BYTES: Final = 1 << 20  # nor do more bytes of them


class OpBuffer:
    """The operations that wait for an entry, in order. It is true if there are any. Not for several threads at once."""

    def __init__(self) -> None:
        self._waiting: list[Json] = []
        self._unconfirmed: dict[str, list[Json]] = {}  # by the `write_id` of the entry that may have them
        self._params: dict[str, str] = {}  # the parameters among all of these
        self._weight, self._since, self._patience = 0, 0.0, PATIENCE

    def __bool__(self) -> bool:
        return bool(self._waiting or self._unconfirmed)

    @property
    def ops(self) -> list[Json]:
        """Return all operations, unconfirmed ones first."""
        return [*chain(*self._unconfirmed.values()), *self._waiting]

    @property
    def params(self) -> dict[str, str]:
        """Return the parameters among the operations; no copy, as it is asked for with each operation."""
        return self._params

    def add(self, op: Json, now: float) -> bool:
        """Add an operation, and return whether it is time to write them all.

        Args:
            op: The operation.
            now: Seconds by a clock that only goes forward.
        """
        self._since = self._since if self._waiting else now
        add_op(self._waiting, op)
        if op["op"] == "param":
            self._params[op["key"]] = op["value"]
        self._weight += weight(op)
        count = len(self._waiting) + len(self._waiting[-1].get("points", ()))
        return count >= FLUSH_MAX_OPS or self._weight >= FLUSH_MAX_BYTES or now - self._since >= self._patience

    def drop_params(self, names: Container[str]) -> Iterator[Json]:
        """Remove the parameters of these names one by one, and yield each."""
        for ops in (*self._unconfirmed.values(), self._waiting):
            for op in [op for op in ops if op["op"] == "param" and op["key"] in names]:
                ops.remove(op)
                self._params.pop(op["key"], None)
                yield op

    def unconfirm(self, write_id: str) -> None:
        """Note that an entry with these operations may be in the log, or may not."""
        if self:
            self._unconfirmed[write_id], self._waiting = self._waiting, []

    def confirm(self, write_id: str) -> None:
        """Drop the operations of an entry that was read, and the earlier unconfirmed ones, which it repeats."""
        if write_id in self._unconfirmed:
            for id in (*takewhile(lambda id: id != write_id, list(self._unconfirmed)), write_id):
                del self._unconfirmed[id]
            self._params = {op["key"]: op["value"] for op in self.ops if op["op"] == "param"}

    def clear(self) -> None:
        """Drop all operations: an entry has them."""
        self._unconfirmed, self._waiting, self._params, self._weight = {}, [], {}, 0

    def wait_longer(self) -> None:
        """Double the time that an operation waits: others write to the log, too."""
        self._patience = min(2 * self._patience, MAX_PATIENCE)


def refuse_other_value(run_id: str, op: Json, known: Mapping[str, str]) -> None:
    """Raise ParamExistsError for a parameter that is known with another value; other operations say nothing of it."""
    if op["op"] == "param" and (stored := known.get(op["key"], op["value"])) != op["value"]:
        raise ParamExistsError(run_id, op["key"], stored, op["value"])


def refuse_other_values(run_id: str, ops: Iterable[Json], known: MutableMapping[str, str]) -> None:
    """Do as `refuse_other_value` for several operations, of which each is known to the next."""
    for op in ops:
        refuse_other_value(run_id, op, known)
        if op["op"] == "param":
            known[op["key"]] = op["value"]
