"""Where a data set came from, as a value with attributes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from holdall.errors import ContentError, InvalidURIError
from holdall.runs.inputs import Dataset, DatasetInput, as_dataset


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """Where a data set came from.

    Attributes:
        source_type: A word for its kind, such as "local", "s3", "http", "hugging_face" or "code".
        facts: What is known of it, by name: `uri`, `url`, `path`, ...
    """

    source_type: str
    facts: Mapping[str, Any]

    @property
    def uri(self) -> str | None:
        """Its address, or None if it has none."""
        return next((str(self.facts[key]) for key in ("uri", "url", "path") if self.facts.get(key)), None)

    def to_dict(self) -> dict[str, Any]:
        """Return what is known of it, by name."""
        return dict(self.facts)

    def to_json(self) -> str:
        """Return the same as JSON."""
        return json.dumps(self.to_dict())

    def load(self) -> str:
        """Return the path of its files, where they are on this machine.

        Raises:
            InvalidURIError: They are elsewhere; the error says where.
            FileNotFoundError: They are gone.
        """
        address = self.uri or ""
        if self.source_type != "local":
            raise InvalidURIError(address, "it is not on this machine; fetch it with the library that reads it")
        path = Path(unquote(urlsplit(address).path) if address.startswith("file:") else address)
        if not path.exists():
            raise FileNotFoundError(f"the data set's files are no longer at {path}")
        return str(path)


def get_source(dataset: Dataset | DatasetInput | Any) -> DatasetSource:
    """Return where a data set came from.

    Args:
        dataset: A data set as `from_pandas` describes one, or an input of a run.

    Raises:
        ContentError: Its source is not JSON with names.

    Example:
        >>> import numpy
        >>> dataset = holdall.data.from_numpy(numpy.zeros(3), source="s3://bucket/train.npy")
        >>> holdall.data.get_source(dataset).uri
        's3://bucket/train.npy'
    """
    found = as_dataset(getattr(dataset, "dataset", dataset))
    try:
        facts = json.loads(found.source)
    except (ValueError, RecursionError) as error:
        raise ContentError(found.name, "a data set's source", str(error)) from error
    if not isinstance(facts, dict):
        raise ContentError(found.name, "a data set's source", "it has no names")
    return DatasetSource(found.source_type, facts)
