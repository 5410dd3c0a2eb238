"""MLflow's tracking store over a store."""

from __future__ import annotations


class HoldallTrackingStore:
    """Not there yet."""

    def __init__(self, *_: str | None) -> None:
        raise ImportError("holdall has no tracking store for MLflow yet")
