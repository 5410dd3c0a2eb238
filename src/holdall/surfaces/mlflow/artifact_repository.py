"""MLflow's artifact repository over a store."""

from __future__ import annotations


class HoldallArtifactRepository:
    """Not there yet."""

    def __init__(self, *_: str | None) -> None:
        raise ImportError("holdall has no artifact repository for MLflow yet")
