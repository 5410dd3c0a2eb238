"""The points that charts were told lately, so that what follows is read alone."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from hashlib import blake2b
from threading import Lock
from typing import Final

from holdall.store import Histories

_REMEMBERED: Final = 1_000_000  # points


@dataclass(slots=True)
class Answers:
    """What was answered lately, by a name that tells what was asked and how far it was read. Threads may share it."""

    most: int = _REMEMBERED
    _kept: OrderedDict[str, Histories] = field(default_factory=OrderedDict)
    _turn: Lock = field(default_factory=Lock)

    def find(self, name: str) -> Histories | None:
        """Return an answer, or None if it is forgotten."""
        with self._turn:
            return self._kept.get(name)

    def keep(self, found: Histories, before: str) -> str:
        """Keep an answer, instead of the one before it, and return its name."""
        name = blake2b(f"{found.question}{found.cursor}".encode(), digest_size=12).hexdigest()
        with self._turn:
            self._kept.pop(before, None)
            self._kept[name] = found
            while len(self._kept) > 1 and sum(map(_size, self._kept.values())) > self.most:
                self._kept.popitem(last=False)
        return name


def _size(found: Histories) -> int:
    return sum(map(len, found))
