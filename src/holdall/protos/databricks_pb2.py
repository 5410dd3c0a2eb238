"""The codes of errors under MLflow's names: `from holdall.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST`.

They are numbers, which `MlflowException("text", error_code=...)` takes; `error.error_code` is a name,
which `ErrorCode.Name(number)` gives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdall.error_codes import NUMBERS
from holdall.missing_names import explaining

INTERNAL_ERROR = 1
TEMPORARILY_UNAVAILABLE = 2
IO_ERROR = 3
BAD_REQUEST = 4
SERVICE_UNDER_MAINTENANCE = 5
DEADLINE_EXCEEDED = 7
CANCELLED = 8
RESOURCE_EXHAUSTED = 9
ABORTED = 10
NOT_FOUND = 11
ALREADY_EXISTS = 12
UNAUTHENTICATED = 13
INVALID_PARAMETER_VALUE = 1000
ENDPOINT_NOT_FOUND = 1001
MALFORMED_REQUEST = 1002
INVALID_STATE = 1003
PERMISSION_DENIED = 1004
FEATURE_DISABLED = 1005
REQUEST_LIMIT_EXCEEDED = 1007
RESOURCE_CONFLICT = 1008
UNPARSEABLE_HTTP_ERROR = 1009
NOT_IMPLEMENTED = 1010
DATA_LOSS = 1011
INVALID_STATE_TRANSITION = 2001
COULD_NOT_ACQUIRE_LOCK = 2002
RESOURCE_ALREADY_EXISTS = 3001
RESOURCE_DOES_NOT_EXIST = 3002
QUOTA_EXCEEDED = 4001
RESOURCE_LIMIT_EXCEEDED = 5002


class ErrorCode:
    """The table of the codes. Nothing is made of it: each method answers by itself."""

    @staticmethod
    def Name(number: int) -> str:  # noqa: N802  # MLflow's
        """Return the name of a number. Raises: ValueError, where none has it."""
        for name, known in NUMBERS.items():
            if known == number:
                return name
        raise ValueError(f"Enum ErrorCode has no name defined for value {number!r}")

    @staticmethod
    def Value(name: str) -> int:  # noqa: N802  # MLflow's
        """Return the number of a name. Raises: ValueError, where there is no such name."""
        if name not in NUMBERS:
            raise ValueError(f"Enum ErrorCode has no value defined for name {name!r}")
        return NUMBERS[name]

    keys = staticmethod(NUMBERS.keys)
    values = staticmethod(NUMBERS.values)
    items = staticmethod(NUMBERS.items)


__all__ = ["ErrorCode", *NUMBERS]

if not TYPE_CHECKING:
    __getattr__ = explaining(__name__, __all__)
