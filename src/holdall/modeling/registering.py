"""What models need of the registry, which is built above this room."""

from __future__ import annotations

from typing import Any, Protocol


class Registering(Protocol):
    """What is needed of the registry, which is built above this room."""

    def resolve(self, uri: str) -> str:
        """The `runs:/<run_id>/<path>` that an address means."""
        ...

    def check_name(self, name: str) -> str:
        """The name, if a registered model may have it. Raises: InvalidNameError."""
        ...

    def register(self, uri: str, name: str) -> Any:
        """Make what is at an address the next version of a model."""
        ...
