"""What a run says of where it ran: how much of what `environment` finds is kept.

    full       all of it
    minimal    what its numbers depend on: versions, processor, GPUs, the commit; no name of a person, host or
               folder, and no command
    off        nothing

and after it what is left out besides, as in `full,-host,-user` (`OMITTED` has the words). A store's user says so by
`HOLDALL_ENVIRONMENT`, and an experiment for all who write to it by a tag (SPEC.md, "Tags and the environment"); a run
keeps what both allow. Nothing here is read or written.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from holdall.errors import InvalidArgumentError

ENVIRONMENT: Final = "holdall.environment"  # a tag of experiments
FULL: Final = "full"
OMITTED: Final[Mapping[str, tuple[str, ...]]] = {
    "host": ("host.name", "gpus.uuid"),
    "user": ("host.user",),
    "command": ("process.command",),
    "paths": ("process.entry_script", "process.pid", "python.executable", "direct_requirements"),
    "remote": ("repository.remote", "repository.branch"),
    "repository": ("repository", "git"),
    "packages": ("distributions", "direct_requirements"),
    "hardware": ("host.cpu", "host.cpus", "host.memory_bytes", "gpus", "driver_version", "cuda_version", "nvidia-smi"),
    "platform": ("platform",),
}
"""The facts that each word leaves out."""
_LEVELS: Final = {
    "full": frozenset[str](),
    "minimal": frozenset({"host", "user", "command", "paths", "remote"}),
    "off": frozenset(OMITTED),
}
_log: Final = logging.getLogger("holdall")


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What is left out. Attributes: omitted: words of `OMITTED`; off: whether nothing at all is kept."""

    omitted: frozenset[str] = frozenset()
    off: bool = False

    @classmethod
    def parse(cls, text: str) -> Disclosure:
        """Read a text such as `minimal` or `full,-host,-user`. Raises: InvalidArgumentError."""
        level, *words = [word.strip().lower() for word in text.split(",")]
        if level not in _LEVELS:
            raise InvalidArgumentError(f"environment {text[:60]!r} does not begin with {', '.join(_LEVELS)}")
        for word in words:
            if word[:1] != "-" or word[1:] not in OMITTED:
                raise InvalidArgumentError(
                    f"environment {text[:60]!r}: {word[:40]!r} is none of {', '.join(f'-{one}' for one in OMITTED)}"
                )
        return cls(_LEVELS[level] | {word[1:] for word in words}, level == "off")

    @property
    def paths(self) -> bool:
        """Whether folders and files of this machine may be named."""
        return "paths" not in self.omitted

    def of(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return what may be kept of facts that `capture` returned; empty if nothing may."""
        kept: dict[str, Any] = {} if self.off else deepcopy(dict(facts))
        for word in self.omitted:
            for place in OMITTED[word]:
                _drop(kept, place.split("."))
        return kept


def disclosure_of(text: str | None, experiment: str) -> Disclosure:
    """Return what an experiment's tag says; of what is not understood nothing is kept, and a warning says so."""
    try:
        return Disclosure.parse(text or FULL)
    except InvalidArgumentError as error:
        _log.warning("runs of experiment %s keep nothing of where they ran: %s", experiment, error)
        return Disclosure(off=True)


def names_paths(facts: Mapping[str, Any]) -> bool:
    """Return whether what a run kept shows that paths may be named: a fact is there that the word leaves out."""
    return any(_is_there(facts, place.split(".")) for place in OMITTED["paths"])


def _is_there(value: Any, names: list[str]) -> bool:
    """Return whether something stands under a name, be it null."""
    if not isinstance(value, Mapping) or names[0] not in value:
        return False
    return len(names) == 1 or _is_there(value[names[0]], names[1:])


def _drop(value: Any, names: list[str]) -> None:
    """Remove what stands under a name, in each element of a list too."""
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, dict) and len(names) == 1:
            each.pop(names[0], None)
        elif isinstance(each, dict) and names[0] in each:
            _drop(each[names[0]], names[1:])
