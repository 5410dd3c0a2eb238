"""When a run began and ended, where somebody says it who knows better than the log.

    holdall.started    {"time"}    when the run began: a run that is copied from elsewhere, for one
    holdall.ended      {"time"}    when it ended, while the run has ended; a later end without it removes it

Without them a run begins with its log and ends with the entry that says so.
And how long something is to last, as people say it: `24h`, `7d`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from holdall.errors import InvalidArgumentError, InvalidNameError
from holdall.runs.reserved_tags import parsed

STARTED: Final = "holdall.started"
ENDED: Final = "holdall.ended"
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def time_tag(key: str, what: str, time: Any) -> dict[str, str]:
    """Return the tag that says a time in ms since 1970 UTC. Raises: InvalidNameError."""
    if isinstance(time, bool) or not isinstance(time, int) or not 0 <= time < 2**53:
        raise InvalidNameError(what, repr(time), "it is milliseconds since 1970 UTC, such as 1767225600000")
    return {key: f'{{"time":{time}}}'}


def time_of(tags: Mapping[str, str], key: str, otherwise: int) -> int:
    """Return the time that a tag says; what the log says where it says none."""
    body = parsed(tags[key]) if key in tags else None
    return body["time"] if body and 0 <= body["time"] < 2**53 else otherwise


def milliseconds(name: str, given: str | int) -> int:
    """Return the milliseconds that a time such as "24h" or a number of seconds means; `name` is for errors.

    Raises:
        InvalidArgumentError: It is no such time.
    """
    found = re.fullmatch(r"(\d{1,9})\s*([smhdw]?)", str(given).strip())
    if isinstance(given, bool) or not found:
        raise InvalidArgumentError(f"{name}={given!r} is no time such as '24h', '7d' or 0")
    return int(found[1]) * _UNITS[found[2] or "s"] * 1000
