"""Data sets of other libraries, described as tables of pandas or arrays of numpy are.

    polars          without missing values the very same columns; with them, pandas' types for such columns
    Hugging Face    what `to_pandas` gives
    Spark           what `toPandas` gives, unless a digest is given
    TensorFlow      tensors as arrays; a `tf.data.Dataset` item by item

So the same data has the same digest, whichever library holds it. A library is
never imported here but to convert what is of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from holdall.errors import InvalidArgumentError
from holdall.libraries import library
from holdall.modeling.data_digest import arrays_digest
from holdall.modeling.datasets import described_frame, from_numpy, source_of
from holdall.modeling.kept_datasets import PandasDataset
from holdall.runs.inputs import Dataset
from holdall.runs.masking import mask_text


def from_polars(
    df: Any,
    source: Any = None,
    targets: str | None = None,
    name: str | None = None,
    digest: str | None = None,
    predictions: str | None = None,
) -> PandasDataset:
    """Describe a DataFrame of polars, for `holdall.log_input`. Args: as `from_pandas`.

    Returns:
        The description, with the digest that `from_pandas` gives the same table; it also has the data, as `df`.

    Raises:
        InvalidArgumentError: There is no such column.
        TypeError: It is no DataFrame of polars; a LazyFrame has to be collected first.
        MissingLibraryError: pandas is not installed.

    Cost: a copy of one column at a time, and reading all of it once.

    Example:
        >>> import polars
        >>> frame = polars.DataFrame({"x": [1.0, 2.0], "city": ["Bern", None]})
        >>> dataset = holdall.data.from_polars(frame, source="cities.parquet", targets="x", name="cities")
        >>> dataset.name, dataset.profile
        ('cities', '{"num_rows": 2, "num_elements": 4}')
    """
    if not hasattr(df, "get_columns") or hasattr(df, "collect"):
        raise TypeError(f"a polars.DataFrame is needed, not a {type(df).__name__}; collect() a LazyFrame first")
    frame = library("pandas", "describing a table").DataFrame({each.name: _column(each) for each in df.get_columns()})
    words = {"targets": targets, "predictions": predictions}
    return PandasDataset(described_frame(frame, source_of(source), name=name, digest=digest, **words), df=df, **words)


def from_huggingface(
    ds: Any,
    path: str | None = None,
    targets: str | None = None,
    data_dir: str | None = None,
    data_files: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None = None,
    revision: Any = None,
    name: str | None = None,
    digest: str | None = None,
    trust_remote_code: bool | None = None,  # noqa: ARG001  # MLflow's; nothing is loaded here
    source: Any = None,
) -> Dataset:
    """Describe a `datasets.Dataset` of Hugging Face, for `holdall.log_input`.

    Args:
        ds: The data, which is read and not kept.
        path: Its name on the Hub, or its path; then the next four and the split are its source.
        targets: The column that is to be predicted.
        data_dir: As `datasets.load_dataset` had it.
        data_files: As `datasets.load_dataset` had it.
        revision: As `datasets.load_dataset` had it.
        name: Its name; that of the data set, or "dataset", when None.
        digest: A name for its content; computed when None.
        trust_remote_code: Accepted for MLflow's sake; nothing is loaded here.
        source: Its address, instead of `path`.

    Raises:
        InvalidArgumentError: There is no such column, or both `path` and `source` are given.
        TypeError: It is no `datasets.Dataset`; of a DatasetDict, describe each split.

    Cost: a copy of all of it in memory, as pandas has it.

    Example:
        >>> import datasets  # doctest: +SKIP
        >>> ds = datasets.load_dataset("cornell-movie-review-data/rotten_tomatoes", split="train")  # doctest: +SKIP
        >>> dataset = holdall.data.from_huggingface(ds, path=ds.info.dataset_name)  # doctest: +SKIP
    """
    if not hasattr(ds, "to_pandas") or not hasattr(ds, "info"):
        raise TypeError(f"a datasets.Dataset is needed, not a {type(ds).__name__}; of several splits, describe each")
    if path is not None and source is not None:
        raise InvalidArgumentError("give either path or source")
    words = {"path": path, "config_name": ds.info.config_name, "data_dir": data_dir, "data_files": data_files}
    hub = "hugging_face", json.dumps({**words, "split": str(ds.split), "revision": revision}, default=str)
    named = name or ds.info.dataset_name
    where = source_of(source) if path is None else hub
    return described_frame(ds.to_pandas(), where, targets=targets, name=named, digest=digest)


def from_spark(
    df: Any,
    path: str | None = None,
    table_name: str | None = None,
    version: str | None = None,
    sql: str | None = None,
    targets: str | None = None,
    name: str | None = None,
    digest: str | None = None,
    predictions: str | None = None,
) -> Dataset:
    """Describe a DataFrame of Spark, for `holdall.log_input`.

    Args:
        df: The data, which is read and not kept.
        path: The path of its files. At most one of `path`, `table_name` and `sql` is given.
        table_name: The name of its table.
        version: The version of that Delta table.
        sql: The query that gave it.
        targets: The column that is to be predicted.
        name: Its name; "dataset" when None.
        digest: A name for its content; when None, all rows are brought to this machine and read.
        predictions: The column with the predictions of a model.

    Raises:
        InvalidArgumentError: There is no such column, or several sources are given.
        TypeError: It is no DataFrame of Spark.

    Cost: all rows in memory; with a digest, a thousand rows and counting them.

    Example:
        >>> dataset = holdall.data.from_spark(spark.table("sales"), table_name="sales")  # doctest: +SKIP
    """
    if not hasattr(df, "toPandas"):
        raise TypeError(f"a DataFrame of Spark is needed, not a {type(df).__name__}")
    given = {key: value for key, value in (("path", path), ("table_name", table_name), ("sql", sql)) if value}
    if len(given) > 1:
        raise InvalidArgumentError(f"give one of {', '.join(given)}")
    kind, words = ("spark", dict[str, Any](given)) if given else ("code", {"tags": {}})
    if version is not None:
        of_delta: dict[str, Any] = {"delta_table_name": table_name} if table_name else {"path": path}
        kind, words = "delta_table", {**of_delta, "delta_table_version": version}
    where = mask_text(json.dumps(words))
    frame = df.toPandas() if digest is None else df.limit(1000).toPandas()
    found = described_frame(frame, (kind, where), targets=targets, name=name, digest=digest, predictions=predictions)
    return found if digest is None else _counted(found, df.count(), len(frame.columns))


def from_tensorflow(
    features: Any, source: Any = None, targets: Any = None, name: str | None = None, digest: str | None = None
) -> Dataset:
    """Describe a tensor of TensorFlow, or a `tf.data.Dataset`, for `holdall.log_input`.

    Args:
        features: The data, which is read and not kept.
        source: Its address or path, or one of MLflow's sources.
        targets: The values that are to be predicted: a tensor for a tensor, a data set for a data set.
        name: Its name; "dataset" when None.
        digest: A name for its content; computed when None.

    Raises:
        TypeError: It is neither, or `targets` is not of the same kind.

    Cost: reading all of it once, a data set item by item.

    Example:
        >>> import tensorflow as tf  # doctest: +SKIP
        >>> dataset = holdall.data.from_tensorflow(tf.constant([[1.0, 2.0]]), name="one")  # doctest: +SKIP
    """
    parts = [features] if targets is None else [features, targets]
    if all(hasattr(part, "as_numpy_iterator") for part in parts):
        kind, where = source_of(source)
        found = digest or _items_digest(parts)
        return Dataset(name=name or "dataset", digest=found, source_type=kind, source=where)
    if not all(hasattr(part, "numpy") for part in parts):
        raise TypeError("tensors of TensorFlow are needed, or a tf.data.Dataset, and for targets the same")
    arrays = [part.numpy() for part in parts]
    return from_numpy(arrays[0], source, arrays[1] if len(arrays) > 1 else None, name, digest)


# --- inside ---


def _column(series: Any) -> Any:
    """Return a column of polars as pandas has the same values: exact, with missing ones too."""
    pandas = library("pandas", "describing a table")
    if (series.dtype.is_numeric() and not series.dtype.is_decimal()) or str(series.dtype) == "Boolean":
        values = series.fill_null(False if str(series.dtype) == "Boolean" else 0).to_numpy()
        if not series.null_count():
            return values
        kinds = {"b": "BooleanArray", "i": "IntegerArray", "u": "IntegerArray", "f": "FloatingArray"}
        return getattr(pandas.arrays, kinds[values.dtype.kind])(values.copy(), series.is_null().to_numpy().copy())
    if series.dtype.is_temporal() and str(series.dtype).startswith(("Datetime", "Duration")):
        return pandas.Series(series.to_numpy())  # of the unit that it has; what is missing is NaT
    return pandas.Series(series.to_list(), dtype=object)


def _items_digest(parts: Sequence[Any]) -> str:
    """Return the digest of data sets that are read item by item."""
    hasher = hashlib.sha256(b"items")
    for role, part in zip(("features", "targets"), parts, strict=False):
        for item in part.as_numpy_iterator():
            hasher.update(arrays_digest(_leaves(item, role)).encode())
        hasher.update(role.encode())
    return hasher.hexdigest()


def _leaves(item: Any, name: str) -> Iterator[tuple[str, str, Any]]:
    """Yield the arrays of an item, each with where in it it is."""
    if isinstance(item, Mapping):
        for key in sorted(item):
            yield from _leaves(item[key], f"{name}/{key}")
    elif isinstance(item, tuple):
        for n, each in enumerate(item):
            yield from _leaves(each, f"{name}/{n}")
    else:
        yield name, "", item


def _counted(found: Dataset, rows: int, columns: int) -> Dataset:
    """Return a description with the number of rows that were counted, not brought here."""
    profile = json.dumps({"num_rows": rows, "num_elements": rows * columns})
    return Dataset(**(found.to_dict() | {"profile": profile}))  # type: ignore[arg-type]
