"""What all pages share: the store, and what this server may do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from holdall.store import RunIndex, Store
from holdall.surfaces.web.addresses import address_of
from holdall.surfaces.web.answers import Answers
from holdall.surfaces.web.compared import Compared
from holdall.surfaces.web.known import Known
from holdall.surfaces.web.measured import Measurements


def live(name: str, arguments: dict[str, Any]) -> str:
    """Return the address of a page on the server."""
    return address_of(name, arguments)


@dataclass(frozen=True, slots=True)
class Site:
    """A store with its pages.

    Attributes:
        store: What is shown.
        changes: Whether it may be changed from here.
        link: Makes the address of a page from its name and arguments; a static export has its own.
        static: Whether this is an export: no server answers, so nothing is asked for later.
        index: The summaries of all runs, which the first page that needs them loads.
        answers: The points that charts were told lately.
        compared: The comparisons of tensors that were made lately.
        known: Its experiments and the keys of its runs, remembered for a few seconds.
        measured: What takes long to measure, and was.
    """

    store: Store
    changes: bool = False
    link: Callable[[str, dict[str, Any]], str] = live
    static: bool = False
    index: RunIndex = field(init=False, repr=False, compare=False)
    answers: Answers = field(default_factory=Answers, repr=False, compare=False)
    compared: Compared = field(default_factory=Compared, repr=False, compare=False)
    known: Known = field(init=False, repr=False, compare=False)
    measured: Measurements = field(default_factory=Measurements, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", self.store.runs.index())
        object.__setattr__(self, "known", Known(self.store, self.index))
