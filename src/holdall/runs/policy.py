"""A retention policy: which runs of an experiment are kept.

Kept as JSON in a tag of the experiment (SPEC.md, "Tags and the environment"):

    holdall.retention    {"expire": "90d", "last": 3, "best": ["metrics.loss ASC", 5]}

A policy of which a reader does not understand every word deletes nothing: what
it does not know may be what keeps a run. Nothing here is read or written;
`retention/rules.py` judges runs by it.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from holdall.errors import InvalidArgumentError, InvalidFilterError
from holdall.runs.filters import RUN, Entity
from holdall.runs.ordering import Clause, parse_clause

RETENTION: Final = "holdall.retention"
KEEP: Final = "holdall.keep"
EXPIRED: Final = "holdall.expired"
HOUR: Final = 60 * 60 * 1000
DAY: Final = 24 * HOUR
RESTORABLE: Final = 7 * DAY  # how long a deleted run can be restored at least, by the server's clock
_UNITS: Final = {"h": HOUR, "d": DAY, "w": 7 * DAY}
_AGE: Final = re.compile(r"([1-9][0-9]{0,5})([hdw])")
_MOST: Final = 10**6  # runs that a rule keeps
_log = logging.getLogger("holdall")


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """Which runs of an experiment are kept: a run stays if any of its rules keeps it.

    Attributes:
        expire: How long a run is kept after its last entry, such as "90d", "12h" or "2w"; None: no rule.
        last: How many of the newest finished runs are kept; None: no rule.
        best: What the best finished runs are told by, and how many are kept, as `("metrics.loss ASC", 5)`; None: no
            rule.
    """

    expire: str | None = None
    last: int | None = None
    best: tuple[str, int] | None = None

    def __post_init__(self) -> None:
        if self.expire is not None and not (isinstance(self.expire, str) and _AGE.fullmatch(self.expire)):
            raise InvalidArgumentError(f"expire={self.expire!r} is no time such as '90d', '12h' or '2w'")
        if self.last is not None and not _is_number(self.last):
            raise InvalidArgumentError(f"last={self.last!r} is no number of runs, from 1 to {_MOST}")
        if isinstance(self.best, list):  # as JSON has it
            object.__setattr__(self, "best", tuple(self.best))
        if self.best is not None:
            self._check_best(self.best)

    @property
    def has_rules(self) -> bool:
        """Whether it says anything; a policy that does not keeps every run."""
        return (self.expire, self.last, self.best) != (None, None, None)

    @property
    def lifetime(self) -> int | None:
        """How long a run is kept after its last entry, in ms; None without such a rule."""
        found = _AGE.fullmatch(self.expire or "")
        return int(found[1]) * _UNITS[found[2]] if found else None

    @property
    def order(self) -> Clause | None:
        """What the best runs are told by; None without such a rule."""
        return parse_clause(self.best[0], RUN) if self.best else None

    def to_json(self) -> str:
        """Return it as its tag says it."""
        said = {"expire": self.expire, "last": self.last, "best": self.best and list(self.best)}
        return json.dumps({name: value for name, value in said.items() if value is not None})

    def __str__(self) -> str:
        rules = [f"expire {self.expire}"] if self.expire else []
        rules += [f"last {self.last}"] if self.last else []
        rules += [f"best {self.best[1]} by {self.best[0]}"] if self.best else []
        return ", ".join(rules) or "everything is kept"

    @staticmethod
    def _check_best(best: object) -> None:
        if not isinstance(best, tuple) or len(best) != 2 or not isinstance(best[0], str) or not _is_number(best[1]):
            raise InvalidArgumentError(f"best={best!r} is no pair such as ('metrics.loss ASC', 5)")
        try:
            clause = parse_clause(best[0], RUN)
        except InvalidFilterError as error:
            raise InvalidArgumentError(f"best={best!r}: {error}") from error
        if clause.field.entity is not Entity.METRIC:
            raise InvalidArgumentError(f"best={best!r} sorts by {clause.field}, not by a metric")


def parse_policy(tags: Mapping[str, str], experiment: str) -> RetentionPolicy | None:
    """Return the policy that an experiment's tags hold; None if they hold none, or none that can be understood.

    A warning names one that cannot be.
    """
    text = tags.get(RETENTION)
    if text is None:
        return None
    try:
        return _policy_of(json.loads(text))
    except (ValueError, RecursionError) as error:  # an InvalidArgumentError is one
        said = "the retention policy of experiment %s is not understood, so it deletes nothing: %s"
        _log.warning(said, experiment, error)
        return None


def _policy_of(body: Any) -> RetentionPolicy:
    if not isinstance(body, dict) or not body.keys() <= {"expire", "last", "best"}:
        raise InvalidArgumentError("it is no object with expire, last and best alone")
    return RetentionPolicy(body.get("expire"), body.get("last"), body.get("best"))


def _is_number(value: object) -> bool:
    return type(value) is int and 0 < value <= _MOST
