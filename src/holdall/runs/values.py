"""Small values with MLflow's field names: parts of a batch, models that a run used or made, words for a status.

They are what `holdall.entities` offers beside the records of `record`. Nothing here asks the bucket.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

from holdall.display import Named
from holdall.errors import InvalidArgumentError


@dataclass(frozen=True, slots=True)
class KeyValue(Named):
    """A name and a value; two are equal if they are of one class too."""

    key: str
    value: str


class Param(KeyValue):
    """A parameter for `Client.log_batch`: a name and a value, which is kept as `str(value)`."""

    __slots__ = ()


class RunTag(KeyValue):
    """A tag for `Client.log_batch`: a name and a value."""

    __slots__ = ()


class ExperimentTag(KeyValue):
    """A tag of an experiment: a name and a value."""

    __slots__ = ()


class LoggedModelParameter(KeyValue):
    """A parameter of a logged model: a name and a value."""

    __slots__ = ()


class LoggedModelTag(KeyValue):
    """A tag of a logged model: a name and a value."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class LoggedModelInput(Named):
    """A logged model that a run used."""

    model_id: str


@dataclass(frozen=True, slots=True)
class LoggedModelOutput(Named):
    """A logged model that a run made, and where in its training."""

    model_id: str
    step: int = 0

    def to_dictionary(self) -> dict[str, Any]:
        """Return the same by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RunOutputs(Named):
    """All models that a run made."""

    model_outputs: list[LoggedModelOutput] = field(default_factory=list)

    def to_dictionary(self) -> dict[str, Any]:
        """Return the same by name, of plain values."""
        return asdict(self)


class LifecycleStage(StrEnum):
    """Whether something is deleted, in MLflow's words."""

    ACTIVE = "active"
    DELETED = "deleted"


class LoggedModelStatus(StrEnum):
    """How a logged model stands. Here each is READY: what is not complete cannot be seen."""

    UNSPECIFIED = "UNSPECIFIED"
    PENDING = "PENDING"
    READY = "READY"
    FAILED = "FAILED"


class RunStatus:
    """MLflow's numbers for how a run stands; `run.info.status` has the words."""

    RUNNING: Final = 1
    SCHEDULED: Final = 2
    FINISHED: Final = 3
    FAILED: Final = 4
    KILLED: Final = 5

    @staticmethod
    def from_string(status_str: str) -> int:
        """Return the number of a status. Raises: ValueError."""
        if status_str not in _NUMBERS:
            raise InvalidArgumentError(f"{status_str!r} is no status of a run; there are {', '.join(_NUMBERS)}")
        return _NUMBERS[status_str]

    @staticmethod
    def to_string(status: int) -> str:
        """Return the word for a number. Raises: ValueError."""
        words = {number: word for word, number in _NUMBERS.items()}
        if status not in words:
            raise InvalidArgumentError(f"{status!r} is the number of no status of a run; there are {sorted(words)}")
        return words[status]

    @staticmethod
    def is_terminated(status: int) -> bool:
        """Return whether a run of this status has ended."""
        return status in (RunStatus.FINISHED, RunStatus.FAILED, RunStatus.KILLED)

    @staticmethod
    def all_status() -> list[int]:
        """Return the numbers of all statuses."""
        return list(_NUMBERS.values())


_NUMBERS: Final[dict[str, int]] = {
    "RUNNING": RunStatus.RUNNING,
    "SCHEDULED": RunStatus.SCHEDULED,
    "FINISHED": RunStatus.FINISHED,
    "FAILED": RunStatus.FAILED,
    "KILLED": RunStatus.KILLED,
}
