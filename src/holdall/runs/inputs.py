"""What a run was given: data sets, as facts.

A data set is a name, a digest of its content, where it came from and, where it
is known, a schema and a profile, all of them text: the five words of MLflow's.
The data itself is not kept; who wants that logs it as an artifact.

    holdall.input.<16 hex>    {"time", "name", "digest", "source_type", "source", "schema", "profile", "tags"}

What is long (a schema of hundreds of columns) is kept as a file of the run, and
the fact says which: `{"artifact": "holdall-inputs/<16 hex>/schema.json"}`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final

from holdall.display import Facts, Named, Shown
from holdall.errors import InvalidNameError
from holdall.runs.links import model_inputs_of
from holdall.runs.reserved_tags import name_of, remark, remarks, texts
from holdall.runs.values import KeyValue, LoggedModelInput

CONTEXT: Final = "mlflow.data.context"
_KIND: Final = "input"
_LONG: Final = 1500  # characters; more than that is a file
_NEEDED: Final = ("name", "digest", "source_type", "source")


@dataclass(frozen=True, slots=True, repr=False)
class Dataset(Shown, Named):
    """A data set, without its data.

    Attributes:
        name: Its name.
        digest: Of its content, in at most 100 characters.
        source_type, source: Where it came from: a kind, such as "local", "s3" or "code", and a JSON text.
        schema, profile: What is in it and how much of that, as JSON texts; None if not given.
    """

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None

    def _shown(self) -> Facts:
        return {"name": self.name, "digest": self.digest, "source_type": self.source_type}

    def to_dict(self) -> dict[str, str | None]:
        """Return the fields by name."""
        return asdict(self)

    def to_dictionary(self) -> dict[str, str | None]:
        """Return the same by name, under MLflow's name for it."""
        return self.to_dict()

    def to_json(self) -> str:
        """Return the fields as one JSON text."""
        return json.dumps(self.to_dict())


class InputTag(KeyValue):
    """What was said of an input: a key and a value."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class DatasetInput(Named):
    """A data set that a run was given, with what it was for: the tag `mlflow.data.context`, and others."""

    dataset: Dataset
    tags: list[InputTag] = field(default_factory=list)

    @property
    def context(self) -> str | None:
        """Return what it was for, such as "training", or None."""
        return next((tag.value for tag in self.tags if tag.key == CONTEXT), None)

    def to_dictionary(self) -> dict[str, Any]:
        """Return the same by name: the data set, and its tags by key."""
        return {"dataset": self.dataset.to_dict(), "tags": {tag.key: tag.value for tag in self.tags}}


@dataclass(frozen=True, slots=True)
class RunInputs(Named):
    """All that a run was given."""

    dataset_inputs: list[DatasetInput] = field(default_factory=list)
    model_inputs: list[LoggedModelInput] = field(default_factory=list)

    def to_dictionary(self) -> dict[str, Any]:
        """Return the same by name, of plain values."""
        return {
            "dataset_inputs": [one.to_dictionary() for one in self.dataset_inputs],
            "model_inputs": [asdict(one) for one in self.model_inputs],
        }


def as_dataset(given: Any) -> Dataset:
    """Return what was given as a data set: ours, MLflow's, a mapping, or any object with `to_dict()` or `to_json()`.

    Raises:
        TypeError: It is none.
        InvalidNameError: It has no name or no digest, or one that cannot be kept.
    """
    found = Dataset(**_words(given))
    for name, most in (("name", 500), ("digest", 100), ("source_type", 100)):
        if not 0 < len(getattr(found, name)) <= most:
            raise InvalidNameError(f"{name} of data set", getattr(found, name)[:40], f"it has 1 to {most} characters")
    return found


def input_tag(given: DatasetInput, time: Callable[[str], int]) -> dict[str, str]:
    """Return the tag that records an input. The same data set for another purpose is another input."""
    said = {key: value for key, value in asdict(given.dataset).items() if value is not None}
    tags = {tag.key: tag.value for tag in given.tags}
    about = [given.dataset.name, given.dataset.digest, given.context]
    (key,) = remark(_KIND, about, {})
    return remark(_KIND, about, {"time": time(key), **said, **({"tags": tags} if tags else {})})


def times_of(tags: Mapping[str, str]) -> dict[str, int]:
    """Return when each input of a run was logged, by the key of its tag."""
    found = {key: remarks({key: text}, _KIND) for key, text in tags.items()}
    return {key: int(body["time"]) for key, bodies in found.items() for body in bodies}


def shortened(dataset: Dataset) -> tuple[Dataset, dict[str, str]]:
    """Return a data set as its tag has it, and the files that hold what is too long for a tag."""
    long = {name: text for name in ("source", "schema", "profile") if len(text := getattr(dataset, name) or "") > _LONG}
    folder = f"holdall-inputs/{name_of([dataset.name, dataset.digest, *long.values()])}"
    files = {name: f"{folder}/{name}.json" for name in long}
    pointers = {name: json.dumps({"artifact": path}) for name, path in files.items()}
    return replace(dataset, **pointers), {files[name]: text for name, text in long.items()}


def inputs_of(tags: Mapping[str, str]) -> RunInputs:
    """Return the inputs in a run's tags, the oldest first; one without a purpose only if it has no other entry."""
    found = [_input(body) for body in remarks(tags, _KIND) if texts(body, *_NEEDED)]
    meant = {(one.dataset.name, one.dataset.digest) for one in found if one.context is not None}
    datasets = [one for one in found if one.context or (one.dataset.name, one.dataset.digest) not in meant]
    return RunInputs(datasets, model_inputs_of(tags))


def _input(body: Mapping[str, Any]) -> DatasetInput:
    said = body.get("tags")
    tags = said.items() if isinstance(said, dict) else ()
    words = {each.name: body[each.name] for each in fields(Dataset) if isinstance(body.get(each.name), str)}
    return DatasetInput(Dataset(**words), [InputTag(key, str(value)) for key, value in tags])


def _words(given: Any) -> dict[str, Any]:
    body = given
    if hasattr(given, "to_dict"):
        body = given.to_dict()
    elif hasattr(given, "to_json"):
        body = json.loads(given.to_json())
    elif all(hasattr(given, name) for name in _NEEDED):  # MLflow's record of one
        body = {each.name: getattr(given, each.name, None) for each in fields(Dataset)}
    if not isinstance(body, Mapping) or not texts(body, *_NEEDED):
        raise TypeError(f"{type(given).__name__} is no data set: make one with holdall.data.from_pandas or from_numpy")
    return {each.name: body.get(each.name) for each in fields(Dataset)}
