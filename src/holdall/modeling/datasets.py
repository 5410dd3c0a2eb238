"""Data sets described: a name, a digest, a source, a schema, made from the data itself.

    digest     the SHA-256 of all of it: the same data has it wherever it is, and in whichever format it was kept,
               and other data has another one; `data_digest` says what is the same
    schema     {"mlflow_colspec": [...]} or {"mlflow_tensorspec": {...}}, as MLflow writes them
    source     {"uri": ...} under its scheme, {"url": ...} under "http"; without one, "code"

The digest is longer than MLflow's, which has 32 bits: two tables in 77,000 meet
by chance there, and of a table MLflow looks at 10,000 rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from holdall.errors import InvalidArgumentError
from holdall.modeling.data_digest import arrays_digest, frame_digest
from holdall.modeling.kept_datasets import NumpyDataset, PandasDataset
from holdall.modeling.signatures.inference import infer_schema
from holdall.modeling.signatures.schema import Schema
from holdall.runs.inputs import Dataset
from holdall.runs.masking import mask_text

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_NAME = "dataset"


def from_pandas(
    df: pd.DataFrame,
    source: Any = None,
    targets: str | None = None,
    name: str | None = None,
    digest: str | None = None,
    predictions: str | None = None,
) -> PandasDataset:
    """Describe a DataFrame, for `holdall.log_input`.

    Args:
        df: The data, which is read, and not logged.
        source: Where it came from: an address or path, or one of MLflow's sources.
        targets: The column that is to be predicted.
        name: Its name; "dataset" when None.
        digest: A name for its content; computed when None.
        predictions: The column with the predictions of a model.

    Returns:
        The description, which also has the data: `df`, and the columns' names as `targets` and `predictions`.

    Raises:
        InvalidArgumentError: There is no such column.
        TypeError: It holds objects of which no digest can be made; give one.

    Cost: reading all of it once, numbers at the speed of SHA-256, texts at that of Python.

    Example:
        >>> import pandas
        >>> frame = pandas.DataFrame({"x": [1.0, 2.0], "y": [0, 1]})
        >>> dataset = holdall.data.from_pandas(frame, source="s3://bucket/train.csv", targets="y", name="train")
        >>> dataset.name, dataset.source_type, dataset.profile
        ('train', 's3', '{"num_rows": 2, "num_elements": 4}')
    """
    words = {"targets": targets, "predictions": predictions}
    return PandasDataset(described_frame(df, source_of(source), name=name, digest=digest, **words), df=df, **words)


def described_frame(
    df: pd.DataFrame,
    source: tuple[str, str],
    *,
    targets: str | None = None,
    name: str | None = None,
    digest: str | None = None,
    predictions: str | None = None,
) -> Dataset:
    """Describe a DataFrame whose source has a kind and a JSON text. Args, raises: as `from_pandas`."""
    for role, column in (("targets", targets), ("predictions", predictions)):
        if column is not None and column not in df.columns:
            had = ", ".join(map(str, df.columns))
            raise InvalidArgumentError(f"{role}: there is no column {column!r}; there are {had}")
    schema = _schema(df)
    kind, where = source
    return Dataset(
        name=name or _NAME,
        digest=digest or frame_digest(df),
        source_type=kind,
        source=where,
        schema=json.dumps({"mlflow_colspec": schema.to_dict()}) if schema else None,
        profile=json.dumps({"num_rows": len(df), "num_elements": int(df.size)}),
    )


def from_numpy(
    features: np.ndarray[Any, Any] | Mapping[str, np.ndarray[Any, Any]],
    source: Any = None,
    targets: np.ndarray[Any, Any] | Mapping[str, np.ndarray[Any, Any]] | None = None,
    name: str | None = None,
    digest: str | None = None,
) -> NumpyDataset:
    """Describe an array, or several under names, for `holdall.log_input`. Args: as `from_pandas`.

    Returns:
        The description, which also has the data: `features` and `targets`.

    Cost: reading all of it once, at the speed of SHA-256 (1.6 GB/s).

    Example:
        >>> import numpy
        >>> holdall.data.from_numpy(numpy.eye(3), source="s3://data/eye.npy", name="eye").name
        'eye'
    """
    parts = {"features": features} | ({"targets": targets} if targets is not None else {})
    schemas = {role: _schema(dict(part) if isinstance(part, Mapping) else part) for role, part in parts.items()}
    texts = {role: schema.to_json() for role, schema in schemas.items() if schema}
    kind, where = source_of(source)
    described = Dataset(
        name=name or _NAME,
        digest=digest or arrays_digest(_arrays(parts)),
        source_type=kind,
        source=where,
        schema=json.dumps({"mlflow_tensorspec": {"features": None, "targets": None} | texts}) if texts else None,
        profile=json.dumps({key: value for role, part in parts.items() for key, value in _measures(role, part)}),
    )
    return NumpyDataset(described, features=features, targets=targets)


def _schema(data: Any) -> Schema | None:
    """Return the schema of data; None for data that no schema can describe."""
    try:
        return infer_schema(data)
    except (TypeError, ValueError):
        return None


def source_of(given: Any) -> tuple[str, str]:
    """Return where data came from, as a kind and a JSON text. A password in an address is left out."""
    if given is None:
        return "code", json.dumps({"tags": {}})
    if hasattr(given, "to_json"):  # one of MLflow's
        kind = getattr(given, "_get_source_type", lambda: type(given).__name__)()
        return str(kind), str(given.to_json())
    address = mask_text(str(given))
    scheme, colon, _ = address.partition(":")
    if scheme in ("http", "https"):
        return "http", json.dumps({"url": address})
    known = colon and len(scheme) > 1 and scheme.isalnum() and scheme != "file"  # a single letter is a drive
    return (scheme if known else "local"), json.dumps({"uri": address})


def _arrays(parts: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield each array with its role and its name."""
    for role, part in parts.items():
        yield from (
            ((role, str(name), one) for name, one in part.items()) if isinstance(part, Mapping) else [(role, "", part)]
        )


def _measures(role: str, part: Any) -> list[tuple[str, Any]]:
    """Return shape, elements and bytes of an array; of several, each by name."""
    found = _named(part)
    whole = not isinstance(part, Mapping)
    measures: dict[str, dict[str, Any]] = {
        "shape": {name: list(array.shape) for name, array in found},
        "size": {name: int(array.size) for name, array in found},
        "nbytes": {name: int(array.nbytes) for name, array in found},
    }
    return [(f"{role}_{what}", each[""] if whole else each) for what, each in measures.items()]


def _named(part: Any) -> list[tuple[str, Any]]:
    import numpy as np

    if isinstance(part, Mapping):
        return [(str(name), np.asarray(array)) for name, array in part.items()]
    return [("", np.asarray(part))]
