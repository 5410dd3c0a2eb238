"""The codes of errors that MLflow knows, each with its number there: scripts give and compare the numbers."""

from __future__ import annotations

from typing import Final

# those that are not about Databricks' own catalogs, notebooks and workspaces
NUMBERS: Final[dict[str, int]] = {
    "INTERNAL_ERROR": 1,
    "TEMPORARILY_UNAVAILABLE": 2,
    "IO_ERROR": 3,
    "BAD_REQUEST": 4,
    "SERVICE_UNDER_MAINTENANCE": 5,
    "DEADLINE_EXCEEDED": 7,
    "CANCELLED": 8,
    "RESOURCE_EXHAUSTED": 9,
    "ABORTED": 10,
    "NOT_FOUND": 11,
    "ALREADY_EXISTS": 12,
    "UNAUTHENTICATED": 13,
    "INVALID_PARAMETER_VALUE": 1000,
    "ENDPOINT_NOT_FOUND": 1001,
    "MALFORMED_REQUEST": 1002,
    "INVALID_STATE": 1003,
    "PERMISSION_DENIED": 1004,
    "FEATURE_DISABLED": 1005,
    "REQUEST_LIMIT_EXCEEDED": 1007,
    "RESOURCE_CONFLICT": 1008,
    "UNPARSEABLE_HTTP_ERROR": 1009,
    "NOT_IMPLEMENTED": 1010,
    "DATA_LOSS": 1011,
    "INVALID_STATE_TRANSITION": 2001,
    "COULD_NOT_ACQUIRE_LOCK": 2002,
    "RESOURCE_ALREADY_EXISTS": 3001,
    "RESOURCE_DOES_NOT_EXIST": 3002,
    "QUOTA_EXCEEDED": 4001,
    "RESOURCE_LIMIT_EXCEEDED": 5002,
}
_NAMES: Final = {number: name for name, number in NUMBERS.items()}


def name_of(code: object) -> str:
    """Return the name of a code that is given as a number or as a name; of a number that none has, INTERNAL_ERROR."""
    return _NAMES.get(code, "INTERNAL_ERROR") if isinstance(code, int) else str(code)
