"""When a run began and ended, where somebody says it who knows better than the log.

    holdall.started    {"time"}    when the run began: a run that is copied from elsewhere, for one
    holdall.ended      {"time"}    when it ended, while the run has ended; a later end without it removes it

Without them a run begins with its log and ends with the entry that says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from holdall.errors import InvalidNameError
from holdall.runs.reserved_tags import parsed

STARTED: Final = "holdall.started"
ENDED: Final = "holdall.ended"


def time_tag(key: str, what: str, time: Any) -> dict[str, str]:
    """Return the tag that says a time in ms since 1970 UTC. Raises: InvalidNameError."""
    if isinstance(time, bool) or not isinstance(time, int) or not 0 <= time < 2**53:
        raise InvalidNameError(what, repr(time), "it is milliseconds since 1970 UTC, such as 1767225600000")
    return {key: f'{{"time":{time}}}'}


def time_of(tags: Mapping[str, str], key: str, otherwise: int) -> int:
    """Return the time that a tag says; what the log says where it says none."""
    body = parsed(tags[key]) if key in tags else None
    return body["time"] if body and 0 <= body["time"] < 2**53 else otherwise
