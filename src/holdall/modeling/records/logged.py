"""The record of a logged model: a tag of its run.

    holdall.model.<n>    {"path": ..., "time": ..., "flavors": [...], "name": ..., "model_type": ..., ...}

The tag is an operation of the entry that commits the model's files. So a run
lists its models without reading them, the number n is taken exactly when the
model becomes visible, and two writers of a run cannot have the same one.

What is said of a model later are remarks of the run (`runs/reserved_tags.py`), one
for each thing said, so that writers need not read what others said:

    holdall.model.<n>.tag.<16 hex>       {"time", "key", "value"}, null: removed
    holdall.model.<n>.param.<16 hex>     {"time", "key", "value"}
    holdall.model.<n>.metric.<16 hex>    {"time", "key", "value", "step", "run", "name", "digest"}

A metric's digits are made of its key, of the run that measured it and of the
data set it was measured on: the model has the last value of each, and the
whole series is in the run.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from holdall.display import Facts, Named, Shown, moment, own
from holdall.format.document import Json
from holdall.format.ops import integer, number
from holdall.runs.record import Metric
from holdall.runs.reserved_tags import remark, remarks, texts
from holdall.trees.addresses import run_uri

TAG: Final = "holdall.model."
_OF_MODEL: Final = re.compile(re.escape(TAG) + r"([1-9][0-9]{0,9})(?=\.|$)")
_SAID: Final = ("path", "flavors", "creation_timestamp", "model_type", "step", "params", "tags")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class LoggedModel(Shown, Named):
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
        metrics: The last value of each metric, for each run that measured it and each data set.
        experiment_id: Of its run.
        last_updated_timestamp: When something was last said of it.
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
    metrics: tuple[Metric, ...] = ()
    experiment_id: str = ""
    last_updated_timestamp: int = 0

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

    @property
    def artifact_location(self) -> str:
        """The address of its files: `runs:/<run_id>/<path>`."""
        return run_uri(self.source_run_id, self.path)

    @property
    def status_message(self) -> None:
        """Nothing: a model that is READY needs no explanation."""

    def _shown(self) -> Facts:
        return {
            "name": self.name,
            "model_id": self.model_id,
            "flavors": self.flavors,
            "model_type": self.model_type,
            "step": self.step or None,
            "creation_timestamp": moment(self.creation_timestamp),
            "metrics": {one.key: one.value for one in self.metrics},
            "params": self.params,
            "tags": own(self.tags),
        }

    def to_tag(self) -> tuple[str, str]:
        """Return the tag's key and value."""
        record = {key: value for key, value in asdict(self).items() if value and key in _SAID}
        return TAG + self.model_id.rpartition("-")[2], json.dumps(record, separators=(",", ":"))


def logged_models(run_id: str, tags: Mapping[str, str], experiment_id: str = "") -> list[LoggedModel]:
    """Return the models that a run's tags tell of, in the order of logging; other tags are passed over."""
    by_model: defaultdict[int, dict[str, str]] = defaultdict(dict)  # each looks only at its own: there may be very many
    for key, value in tags.items():
        if found := _OF_MODEL.match(key):
            by_model[int(found[1])][key] = value
    told = (logged_model(run_id, n, mine, experiment_id) for n, mine in sorted(by_model.items()))
    return [model for model in told if model]


def logged_model(run_id: str, n: int, tags: Mapping[str, str], experiment_id: str = "") -> LoggedModel | None:
    """Return the n-th model that a run's tags tell of, with all that was said of it; None if they tell of none."""
    try:
        body = json.loads(tags[f"{TAG}{n}"])
        record: dict[str, Any] = {key: body[key] for key in _SAID if key in body}
        record |= {"flavors": tuple(map(str, record.get("flavors", ())))}
        for kind in ("param", "tag"):
            first = {key: str(value) for key, value in record.get(f"{kind}s", {}).items()}
            record[f"{kind}s"] = _said_later(first, tags, f"model.{n}.{kind}")
        id, since = f"m-{run_id}-{n}", int(record.get("creation_timestamp", 0))
        record |= {"creation_timestamp": since, "step": int(record.get("step", 0))}
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    if not isinstance(record.get("path"), str) or not isinstance(record.get("model_type", ""), str | None):
        return None
    bodies = [each for kind in ("tag", "param", "metric") for each in remarks(tags, f"model.{n}.{kind}")]
    return LoggedModel(
        model_id=id,
        source_run_id=run_id,
        metrics=tuple(metric for each in bodies if (metric := _metric(id, each))),
        experiment_id=experiment_id,
        last_updated_timestamp=max([since, *(each["time"] for each in bodies)]),
        **record,
    )


def remark_on(model_id: str, kind: str, about: Sequence[object], body: Mapping[str, Any]) -> dict[str, str]:
    """Return the tag by which a run says something of one of its models: a `tag`, a `param` or a `metric`."""
    return remark(f"{TAG.partition('.')[2]}{model_id.rpartition('-')[2]}.{kind}", about, body)


def point_of(point: Sequence[Any], run_id: str, dataset: tuple[str, str] | None) -> tuple[list[object], Json]:
    """What a remark of a measurement is about, and says. `point`: key, value, step and time, as logs have them."""
    key, value, step, time = point
    name, digest = dataset or (None, None)
    body = {"time": time, "key": key, "value": value, "step": step, "run": run_id, "name": name, "digest": digest}
    return [key, run_id, name, digest], body


def _said_later(first: dict[str, str], tags: Mapping[str, str], kind: str) -> dict[str, str]:
    """Return what was said when a model was logged, with what was said since."""
    for body in remarks(tags, kind):
        if texts(body, "key", "value"):
            first[body["key"]] = body["value"]
        elif texts(body, "key"):
            first.pop(body["key"], None)
    return first


def _metric(id: str, body: Mapping[str, Any]) -> Metric | None:
    """Return a measurement, if that is what a remark is."""
    value, step = number(body.get("value")), integer(body.get("step"))
    if value is None or step is None or not texts(body, "key", "run"):
        return None
    name, digest = (body[word] if texts(body, word) else None for word in ("name", "digest"))
    return Metric(body["key"], value, body["time"], step, id, name, digest, body["run"])


def next_number(tags: Mapping[str, str]) -> int:
    """Return the number of the next model that a run with these tags logs."""
    return max(model_numbers(tags), default=0) + 1


def model_numbers(tags: Mapping[str, str]) -> list[int]:
    """Return the numbers of the models that a run's tags tell of, one for each tag."""
    return [int(found[1]) for key in tags if (found := _OF_MODEL.fullmatch(key))]
