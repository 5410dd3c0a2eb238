"""The comparisons of tensors that were made lately, so that sorting a table reads no number again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from holdall.store import TensorDifference

_TENSORS: Final = 100_000  # of all that is remembered; a checkpoint has a few hundred


@dataclass(slots=True)
class Compared:
    """Comparisons, by what was compared. Threads may share it."""

    most: int = _TENSORS
    _kept: OrderedDict[Hashable, TensorDifference] = field(default_factory=OrderedDict)
    _turn: Lock = field(default_factory=Lock)

    def get(self, key: Hashable, compare: Callable[[], TensorDifference]) -> TensorDifference:
        """Return what is remembered, or else what `compare` returns. `key` names both contents, not where they are."""
        if (known := self.find(key)) is not None:
            return known
        found = compare()
        with self._turn:
            self._kept[key] = found
            while self._kept and sum(map(len, self._kept.values())) > self.most:
                self._kept.popitem(last=False)
        return found

    def find(self, key: Hashable) -> TensorDifference | None:
        """Return what is remembered, or None."""
        with self._turn:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)
