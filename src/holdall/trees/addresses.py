"""The address of a path of a run, `runs:/<run_id>/<path>`, as people write it and errors say it."""

from __future__ import annotations

from typing import Final

SCHEME: Final = "runs:/"


def run_uri(run_id: str, path: str = "") -> str:
    """Return the address of a path of a run; of all that it holds, if the path is ""."""
    return f"{SCHEME}{run_id}/{path}" if path else f"{SCHEME}{run_id}"


def log_uri(log: str) -> str:
    """Return the address of the run whose log this is."""
    return run_uri(log.rpartition("/")[2])
