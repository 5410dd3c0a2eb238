"""What an entry of a run's log is to do, before it has its number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from holdall.format.document import Json
from holdall.format.entry import InlineBlob
from holdall.trees.view import View


@dataclass(frozen=True, slots=True)
class Draft:
    """What an entry is to do.

    Attributes:
        ops: Its operations.
        blobs: Its inline blobs.
        final: Whether it ends the run.
        opening: Whether it opens a session: then it carries no state, which would refer to packs before W2.
        state: Makes its state of the run before it, adding inline blobs; None: it has one when one is due.
        time: When it was written, as a copy says of what another store has; None: now.
    """

    ops: Sequence[Json]
    blobs: Sequence[InlineBlob] = ()
    final: bool = False
    opening: bool = False
    state: Callable[[View, list[InlineBlob]], Json] | None = None
    time: int | None = None
