"""The few facts of what ran where that are worth a line each; `--json` shows them all."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from holdall.sizes import format_size


def main_facts(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return names and values of the facts that are known."""
    facts = [
        ("command", shlex.join(map(str, _list(_at(environment, "process", "command"))))),
        ("git", _git(environment)),
        ("python", " ".join(_texts(environment, "python", "implementation", "version"))),
        ("system", ", ".join(_texts(environment, "platform", "os", "machine"))),
        ("host", ", ".join(_host(environment))),
        ("gpus", ", ".join(str(_at(gpu, "name") or "?") for gpu in _list(_at(environment, "gpus")))),
        ("cuda", str(_at(environment, "cuda_version") or "")),
        ("packages", str(len(_at(environment, "distributions") or ""))),
    ]
    return [(name, value) for name, value in facts if value not in ("", "0")]


def _git(environment: Mapping[str, Any]) -> str:
    commit, branch = (_at(environment, "repository", name) for name in ("commit", "branch"))
    if not commit:
        return ""
    changed = ", with changes" if _at(environment, "repository", "dirty") else ""
    return f"{commit}{f' on {branch}' if branch else ''}{changed}"


def _host(environment: Mapping[str, Any]) -> list[str]:
    count, memory = (_at(environment, "host", name) for name in ("cpus", "memory_bytes"))
    told = _texts(environment, "host", "name", "cpu")
    told += [f"{count} CPUs"] if isinstance(count, int) else []
    return told + ([format_size(memory)] if isinstance(memory, int) else [])


def _texts(environment: Mapping[str, Any], group: str, *names: str) -> list[str]:
    return [str(found) for name in names if (found := _at(environment, group, name))]


def _at(value: Any, *keys: str) -> Any:
    """Return a nested value, or None: a store may hold what another version wrote."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
