"""What ran where a model was made: the part of the run's environment that its MLmodel file carries along.

    holdall:
      version: 0.1.0
      environment: {python, platform, gpus, cuda_version, driver_version, repository: {commit, branch, dirty, ...}}

Nothing in it names a person, a host or a folder; the run has those.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_KEPT: Final = ("python", "platform", "gpus", "cuda_version", "driver_version", "repository")
_ELSEWHERE: Final = re.compile(r"(https?|ssh|git)://|[\w.-]+@[\w.-]+:")  # a remote that is no folder of this machine


def model_facts(writer: str, environment: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the MLmodel file says under `holdall`, of what a run's environment says."""
    facts: dict[str, Any] = {"version": writer.rpartition(" ")[2]}
    kept = {key: environment[key] for key in _KEPT if environment.get(key)}
    if remote := kept.get("repository", {}).get("remote"):
        kept["repository"] = {**kept["repository"], "remote": remote if _ELSEWHERE.match(remote) else None}
    if "gpus" in kept:
        kept["gpus"] = [{key: gpu[key] for key in ("name", "memory_bytes") if key in gpu} for gpu in kept["gpus"]]
    return facts | ({"environment": kept} if kept else {})
