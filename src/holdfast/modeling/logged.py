"""The record of a logged model: a tag of its run.

    holdfast.model.<n>    {"path": ..., "time": ..., "flavors": [...], "name": ..., "model_type": ..., ...}

The tag is an operation of the entry that commits the model's files. So a run
lists its models without reading them, the number n is taken exactly when the
model becomes visible, and two writers of a run cannot have the same one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

TAG: Final = "holdfast.model."


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedModel:
    """What is known of a model that a run logged, without reading it.

    Attributes:
        model_id: `m-<run id>-<n>`.
        path: Where it is in the run.
        name: What it was called, which is the path.
        flavors: Their names.
        creation_timestamp: Milliseconds since 1970 UTC.
        params, tags: What was said of it.
        model_type: What kind of model it is, for people.
        step: Where in the training it belongs.
    """

    model_id: str
    source_run_id: str
    path: str
    flavors: tuple[str, ...] = ()
    creation_timestamp: int = 0
    model_type: str | None = None
    step: int = 0
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it was called."""
        return self.path

    @property
    def model_uri(self) -> str:
        """Its address."""
        return f"models:/{self.model_id}"

    @property
    def status(self) -> str:
        """READY: what is not complete cannot be seen."""
        return "READY"

    def to_tag(self) -> tuple[str, str]:
        """The tag's key and value."""
        said = {key: value for key, value in asdict(self).items() if value and key not in ("model_id", "source_run_id")}
        return TAG + self.model_id.rpartition("-")[2], json.dumps(said, separators=(",", ":"))


def logged_models(run_id: str, tags: Mapping[str, str]) -> list[LoggedModel]:
    """The models that a run's tags tell of, in the order of logging; tags that are none of ours are passed over."""
    found = [(n, record) for n in _numbers(tags) if (record := logged_model(run_id, n, tags))]
    return [record for _, record in sorted(found, key=lambda pair: pair[0])]


def logged_model(run_id: str, n: int, tags: Mapping[str, str]) -> LoggedModel | None:
    """The n-th model that a run's tags tell of; None if they tell of none."""
    try:
        said: dict[str, Any] = json.loads(tags[f"{TAG}{n}"])
        said["flavors"] = tuple(said.get("flavors", ()))
        return LoggedModel(model_id=f"m-{run_id}-{n}", source_run_id=run_id, **said)
    except (KeyError, ValueError, TypeError, AttributeError):
        return None


def next_number(tags: Mapping[str, str]) -> int:
    """The number of the next model that a run with these tags logs."""
    return max(_numbers(tags), default=0) + 1


def _numbers(tags: Mapping[str, str]) -> list[int]:
    return [int(tail) for key in tags if key.startswith(TAG) and (tail := key[len(TAG) :]).isdecimal()]
