"""MLflow's model registry store over a store."""

from __future__ import annotations


class HoldallRegistryStore:
    """Not there yet."""

    def __init__(self, *_: str | None) -> None:
        raise ImportError("holdall has no model registry store for MLflow yet")
