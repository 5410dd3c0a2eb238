"""One run, with all its verbs."""

from __future__ import annotations

from holdfast.runs.writing import RunWriter


class Run(RunWriter):
    """A run of a store. Get one from `store.runs`.

    Attributes:
        id: 32 hex digits.
    """
