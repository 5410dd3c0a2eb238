"""What a process that starts runs may tell of where it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from holdall.runs.disclosure import Disclosure
from holdall.runs.environment import capture


def disclosing(environment: bool | str) -> Callable[[], dict[str, Any]] | None:
    """Return what tells what ran where, as far as it may; None where nothing may be told."""
    allowed = allowed_by(environment)
    return None if allowed.off else partial(_told, allowed)  # which travels to other processes, as no lambda does


def allowed_by(environment: bool | str) -> Disclosure:
    """Return what a text such as `minimal` allows; True allows all, False nothing. Raises: InvalidArgumentError."""
    return Disclosure.parse(environment if isinstance(environment, str) else "full" if environment else "off")


def _told(allowed: Disclosure) -> dict[str, Any]:
    return allowed.of(surroundings())


def surroundings() -> dict[str, Any]:
    """Return what ran where, all of it."""
    return capture(argv=sys.argv, cwd=Path.cwd())
